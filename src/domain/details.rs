//! A provider's details: what a caller may send, and how an answer is taken apart so that no secret leaves.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use super::{
    attributes::entry,
    keys::{DETAIL_KEYS, DetailKey, Format, Presence},
    provider::ProviderType,
    secret::{Fingerprinter, Secret},
    text, url,
    violation::Violations,
};

/// What happens to keys that the table does not let a caller set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownKeys {
    /// They are violations.
    #[default]
    Reject,
    /// They go to AWS as they are: the way out on the day AWS adds a key.
    Forward,
}

/// What is known of the provider's type when its details are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeOfDetails {
    /// A create: the type is in the request.
    New(ProviderType),
    /// An update that states the type.
    Stated(ProviderType),
    /// An update that does not state the type (Cognito's has no such member). The details are judged by the
    /// type that fits them best; a social provider's name, where given, is tried first.
    Unstated(Option<ProviderType>),
}

/// Details that follow AWS's rules, for one API call. Debug shows the keys only.
#[derive(Clone, PartialEq, Eq)]
pub struct Details {
    values: BTreeMap<String, Secret>,
    hosts: Hosts,
}

/// Hosts by detail key.
type Hosts = BTreeMap<Cow<'static, str>, String>;

/// Characters of a key and of a value at AWS (`StringType`), in both APIs.
const TEXT_LENGTH: std::ops::RangeInclusive<usize> = 0..=131_072;

impl Details {
    /// Reads the details of a request; `field` is the member's name in the proto.
    ///
    /// # Errors
    /// All that is wrong with them. No violation holds a value.
    pub fn parse(
        field: &str,
        map: BTreeMap<String, String>,
        kind: TypeOfDetails,
        unknown: UnknownKeys,
    ) -> Result<Self, Violations> {
        let rows: Vec<Row<'_>> =
            map.iter().map(|(name, value)| (name.as_str(), value.as_str(), DetailKey::of(name))).collect();
        let judge = |kind, is_new| Reading { field, kind, is_new, unknown }.read(&rows);
        let read = match kind {
            TypeOfDetails::New(kind) => judge(kind, true),
            TypeOfDetails::Stated(kind) => judge(kind, false),
            TypeOfDetails::Unstated(hint) => {
                // Only by those that know the most of the keys: another reading costs, and explains nothing.
                let keys = || rows.iter().filter_map(|(_, _, key)| *key);
                let known = |kind: ProviderType| keys().filter(|key| key.presence(kind).is_callers()).count();
                let kinds: Vec<_> = hint.into_iter().chain(ProviderType::ALL).map(|kind| (kind, known(kind))).collect();
                let most = kinds.iter().map(|(_, known)| *known).max().unwrap_or_default();
                let nearest = || kinds.iter().filter(|(_, known)| *known == most).map(|(kind, _)| *kind);
                // The first one without a mistake; else the one with the fewest, among those that know the most keys.
                let mistakes = |reading: &Result<_, Violations>| reading.as_ref().err().map_or(0, Violations::len);
                let mut readings = nearest().map(|kind| judge(kind, false));
                let first = readings.find(Result::is_ok);
                let fewest = || nearest().map(|kind| judge(kind, false)).min_by_key(mistakes);
                first.or_else(fewest).unwrap_or_else(|| Err(Violations::none()))
            }
        };
        let hosts = read?;
        let values = map.into_iter().map(|(name, value)| (name, Secret::new(value))).collect();
        Ok(Self { values, hosts })
    }

    /// Key and value, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Hosts of the URLs, by detail key: lower-case and without a trailing dot.
    pub fn hosts(&self) -> &BTreeMap<Cow<'static, str>, String> {
        &self.hosts
    }

    /// The scopes asked of the provider.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.values.get("authorize_scopes").into_iter().flat_map(|scopes| split_scopes(scopes.expose()))
    }
}

impl fmt::Debug for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

/// AWS documents spaces for most types and commas for Facebook, and was seen to take `openid, email` too.
fn split_scopes(scopes: &str) -> impl Iterator<Item = &str> {
    scopes.split([' ', ',', '\t', '\n', '\r']).filter(|scope| !scope.is_empty())
}

/// A key, its value, and what the table says of it.
type Row<'a> = (&'a str, &'a str, Option<&'static DetailKey>);

/// One attempt to read a map as the details of a type.
struct Reading<'a> {
    field: &'a str,
    kind: ProviderType,
    is_new: bool,
    unknown: UnknownKeys,
}

impl Reading<'_> {
    fn read(&self, rows: &[Row<'_>]) -> Result<Hosts, Violations> {
        let mut found = Violations::none();
        let mut hosts = Hosts::new();
        self.missing(rows, &mut found);
        for &(name, value, key) in rows {
            let at = || entry(self.field, name);
            found.take_at(at, text::length(name, &TEXT_LENGTH).map_err(|why| format!("the key {why}")));
            found.take_at(at, text::length(value, &TEXT_LENGTH));
            let host = match key {
                Some(key) => self.known(key, value),
                None => self.unknown(name, value),
            };
            if let Some(host) = found.take_at(at, host).flatten() {
                hosts.insert(key.map_or_else(|| Cow::Owned(name.to_owned()), |key| Cow::Borrowed(key.name)), host);
            }
        }
        if found.is_empty() { Ok(hosts) } else { Err(found) }
    }

    /// Notes the keys that must be there and are not.
    fn missing(&self, rows: &[Row<'_>], found: &mut Violations) {
        let kind = self.kind;
        let given = |key: &DetailKey| rows.iter().any(|(name, ..)| *name == key.name);
        for key in DETAIL_KEYS {
            let wanted = match key.presence(kind) {
                Presence::Required => true,
                Presence::RequiredOnCreate => self.is_new,
                _ => false,
            };
            if wanted && !given(key) {
                found.add(entry(self.field, key.name), format!("is required for type {kind}"));
            }
        }
        let one_of = || DETAIL_KEYS.iter().filter(|key| key.presence(kind) == Presence::OneOf);
        let names = || one_of().map(|key| key.name).collect::<Vec<_>>().join(" and ");
        match one_of().filter(|key| given(key)).count() {
            0 if one_of().next().is_some() => {
                found.add(self.field, format!("must have one of {} for type {kind}", names()));
            }
            0 | 1 => {}
            _ => found.add(self.field, format!("must have only one of {}", names())),
        }
    }

    /// Judges a key that the table lacks and answers the host if its value is a URL.
    fn unknown(&self, name: &str, value: &str) -> Result<Option<String>, String> {
        if self.unknown == UnknownKeys::Forward {
            // A key that AWS adds may well be an endpoint: policy has to see its host.
            return if url::looks_like_one(value) { url::https_host(value).map(Some) } else { Ok(None) };
        }
        let kind = self.kind;
        let hint = DetailKey::nearest(name, kind).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Err(format!("is not a key that AWS documents for type {kind}{hint}"))
    }

    /// Judges a key of the table and answers the host if its value is a URL.
    fn known(&self, key: &DetailKey, value: &str) -> Result<Option<String>, String> {
        let kind = self.kind;
        match key.presence(kind) {
            Presence::SetByAws | Presence::Absent if self.unknown == UnknownKeys::Forward => {}
            Presence::SetByAws => {
                return Err(format!(
                    "is set by AWS for type {kind} and cannot be sent; it is shown in effective_details"
                ));
            }
            Presence::Absent => {
                let has = |kind: &ProviderType| key.presence(*kind).is_callers();
                let owners: Vec<_> = ProviderType::ALL.into_iter().filter(has).map(ProviderType::as_str).collect();
                let of =
                    if owners.is_empty() { String::new() } else { format!("; it is one of {}", owners.join(", ")) };
                let near = DetailKey::nearest(key.name, kind);
                let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(format!("is not a key of type {kind}{of}{hint}"));
            }
            _ => {}
        }
        self.format(key, value)
    }

    fn format(&self, key: &DetailKey, value: &str) -> Result<Option<String>, String> {
        match key.format {
            Format::Text if value.trim().is_empty() => return Err("must not be empty".to_owned()),
            Format::HttpsUrl => return url::https_host(value).map(Some),
            Format::Boolean if ["true", "false"].contains(&value) => {}
            Format::Boolean => return Err("must be the text true or false".to_owned()),
            Format::Word(words) if words.contains(&value) => {}
            Format::Word(words) => return Err(format!("must be {}", words.join(" or "))),
            Format::Scopes if split_scopes(value).next().is_none() => return Err("must name a scope".to_owned()),
            Format::Scopes
                if self.kind == ProviderType::Oidc && !split_scopes(value).any(|scope| scope == "openid") =>
            {
                return Err("must contain the scope openid for type OIDC".to_owned());
            }
            Format::AnyText if url::looks_like_one(value) => return url::https_host(value).map(Some),
            Format::AnyText | Format::Text | Format::Scopes => {}
        }
        Ok(None)
    }
}

/// The details of an answer, taken apart: what the caller may send back, what AWS set, and hashes of the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnsweredDetails {
    /// Keys that a caller may set, without secrets: can be edited and sent back as an update.
    pub callers: BTreeMap<String, String>,
    /// Keys that AWS set itself.
    pub effective: BTreeMap<String, String>,
    /// Keyed hashes of the secrets, by key. A key that the table does not know counts as a secret.
    pub fingerprints: BTreeMap<String, String>,
}

impl AnsweredDetails {
    /// Takes AWS's details apart. `kind` is AWS's text, which may be of a type newer than the table; `place` names
    /// the resource, so that equal secrets of two resources have different hashes.
    pub fn split(
        kind: Option<&str>,
        details: impl IntoIterator<Item = (String, String)>,
        place: &str,
        fingerprinter: &Fingerprinter,
    ) -> Self {
        let kind = kind.and_then(ProviderType::of);
        let mut answer = Self::default();
        for (name, value) in details {
            match DetailKey::of(&name) {
                Some(key) if !key.is_secret => {
                    let is_callers = kind.is_some_and(|kind| key.presence(kind).is_callers());
                    let part = if is_callers { &mut answer.callers } else { &mut answer.effective };
                    part.insert(name, value);
                }
                _ => {
                    let value = Secret::new(value);
                    let fingerprint = fingerprinter.of(place, &name, value.expose());
                    answer.fingerprints.insert(name, fingerprint);
                }
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests;
