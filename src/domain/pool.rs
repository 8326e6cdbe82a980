//! User pool ids, and the region that one begins with.

use std::{fmt, ops::RangeInclusive};

use super::text;

/// An AWS region whose name has the right form; whether it exists only AWS knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Region(String);

/// Longest name of a region in AWS's endpoints data is 14 (`ap-southeast-1`, `us-isob-east-1`); this leaves room.
const REGION_LENGTH_MAX: usize = 25;

/// `[a-z]{2,5}(-[a-z]{2,12}){1,3}-[0-9]{1,2}`: it becomes part of a host name, so it is pinned to the form that all of AWS's
/// regions have.
fn is_region(text: &str) -> bool {
    let is_word = |part: &str, lengths: RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    let is_number = |part: &str| matches!(part.len(), 1..=2) && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('-');
    parts.next().is_some_and(|first| is_word(first, 2..=5))
        && parts.next_back().is_some_and(is_number)
        && (1..=3).contains(&parts.clone().count())
        && parts.all(|part| is_word(part, 2..=12))
}

impl Region {
    /// Reads a region's name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if is_region(text) && text.len() <= REGION_LENGTH_MAX {
            return Ok(Self(text.to_owned()));
        }
        Err("does not name an AWS region such as us-east-1".to_owned())
    }

    /// The name, such as `us-east-1`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that a region of this name belongs to, by AWS's own prefixes (partitions.json).
    pub fn partition(&self) -> &'static str {
        const PARTITIONS: [(&str, &str); 7] = [
            ("cn-", "aws-cn"),
            ("us-gov-", "aws-us-gov"),
            ("eusc-", "aws-eusc"),
            ("us-isob-", "aws-iso-b"),
            ("eu-isoe-", "aws-iso-e"),
            ("us-isof-", "aws-iso-f"),
            ("us-iso-", "aws-iso"),
        ];
        let found = PARTITIONS.iter().find(|(prefix, _)| self.0.starts_with(prefix));
        found.map_or("aws", |(_, partition)| partition)
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a Cognito user pool: 1 to 55 characters, `[\w-]+_[0-9a-zA-Z]+` (AWS `UserPoolIdType`),
/// of which the part before the last underscore is the region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserPoolId {
    text: String,
    region: Region,
}

impl UserPoolId {
    /// Reads a pool id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: String) -> Result<Self, String> {
        text::length(&text, &(1..=55))?;
        let Some((region, own)) = text.split_once('_') else {
            return Err(
                "must be a region, an underscore and the pool's own part, such as us-east-1_AbCdEfGhI".to_owned()
            );
        };
        if own.is_empty() || !own.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(
                "must have ASCII letters and digits after the underscore, such as us-east-1_AbCdEfGhI".to_owned()
            );
        }
        let region = Region::parse(region).map_err(|why| format!("the part before the underscore {why}"))?;
        Ok(Self { text, region })
    }

    /// The id as given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region that the pool lives in.
    pub fn region(&self) -> &Region {
        &self.region
    }
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::is_region;

    #[test]
    fn regions_have_the_one_form() {
        let pattern = Regex::new("^[a-z]{2,5}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$").unwrap();
        let parts = ["", "us", "u", "EAST", "northeasterns", "12", "123", "é"];
        let mut taken = 0;
        for length in 1..=4_u32 {
            for number in 0..parts.len().pow(length) {
                let parts = (0..length).map(|at| parts[number / parts.len().pow(at) % parts.len()]);
                let text = parts.collect::<Vec<_>>().join("-");
                assert_eq!(is_region(&text), pattern.is_match(&text), "{text:?}");
                taken += u32::from(is_region(&text));
            }
        }
        assert!(taken >= 2 && is_region("us-east-1") && is_region("us-isob-east-1") && !is_region("us-east-1\n"));
    }
}
