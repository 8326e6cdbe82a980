//! What is really sent to AWS for one call, under whose name and how it went, without a configuration override for each call.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
                FinalizerInterceptorContextRef,
            },
            dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{DateTime, config_bag::ConfigBag, date_time::Format};

use super::{classify, endpoint, failure::Executed, response, session::Session};
use crate::{domain::SessionName, quota::Spending, telemetry::CallTrace};

tokio::task_local! {
    /// The call that the current task makes. The SDK runs its orchestration in the task that awaits it.
    static CURRENT: Arc<Attempts>;
}

/// What was sent to AWS for one call of ours.
#[derive(Debug, Default)]
pub struct Attempts {
    started: AtomicU32,
    /// Those that were sent and not refused: what they asked for may have been done.
    perhaps: AtomicU32,
    /// Whether the last one was sent.
    is_sent: AtomicBool,
    has_doubt: AtomicBool,
    is_confirmed: AtomicBool,
    answered: Mutex<Answered>,
    trace: CallTrace,
    /// Where each request is paid for.
    spending: OnceLock<Spending>,
    quota_wait: OnceLock<Duration>,
    session_name: Option<SessionName>,
    /// The session with a role that the last attempt used, and the id of its key.
    session: Mutex<Option<(Arc<Session>, String)>>,
    is_session_dropped: AtomicBool,
}

/// What the last answer said of itself.
#[derive(Clone, Debug, Default)]
struct Answered {
    aws_request_id: Option<String>,
    /// Its `Date`: AWS's own clock, in whole seconds.
    aws_time: Option<DateTime>,
}

impl Attempts {
    /// None yet, for a call with this place in a trace.
    pub fn of_call(trace: &CallTrace) -> Arc<Self> {
        Arc::new(Self { trace: trace.clone(), ..Self::default() })
    }

    /// The call's place in a trace.
    pub(super) fn trace(&self) -> &CallTrace {
        &self.trace
    }

    /// Runs a call so that its attempts are counted here.
    pub async fn watch<F: Future>(self: &Arc<Self>, call: F) -> F::Output {
        CURRENT.scope(Arc::clone(self), call).await
    }

    /// Every request that is sent from now on is paid for there.
    pub fn pay_with(&self, spending: Spending) {
        // A call asks for leave once; a second one would be given back unspent.
        drop(self.spending.set(spending));
    }

    /// Notes how long the call waited for its share of a quota.
    pub fn waited(&self, quota_wait: Duration) {
        self.quota_wait.get_or_init(|| quota_wait);
    }

    /// How long the call waited for its share of a quota, if it came that far.
    pub fn quota_wait(&self) -> Option<Duration> {
        self.quota_wait.get().copied()
    }

    /// The same call, to be made in a session of this name, where it takes another account's role.
    pub fn in_session(&self, session_name: Option<SessionName>) -> Arc<Self> {
        Arc::new(Self { trace: self.trace.clone(), session_name, ..Self::default() })
    }

    /// The name under which CloudTrail shows the call.
    pub fn session_name(&self) -> Option<&SessionName> {
        self.session_name.as_ref()
    }

    /// Notes the session that an attempt is signed with.
    pub(super) fn uses(&self, session: Arc<Session>, key_id: &str) {
        *lock(&self.session) = Some((session, key_id.to_owned()));
    }

    /// AWS says that the credentials of the last attempt have expired: they are not used again.
    fn drop_session(&self) {
        let dropped = lock(&self.session).take().is_some_and(|(session, key_id)| session.drop_held(&key_id));
        self.is_session_dropped.store(dropped, Ordering::Relaxed);
    }

    /// Whether another attempt would be made in another session, after one that was refused as expired.
    pub(super) fn is_session_dropped(&self) -> bool {
        self.is_session_dropped.load(Ordering::Relaxed)
    }

    /// How many attempts were begun.
    pub fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether AWS may have executed a request of this call: a signed one was handed to the connection, and it is not
    /// known that nothing came of it.
    pub fn may_have_executed(&self) -> bool {
        self.perhaps.load(Ordering::Relaxed) > 0
    }

    /// Whether the last attempt came as far as the connection: it may have lacked credentials, where one before it had them.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// Whether AWS may have executed one of the attempts though it did not say so.
    pub fn has_doubt(&self) -> bool {
        self.has_doubt.load(Ordering::Relaxed)
    }

    /// Notes that the call succeeded as a later read showed, not as AWS's answer to it said.
    pub fn confirm(&self) {
        self.is_confirmed.store(true, Ordering::Relaxed);
    }

    /// Whether a read showed that the call succeeded.
    pub fn is_confirmed(&self) -> bool {
        self.is_confirmed.load(Ordering::Relaxed)
    }

    /// AWS's id of the last attempt that was answered.
    pub fn aws_request_id(&self) -> Option<String> {
        self.answered().aws_request_id
    }

    /// When AWS gave its last answer, by its own clock, in whole seconds.
    pub fn aws_time(&self) -> Option<DateTime> {
        self.answered().aws_time
    }

    fn answered(&self) -> Answered {
        lock(&self.answered).clone()
    }

    /// The attempts of the current task's call; none were made outside of [`Self::watch`].
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }
}

/// What the locks guard is replaced as a whole, so that a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The client's interceptor: counts, and refuses to send over plain HTTP to another machine.
#[derive(Debug)]
pub(super) struct Watch;

#[dyn_dispatch_hint]
impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "idp-proxy attempts"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let attempts = Attempts::current();
        attempts.started.fetch_add(1, Ordering::Relaxed);
        attempts.is_sent.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        endpoint::check_endpoint(context.request().uri())?;
        let attempts = Attempts::current();
        attempts.is_sent.store(true, Ordering::Relaxed);
        attempts.perhaps.fetch_add(1, Ordering::Relaxed);
        if let Some(spending) = attempts.spending.get() {
            spending.sent(operation(bag));
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let id = headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id"));
        let time = headers.get("date").and_then(|date| DateTime::from_str(date, Format::HttpDate).ok());
        let answered = Answered { aws_request_id: id.map(str::to_owned), aws_time: time };
        *lock(&Attempts::current().answered) = answered;
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error() {
            let attempts = Attempts::current();
            if let Some(spending) =
                attempts.spending.get().filter(|_| context.response().is_some_and(response::is_throttle))
            {
                spending.throttled(operation(bag));
            }
            match classify::executed(context.response(), error, attempts.is_sent()) {
                Executed::Maybe => attempts.has_doubt.store(true, Ordering::Relaxed),
                Executed::No if attempts.is_sent() => drop(attempts.perhaps.fetch_sub(1, Ordering::Relaxed)),
                Executed::No => {}
            }
            if context.response().is_some_and(classify::is_expired) {
                attempts.drop_session();
            }
        }
        Ok(())
    }
}

/// AWS's name of what is being called.
fn operation(bag: &ConfigBag) -> &str {
    bag.load::<Metadata>().map(Metadata::name).unwrap_or_default()
}
