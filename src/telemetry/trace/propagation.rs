//! The trace as headers: W3C Trace Context from callers and to AWS, and AWS's own form of it.

use http::HeaderMap;
use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::TraceContextExt as _,
};
use opentelemetry_sdk::propagation::TraceContextPropagator;

use super::is_sampled;
use crate::domain::hex;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";
/// Characters of a `traceparent` of the version that there is: `00-<32>-<16>-<2>`.
const TRACEPARENT_CHARACTERS: usize = 55;
/// Where its parts end.
const DASHES: [usize; 3] = [2, 35, 52];

/// The context that a caller sends. One that is not well-formed counts as none, as the standard wants it.
pub(super) fn parent(headers: &HeaderMap) -> Option<Context> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let traceparent = values.next()?.to_str().ok()?;
    if values.next().is_some() || !is_well_formed(traceparent) {
        return None;
    }
    let states: Vec<&str> = headers.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok()).collect();
    let carrier = Carrier { traceparent, tracestate: states.join(",") };
    let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
    context.has_active_span().then_some(context)
}

/// The library would take ids of other lengths too.
fn is_well_formed(traceparent: &str) -> bool {
    let text = traceparent.as_bytes();
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let fits = |(at, byte): (usize, &u8)| if DASHES.contains(&at) { *byte == b'-' } else { is_digit(byte) };
    let is_of_version_0 = text.starts_with(b"00-");
    let has_fitting_end = match text.get(TRACEPARENT_CHARACTERS) {
        None => text.len() == TRACEPARENT_CHARACTERS,
        // Later versions may have more parts.
        Some(next) => !is_of_version_0 && *next == b'-',
    };
    has_fitting_end && text.iter().take(TRACEPARENT_CHARACTERS).enumerate().all(fits)
}

struct Carrier<'a> {
    traceparent: &'a str,
    tracestate: String,
}

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(self.traceparent),
            TRACESTATE => Some(self.tracestate.as_str()).filter(|state| !state.is_empty()),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}

/// What goes to AWS: its own header, which is the one that its services know, and the standard's for gateways on the
/// way. No `tracestate`: it is what the caller's own systems tell each other.
pub(super) fn headers(context: &Context) -> [(&'static str, String); 2] {
    let span = context.span();
    let place = span.span_context();
    let (trace, parent) = (hex(place.trace_id().to_bytes().iter()), hex(place.span_id().to_bytes().iter()));
    let sampled = if is_sampled(place.trace_flags()) { "1" } else { "0" };
    let (time, rest) = trace.split_at_checked(8).unwrap_or_default();
    [
        ("x-amzn-trace-id", ["Root=1-", time, "-", rest, ";Parent=", &parent, ";Sampled=", sampled].concat()),
        (TRACEPARENT, ["00-", &trace, "-", &parent, "-0", sampled].concat()),
    ]
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use opentelemetry::trace::TraceContextExt as _;

    use super::{TRACEPARENT, TRACESTATE, headers, parent};

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn sent(traceparents: &[&str], tracestates: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in traceparents {
            headers.append(TRACEPARENT, value.parse().unwrap());
        }
        for value in tracestates {
            headers.append(TRACESTATE, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_context_of_the_standard_is_taken_and_carried_on() {
        let context = parent(&sent(&[GOOD], &["a=1", "b=2"])).unwrap();
        let span = context.span();
        assert_eq!(span.span_context().trace_state().header(), "a=1,b=2");
        assert!(span.span_context().is_remote());
        assert_eq!(
            headers(&context),
            [
                (
                    "x-amzn-trace-id",
                    "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1".to_owned()
                ),
                ("traceparent", GOOD.to_owned()),
            ]
        );
        let unsampled = GOOD.replace("-01", "-00");
        assert_eq!(headers(&parent(&sent(&[&unsampled], &[])).unwrap())[1].1, unsampled);
        let later = format!("{}-more", GOOD.replacen("00", "01", 1));
        assert!(parent(&sent(&[&later], &[])).is_some(), "a later version is read as far as it is known");
        // Its other half makes no sense; the standard wants the trace to go on without it.
        assert!(parent(&sent(&[GOOD], &["=,"])).is_some());
    }

    #[test]
    fn a_context_that_is_not_well_formed_is_none() {
        let zeros = |range: std::ops::Range<usize>| {
            let mut text = GOOD.to_owned();
            text.replace_range(range.clone(), &"0".repeat(range.len()));
            text
        };
        let bad = [
            String::new(),
            "garbage".to_owned(),
            GOOD.to_uppercase(),
            GOOD.trim_end_matches('1').to_owned(),
            format!("{GOOD}-more"),
            format!("{GOOD}0"),
            GOOD.replace("00-", "ff-"),
            GOOD.replace("b7ad", "+7ad"),
            "00-abc-b7ad6b7169203331-01".to_owned(),
            zeros(3..35),
            zeros(36..52),
        ];
        for one in &bad {
            assert!(parent(&sent(&[one], &[])).is_none(), "{one}");
        }
        assert!(parent(&sent(&[GOOD, GOOD], &[])).is_none(), "two are one too many");
        assert!(parent(&sent(&[], &["a=1"])).is_none());
    }
}
