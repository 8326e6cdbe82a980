//! What is there already: the reads behind a confirmation and behind `validate_only`.

use aws_sdk_cognitoidentityprovider::{operation::RequestId, types::IdentityProviderType};

use super::answer::present;
use crate::{
    domain::{Action, ProviderName, Repeat, UserPoolId},
    operation::Aws,
    upstream::{UpstreamFault, incomplete},
};

/// Faults name what was really called: its rights are what the proxy's role may lack.
const DESCRIBE: Action = Action::CognitoDescribe;

/// The provider as AWS has it.
///
/// # Errors
/// `ResourceNotFoundException` if the pool or the provider does not exist: AWS has one code for both.
pub(super) async fn describe(
    aws: &Aws,
    pool: &UserPoolId,
    name: &ProviderName,
) -> Result<IdentityProviderType, UpstreamFault> {
    let region = pool.region();
    let client = aws.upstream.cognito(pool, Repeat::Read);
    let call = client.describe_identity_provider().user_pool_id(pool.as_str()).provider_name(name.as_str());
    let output = aws.upstream.send(DESCRIBE, region, call.send()).await?;
    let request_id = output.request_id().map(str::to_owned);
    present(output.identity_provider)
        .ok_or_else(|| incomplete(DESCRIBE, region, "IdentityProvider", request_id.as_deref()))
}

/// Asks whether the pool exists.
///
/// # Errors
/// `ResourceNotFoundException` if it does not.
pub(super) async fn pool_exists(aws: &Aws, pool: &UserPoolId) -> Result<(), UpstreamFault> {
    let region = pool.region();
    let client = aws.upstream.cognito(pool, Repeat::Read);
    let call = client.list_identity_providers().user_pool_id(pool.as_str()).max_results(1);
    aws.upstream.send(Action::CognitoList, region, call.send()).await.map(drop)
}
