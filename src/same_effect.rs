//! The same effect as one call: which calls are the same call, within this process. AWS itself is the record beyond it.
//!
//! Equal calls in flight share one answer ([`Flights`]); a `request_id` that comes back with other content is noticed
//! while it is known ([`RequestIds`]); what a client token is derived from is the same in every replica.

mod flights;
mod request_ids;

use std::{fmt, sync::OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use prost::Message;
use zeroize::Zeroizing;

pub use self::{
    flights::{Flights, Share},
    request_ids::RequestIds,
};
use crate::{
    domain::{Action, ClientToken, RequestId, hex},
    identity::Caller,
};

/// SHA-256: of different contents no two are the same, whoever chose them.
type Digest = [u8; 32];

/// What a request says, as a hash that is made when it is first asked for: calls that are refused, and writes that nobody has
/// named, need none. Holds the whole message, so it is not kept for long.
pub struct Content {
    bytes: Zeroizing<Vec<u8>>,
    hash: OnceLock<Digest>,
}

impl Content {
    /// Of a decoded message. Its maps have an order, so equal messages have equal bytes.
    pub fn of(message: &impl Message) -> Self {
        Self { bytes: Zeroizing::new(message.encode_to_vec()), hash: OnceLock::new() }
    }

    fn hash(&self) -> &Digest {
        self.hash.get_or_init(|| digest(&[&self.bytes]))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

/// The name that a caller, or the transport on its behalf, gave to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name<'a> {
    /// The message's `request_id`: the caller's own, for all its tries.
    RequestId(&'a RequestId),
    /// `x-request-id`: a mesh keeps it over its own tries; a caller that tries again may get another one.
    Transport(&'a str),
}

/// One call among others: by whom, what, under which name, with which content.
#[derive(Clone, Copy, Debug)]
pub struct Likeness<'a> {
    /// Who calls. Calls of two callers are never the same one.
    pub caller: &'a Caller,
    /// What is called.
    pub action: Action,
    /// Its name, if it has one.
    pub name: Option<Name<'a>>,
    /// What it says.
    pub content: &'a Content,
}

impl Likeness<'_> {
    /// What equal calls of one caller share; without a name no two calls are the same.
    fn key(&self) -> Option<Digest> {
        let (kind, name) = self.name?.parts();
        Some(digest(&[
            self.caller.id().as_bytes(),
            self.action.grpc_method().as_bytes(),
            kind,
            name,
            self.content.hash(),
        ]))
    }

    /// The token that tells AWS that repetitions of this call are the same call, in every replica.
    ///
    /// From a `request_id` alone, so that AWS itself notices other content under it; an `x-request-id` may be any text
    /// that is used more than once, so the content is part of the token.
    pub fn client_token(&self) -> Option<ClientToken> {
        let (kind, name) = self.name?.parts();
        let content: &[u8] = if let Some(Name::Transport(_)) = self.name { self.content.hash() } else { &[] };
        let token = digest(&[
            b"idp-proxy client token 1",
            self.caller.id().as_bytes(),
            self.action.grpc_method().as_bytes(),
            kind,
            name,
            content,
        ]);
        Some(ClientToken::derived(hex(token.iter())))
    }
}

impl<'a> Name<'a> {
    /// The kind and the text, so that no name of one kind is one of the other.
    fn parts(self) -> (&'static [u8], &'a [u8]) {
        match self {
            Self::RequestId(id) => (b"request_id", id.as_str().as_bytes()),
            Self::Transport(id) => (b"x-request-id", id.as_bytes()),
        }
    }
}

/// The hash of several texts, each with its length, so that no two lists of texts run together.
fn digest(parts: &[&[u8]]) -> Digest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}
