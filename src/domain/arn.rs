//! The two ARNs of WorkSpaces Web, pinned in every part before they can reach a URL.

use super::{account::AccountId, pool::Region, text};

/// AWS allows 20 to 2,048 characters (`ARN`); the pinned form is far shorter.
const ARN_LENGTH: std::ops::RangeInclusive<usize> = 20..=2048;

/// What both ARNs share: `arn:PARTITION:workspaces-web:REGION:ACCOUNT:` and the ids after the resource type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Parts {
    region: Region,
    account: AccountId,
    ids: Vec<String>,
}

/// Reads an ARN of `kind` with `ids` UUIDs. AWS's own pattern pins neither service, account nor kind, and the
/// SDK leaves `/` and `.` unescaped in the path it signs: so nothing but the exact form gets through.
fn parse(text: &str, kind: &str, ids: usize) -> Result<Parts, String> {
    text::length(text, &ARN_LENGTH)?;
    let form = || {
        let tail = if ids == 1 { "PORTAL-UUID" } else { "PORTAL-UUID/PROVIDER-UUID" };
        format!("must have the form arn:PARTITION:workspaces-web:REGION:ACCOUNT:{kind}/{tail}")
    };
    let mut parts = text.splitn(6, ':');
    let mut part = || parts.next().ok_or_else(form);
    let (arn, partition, service, region, account, resource) = (part()?, part()?, part()?, part()?, part()?, part()?);
    if arn != "arn" {
        return Err(form());
    }
    if service != "workspaces-web" {
        return Err(format!("{}; its service is another one", form()));
    }
    let region = Region::parse(region).map_err(|why| format!("its region {why}"))?;
    if partition != region.partition() {
        return Err(format!("its partition must be {} for region {region}", region.partition()));
    }
    let account = AccountId::parse(account).map_err(|why| format!("its account {why}"))?;
    let mut path = resource.split('/');
    if path.next() != Some(kind) {
        return Err(format!("{}; its resource is of another type", form()));
    }
    let found: Vec<String> = path.map(str::to_owned).collect();
    if found.len() != ids || !found.iter().all(|id| is_uuid(id)) {
        return Err(form());
    }
    Ok(Parts { region, account, ids: found })
}

/// 36 characters of hexadecimal digits with hyphens at 8, 13, 18 and 23, in either case.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The ARN of a web portal, `arn:aws:workspaces-web:REGION:ACCOUNT:portal/UUID`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortalArn {
    text: String,
    parts: Parts,
}

impl PortalArn {
    /// Reads a portal's ARN.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, String> {
        let parts = parse(&text, "portal", 1)?;
        Ok(Self { text, parts })
    }

    /// The ARN as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region that the portal lives in.
    pub fn region(&self) -> &Region {
        &self.parts.region
    }

    /// The AWS account that owns the portal.
    pub fn account(&self) -> &AccountId {
        &self.parts.account
    }
}

/// The ARN of a portal's identity provider, `arn:aws:workspaces-web:REGION:ACCOUNT:identityProvider/UUID/UUID`:
/// the first UUID is the portal's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdentityProviderArn {
    text: String,
    portal: PortalArn,
}

impl IdentityProviderArn {
    /// Reads an identity provider's ARN.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, String> {
        let mut parts = parse(&text, "identityProvider", 2)?;
        parts.ids.truncate(1);
        let Parts { region, account, ids } = &parts;
        let id = ids.concat();
        let portal = format!("arn:{}:workspaces-web:{region}:{account}:portal/{id}", region.partition());
        Ok(Self { text, portal: PortalArn { text: portal, parts } })
    }

    /// The ARN as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The portal that the provider belongs to, known without asking AWS.
    pub fn portal(&self) -> &PortalArn {
        &self.portal
    }
}

#[cfg(test)]
mod tests {
    use super::{IdentityProviderArn, PortalArn};

    const PORTAL: &str = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";

    #[test]
    fn only_the_exact_form_of_a_portal_arn_is_taken() {
        assert!(PortalArn::parse(PORTAL.to_owned()).is_ok());
        let wrong = [
            "",
            "portal",
            &PORTAL.replace("arn:", "ARN:"),
            &PORTAL.replace("workspaces-web", "s3"),
            &PORTAL.replace(":aws:", ":aws-cn:"),
            &PORTAL.replace("us-east-1", "us-east-1.evil.example"),
            &PORTAL.replace("us-east-1", ""),
            &PORTAL.replace("123456789012", "12345678901"),
            &PORTAL.replace("123456789012", "１２３４"),
            &PORTAL.replace("portal/", "identityProvider/"),
            &PORTAL.replace("portal/", "portal/../"),
            &PORTAL.replace("portal/", "portal//"),
            &format!("{PORTAL}/"),
            &format!("{PORTAL}/identityProviders"),
            &format!("{PORTAL}?x=y"),
            &format!("{PORTAL}\n"),
            &format!(" {PORTAL}"),
            &format!("{PORTAL}:x"),
        ];
        for text in wrong {
            assert!(PortalArn::parse(text.to_owned()).is_err(), "taken: {text:?}");
        }
    }

    #[test]
    fn the_portal_is_read_from_a_providers_arn() {
        let text = "arn:aws-us-gov:workspaces-web:us-gov-west-1:123456789012:identityProvider/00000000-0000-4000-8000-00000000000a/00000000-0000-4000-8000-00000000000b";
        let arn = IdentityProviderArn::parse(text.to_owned()).unwrap();
        assert_eq!(
            arn.portal().as_str(),
            "arn:aws-us-gov:workspaces-web:us-gov-west-1:123456789012:portal/00000000-0000-4000-8000-00000000000a"
        );
        assert_eq!(arn.portal().region().as_str(), "us-gov-west-1");
        assert!(IdentityProviderArn::parse(PORTAL.to_owned()).is_err());
    }
}
