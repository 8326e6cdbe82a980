//! Takes settings out one by one, notes every mistake with its place, and finds what nobody asked for.

use std::{fmt, ops::RangeInclusive};

use toml::Value;

use super::source::{DEFAULTS_PLACE, Sources};

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake(String);

impl Mistake {
    /// At `place`, a key with its source or a file.
    pub(super) fn new(place: &str, why: &str) -> Self {
        Self(format!("{place}: {why}"))
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The word for no limit.
const UNLIMITED: &str = "unlimited";

/// A number that may be left open, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// This much.
    Of(u64),
    /// As much as there is.
    None,
}

/// Settings that have not been taken yet, and the mistakes so far.
#[derive(Debug)]
pub(super) struct Reader {
    sources: Sources,
    taken: Vec<(String, String)>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, taken: Vec::new(), mistakes: Vec::new() }
    }

    /// Notes a mistake at a key, or at something outside of the configuration that has a name.
    pub(super) fn mistake(&mut self, path: &str, why: &str) {
        let place = self.taken.iter().find(|(taken, _)| taken == path).map(|(_, place)| place);
        let place = place.map_or_else(|| path.to_owned(), |place| format!("{path} ({place})"));
        // A second mistake at the same place only follows from the first.
        if !self.mistakes.iter().any(|known| known.0.starts_with(&format!("{place}: "))) {
            self.mistakes.push(Mistake::new(&place, why));
        }
    }

    fn take(&mut self, path: &str) -> Option<Value> {
        let Some((value, place)) = self.sources.values.remove(path) else {
            self.mistakes.push(Mistake::new(path, "is missing"));
            return None;
        };
        self.taken.push((path.to_owned(), place));
        Some(value)
    }

    fn text(&mut self, path: &str) -> Option<String> {
        if let Value::String(text) = self.take(path)? {
            return Some(text);
        }
        self.mistake(path, "must be a text in quotes");
        None
    }

    /// A text that `parse` reads.
    pub(super) fn parsed<T>(&mut self, path: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.text(path)?;
        parse(&text).map_err(|why| self.mistake(path, &why)).ok()
    }

    /// A text that may be left out.
    pub(super) fn optional<T>(&mut self, path: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let is_set = self.sources.values.contains_key(path);
        if is_set { self.parsed(path, parse) } else { None }
    }

    /// A list of texts that may be left out.
    pub(super) fn list<T>(&mut self, path: &str, parse: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        if !self.sources.values.contains_key(path) {
            return Vec::new();
        }
        let texts: Option<Vec<String>> = match self.take(path) {
            Some(Value::Array(list)) => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Some(texts) = texts else {
            self.mistake(path, "must be a list of texts");
            return Vec::new();
        };
        let read: Result<Vec<T>, String> = texts.iter().map(|text| parse(text)).collect();
        read.map_err(|why| self.mistake(path, &why)).unwrap_or_default()
    }

    /// How many tables a list of tables has.
    pub(super) fn tables(&mut self, path: &str) -> usize {
        // A variable can say that there are none.
        let is_none = |(value, _): &(Value, String)| value.as_array().is_some_and(Vec::is_empty);
        if self.sources.values.get(path).is_some_and(is_none) {
            self.sources.values.remove(path);
        }
        let is_set = |at: &usize| self.has_section(&format!("{path}[{at}]"));
        (0..usize::from(u8::MAX)).take_while(is_set).count()
    }

    /// Whether anything is set in a section.
    pub(super) fn has_section(&self, path: &str) -> bool {
        let prefix = format!("{path}.");
        self.sources.values.keys().any(|key| key.starts_with(&prefix))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, path: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(path, |text| {
            let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
            let words = || choices.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
            found.ok_or_else(|| format!("must be {}", words()))
        })
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, path: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let number = self.take(path)?.as_integer().and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.mistake(path, &format!("must be a whole number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A whole number within `range`, or that there is no limit.
    pub(super) fn limit(&mut self, path: &str, range: RangeInclusive<u64>) -> Option<Limit> {
        let value = self.take(path)?;
        if value.as_str() == Some(UNLIMITED) {
            return Some(Limit::None);
        }
        let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            let why = format!("must be a whole number from {} to {}, or \"{UNLIMITED}\"", range.start(), range.end());
            self.mistake(path, &why);
        }
        number.map(Limit::Of)
    }

    /// Whether nobody has set it.
    pub(super) fn is_default(&self, path: &str) -> bool {
        self.sources.values.get(path).is_some_and(|(_, place)| place == DEFAULTS_PLACE)
    }

    /// The mistakes, with every key that nobody took.
    pub(super) fn finish(mut self) -> Result<(), Vec<Mistake>> {
        let known: Vec<String> = self.taken.iter().map(|(path, _)| path.clone()).collect();
        for (path, (_, place)) in &self.sources.values {
            let near = known.iter().map(|key| (strsim::jaro_winkler(key, path), key));
            let near = near.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(score, _)| *score > 0.9);
            let hint = near.map(|(_, key)| format!("; did you mean {key}?")).unwrap_or_default();
            self.mistakes.push(Mistake::new(&format!("{path} ({place})"), &format!("is not a setting{hint}")));
        }
        if self.mistakes.is_empty() { Ok(()) } else { Err(self.mistakes) }
    }
}
