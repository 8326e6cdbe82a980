//! Length and alphabet of a text, described the same way for every field.

use std::{ops::RangeInclusive, sync::LazyLock};

use regex::Regex;

/// Whether `text` has a number of Unicode scalar values within `range`.
///
/// AWS does not say what it counts; the Smithy specification says scalar values (aws-api.md H.6).
pub(super) fn length(text: &str, range: &RangeInclusive<usize>) -> Result<(), String> {
    // A text with few bytes has few characters: the count is only taken where it can matter.
    if text.len() >= *range.start() && text.len() <= *range.end() && text.is_ascii() {
        return Ok(());
    }
    let count = text.chars().count();
    if count == 0 && *range.start() > 0 {
        return Err("must not be empty".to_owned());
    }
    if range.contains(&count) {
        return Ok(());
    }
    Err(format!("must have {} to {} characters; it has {count}", range.start(), range.end()))
}

/// Whether `text` is free of control characters. AWS's negated classes admit them; no name needs one,
/// and in a terminal or a log they can hide the rest of the text.
pub(super) fn no_control_characters(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("must not contain control characters".to_owned());
    }
    Ok(())
}

/// A pattern of AWS's.
pub(super) struct Pattern {
    regex: LazyLock<Option<Regex>>,
    /// Whether a text of these bytes surely matches. Most texts do, and this costs a tenth of asking the pattern.
    is_sure: fn(&[u8]) -> bool,
}

impl Pattern {
    pub(super) const fn new(regex: fn() -> Option<Regex>, is_sure: fn(&[u8]) -> bool) -> Self {
        Self { regex: LazyLock::new(regex), is_sure }
    }

    /// Length, control characters, then the pattern, which is described by `meaning` in an error.
    pub(super) fn check(&self, text: &str, range: &RangeInclusive<usize>, meaning: &str) -> Result<(), String> {
        length(text, range)?;
        // None of what is sure has a control character.
        if (self.is_sure)(text.as_bytes()) {
            return Ok(());
        }
        no_control_characters(text)?;
        // A pattern that did not compile matches nothing: refused, not let through. A unit test reads all of them.
        let regex = self.regex.as_ref().ok_or("cannot be checked")?;
        if regex.is_match(text) {
            return Ok(());
        }
        Err(format!("must be {meaning} (AWS's pattern `{}`)", regex.as_str()))
    }

    /// What is sure must match: asked of all short texts over an alphabet of every kind of letter.
    #[cfg(test)]
    pub(super) fn assert_sure_is_right(&self) {
        let alphabet = "aZ0_-. \u{a0}\u{7f}\t\"@é€".chars().map(String::from);
        let alphabet: Vec<String> = alphabet.collect();
        let mut texts = vec![String::new()];
        for _ in 0..3 {
            let longer = texts.iter().flat_map(|text| alphabet.iter().map(move |letter| format!("{text}{letter}")));
            texts = std::iter::once(String::new()).chain(longer).collect();
        }
        let regex = self.regex.as_ref().unwrap();
        let sure: Vec<&String> = texts.iter().filter(|text| (self.is_sure)(text.as_bytes())).collect();
        assert!(sure.len() > 20, "{}: nothing is sure", regex.as_str());
        for text in sure {
            assert!(regex.is_match(text) && no_control_characters(text).is_ok(), "{}: {text:?}", regex.as_str());
        }
    }
}

/// Letters, digits, `-` and `.`, three of them or more: what every pattern for names takes.
pub(super) fn is_plain_name(text: &[u8]) -> bool {
    text.len() >= 3 && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(byte))
}

/// AWS's echo of a rejected value, `Value '…' at 'member'`; the value itself may hold quotes and line breaks.
static ECHO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)Value '.*?' at '").ok());
/// ARNs of roles, users and sessions.
static IAM_ARN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"arn:[a-z0-9-]*:(iam|sts):[^\s'",;)]*"#).ok());

/// AWS's text without echoed values and without the ARNs of our own identity.
pub(super) fn without_echoes(text: &str) -> String {
    let (Some(echo), Some(arn)) = (ECHO.as_ref(), IAM_ARN.as_ref()) else {
        return String::new();
    };
    let text = echo.replace_all(text, "Value '…' at '");
    arn.replace_all(&text, "arn:…").into_owned()
}
