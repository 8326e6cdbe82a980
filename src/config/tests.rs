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

/// Two good sections, as variables; a test replaces one of them.
const ACCOUNTS: [(&str, &str); 6] = [
    ("IDP_PROXY__AWS__ACCOUNT__0__ACCOUNT", "111122223333"),
    ("IDP_PROXY__AWS__ACCOUNT__0__ROLE_ARN", "arn:aws:iam::111122223333:role/idp-proxy"),
    ("IDP_PROXY__AWS__ACCOUNT__0__USER_POOLS", r#"["us-east-1_AbCdEfGhI", "eu-west-1_AbCdEfGhI"]"#),
    ("IDP_PROXY__AWS__ACCOUNT__1__ACCOUNT", "444455556666"),
    ("IDP_PROXY__AWS__ACCOUNT__1__ROLE_ARN", "arn:aws:iam::444455556666:role/idp-proxy"),
    ("IDP_PROXY__AWS__ACCOUNT__1__EXTERNAL_ID", "tenant-b"),
];

/// Callers are known and policies are named: nothing else is missing.
const COMPLETE: [(&str, &str); 2] =
    [("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only"), ("IDP_PROXY__POLICY__DIRECTORY", "policies")];

fn load(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let loaded = Config::load(&Flags::default(), &environment(&[&COMPLETE, pairs].concat()));
    loaded.map_err(|found| found.iter().map(ToString::to_string).collect())
}

#[test]
fn tables_of_a_list_are_set_by_their_number() {
    let accounts = load(&ACCOUNTS).unwrap().accounts;
    assert_eq!(accounts.iter().map(|one| one.account.as_str()).collect::<Vec<_>>(), ["111122223333", "444455556666"]);
    assert_eq!(accounts[0].user_pools.len(), 2);
    assert!(accounts[0].external_id.is_none() && accounts[1].external_id.is_some());
    // A number that is missing is not skipped.
    let found = load(&[("IDP_PROXY__AWS__ACCOUNT__1__ACCOUNT", "111122223333")]).unwrap_err();
    assert!(
        found[0].starts_with("aws.account[1].account (IDP_PROXY__AWS__ACCOUNT__1__ACCOUNT): is not a setting"),
        "{found:?}"
    );
}

#[test]
fn a_variable_replaces_a_list_of_the_file() {
    let file = std::env::temp_dir().join(format!("idp-proxy-config-{}.toml", std::process::id()));
    let jwt = "[[identity.jwt]]\nissuer = \"a\"\naudience = \"b\"\njwks_file = \"c\"\n";
    std::fs::write(&file, jwt).unwrap();
    let flags = Flags { file: Some(file.clone()), ..Flags::default() };
    let issuers = |value: Option<&str>| {
        let mut set = environment(&COMPLETE);
        set.extend(value.map(|value| ("IDP_PROXY__IDENTITY__JWT".to_owned(), value.to_owned())));
        let loaded = Config::load(&flags, &set).map(|config| config.issuers);
        loaded.map(|issuers| issuers.into_iter().map(|one| one.issuer).collect::<Vec<_>>())
    };
    assert_eq!(issuers(None).unwrap(), ["a"]);
    let two = r#"[{issuer = "x", audience = "b", jwks_file = "c"}, {issuer = "y", audience = "b", jwks_file = "c"}]"#;
    assert_eq!(issuers(Some(two)).unwrap(), ["x", "y"]);
    assert_eq!(issuers(Some("[]")).unwrap(), [""; 0]);
    for wrong in ["none", "[", "[1]", "[]\n[server]\nlisten = \"unix:/x\"", r#"[{issuer = "x"}]"#] {
        assert!(issuers(Some(wrong)).is_err(), "{wrong}");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn what_two_accounts_claim_or_no_account_can_be_is_a_mistake_at_its_key() {
    for (at, value, place, why) in [
        (0, "11112222333", "aws.account[0].account", "12 digits"),
        (1, "arn:aws:iam::111122223333:user/idp-proxy", "aws.account[0].role_arn", "must have the form"),
        (1, "arn:aws:iam::444455556666:role/idp-proxy", "aws.account[0].role_arn", "belongs to account 444455556666"),
        (2, r#"["us-east-1"]"#, "aws.account[0].user_pools", "us-east-1"),
        (2, "us-east-1_AbCdEfGhI", "aws.account[0].user_pools", "must be a list"),
        (2, r#"["us-east-1_A", "us-east-1_A"]"#, "aws.account[0].user_pools", "aws.account[0] already"),
        (2, r#"["cn-north-1_A"]"#, "aws.account[0].user_pools", "partition aws-cn"),
        (3, "111122223333", "aws.account[1].account", "aws.account[0] too"),
        (5, "x", "aws.account[1].external_id", "2 to 1224"),
    ] {
        let mut pairs = ACCOUNTS;
        pairs[at].1 = value;
        let found = load(&pairs).err().unwrap_or_default();
        let here = format!("{place} ({})", ACCOUNTS[at].0);
        assert!(found.iter().any(|line| line.starts_with(&here) && line.contains(why)), "{here}: {why}: {found:?}");
    }
    let shared = ("IDP_PROXY__AWS__ACCOUNT__1__USER_POOLS", r#"["us-east-1_B", "eu-west-1_AbCdEfGhI"]"#);
    let found = load(&[&ACCOUNTS[..], &[shared]].concat()).unwrap_err();
    assert_eq!(
        found,
        [
            "aws.account[1].user_pools (IDP_PROXY__AWS__ACCOUNT__1__USER_POOLS): eu-west-1_AbCdEfGhI is named by aws.account[0] already"
        ]
    );
    let found = load(&ACCOUNTS[..1]).unwrap_err();
    assert_eq!(found, ["aws.account[0].role_arn: is missing"]);
}
