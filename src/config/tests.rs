//! Every mistake is found at once, and the defaults are complete.

use std::collections::BTreeMap;

use super::{Config, Flags};
use crate::quota::Limits;

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn sandbox() -> Flags {
    Flags { is_sandbox: true, ..Flags::default() }
}

#[test]
fn the_defaults_are_complete_and_valid() {
    let config = Config::load(&sandbox(), &BTreeMap::new()).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:50051");
    assert_eq!(config.server.admin_listen.unwrap().to_string(), "127.0.0.1:9090");
    assert_eq!(config.aws.attempts_max, 3);
}

#[test]
fn nobody_is_served_unless_it_is_asked_for_in_words() {
    let refused = |pairs: &[(&str, &str)]| {
        let found = Config::load(&Flags::default(), &environment(pairs)).err().unwrap_or_default();
        found.iter().map(|mistake| mistake.to_string().split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let anonymous = ("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only");
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", "policies");
    assert_eq!(refused(&[]), ["identity", "policy.directory"]);
    assert_eq!(refused(&[policies]), ["identity"]);
    assert_eq!(refused(&[anonymous]), ["policy.directory"]);
    assert_eq!(refused(&[anonymous, policies]), [""; 0]);
    let header = ("IDP_PROXY__IDENTITY__MESH__HEADER", "l5d-client-id");
    assert_eq!(refused(&[policies, header]), ["identity.mesh.trusted_peers"]);
    let trusted = ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", r#"["127.0.0.1/32", "unix"]"#);
    assert_eq!(refused(&[policies, header, trusted]), [""; 0]);
    let wrong = ("IDP_PROXY__IDENTITY__MESH__TRUSTED_PEERS", r#"["localhost"]"#);
    assert!(!refused(&[policies, header, wrong]).is_empty());
    let tls = [("IDP_PROXY__SERVER__TLS__CERTIFICATE", "a"), ("IDP_PROXY__SERVER__TLS__PRIVATE_KEY", "b")];
    assert_eq!(refused(&[policies, tls[0], tls[1]]), ["identity"]);
    assert_eq!(refused(&[policies, tls[0], tls[1], ("IDP_PROXY__SERVER__TLS__CLIENT_CA", "c")]), [""; 0]);
}

#[test]
fn flags_win_over_the_environment() {
    let flags = Flags { listen: Some("127.0.0.1:1".to_owned()), ..sandbox() };
    let set = environment(&[
        ("IDP_PROXY__SERVER__LISTEN", "127.0.0.1:2"),
        ("IDP_PROXY__SERVER__ADMIN_LISTEN", "off"),
        ("IDP_PROXY__AWS__ATTEMPTS_MAX", "1"),
    ]);
    let config = Config::load(&flags, &set).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:1");
    assert_eq!(config.server.admin_listen, None);
    assert_eq!(config.aws.attempts_max, 1);
}

#[test]
fn the_sandbox_is_for_this_machine_only() {
    let flags = Flags { listen: Some("0.0.0.0:1".to_owned()), ..sandbox() };
    let found = Config::load(&flags, &BTreeMap::new()).unwrap_err();
    assert!(found[0].to_string().contains("sandbox"), "{found:?}");
}

#[test]
fn awss_own_quotas_hold_unless_told_otherwise_and_in_the_sandbox_only_what_is_set() {
    let served = [
        ("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only"),
        ("IDP_PROXY__POLICY__DIRECTORY", "policies"),
    ];
    let set = [("IDP_PROXY__QUOTA__COGNITO_WRITE", "7"), ("IDP_PROXY__QUOTA__COGNITO_READ", "unlimited")];
    let load = |flags: Flags, pairs: &[(&str, &str)]| Config::load(&flags, &environment(pairs)).unwrap().quota;
    let limits = |all: [Option<u32>; 4]| {
        let [cognito_write, cognito_read, cognito_per_pool, workspacesweb] = all;
        Limits { cognito_write, cognito_read, cognito_per_pool, workspacesweb }
    };
    assert_eq!(load(Flags::default(), &served), limits([Some(15), Some(20), Some(5), Some(10)]));
    assert_eq!(load(Flags::default(), &[served, set].concat()), limits([Some(7), None, Some(5), Some(10)]));
    assert_eq!(load(sandbox(), &[]), limits([None; 4]));
    assert_eq!(load(sandbox(), &set), limits([Some(7), None, None, None]));
}
