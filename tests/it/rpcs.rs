//! The table of RPCs: for each one a valid request, one that is wrong in several fields, what AWS is asked then and
//! what it answers. A new RPC is one row here; `coverage.rs` fails without it.

mod cognito;
mod web;

use idp_proxy::{
    domain::{Action, Repeat},
    proto::workspacesweb::v1 as w,
};
use prost::{
    Message,
    bytes::{Buf as _, BufMut as _},
};
use serde_json::{Value, json};
use tonic::{
    Request, Status,
    body::Body,
    client::{Grpc, GrpcService},
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::{Body as HttpBody, StdError},
    metadata::{MetadataMap, MetadataValue},
};

use crate::support::Answer;

/// The provider of the sandbox's portal that the requests speak about.
pub(crate) const PROVIDER_ARN: &str = "arn:aws:workspaces-web:us-east-1:123456789012:identityProvider/\
    00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-00000000000a";
/// The client secret in every request that has one.
pub(crate) const CLIENT_SECRET: &str = "s3cr3t-of-the-caller";

/// One RPC.
#[derive(Clone)]
pub(crate) struct Rpc {
    pub(crate) action: Action,
    /// What repeating the valid request does, by section 6 of the contract.
    pub(crate) repeat: Repeat,
    /// An encoded request that AWS is asked with.
    pub(crate) valid: Vec<u8>,
    /// An encoded request that is wrong in every one of [`Self::violations`].
    pub(crate) invalid: Vec<u8>,
    /// The fields that the invalid request is refused for, in the proto's words.
    pub(crate) violations: &'static [&'static str],
    /// Method and path at AWS.
    pub(crate) http: (&'static str, String),
    /// The body at AWS; null if there is none.
    pub(crate) sent: Value,
    /// AWS's answer of success.
    pub(crate) success: Value,
}

impl Rpc {
    /// The row of an action.
    pub(crate) fn of(action: Action) -> Self {
        all().into_iter().find(|rpc| rpc.action == action).expect("every action has a row")
    }

    /// The valid request without the client token, which makes it one that must not be repeated.
    pub(crate) fn without_client_token(mut self) -> Self {
        self.valid = match self.action {
            Action::WebCreate => edit(&self.valid, |it: &mut w::CreateIdentityProviderRequest| it.client_token.clear()),
            Action::WebUpdate => edit(&self.valid, |it: &mut w::UpdateIdentityProviderRequest| it.client_token.clear()),
            other => panic!("{other} has no client token"),
        };
        self.repeat = Repeat::Once;
        self
    }

    /// What AWS answers when all is well.
    pub(crate) fn answer(&self) -> Answer {
        Answer::new(200, self.success.to_string())
    }

    /// Calls with the valid request.
    pub(crate) async fn call<T>(&self, transport: T) -> Result<Vec<u8>, Status>
    where
        T: GrpcService<Body>,
        T::ResponseBody: HttpBody<Error: Into<StdError>> + Send + 'static,
    {
        self.send(&mut Grpc::new(transport), self.valid.clone(), &[]).await
    }

    /// Calls with any bytes and metadata, over any transport.
    pub(crate) async fn send<T>(
        &self,
        client: &mut Grpc<T>,
        message: Vec<u8>,
        metadata: &[(&'static str, &str)],
    ) -> Result<Vec<u8>, Status>
    where
        T: GrpcService<Body>,
        T::ResponseBody: HttpBody<Error: Into<StdError>> + Send + 'static,
    {
        client.ready().await.map_err(Into::into).expect("the transport is ready");
        let mut request = Request::new(message);
        *request.metadata_mut() = MetadataMap::new();
        for (name, value) in metadata {
            request.metadata_mut().insert(*name, MetadataValue::try_from(*value).expect("a header's value"));
        }
        let path = format!("/{}", self.action.grpc_method()).parse().expect("a path");
        client.unary(request, path, Raw).await.map(tonic::Response::into_inner)
    }
}

/// Decodes, changes and encodes a message again.
pub(crate) fn edit<M: Message + Default>(encoded: &[u8], change: impl FnOnce(&mut M)) -> Vec<u8> {
    let mut message = M::decode(encoded).expect("a message of this type");
    change(&mut message);
    message.encode_to_vec()
}

/// Messages as their bytes, so that one table holds all of them and undecodable ones can be sent too.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

fn texts<M: FromIterator<(String, String)>>(pairs: &[(&str, &str)]) -> M {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

const DETAILS: [(&str, &str); 5] = [
    ("client_id", "client-1"),
    ("client_secret", CLIENT_SECRET),
    ("authorize_scopes", "openid email"),
    ("oidc_issuer", "https://idp.example"),
    ("attributes_request_method", "GET"),
];

fn details() -> Value {
    DETAILS.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>().into()
}

/// Every RPC.
pub(crate) fn all() -> Vec<Rpc> {
    [cognito::all(), web::all()].concat()
}
