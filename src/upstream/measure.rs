//! Measures each attempt at AWS, how long it took and how it ended, and makes its span.

use std::{sync::Arc, time::Instant};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{
                BeforeTransmitInterceptorContextMut, BeforeTransmitInterceptorContextRef,
                FinalizerInterceptorContextRef,
            },
            dyn_dispatch_hint,
        },
        orchestrator::{HttpResponse, Metadata},
        retries::RequestAttempts,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::{attempts::Attempts, response};
use crate::{
    domain::{Action, Region, Service},
    telemetry::{AttemptOutcome, AttemptTrace, Metrics},
};

/// The interceptor of a region's client.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) service: Service,
    pub(super) region: Region,
    pub(super) metrics: Arc<Metrics>,
}

/// An attempt that has begun. Dropped before it ended, nobody waits for it any more.
#[derive(Debug)]
struct Open {
    metrics: Arc<Metrics>,
    service: Service,
    operation: &'static str,
    /// When it began, then when it was handed to the connection.
    at: Instant,
    is_sent: bool,
    is_over: bool,
    trace: AttemptTrace,
}

impl Storable for Open {
    type Storer = StoreReplace<Self>;
}

impl Open {
    fn end(&mut self, outcome: AttemptOutcome, error: Option<String>) {
        self.is_over = true;
        self.trace.end(outcome, error);
        self.metrics.attempted(self.service, self.operation, outcome, self.at.elapsed());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.is_over {
            self.end(AttemptOutcome::GivenUp, None);
        }
    }
}

#[dyn_dispatch_hint]
impl Intercept for Measure {
    fn name(&self) -> &'static str {
        "idp-proxy measure"
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (service, name) = bag.load::<Metadata>().map(|call| (call.service(), call.name())).unwrap_or_default();
        let is_it = |action: &Action| action.service() == self.service && action.operation() == name;
        let operation = Action::ALL.into_iter().find(is_it).map_or("other", Action::operation);
        self.metrics.attempt();
        let number = bag.load::<RequestAttempts>().map_or(0, |attempts| attempts.attempts().saturating_sub(1));
        let trace = Attempts::current().trace().attempt(service, name, self.region.as_str(), number);
        let (metrics, service) = (Arc::clone(&self.metrics), self.service);
        let open = Open { metrics, service, operation, at: Instant::now(), is_sent: false, is_over: false, trace };
        bag.interceptor_state().store_put(open);
        Ok(())
    }

    /// After the signature, which does not cover the trace: gateways on the way may put themselves into it.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(open) = bag.get_mut_from_interceptor_state::<Open>() {
            for (name, value) in open.trace.headers() {
                context.request_mut().headers_mut().insert(name, value);
            }
        }
        Ok(())
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(open) = bag.get_mut_from_interceptor_state::<Open>() {
            open.trace.note("server.address", || host(context.request().uri()));
            (open.at, open.is_sent) = (Instant::now(), true);
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(open) = bag.get_mut_from_interceptor_state::<Open>() else { return Ok(()) };
        let answer = context.response();
        open.trace.note("http.response.status_code", || answer.map(|answer| i64::from(answer.status().as_u16())));
        open.trace.note("aws.request_id", || answer.and_then(request_id));
        let code = || answer.and_then(response::code);
        match context.output_or_error() {
            Some(Ok(_)) => open.end(AttemptOutcome::Ok, None),
            _ if !open.is_sent => open.end(AttemptOutcome::NotSent, None),
            _ => open.end(answer.map_or(AttemptOutcome::NoAnswer, refusal), code()),
        }
        Ok(())
    }
}

/// The host of a URI that the SDK has made.
fn host(uri: &str) -> Option<String> {
    uri.parse::<http::Uri>().ok()?.host().map(str::to_owned)
}

fn request_id(answer: &HttpResponse) -> Option<String> {
    let headers = answer.headers();
    headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned)
}

/// What an answer that is no success says.
fn refusal(answer: &HttpResponse) -> AttemptOutcome {
    let status = answer.status().as_u16();
    match status {
        _ if response::is_throttle(answer) => AttemptOutcome::Throttled,
        500.. => AttemptOutcome::Failed,
        400.. => AttemptOutcome::Refused,
        // A success that makes no sense.
        _ => AttemptOutcome::NoAnswer,
    }
}
