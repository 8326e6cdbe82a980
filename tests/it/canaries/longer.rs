//! The longer ways of a call: in another account, looked after, rehearsed, refused for what came before it, put off, and cut
//! off at the end; with both formats of the log.

use std::{
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use idp_proxy::{domain::Action, proto::cognito::v1 as c};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tonic::Code;

use super::{
    Stage, Told,
    answers::{Echo, answers},
    requests::{self, Call},
    search::Canaries,
};
use crate::{
    accounts::{role, session_of},
    rpcs::{Rpc, edit},
    support::{Answer, SANDBOX_USER_POOL, ScriptedAws, Seen, info, metric},
};

/// The account of the portal that the table's requests speak about.
const OWN: &str = "123456789012";

/// The call under an id of its caller's.
fn under(id: &str, call: &Call) -> Call {
    let mut message = call.message.clone();
    prost::encoding::string::encode(100, &id.to_owned(), &mut message);
    Call { name: format!("{} under an id", call.name), message, ..call.clone() }
}

/// The call that only asks.
fn asking(call: &Call) -> Call {
    let mut message = call.message.clone();
    prost::encoding::bool::encode(101, &true, &mut message);
    Call { name: format!("{} that only asks", call.name), message, ..call.clone() }
}

/// What STS may answer with, for the accounts 1 to 5: no session that can be used, and the secrets of one all the same.
fn useless(number: usize, secrets: &[String; 3]) -> Answer {
    let whole = session_of(secrets, 3600).body;
    match number {
        1 => Answer::new(200, whole.replace("SessionToken>", "Token>")),
        2 => Answer::new(200, &whole[..whole.len() / 2]),
        3 => Answer::new(
            403,
            format!(
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>{whole}</Message></Error></ErrorResponse>"
            ),
        ),
        4 => Answer::new(500, whole),
        _ => Answer::new(200, json!(secrets).to_string()),
    }
}

fn account(number: usize) -> String {
    format!("{number}").repeat(12)
}

fn pool(number: usize) -> String {
    format!("us-east-1_PoolOf{number}")
}

/// An account for what the table's requests are about, and those whose STS is of no use.
fn sections(external_id: &str) -> String {
    let section = |account: &str, pool: &str| {
        let role = role(account);
        format!(
            "[[aws.account]]\naccount = {account:?}\nrole_arn = {role:?}\nexternal_id = {external_id:?}\n\
             user_pools = [{pool:?}]\n"
        )
    };
    let useless = (1..=5).map(|number| section(&account(number), &pool(number)));
    section(OWN, SANDBOX_USER_POOL) + &useless.collect::<String>()
}

/// AWS that makes what it is asked to, loses its answer, and tells the next look what is there: that, or something else.
fn losing(aws: &ScriptedAws, other_secret: Option<String>) {
    let made = Mutex::new(Value::Null);
    aws.by(move |_, seen: &Seen| {
        let is_create = seen.headers.iter().any(|(_, value)| value.ends_with(".CreateIdentityProvider"));
        let mut made = made.lock().unwrap();
        if is_create {
            *made = serde_json::from_slice(&seen.body).unwrap();
            return Answer::new(500, json!({"__type": "InternalErrorException", "message": *made}).to_string());
        }
        let mut there = made.clone();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        (there["CreationDate"], there["LastModifiedDate"]) = (json!(now), json!(now));
        if let Some(secret) = &other_secret {
            there["ProviderDetails"]["client_secret"] = json!(secret);
        }
        Answer::new(200, json!({"IdentityProvider": there}).to_string())
    });
}

fn of(calls: &[Call], action: Action) -> Vec<&Call> {
    calls.iter().filter(|call| call.rpc.action == action).collect()
}

/// Creates whose answers were lost: those that a look confirms, and those that it does not.
async fn looked_after(stage: &mut Stage, aws: &ScriptedAws, calls: &[Call], told: &mut Told) {
    losing(aws, None);
    for call in of(calls, Action::CognitoCreate) {
        let outcome = stage.send(call).await;
        assert!(outcome.is_ok(), "{}: {outcome:?}", call.name);
        told.note(call, outcome);
    }
    assert!(metric(&stage.proxy, "idp_proxy_confirmed_total").await > Some(0));
    losing(aws, Some(stage.canaries.make("the secret of somebody else's provider")));
    for call in of(calls, Action::CognitoCreate) {
        for call in [call.clone(), under(&format!("of {}", call.name), call)] {
            let outcome = stage.send(&call).await;
            assert!(
                outcome.as_ref().is_err_and(|refused| refused.code() == Code::Unknown),
                "{}: {outcome:?}",
                call.name
            );
            told.note(&call, outcome);
        }
    }
}

/// Writes that only ask, whatever the reads answer that they are made of.
async fn rehearsed(stage: &mut Stage, aws: &ScriptedAws, calls: &[Call], told: &mut Told) {
    let foreign = stage.canaries.make("AWS's own secret");
    for call in calls.iter().filter(|call| call.rpc.action.is_write()) {
        let echo = Echo { secrets: call.secrets.clone(), is_secret: call.is_secret, foreign: foreign.clone() };
        let read = match call.rpc.action.service() {
            idp_proxy::domain::Service::Cognito => Action::CognitoDescribe,
            idp_proxy::domain::Service::WorkspacesWeb => Action::WebGet,
        };
        for (_, answer) in answers(&Rpc::of(read), &echo) {
            aws.now(answer);
            let call = asking(call);
            told.note(&call, stage.send(&call).await);
        }
    }
}

/// Other content under an id that is known.
async fn reused(stage: &Stage, aws: &ScriptedAws, calls: &[Call], told: &mut Told) {
    for action in [Action::CognitoCreate, Action::CognitoUpdate, Action::WebCreate, Action::WebUpdate] {
        let [first, second, ..] = &of(calls, action)[..] else { panic!("two of {action}") };
        aws.now(first.rpc.answer());
        let (first, second) = (under("an-id", first), under("an-id", second));
        told.note(&first, stage.send(&first).await);
        let outcome = stage.send(&second).await;
        let reason = outcome.as_ref().map_err(|refused| info(refused).reason);
        assert_eq!(reason.err().as_deref(), Some("REQUEST_ID_REUSED"), "{}", second.name);
        told.note(&second, outcome);
    }
}

/// Lists in the accounts for which there is no session.
async fn without_session(stage: &Stage, aws: &ScriptedAws, told: &mut Told) {
    aws.now(Answer::new(200, "{}"));
    for number in 1..=5 {
        let rpc = Rpc::of(Action::CognitoList);
        let message = edit(&rpc.valid, |it: &mut c::ListIdentityProvidersRequest| it.user_pool_id = pool(number));
        let call = Call::new(format!("a list in account {number}"), rpc, message);
        let outcome = stage.send(&call).await;
        assert!(outcome.is_err(), "{}", call.name);
        told.note(&call, outcome);
    }
    assert!(aws.seen().is_empty(), "nothing is sent without a session");
}

/// Calls that AWS does not answer before the server's time is over.
async fn cut_off(stage: &mut Stage, aws: &ScriptedAws, calls: &[Call], told: &mut Told) {
    aws.now(Answer::new(200, "{}").held_by(&Arc::new(Semaphore::new(0))));
    let cut_off = {
        let sent = join_all(calls.iter().map(async |call| (call, stage.send(call).await)));
        let ends = async {
            aws.has_seen(calls.len()).await;
            stage.proxy.signal("-TERM");
        };
        tokio::join!(sent, ends).0
    };
    for (call, outcome) in cut_off {
        assert!(outcome.is_err(), "{}", call.name);
        told.note(call, outcome);
    }
    assert_eq!(stage.proxy.has_ended().await.code(), Some(1), "calls were given up");
}

#[tokio::test]
async fn no_secret_is_told_on_the_longer_ways_in_either_format_of_the_log() {
    let runs = ["json", "pretty"].map(async |format| {
        let mut canaries = Canaries::new();
        let external_id = canaries.make("the external id");
        let of_sts = ["the session's key", "the session's secret key", "the session's token"];
        let secrets = of_sts.map(|name| canaries.make(name));
        let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
        let sts = ScriptedAws::start({
            let secrets = secrets.clone();
            move |_, seen| {
                let asked = String::from_utf8_lossy(&seen.body).into_owned();
                let number = (1..=5).find(|number| asked.contains(&account(*number)));
                number.map_or_else(|| session_of(&secrets, 3600), |number| useless(number, &secrets))
            }
        })
        .await;
        let more = format!("{}[telemetry]\nlog_format = {format:?}\n", sections(&external_id));
        let variables = [("AWS_ENDPOINT_URL_STS", &*sts.endpoint), ("IDP_PROXY__SERVER__DRAIN_MAX_MS", "100")];
        let mut stage = Stage::with(canaries, &aws.endpoint, "trace", &more, false, &variables).await;
        let (calls, mut told) = (requests::valid(&mut stage.canaries, 1), Told::default());
        looked_after(&mut stage, &aws, &calls, &mut told).await;
        let used = aws.seen().iter().flat_map(|seen| seen.headers.clone()).any(|(_, value)| value == secrets[2]);
        assert!(used && sts.seen().iter().any(|seen| seen.body.windows(32).any(|part| part == external_id.as_bytes())));
        rehearsed(&mut stage, &aws, &calls, &mut told).await;
        reused(&stage, &aws, &calls, &mut told).await;
        without_session(&stage, &aws, &mut told).await;
        stage.check(&told).await;
        cut_off(&mut stage, &aws, &calls, &mut told).await;
        stage.search(&told, "");
        assert_eq!(stage.proxy.log().starts_with('{'), format == "json");
    });
    join_all(runs).await;
}

#[tokio::test]
async fn no_secret_is_told_of_calls_that_have_to_wait_for_too_long() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let quotas = ["COGNITO_WRITE", "COGNITO_READ", "COGNITO_PER_POOL", "WORKSPACESWEB"];
    let quotas = quotas.map(|quota| (format!("IDP_PROXY__QUOTA__{quota}"), "1"));
    let quotas = quotas.each_ref().map(|(name, rate)| (name.as_str(), *rate));
    let mut stage = Stage::with(Canaries::new(), &aws.endpoint, "trace", "", false, &quotas).await;
    let (calls, mut told) = (requests::valid(&mut stage.canaries, 1), Told::default());
    let late: Vec<Call> = calls.into_iter().map(|call| Call { timeout: Some("400m"), ..call }).collect();
    let outcomes = join_all(late.iter().map(async |call| (call, stage.send(call).await))).await;
    let is_limited = |refused: &tonic::Status| info(refused).reason == "PROXY_RATE_LIMITED";
    let limited = outcomes.iter().filter(|(_, outcome)| outcome.as_ref().is_err_and(is_limited)).count();
    assert!(limited > 5, "{limited} had to wait");
    for (call, outcome) in outcomes {
        told.note(call, outcome);
    }
    stage.check(&told).await;
}
