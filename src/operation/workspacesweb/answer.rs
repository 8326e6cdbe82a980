//! What the operations share: AWS's `IdentityProvider` → the proto's, without secrets.

use aws_sdk_workspacesweb::types::IdentityProvider as Found;

use crate::{
    domain::{AnsweredDetails, IdentityProviderArn},
    operation::Aws,
    proto::workspacesweb::v1::IdentityProvider,
};

/// AWS's provider, if there is one: the SDK fills what AWS's answer lacks with nothing.
pub(super) fn present(found: Option<Found>) -> Option<Found> {
    found.filter(|found| !found.identity_provider_arn.is_empty())
}

/// Takes AWS's provider apart. AWS answers exactly the details that were sent, secrets included.
pub(super) fn provider(aws: &Aws, arn: &IdentityProviderArn, found: Found) -> IdentityProvider {
    let kind = found.identity_provider_type.map(|kind| kind.as_str().to_owned());
    let details = found.identity_provider_details.unwrap_or_default();
    let details = AnsweredDetails::split(kind.as_deref(), details, arn.as_str(), &aws.fingerprinter);
    IdentityProvider {
        identity_provider_arn: found.identity_provider_arn,
        identity_provider_name: found.identity_provider_name.unwrap_or_default(),
        identity_provider_type: kind.unwrap_or_default(),
        identity_provider_details: details.callers,
        effective_details: details.effective,
        secret_fingerprints: details.fingerprints,
    }
}
