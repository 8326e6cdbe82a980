//! AWS accounts, and what it takes to act in another one: a role, its external id, a session's name.

use std::fmt;

use aws_lc_rs::digest;

/// The id of an AWS account: 12 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(String);

impl AccountId {
    /// Reads an account's id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(text.to_owned()));
        }
        Err("must have 12 digits".to_owned())
    }

    /// The 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ARN of an IAM role, `arn:PARTITION:iam::ACCOUNT:role/[PATH/]NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleArn {
    text: String,
    account: AccountId,
    partition: String,
}

/// AWS's limits: 20 to 2,048 characters for the ARN, 1 to 64 for a role's name.
const ARN_BYTES: std::ops::RangeInclusive<usize> = 20..=2048;
const ROLE_NAME_BYTES: std::ops::RangeInclusive<usize> = 1..=64;

impl RoleArn {
    /// Reads a role's ARN.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = || "must have the form arn:PARTITION:iam::ACCOUNT:role/NAME".to_owned();
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", partition, "iam", "", account, resource] = parts.as_slice() else { return Err(form()) };
        let account = AccountId::parse(account).map_err(|why| format!("its account {why}"))?;
        let is_partition = *partition == "aws" || partition.strip_prefix("aws-").is_some_and(|rest| !rest.is_empty());
        let (path, name) = resource.rsplit_once('/').ok_or_else(form)?;
        let has_path = path == "role" || path.strip_prefix("role/").is_some_and(|path| !path.is_empty());
        let is_legible = text.bytes().all(|byte| byte.is_ascii_graphic()) && ARN_BYTES.contains(&text.len());
        let is_name = ROLE_NAME_BYTES.contains(&name.len()) && name.bytes().all(is_name_byte);
        if !(is_partition && has_path && is_legible && is_name) {
            return Err(form());
        }
        Ok(Self { text: text.to_owned(), account, partition: (*partition).to_owned() })
    }

    /// The ARN as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account that the role belongs to.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The part of AWS that the role belongs to, such as `aws` or `aws-cn`.
    pub fn partition(&self) -> &str {
        &self.partition
    }
}

/// What the account's owner wants to be told before its role is given: 2 to 1,224 characters, `[\w+=,.@:/-]` (STS).
/// AWS does not treat it as a secret; it is not shown all the same.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// Reads an external id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_known = |byte: u8| is_name_byte(byte) || matches!(byte, b':' | b'/');
        if (2..=1224).contains(&text.len()) && text.bytes().all(is_known) {
            return Ok(Self(text.to_owned()));
        }
        Err("must have 2 to 1224 letters, digits and _+=,.@:/-".to_owned())
    }

    /// The id, for the one place that sends it to AWS.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalId(…)")
    }
}

/// `[\w+=,.@-]`, which AWS allows in the names of roles and sessions.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b'-')
}

/// The name under which a caller acts in another account: CloudTrail shows it as the user name of all that is done.
///
/// The same for a caller in every replica, so that it can be looked up, and never the same for two callers. A caller's
/// id that is a name as it is (`anonymous`, a Linkerd id) is the name. Any other loses the `spiffe://`, has `-` for what AWS
/// does not allow, keeps its last characters if it is too long, and gets a hash of the whole id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionName(String);

/// AWS's limits (`RoleSessionName`).
const SESSION_NAME_BYTES: std::ops::RangeInclusive<usize> = 2..=64;
/// Hexadecimal digits of SHA-256: 80 bits, so that nobody finds an id with the name of another.
const HASH_DIGITS: usize = 20;

impl SessionName {
    /// Of the caller with this id.
    pub fn of_caller(id: &str) -> Self {
        if SESSION_NAME_BYTES.contains(&id.len()) && id.bytes().all(is_name_byte) && !ends_like_a_hash(id) {
            return Self(id.to_owned());
        }
        let readable = id.strip_prefix("spiffe://").unwrap_or(id);
        let readable: Vec<u8> = readable.bytes().map(|byte| if is_name_byte(byte) { byte } else { b'-' }).collect();
        let room = SESSION_NAME_BYTES.end() - HASH_DIGITS - 1;
        let kept = readable.len().saturating_sub(room);
        let mut name: String = readable.into_iter().skip(kept).map(char::from).collect();
        name.push('-');
        let hash = digest::digest(&digest::SHA256, id.as_bytes());
        name.extend(hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).take(HASH_DIGITS).filter_map(digit));
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn digit(nibble: u8) -> Option<char> {
    char::from_digit(u32::from(nibble), 16)
}

/// Such an id could be the name that another caller has.
fn ends_like_a_hash(id: &str) -> bool {
    let hash = id.rsplit_once('-').map(|(_, end)| end);
    hash.is_some_and(|end| end.len() == HASH_DIGITS && end.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{AccountId, ExternalId, RoleArn, SessionName};

    fn name(id: &str) -> String {
        SessionName::of_caller(id).as_str().to_owned()
    }

    fn is_taken_by_sts(name: &str) -> bool {
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        (2..=64).contains(&name.len()) && letters
    }

    #[test]
    fn a_name_shows_who_calls() {
        assert_eq!(name("anonymous"), "anonymous");
        let linkerd = "web.shop.serviceaccount.identity.linkerd.cluster.local";
        assert_eq!(name(linkerd), linkerd);
        let spiffe = name("spiffe://prod.example/ns/checkout/sa/federation");
        assert!(spiffe.starts_with("prod.example-ns-checkout-sa-federation-"), "{spiffe}");
        let jwt = name("https://a-very-long-issuer.example/with/a/path/that/fills/everything|user-4711");
        assert!(jwt.contains("-user-4711-") && jwt.len() == 64, "{jwt}");
        // Known once and for ever: somebody looks for it in CloudTrail.
        assert_eq!(name("dns:api.example"), "dns-api.example-13edd445d4036ed84a59");
    }

    #[test]
    fn callers_whose_names_would_be_alike_have_different_ones() {
        let long = "x".repeat(80);
        let hashed = name("a/b");
        let ids = ["a/b", "a:b", "a-b", "spiffe://a/b", "a|b", &long, &format!("y{long}"), &hashed, "é", "", "a"];
        let mut names = HashMap::new();
        for id in ids {
            assert!(is_taken_by_sts(&name(id)), "{id}: {}", name(id));
            assert_eq!(names.insert(name(id), id), None, "{id}");
        }
    }

    proptest! {
        #[test]
        fn every_id_has_a_name_of_its_own_that_sts_takes(one in ".{0,90}", other in ".{0,90}") {
            prop_assert!(is_taken_by_sts(&name(&one)));
            prop_assert_eq!(name(&one) == name(&other), one == other);
        }
    }

    #[test]
    fn only_the_exact_form_of_a_roles_arn_is_taken() {
        for good in [
            "arn:aws:iam::111122223333:role/idp-proxy",
            "arn:aws-cn:iam::111122223333:role/teams/federation/idp_proxy+=,.@x",
        ] {
            let role = RoleArn::parse(good).unwrap();
            assert_eq!((role.as_str(), role.account().as_str()), (good, "111122223333"));
        }
        assert_eq!(RoleArn::parse("arn:aws-us-gov:iam::111122223333:role/a").unwrap().partition(), "aws-us-gov");
        for bad in [
            "",
            "idp-proxy",
            "arn:aws:iam::111122223333:user/idp-proxy",
            "arn:aws:iam::11112222333:role/idp-proxy",
            "arn:aws:iam:us-east-1:111122223333:role/idp-proxy",
            "arn:aws:sts::111122223333:role/idp-proxy",
            "arn:azure:iam::111122223333:role/idp-proxy",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role",
            "arn:aws:iam::111122223333:roles/a",
            "arn:aws:iam::111122223333:role/a b",
            "arn:aws:iam::111122223333:role//a",
            " arn:aws:iam::111122223333:role/a",
            "arn:aws:iam::111122223333:role/a\n",
        ] {
            assert!(RoleArn::parse(bad).is_err(), "{bad}");
        }
        assert!(RoleArn::parse(&format!("arn:aws:iam::111122223333:role/{}", "x".repeat(65))).is_err());
    }

    #[test]
    fn accounts_and_external_ids_have_awss_form() {
        assert!(AccountId::parse("000000000001").is_ok());
        for bad in ["", "1", "11112222333a", "1111222233334", "１１１１２２２２３３３３"] {
            assert!(AccountId::parse(bad).is_err(), "{bad}");
        }
        assert!(ExternalId::parse("tenant:4711/A").is_ok());
        for bad in ["", "x", "two words", "é!"] {
            assert!(ExternalId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", ExternalId::parse("tenant").unwrap()), "ExternalId(…)");
    }
}
