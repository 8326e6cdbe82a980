//! What calls need besides identity, through Envoy: health, errors with their details, deadlines, size, and being sent once.

use std::{sync::Arc, time::Duration};

use http::uri::PathAndQuery;
use idp_proxy::proto::cognito::v1::{CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete};
use tokio::sync::Semaphore;
use tonic::{Code, Request, client::Grpc};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use super::{CONSOLE, World, believing, create, list, request};
use crate::support::{
    Answer, Authority, Envoy, SANDBOX_USER_POOL, Scratch, ScriptedAws, assert_refused, fields, info, map,
    printed_outcome, replaced, saml_metadata, tls_channel,
};

const BROKEN: &str = r#"{"__type":"InternalErrorException","message":"x"}"#;
/// So that whoever sends twice is not the proxy.
const ONE_ATTEMPT: (&str, &str) = ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1");

/// The proxy in front of a stand-in for AWS that answers as the test says.
async fn world(aws: &ScriptedAws) -> World {
    let identity = [&believing("[\"127.0.0.1/32\"]")[..], &[ONE_ATTEMPT]].concat();
    World::of(&aws.endpoint, Scratch::new(), Authority::new("prod.example"), &identity).await
}

/// How often AWS was asked for this operation.
fn asked(aws: &ScriptedAws, operation: &str) -> usize {
    let target = format!("AWSCognitoIdentityProviderService.{operation}");
    aws.seen().iter().filter(|seen| seen.headers.contains(&("x-amz-target".to_owned(), target.clone()))).count()
}

#[tokio::test]
async fn health_errors_with_their_details_and_request_ids_pass_through() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    let envoy = world.sidecar().await;
    let leaf = world.authority.client(&[CONSOLE]);
    let channel = tls_channel(&envoy.address, &world.authority, Some(&leaf)).await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "idpproxy.cognito.v1.IdentityProviderService"] {
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service}");
    }

    let mut console = super::Client::new(channel.clone());
    // Version 4, as tracing libraries make them: Envoy would write its sampling into it.
    let id = "6f1c0e9e-5f2b-4a38-9a53-0c1d2e3f4a5b";
    let mut wrong = Request::new(Create { provider_type: "Nonsense".to_owned(), ..create(SANDBOX_USER_POOL) });
    wrong.metadata_mut().insert("x-request-id", id.parse().unwrap());
    let refused = console.create_identity_provider(wrong).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
    assert_eq!(fields(&refused), ["provider_type"]);
    assert_eq!(refused.get_error_details().request_info().unwrap().request_id, id);
    assert_eq!(refused.metadata().get("x-request-id").unwrap(), id);
    // An error without a message is all in the headers; what tells clients not to try again is there, too.
    let refused = console.create_identity_provider(create("us-east-1_Elsewhere1")).await;
    let refused = assert_refused(refused, Code::PermissionDenied, "POLICY_DENIED");
    assert_eq!(refused.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1");

    // What is not listed is not forwarded: the answer is Envoy's own.
    let mut other = Grpc::new(channel);
    other.ready().await.unwrap();
    let path = PathAndQuery::from_static("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo");
    let refused = other.unary(Request::new(()), path, ProstCodec::<(), ()>::default()).await.unwrap_err();
    assert!(refused.code() == Code::Unimplemented && refused.get_error_details().error_info().is_none(), "{refused:?}");
}

#[tokio::test]
async fn messages_of_more_than_half_a_megabyte_pass_in_both_directions() {
    let world = World::meshed("[\"127.0.0.1/32\"]").await;
    let envoy = world.sidecar().await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    // AWS limits the characters of a value to 131072; each of these has four bytes.
    let metadata = saml_metadata(0).replace("日本語", &"\u{1f512}".repeat(130_000));
    assert!(metadata.len() > 520_000);
    let saml = |metadata: &str| Create {
        provider_type: "SAML".to_owned(),
        provider_details: map(&[("MetadataFile", metadata)]),
        ..create(SANDBOX_USER_POOL)
    };
    let made = console.create_identity_provider(saml(&metadata)).await.unwrap();
    assert_eq!(made.into_inner().identity_provider.unwrap().provider_details["MetadataFile"], metadata);
    // Beyond AWS's limit and beyond ours the proxy answers, not Envoy.
    let refused = console.create_identity_provider(saml(&saml_metadata(600_000))).await;
    assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
    let refused = console.create_identity_provider(saml(&saml_metadata(1_100_000))).await;
    assert_refused(refused, Code::InvalidArgument, "REQUEST_TOO_LARGE");
}

#[tokio::test]
async fn a_deadline_reaches_the_proxy_and_its_answer_is_the_proxys() {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let world = world(&aws).await;
    let envoy = world.sidecar().await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    let gone =
        Delete { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: "Corp".to_owned(), ..Delete::default() };
    let (id, mut request) = request(gone, &[]);
    request.set_timeout(Duration::from_millis(500));
    // On a busy machine the client's own clock may win; the audit has what the proxy answered.
    console.delete_identity_provider(request).await.unwrap_err();
    assert_eq!(printed_outcome(&world.proxy, &id).await["reason"], "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn when_the_proxy_dies_in_a_call_envoy_says_unavailable_and_does_not_send_it_again() {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let world = world(&aws).await;
    let envoy = world.sidecar().await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    let call = tokio::spawn(async move { console.create_identity_provider(create(SANDBOX_USER_POOL)).await.map(drop) });
    aws.has_seen(1).await;
    world.proxy.signal("-KILL");
    // Nobody can tell from this whether AWS has done it: this is why no sidecar on the way may repeat writes.
    let refused = call.await.unwrap().unwrap_err();
    assert!(refused.code() == Code::Unavailable && refused.get_error_details().error_info().is_none(), "{refused:?}");
    assert_eq!(aws.seen().len(), 1);
}

#[tokio::test]
async fn a_caller_cannot_make_envoy_send_a_call_twice() {
    let aws = ScriptedAws::always(Answer::new(500, BROKEN)).await;
    let world = world(&aws).await;
    // Envoy itself drops such orders from whom it takes for external; here it is told that this caller is not.
    let envoy = Envoy::changed(&world.authority, &world.proxy.address, |text| {
        let own = "use_remote_address: true\n          \
            internal_address_config: { cidr_ranges: [{ address_prefix: 127.0.0.0, prefix_len: 8 }] }";
        replaced(&text, 1, "use_remote_address: true", own)
    });
    let envoy = envoy.await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    let orders = [
        ("x-envoy-retry-on", "5xx,gateway-error,reset,retriable-headers,envoy-ratelimited"),
        ("x-envoy-retry-grpc-on", "cancelled,deadline-exceeded,internal,resource-exhausted,unavailable"),
        ("x-envoy-retriable-header-names", "grpc-status"),
        ("x-envoy-max-retries", "5"),
    ];
    let (_, write) = request(create(SANDBOX_USER_POOL), &orders);
    assert!(console.create_identity_provider(write).await.is_err());
    let (_, read) = request(list(SANDBOX_USER_POOL), &orders);
    assert!(console.list_identity_providers(read).await.is_err());
    assert_eq!((asked(&aws, "CreateIdentityProvider"), asked(&aws, "ListIdentityProviders")), (1, 1));
    // Nor wait for less than it takes, for an answer that would be Envoy's.
    let (_, short) = request(list(SANDBOX_USER_POOL), &[("x-envoy-upstream-rq-timeout-ms", "1")]);
    assert_refused(console.list_identity_providers(short).await.map(drop), Code::Unavailable, "AWS_INTERNAL");
}

/// What Istio's sidecars on the way do unless they are told otherwise, with a real Envoy; Istio itself is not run.
#[tokio::test]
async fn with_istios_default_retries_a_write_of_unknown_outcome_is_sent_once() {
    let aws = ScriptedAws::always(Answer::new(500, BROKEN)).await;
    let world = world(&aws).await;
    let envoy = Envoy::changed(&world.authority, &world.proxy.address, |text| {
        let text = replaced(&text, 1, "max_retries: 0", "max_retries: 3");
        let policy = "retry_policy: { num_retries: 2, retriable_status_codes: [503], \
            retry_on: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes' }";
        replaced(&text, 2, "timeout: 35s", &format!("timeout: 35s, {policy}"))
    });
    let envoy = envoy.await;
    let mut console = world.client(&envoy.address, &[CONSOLE]).await;
    let refused = console.create_identity_provider(create(SANDBOX_USER_POOL)).await;
    let refused = assert_refused(refused, Code::Unknown, "OUTCOME_UNKNOWN");
    assert_eq!(info(&refused).metadata["mayHaveBeenApplied"], "true");
    assert_eq!(asked(&aws, "CreateIdentityProvider"), 1);
    // It would have been: reads are repeated.
    assert!(console.list_identity_providers(list(SANDBOX_USER_POOL)).await.is_err());
    assert_eq!(asked(&aws, "ListIdentityProviders"), 3);
    // Nothing of this is worth repeating, and Envoy is told so.
    let throttled = r#"{"__type":"TooManyRequestsException","message":"x"}"#;
    aws.now(Answer::new(400, throttled));
    assert!(console.list_identity_providers(list(SANDBOX_USER_POOL)).await.is_err());
    assert_eq!(asked(&aws, "ListIdentityProviders"), 1);
}
