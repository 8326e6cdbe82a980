//! Measures each attempt at AWS: how long it took and how it ended.

use std::{sync::Arc, time::Instant};

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef},
            dyn_dispatch_hint,
        },
        orchestrator::{HttpResponse, Metadata},
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};

use super::response;
use crate::{
    domain::{Action, Service},
    telemetry::{AttemptOutcome, Metrics},
};

/// Codes with which AWS says that there are too many requests, beside HTTP status 429.
const THROTTLED: [&str; 3] = ["TooManyRequestsException", "ThrottlingException", "Throttling"];

/// The client's interceptor; it changes nothing.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) service: Service,
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
    outcome: Option<AttemptOutcome>,
}

impl Storable for Open {
    type Storer = StoreReplace<Self>;
}

impl Open {
    fn end(&mut self, outcome: AttemptOutcome) {
        self.outcome = Some(outcome);
        self.metrics.attempted(self.service, self.operation, outcome, self.at.elapsed());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.outcome.is_none() {
            self.end(AttemptOutcome::GivenUp);
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
        let name = bag.load::<Metadata>().map(Metadata::name).unwrap_or_default();
        let is_it = |action: &Action| action.service() == self.service && action.operation() == name;
        let operation = Action::ALL.into_iter().find(is_it).map_or("other", Action::operation);
        self.metrics.attempt();
        let (metrics, service) = (Arc::clone(&self.metrics), self.service);
        let open = Open { metrics, service, operation, at: Instant::now(), is_sent: false, outcome: None };
        bag.interceptor_state().store_put(open);
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(open) = bag.get_mut_from_interceptor_state::<Open>() {
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
        if let Some(open) = bag.get_mut_from_interceptor_state::<Open>() {
            let outcome = match context.output_or_error() {
                Some(Ok(_)) => AttemptOutcome::Ok,
                _ if !open.is_sent => AttemptOutcome::NotSent,
                _ => context.response().map_or(AttemptOutcome::NoAnswer, refusal),
            };
            open.end(outcome);
        }
        Ok(())
    }
}

/// What an answer that is no success says.
fn refusal(answer: &HttpResponse) -> AttemptOutcome {
    let status = answer.status().as_u16();
    let is_throttled = || response::code(answer).is_some_and(|code| THROTTLED.contains(&code.as_str()));
    match status {
        429 => AttemptOutcome::Throttled,
        400.. if is_throttled() => AttemptOutcome::Throttled,
        500.. => AttemptOutcome::Failed,
        400.. => AttemptOutcome::Refused,
        // A success that makes no sense.
        _ => AttemptOutcome::NoAnswer,
    }
}
