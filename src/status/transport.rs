//! Reads answers from their headers: their code, and whether tonic refused the call by itself.

use http::{HeaderMap, header::CONTENT_TYPE};
use tonic::{Code, Status};

use super::code_name;

/// The header in which a server says which encodings it knows.
pub const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// What a status that tonic made by itself stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportRefusal {
    /// The path names no RPC.
    UnknownMethod,
    /// The message is compressed in a way that is not known.
    UnknownEncoding,
    /// The message is larger than the limit.
    TooLarge,
    /// The message cannot be read.
    Undecodable,
}

/// The code of an answer that consists of headers only.
fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()))
}

/// The name of an answer's gRPC code. A success says it in its trailers only.
pub fn code_name_of(headers: &HeaderMap) -> &'static str {
    code(headers).map_or("OK", code_name)
}

/// The refusal behind an answer that has no details, as ours all have. tonic answers an undecodable message with
/// INTERNAL and an oversized one with `OUT_OF_RANGE`.
pub fn refusal_of_tonic(headers: &HeaderMap) -> Option<TransportRefusal> {
    let is_grpc = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc || headers.contains_key(Status::GRPC_STATUS_DETAILS) {
        return None;
    }
    match code(headers)? {
        Code::Ok => None,
        // Only this refusal says what would be known.
        Code::Unimplemented if headers.contains_key(ACCEPT_ENCODING) => Some(TransportRefusal::UnknownEncoding),
        Code::Unimplemented => Some(TransportRefusal::UnknownMethod),
        Code::OutOfRange | Code::ResourceExhausted => Some(TransportRefusal::TooLarge),
        _ => Some(TransportRefusal::Undecodable),
    }
}
