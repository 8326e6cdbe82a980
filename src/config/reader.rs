//! Takes settings out one by one, notes every mistake with its place, and finds what nobody asked for.

use std::{fmt, ops::RangeInclusive};

use toml::Value;

use super::source::Sources;

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
        self.mistakes.push(Mistake::new(&place, why));
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
