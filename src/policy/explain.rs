//! `idp-proxy policy explain`: a decision for a made-up call, so that policies can be tested where they are written.

use std::{borrow::Cow, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    Denial, PolicyMistake,
    directory::Snapshot,
    engine::Engine,
    facts::{CallFacts, CallerFacts, Facts},
};
use crate::domain::{AccountId, Action, PortalArn, Resource, Service, UserPoolId};

/// The file's form: caller, action, resource (a pool's id or a portal's ARN) and what the call would do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    #[serde(borrow)]
    caller: CallerFacts<'a>,
    action: Cow<'a, str>,
    resource: Cow<'a, str>,
    /// The account that the configuration says the pool belongs to; a portal's ARN says it itself.
    #[serde(default)]
    account: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    context: CallFacts<'a>,
}

/// A decision that somebody counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// The call is made.
    Allow,
    /// It is not.
    Deny,
}

/// The decision and what led to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What is decided.
    pub decision: Expectation,
    /// In words.
    pub why: String,
    /// The determining policies.
    pub policies: Vec<String>,
}

/// Judges the call in `request` (JSON) by the policies of `directory`.
///
/// # Errors
/// Everything that is wrong with the policies or the request.
pub fn explain(directory: &Path, request: &str) -> Result<Explanation, Vec<PolicyMistake>> {
    let engine = Snapshot::read(directory).and_then(|snapshot| Engine::load(snapshot.files()))?;
    let wrong = |why: String| vec![PolicyMistake::new("the request", &why)];
    let file: File<'_> = serde_json::from_str(request).map_err(|why| wrong(why.to_string()))?;
    let action = Action::ALL.into_iter().find(|action| action.to_string() == file.action);
    let action = action.ok_or_else(|| wrong(format!("there is no action {:?}", file.action)))?;
    let (pool, portal) = match action.service() {
        Service::Cognito => (Some(UserPoolId::parse(file.resource.clone().into_owned())), None),
        Service::WorkspacesWeb => (None, Some(PortalArn::parse(file.resource.clone().into_owned()))),
    };
    let named = |why: String| wrong(format!("the resource {why}"));
    let (pool, portal) = (pool.transpose().map_err(named)?, portal.transpose().map_err(named)?);
    let resource = pool.as_ref().map(Resource::UserPool).or_else(|| portal.as_ref().map(Resource::Portal));
    let resource = resource.ok_or_else(|| wrong("there is no resource".to_owned()))?;
    let account = file.account.as_deref().map(AccountId::parse).transpose();
    let account = account.map_err(|why| wrong(format!("the account {why}")))?;
    if resource.account().is_some_and(|own| account.as_ref().is_some_and(|account| account != own)) {
        return Err(wrong("the account is not the one of the portal's ARN".to_owned()));
    }
    let account = resource.account().or(account.as_ref());
    let facts = Facts { caller: file.caller, action, resource, account, call: file.context };
    let decided = engine.decide_checked(&facts).map_err(wrong)?;
    Ok(match decided {
        Ok(policies) => Explanation {
            decision: Expectation::Allow,
            why: format!("permitted by {}", policies.join(", ")),
            policies: policies.to_vec(),
        },
        Err(denial) => Explanation {
            decision: Expectation::Deny,
            why: denial.to_string(),
            policies: Denial::policies(&denial).to_vec(),
        },
    })
}
