//! What surrounds the details: attribute mapping, identifiers, ACR mapping and tags.

use std::collections::BTreeMap;

use regex::Regex;

use super::{
    text::{self, Pattern},
    violation::Violations,
};

/// Characters of a map's value at AWS (`StringType`).
const VALUE_LENGTH: std::ops::RangeInclusive<usize> = 0..=131_072;

/// A field path to a map's entry, `field["key"]`; the key is cut at 64 bytes, so that an error stays small.
pub(super) fn entry(field: &str, key: &str) -> String {
    const KEY_BYTES_MAX: usize = 64;
    let mut shown = String::new();
    for letter in key.chars() {
        let escaped: String = match letter {
            '"' | '\\' => ['\\', letter].into_iter().collect(),
            _ if letter.is_control() => letter.escape_unicode().collect(),
            _ => letter.to_string(),
        };
        if shown.len() + escaped.len() > KEY_BYTES_MAX {
            shown.push('…');
            break;
        }
        shown.push_str(&escaped);
    }
    format!("{field}[\"{shown}\"]")
}

/// User pool attribute → claim of the provider. Keys have 1 to 32 characters (AWS `AttributeMappingKeyType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeMapping(BTreeMap<String, String>);

impl AttributeMapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// All that is wrong with it, under `attribute_mapping`.
    pub fn parse(map: BTreeMap<String, String>) -> Result<Self, Violations> {
        let mut found = Violations::none();
        for (attribute, claim) in &map {
            let field = || entry("attribute_mapping", attribute);
            let key = text::length(attribute, &(1..=32)).and_then(|()| text::no_control_characters(attribute));
            found.take_at(field, key.map_err(|why| format!("the attribute's name {why}")));
            found.take_at(field, text::length(claim, &VALUE_LENGTH));
        }
        if found.is_empty() { Ok(Self(map)) } else { Err(found) }
    }

    /// Attribute and claim, by attribute.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Other names under which a Cognito provider can be found: at most 50 of 1 to 40 characters, unique in the pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdpIdentifiers(Vec<String>);

/// AWS `IdpIdentifierType` with ASCII classes; of `\s` only the space is left, since control characters are refused.
static IDENTIFIER: Pattern = Pattern::new(|| Regex::new("^[A-Za-z0-9_ +=.@-]+$").ok(), text::is_plain_name);

impl IdpIdentifiers {
    /// Reads a list of identifiers.
    ///
    /// # Errors
    /// All that is wrong with it, under `idp_identifiers`.
    pub fn parse(list: Vec<String>) -> Result<Self, Violations> {
        let mut found = Violations::none();
        if list.len() > 50 {
            found.add("idp_identifiers", format!("must have at most 50 entries; it has {}", list.len()));
        }
        for (at, identifier) in list.iter().enumerate() {
            found.take_at(|| format!("idp_identifiers[{at}]"), Self::check(identifier));
        }
        if found.is_empty() { Ok(Self(list)) } else { Err(found) }
    }

    /// Reads one identifier, as a look-up by it does.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_one(identifier: String) -> Result<String, String> {
        Self::check(&identifier).map(|()| identifier)
    }

    fn check(identifier: &str) -> Result<(), String> {
        IDENTIFIER.check(identifier, &(1..=40), "ASCII letters, digits, spaces and `_ + = . @ -`")
    }

    /// The identifiers in the order given.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// Level1 to Level4 → authentication context class reference, for OIDC providers of Cognito (AWS `AcrMappingType`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcrMapping(BTreeMap<String, String>);

impl AcrMapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// All that is wrong with it, under `acr_mapping`.
    pub fn parse(map: BTreeMap<String, String>) -> Result<Self, Violations> {
        let mut found = Violations::none();
        for (level, value) in &map {
            let field = entry("acr_mapping", level);
            if !["Level1", "Level2", "Level3", "Level4"].contains(&level.as_str()) {
                found.add(&field, "the key must be Level1, Level2, Level3 or Level4");
            }
            found.take(&field, text::length(value, &(1..=64)));
            if !value.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\') {
                found.add(&field, "must be visible ASCII characters without spaces, `\"` and `\\`");
            }
        }
        if found.is_empty() { Ok(Self(map)) } else { Err(found) }
    }

    /// Level and value, by level.
    pub fn as_map(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

/// Tags of a WorkSpaces Web identity provider: at most 200, keys of 1 to 128 and values of 0 to 256 characters.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

/// AWS `TagKey` and `TagValue`.
static TAG: Pattern = Pattern::new(|| Regex::new(r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$").ok(), text::is_plain_name);

impl Tags {
    /// Reads keys and values.
    ///
    /// # Errors
    /// All that is wrong with them, under `tags`.
    pub fn parse(list: Vec<(String, String)>) -> Result<Self, Violations> {
        let mut found = Violations::none();
        if list.len() > 200 {
            found.add("tags", format!("must have at most 200 entries; it has {}", list.len()));
        }
        for (at, (key, value)) in list.iter().enumerate() {
            found.take_at(|| format!("tags[{at}].key"), Self::check(key, &(1..=128)));
            found.take_at(|| format!("tags[{at}].value"), Self::check(value, &(0..=256)));
        }
        if found.is_empty() { Ok(Self(list)) } else { Err(found) }
    }

    fn check(text: &str, range: &std::ops::RangeInclusive<usize>) -> Result<(), String> {
        TAG.check(text, range, "letters, digits, spaces and `_ . : / = + - @`")
    }

    /// Keys and values in the order given.
    pub fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }
}

impl std::fmt::Debug for Tags {
    /// AWS marks tags as sensitive: only their number is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tags({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{AcrMapping, AttributeMapping, IDENTIFIER, IdpIdentifiers, TAG, Tags, entry};
    use crate::domain::Violations;

    fn fields(found: &Violations) -> Vec<&str> {
        found.iter().map(crate::domain::Violation::field).collect()
    }

    #[test]
    fn what_is_taken_without_the_pattern_is_what_the_pattern_takes() {
        IDENTIFIER.assert_sure_is_right();
        TAG.assert_sure_is_right();
    }

    #[test]
    fn every_wrong_entry_is_named_at_once() {
        let map = [("", "sub"), ("email", "email"), ("a\tb", "x")];
        let map = map.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let found = AttributeMapping::parse(map).unwrap_err();
        assert_eq!(fields(&found), [r#"attribute_mapping[""]"#, r#"attribute_mapping["a\u{9}b"]"#]);

        let list = ["corp.example", "a,b", "", "tab\t"].map(str::to_owned).into();
        let found = IdpIdentifiers::parse(list).unwrap_err();
        assert_eq!(fields(&found), ["idp_identifiers[1]", "idp_identifiers[2]", "idp_identifiers[3]"]);

        let map = [("Level1", "urn:a"), ("Level5", "b"), ("Level2", "with space")];
        let map = map.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let found = AcrMapping::parse(map).unwrap_err();
        assert_eq!(fields(&found), [r#"acr_mapping["Level2"]"#, r#"acr_mapping["Level5"]"#]);

        let found = Tags::parse(vec![("team".into(), "a&b".into()), (String::new(), "x".into())]).unwrap_err();
        assert_eq!(fields(&found), ["tags[0].value", "tags[1].key"]);
    }

    #[test]
    fn counts_are_bounded() {
        assert!(IdpIdentifiers::parse((0..50).map(|n| format!("id{n}")).collect()).is_ok());
        assert!(IdpIdentifiers::parse((0..51).map(|n| format!("id{n}")).collect()).is_err());
        assert!(Tags::parse((0..200).map(|n| (format!("k{n}"), String::new())).collect()).is_ok());
        assert!(Tags::parse((0..201).map(|n| (format!("k{n}"), String::new())).collect()).is_err());
    }

    #[test]
    fn a_long_key_is_cut_in_a_field_path() {
        assert_eq!(entry("m", r#"a"b"#), r#"m["a\"b"]"#);
        assert!(entry("m", &"é".repeat(1000)).len() < 80);
    }
}
