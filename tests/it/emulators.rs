//! Other people's Cognito behind the proxy: what `MiniStack` and moto do, and what callers are told of it.
//!
//! Both differ from AWS and from each other (`tests/tools/README.md`), so that nothing here was made to fit the proxy.

use idp_proxy::proto::{
    cognito::v1::{
        CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete,
        DescribeIdentityProviderRequest as Describe, GetIdentityProviderByIdentifierRequest as ByIdentifier,
        IdentityProvider, ListIdentityProvidersRequest as List, UpdateIdentityProviderRequest as Update,
        identity_provider_service_client::IdentityProviderServiceClient,
    },
    workspacesweb::v1::ListIdentityProvidersRequest as WebList,
};
use prost_types::FieldMask;
use tonic::{Code, Status, transport::Channel};

use crate::support::{Emulator, Proxy, SANDBOX_PORTAL, assert_refused, details, info, is_leaking, map, python, shown};

type Client = IdentityProviderServiceClient<Channel>;

/// An emulator with a user pool.
struct Aws {
    emulator: Emulator,
    pool: String,
}

impl Aws {
    async fn of(emulator: Emulator) -> Self {
        const CREATE_POOL: &str = "import boto3, sys
pool = boto3.client('cognito-idp', 'us-east-1', endpoint_url=sys.argv[1]).create_user_pool(PoolName='it')
print(pool['UserPool']['Id'])";
        let pool = python(["-c", CREATE_POOL, &emulator.endpoint]).await.trim().to_owned();
        Self { emulator, pool }
    }

    fn provider(&self, name: &str) -> Create {
        Create {
            user_pool_id: self.pool.clone(),
            provider_name: name.to_owned(),
            provider_type: "OIDC".to_owned(),
            provider_details: details("OIDC"),
            ..Create::default()
        }
    }

    fn named(&self, name: &str) -> Describe {
        Describe { user_pool_id: self.pool.clone(), provider_name: name.to_owned() }
    }

    fn change(&self, name: &str) -> Update {
        Update { user_pool_id: self.pool.clone(), provider_name: name.to_owned(), ..Update::default() }
    }

    fn gone(&self, name: &str) -> Delete {
        Delete { user_pool_id: self.pool.clone(), provider_name: name.to_owned(), ..Delete::default() }
    }

    fn page(&self) -> List {
        List { user_pool_id: self.pool.clone(), ..List::default() }
    }

    fn identifier(&self, identifier: &str) -> ByIdentifier {
        ByIdentifier { user_pool_id: self.pool.clone(), idp_identifier: identifier.to_owned() }
    }
}

fn shows(made: &IdentityProvider, name: &str) {
    assert!(!is_leaking(made), "a secret in an answer");
    assert_eq!((made.provider_name.as_str(), made.provider_type.as_str()), (name, "OIDC"));
    assert_eq!(made.provider_details, shown(details("OIDC")));
    assert!(made.secret_fingerprints.contains_key("client_secret"));
    assert!(made.creation_date.is_some() && made.last_modified_date.is_some());
}

/// What both have in common: the life of a provider, without get by identifier.
async fn life(aws: &Aws, client: &mut Client) {
    let identifiers = vec!["corp.example".to_owned()];
    let sent = Create {
        attribute_mapping: map(&[("email", "mail")]),
        idp_identifiers: identifiers.clone(),
        ..aws.provider("Corp")
    };
    let made = client.create_identity_provider(sent).await.unwrap().into_inner().identity_provider.unwrap();
    shows(&made, "Corp");
    let read = client.describe_identity_provider(aws.named("Corp")).await.unwrap();
    let read = read.into_inner().identity_provider.unwrap();
    assert!(read == made, "what was made is what is there");

    let attribute_mapping = map(&[("name", "full_name")]);
    let changed = Update { attribute_mapping: attribute_mapping.clone(), ..aws.change("Corp") };
    let changed = client.update_identity_provider(changed).await.unwrap().into_inner().identity_provider.unwrap();
    shows(&changed, "Corp");
    assert_eq!(changed.attribute_mapping, attribute_mapping);
    let update_mask = Some(FieldMask { paths: vec!["idp_identifiers".to_owned()] });
    client.update_identity_provider(Update { update_mask, ..aws.change("Corp") }).await.unwrap();
    let read = client.describe_identity_provider(aws.named("Corp")).await.unwrap();
    let read = read.into_inner().identity_provider.unwrap();
    assert_eq!(
        (read.attribute_mapping, read.idp_identifiers),
        (attribute_mapping, Vec::new()),
        "named, empty: cleared"
    );

    pages(aws, client).await;
    client.delete_identity_provider(aws.gone("Corp")).await.unwrap();
    let refused = client.delete_identity_provider(aws.gone("Corp")).await;
    assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");
}

/// What both list alike, over their pages; `Corp` is there already.
async fn pages(aws: &Aws, client: &mut Client) {
    for name in ["Corp2", "Corp3"] {
        client.create_identity_provider(aws.provider(name)).await.unwrap();
    }
    let mut names = Vec::new();
    let mut page = List { max_results: Some(2), ..aws.page() };
    loop {
        let answer = client.list_identity_providers(page.clone()).await.unwrap().into_inner();
        assert!(names.len() < 9, "the same page over and over");
        names.extend(answer.providers.into_iter().map(|provider| provider.provider_name));
        if answer.next_token.is_empty() {
            break;
        }
        page.next_token = answer.next_token;
    }
    names.sort();
    assert_eq!(names, ["Corp", "Corp2", "Corp3"]);
}

/// What both refuse alike.
async fn refusals(aws: &Aws, client: &mut Client) {
    let refused = client.describe_identity_provider(aws.named("Nobody")).await;
    let refused = assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");
    let known = info(&refused).metadata;
    assert_eq!(known["awsErrorCode"], "ResourceNotFoundException");
    assert_eq!((known["origin"].as_str(), known["awsHttpStatus"].as_str()), ("aws", "400"));
    let refused = client
        .update_identity_provider(Update { attribute_mapping: map(&[("email", "mail")]), ..aws.change("Nobody") });
    let refused = assert_refused(refused.await, Code::NotFound, "RESOURCE_NOT_FOUND");
    assert_eq!(info(&refused).metadata["mayHaveBeenApplied"], "false");

    let pool = "us-east-1_Missing99".to_owned();
    let refused = client.create_identity_provider(Create { user_pool_id: pool.clone(), ..aws.provider("Corp") }).await;
    assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");
    let refused = client.list_identity_providers(List { user_pool_id: pool, ..aws.page() }).await;
    assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");
}

fn attempts(refused: &Status) -> String {
    info(refused).metadata["attempts"].clone()
}

#[tokio::test]
async fn all_six_operations_work_against_ministack() {
    let aws = Aws::of(Emulator::ministack(&[]).await).await;
    let proxy = Proxy::against(&aws.emulator.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    life(&aws, &mut client).await;
    refusals(&aws, &mut client).await;

    let with_identifier = |name| Create { idp_identifiers: vec!["one.example".to_owned()], ..aws.provider(name) };
    client.create_identity_provider(with_identifier("One")).await.unwrap();
    let found = client.get_identity_provider_by_identifier(aws.identifier("one.example")).await.unwrap();
    shows(&found.into_inner().identity_provider.unwrap(), "One");
    let refused = client.get_identity_provider_by_identifier(aws.identifier("One")).await;
    assert_refused(refused, Code::NotFound, "RESOURCE_NOT_FOUND");

    let refused = client.create_identity_provider(aws.provider("One")).await;
    let refused = assert_refused(refused, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    assert_eq!((attempts(&refused).as_str(), info(&refused).metadata["mayHaveBeenApplied"].as_str()), ("1", "false"));
    let refused = client.create_identity_provider(with_identifier("Two")).await;
    assert_refused(refused, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    // Its 500 for a made-up token, `InternalError`, is no code of AWS's: a read is tried again, then it is unavailable.
    let garbage = client.list_identity_providers(List { next_token: "garbage".to_owned(), ..aws.page() }).await;
    let refused = assert_refused(garbage, Code::Unavailable, "AWS_UNRECOGNIZED_ERROR");
    assert_eq!((attempts(&refused).as_str(), info(&refused).metadata["awsErrorCode"].as_str()), ("3", "InternalError"));

    let mut web = proxy.web().await;
    let unknown = web.list_identity_providers(WebList { portal_arn: SANDBOX_PORTAL.to_owned(), ..WebList::default() });
    let refused = assert_refused(unknown.await, Code::InvalidArgument, "AWS_UNPARSABLE_RESPONSE");
    assert_eq!(info(&refused).metadata["awsHttpStatus"], "400");
}

#[tokio::test]
async fn the_five_operations_that_moto_has_work_against_it() {
    let aws = Aws::of(Emulator::moto().await).await;
    let proxy = Proxy::against(&aws.emulator.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    life(&aws, &mut client).await;
    refusals(&aws, &mut client).await;

    let acr_mapping = map(&[("Level1", "urn:acr:1")]);
    let made =
        client.create_identity_provider(Create { acr_mapping: acr_mapping.clone(), ..aws.provider("One") }).await;
    let made = made.unwrap().into_inner().identity_provider.unwrap();
    assert_eq!((made.acr_mapping, made.attribute_mapping), (acr_mapping, map(&[("username", "sub")])));
    // moto overwrites where AWS refuses; the proxy does not know better.
    client.create_identity_provider(aws.provider("One")).await.unwrap();
    // Not implemented there: an error page in HTML.
    let refused = client.get_identity_provider_by_identifier(aws.identifier("one.example")).await;
    let refused = assert_refused(refused, Code::Unavailable, "AWS_UNPARSABLE_RESPONSE");
    assert_eq!((attempts(&refused).as_str(), info(&refused).metadata["awsHttpStatus"].as_str()), ("3", "500"));
    assert!(!refused.message().contains('<'), "no HTML in {}", refused.message());
    let garbage = client.list_identity_providers(List { next_token: "garbage".to_owned(), ..aws.page() }).await;
    let refused = assert_refused(garbage, Code::Unknown, "AWS_UNRECOGNIZED_ERROR");
    assert_eq!(info(&refused).metadata["awsErrorCode"], "InvalidToken");

    let mut web = proxy.web().await;
    let unknown = web.list_identity_providers(WebList { portal_arn: SANDBOX_PORTAL.to_owned(), ..WebList::default() });
    let refused = assert_refused(unknown.await, Code::NotFound, "AWS_UNPARSABLE_RESPONSE");
    assert_eq!(info(&refused).metadata["awsHttpStatus"], "404");
}
