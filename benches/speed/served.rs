//! Two contenders with tonic and nothing of ours: one answers by itself, the other calls the AWS SDK with its defaults.

use std::{collections::HashMap, net::TcpListener};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cognitoidentityprovider as cognito;
use aws_sdk_workspacesweb as workspacesweb;
use idp_proxy::proto::{
    cognito::v1::{self as c, identity_provider_service_server as cs},
    workspacesweb::v1::{self as w, identity_provider_service_server as ws},
};
use prost::Message as _;
use tonic::{Request, Response, Status};

/// The clients, or what is answered without them.
#[derive(Clone)]
struct Served(Option<(cognito::Client, workspacesweb::Client)>);

/// The SDK with its defaults. The HTTP client is the one that is its default too, but named, since the feature that makes it
/// the default brings a second stack of TLS.
pub(crate) async fn sdk() -> SdkConfig {
    use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
    let http = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await
}

#[tokio::main]
pub(crate) async fn serve(listener: TcpListener, calls_aws: Option<()>) {
    let clients = match calls_aws {
        Some(()) => {
            let sdk = sdk().await;
            Some((cognito::Client::new(&sdk), workspacesweb::Client::new(&sdk)))
        }
        None => None,
    };
    let served = Served(clients);
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    tonic::transport::Server::builder()
        .add_service(cs::IdentityProviderServiceServer::new(served.clone()))
        .add_service(ws::IdentityProviderServiceServer::new(served))
        .serve_with_incoming(incoming)
        .await
        .unwrap();
}

fn failed(why: impl std::error::Error) -> Status {
    Status::internal(why.to_string())
}

fn map<K: std::hash::Hash + Eq + Ord, V>(map: impl IntoIterator<Item = (K, V)>) -> HashMap<K, V> {
    map.into_iter().collect()
}

fn provider(found: Option<cognito::types::IdentityProviderType>) -> Option<c::IdentityProvider> {
    let found = found?;
    let time = |time: Option<cognito::primitives::DateTime>| {
        time.map(|time| prost_types::Timestamp { seconds: time.secs(), nanos: 0 })
    };
    Some(c::IdentityProvider {
        user_pool_id: found.user_pool_id.unwrap_or_default(),
        provider_name: found.provider_name.unwrap_or_default(),
        provider_type: found.provider_type.map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
        provider_details: found.provider_details.unwrap_or_default().into_iter().collect(),
        attribute_mapping: found.attribute_mapping.unwrap_or_default().into_iter().collect(),
        idp_identifiers: found.idp_identifiers.unwrap_or_default(),
        last_modified_date: time(found.last_modified_date),
        creation_date: time(found.creation_date),
        ..Default::default()
    })
}

/// What the echo answers: the size of a real answer.
fn canned() -> c::IdentityProvider {
    let request = crate::work::create();
    c::IdentityProvider {
        user_pool_id: request.user_pool_id,
        provider_name: request.provider_name,
        provider_type: request.provider_type,
        provider_details: request.provider_details,
        attribute_mapping: request.attribute_mapping,
        idp_identifiers: request.idp_identifiers,
        ..Default::default()
    }
}

#[tonic::async_trait]
impl cs::IdentityProviderService for Served {
    async fn create_identity_provider(
        &self,
        request: Request<c::CreateIdentityProviderRequest>,
    ) -> Result<Response<c::CreateIdentityProviderResponse>, Status> {
        let request = request.into_inner();
        let Some((cognito, _)) = &self.0 else {
            std::hint::black_box(request.encoded_len());
            return Ok(Response::new(c::CreateIdentityProviderResponse { identity_provider: Some(canned()) }));
        };
        let call = cognito
            .create_identity_provider()
            .user_pool_id(request.user_pool_id)
            .provider_name(request.provider_name)
            .provider_type(request.provider_type.as_str().into())
            .set_provider_details(Some(map(request.provider_details)))
            .set_attribute_mapping(Some(map(request.attribute_mapping)))
            .set_idp_identifiers(Some(request.idp_identifiers));
        let output = call.send().await.map_err(failed)?;
        Ok(Response::new(c::CreateIdentityProviderResponse { identity_provider: provider(output.identity_provider) }))
    }

    async fn describe_identity_provider(
        &self,
        request: Request<c::DescribeIdentityProviderRequest>,
    ) -> Result<Response<c::DescribeIdentityProviderResponse>, Status> {
        let request = request.into_inner();
        let Some((cognito, _)) = &self.0 else {
            return Ok(Response::new(c::DescribeIdentityProviderResponse { identity_provider: Some(canned()) }));
        };
        let call = cognito.describe_identity_provider();
        let call = call.user_pool_id(request.user_pool_id).provider_name(request.provider_name);
        let output = call.send().await.map_err(failed)?;
        Ok(Response::new(c::DescribeIdentityProviderResponse { identity_provider: provider(output.identity_provider) }))
    }

    async fn update_identity_provider(
        &self,
        _: Request<c::UpdateIdentityProviderRequest>,
    ) -> Result<Response<c::UpdateIdentityProviderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_identity_provider(
        &self,
        _: Request<c::DeleteIdentityProviderRequest>,
    ) -> Result<Response<c::DeleteIdentityProviderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_identity_providers(
        &self,
        _: Request<c::ListIdentityProvidersRequest>,
    ) -> Result<Response<c::ListIdentityProvidersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_identity_provider_by_identifier(
        &self,
        _: Request<c::GetIdentityProviderByIdentifierRequest>,
    ) -> Result<Response<c::GetIdentityProviderByIdentifierResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

#[tonic::async_trait]
impl ws::IdentityProviderService for Served {
    async fn create_identity_provider(
        &self,
        request: Request<w::CreateIdentityProviderRequest>,
    ) -> Result<Response<w::CreateIdentityProviderResponse>, Status> {
        let request = request.into_inner();
        let Some((_, web)) = &self.0 else {
            let identity_provider_arn = format!("{}/identityProvider/a", request.portal_arn);
            return Ok(Response::new(w::CreateIdentityProviderResponse { identity_provider_arn }));
        };
        let call = web
            .create_identity_provider()
            .portal_arn(request.portal_arn)
            .identity_provider_name(request.identity_provider_name)
            .identity_provider_type(request.identity_provider_type.as_str().into())
            .set_identity_provider_details(Some(map(request.identity_provider_details)))
            .client_token(request.client_token);
        let output = call.send().await.map_err(failed)?;
        let identity_provider_arn = output.identity_provider_arn;
        Ok(Response::new(w::CreateIdentityProviderResponse { identity_provider_arn }))
    }

    async fn get_identity_provider(
        &self,
        _: Request<w::GetIdentityProviderRequest>,
    ) -> Result<Response<w::GetIdentityProviderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn update_identity_provider(
        &self,
        _: Request<w::UpdateIdentityProviderRequest>,
    ) -> Result<Response<w::UpdateIdentityProviderResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn list_identity_providers(
        &self,
        _: Request<w::ListIdentityProvidersRequest>,
    ) -> Result<Response<w::ListIdentityProvidersResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn delete_identity_provider(
        &self,
        _: Request<w::DeleteIdentityProviderRequest>,
    ) -> Result<Response<w::DeleteIdentityProviderResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
