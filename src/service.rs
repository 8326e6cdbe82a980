//! The generated services, one line for each RPC. There is nothing a method can do but go through the pipeline.

use tonic::{Request, Response, Status};

use crate::{
    operation::{cognito, workspacesweb},
    pipeline::Pipeline,
    proto::{
        cognito::v1 as c, cognito::v1::identity_provider_service_server::IdentityProviderService as CognitoService,
        workspacesweb::v1 as w,
        workspacesweb::v1::identity_provider_service_server::IdentityProviderService as WorkspacesWebService,
    },
};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl CognitoService for Pipeline {
    async fn create_identity_provider(
        &self,
        request: Request<c::CreateIdentityProviderRequest>,
    ) -> Answer<c::CreateIdentityProviderResponse> {
        self.serve::<cognito::Create>(request).await
    }

    async fn describe_identity_provider(
        &self,
        request: Request<c::DescribeIdentityProviderRequest>,
    ) -> Answer<c::DescribeIdentityProviderResponse> {
        self.serve::<cognito::Describe>(request).await
    }

    async fn update_identity_provider(
        &self,
        request: Request<c::UpdateIdentityProviderRequest>,
    ) -> Answer<c::UpdateIdentityProviderResponse> {
        self.serve::<cognito::Update>(request).await
    }

    async fn delete_identity_provider(
        &self,
        request: Request<c::DeleteIdentityProviderRequest>,
    ) -> Answer<c::DeleteIdentityProviderResponse> {
        self.serve::<cognito::Delete>(request).await
    }

    async fn list_identity_providers(
        &self,
        request: Request<c::ListIdentityProvidersRequest>,
    ) -> Answer<c::ListIdentityProvidersResponse> {
        self.serve::<cognito::List>(request).await
    }

    async fn get_identity_provider_by_identifier(
        &self,
        request: Request<c::GetIdentityProviderByIdentifierRequest>,
    ) -> Answer<c::GetIdentityProviderByIdentifierResponse> {
        self.serve::<cognito::GetByIdentifier>(request).await
    }
}

#[tonic::async_trait]
impl WorkspacesWebService for Pipeline {
    async fn create_identity_provider(
        &self,
        request: Request<w::CreateIdentityProviderRequest>,
    ) -> Answer<w::CreateIdentityProviderResponse> {
        self.serve::<workspacesweb::Create>(request).await
    }

    async fn get_identity_provider(
        &self,
        request: Request<w::GetIdentityProviderRequest>,
    ) -> Answer<w::GetIdentityProviderResponse> {
        self.serve::<workspacesweb::Get>(request).await
    }

    async fn update_identity_provider(
        &self,
        request: Request<w::UpdateIdentityProviderRequest>,
    ) -> Answer<w::UpdateIdentityProviderResponse> {
        self.serve::<workspacesweb::Update>(request).await
    }

    async fn list_identity_providers(
        &self,
        request: Request<w::ListIdentityProvidersRequest>,
    ) -> Answer<w::ListIdentityProvidersResponse> {
        self.serve::<workspacesweb::List>(request).await
    }

    async fn delete_identity_provider(
        &self,
        request: Request<w::DeleteIdentityProviderRequest>,
    ) -> Answer<w::DeleteIdentityProviderResponse> {
        self.serve::<workspacesweb::Delete>(request).await
    }
}
