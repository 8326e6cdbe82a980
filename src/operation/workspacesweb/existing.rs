//! What is there already: the reads behind `validate_only`.

use aws_sdk_workspacesweb::{operation::RequestId, types::IdentityProvider};

use super::answer::present;
use crate::{
    domain::{Action, IdentityProviderArn, PortalArn},
    operation::Aws,
    upstream::{UpstreamFault, incomplete},
};

/// Faults name what was really called: its rights are what the proxy's role may lack.
const GET: Action = Action::WebGet;

/// The provider as AWS has it.
///
/// # Errors
/// `ResourceNotFoundException` if it does not exist.
pub(super) async fn get(aws: &Aws, arn: &IdentityProviderArn) -> Result<IdentityProvider, UpstreamFault> {
    let region = arn.portal().region();
    let call = aws.upstream.workspacesweb(arn.portal()).get_identity_provider().identity_provider_arn(arn.as_str());
    let output = aws.upstream.send(GET, region, call.send()).await?;
    let request_id = output.request_id().map(str::to_owned);
    present(output.identity_provider).ok_or_else(|| incomplete(GET, region, "identityProvider", request_id.as_deref()))
}

/// Asks whether the portal exists.
///
/// # Errors
/// `ResourceNotFoundException` if it does not. Not where the proxy's role may not read portals (`GetPortal`): a list of its
/// providers is asked for then, of which AWS does not say that it fails for a missing portal.
pub(super) async fn portal_exists(aws: &Aws, portal: &PortalArn) -> Result<(), UpstreamFault> {
    let region = portal.region();
    let client = aws.upstream.workspacesweb(portal);
    let read = client.get_portal().portal_arn(portal.as_str());
    match aws.upstream.send(Action::WebCreate, region, read.send()).await {
        Err(fault) if fault.is_code("AccessDeniedException") => {
            let list = client.list_identity_providers().portal_arn(portal.as_str()).max_results(1);
            aws.upstream.send(Action::WebList, region, list.send()).await.map(drop)
        }
        outcome => outcome.map(drop),
    }
}
