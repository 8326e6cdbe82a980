//! Which facts of a call the conditions of policies can read: only those are gathered, put to Cedar and remembered.
//!
//! Found in the policy's own syntax tree, and generously: what is not plainly `context.name` counts as everything.

use cedar_policy::Policy;
use serde_json::Value;

/// A part of the facts that a condition can read by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Caller,
    Resource,
    ProviderType,
    ProviderName,
    Hosts,
    IssuerHost,
    MetadataHost,
    Scopes,
    DetailKeys,
    MappedAttributes,
    IdpIdentifiers,
    ValidateOnly,
}

impl Part {
    /// The context's attributes, as the schema names them.
    pub(super) const CONTEXT: [(&'static str, Self); 10] = [
        ("provider_type", Self::ProviderType),
        ("provider_name", Self::ProviderName),
        ("hosts", Self::Hosts),
        ("issuer_host", Self::IssuerHost),
        ("metadata_host", Self::MetadataHost),
        ("scopes", Self::Scopes),
        ("detail_keys", Self::DetailKeys),
        ("mapped_attributes", Self::MappedAttributes),
        ("idp_identifiers", Self::IdpIdentifiers),
        ("validate_only", Self::ValidateOnly),
    ];
}

/// A set of parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads(u16);

impl Reads {
    /// Everything there is.
    pub(super) const ALL: Self = Self(u16::MAX);

    /// What the conditions of a policy can read.
    pub(super) fn of(policy: &Policy) -> Self {
        let Ok(tree) = policy.to_json() else { return Self::ALL };
        let mut reads = Self::default();
        match tree.get("conditions") {
            Some(conditions) => reads.walk(conditions),
            None => return Self::ALL,
        }
        reads
    }

    pub(super) fn has(self, part: Part) -> bool {
        self.0 & Self::one(part).0 != 0
    }

    #[must_use]
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn one(part: Part) -> Self {
        Self(1 << part as u16)
    }

    fn walk(&mut self, tree: &Value) {
        match tree {
            Value::Array(list) => list.iter().for_each(|one| self.walk(one)),
            Value::Object(members) => {
                for (name, value) in members {
                    let attribute = match name.as_str() {
                        "." | "has" => attribute_of_context(value),
                        _ => None,
                    };
                    match (attribute, name.as_str(), value) {
                        (Some(part), ..) => *self = self.and(Self::one(part)),
                        (None, "Var", Value::String(variable)) => *self = self.and(whole(variable)),
                        (None, "__entity", literal) => *self = self.and(named(literal)),
                        (None, ..) => self.walk(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// The part that `context.name` or `context has name` reads.
fn attribute_of_context(expression: &Value) -> Option<Part> {
    if expression.get("left")?.get("Var")? != "context" {
        return None;
    }
    let name = expression.get("attr")?.as_str()?;
    Part::CONTEXT.iter().find(|(known, _)| *known == name).map(|(_, part)| *part)
}

/// What a variable that stands for itself may be taken apart into.
fn whole(variable: &str) -> Reads {
    match variable {
        // The policies that are asked are those for the call's action.
        "action" => Reads::default(),
        "principal" => Reads::one(Part::Caller),
        "resource" => Reads::one(Part::Resource),
        _ => Reads::ALL,
    }
}

/// What an entity may be taken apart into that a condition names by its id: who calls and what the call is about may be
/// it, and Cedar takes an entity that it is not given for one without attributes.
fn named(literal: &Value) -> Reads {
    match literal.get("type").and_then(Value::as_str) {
        // As above; actions have no attributes.
        Some("IdpProxy::Action") => Reads::default(),
        Some("IdpProxy::Caller") => Reads::one(Part::Caller),
        Some("IdpProxy::UserPool" | "IdpProxy::Portal") => Reads::one(Part::Resource),
        _ => Reads::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, Reads};

    fn reads(conditions: &str) -> Reads {
        let policy = format!("permit (principal == IdpProxy::Caller::\"a\", action, resource) {conditions};");
        Reads::of(&policy.parse().unwrap())
    }

    #[test]
    fn what_a_condition_can_read_is_found_wherever_it_stands() {
        let one = |part| Reads::default().and(Reads::one(part));
        assert_eq!(reads(""), Reads::default());
        for (name, part) in Part::CONTEXT {
            assert_eq!(reads(&format!("when {{ context.{name} == 1 }}")), one(part), "{name}");
            assert_eq!(reads(&format!("unless {{ 1 == 2 || !(context has \"{name}\") }}")), one(part), "{name}");
            let deep = format!("when {{ [1, {{a: if true then 1 else context[\"{name}\"]}}].contains(1) }}");
            assert_eq!(reads(&deep), one(part), "{name}");
        }
        assert_eq!(reads("when { principal.kind == \"jwt\" }"), one(Part::Caller));
        assert_eq!(reads("when { principal == principal }"), one(Part::Caller));
        assert_eq!(reads("when { resource in IdpProxy::UserPool::\"x\" }"), one(Part::Resource));
        assert_eq!(reads("when { action in IdpProxy::Action::\"read\" }"), Reads::default());
        for (literal, part) in [("Caller", Part::Caller), ("UserPool", Part::Resource), ("Portal", Part::Resource)] {
            let literal = format!("IdpProxy::{literal}::\"x\"");
            for condition in [format!("{literal} has account"), format!("[{{a: {literal}.kind}}] == []")] {
                assert_eq!(reads(&format!("when {{ {condition} }}")), one(part), "{condition}");
            }
        }
        let both = reads("when { context.hosts.contains(\"a\") } unless { {a: resource}.a has account }");
        assert_eq!(both, one(Part::Hosts).and(one(Part::Resource)));
        // Quoted names are texts, and no variables.
        assert_eq!(
            reads("when { \"context\" == \"principal\" && {Var: \"context\"} == {Var: \"a\"} }"),
            Reads::default()
        );
    }

    #[test]
    fn what_is_not_plain_counts_as_everything() {
        for condition in [
            "context == {}",
            "(if true then context else context).hosts == []",
            "{a: context}.a.hosts == []",
            "context.something_new == 1",
            "context has something_new",
            "context.hosts == context",
            "IdpProxy::SomethingNew::\"x\" has account",
        ] {
            assert_eq!(reads(&format!("when {{ {condition} }}")), Reads::ALL, "{condition}");
        }
    }
}
