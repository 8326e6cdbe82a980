//! Counts what is really sent to AWS for one call, without a configuration override for each call.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef},
            dyn_dispatch_hint,
        },
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

use super::endpoint;

tokio::task_local! {
    /// The call that the current task makes. The SDK runs its orchestration in the task that awaits it.
    static CURRENT: Arc<Attempts>;
}

/// What was sent to AWS for one call of ours.
#[derive(Debug, Default)]
pub struct Attempts {
    started: AtomicU32,
    has_sent: AtomicBool,
    aws_request_id: Mutex<Option<String>>,
}

impl Attempts {
    /// Runs a call so that its attempts are counted here.
    pub async fn watch<F: Future>(self: &Arc<Self>, call: F) -> F::Output {
        CURRENT.scope(Arc::clone(self), call).await
    }

    /// How many attempts were begun.
    pub fn started(&self) -> u32 {
        self.started.load(Ordering::Relaxed)
    }

    /// Whether a signed request was handed to the connection: until then AWS cannot have executed it.
    pub fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Relaxed)
    }

    /// AWS's id of the last attempt that was answered.
    pub fn aws_request_id(&self) -> Option<String> {
        self.aws_request_id.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The attempts of the current task's call; none were made outside of [`Self::watch`].
    pub(super) fn current() -> Arc<Self> {
        CURRENT.try_with(Arc::clone).unwrap_or_default()
    }
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
        Attempts::current().started.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        endpoint::check_endpoint(context.request().uri())?;
        Attempts::current().has_sent.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let headers = context.response().headers();
        let id = headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned);
        *Attempts::current().aws_request_id.lock().unwrap_or_else(PoisonError::into_inner) = id;
        Ok(())
    }
}
