//! What the server does besides its RPCs: health, reflection, refusals of its own, limits, and what operators see.

use std::{collections::BTreeSet, os::unix::net::UnixListener, time::Duration};

use http::uri::PathAndQuery;
use idp_proxy::proto::cognito::v1::{
    DeleteIdentityProviderRequest as Delete, DescribeIdentityProviderRequest as Describe,
    ListIdentityProvidersRequest as List,
};
use prost::Message;
use tokio::task::JoinSet;
use tonic::{Code, Request, Response, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::{v1, v1alpha};

use crate::{
    drain::held,
    support::{
        Proxy, SANDBOX_USER_POOL, Scratch, assert_refused, eventually, fields, finish, get, idp_proxy, info, metric,
        tool,
    },
};

const COGNITO: &str = "idpproxy.cognito.v1.IdentityProviderService";
const WEB: &str = "idpproxy.workspacesweb.v1.IdentityProviderService";

fn list() -> List {
    List { user_pool_id: SANDBOX_USER_POOL.to_owned(), ..List::default() }
}

/// Calls a path with any message, as a client made from another proto would.
async fn raw<M: Message + Default + Send + 'static>(
    channel: Channel,
    path: &'static str,
    request: Request<M>,
) -> Result<Response<()>, Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    client.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, ()>::default()).await
}

#[tokio::test]
async fn health_answers_for_the_server_and_for_each_service() {
    let proxy = Proxy::sandbox().await;
    let mut client = HealthClient::new(proxy.channel().await);
    for service in ["", COGNITO, WEB] {
        let answer = client.check(HealthCheckRequest { service: service.to_owned() }).await.unwrap();
        assert_eq!(answer.into_inner().status(), ServingStatus::Serving, "{service:?}");
    }
    let unknown = client.check(HealthCheckRequest { service: "idpproxy".to_owned() }).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

/// What clients of either version of reflection resolve.
const SYMBOLS: [&str; 6] = [
    COGNITO,
    WEB,
    "google.rpc.ErrorInfo",
    "google.rpc.BadRequest",
    "grpc.health.v1.Health",
    "idpproxy.cognito.v1.IdentityProviderService.CreateIdentityProvider",
];

#[tokio::test]
async fn reflection_v1_resolves_services_and_error_details() {
    use v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let proxy = Proxy::sandbox().await;
    let mut client = ServerReflectionClient::new(proxy.channel().await);
    let ask = |question| ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let symbols = SYMBOLS.map(|symbol| ask(MessageRequest::FileContainingSymbol(symbol.to_owned())));
    let questions = [ask(MessageRequest::ListServices(String::new()))].into_iter().chain(symbols);
    let answers = client.server_reflection_info(futures_util::stream::iter(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    let listed = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(listed)) = listed else { panic!("{listed:?}") };
    let listed: BTreeSet<_> = listed.service.into_iter().map(|service| service.name).collect();
    assert!([COGNITO, WEB, "grpc.health.v1.Health"].iter().all(|&service| listed.contains(service)), "{listed:?}");
    for symbol in SYMBOLS {
        let file = answers.message().await.unwrap().unwrap().message_response;
        assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{symbol}: {file:?}");
    }
}

#[tokio::test]
async fn reflection_v1alpha_resolves_services_and_error_details() {
    use v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let proxy = Proxy::sandbox().await;
    let mut client = ServerReflectionClient::new(proxy.channel().await);
    let ask = |question| ServerReflectionRequest { host: String::new(), message_request: Some(question) };
    let questions = SYMBOLS.map(|symbol| ask(MessageRequest::FileContainingSymbol(symbol.to_owned())));
    let answers = client.server_reflection_info(futures_util::stream::iter(questions)).await.unwrap();
    let mut answers = answers.into_inner();
    for symbol in SYMBOLS {
        let file = answers.message().await.unwrap().unwrap().message_response;
        assert!(matches!(file, Some(MessageResponse::FileDescriptorResponse(_))), "{symbol}: {file:?}");
    }
}

#[tokio::test]
async fn buf_curl_works_over_reflection_v1() {
    let proxy = Proxy::sandbox().await;
    let cache = Scratch::new();
    let url = format!("http://{}/{COGNITO}/ListIdentityProviders", proxy.address);
    let mut command = tokio::process::Command::new(tool("venv/bin/buf"));
    command.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--reflect-protocol", "grpc-v1"]);
    command.args(["-d", &format!("{{\"UserPoolId\": \"{SANDBOX_USER_POOL}\"}}"), &url]).env("BUF_CACHE_DIR", &*cache);
    let output = finish(&mut command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "{}");
}

#[tokio::test]
async fn refusals_of_the_transport_have_the_code_and_the_details_of_ours() {
    let proxy = Proxy::sandbox().await;
    let channel = proxy.channel().await;
    let describe = "/idpproxy.cognito.v1.IdentityProviderService/DescribeIdentityProvider";

    let large = Describe { user_pool_id: "x".repeat(1024 * 1024 + 1), ..Describe::default() };
    let refused = raw(channel.clone(), describe, Request::new(large)).await;
    let refused = assert_refused(refused, Code::InvalidArgument, "REQUEST_TOO_LARGE");
    assert_eq!(
        (fields(&refused).len(), info(&refused).metadata["operation"].as_str()),
        (1, "DescribeIdentityProvider")
    );

    // A string that is not UTF-8, and a field of another wire type.
    for garbage in [vec![0xff, 0xfe], vec![]] {
        let refused = if garbage.is_empty() {
            raw(channel.clone(), describe, Request::new(7_u64)).await
        } else {
            raw(channel.clone(), describe, Request::new(garbage)).await
        };
        let refused = assert_refused(refused, Code::InvalidArgument, "INVALID_REQUEST");
        assert_eq!(info(&refused).metadata["service"], "cognito-idp");
    }

    for path in
        ["/idpproxy.cognito.v1.IdentityProviderService/NoSuchMethod", "/idpproxy.cognito.v1.NoSuchService/X", "/x"]
    {
        let refused = raw(channel.clone(), path, Request::new(())).await;
        let refused = assert_refused(refused, Code::Unimplemented, "UNKNOWN_METHOD");
        assert_eq!(info(&refused).metadata["origin"], "proxy");
    }

    let mut compressed = Request::new(list());
    compressed.metadata_mut().insert("grpc-encoding", "br".parse().unwrap());
    let refused = assert_refused(raw(channel, describe, compressed).await, Code::Unimplemented, "UNKNOWN_ENCODING");
    assert!(refused.metadata().contains_key("grpc-accept-encoding"), "what would be understood: {refused:?}");
}

#[tokio::test]
async fn beyond_the_limit_on_calls_in_flight_one_is_refused_at_once() {
    let (aws, gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__SERVER__IN_FLIGHT_MAX", "1")]).await;
    let mut client = proxy.cognito().await;
    let mut first = client.clone();
    let first = tokio::spawn(async move { first.list_identity_providers(list()).await });
    aws.has_seen(1).await;
    assert_eq!(metric(&proxy, "idp_proxy_in_flight").await, Some(1));
    let refused = client.list_identity_providers(list()).await;
    let refused = assert_refused(refused, Code::Unavailable, "PROXY_OVERLOADED");
    assert!(refused.metadata().get("grpc-retry-pushback-ms").is_none(), "another replica may be free");
    // Health is not counted: an overloaded server is alive.
    let mut health = HealthClient::new(proxy.channel().await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    gate.add_permits(1);
    first.await.unwrap().unwrap();
    client.list_identity_providers(list()).await.expect("there is room again");
}

#[tokio::test]
async fn a_write_whose_caller_went_away_keeps_its_place_until_it_is_over() {
    let (aws, gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__SERVER__IN_FLIGHT_MAX", "1")]).await;
    let delete =
        Delete { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: "Corp".to_owned(), ..Delete::default() };
    let mut client = proxy.cognito().await;
    let mut leaving = client.clone();
    let write = tokio::spawn(async move { leaving.delete_identity_provider(delete).await });
    aws.has_seen(1).await;
    write.abort();
    proxy.log_line(|line| line["message"].as_str()?.contains("its write goes on").then_some(())).await;
    assert_eq!(metric(&proxy, "idp_proxy_in_flight").await, Some(1));
    assert_refused(client.list_identity_providers(list()).await, Code::Unavailable, "PROXY_OVERLOADED");
    gate.add_permits(1);
    eventually("the write is over", async || metric(&proxy, "idp_proxy_in_flight").await.filter(|&calls| calls == 0))
        .await;
    client.list_identity_providers(list()).await.expect("there is room again");
}

#[tokio::test]
async fn two_hundred_calls_at_once_succeed() {
    let proxy = Proxy::sandbox().await;
    let (one, other) = (proxy.cognito().await, proxy.cognito().await);
    let mut calls = JoinSet::new();
    for number in 0..200 {
        let mut client = if number % 2 == 0 { one.clone() } else { other.clone() };
        calls.spawn(async move { client.list_identity_providers(list()).await.map(drop) });
    }
    for outcome in calls.join_all().await {
        outcome.unwrap();
    }
    assert_eq!(metric(&proxy, "idp_proxy_in_flight").await, Some(0));
    let counted = metric(&proxy, &counter("ListIdentityProviders", "OK")).await;
    assert_eq!(counted, Some(200));
}

fn counter(rpc: &str, code: &str) -> String {
    let labels = format!(r#"rpc_method="{COGNITO}/{rpc}",rpc_response_status_code="{code}""#);
    format!("rpc_server_call_duration_seconds_count{{{labels}}}")
}

#[tokio::test]
async fn operators_see_life_readiness_and_calls_by_method_and_code() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    client.list_identity_providers(list()).await.unwrap();
    let nobody = Describe { user_pool_id: SANDBOX_USER_POOL.to_owned(), provider_name: "Nobody".to_owned() };
    client.describe_identity_provider(nobody).await.err().expect("a refusal");
    client.describe_identity_provider(Describe::default()).await.err().expect("a refusal");
    for (rpc, code) in [
        ("ListIdentityProviders", "OK"),
        ("DescribeIdentityProvider", "NOT_FOUND"),
        ("DescribeIdentityProvider", "INVALID_ARGUMENT"),
    ] {
        assert_eq!(metric(&proxy, &counter(rpc, code)).await, Some(1), "{rpc} {code}");
    }
    assert_eq!(metric(&proxy, "idp_proxy_in_flight").await, Some(0));
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(&proxy.admin, path).await.0, 200, "{path}");
    }
    assert_eq!(get(&proxy.admin, "/").await.0, 404);
}

#[tokio::test]
async fn a_callers_request_id_comes_back_and_is_in_the_log() {
    let proxy = Proxy::sandbox().await;
    let mut client = proxy.cognito().await;
    let with = |id: &str| {
        let mut request = Request::new(list());
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        request
    };
    let id =
        |metadata: &tonic::metadata::MetadataMap| metadata.get("x-request-id").unwrap().to_str().unwrap().to_owned();
    let answer = client.list_identity_providers(with("my-id-42")).await.unwrap();
    assert_eq!(id(answer.metadata()), "my-id-42");
    proxy.log_line(|line| (line.get("request_id")? == "my-id-42").then_some(())).await;

    let own = client.list_identity_providers(list()).await.unwrap();
    assert_eq!(id(own.metadata()).len(), 36, "a UUID where none was sent");
    // One that cannot be repeated in a log line is replaced.
    let spaced = client.list_identity_providers(with("with space")).await.unwrap();
    assert_eq!(id(spaced.metadata()).len(), 36);

    let mut wrong = with("my-id-43");
    wrong.get_mut().user_pool_id.clear();
    let refused = client.list_identity_providers(wrong).await.err().expect("a refusal");
    assert_eq!(id(refused.metadata()), "my-id-43");
    let details = tonic_types::StatusExt::get_error_details(&refused);
    assert_eq!(details.request_info().unwrap().request_id, "my-id-43");
}

#[tokio::test]
async fn the_first_log_line_says_where_it_listens() {
    let proxy = Proxy::sandbox().await;
    let log = proxy.log();
    let first: serde_json::Value = serde_json::from_str(log.lines().next().unwrap()).unwrap();
    assert_eq!(
        (first["listen"].as_str(), first["admin_listen"].as_str()),
        (Some(&*proxy.address), Some(&*proxy.admin))
    );
    for address in [&proxy.address, &proxy.admin] {
        let port: u16 = address.strip_prefix("127.0.0.1:").unwrap().parse().unwrap();
        assert_ne!(port, 0, "the port that was really bound");
    }
}

#[tokio::test]
async fn a_unix_socket_serves_and_its_file_is_removed_at_the_end() {
    let scratch = Scratch::new();
    let path = scratch.join("it.sock");
    // What a process that was killed leaves: a file that nobody listens on any more.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listen = format!("unix:{}", path.display());
    let proxy = Proxy::start(&["serve", "--sandbox", "--listen", &listen, "--admin-listen", "off"], &[]).await;
    assert_eq!((&proxy.address, proxy.admin.as_str()), (&listen, "off"));
    proxy.cognito().await.list_identity_providers(list()).await.unwrap();

    // One that is in use stays, and so does a file that is no socket.
    let regular = scratch.file("file", "precious");
    for (taken, wanted) in [(&path, "in use"), (&regular, "in use")] {
        let listen = format!("unix:{}", taken.display());
        let output = idp_proxy(&["serve", "--sandbox", "--listen", &listen, "--admin-listen", "off"], &[]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(wanted) && error.contains(taken.to_str().unwrap()), "{error}");
    }
    assert_eq!(std::fs::read_to_string(regular).unwrap(), "precious");
    proxy.cognito().await.list_identity_providers(list()).await.expect("it still serves");

    assert_eq!(proxy.terminate().await.code(), Some(0));
    assert!(!path.exists(), "the socket's file is left behind");
}

#[tokio::test]
async fn a_callers_deadline_ends_a_call_whether_or_not_aws_answers() {
    let (aws, _gate) = held().await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut request = Request::new(Delete {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        ..Delete::default()
    });
    request.set_timeout(Duration::from_millis(300));
    // On a busy machine the client's own clock may win: the log says what the proxy answered.
    assert!(proxy.cognito().await.delete_identity_provider(request).await.is_err());
    proxy.log_line(|line| (line.get("code")? == "DEADLINE_EXCEEDED").then_some(())).await;
}
