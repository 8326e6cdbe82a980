//! Traces: one span for each call and one for each attempt at AWS, by OpenTelemetry's conventions (semantic conventions
//! 1.45), in the trace that the caller began (W3C Trace Context).
//!
//! Spans are made here and nowhere else, from names and ids only. Libraries cannot add any: this is not fed by `tracing`.

mod export;
mod propagation;

use std::{borrow::Cow, sync::Arc};

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{SpanBuilder, SpanKind, Status as Health, TraceContextExt as _, TraceFlags, Tracer as _},
};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

pub use self::export::OtlpTarget;
use super::{AttemptOutcome, Metrics};
use crate::domain::hex;

/// Codes that a server's span counts as errors; the others are the caller's affair (semantic conventions for gRPC).
const ERRORS: [&str; 6] = ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// Where spans go; a clone goes to the same place.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Exported>>);

#[derive(Debug)]
struct Exported {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// To a collector, in batches, from a thread of its own. Needs a runtime.
    ///
    /// # Errors
    /// When no client for the collector can be made; whether it is there does not matter.
    pub fn to(target: &OtlpTarget, metrics: Arc<Metrics>) -> Result<Self, String> {
        let provider = export::provider(target, metrics)?;
        let tracer = export::tracer(&provider);
        Ok(Self(Some(Arc::new(Exported { provider, tracer }))))
    }

    /// The trace of a call with these headers: its span, if spans go anywhere, else only what the caller says.
    pub fn call(&self, headers: &HeaderMap, rpc_method: &'static str) -> CallTrace {
        let parent = propagation::parent(headers);
        let Some(exported) = &self.0 else {
            return CallTrace(parent.map(|context| Arc::new(Traced { context, tracer: None })));
        };
        let attributes = vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", rpc_method)];
        let span = SpanBuilder::from_name(rpc_method).with_kind(SpanKind::Server).with_attributes(attributes);
        let parent = parent.unwrap_or_default();
        let span = exported.tracer.build_with_context(span, &parent);
        let context = parent.with_span(span);
        CallTrace(Some(Arc::new(Traced { context, tracer: Some(exported.tracer.clone()) })))
    }

    /// Sends what has not been sent, and ends; waits for the collector for five seconds at most.
    pub async fn close(self) {
        if let Some(exported) = self.0 {
            // It blocks.
            let closed = tokio::task::spawn_blocking(move || export::close(&exported.provider));
            if let Ok(Err(why)) = closed.await {
                tracing::warn!(%why, "not all spans could be sent");
            }
        }
    }
}

/// What is known of a call's trace; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct CallTrace(Option<Arc<Traced>>);

#[derive(Debug)]
struct Traced {
    /// With the call's own span, or with the caller's where no spans are made.
    context: Context,
    tracer: Option<SdkTracer>,
}

impl CallTrace {
    /// The id of the trace, for the log: 32 hexadecimal digits.
    pub fn trace_id(&self) -> Option<String> {
        self.0.as_ref().map(|traced| hex(traced.context.span().span_context().trace_id().to_bytes().iter()))
    }

    /// The id of the call's own span, for the log: 16 hexadecimal digits.
    pub fn span_id(&self) -> Option<String> {
        let own = self.0.as_ref().filter(|traced| traced.tracer.is_some())?;
        Some(hex(own.context.span().span_context().span_id().to_bytes().iter()))
    }

    /// Adds an attribute to the call's span, if it will be sent anywhere.
    pub fn note<V: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> Option<V>) {
        if let Some(traced) = &self.0 {
            note(&traced.context, key, value);
        }
    }

    /// Ends the call's span.
    pub fn end(&self, code: &'static str) {
        self.note("rpc.response.status_code", || Some(code));
        if ERRORS.contains(&code) {
            self.note("error.type", || Some(code));
            self.0.iter().for_each(|traced| traced.context.span().set_status(Health::error(Cow::Borrowed(""))));
        }
        self.0.iter().for_each(|traced| traced.context.span().end());
    }

    /// Begins the span of an attempt at AWS. `service` and `operation` are AWS's own names; `number` counts from 0.
    pub fn attempt(&self, service: &str, operation: &str, region: &str, number: u32) -> AttemptTrace {
        let Some(traced) = &self.0 else { return AttemptTrace(None) };
        let Some(made_by) = traced.tracer.as_ref().filter(|_| traced.context.span().is_recording()) else {
            // Without a span of its own an attempt belongs to the call's.
            return AttemptTrace(Some(Attempt { context: traced.context.clone(), is_own: false }));
        };
        let mut attributes = vec![
            KeyValue::new("rpc.system.name", "aws-api"),
            KeyValue::new("rpc.method", format!("{service}/{operation}")),
            KeyValue::new("cloud.region", region.to_owned()),
        ];
        if number > 0 {
            attributes.push(KeyValue::new("http.request.resend_count", i64::from(number)));
        }
        let span = SpanBuilder::from_name(format!("{service}.{operation}")).with_kind(SpanKind::Client);
        let span = made_by.build_with_context(span.with_attributes(attributes), &traced.context);
        AttemptTrace(Some(Attempt { context: traced.context.with_span(span), is_own: true }))
    }
}

/// What is known of an attempt's place in the trace.
#[derive(Debug)]
pub struct AttemptTrace(Option<Attempt>);

#[derive(Debug)]
struct Attempt {
    context: Context,
    is_own: bool,
}

impl AttemptTrace {
    /// The headers that carry the trace on.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.0.iter().flat_map(|attempt| propagation::headers(&attempt.context))
    }

    /// Adds an attribute, if it will be sent anywhere.
    pub fn note<V: Into<Value>>(&self, key: &'static str, value: impl FnOnce() -> Option<V>) {
        if let Some(attempt) = self.0.as_ref().filter(|attempt| attempt.is_own) {
            note(&attempt.context, key, value);
        }
    }

    /// Ends the span; `error` names what went wrong, if AWS named it.
    pub fn end(&self, outcome: AttemptOutcome, error: Option<String>) {
        let Some(attempt) = self.0.as_ref().filter(|attempt| attempt.is_own) else { return };
        note(&attempt.context, "idp_proxy.outcome", || Some(outcome.as_str()));
        if outcome != AttemptOutcome::Ok {
            note(&attempt.context, "error.type", || Some(error.unwrap_or_else(|| outcome.as_str().to_owned())));
            attempt.context.span().set_status(Health::error(Cow::Borrowed("")));
        }
        attempt.context.span().end();
    }
}

fn note<V: Into<Value>>(context: &Context, key: &'static str, value: impl FnOnce() -> Option<V>) {
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    if let Some(value) = value() {
        span.set_attribute(KeyValue::new(key, value));
    }
}

/// Whether the caller, or our own draw, has chosen this trace to be kept.
fn is_sampled(flags: TraceFlags) -> bool {
    flags & TraceFlags::SAMPLED == TraceFlags::SAMPLED
}
