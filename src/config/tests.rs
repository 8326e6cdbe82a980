//! Every mistake is found at once, and the defaults are complete.

use std::collections::BTreeMap;

use super::{Config, Flags};
use crate::identity::Anonymous;

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
    let found = Config::load(&Flags::default(), &BTreeMap::new()).unwrap_err();
    assert!(found.len() == 1 && found[0].to_string().starts_with("identity.anonymous"), "{found:?}");
    let words = environment(&[("IDP_PROXY__IDENTITY__ANONYMOUS", "allow_for_test_purposes_only")]);
    assert_eq!(Config::load(&Flags::default(), &words).unwrap().anonymous, Anonymous::Allow);
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
