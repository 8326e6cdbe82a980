//! Decisions, and what a policy directory can get wrong.

mod compared;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::{
    Denial, Expectation, Policy,
    engine::Engine,
    explain,
    facts::{CallFacts, CallerFacts, Facts},
    reads::Reads,
};
use crate::{
    domain::{Action, PortalArn, Resource, Service, UserPoolId},
    identity::{Proof, caller_for_tests},
    operation::{Operation as _, Rules, cognito::Create},
    proto::cognito::v1 as c,
};

const PORTAL: &str = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";

fn decide(text: &str, action: Action, call: CallFacts<'_>) -> Result<Vec<String>, Denial> {
    let engine = Engine::load([("test.cedar", text)]).unwrap();
    let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
    let portal = PortalArn::parse(PORTAL.to_owned()).unwrap();
    let resource = match action.service() {
        Service::Cognito => Resource::UserPool(&pool),
        Service::WorkspacesWeb => Resource::Portal(&portal),
    };
    let groups = ["g".into()].into();
    let caller = CallerFacts { id: "me".into(), kind: "jwt".into(), groups, trust_domain: Some("prod.example".into()) };
    let facts = Facts { caller, action, resource, account: resource.account(), call };
    let checked = engine.decide_checked(&facts).expect("the facts have the schema's types");
    let decided = engine.decide_facts(&facts);
    assert_eq!(decided, checked);
    assert_eq!(engine.decide_facts(&facts), decided, "from memory");
    decided.map(|policies| policies.to_vec())
}

fn mistakes(text: &str) -> Vec<String> {
    let loaded = Engine::load([("test.cedar", text)]);
    loaded.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn nothing_is_allowed_without_a_policy_and_a_forbid_wins() {
    for action in Action::ALL {
        assert_eq!(decide("", action, CallFacts::default()), Err(Denial::NotPermitted), "{action}");
        let all = decide("@id(\"all\") permit (principal, action, resource);", action, CallFacts::default());
        assert_eq!(all, Ok(vec!["all".to_owned()]), "{action}");
        let both = "permit (principal, action, resource); @id(\"no\") forbid (principal, action, resource);";
        let forbidden = decide(both, action, CallFacts::default());
        assert_eq!(forbidden, Err(Denial::Forbidden(["no".to_owned()].into())), "{action}");
    }
}

#[test]
fn groups_of_actions_are_reads_and_writes() {
    for action in Action::ALL {
        let reads = decide(
            r#"permit (principal, action in IdpProxy::Action::"read", resource);"#,
            action,
            CallFacts::default(),
        );
        assert_eq!(reads.is_ok(), !action.is_write(), "{action}");
        let writes = decide(
            r#"permit (principal, action in [IdpProxy::Action::"write"], resource);"#,
            action,
            CallFacts::default(),
        );
        assert_eq!(writes.is_ok(), action.is_write(), "{action}");
        let one = format!("permit (principal, action == IdpProxy::Action::\"{action}\", resource);");
        assert!(decide(&one, action, CallFacts::default()).is_ok(), "{action}");
        // Whatever is called, these are what they are.
        for (named, group, holds) in [
            ("cognito:ListIdentityProviders", "read", true),
            ("cognito:ListIdentityProviders", "write", false),
            ("workspacesweb:CreateIdentityProvider", "write", true),
        ] {
            let text = format!(
                "permit (principal, action, resource)
                 when {{ IdpProxy::Action::\"{named}\" in IdpProxy::Action::\"{group}\" }};"
            );
            assert_eq!(decide(&text, action, CallFacts::default()).is_ok(), holds, "{action}: {named} in {group}");
        }
    }
}

#[test]
fn scopes_and_conditions_are_evaluated() {
    let action = Action::CognitoCreate;
    for (scope, fits) in [
        (r#"principal == IdpProxy::Caller::"me", action, resource"#, true),
        (r#"principal == IdpProxy::Caller::"you", action, resource"#, false),
        (r#"principal in IdpProxy::Caller::"me", action, resource"#, true),
        (r"principal is IdpProxy::Caller, action, resource", true),
        (r#"principal, action, resource == IdpProxy::UserPool::"us-east-1_Abc""#, true),
        (r#"principal, action, resource == IdpProxy::UserPool::"us-east-1_Other""#, false),
        (r"principal, action, resource is IdpProxy::UserPool", true),
        (r"principal, action, resource is IdpProxy::Portal", false),
        (r#"principal, action in [IdpProxy::Action::"cognito:DeleteIdentityProvider"], resource"#, false),
    ] {
        assert_eq!(decide(&format!("permit ({scope});"), action, CallFacts::default()).is_ok(), fits, "{scope}");
    }
    for (condition, holds) in [
        (r#"context.hosts.contains("idp.example")"#, true),
        (r#"context has issuer_host && context.issuer_host like "*.example""#, true),
        ("context has metadata_host", false),
        ("context.validate_only", false),
        (r#"principal.groups.contains("g") && principal.kind == "jwt""#, true),
        (r#"principal has trust_domain && principal.trust_domain == "prod.example""#, true),
        (r#"resource.region == "us-east-1""#, true),
        ("resource has account", false),
    ] {
        let call = CallFacts {
            hosts: ["idp.example".into()].into(),
            issuer_host: Some("idp.example".into()),
            ..CallFacts::default()
        };
        let text = format!("permit (principal, action, resource is IdpProxy::UserPool) when {{ {condition} }};");
        assert_eq!(decide(&text, action, call).is_ok(), holds, "{condition}");
    }
}

#[test]
fn an_error_in_a_policy_is_a_denial() {
    // Strict validation cannot see an overflow.
    let text = r#"
        permit (principal, action, resource);
        @id("broken") forbid (principal, action, resource)
        when { 9223372036854775807 + (if context.validate_only then 0 else 1) > 0 };
    "#;
    let denied = decide(text, Action::CognitoCreate, CallFacts::default());
    assert_eq!(denied, Err(Denial::Broken(["broken".to_owned()].into())));
}

#[test]
fn an_entity_that_a_condition_names_is_the_callers_own() {
    let text = r#"
        permit (principal, action, resource);
        @id("named") forbid (principal, action, resource) when { IdpProxy::Caller::"me" has trust_domain };
    "#;
    let denied = decide(text, Action::CognitoCreate, CallFacts::default());
    assert_eq!(denied, Err(Denial::Forbidden(["named".to_owned()].into())));
}

#[test]
fn mistakes_are_found_when_policies_are_loaded() {
    for (text, named) in [
        ("permit (principal, action, resource", "test.cedar"),
        ("permit (principal, action, resource) when { context.provider_typ == \"OIDC\" };", "provider_typ"),
        ("permit (principal, action, resource) when { context.provider_type == \"OIDC\" };", "provider_type"),
        ("permit (principal == IdpProxy::Nobody::\"x\", action, resource);", "Nobody"),
        ("permit (principal, action == IdpProxy::Action::\"cognito:Creat\", resource);", "cognito:Creat"),
        ("permit (principal == ?principal, action, resource);", "template"),
        (
            "@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);",
            "is taken",
        ),
    ] {
        let found = mistakes(text);
        assert!(found.iter().any(|mistake| mistake.contains(named)), "{text}: {found:?}");
    }
    let lines = mistakes("\n\n// comment\npermit (principal, action;\n");
    assert!(lines[0].contains("line 4"), "{lines:?}");
}

#[test]
fn the_facts_of_a_call_are_those_of_its_request() {
    let text = |text: &str| text.to_owned();
    let details = [
        ("client_id", "c"),
        ("client_secret", "S3CR3T-CANARY"),
        ("authorize_scopes", "openid email"),
        ("oidc_issuer", "https://Login.Example./x"),
        ("attributes_request_method", "GET"),
        ("token_url", "https://tokens.example/t"),
    ];
    let request = c::CreateIdentityProviderRequest {
        user_pool_id: text("us-east-1_Abc"),
        provider_name: text("Corp"),
        provider_type: text("OIDC"),
        provider_details: details.map(|(key, value)| (text(key), text(value))).into(),
        attribute_mapping: [(text("email"), text("mail")), (text("custom:role"), text("role"))].into(),
        idp_identifiers: vec![text("corp.example")],
        ..Default::default()
    };
    let operation = Create::parse(request, &Rules::default()).unwrap();
    let caller = caller_for_tests("me", Proof::Mtls, &[], Some("prod.example"));
    let subject = operation.subject();
    let facts = Facts::of_call(&caller, &subject, Reads::ALL);
    let call = &facts.call;
    assert_eq!(call.provider_type.as_deref(), Some("OIDC"));
    assert_eq!(call.provider_name.as_deref(), Some("Corp"));
    assert_eq!(call.issuer_host.as_deref(), Some("login.example"));
    assert_eq!(call.metadata_host, None);
    let list = |set: &std::collections::BTreeSet<std::borrow::Cow<'_, str>>| {
        set.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(list(&call.hosts), ["login.example", "tokens.example"]);
    assert_eq!(list(&call.scopes), ["email", "openid"]);
    assert_eq!(list(&call.mapped_attributes), ["custom:role", "email"]);
    assert_eq!(list(&call.idp_identifiers), ["corp.example"]);
    assert_eq!(call.detail_keys.len(), 6);
    assert!(!format!("{facts:?}").contains("S3CR3T-CANARY"));
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies")
}

/// Who, how proved, group, action, resource, what is sent → decision, determining policy.
const EXAMPLES: &str = "
    team       mesh -                      cognito:DeleteIdentityProvider       us-east-1_Checkout1 -         allow team-checkout-owns-its-pool
    team       mesh -                      cognito:DescribeIdentityProvider     us-east-1_Other1    -         deny  -
    onboarding mtls -                      cognito:CreateIdentityProvider       us-east-1_Any       oidc      allow onboarding-connects-customers
    onboarding mtls -                      cognito:CreateIdentityProvider       us-east-1_Any       elsewhere deny  only-oidc-from-our-domain
    onboarding mtls -                      cognito:CreateIdentityProvider       us-east-1_Any       saml      deny  only-oidc-from-our-domain
    onboarding mtls -                      cognito:UpdateIdentityProvider       us-east-1_Any       takeover  deny  nobody-maps-privileged-attributes
    ann        jwt  auditors               workspacesweb:GetIdentityProvider    portal              -         allow auditors-read
    ann        jwt  auditors               workspacesweb:DeleteIdentityProvider portal              -         deny  -
    bob        jwt  federation-break-glass cognito:DeleteIdentityProvider       us-east-1_Any       -         allow break-glass
    bob        mesh federation-break-glass cognito:DeleteIdentityProvider       us-east-1_Any       -         deny  -
    anonymous  anonymous -                 cognito:ListIdentityProviders        us-east-1_Any       -         deny  -
";

#[test]
fn the_example_policies_do_what_their_comments_say() {
    assert!(Policy::of_directory(examples()).is_ok());
    let oidc = json!({"provider_type": "OIDC", "detail_keys": ["oidc_issuer"], "issuer_host": "a.login.example", "hosts": ["a.login.example"]});
    let sent = |name: &str| {
        let mut sent = oidc.clone();
        match name {
            "-" => return json!({}),
            "elsewhere" => sent["hosts"] = json!(["a.login.example", "evil.example"]),
            "takeover" => sent["mapped_attributes"] = json!(["email", "custom:role"]),
            "saml" => {
                return json!({"provider_type": "SAML", "detail_keys": ["MetadataURL"], "metadata_host": "a.login.example", "hosts": ["a.login.example"]});
            }
            _ => {}
        }
        sent
    };
    for line in EXAMPLES.lines().filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [who, kind, group, action, resource, context, decision, policy] = words[..] else { panic!("{line}") };
        let id = match who {
            "team" => "spiffe://prod.example/ns/checkout/sa/federation".to_owned(),
            "onboarding" => "spiffe://prod.example/ns/onboarding/sa/api".to_owned(),
            other => format!("https://idp.example|{other}"),
        };
        let groups: Vec<&str> = [group].into_iter().filter(|&group| group != "-").collect();
        let caller = json!({"id": id, "kind": kind, "groups": groups});
        let resource = if resource == "portal" { PORTAL } else { resource };
        let request = json!({"caller": caller, "action": action, "resource": resource, "context": sent(context)});
        let explained = explain(&examples(), &request.to_string()).unwrap();
        let expected = if decision == "allow" { Expectation::Allow } else { Expectation::Deny };
        let policies: Vec<&str> = [policy].into_iter().filter(|&policy| policy != "-").collect();
        assert_eq!(
            (explained.decision, explained.policies),
            (expected, policies.into_iter().map(str::to_owned).collect()),
            "{line}"
        );
    }
}

#[test]
fn a_request_to_explain_is_read_strictly() {
    for wrong in [
        "",
        "{}",
        r#"{"caller":{"id":"a","kind":"jwt"},"action":"cognito:Nothing","resource":"us-east-1_A"}"#,
        r#"{"caller":{"id":"a","kind":"jwt"},"action":"cognito:ListIdentityProviders","resource":"nowhere"}"#,
        r#"{"caller":{"id":"a","kind":"jwt"},"action":"cognito:ListIdentityProviders","resource":"us-east-1_A","context":{"host":[]}}"#,
    ] {
        assert!(explain(&examples(), wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_index_leaves_out_no_policy_that_cedar_would_apply() {
    use cedar_policy::{Authorizer, Decision, PolicySet};
    let principals = [
        "principal",
        r#"principal == IdpProxy::Caller::"me""#,
        r#"principal == IdpProxy::Caller::"you""#,
        r#"principal in IdpProxy::Caller::"me""#,
        "principal is IdpProxy::Caller",
        r#"principal is IdpProxy::Caller in IdpProxy::Caller::"me""#,
    ];
    let actions = [
        "action",
        r#"action == IdpProxy::Action::"cognito:CreateIdentityProvider""#,
        r#"action in IdpProxy::Action::"read""#,
        r#"action in [IdpProxy::Action::"write", IdpProxy::Action::"workspacesweb:GetIdentityProvider"]"#,
    ];
    let resources = [
        "resource".to_owned(),
        r#"resource == IdpProxy::UserPool::"us-east-1_Abc""#.to_owned(),
        r#"resource in IdpProxy::UserPool::"us-east-1_Other""#.to_owned(),
        "resource is IdpProxy::Portal".to_owned(),
        r#"resource is IdpProxy::UserPool in IdpProxy::UserPool::"us-east-1_Abc""#.to_owned(),
        format!(r#"resource == IdpProxy::Portal::"{PORTAL}""#),
    ];
    let pool = UserPoolId::parse("us-east-1_Abc".to_owned()).unwrap();
    let portal = PortalArn::parse(PORTAL.to_owned()).unwrap();
    let mut allowed = 0;
    for principal in principals {
        for (action, resource) in actions.iter().flat_map(|action| resources.iter().map(move |place| (action, place))) {
            let text = format!("permit ({principal}, {action}, {resource});");
            // Some pairs of action and resource can never fit, which strict validation warns of.
            let engine = Engine::load([("test.cedar", text.as_str())]).unwrap();
            let whole: PolicySet = text.parse().unwrap();
            for action in Action::ALL {
                let cognito = action.service() == Service::Cognito;
                let resource = if cognito { Resource::UserPool(&pool) } else { Resource::Portal(&portal) };
                let caller =
                    CallerFacts { id: "me".into(), kind: "mtls".into(), groups: [].into(), trust_domain: None };
                let facts = Facts { caller, action, resource, account: None, call: CallFacts::default() };
                let question = engine.question(&facts).unwrap();
                let all = Authorizer::new().is_authorized(&question.request, &whole, &question.entities);
                let expected = all.decision() == Decision::Allow;
                assert_eq!(engine.decide_facts(&facts).is_ok(), expected, "{text} {action}");
                allowed += usize::from(expected);
            }
        }
    }
    assert!(allowed > 100, "{allowed}");
}
