//! The policies of `deploy/iam`: what the proxy calls, no more, in AWS's own words. `ministack` runs with them.

use std::collections::BTreeSet;

use idp_proxy::domain::Action;
use serde_json::{Value, json};

use crate::support::{repository, tool};

fn statements(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(repository().join("deploy/iam").join(name)).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(policy["Version"], "2012-10-17", "{name}");
    policy["Statement"].as_array().unwrap().clone()
}

/// A text or a list of texts.
fn texts(value: &Value) -> Vec<&str> {
    value
        .as_str()
        .map_or_else(|| value.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect(), |one| vec![one])
}

fn actions(statements: &[Value]) -> BTreeSet<String> {
    statements.iter().flat_map(|statement| texts(&statement["Action"])).map(str::to_owned).collect()
}

#[test]
fn a_role_may_do_what_the_proxy_calls_and_nothing_else() {
    let statements = statements("account-role.json");
    let own = Action::ALL.into_iter().map(|action| format!("{}:{}", action.service().aws_name(), action.operation()));
    // A create that is only rehearsed asks for the portal; tags that come with a create need leave of their own.
    let more = ["workspaces-web:GetPortal", "workspaces-web:TagResource"].map(str::to_owned);
    assert_eq!(actions(&statements), own.chain(more).collect());
    for action in actions(&statements) {
        let (service, operation) = action.split_once(':').unwrap();
        let model = std::fs::read(tool(&format!("models/{service}.json"))).unwrap();
        let model: Value = serde_json::from_slice(&model).unwrap();
        assert!(model["operations"].get(operation).is_some(), "{service} has no {operation}");
    }
    for statement in &statements {
        assert_eq!(statement["Effect"], "Allow");
        for resource in texts(&statement["Resource"]) {
            let parts: Vec<&str> = resource.splitn(6, ':').collect();
            assert_eq!(parts[4], super::A, "{resource} is of one account");
            assert!(["userpool/*", "portal/*", "identityProvider/*"].contains(&parts[5]), "{resource}");
        }
    }
}

#[test]
fn a_role_is_given_to_the_proxy_alone_and_only_with_the_external_id() {
    let trust = statements("account-role-trust.json");
    // Tags come with a session from EKS Pod Identity and are handed on; to set them alone gives nobody a session.
    let [trust, tags] = &trust[..] else { panic!("two statements, not {}", trust.len()) };
    assert_eq!((trust["Action"].as_str(), tags["Action"].as_str()), (Some("sts:AssumeRole"), Some("sts:TagSession")));
    for statement in [trust, tags] {
        assert_eq!(statement["Effect"], "Allow");
        let who = statement["Principal"]["AWS"].as_str().unwrap();
        assert!(who.ends_with(":role/idp-proxy") && !who.contains('*'), "{who}");
    }
    assert!(trust["Condition"]["StringEquals"]["sts:ExternalId"].is_string());

    let proxy = statements("proxy-role.json");
    assert_eq!(actions(&proxy), BTreeSet::from(["sts:AssumeRole", "sts:TagSession"].map(str::to_owned)));
    for resource in proxy.iter().flat_map(|statement| texts(&statement["Resource"])) {
        assert_eq!(resource, super::role(super::A), "roles are named one by one");
    }
}

#[test]
fn every_policy_is_judged_here() {
    let found = std::fs::read_dir(repository().join("deploy/iam")).unwrap().count();
    assert_eq!(found, 5, "a policy is judged by nobody");
}

#[test]
fn the_proxys_own_role_is_for_its_service_account_alone() {
    // The names of the chart's tests and of the meshes' files.
    let (namespace, account) = ("iam", "idp-proxy");
    let equal = |name: &str, principal: Value, wanted: &[&str]| {
        let statements = statements(name);
        let [trust] = &statements[..] else { panic!("{name}: one statement, not {}", statements.len()) };
        assert_eq!((&trust["Effect"], &trust["Principal"]), (&json!("Allow"), &principal), "{name}");
        assert_eq!(actions(&statements), wanted.iter().map(|action| (*action).to_owned()).collect(), "{name}");
        let conditions = trust["Condition"].as_object().unwrap();
        assert_eq!(conditions.keys().collect::<Vec<_>>(), ["StringEquals"], "{name}: whole names, no patterns");
        let equal = conditions["StringEquals"].clone();
        assert!(!equal.to_string().contains(['*', '?']), "{name}: {equal}");
        equal
    };
    let issuer = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    let provider = json!({"Federated": format!("arn:aws:iam::999900001111:oidc-provider/{issuer}")});
    let irsa = equal("proxy-role-trust-irsa.json", provider, &["sts:AssumeRoleWithWebIdentity"]);
    let subject = format!("system:serviceaccount:{namespace}:{account}");
    assert_eq!(irsa, json!({format!("{issuer}:aud"): "sts.amazonaws.com", format!("{issuer}:sub"): subject}));

    let service = json!({"Service": "pods.eks.amazonaws.com"});
    let pod = equal("proxy-role-trust-pod-identity.json", service, &["sts:AssumeRole", "sts:TagSession"]);
    assert_eq!(pod["aws:RequestTag/kubernetes-namespace"], namespace);
    assert_eq!(pod["aws:RequestTag/kubernetes-service-account"], account);
    assert!(
        pod["aws:RequestTag/eks-cluster-arn"].as_str().unwrap().contains(":cluster/"),
        "any cluster of the account"
    );
}
