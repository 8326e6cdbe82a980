//! The JSON document of a request, read by type as AWS's deserializers do it: `null` is absent, an unknown member is
//! ignored, a wrong type is a `SerializationException`. It does not know what a member means.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::fault::Fault;

/// A map of strings as it is sent.
pub(super) type TextMap = BTreeMap<String, String>;

/// The members of a request.
pub(super) struct Members(Map<String, Value>);

impl Members {
    /// Reads a body. No body is the same as no members.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Fault> {
        if body.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            Ok(other) => Err(wrong_type(&other, "a structure")),
            // serde_json's text names a position and what was expected there, never a value.
            Err(error) => Err(Fault::serialization(format!("The request body is not JSON: {error}"))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Fault> {
        self.get(name).map(text_of).transpose()
    }

    /// An integer of 32 bits, AWS's `Integer`.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i32>, Fault> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        value
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .map(Some)
            .ok_or_else(|| wrong_type(value, "an Integer"))
    }

    pub(super) fn text_map(&self, name: &str) -> Result<Option<TextMap>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(entries)) => entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), text_of(value)?)))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(wrong_type(other, "a Map")),
        }
    }

    pub(super) fn text_list(&self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items.iter().map(text_of).collect::<Result<_, _>>().map(Some),
            Some(other) => Err(wrong_type(other, "a List")),
        }
    }

    pub(super) fn structures(&self, name: &str) -> Result<Option<Vec<Self>>, Fault> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    Value::Object(members) => Ok(Self(members.clone())),
                    other => Err(wrong_type(other, "a structure")),
                })
                .collect::<Result<_, _>>()
                .map(Some),
            Some(other) => Err(wrong_type(other, "a List")),
        }
    }
}

// Our choice: `null` inside a list or a map is a wrong type. AWS's maps and lists here are not sparse, and what the
// service does with a null in them is not documented.
fn text_of(value: &Value) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong_type(other, "a String")),
    }
}

fn wrong_type(found: &Value, wanted: &str) -> Fault {
    let found = match found {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "Start of list",
        Value::Object(_) => "Start of structure or map",
    };
    Fault::serialization(format!("{found} can not be converted to {wanted}"))
}
