//! The constraints of AWS's service models (length, pattern, range, enumeration, required) and the sentences in which
//! AWS reports them. Lengths count Unicode scalar values; `\w` and `\s` are ASCII, as in Java, which AWS's patterns are
//! written for. It does not know which member has which constraint.

use std::{fmt::Write as _, ops::RangeInclusive, sync::LazyLock};

use regex::Regex;

use super::members::TextMap;

/// A pattern: AWS's own text for messages, and what is matched.
pub(super) struct Pattern {
    documented: &'static str,
    regex: LazyLock<Regex>,
}

impl Pattern {
    /// `regex` is the documented pattern in the syntax of the `regex` crate, anchored: see [`anchored`].
    pub(super) const fn new(documented: &'static str, regex: fn() -> Regex) -> Self {
        Self { documented, regex: LazyLock::new(regex) }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

/// Compiles a constant pattern that must match a whole value.
#[expect(clippy::expect_used, reason = "only constants are compiled, and the conformance suite reaches each of them")]
pub(super) fn anchored(pattern: &str) -> Regex {
    Regex::new(&format!("^(?:{pattern})$")).expect("a constant pattern compiles")
}

/// What a model says of a string.
pub(super) struct TextRule {
    pub(super) min: usize,
    /// `usize::MAX` where the model has no limit.
    pub(super) max: usize,
    pub(super) pattern: Option<&'static Pattern>,
}

impl TextRule {
    /// The broken constraints, in AWS's words.
    fn broken(&self, text: &str) -> Vec<String> {
        let length = text.chars().count();
        let mut broken = Vec::new();
        if length > self.max {
            broken.push(format!("Member must have length less than or equal to {}", self.max));
        }
        if length < self.min {
            broken.push(format!("Member must have length greater than or equal to {}", self.min));
        }
        if let Some(pattern) = self.pattern
            && !pattern.matches(text)
        {
            broken.push(format!("Member must satisfy regular expression pattern: {}", pattern.documented));
        }
        broken
    }

    fn allows(&self, text: &str) -> bool {
        self.broken(text).is_empty()
    }

    /// All constraints, as AWS lists them when an element of a list or map breaks one.
    fn all(&self) -> String {
        let mut all = Vec::new();
        if self.max < usize::MAX {
            all.push(format!("Member must have length less than or equal to {}", self.max));
        }
        if self.min > 0 || self.max < usize::MAX {
            all.push(format!("Member must have length greater than or equal to {}", self.min));
        }
        if let Some(pattern) = self.pattern {
            all.push(format!("Member must satisfy regular expression pattern: {}", pattern.documented));
        }
        all.join(", ")
    }
}

/// One broken constraint.
pub(super) struct Violation {
    /// The member, as AWS writes it in messages: `providerName`.
    pub(super) at: String,
    /// `Member must …`.
    pub(super) constraint: String,
    /// The value as shown: `'x'` or `null`.
    shown: String,
}

/// The broken constraints of one request; all are reported together.
#[derive(Default)]
pub(super) struct Violations(Vec<Violation>);

impl Violations {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// AWS's sentence: `2 validation errors detected: …; …`.
    pub(super) fn message(&self) -> String {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        let mut message = format!("{} validation error{plural} detected: ", self.0.len());
        for (position, violation) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            let Violation { at, constraint, shown } = violation;
            // Writing to a String cannot fail.
            let _ = write!(message, "{separator}Value {shown} at '{at}' failed to satisfy constraint: {constraint}");
        }
        message
    }

    fn add(&mut self, at: &str, value: &str, constraint: String) {
        self.0.push(Violation { at: at.to_owned(), constraint, shown: format!("'{value}'") });
    }

    /// A member that must be there. Gives its default otherwise, which nobody sees: the violation ends the call.
    pub(super) fn required<T: Default>(&mut self, at: &str, value: Option<T>) -> T {
        value.unwrap_or_else(|| {
            self.0.push(Violation {
                at: at.to_owned(),
                constraint: "Member must not be null".to_owned(),
                shown: "null".to_owned(),
            });
            T::default()
        })
    }

    pub(super) fn text(&mut self, at: &str, text: &str, rule: &TextRule) {
        for constraint in rule.broken(text) {
            self.add(at, text, constraint);
        }
    }

    /// A required string within its constraints.
    pub(super) fn required_text(&mut self, at: &str, text: Option<String>, rule: &TextRule) -> String {
        let absent = text.is_none();
        let text = self.required(at, text);
        if !absent {
            self.text(at, &text, rule);
        }
        text
    }

    pub(super) fn range(&mut self, at: &str, number: i32, range: &RangeInclusive<i32>) {
        if number > *range.end() {
            self.add(at, &number.to_string(), format!("Member must have value less than or equal to {}", range.end()));
        }
        if number < *range.start() {
            self.add(
                at,
                &number.to_string(),
                format!("Member must have value greater than or equal to {}", range.start()),
            );
        }
    }

    /// A value that is none of an enumeration; `values` is the set in AWS's order.
    pub(super) fn not_in_enumeration(&mut self, at: &str, value: &str, values: &[&str]) {
        self.add(at, value, format!("Member must satisfy enum value set: [{}]", values.join(", ")));
    }

    /// A list: at most `max` items, each within `rule`. AWS echoes the whole list.
    pub(super) fn list(&mut self, at: &str, items: &[String], max: usize, rule: &TextRule) {
        let shown = || format!("[{}]", items.join(", "));
        if items.len() > max {
            self.add(at, &shown(), format!("Member must have length less than or equal to {max}"));
        }
        if !items.iter().all(|item| rule.allows(item)) {
            self.add(at, &shown(), format!("Member must satisfy constraint: [{}]", rule.all()));
        }
    }

    /// A map: at most `max` entries, keys and values within their rules. AWS echoes the whole map.
    pub(super) fn map(&mut self, at: &str, map: &TextMap, max: usize, key: &TextRule, value: &TextRule) {
        let shown = || {
            let entries: Vec<_> = map.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{{{}}}", entries.join(", "))
        };
        if map.len() > max {
            self.add(at, &shown(), format!("Member must have length less than or equal to {max}"));
        }
        if !map.keys().all(|text| key.allows(text)) {
            self.add(at, &shown(), format!("Map keys must satisfy constraint: [{}]", key.all()));
        }
        if !map.values().all(|text| value.allows(text)) {
            self.add(at, &shown(), format!("Map value must satisfy constraint: [{}]", value.all()));
        }
    }
}
