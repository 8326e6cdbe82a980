//! What surrounds the provider in a request: pages, tokens, ids and the update mask.

use std::ops::RangeInclusive;

use super::text;

/// A page's size: Cognito 0 to 60 (`ListProvidersLimitType`), WorkSpaces Web 1 and more (`MaxResults`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize(i32);

impl PageSize {
    /// Reads a size within `range`; absent stays absent, so that AWS's own default holds.
    ///
    /// # Errors
    /// The range.
    pub fn parse(size: Option<i32>, range: &RangeInclusive<i32>) -> Result<Option<Self>, String> {
        match size {
            Some(size) if !range.contains(&size) => {
                let (from, to) = (range.start(), range.end());
                let upper = if *to == i32::MAX { String::new() } else { format!(" and at most {to}") };
                Err(format!("must be at least {from}{upper}"))
            }
            Some(size) => Ok(Some(Self(size))),
            None => Ok(None),
        }
    }

    /// The size.
    pub fn get(self) -> i32 {
        self.0
    }
}

/// AWS's token of a next page, passed through as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// Reads a token of at most `max` characters without white space; empty means the first page.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(token: String, max: usize) -> Result<Option<Self>, String> {
        if token.is_empty() {
            return Ok(None);
        }
        text::length(&token, &(1..=max))?;
        text::no_control_characters(&token)?;
        // Of ASCII's white space only this one is no control character.
        if token.contains(' ') {
            return Err("must not contain white space".to_owned());
        }
        Ok(Some(Self(token)))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's idempotency token for WorkSpaces Web, 1 to 512 characters (`ClientToken`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientToken(String);

impl ClientToken {
    /// Reads a token; empty means absent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(token: String) -> Result<Option<Self>, String> {
        if token.is_empty() {
            return Ok(None);
        }
        text::length(&token, &(1..=512))?;
        text::no_control_characters(&token)?;
        Ok(Some(Self(token)))
    }

    /// A token that the proxy derives: hexadecimal digits of a hash, far below AWS's 512 characters.
    pub fn derived(digits: String) -> Self {
        Self(digits)
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The caller's name for one intent (AIP-155): 1 to 128 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// Reads an id; empty means absent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(id: String) -> Result<Option<Self>, String> {
        if id.is_empty() {
            return Ok(None);
        }
        if id.len() > 128 || !id.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err("must be 1 to 128 printable ASCII characters".to_owned());
        }
        Ok(Some(Self(id)))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the caller of a write says about the call itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intent {
    request_id: Option<RequestId>,
    validate_only: bool,
}

impl Intent {
    /// Reads the proxy's own two fields of a write; an empty id means absent.
    ///
    /// # Errors
    /// What is wrong with the id.
    pub fn parse(request_id: String, validate_only: bool) -> Result<Self, String> {
        Ok(Self { request_id: RequestId::parse(request_id)?, validate_only })
    }

    /// The caller's name for what it wants done once.
    pub fn request_id(&self) -> Option<&RequestId> {
        self.request_id.as_ref()
    }

    /// Whether the caller only asks what the call would do (AIP-163).
    pub fn validate_only(&self) -> bool {
        self.validate_only
    }
}

/// Which members an update sends: those named, or, without a mask, those that are populated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateMask(Option<Vec<&'static str>>);

impl UpdateMask {
    /// Reads the paths of a mask over `members`; a mask without paths counts as absent.
    ///
    /// # Errors
    /// Which path is unknown, and which there are.
    pub fn parse(paths: &[String], members: &[&'static str]) -> Result<Self, String> {
        if paths.is_empty() {
            return Ok(Self(None));
        }
        let find = |path: &String| {
            let known = members.iter().copied().find(|member| member == path);
            // The path may be any text a caller made up: it is not repeated.
            known.ok_or_else(|| format!("must name members that can be updated: {}", members.join(", ")))
        };
        paths.iter().map(find).collect::<Result<_, _>>().map(|named| Self(Some(named)))
    }

    /// Whether `member` is sent: named by the mask, or populated if there is none.
    pub fn sends(&self, member: &str, is_populated: bool) -> bool {
        self.0.as_ref().map_or(is_populated, |named| named.contains(&member))
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientToken, PageSize, PageToken, RequestId, UpdateMask};

    #[test]
    fn an_update_sends_what_the_mask_names_or_what_is_populated() {
        let members = ["attribute_mapping", "idp_identifiers"];
        let none = UpdateMask::parse(&[], &members).unwrap();
        assert!(none.sends("idp_identifiers", true));
        assert!(!none.sends("idp_identifiers", false));
        let some = UpdateMask::parse(&["idp_identifiers".to_owned()], &members).unwrap();
        assert!(some.sends("idp_identifiers", false));
        assert!(!some.sends("attribute_mapping", true));
        for wrong in ["*", "IdpIdentifiers", "idpIdentifiers", "user_pool_id", "idp_identifiers.x", ""] {
            assert!(UpdateMask::parse(&[wrong.to_owned()], &members).is_err(), "{wrong}");
        }
    }

    #[test]
    fn pages_tokens_and_ids_have_bounds() {
        assert_eq!(PageSize::parse(Some(0), &(0..=60)).unwrap().map(PageSize::get), Some(0));
        assert!(PageSize::parse(Some(61), &(0..=60)).is_err());
        assert!(PageSize::parse(Some(-1), &(1..=i32::MAX)).is_err());
        assert_eq!(PageSize::parse(None, &(0..=60)), Ok(None));
        assert!(PageToken::parse("a b".to_owned(), 10).is_err());
        assert!(PageToken::parse("x".repeat(11), 10).is_err());
        assert!(ClientToken::parse("x".repeat(513)).is_err());
        assert!(ClientToken::parse("x".repeat(512)).is_ok());
        assert!(RequestId::parse("with space is printable".to_owned()).is_ok());
        assert!(RequestId::parse("x".repeat(129)).is_err());
        assert!(RequestId::parse("é".to_owned()).is_err());
    }
}
