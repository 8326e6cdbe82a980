//! Decisions with an index, with only the facts that are read, and from memory, against Cedar with everything.

use std::collections::BTreeSet;

use cedar_policy::{Authorizer, Decision, PolicySet};
use proptest::{prelude::*, sample::select};

use super::PORTAL;
use crate::{
    domain::{Action, PortalArn, Resource, Service, UserPoolId},
    policy::{
        Denial,
        engine::Engine,
        facts::{CallFacts, CallerFacts, Facts, Text},
    },
};

/// Conditions that read each part of the facts, in different ways.
const CONDITIONS: [&str; 28] = [
    "true",
    r#"context.hosts.contains("a.example")"#,
    r#"["a.example", "b.example"].containsAll(context.hosts)"#,
    r#"context has issuer_host && context.issuer_host like "*.example""#,
    "context has metadata_host && context.hosts.contains(context.metadata_host)",
    r#"context.scopes.containsAny(["openid", "email"])"#,
    "context.detail_keys.isEmpty()",
    r#"context.mapped_attributes.containsAny(["email", "custom:role"])"#,
    r#"context.idp_identifiers.contains("corp")"#,
    "context.validate_only",
    r#"if context has provider_type then context.provider_type == "OIDC" else true"#,
    r#"context has provider_name && context.provider_name == "Corp""#,
    r#"{a: context}.a.hosts.contains("b.example")"#,
    "context.hosts == context.scopes",
    r#"principal.groups.contains("g")"#,
    r#"principal.kind == "jwt" && principal has trust_domain"#,
    r#"principal == IdpProxy::Caller::"me""#,
    r#"principal in [IdpProxy::Caller::"you", IdpProxy::Caller::"me"]"#,
    r#"(if context.validate_only then principal else principal).kind == "mesh""#,
    r#"resource.region == "us-east-1""#,
    "resource has account",
    // What a literal names may be who calls, or what the call is about.
    r#"IdpProxy::Caller::"me" has trust_domain"#,
    r#"IdpProxy::Caller::"me" has trust_domain && IdpProxy::Caller::"me".groups.contains("g")"#,
    r#"IdpProxy::Caller::"you".kind == "jwt""#,
    r#"IdpProxy::UserPool::"us-east-1_Abc".region == "us-east-1""#,
    r#"{a: [IdpProxy::Portal::"PORTAL"]}.a.contains(IdpProxy::Portal::"PORTAL") && IdpProxy::Portal::"PORTAL" has account"#,
    r#"IdpProxy::Action::"cognito:ListIdentityProviders" in IdpProxy::Action::"read""#,
    "9223372036854775807 + (if context.validate_only then 1 else 0) > 0",
];

const SCOPES: [&str; 6] = [
    "principal, action, resource",
    r#"principal == IdpProxy::Caller::"me", action, resource"#,
    r#"principal, action in IdpProxy::Action::"write", resource"#,
    r#"principal, action, resource == IdpProxy::UserPool::"us-east-1_Abc""#,
    r#"principal == IdpProxy::Caller::"you", action, resource in IdpProxy::UserPool::"us-east-1_Abc""#,
    "principal, action, resource is IdpProxy::Portal",
];

fn policy() -> impl Strategy<Value = String> {
    (any::<bool>(), select(&SCOPES[..]), select(&CONDITIONS[..]), any::<bool>()).prop_map(
        |(permits, scope, condition, holds)| {
            let (effect, word) = (if permits { "permit" } else { "forbid" }, if holds { "when" } else { "unless" });
            format!("{effect} ({scope}) {word} {{ {condition} }};").replace("PORTAL", PORTAL)
        },
    )
}

fn some(choices: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<Text<'static>>> {
    prop::collection::btree_set(select(choices).prop_map(Text::from), 0..=choices.len())
}

fn one(choices: &'static [&'static str]) -> impl Strategy<Value = Option<Text<'static>>> {
    prop::option::of(select(choices).prop_map(Text::from))
}

const HOSTS: &[&str] = &["a.example", "b.example"];

fn call() -> impl Strategy<Value = CallFacts<'static>> {
    let texts = (one(&["OIDC", "SAML"]), one(&["Corp", "Other"]), one(HOSTS), one(HOSTS));
    let sets = (some(HOSTS), some(&["openid", "email"]), some(&["client_id"]), some(&["email", "custom:role"]));
    (texts, sets, some(&["corp"]), any::<bool>()).prop_map(|(texts, sets, idp_identifiers, validate_only)| {
        let (provider_type, provider_name, issuer_host, metadata_host) = texts;
        let (hosts, scopes, detail_keys, mapped_attributes) = sets;
        CallFacts {
            provider_type,
            provider_name,
            hosts,
            issuer_host,
            metadata_host,
            scopes,
            detail_keys,
            mapped_attributes,
            idp_identifiers,
            validate_only,
        }
    })
}

type WhoAndWhat = (&'static str, &'static str, BTreeSet<Text<'static>>, Option<Text<'static>>, Action);

fn caller() -> impl Strategy<Value = WhoAndWhat> {
    let who = (select(&["me", "you", "other"][..]), select(&["jwt", "mesh"][..]), some(&["g", "h"]), one(&["d"]));
    (who, select(&Action::ALL[..])).prop_map(|((id, kind, groups, domain), action)| (id, kind, groups, domain, action))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn a_decision_is_the_one_that_cedar_makes_of_everything(
        policies in prop::collection::vec(policy(), 0..5),
        calls in prop::collection::vec((caller(), call()), 8),
    ) {
        let text = policies.concat();
        let engine = Engine::load([("test.cedar", text.as_str())]).unwrap();
        let whole: PolicySet = text.parse().unwrap();
        let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
        let portal = PortalArn::parse(PORTAL.to_owned()).unwrap();
        for ((id, kind, groups, trust_domain, action), call) in calls {
            let resource = match action.service() {
                Service::Cognito => Resource::UserPool(&pool),
                Service::WorkspacesWeb => Resource::Portal(&portal),
            };
            let caller = CallerFacts { id: id.into(), kind: kind.into(), groups, trust_domain };
            let facts = Facts { caller, action, resource, account: resource.account(), call };
            let question = engine.question(&facts).unwrap();
            let all = Authorizer::new().is_authorized(&question.request, &whole, &question.entities);
            let is_broken = all.diagnostics().errors().next().is_some();
            let decided = engine.decide_facts(&facts);
            if is_broken {
                prop_assert!(matches!(decided, Err(Denial::Broken(_))), "{decided:?}");
            } else {
                let mut reasons: Vec<String> =
                    all.diagnostics().reason().map(|id| format!("test.cedar:{id}")).collect();
                reasons.sort();
                let policies = decided.as_deref().unwrap_or_else(Denial::policies);
                prop_assert_eq!(policies, &reasons[..]);
                prop_assert_eq!(decided.is_ok(), all.decision() == Decision::Allow);
            }
            prop_assert_eq!(engine.decide_facts(&facts), decided, "from memory");
        }
    }
}
