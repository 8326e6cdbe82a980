//! Defaults ← file ← environment ← flags, each key with the place that it came from.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{DEFAULTS, Flags, Mistake};

/// Prefix of our variables: `IDP_PROXY__SECTION__KEY`.
const PREFIX: &str = "IDP_PROXY__";

/// Where a setting comes from that nobody has set.
pub(super) const DEFAULTS_PLACE: &str = "the defaults";

/// All settings by path (`server.listen`), and where each was set.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) values: BTreeMap<String, (Value, String)>,
}

impl Sources {
    pub(super) fn read(flags: &Flags, environment: &BTreeMap<String, String>) -> Result<Self, Vec<Mistake>> {
        let mut sources = Self { values: BTreeMap::new() };
        let defaults: Table = DEFAULTS.parse().map_err(|why| vec![Mistake::new("the defaults", &format!("{why}"))])?;
        sources.add("", &defaults, DEFAULTS_PLACE);
        if let Some(file) = &flags.file {
            let place = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|why| vec![Mistake::new(&place, &format!("cannot be read: {why}"))])?;
            let table: Table =
                text.parse().map_err(|why| vec![Mistake::new(&place, &format!("is not TOML: {why}"))])?;
            sources.add("", &table, &place);
        }
        for (name, text) in environment {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let path = path_of(path);
            // Lists are written as in the file; a list of tables replaces the file's.
            if let Some(list) = list(text) {
                sources.values.retain(|key, _| !key.starts_with(&format!("{path}[")));
                sources.set(path, &list, name);
            } else {
                let value = sources.typed(&path, text);
                sources.values.insert(path, (value, name.clone()));
            }
        }
        let flags = [
            ("server.listen", &flags.listen, "--listen"),
            ("server.admin_listen", &flags.admin_listen, "--admin-listen"),
        ];
        for (path, value, flag) in flags {
            if let Some(value) = value {
                sources.values.insert(path.to_owned(), (Value::String(value.clone()), flag.to_owned()));
            }
        }
        Ok(sources)
    }

    fn add(&mut self, under: &str, table: &Table, place: &str) {
        for (key, value) in table {
            let path = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
            self.set(path, value, place);
        }
    }

    fn set(&mut self, path: String, value: &Value, place: &str) {
        match value {
            Value::Table(inner) => self.add(&path, inner, place),
            Value::Array(tables) if !tables.is_empty() && tables.iter().all(Value::is_table) => {
                for (at, inner) in tables.iter().enumerate() {
                    inner.as_table().into_iter().for_each(|inner| self.add(&format!("{path}[{at}]"), inner, place));
                }
            }
            leaf => drop(self.values.insert(path, (leaf.clone(), place.to_owned()))),
        }
    }

    /// A variable's text has the type of the key's default; text that is no number stays text and is a mistake later.
    fn typed(&self, path: &str, text: &str) -> Value {
        match self.values.get(path).map(|(value, _)| value) {
            Some(Value::Integer(_)) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer),
            Some(Value::Boolean(_)) => text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean),
            _ => Value::String(text.to_owned()),
        }
    }
}

/// A variable's list, written as in the file.
fn list(text: &str) -> Option<Value> {
    let mut read = text.trim_start().starts_with('[').then(|| format!("list = {text}").parse::<Table>().ok())??;
    // What follows the list is no part of it.
    let list = read.remove("list").filter(Value::is_array);
    list.filter(|_| read.is_empty())
}

/// `IDENTITY__JWT__0__ISSUER` → `identity.jwt[0].issuer`: a number counts the tables of a list from 0.
fn path_of(name: &str) -> String {
    name.to_ascii_lowercase().split("__").fold(String::new(), |path, part| {
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        match (path.is_empty(), is_number) {
            (true, _) => part.to_owned(),
            (false, true) => format!("{path}[{part}]"),
            (false, false) => format!("{path}.{part}"),
        }
    })
}
