//! A caller that repeats its call as gRPC clients do: after a pushback, after an unknown outcome under the same id, never
//! where a repetition could be a second effect.

use std::{fmt, time::Duration};

use idp_proxy::proto::{
    cognito::v1::identity_provider_service_client::IdentityProviderServiceClient as CognitoClient,
    workspacesweb::v1::identity_provider_service_client::IdentityProviderServiceClient as WebClient,
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use super::{
    ask::{About, Answer, Envelope},
    schedule::{Intent, Wish},
    world::World,
};

/// Tries of one intent; the harm of a schedule is over long before.
const TRIES_MAX: u32 = 60;
/// Before another try where no pushback says how long: after a connection was lost, or an outcome is unknown.
const PAUSE: Duration = Duration::from_millis(100);
/// For one try, so that nothing hangs for ever.
const TRY_MAX: Duration = Duration::from_secs(40);

/// One try.
pub(super) struct Try {
    /// The `x-request-id`, where the caller gave one.
    pub(super) id: Option<String>,
    /// Requests on the wire before it, and after it.
    pub(super) window: (usize, usize),
    pub(super) outcome: Result<(), Status>,
}

impl Try {
    /// Whether AWS may have done it, by the proxy's word; true where nobody said so.
    pub(super) fn may_have_been_applied(&self) -> bool {
        let Err(status) = &self.outcome else { return true };
        let details = status.get_error_details();
        let Some(info) = details.error_info() else { return true };
        info.metadata.get("mayHaveBeenApplied").is_none_or(|applied| applied == "true")
    }
}

impl fmt::Debug for Try {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = self.window;
        match &self.outcome {
            Ok(()) => write!(f, "OK [{from}..{to}]"),
            Err(status) => write!(f, "{:?} {} [{from}..{to}]", status.code(), reason(status)),
        }
    }
}

/// How an intent, or one copy of it, ended.
pub(super) struct Ending {
    /// Of the intent in its phase.
    pub(super) intent: usize,
    pub(super) outcome: Result<Answer, Status>,
    /// Whether the proxy found out by asking AWS afterwards.
    pub(super) is_confirmed: bool,
    pub(super) tries: Vec<Try>,
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let confirmed = if self.is_confirmed { " confirmed" } else { "" };
        write!(f, "intent {}{confirmed}: {:?}", self.intent, self.tries)
    }
}

/// The `reason` of a refusal; empty where a transport spoke and not the proxy.
pub(super) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// How long the server wants the caller to wait; never again if it is negative.
fn pushback(status: &Status) -> Option<i64> {
    status.metadata().get("grpc-retry-pushback-ms")?.to_str().ok()?.parse().ok()
}

/// A caller.
pub(super) struct Caller<'a> {
    pub(super) number: u64,
    pub(super) is_cognito: bool,
    /// Where it can call, in the order of its tries.
    pub(super) routes: Vec<Channel>,
    pub(super) world: &'a World,
    /// The provider of a portal that updates and deletes are about.
    pub(super) arn: Option<&'a str>,
    pub(super) sends_ids: bool,
}

impl Caller<'_> {
    /// Asks until there is an answer that counts.
    pub(super) async fn persist(&self, place: usize, intent: &Intent) -> Ending {
        let mut tries = Vec::new();
        for count in 0..TRIES_MAX {
            let id = self.sends_ids.then(|| intent.mesh_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
            let from = self.world.wire.mark(self.number);
            let route = &self.routes[count as usize % self.routes.len()];
            let asked = tokio::time::timeout(TRY_MAX, self.ask(route.clone(), intent, id.as_deref(), count));
            let outcome = tokio::select! {
                outcome = asked => outcome.unwrap_or_else(|_| Err(Status::cancelled("no answer came"))),
                () = self.leaves(intent, id.as_deref().filter(|_| count == 0)) => {
                    Err(Status::cancelled("the caller went away"))
                }
            };
            let window = (from, self.world.wire.mark(self.number));
            let seen = outcome.as_ref().map(drop).map_err(Clone::clone);
            tries.push(Try { id, window, outcome: seen });
            let wait = match &outcome {
                Ok(_) => None,
                Err(status) => wait(intent, status, tries.last().is_some_and(Try::may_have_been_applied)),
            };
            let Some(wait) = wait else {
                let (outcome, is_confirmed) = match outcome {
                    Ok((answer, is_confirmed)) => (Ok(answer), is_confirmed),
                    Err(status) => (Err(status), false),
                };
                return Ending { intent: place, outcome, is_confirmed, tries };
            };
            tokio::time::sleep(wait).await;
        }
        panic!("schedule on {} does not end: {tries:?}", self.number);
    }

    /// Waits until the caller goes away: some time after its call has been begun.
    async fn leaves(&self, intent: &Intent, id: Option<&str>) {
        let (Some(after), Some(id)) = (intent.leaves_after, id) else { return std::future::pending().await };
        self.world.begun(id).await;
        tokio::time::sleep(after).await;
    }

    async fn ask(
        &self,
        route: Channel,
        intent: &Intent,
        id: Option<&str>,
        count: u32,
    ) -> Result<(Answer, bool), Status> {
        let deadline = intent.deadline.filter(|_| count == 0);
        let envelope = Envelope { caller: &intent.caller, id, deadline };
        let about = About {
            number: self.number,
            arn: self.arn.unwrap_or_default(),
            request_id: intent.request_id.as_deref().unwrap_or_default(),
        };
        if self.is_cognito {
            about.cognito(&mut CognitoClient::new(route), &intent.wish, envelope).await
        } else {
            about.web(&mut WebClient::new(route), &intent.wish, envelope).await
        }
    }
}

/// How long to wait before another try; none where the caller must leave it at this answer.
fn wait(intent: &Intent, status: &Status, may_have_been_applied: bool) -> Option<Duration> {
    let reason = reason(status);
    let is_transient = match status.code() {
        Code::Unavailable | Code::Aborted | Code::Unknown | Code::DeadlineExceeded | Code::Cancelled => true,
        Code::ResourceExhausted => ["AWS_THROTTLED", "PROXY_RATE_LIMITED"].contains(&reason.as_str()),
        // A connection that was lost in the middle has no code of its own.
        _ => reason.is_empty(),
    };
    // An update or a delete is the same twice. A create is so under the same id, or if it surely was not executed.
    let is_harmless = intent.is_repeatable() || !matches!(intent.wish, Wish::Create(_)) || !may_have_been_applied;
    if !is_transient || !is_harmless {
        return None;
    }
    let asked = pushback(status).map(|ms| u64::try_from(ms).ok().map(Duration::from_millis));
    match (asked, status.code()) {
        (Some(Some(asked)), _) => Some(asked),
        // Told never to repeat what is said to be temporary: the judge will not like it.
        (Some(None), Code::Unavailable | Code::ResourceExhausted) => None,
        _ => Some(PAUSE),
    }
}
