//! What the operations share: AWS's `IdentityProviderType` → the proto's `IdentityProvider`, without secrets.

use aws_sdk_cognitoidentityprovider::types::IdentityProviderType;

use crate::{
    domain::{AnsweredDetails, UserPoolId},
    operation::{Aws, timestamp},
    proto::cognito::v1::IdentityProvider,
};

/// Takes AWS's provider apart. Absent members stay empty: AWS does not echo everything in every answer.
pub(super) fn provider(aws: &Aws, pool: &UserPoolId, found: IdentityProviderType) -> IdentityProvider {
    let name = found.provider_name.unwrap_or_default();
    let kind = found.provider_type.map(|kind| kind.as_str().to_owned());
    let place = format!("{}/{name}", pool.as_str());
    let details = found.provider_details.unwrap_or_default();
    let details = AnsweredDetails::split(kind.as_deref(), details, &place, &aws.fingerprinter);
    IdentityProvider {
        user_pool_id: found.user_pool_id.unwrap_or_default(),
        provider_name: name,
        provider_type: kind.unwrap_or_default(),
        provider_details: details.callers,
        attribute_mapping: found.attribute_mapping.unwrap_or_default().into_iter().collect(),
        idp_identifiers: found.idp_identifiers.unwrap_or_default(),
        acr_mapping: found.acr_mapping.unwrap_or_default().into_iter().collect(),
        last_modified_date: found.last_modified_date.as_ref().and_then(timestamp),
        creation_date: found.creation_date.as_ref().and_then(timestamp),
        effective_details: details.effective,
        secret_fingerprints: details.fingerprints,
    }
}

/// AWS's provider, if there is one: the SDK makes up an empty one where AWS's answer lacks it.
pub(super) fn present(found: Option<IdentityProviderType>) -> Option<IdentityProviderType> {
    found.filter(|found| *found != IdentityProviderType::builder().build())
}
