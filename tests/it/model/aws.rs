//! AWS's models as botocore ships them, and a judge by nothing but them.
//!
//! Where Smithy is silent the contract decides: lengths count Unicode scalar values, `\w` and `\s` are ASCII.

use std::{
    collections::HashMap,
    fs,
    sync::{Arc, LazyLock, Mutex},
};

use idp_proxy::domain::Service;
use regex::Regex;
use serde_json::Value;

use crate::support::tool;

/// One service's model.
pub(super) struct Model(Value);

static COGNITO: LazyLock<Arc<Model>> = LazyLock::new(|| Model::read("cognito-idp"));
static WEB: LazyLock<Arc<Model>> = LazyLock::new(|| Model::read("workspaces-web"));
/// A pattern is compiled once; the tests try it many thousand times.
static PATTERNS: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);

impl Model {
    fn read(service: &str) -> Arc<Self> {
        let text = fs::read_to_string(tool(&format!("models/{service}.json"))).expect("the model is readable");
        Arc::new(Self(serde_json::from_str(&text).expect("JSON")))
    }

    pub(super) fn of(service: Service) -> Arc<Self> {
        Arc::clone(match service {
            Service::Cognito => &COGNITO,
            Service::WorkspacesWeb => &WEB,
        })
    }

    pub(super) fn shape(&self, name: &str) -> &Value {
        self.0["shapes"].get(name).unwrap_or_else(|| panic!("the model has no shape {name}"))
    }

    /// The shape of an operation's input.
    pub(super) fn input(&self, operation: &str) -> String {
        let name = self.0["operations"][operation]["input"]["shape"].as_str();
        name.unwrap_or_else(|| panic!("the model has no operation {operation}")).to_owned()
    }

    /// Members of a structure and their shapes.
    pub(super) fn members(&self, shape: &str) -> Vec<(String, String)> {
        let members = self.shape(shape)["members"].as_object().expect("a structure");
        members.iter().map(|(name, member)| (name.clone(), text(&member["shape"]))).collect()
    }

    /// Smallest and largest length or number, if there are any.
    pub(super) fn length(&self, shape: &str) -> (Option<i64>, Option<i64>) {
        let shape = self.shape(shape);
        (shape["min"].as_i64(), shape["max"].as_i64())
    }

    /// Whether a value is one of a shape's.
    pub(super) fn check(&self, name: &str, value: &Value, at: &str) -> Result<(), String> {
        let shape = self.shape(name);
        let fail = |why: String| Err(format!("{at} ({name}) {why}"));
        let (min, max) = self.length(name);
        let within = |count: i64| min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
        match (shape["type"].as_str().expect("a type"), value) {
            ("structure", Value::Object(members)) => {
                for required in shape["required"].as_array().into_iter().flatten().map(text) {
                    if !members.contains_key(&required) {
                        return fail(format!("lacks {required}"));
                    }
                }
                for (member, value) in members {
                    let Some(known) = shape["members"].get(member) else {
                        return fail(format!("has a member {member}"));
                    };
                    self.check(&text(&known["shape"]), value, &format!("{at}.{member}"))?;
                }
                Ok(())
            }
            ("map", Value::Object(entries)) => {
                if !within(entries.len().try_into().unwrap()) {
                    return fail(format!("has {} entries", entries.len()));
                }
                for (key, value) in entries {
                    self.check(&text(&shape["key"]["shape"]), &Value::String(key.clone()), &format!("{at} key"))?;
                    self.check(&text(&shape["value"]["shape"]), value, &format!("{at}[{key:.40}]"))?;
                }
                Ok(())
            }
            ("list", Value::Array(entries)) => {
                if !within(entries.len().try_into().unwrap()) {
                    return fail(format!("has {} entries", entries.len()));
                }
                entries
                    .iter()
                    .try_for_each(|entry| self.check(&text(&shape["member"]["shape"]), entry, &format!("{at}[]")))
            }
            ("string", Value::String(value)) => {
                let count = value.chars().count();
                if !within(count.try_into().unwrap()) {
                    return fail(format!("has {count} characters"));
                }
                if shape["enum"].as_array().is_some_and(|words| !words.iter().any(|word| word == value)) {
                    return fail(format!("is not one of {}", shape["enum"]));
                }
                match shape["pattern"].as_str() {
                    Some(pattern) if !matches(pattern, value) => fail(format!("does not match {pattern}")),
                    _ => Ok(()),
                }
            }
            ("integer", Value::Number(number)) if number.as_i64().is_some_and(within) => Ok(()),
            (kind, value) => fail(format!("should be a good {kind}, and is {value:.80}")),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Smithy anchors patterns; botocore prints them bare.
fn matches(pattern: &str, value: &str) -> bool {
    let mut patterns = PATTERNS.lock().unwrap();
    let regex = patterns.entry(pattern.to_owned()).or_insert_with(|| {
        const SPACE: &str = r" \t\n\x0B\f\r";
        let any = pattern.replace(r"[\s\S]*", "(?s:.*)");
        let not_space = any.replace(r"[\S]", &format!("[^{SPACE}]")).replace(r"\S", &format!("[^{SPACE}]"));
        // What is left of both stands inside of brackets.
        let ascii = not_space.replace(r"\w", "A-Za-z0-9_").replace(r"\s", SPACE);
        Regex::new(&format!(r"\A(?:{ascii})\z")).unwrap_or_else(|why| panic!("{pattern}: {why}"))
    });
    regex.is_match(value)
}

#[test]
fn the_judge_knows_the_models_rules() {
    let (cognito, web) = (Model::of(Service::Cognito), Model::of(Service::WorkspacesWeb));
    for (model, shape, value, is_good) in [
        (&cognito, "UserPoolIdType", "us-east-1_Abc", true),
        (&cognito, "UserPoolIdType", "us-east-1_Abc\n", false),
        (&cognito, "UserPoolIdType", "ü_Abc", false),
        (&cognito, "IdpIdentifierType", "a b\t", true),
        (&cognito, "IdpIdentifierType", "a\u{a0}b", false),
        (&cognito, "ProviderNameTypeV2", "a_b", true),
        (&cognito, "ProviderNameTypeV2", "ab_", false),
        (&cognito, "AcrValueType", "a\"", false),
        (&cognito, "PaginationKeyType", "a\u{a0}", true),
        (&cognito, "PaginationKeyType", "a b", false),
        (&web, "IdentityProviderName", "ab c", true),
        (&web, "StringType", "\u{0}\n", true),
        (&web, "TagKey", "", false),
        (&web, "TagValue", "", true),
        (&web, "IdentityProviderType", "oidc", false),
    ] {
        assert_eq!(model.check(shape, &value.into(), "value").is_ok(), is_good, "{shape} {value:?}");
    }
}
