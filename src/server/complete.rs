//! Refusals that tonic makes by itself get the details that ours have.
//!
//! An undecodable message would arrive as INTERNAL and an oversized one as `OUT_OF_RANGE`, without `ErrorInfo`.

use http::{HeaderName, Response};
use tonic::body::Body;

use crate::{
    domain::Action,
    fault::Fault,
    pipeline::Arrival,
    report,
    status::{self, ACCEPT_ENCODING, About, TransportRefusal},
    telemetry::Metrics,
};

/// Replaces an answer of tonic's own.
pub(super) fn complete(response: &mut Response<Body>, action: Option<Action>, arrival: &Arrival, metrics: &Metrics) {
    let fault = match (status::refusal_of_tonic(response.headers()), action) {
        (Some(TransportRefusal::UnknownMethod), _) => Fault::UnknownMethod,
        (Some(TransportRefusal::UnknownEncoding), Some(_)) => Fault::UnknownEncoding,
        (Some(TransportRefusal::TooLarge), Some(_)) => Fault::TooLarge,
        (Some(TransportRefusal::Undecodable), Some(_)) => Fault::Undecodable,
        // Health and reflection have codes of their own, which stay.
        (None, _) | (_, None) => return,
    };
    let about = About { action, subject: None, request_id: &arrival.request_id };
    let encodings = response.headers_mut().remove(ACCEPT_ENCODING);
    *response = status::of(&fault, &about).into_http();
    response.headers_mut().extend(encodings.map(|known| (HeaderName::from_static(ACCEPT_ENCODING), known)));
    report::refused(action, &fault, &about, metrics, &arrival.trace);
}
