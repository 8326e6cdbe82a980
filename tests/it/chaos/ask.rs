//! One call of the proxy's, in its two APIs, and what a success says.

use std::time::Duration;

use idp_proxy::proto::{
    cognito::v1::{self as c, identity_provider_service_client::IdentityProviderServiceClient as CognitoClient},
    workspacesweb::v1::{self as w, identity_provider_service_client::IdentityProviderServiceClient as WebClient},
};
use tonic::{Request, Response, Status, transport::Channel};

use super::{
    content::Held,
    schedule::{NAME, Wish},
    wire,
};

/// What a success said.
pub(super) enum Answer {
    Provider(Box<c::IdentityProvider>),
    WebProvider(Box<w::IdentityProvider>),
    Arn(String),
    Nothing,
}

impl Answer {
    /// Whether it shows what AWS holds.
    pub(super) fn fits(&self, held: Option<&Held>) -> bool {
        match (self, held) {
            (Self::Nothing, held) => held.is_none(),
            (_, None) => false,
            (Self::Provider(answer), Some(held)) => held.is_shown_by(answer),
            (Self::WebProvider(answer), Some(held)) => held.is_shown_by_web(answer),
            (Self::Arn(arn), Some(held)) => held.arn.as_ref() == Some(arn),
        }
    }
}

/// What travels in the headers.
#[derive(Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) caller: &'a str,
    pub(super) id: Option<&'a str>,
    pub(super) deadline: Option<Duration>,
}

impl Envelope<'_> {
    fn around<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("l5d-client-id", self.caller.parse().expect("a name"));
        if let Some(id) = self.id {
            metadata.insert("x-request-id", id.parse().expect("an id"));
        }
        if let Some(deadline) = self.deadline {
            request.set_timeout(deadline);
        }
        request
    }
}

/// The answer, and whether the proxy found out by asking AWS afterwards.
fn read<T>(response: Response<T>, answer: impl FnOnce(T) -> Option<Answer>) -> (Answer, bool) {
    let outcome = response.metadata().get("idp-proxy-outcome").map(|outcome| outcome == "confirmed");
    assert_ne!(outcome, Some(false), "the metadata has one value only");
    (answer(response.into_inner()).expect("a success shows the provider"), outcome.is_some())
}

/// What a call is about.
pub(super) struct About<'a> {
    pub(super) number: u64,
    /// The provider of a portal that updates and deletes are about.
    pub(super) arn: &'a str,
    pub(super) request_id: &'a str,
}

impl About<'_> {
    pub(super) async fn cognito(
        &self,
        client: &mut CognitoClient<Channel>,
        wish: &Wish,
        envelope: Envelope<'_>,
    ) -> Result<(Answer, bool), Status> {
        let (user_pool_id, provider_name) = (wire::pool(self.number), NAME.to_owned());
        let request_id = self.request_id.to_owned();
        let provider = |provider: Option<c::IdentityProvider>| Some(Answer::Provider(Box::new(provider?)));
        Ok(match wish {
            Wish::Create(content) => {
                let message = c::CreateIdentityProviderRequest {
                    user_pool_id,
                    provider_name,
                    provider_type: content.kind.to_owned(),
                    provider_details: content.details.clone(),
                    attribute_mapping: content.mapping.clone().unwrap_or_default(),
                    idp_identifiers: content.identifiers.clone().unwrap_or_default(),
                    acr_mapping: content.acr.clone().unwrap_or_default(),
                    request_id,
                    ..Default::default()
                };
                let answer = client.create_identity_provider(envelope.around(message)).await?;
                read(answer, |answer| provider(answer.identity_provider))
            }
            Wish::Update(content) => {
                let message = c::UpdateIdentityProviderRequest {
                    user_pool_id,
                    provider_name,
                    provider_details: content.details.clone(),
                    attribute_mapping: content.mapping.clone().unwrap_or_default(),
                    idp_identifiers: content.identifiers.clone().unwrap_or_default(),
                    acr_mapping: content.acr.clone().unwrap_or_default(),
                    request_id,
                    ..Default::default()
                };
                let answer = client.update_identity_provider(envelope.around(message)).await?;
                read(answer, |answer| provider(answer.identity_provider))
            }
            Wish::Delete => {
                let message =
                    c::DeleteIdentityProviderRequest { user_pool_id, provider_name, request_id, ..Default::default() };
                let answer = client.delete_identity_provider(envelope.around(message)).await?;
                read(answer, |_| Some(Answer::Nothing))
            }
        })
    }

    pub(super) async fn web(
        &self,
        client: &mut WebClient<Channel>,
        wish: &Wish,
        envelope: Envelope<'_>,
    ) -> Result<(Answer, bool), Status> {
        let (identity_provider_arn, request_id) = (self.arn.to_owned(), self.request_id.to_owned());
        let provider = |provider: Option<w::IdentityProvider>| Some(Answer::WebProvider(Box::new(provider?)));
        Ok(match wish {
            Wish::Create(content) => {
                let message = w::CreateIdentityProviderRequest {
                    portal_arn: wire::portal(self.number),
                    identity_provider_name: NAME.to_owned(),
                    identity_provider_type: content.kind.to_owned(),
                    identity_provider_details: content.details.clone(),
                    request_id,
                    ..Default::default()
                };
                let answer = client.create_identity_provider(envelope.around(message)).await?;
                read(answer, |answer| Some(Answer::Arn(answer.identity_provider_arn)))
            }
            Wish::Update(content) => {
                let message = w::UpdateIdentityProviderRequest {
                    identity_provider_arn,
                    identity_provider_type: content.kind.to_owned(),
                    identity_provider_details: content.details.clone(),
                    request_id,
                    ..Default::default()
                };
                let answer = client.update_identity_provider(envelope.around(message)).await?;
                read(answer, |answer| provider(answer.identity_provider))
            }
            Wish::Delete => {
                let message =
                    w::DeleteIdentityProviderRequest { identity_provider_arn, request_id, ..Default::default() };
                let answer = client.delete_identity_provider(envelope.around(message)).await?;
                read(answer, |_| Some(Answer::Nothing))
            }
        })
    }
}
