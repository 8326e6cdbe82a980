//! Other accounts: whose resource it is, the role's session that a call is made in, and that one broken account does not
//! harm another. `scripted` shows what is sent to STS, `ministack` that an STS and a checker of signatures agree.

mod iam;
mod isolation;
mod ministack;
mod scripted;

use std::time::{Duration, SystemTime};

use aws_smithy_types::{DateTime, date_time::Format};
use idp_proxy::proto::{
    cognito::v1::{
        ListIdentityProvidersRequest as List, ListIdentityProvidersResponse as Listed,
        identity_provider_service_client::IdentityProviderServiceClient as Cognito,
    },
    workspacesweb::v1::ListIdentityProvidersRequest as WebList,
};
use tonic::{Request, Status, transport::Channel};

use crate::support::{Answer, Proxy, ScriptedAws, Seen, repository};

const A: &str = "111122223333";
const B: &str = "444455556666";
const POOL_A: &str = "us-east-1_PoolOfA";
const POOL_A2: &str = "eu-west-1_PoolOfA";
const POOL_B: &str = "us-east-1_PoolOfB";
const POOL_OWN: &str = "us-east-1_PoolOfMine";

fn portal(account: &str) -> String {
    format!("arn:aws:workspaces-web:us-east-1:{account}:portal/00000000-0000-4000-8000-000000000001")
}

pub(crate) fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/idp-proxy")
}

/// The environment that says which accounts there are: the number of each, its external id and its pools.
fn sections(accounts: &[(&str, &str, &[&str])]) -> Vec<(String, String)> {
    let mut environment = Vec::new();
    for (at, (account, external_id, pools)) in accounts.iter().enumerate() {
        let mut put =
            |key: &str, value: String| environment.push((format!("IDP_PROXY__AWS__ACCOUNT__{at}__{key}"), value));
        put("ACCOUNT", (*account).to_owned());
        put("ROLE_ARN", role(account));
        put("EXTERNAL_ID", (*external_id).to_owned());
        put("USER_POOLS", format!("{pools:?}"));
    }
    environment
}

fn both_accounts() -> Vec<(String, String)> {
    sections(&[(A, "tenant-a", &[POOL_A, POOL_A2]), (B, "tenant-b", &[POOL_B])])
}

/// A proxy in front of a stand-in for AWS and one for STS.
async fn proxy(aws: &ScriptedAws, sts: &ScriptedAws, more: &[(&str, &str)]) -> Proxy {
    let sections = both_accounts();
    let mut environment: Vec<(&str, &str)> = sections.iter().map(|(name, value)| (&**name, &**value)).collect();
    environment.push(("AWS_ENDPOINT_URL_STS", &sts.endpoint));
    environment.extend(more);
    Proxy::against(&aws.endpoint, &environment).await
}

/// STS's answer with a session of this many seconds.
fn session(key: &str, seconds: u64) -> Answer {
    session_of(&[key.to_owned(), format!("secret-of-{key}"), format!("token-of-{key}")], seconds)
}

/// The same with this key, secret and token.
pub(crate) fn session_of(credentials: &[impl AsRef<str>; 3], seconds: u64) -> Answer {
    let [key, secret, token] = credentials.each_ref().map(AsRef::as_ref);
    let end = DateTime::from(SystemTime::now() + Duration::from_secs(seconds)).fmt(Format::DateTime).unwrap();
    Answer::new(
        200,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>\
             <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{end}</Expiration></Credentials></AssumeRoleResult>\
             <ResponseMetadata><RequestId>sts-request-1</RequestId></ResponseMetadata></AssumeRoleResponse>"
        ),
    )
}

/// STS's refusal; its text names the role, as AWS's does.
fn refusal(status: u16, code: &str) -> Answer {
    let text = format!("User: arn:aws:iam::999999999999:user/me is not authorized on resource: {}", role(A));
    Answer::new(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{text}</Message></Error><RequestId>sts-request-2</RequestId></ErrorResponse>"
        ),
    )
}

/// Both services' empty lists, which is all that these tests ask AWS for.
fn nothing(seen: &Seen) -> Answer {
    Answer::new(200, if seen.path == "/" { r#"{"Providers":[]}"# } else { r#"{"identityProviders":[]}"# })
}

/// One field of a form.
fn field(seen: &Seen, name: &str) -> Option<String> {
    let form = std::str::from_utf8(&seen.body).unwrap();
    let value = form.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?.1;
    Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
}

fn header(seen: &Seen, name: &str) -> String {
    let found = seen.headers.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// The key that a request is signed with.
fn key(seen: &Seen) -> String {
    let authorization = header(seen, "authorization");
    let (_, rest) = authorization.split_once("Credential=").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

async fn list(client: &mut Cognito<Channel>, pool: &str) -> Result<Listed, Status> {
    let request = List { user_pool_id: pool.to_owned(), ..List::default() };
    client.list_identity_providers(request).await.map(tonic::Response::into_inner)
}

/// A list by a caller with this Linkerd identity.
async fn list_as(client: &mut Cognito<Channel>, caller: &str, pool: &str) -> Result<Listed, Status> {
    let mut request = Request::new(List { user_pool_id: pool.to_owned(), ..List::default() });
    request.metadata_mut().insert("l5d-client-id", caller.parse().unwrap());
    client.list_identity_providers(request).await.map(tonic::Response::into_inner)
}

fn web_list(account: &str) -> WebList {
    WebList { portal_arn: portal(account), ..WebList::default() }
}

/// The README's policy that closes what no section names.
fn readme_policy() -> String {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, policy) = readme.split_once("@id(\"only-our-accounts\")").expect("the README's policy");
    let (policy, _) = policy.split_once("```").unwrap();
    assert!(policy.contains(A) && policy.contains(B), "the tests' accounts are the README's");
    format!("@id(\"only-our-accounts\"){policy}")
}
