//! One set of policies, validated strictly, and its decisions.

use std::{collections::HashMap, fmt, sync::Arc};

use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use super::{
    Denial,
    facts::Facts,
    index::{Fitting, Index},
    memo::{Memo, Verdict},
    question::{Names, Question},
    reads::Reads,
};
use crate::{domain::Subject, identity::Caller};

/// What policies can speak about.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// One mistake in a policy directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyMistake(String);

impl PolicyMistake {
    pub(super) fn new(place: &str, why: &dyn fmt::Display) -> Self {
        Self(format!("{place}: {why}"))
    }
}

impl fmt::Display for PolicyMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A validated set.
#[derive(Debug)]
pub(super) struct Engine {
    names: Names,
    count: usize,
    index: Index,
    memo: Memo,
    warnings: Vec<String>,
    authorizer: Authorizer,
}

impl Engine {
    /// Reads and validates files, given as name and text.
    pub(super) fn load<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<PolicyMistake>> {
        let schema = schema().map_err(|why| vec![PolicyMistake::new("the schema", &why)])?;
        let names = Names::of_schema(&schema).map_err(|why| vec![PolicyMistake::new("the schema", &why)])?;
        let (mut set, mut mistakes, mut places) = (PolicySet::new(), Vec::new(), HashMap::new());
        for (file, text) in files {
            let parsed = match text.parse::<PolicySet>() {
                Ok(parsed) => parsed,
                Err(why) => {
                    mistakes.push(PolicyMistake::new(file, &with_place(text, &why)));
                    continue;
                }
            };
            if parsed.num_of_templates() > 0 {
                mistakes.push(PolicyMistake::new(file, &"holds a template, which nothing would link"));
            }
            for policy in parsed.policies() {
                let own = policy.annotation("id").map(str::to_owned).filter(|id| !id.is_empty());
                let id = own.unwrap_or_else(|| format!("{file}:{}", policy.id()));
                places.insert(id.clone(), file.to_owned());
                if set.add(policy.new_id(PolicyId::new(&id))).is_err() {
                    mistakes.push(PolicyMistake::new(file, &format!("the id {id} is taken by another policy")));
                }
            }
        }
        let validated = Validator::new(schema).validate(&set, ValidationMode::Strict);
        let place = |id: &PolicyId| {
            let id = id.to_string();
            places.get(&id).map_or_else(|| id.clone(), |file| format!("{file}, {id}"))
        };
        mistakes.extend(validated.validation_errors().map(|why| PolicyMistake::new(&place(why.policy_id()), why)));
        let warnings = validated.validation_warnings().map(|why| format!("{}: {why}", place(why.policy_id())));
        let warnings = warnings.collect();
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let (count, index) = (set.policies().count(), Index::of(set.policies(), &names));
        Ok(Self { names, count, index, memo: Memo::default(), warnings, authorizer: Authorizer::new() })
    }

    /// How many policies there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What is valid and looks wrong, such as a policy that can never apply.
    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Decides on a call: permitted by these policies, or why not. An error anywhere is a denial.
    pub(super) fn decide(&self, caller: &Caller, subject: &Subject<'_>) -> Verdict {
        let fitting = self.index.fitting(caller.id(), subject.action, subject.resource, &self.names)?;
        self.recall(&fitting, &Facts::of_call(caller, subject, fitting.reads))
    }

    /// As [`Self::decide`], for facts from elsewhere.
    #[cfg(test)]
    pub(super) fn decide_facts(&self, facts: &Facts<'_>) -> Verdict {
        let fitting = self.index.fitting(&facts.caller.id, facts.action, facts.resource, &self.names)?;
        self.recall(&fitting, facts)
    }

    /// As [`Self::decide`], with all facts put to Cedar and checked against the schema, and without the memory.
    pub(super) fn decide_checked(&self, facts: &Facts<'_>) -> Result<Verdict, String> {
        let schema = schema()?;
        let question = self.names.question(facts, Reads::ALL, Some(&schema))?;
        let fitting = self.index.fitting(&facts.caller.id, facts.action, facts.resource, &self.names);
        Ok(fitting.and_then(|fitting| self.answer(&fitting, &question)))
    }

    /// All facts in Cedar's form, for comparing with Cedar itself.
    #[cfg(test)]
    pub(super) fn question(&self, facts: &Facts<'_>) -> Result<Question<'_>, String> {
        self.names.question(facts, Reads::ALL, None)
    }

    /// A decision on facts, from memory if there is one.
    fn recall(&self, fitting: &Fitting, facts: &Facts<'_>) -> Verdict {
        let mut key = fitting.kind.bytes();
        facts.write(fitting.reads, &mut key);
        if let Some(known) = self.memo.get(&key) {
            return known;
        }
        let question = self.names.question(facts, fitting.reads, None).map_err(|why| {
            tracing::error!(why, "a call could not be put to policy");
            Denial::Broken(Arc::from([]))
        })?;
        let verdict = self.answer(fitting, &question);
        self.memo.keep(key, &verdict);
        verdict
    }

    fn answer(&self, fitting: &Fitting, question: &Question<'_>) -> Verdict {
        let response = self.authorizer.is_authorized(&question.request, &fitting.set, &question.entities);
        let broken: Vec<_> = response.diagnostics().errors().collect();
        if !broken.is_empty() {
            for error in &broken {
                tracing::error!(%error, "a policy could not be evaluated: the call is denied");
            }
            let ids =
                broken.iter().map(|cedar_policy::AuthorizationError::PolicyEvaluationError(error)| error.policy_id());
            return Err(Denial::Broken(sorted(ids)));
        }
        let policies = sorted(response.diagnostics().reason());
        match response.decision() {
            Decision::Allow => Ok(policies),
            Decision::Deny if policies.is_empty() => Err(Denial::NotPermitted),
            Decision::Deny => Err(Denial::Forbidden(policies)),
        }
    }
}

fn schema() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|why| why.to_string())
}

fn sorted<'a>(ids: impl Iterator<Item = &'a PolicyId>) -> Arc<[String]> {
    let mut ids: Vec<String> = ids.map(ToString::to_string).collect();
    ids.sort();
    ids.dedup();
    ids.into()
}

/// A syntax error with its line: Cedar gives the offset only.
fn with_place(text: &str, why: &cedar_policy::ParseErrors) -> String {
    use miette::Diagnostic as _;
    let offset = why.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let line = offset.and_then(|offset| text.get(..offset)).map(|before| before.matches('\n').count() + 1);
    line.map_or_else(|| why.to_string(), |line| format!("line {line}: {why}"))
}
