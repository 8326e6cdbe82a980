//! The command line: exit codes, every mistake at once, and what is refused before a port is bound.

use std::{path::Path, process::Output};

use idp_proxy::proto::{
    cognito::v1::{
        CreateIdentityProviderRequest as Create, DescribeIdentityProviderRequest as Describe,
        UpdateIdentityProviderRequest as Update,
    },
    workspacesweb::v1::CreateIdentityProviderRequest as WebCreate,
};
use tokio::net::TcpListener;
use tonic::Code;

use crate::support::{
    ANYONE, CANARY, KINDS, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, assert_no_canary, assert_refused,
    details, finish, idp_proxy, repository,
};

const SANDBOX: [&str; 6] = ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ends with 64, says all of this, and has bound nothing.
async fn assert_usage(arguments: &[&str], environment: &[(&str, &str)], said: &[&str]) {
    let output = idp_proxy(arguments, environment).await;
    let error = error(&output);
    assert_eq!(output.status.code(), Some(64), "{arguments:?} {environment:?}: {error}");
    for part in said {
        assert!(error.contains(part), "{arguments:?} {environment:?} does not say {part}: {error}");
    }
    assert!(!error.contains("listening"), "{error}");
}

#[tokio::test]
async fn arguments_that_are_wrong_end_it_with_64() {
    assert_usage(&[], &[], &["Usage"]).await;
    assert_usage(&["serve", "--no-such-flag"], &[], &["--no-such-flag"]).await;
    assert_usage(&["serve", "--listen"], &[], &["--listen"]).await;
    assert_usage(&["proxy"], &[], &["proxy"]).await;
    assert_usage(&["check", "--sandbox"], &[], &["--sandbox"]).await;
}

#[tokio::test]
async fn help_and_version_are_answers() {
    for (arguments, said) in [
        (&["--help"][..], "fake-aws"),
        (&["--help"], "IDP_PROXY__SECTION__KEY"),
        (&["serve", "--help"], "--admin-listen"),
        (&["fake-aws", "--help"], "--user-pool"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = idp_proxy(arguments, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(said), "{arguments:?}");
        assert!(output.stderr.is_empty(), "{}", error(&output));
    }
}

/// A dozen mistakes of all kinds.
const WRONG: &str = r#"
[server]
listen = "localhost:50051"
admin_listen = 9090
in_flight_max = 0
drain_max_ms = "soon"
lissten = "127.0.0.1:1"
reflection = true
[server.in_flight]
max = 1
[identity]
anonymous = "allow"
[policy]
directory = 7
[audit]
sink = ""
[aws]
attempts_max = 11
[[aws.account]]
account = "1111"
role_arn = "idp-proxy"
external_id = ""
user_pools = ["us-east-1"]
[quota]
cognito_write = 0
cognito_read = -1
cognito_per_pool = "none"
workspacesweb = 1.5
cognito_writes = 15
[validation]
unknown_detail_keys = true
[telemetry]
log_format = "xml"
[no_such_section]
key = "value"
"#;

#[tokio::test]
async fn every_mistake_in_the_configuration_is_reported_at_once() {
    let scratch = Scratch::new();
    let file = scratch.file("wrong.toml", WRONG);
    let file = file.to_str().unwrap();
    let environment = [
        ("IDP_PROXY__AWS__CONNECT_TIMEOUT_MS", "fast"),
        ("IDP_PROXY__NO__SUCH__KEY", "x"),
        ("LOG_SENSITIVE_BODIES", "true"),
        ("LOG_SIGNABLE_BODY", "TRUE"),
        ("AWS_ENDPOINT_URL", "http://example.com"),
        ("AWS_ENDPOINT_URL_WORKSPACES_WEB", "http://10.0.0.1:80"),
    ];
    let served = idp_proxy(&["serve", "--config", file], &environment).await;
    let checked = idp_proxy(&["check", "--config", file], &environment).await;
    assert_eq!((served.status.code(), checked.status.code()), (Some(64), Some(64)), "{}", error(&served));
    assert_eq!(error(&served), error(&checked), "check says what serve would say");
    assert!(served.stdout.is_empty() && checked.stdout.is_empty());

    let found = error(&served).replace(file, "wrong.toml");
    let golden = repository().join("tests/golden/config_errors.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(golden.parent().unwrap()).unwrap();
        std::fs::write(&golden, &found).unwrap();
    }
    let wanted = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == wanted, "not as in {} (UPDATE_GOLDEN=1 rewrites it):\n{found}", golden.display());
    let mistakes = WRONG.lines().filter(|line| line.contains('=')).count() + environment.len();
    assert_eq!(found.lines().count(), mistakes, "one line for each mistake:\n{found}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let scratch = Scratch::new();
    let missing = scratch.join("missing.toml");
    let broken = scratch.file("broken.toml", "[server\nlisten = 1\n");
    for (file, said) in [(missing.as_path(), "missing.toml"), (&broken, "line 1"), (Path::new("/"), "/")] {
        for command in ["serve", "check"] {
            assert_usage(&[command, "--config", file.to_str().unwrap()], &[], &[said]).await;
        }
    }
}

#[tokio::test]
async fn the_defaults_are_a_configuration_that_only_lacks_who_may_call() {
    let printed = idp_proxy(&["config"], &[]).await;
    assert_eq!(printed.status.code(), Some(0));
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("[[aws.account]]") && text.contains("attempts_max"), "{text}");
    let scratch = Scratch::new();
    let file = scratch.file("defaults.toml", &text);
    let checked = idp_proxy(&["check", "--config", file.to_str().unwrap()], &[]).await;
    let mistakes: Vec<String> = error(&checked).lines().map(str::to_owned).collect();
    assert_eq!((checked.status.code(), mistakes.len()), (Some(64), 2), "{mistakes:?}");
    assert!(
        mistakes[0].contains("nobody could be identified") && mistakes[1].contains("policy.directory"),
        "{mistakes:?}"
    );
    // What is shown as an example is one: no comment holds a key that is not a setting.
    let all = text.lines().map(example).collect::<Vec<_>>().join("\n");
    let file = scratch.file("all.toml", all);
    let checked = error(&idp_proxy(&["check", "--config", file.to_str().unwrap()], &[]).await);
    assert!(!checked.contains("is not a setting") && !checked.contains("is not TOML"), "{checked}");
}

/// A commented line of TOML without its `#`; a sentence stays a comment.
fn example(line: &str) -> &str {
    let bare = line.strip_prefix("# ").unwrap_or(line);
    let is_key = bare
        .split_once(" = ")
        .is_some_and(|(key, _)| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    if bare.starts_with('[') || is_key { bare } else { line }
}

/// Asks bash's completion for a word that is begun.
const COMPLETE: &str = r#"source <("$0" completions bash)
complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _idp__proxy idp-proxy "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}"; }
complete_line idp-proxy ser
complete_line idp-proxy serve --ad"#;

#[tokio::test]
async fn bash_completes_commands_and_flags() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("`idp-proxy completions ").unwrap();
    let shells: Vec<&str> = rest.split('`').next().unwrap().split("\\|").collect();
    assert_eq!(shells.len(), 5, "{shells:?}");
    for shell in &shells {
        let script = idp_proxy(&["completions", shell], &[]).await;
        assert_eq!(script.status.code(), Some(0), "{shell}");
        assert!(String::from_utf8_lossy(&script.stdout).contains("admin-listen"), "{shell}");
    }
    let mut bash = tokio::process::Command::new("bash");
    let output = finish(bash.args(["-c", COMPLETE, env!("CARGO_BIN_EXE_idp-proxy")])).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "serve\n--admin-listen\n", "{}", error(&output));
    // The README lists those that there are.
    assert_usage(&["completions", "cmd"], &[], &shells).await;
}

/// What `check` makes of a good configuration.
async fn summary(toml: &str, environment: &[(&str, &str)]) -> String {
    let scratch = Scratch::new();
    let file = scratch.file("good.toml", toml);
    let output = idp_proxy(&["check", "--config", file.to_str().unwrap()], environment).await;
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(output.stderr.is_empty(), "{}", error(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn check_says_what_the_configuration_means() {
    let repository = repository();
    let mesh = format!(
        r#"[identity.mesh]
header = "x-forwarded-client-cert"
trusted_peers = ["127.0.0.6/32"]
[policy]
directory = {:?}
[audit]
sink = "/var/log/idp-proxy.jsonl"
[[aws.account]]
account = "111122223333"
role_arn = "arn:aws:iam::111122223333:role/idp-proxy"
external_id = "not-for-everyone"
user_pools = ["us-east-1_AbCdEfGhI"]
"#,
        repository.join("tests/policies/everything")
    );
    let said = summary(&mesh, &[]).await;
    assert_eq!(
        said.replace(&repository.display().to_string(), ""),
        "the configuration, its certificates and its policies are good

  calls come in   at 127.0.0.1:50051, plaintext
  for operators   http://127.0.0.1:9090
  callers prove   by the header x-forwarded-client-cert from 127.0.0.6/32
  policies        1 in /tests/policies/everything
  audit           /var/log/idp-proxy.jsonl, fingerprints with a key of each process
  AWS accounts    111122223333: 1 user pool and its portals, as arn:aws:iam::111122223333:role/idp-proxy, with an external id
                  everything else with the proxy's own credentials
  AWS endpoints   AWS's own
  limits          30 s for a call, 1024 calls at once
                  3 attempts at AWS, 10 s each

"
    );

    // What somebody should think about twice is said, and the endpoints are those that the SDK would use.
    let scratch = Scratch::new();
    std::fs::create_dir(scratch.join("none")).unwrap();
    let open = format!(
        "[server]\nlisten = \"192.0.2.1:1\"\n[identity]\nanonymous = \"allow_for_test_purposes_only\"\n[policy]\ndirectory = {:?}\n\
         [audit]\nsink = \"off\"\n[validation]\nunknown_detail_keys = \"forward\"\n",
        scratch.join("none")
    );
    let profile = scratch.file("profile", "[default]\nendpoint_url = https://proxy.example\nservices = s\n[services s]\nsts =\n  endpoint_url = http://127.0.0.1:1\n");
    let environment =
        [("AWS_CONFIG_FILE", profile.to_str().unwrap()), ("AWS_ENDPOINT_URL_WORKSPACES_WEB", "http://localhost:2")];
    let said = summary(&open, &environment).await;
    for part in [
        "callers prove   nothing, if they like",
        "policies        0 in",
        "cognito-idp: https://proxy.example\n",
        "workspaces-web: http://localhost:2\n",
        "sts: http://127.0.0.1:1\n",
        "warning: callers who prove nothing",
        "warning: the audit is off",
        "warning: there are no policies",
        "warning: calls come in over plaintext",
        "warning: detail keys that AWS does not document",
        "warning: AWS is called at other endpoints",
    ] {
        assert!(said.contains(part), "{part}:\n{said}");
    }
    // What serve would refuse for, check refuses for: also what a profile says.
    let insecure =
        scratch.file("profile", "[default]\nservices = s\n[services s]\nsts =\n  endpoint_url = http://192.0.2.1\n");
    let insecure = ("AWS_CONFIG_FILE", insecure.to_str().unwrap());
    for command in ["check", "serve"] {
        assert_usage(&[command], &[ANYONE[0], ANYONE[1], insecure], &["AWS profile", "sts", "loopback"]).await;
    }
}

#[tokio::test]
async fn check_says_whether_the_configuration_is_good() {
    let scratch = Scratch::new();
    // An address that cannot be bound here: a check binds nothing.
    let policies = repository().join("examples/policies");
    let good = format!(
        "[server]\nlisten = \"192.0.2.1:1\"\n[identity]\nanonymous = \"allow_for_test_purposes_only\"\n[policy]\ndirectory = {policies:?}\n"
    );
    let file = scratch.file("good.toml", &good);
    let output = idp_proxy(&["check", "--config", file.to_str().unwrap()], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("good"));
    assert_usage(&["check"], &[("IDP_PROXY__SERVER__LISTEN", "here")], &["IDP_PROXY__SERVER__LISTEN"]).await;
    // What serve would refuse for, check refuses for.
    assert_usage(&["check"], &[ANYONE[0], ANYONE[1], ("RUST_LOG", "idp_proxy=loud")], &["RUST_LOG"]).await;
    assert_usage(&["serve"], &[ANYONE[0], ANYONE[1], ("RUST_LOG", "idp_proxy=loud")], &["RUST_LOG"]).await;
}

#[tokio::test]
async fn nobody_is_served_unless_the_configuration_says_so() {
    let key = ["identity:", "client_ca", "[identity.mesh]", "[[identity.jwt]]", "--sandbox", "policy.directory"];
    assert_usage(&["serve"], &[], &key).await;
    assert_usage(&["serve"], &[("IDP_PROXY__IDENTITY__ANONYMOUS", "refuse")], &key).await;
    // To be known is not to be allowed.
    assert_usage(&["serve"], &ANYONE[..1], &["policy.directory"]).await;
    for command in ["check", "serve"] {
        let nowhere = ("IDP_PROXY__POLICY__DIRECTORY", "/no/such/directory");
        assert_usage(&[command], &[ANYONE[0], nowhere], &[nowhere.1]).await;
    }
}

#[tokio::test]
async fn an_audit_that_cannot_be_opened_ends_it_with_64() {
    let sink = ("IDP_PROXY__AUDIT__SINK", "/no/such/directory/audit.log");
    assert_usage(&SANDBOX, &[sink], &["audit.sink", "cannot be opened"]).await;
}

#[tokio::test]
async fn the_sandbox_is_for_this_machine_only() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
        assert_usage(&["serve", "--sandbox", "--listen", address], &[], &["--listen", "sandbox", address]).await;
        let variable = ("IDP_PROXY__SERVER__LISTEN", address);
        assert_usage(&["serve", "--sandbox"], &[variable], &[variable.0, "sandbox", address]).await;
    }
}

#[tokio::test]
async fn settings_of_the_sdk_that_would_send_or_print_secrets_are_refused() {
    for (name, value) in [
        ("AWS_ENDPOINT_URL", "http://example.com"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://127.0.0.1.example:80"),
        ("AWS_ENDPOINT_URL_STS", "localhost:4566"),
        ("LOG_SENSITIVE_BODIES", "true"),
        ("LOG_SIGNABLE_BODY", "True"),
    ] {
        assert_usage(&["serve", "--listen", "127.0.0.1:0"], &[ANYONE[0], ANYONE[1], (name, value)], &[name]).await;
        if name.starts_with("LOG_") {
            assert_usage(&SANDBOX, &[(name, value)], &[name]).await;
        }
    }
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_with_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for flag in ["--listen", "--admin-listen"] {
        let other = if flag == "--listen" { "--admin-listen" } else { "--listen" };
        let output = idp_proxy(&["serve", "--sandbox", flag, &address, other, "127.0.0.1:0"], &[]).await;
        assert_eq!(output.status.code(), Some(1), "{flag}: {}", error(&output));
        assert!(error(&output).contains(&address), "{flag}: {}", error(&output));
        assert!(!error(&output).contains("listening"), "{flag}: {}", error(&output));
    }
}

fn create(kind: &str) -> Create {
    Create {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: if ["SAML", "OIDC"].contains(&kind) { format!("My{kind}") } else { kind.to_owned() },
        provider_type: kind.to_owned(),
        provider_details: details(kind),
        ..Create::default()
    }
}

/// Sends secrets every way there is: taken, refused by AWS, refused by the proxy, in a key instead of a value.
async fn send_secrets(proxy: &Proxy) {
    let (mut cognito, mut web) = (proxy.cognito().await, proxy.web().await);
    for kind in KINDS {
        let made = create(kind);
        cognito.create_identity_provider(made.clone()).await.unwrap();
        assert_refused(
            cognito.create_identity_provider(made.clone()).await,
            Code::AlreadyExists,
            "IDENTITY_PROVIDER_EXISTS",
        );
        let Create { user_pool_id, provider_name, mut provider_details, .. } = made;
        let changed = Update { provider_details: provider_details.clone(), ..Update::default() };
        let changed = Update { user_pool_id: user_pool_id.clone(), provider_name: provider_name.clone(), ..changed };
        cognito.update_identity_provider(changed).await.unwrap();
        cognito.describe_identity_provider(Describe { user_pool_id, provider_name }).await.unwrap();
        provider_details.insert(CANARY.to_owned(), CANARY.to_owned());
        provider_details.insert("attributes_request_method".to_owned(), CANARY.to_owned());
        let wrong = Create { provider_details: provider_details.clone(), ..create(kind) };
        let refused =
            assert_refused(cognito.create_identity_provider(wrong).await, Code::InvalidArgument, "INVALID_REQUEST");
        assert!(!refused.message().contains(&format!("{CANARY} ")), "{refused:?}");
        let wrong = WebCreate { identity_provider_details: provider_details, ..WebCreate::default() };
        assert_refused(web.create_identity_provider(wrong).await, Code::InvalidArgument, "INVALID_REQUEST");
        web.create_identity_provider(WebCreate {
            portal_arn: SANDBOX_PORTAL.to_owned(),
            identity_provider_name: format!("My {kind}"),
            identity_provider_type: kind.to_owned(),
            identity_provider_details: details(kind),
            ..WebCreate::default()
        })
        .await
        .unwrap();
    }
    let unreachable = [("oidc_issuer".to_owned(), "https://unreachable.invalid".to_owned())];
    let provider_details = details("OIDC").into_iter().chain(unreachable).collect();
    let refused = cognito.create_identity_provider(Create { provider_details, ..create("OIDC") }).await;
    assert_refused(refused, Code::InvalidArgument, "AWS_INVALID_PARAMETER");
}

#[tokio::test]
async fn no_secret_is_logged_or_printed_at_any_level() {
    for filter in [
        "trace",
        "aws_smithy_runtime::client::orchestrator=trace,aws_smithy_runtime=trace,aws_config=trace,aws=trace,info",
        "h2=trace,hyper=trace,hyper_util=trace,tonic=trace,tower=trace,info",
        "idp_proxy=trace",
    ] {
        let proxy = Proxy::start(&SANDBOX, &[("RUST_LOG", filter)]).await;
        send_secrets(&proxy).await;
        // The last call's line: everything before it has been read.
        let last = |line: &serde_json::Value| (line.get("reason")? == "AWS_INVALID_PARAMETER").then_some(());
        proxy.log_line(last).await;
        assert_no_canary(&proxy.log());
        assert_no_canary(&proxy.stdout());
        if filter == "trace" {
            assert!(proxy.log().contains("\"DEBUG\""), "the filter is not in force:\n{}", proxy.log());
        }
    }
}

#[tokio::test]
async fn the_sandbox_ignores_the_environments_aws_settings() {
    let environment = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", "http://example.com"),
        ("AWS_PROFILE", "no-such-profile"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_USE_FIPS_ENDPOINT", "true"),
        ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/nobody"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/no/such/file"),
        ("AWS_MAX_ATTEMPTS", "none"),
    ];
    let proxy = Proxy::start(&SANDBOX, &environment).await;
    proxy.cognito().await.create_identity_provider(create("OIDC")).await.unwrap();
}
