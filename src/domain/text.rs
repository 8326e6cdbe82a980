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

/// Length, control characters, then the pattern, which is described by `meaning` in an error.
pub(super) fn check(text: &str, range: &RangeInclusive<usize>, pattern: &Regex, meaning: &str) -> Result<(), String> {
    length(text, range)?;
    no_control_characters(text)?;
    if pattern.is_match(text) {
        return Ok(());
    }
    Err(format!("must be {meaning} (AWS's pattern `{}`)", pattern.as_str()))
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
