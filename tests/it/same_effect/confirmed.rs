//! Writes whose outcome AWS did not tell: a look at what is there decides, and where it cannot, nobody is told success.

use std::{collections::BTreeMap, time::Duration};

use idp_proxy::{
    domain::Action,
    proto::cognito::v1::{
        CreateIdentityProviderRequest as Create, DeleteIdentityProviderRequest as Delete,
        UpdateIdentityProviderRequest as Update,
    },
};
use serde_json::{Value, json};
use tonic::{Code, Request, Status};

use super::{AGE, count, create, dated, for_many_callers, from, is, refusal, said, shown};
use crate::{
    rpcs::Rpc,
    support::{Answer, Proxy, SANDBOX_USER_POOL, Scratch, ScriptedAws, assert_refused, ended, get, is_leaking},
};

const CREATE: &str = "CreateIdentityProvider";
const DESCRIBE: &str = "DescribeIdentityProvider";

/// An AWS that answers creates with `made` and looks with `found`.
async fn aws(made: Answer, found: Answer) -> ScriptedAws {
    ScriptedAws::start(move |_, seen| dated(if is(seen, CREATE) { made.clone() } else { found.clone() })).await
}

fn found(provider: &Value) -> Answer {
    Answer::new(200, provider.to_string())
}

fn gone() -> Answer {
    refusal(400, "ResourceNotFoundException")
}

/// What the caller is told of a create, and how often AWS was asked to make the provider.
async fn told(aws: &ScriptedAws, request: Create) -> (Result<Option<String>, Status>, usize) {
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let answer = proxy.cognito().await.create_identity_provider(request).await;
    let outcome = answer.map(|answer| {
        assert!(!is_leaking(answer.get_ref()), "a secret in a confirmed answer");
        answer.metadata().get("idp-proxy-outcome").map(|it| it.to_str().unwrap().to_owned())
    });
    (outcome, count(&aws.seen(), CREATE))
}

/// Answers after which AWS may have executed a create.
fn doubtful() -> Vec<Answer> {
    vec![
        refusal(500, "InternalErrorException"),
        Answer::new(503, "<html>"),
        Answer::new(200, "no JSON"),
        Answer::new(200, "{}"),
        refusal(400, "RequestTimeoutException"),
    ]
}

#[tokio::test]
async fn create_whose_answer_was_lost_is_confirmed_by_a_look() {
    for lost in doubtful() {
        let aws = aws(lost.clone(), found(&shown(&create(""), Duration::ZERO))).await;
        let (outcome, creates) = told(&aws, create("")).await;
        assert_eq!((outcome.unwrap(), creates), (Some("confirmed".to_owned()), 1), "{lost:?}");
    }
    // A success that AWS told needs no look.
    let aws = aws(found(&shown(&create(""), Duration::ZERO)), gone()).await;
    assert_eq!(told(&aws, create("")).await.0.unwrap(), None);
    assert_eq!(aws.seen().len(), 1);
}

#[tokio::test]
async fn confirmation_is_on_record_and_counted() {
    let scratch = Scratch::new();
    let aws = aws(refusal(500, "InternalErrorException"), found(&shown(&create("i-1"), Duration::ZERO))).await;
    let proxy = for_many_callers(&scratch, &aws.endpoint).await;
    let mut request = from("team.ns", create("i-1"));
    request.metadata_mut().insert("x-request-id", "call-1".parse().unwrap());
    proxy.cognito().await.create_identity_provider(request).await.unwrap();
    proxy.log_line(|line| (line["request_id"] == "call-1" && line["confirmed"] == true).then_some(())).await;
    let lines = ended(&scratch.join("audit.log"), "call-1").await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((&lines[0]["intent_id"], &lines[1]["intent_id"]), (&json!("i-1"), &json!("i-1")));
    assert_eq!((&lines[1]["code"], &lines[1]["confirmed"]), (&json!("OK"), &json!(true)));
    let (_, _, metrics) = get(&proxy.admin, "/metrics").await;
    assert!(metrics.contains("\nidp_proxy_confirmed_total 1\n"), "{metrics}");
}

/// What is different, and how it comes about.
type Difference = (&'static str, fn(&mut Value));

/// Everything that can tell two providers apart, one at a time.
fn differences() -> Vec<Difference> {
    fn at<'a>(provider: &'a mut Value, path: &str) -> &'a mut Value {
        provider.pointer_mut(&format!("/IdentityProvider{path}")).unwrap()
    }
    vec![
        ("the type", |it| *at(it, "/ProviderType") = "SAML".into()),
        ("the secret", |it| *at(it, "/ProviderDetails/client_secret") = "another".into()),
        ("no secret", |it| drop(at(it, "/ProviderDetails").as_object_mut().unwrap().remove("client_secret"))),
        ("a detail", |it| *at(it, "/ProviderDetails/client_id") = "another".into()),
        ("a detail more", |it| at(it, "/ProviderDetails")["token_url"] = "https://idp.example/token".into()),
        ("an unknown detail", |it| at(it, "/ProviderDetails")["new_key"] = "x".into()),
        ("no details", |it| *at(it, "/ProviderDetails") = json!({})),
        ("a mapping", |it| *at(it, "/AttributeMapping/email") = "another".into()),
        ("a mapping more", |it| at(it, "/AttributeMapping")["email_verified"] = "yes".into()),
        ("a mapping less", |it| drop(at(it, "/AttributeMapping").as_object_mut().unwrap().remove("name"))),
        ("the default mapping", |it| *at(it, "/AttributeMapping") = json!({"username": "sub"})),
        ("an identifier less", |it| *at(it, "/IdpIdentifiers") = json!(["a.example"])),
        ("an identifier more", |it| at(it, "/IdpIdentifiers").as_array_mut().unwrap().push("c.example".into())),
        ("an identifier", |it| *at(it, "/IdpIdentifiers/0") = "c.example".into()),
        ("the ACR mapping", |it| *at(it, "/AcrMapping/Level1") = "urn:two".into()),
        ("no ACR mapping", |it| *at(it, "/AcrMapping") = json!({})),
        ("no date", |it| drop(at(it, "").as_object_mut().unwrap().remove(AGE))),
    ]
}

#[tokio::test]
async fn provider_that_differs_in_anything_is_never_success() {
    for (what, differ) in differences() {
        let mut other = shown(&create(""), Duration::ZERO);
        differ(&mut other);
        let lost = aws(refusal(500, "InternalErrorException"), found(&other)).await;
        let (outcome, creates) = told(&lost, create("")).await;
        let status = assert_refused(outcome, Code::Unknown, "OUTCOME_UNKNOWN");
        assert_eq!((said(&status, "mayHaveBeenApplied").as_deref(), creates), (Some("true"), 1), "{what}");

        let exists = aws(refusal(400, "DuplicateProviderException"), found(&other)).await;
        let (outcome, creates) = told(&exists, create("intent-1")).await;
        let status = assert_refused(outcome, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
        assert_eq!((said(&status, "mayHaveBeenApplied").as_deref(), creates), (Some("false"), 1), "{what}");
    }
}

#[tokio::test]
async fn what_aws_adds_or_hides_is_no_difference() {
    let minimal = Create {
        attribute_mapping: BTreeMap::default(),
        idp_identifiers: Vec::new(),
        acr_mapping: BTreeMap::default(),
        ..create("")
    };
    let mut plain = shown(&minimal, Duration::ZERO);
    plain["IdentityProvider"].as_object_mut().unwrap().remove("AcrMapping");
    let mut with_default = plain.clone();
    with_default["IdentityProvider"]["AttributeMapping"] = json!({"username": "sub"});
    for shows in [plain, with_default] {
        let aws = aws(refusal(500, "InternalErrorException"), found(&shows)).await;
        assert_eq!(told(&aws, minimal.clone()).await.0.unwrap().as_deref(), Some("confirmed"), "{shows}");
    }
    // Apple's key is never shown again.
    let apple = Create {
        provider_name: "SignInWithApple".to_owned(),
        provider_type: "SignInWithApple".to_owned(),
        provider_details: crate::support::details("SignInWithApple"),
        ..minimal
    };
    let mut hidden = shown(&apple, Duration::ZERO);
    hidden["IdentityProvider"]["ProviderDetails"].as_object_mut().unwrap().remove("private_key");
    let aws = aws(refusal(500, "InternalErrorException"), found(&hidden)).await;
    assert_eq!(told(&aws, apple).await.0.unwrap().as_deref(), Some("confirmed"));
}

#[tokio::test]
async fn provider_from_before_the_call_is_not_its_own() {
    let old = Duration::from_secs(30);
    let lost = aws(refusal(500, "InternalErrorException"), found(&shown(&create("i"), old))).await;
    assert_refused(told(&lost, create("i")).await.0, Code::Unknown, "OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn existing_provider_is_the_callers_own_only_with_a_request_id_and_for_ten_minutes() {
    let duplicate = || refusal(400, "DuplicateProviderException");
    let minutes = |minutes: u64| found(&shown(&create("i"), Duration::from_secs(minutes * 60)));
    for (request_id, found, is_own) in [("i", minutes(0), true), ("i", minutes(9), true), ("i", minutes(11), false)] {
        let aws = aws(duplicate(), found).await;
        let (outcome, creates) = told(&aws, create(request_id)).await;
        assert_eq!(creates, 1);
        if is_own {
            assert_eq!(outcome.unwrap().as_deref(), Some("confirmed"));
        } else {
            assert_refused(outcome, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
        }
    }
    let without = aws(duplicate(), minutes(0)).await;
    assert_refused(told(&without, create("")).await.0, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    assert_eq!(count(&without.seen(), DESCRIBE), 0, "nothing to look for");
}

#[tokio::test]
async fn aws_clock_counts_not_ours() {
    // AWS is far behind: by our own clock the provider would be too old.
    let date = "Thu, 01 Jan 2026 00:00:05 GMT";
    let at = |seconds: f64| {
        let mut provider = shown(&create("i"), Duration::ZERO);
        provider["IdentityProvider"].as_object_mut().unwrap().remove(AGE);
        provider["IdentityProvider"]["CreationDate"] = json!(1_767_225_600.0 + seconds);
        found(&provider).header("date", date)
    };
    let lost = || refusal(500, "InternalErrorException");
    let ours = aws(lost(), at(5.2)).await;
    assert_eq!(told(&ours, create("i")).await.0.unwrap().as_deref(), Some("confirmed"));
    let older = aws(lost(), at(-120.0)).await;
    assert_refused(told(&older, create("i")).await.0, Code::Unknown, "OUTCOME_UNKNOWN");
}

#[tokio::test]
async fn create_that_aws_commits_late_is_found_by_a_later_look() {
    let provider = found(&shown(&create(""), Duration::ZERO));
    let aws = ScriptedAws::start(move |n, seen| match n {
        _ if is(seen, CREATE) => refusal(500, "InternalErrorException"),
        1 | 2 => gone(),
        _ => dated(provider.clone()),
    })
    .await;
    let (outcome, creates) = told(&aws, create("")).await;
    assert_eq!((outcome.unwrap().as_deref(), creates), (Some("confirmed"), 1));
    assert_eq!(count(&aws.seen(), DESCRIBE), 3);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_unknown() {
    let lost = || refusal(500, "InternalErrorException");
    for look in [gone(), refusal(400, "AccessDeniedException"), Answer::new(200, "{}"), refusal(400, "NotKnown")] {
        let aws = aws(lost(), look.clone()).await;
        let (outcome, creates) = told(&aws, create("i")).await;
        let status = assert_refused(outcome, Code::Unknown, "OUTCOME_UNKNOWN");
        assert_eq!((said(&status, "mayHaveBeenApplied").as_deref(), creates), (Some("true"), 1), "{look:?}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
        assert_eq!(pushback, "-1", "no machine may repeat it");
    }
    // That something exists is no answer when nobody knows whose it is.
    let exists = aws(refusal(400, "DuplicateProviderException"), refusal(400, "AccessDeniedException")).await;
    let status = told(&exists, create("i")).await.0.unwrap_err();
    assert_ne!(status.code(), Code::AlreadyExists, "{status:?}");
    assert_eq!(said(&status, "mayHaveBeenApplied").as_deref(), Some("true"));
}

/// Answers the n-th request with the n-th answer, and further ones with the last.
async fn in_turn(answers: Vec<Answer>) -> ScriptedAws {
    ScriptedAws::start(move |n, _| answers[n.min(answers.len() - 1)].clone()).await
}

#[tokio::test]
async fn provider_that_is_gone_after_a_doubtful_delete_was_deleted_by_it() {
    for action in [Action::CognitoDelete, Action::WebDelete] {
        let failed = || refusal(500, "InternalServerException").header("x-amzn-errortype", "InternalServerException");
        let not_found = || gone().header("x-amzn-errortype", "ResourceNotFoundException");
        let call = async |answers| {
            let aws = in_turn(answers).await;
            let proxy = Proxy::against(&aws.endpoint, &[]).await;
            Rpc::of(action).call(proxy.channel().await).await
        };
        call(vec![failed(), not_found()]).await.unwrap_or_else(|status| panic!("{action}: {status:?}"));
        assert_refused(call(vec![not_found()]).await, Code::NotFound, "RESOURCE_NOT_FOUND");
        // Throttled first: surely nothing was removed.
        let code = if action == Action::CognitoDelete { "TooManyRequestsException" } else { "ThrottlingException" };
        let throttled = refusal(400, code).header("x-amzn-errortype", code);
        assert_refused(call(vec![throttled, not_found()]).await, Code::NotFound, "RESOURCE_NOT_FOUND");
        // Some gateway's word for it is not AWS's.
        let status = call(vec![failed(), Answer::new(404, "not here")]).await.unwrap_err();
        assert_eq!(said(&status, "mayHaveBeenApplied").as_deref(), Some("true"), "{action}: {status:?}");
    }
}

#[tokio::test]
async fn refusal_after_a_doubtful_attempt_says_that_the_call_may_have_been_applied() {
    let aws = in_turn(vec![refusal(500, "InternalErrorException"), refusal(400, "InvalidParameterException")]).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let status = Rpc::of(Action::CognitoUpdate).call(proxy.channel().await).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(said(&status, "mayHaveBeenApplied").as_deref(), Some("true"));
}

#[tokio::test]
async fn pool_that_is_being_changed_is_asked_again_inside_the_deadline() {
    let contended = || refusal(400, "ConcurrentModificationException");
    for action in [Action::CognitoUpdate, Action::CognitoDelete] {
        let rpc = Rpc::of(action);
        let aws = in_turn(vec![contended(), contended(), contended(), contended(), rpc.answer()]).await;
        let proxy = Proxy::against(&aws.endpoint, &[]).await;
        rpc.call(proxy.channel().await).await.unwrap_or_else(|status| panic!("{action}: {status:?}"));
        assert_eq!(aws.seen().len(), 5, "{action}");
    }
    let aws = in_turn(vec![contended()]).await;
    let proxy = Proxy::against(&aws.endpoint, &[]).await;
    let mut client = proxy.cognito().await;
    let update = Update {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        idp_identifiers: vec!["a.example".to_owned()],
        ..Update::default()
    };
    let mut request = Request::new(update);
    request.set_timeout(Duration::from_secs(2));
    let status =
        assert_refused(client.update_identity_provider(request).await, Code::Aborted, "CONCURRENT_MODIFICATION");
    assert_eq!(said(&status, "mayHaveBeenApplied").as_deref(), Some("false"));
    assert!(aws.seen().len() > 1, "asked again before it was given up");
}

#[tokio::test]
async fn repeated_call_finds_what_the_first_one_made_in_another_process() {
    let fake = crate::support::FakeAws::start(&[]).await;
    let (first, second) = (Proxy::against(&fake.endpoint, &[]).await, Proxy::against(&fake.endpoint, &[]).await);
    let call = async |proxy: &Proxy, request: Create| {
        let answer = proxy.cognito().await.create_identity_provider(request).await?;
        let outcome = answer.metadata().get("idp-proxy-outcome").cloned();
        Ok::<_, Status>((answer.into_inner().identity_provider.unwrap(), outcome))
    };
    let (made, outcome) = call(&first, create("intent-7")).await.unwrap();
    assert!(outcome.is_none());
    for proxy in [&first, &second] {
        let (again, outcome) = call(proxy, create("intent-7")).await.unwrap();
        assert_eq!(outcome.unwrap(), "confirmed");
        assert_eq!((again.creation_date, &again.idp_identifiers), (made.creation_date, &made.idp_identifiers));
    }
    // Another process does not know the id, but sees that the content is another one.
    let other = Create { attribute_mapping: crate::support::map(&[("email", "other")]), ..create("intent-7") };
    assert_refused(call(&second, other.clone()).await, Code::InvalidArgument, "REQUEST_ID_REUSED");
    let third = Proxy::against(&fake.endpoint, &[]).await;
    assert_refused(call(&third, other).await, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    assert_refused(call(&first, create("")).await, Code::AlreadyExists, "IDENTITY_PROVIDER_EXISTS");
    let delete = Delete {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        request_id: "intent-7".to_owned(),
        ..Delete::default()
    };
    // An id is one of its RPC.
    first.cognito().await.delete_identity_provider(delete).await.unwrap();
}
