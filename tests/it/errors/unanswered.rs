//! G.4: no error answer came from AWS, for whatever reason.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use idp_proxy::domain::Action;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tonic::Code::{self, Internal, Unavailable, Unknown};

use super::{
    answered::{calls, check_quotation},
    expected::{
        Expected,
        Extra::{Nothing, Unsaid},
        Retry::{self, Later, Never},
        check, is_once,
    },
};
use crate::{
    rpcs::Rpc,
    support::{Answer, Proxy, ScriptedAws},
};

const ONE_ATTEMPT: (&str, &str) = ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1");

/// Whether AWS may have executed a call, and what a call is told then.
#[derive(Clone, Copy)]
enum Outcome {
    /// Nothing was executed: the same for every call.
    NotExecuted(Code, &'static str, Retry),
    /// It may have been: one answer where repeating is harmless, one (UNKNOWN) where it is not.
    Doubtful(&'static str, &'static str),
}

/// Every kind of call, each told what it must be told; `http` is the status of AWS's answer, if any came.
async fn check_all(what: &str, proxy: &Proxy, outcome: Outcome, http: Option<&str>) {
    let channel = proxy.channel().await;
    for rpc in calls() {
        let status = rpc.call(channel.clone()).await.expect_err(what);
        let (code, reason, retry, may) = match outcome {
            Outcome::NotExecuted(code, reason, retry) => (code, reason, retry, false),
            Outcome::Doubtful(_, reason) if is_once(&rpc) => (Unknown, reason, Never, true),
            Outcome::Doubtful(reason, _) => (Unavailable, reason, Later, true),
        };
        let expected = Expected { code, reason, origin: "sdk", may_have_been_applied: may, extra: Unsaid, retry };
        check(what, &rpc, &status, &expected);
        check_quotation(what, &status, None, http);
    }
}

#[tokio::test]
async fn refused_connection_is_unavailable_for_every_call_since_nothing_was_sent() {
    // Bound and not listening: nobody else gets the port, and connections are refused.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let endpoint = format!("http://{}", socket.local_addr().unwrap());
    let proxy = Proxy::against(&endpoint, &[ONE_ATTEMPT]).await;
    check_all("refused", &proxy, Outcome::NotExecuted(Unavailable, "AWS_UNREACHABLE", Later), None).await;
}

/// An AWS that reads each request, writes `answer`, and closes the connection.
async fn closing(answer: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            tokio::spawn(async move {
                read_request(&mut stream).await;
                counted.fetch_add(1, Ordering::SeqCst);
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            });
        }
    });
    (endpoint, requests)
}

/// A whole HTTP/1.1 request, so that closing afterwards sends no reset.
/// Reads one request and answers its head; nothing when the connection has ended.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    loop {
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if request.len() >= end + 4 + length.unwrap_or(0_usize) {
                return Some(head);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return None,
        }
    }
}

#[tokio::test]
async fn connection_that_ends_before_the_answer_leaves_the_outcome_open() {
    let lost = Outcome::Doubtful("AWS_CONNECTION_LOST", "AWS_CONNECTION_LOST");
    for (what, answer) in [("closed", ""), ("closed inside the head", "HTTP/1.1 200 OK\r\ncontent-le")] {
        let (endpoint, _) = closing(answer).await;
        let proxy = Proxy::against(&endpoint, &[ONE_ATTEMPT]).await;
        check_all(what, &proxy, lost, None).await;
    }
}

#[tokio::test]
async fn connection_that_ends_inside_the_answer_leaves_the_outcome_open() {
    let (endpoint, _) =
        closing("HTTP/1.1 200 OK\r\ncontent-length: 100\r\nx-amzn-requestid: aws-request-1\r\n\r\n{\"Id").await;
    let proxy = Proxy::against(&endpoint, &[ONE_ATTEMPT]).await;
    let lost = Outcome::Doubtful("AWS_CONNECTION_LOST", "AWS_CONNECTION_LOST");
    check_all("closed inside the body", &proxy, lost, Some("200")).await;
}

#[tokio::test]
async fn create_is_sent_once_though_its_connection_was_used_before() {
    // HTTP clients like to repeat a request on a new connection when an old one turns out to be closed.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (describe, create) = (Rpc::of(Action::CognitoDescribe), Rpc::of(Action::CognitoCreate));
    let body = describe.success.to_string();
    let (requests, creates) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (Arc::clone(&requests), Arc::clone(&creates));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let (requests, creates) = counted.clone();
            tokio::spawn(async move {
                // Answers the first request of all, and closes on every other one.
                while let Some(head) = read_request(&mut stream).await {
                    if head.contains(".createidentityprovider") {
                        creates.fetch_add(1, Ordering::SeqCst);
                    }
                    if requests.fetch_add(1, Ordering::SeqCst) > 0 {
                        break;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                stream.shutdown().await
            });
        }
    });
    let proxy = Proxy::against(&endpoint, &[]).await;
    let channel = proxy.channel().await;
    describe.call(channel.clone()).await.unwrap();
    let status = create.call(channel).await.unwrap_err();
    assert_eq!(status.code(), Unknown, "{status:?}");
    assert_eq!(creates.load(Ordering::SeqCst), 1, "one create");
    assert!(requests.load(Ordering::SeqCst) > 2, "one describe, the create, and looks at what became of it");
}

#[tokio::test]
async fn attempt_without_an_answer_in_time_leaves_the_outcome_open() {
    let gate = Arc::new(Semaphore::new(0));
    let aws = ScriptedAws::always(Answer::new(200, "{}").held_by(&gate)).await;
    let proxy = Proxy::against(&aws.endpoint, &[ONE_ATTEMPT, ("IDP_PROXY__AWS__ATTEMPT_TIMEOUT_MS", "100")]).await;
    check_all("no answer", &proxy, Outcome::Doubtful("AWS_TIMEOUT", "OUTCOME_UNKNOWN"), None).await;
    // Cognito's create looks what became of it.
    assert_eq!(aws.seen().len(), calls().len() + 1, "one request for each call");
}

/// A success whose body says nothing: the write has happened, and the read is told nothing.
async fn check_unusable(body: &str, of: &[Action], read: &'static str, write: &'static str) {
    let aws = ScriptedAws::always(Answer::new(200, body)).await;
    let proxy = Proxy::against(&aws.endpoint, &[ONE_ATTEMPT]).await;
    let channel = proxy.channel().await;
    for rpc in calls().into_iter().filter(|rpc| of.contains(&rpc.action)) {
        let status =
            rpc.call(channel.clone()).await.map(|reply| panic!("{} took {body}: {reply:?}", rpc.action)).unwrap_err();
        let is_write = rpc.action.is_write();
        let (code, reason) = if is_write { (Unknown, write) } else { (Internal, read) };
        let (extra, retry) = (Nothing, Never);
        let expected = Expected { code, reason, origin: "sdk", may_have_been_applied: is_write, extra, retry };
        let what = format!("200 with {body}");
        check(&what, &rpc, &status, &expected);
        check_quotation(&what, &status, None, Some("200"));
    }
}

#[tokio::test]
async fn success_that_cannot_be_read_is_never_repeated_for_a_write() {
    // The answer of a delete is empty: whatever is in it, it says that the provider is gone.
    let of: Vec<Action> = Action::ALL.into_iter().filter(|it| it.operation() != "DeleteIdentityProvider").collect();
    for body in [
        "no JSON",
        "{\"IdentityProvider\": 7, \"identityProvider\": 7, \"identityProviderArn\": 7, \"Providers\": 7, \"identityProviders\": 7}",
    ] {
        check_unusable(body, &of, "AWS_UNPARSABLE_RESPONSE", "OUTCOME_UNKNOWN").await;
    }
}

#[tokio::test]
async fn success_without_what_it_must_have_is_an_error() {
    use Action::{CognitoCreate, CognitoDescribe, CognitoGetByIdentifier, CognitoUpdate, WebCreate, WebGet, WebUpdate};
    let of = [CognitoCreate, CognitoDescribe, CognitoGetByIdentifier, CognitoUpdate, WebCreate, WebGet, WebUpdate];
    check_unusable("{}", &of, "AWS_INCOMPLETE_RESPONSE", "AWS_INCOMPLETE_RESPONSE").await;
    let without_arn = json!({"identityProvider": {"identityProviderName": "x"}}).to_string();
    check_unusable(&without_arn, &[WebGet, WebUpdate], "AWS_INCOMPLETE_RESPONSE", "AWS_INCOMPLETE_RESPONSE").await;
}

/// `serve` with nothing but this environment.
async fn proxy_with(environment: &[(&str, &str)]) -> Proxy {
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let everything = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/policies/everything");
    let allowed = [
        ("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only"),
        ("IDP_PROXY__POLICY__DIRECTORY", everything),
        // Half of what threads have: fetching credentials inside a call is the deepest that the stack ever gets.
        ("RUST_MIN_STACK", "1048576"),
    ];
    Proxy::start(&arguments, &[environment, &allowed, &[ONE_ATTEMPT]].concat()).await
}

#[tokio::test]
async fn trouble_with_the_proxys_own_credentials_is_not_the_callers() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = proxy_with(&[("AWS_ENDPOINT_URL", &aws.endpoint)]).await;
    let missing = Outcome::NotExecuted(Internal, "PROXY_CREDENTIALS_MISSING", Never);
    check_all("no credentials", &proxy, missing, None).await;
    assert!(aws.seen().is_empty(), "nothing can be sent without credentials");

    // A source of credentials that fails: the container endpoint of ECS and EKS.
    let source = ScriptedAws::always(Answer::new(500, "{}")).await;
    let uri = format!("{}/credentials", source.endpoint);
    let proxy = proxy_with(&[("AWS_ENDPOINT_URL", &aws.endpoint), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &uri)]).await;
    let status = Rpc::of(Action::CognitoCreate).call(proxy.channel().await).await.unwrap_err();
    let expected = Expected {
        code: Unavailable,
        reason: "PROXY_CREDENTIALS_UNAVAILABLE",
        origin: "sdk",
        may_have_been_applied: false,
        extra: Nothing,
        retry: Later,
    };
    check("a failing source of credentials", &Rpc::of(Action::CognitoCreate), &status, &expected);
    assert!(!source.seen().is_empty() && aws.seen().is_empty(), "only the source was asked");
}

#[tokio::test]
async fn role_that_sts_refuses_is_the_operators_matter_and_is_not_named() {
    let refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>User: arn:aws:sts::1:x is not \
        authorized to perform: sts:AssumeRoleWithWebIdentity on arn:aws:iam::111122223333:role/secret-role</Message></Error></ErrorResponse>";
    let sts = ScriptedAws::always(Answer::new(403, refusal).header("content-type", "text/xml")).await;
    let token = std::env::temp_dir().join(format!("idp-proxy-test-token-{}", std::process::id()));
    std::fs::write(&token, "eyJhbGciOiJub25lIn0.e30.").unwrap();
    let environment = [
        ("AWS_ENDPOINT_URL", &*sts.endpoint),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/secret-role"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
    ];
    let proxy = proxy_with(&environment).await;
    let denied = Outcome::NotExecuted(Internal, "AWS_ASSUME_ROLE_DENIED", Never);
    check_all("a role that STS refuses", &proxy, denied, None).await;
    assert!(sts.seen().iter().all(|seen| seen.path == "/" && seen.body.starts_with(b"Action=AssumeRole")));
    for secret in ["secret-role", "eyJhbGciOiJub25lIn0"] {
        assert!(!proxy.log().contains(secret), "{secret} is in the log:\n{}", proxy.log());
    }
    std::fs::remove_file(token).unwrap();
}

#[tokio::test]
async fn endpoint_that_cannot_be_is_the_operators_matter() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    // AWS's rules: no FIPS with an endpoint of one's own.
    let proxy = Proxy::against(&aws.endpoint, &[ONE_ATTEMPT, ("AWS_USE_FIPS_ENDPOINT", "true")]).await;
    let outcome = Outcome::NotExecuted(Internal, "PROXY_ENDPOINT", Never);
    check_all("FIPS and an endpoint", &proxy, outcome, None).await;
    assert!(aws.seen().is_empty());
}
