//! ARNs of portals and of their identity providers.

use std::sync::LazyLock;

use regex::Regex;
use uuid::Uuid;

use crate::fake_aws::constraint::anchored;

static PORTAL: LazyLock<Regex> = LazyLock::new(|| {
    anchored(
        "arn:(?<partition>aws[a-z-]*):workspaces-web:(?<region>[a-z0-9-]+):(?<account>[0-9]{12}):portal/(?<id>[a-fA-F0-9-]{36})",
    )
});

/// `arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::fake_aws) struct PortalArn {
    text: String,
    partition: String,
    region: String,
    account: String,
    id: String,
}

impl PortalArn {
    pub(in crate::fake_aws) fn parse(text: &str) -> Option<Self> {
        let captures = PORTAL.captures(text)?;
        let part = |name: &str| captures.name(name).map(|part| part.as_str().to_owned());
        Some(Self {
            text: text.to_owned(),
            partition: part("partition")?,
            region: part("region")?,
            account: part("account")?,
            id: part("id")?,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The ARN of a new identity provider of this portal.
    pub(super) fn new_identity_provider(&self) -> String {
        let Self { partition, region, account, id, .. } = self;
        format!("arn:{partition}:workspaces-web:{region}:{account}:identityProvider/{id}/{}", Uuid::new_v4())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portal_arn_gives_provider_arns_of_its_partition_region_and_account() {
        let portal =
            "arn:aws-us-gov:workspaces-web:us-gov-west-1:123456789012:portal/00000000-0000-4000-8000-000000000001";
        let provider = PortalArn::parse(portal).unwrap().new_identity_provider();
        let prefix = "arn:aws-us-gov:workspaces-web:us-gov-west-1:123456789012:identityProvider/00000000-0000-4000-8000-000000000001/";
        assert_eq!(provider.strip_prefix(prefix).map(str::len), Some(36));
    }

    #[test]
    fn other_arns_are_no_portals() {
        for text in [
            "",
            "arn:aws:workspaces-web:us-east-1:123456789012:portal/1",
            "arn:aws:workspaces-web::123456789012:portal/00000000-0000-4000-8000-000000000001",
            "arn:aws:s3:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001",
            "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001/00000000-0000-4000-8000-000000000001",
        ] {
            assert_eq!(PortalArn::parse(text), None, "{text}");
        }
    }
}
