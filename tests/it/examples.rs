//! The programs in `examples/` do what they are copied for, and the service config is what client libraries obey.

use std::path::Path;

use idp_proxy::domain::Action;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    ANYONE, Answer, Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, ScriptedAws, configured, finish, python,
    repository, tool,
};

/// One client: how it is started, without address and issuer, and the prefix of its providers' names.
struct Example {
    prefix: &'static str,
    command: fn() -> Command,
}

const EXAMPLES: [Example; 4] = [
    Example {
        prefix: "Rust",
        command: || {
            // Built with the tests or now, so that what runs is what is in the file.
            let mut command = Command::new(env!("CARGO"));
            command.args(["run", "--quiet", "--locked", "--example", "create_providers", "--"]);
            command
        },
    },
    Example {
        prefix: "Python",
        command: || {
            let mut command = Command::new(tool("venv/bin/python"));
            command.arg("examples/python/create_providers.py").env("PYTHONDONTWRITEBYTECODE", "1");
            command
        },
    },
    Example {
        prefix: "Node",
        command: || {
            let mut command = Command::new("node");
            command.arg("examples/node/create_providers.js").env("NODE_PATH", tool("node/node_modules"));
            command
        },
    },
    Example {
        prefix: "Grpcurl",
        command: || {
            let grpcurl = tool("venv/bin/grpcurl");
            let path = std::env::join_paths([grpcurl.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")]);
            let mut command = Command::new("examples/grpcurl/create_providers.sh");
            command.env("PATH", path.unwrap());
            command
        },
    },
];

/// The messages of the Python client, made as examples/README.md says.
async fn stubs() -> Scratch {
    let scratch = Scratch::new();
    let out = scratch.display();
    let proto = repository().join("proto");
    let mut arguments = vec!["-m".to_owned(), "grpc_tools.protoc".to_owned(), format!("-I{}", proto.display())];
    arguments.extend([format!("--python_out={out}"), format!("--grpc_python_out={out}")]);
    for api in ["cognito", "workspacesweb"] {
        for file in ["identity_provider", "identity_provider_service"] {
            arguments.push(format!("idpproxy/{api}/v1/{file}.proto"));
        }
    }
    python(arguments).await;
    scratch
}

/// Runs a client and answers whether it succeeded, what it printed and what it complained about.
async fn run(example: &Example, arguments: &[&str], stubs: &Path) -> (bool, String, String) {
    let mut command = (example.command)();
    command.args(arguments).env("PYTHONPATH", stubs).current_dir(repository());
    let output = finish(&mut command).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code() == Some(0), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_makes_its_providers_once_however_often_it_runs() {
    let stubs = stubs().await;
    for example in &EXAMPLES {
        let prefix = example.prefix;
        let proxy = Proxy::sandbox().await;
        let (succeeded, first, complaint) = run(example, &[&proxy.address], &stubs).await;
        assert!(succeeded, "{prefix}: {first}\n{complaint}");
        let names = [format!("{prefix}Oidc"), format!("{prefix}Saml"), ":identityProvider/".to_owned()];
        for wanted in &names {
            assert!(first.contains(wanted.as_str()), "{prefix} does not print {wanted}:\n{first}");
        }
        let (succeeded, second, complaint) = run(example, &[&proxy.address], &stubs).await;
        assert!(succeeded, "{prefix}, the second time: {second}\n{complaint}");
        assert_eq!(second, first, "{prefix}: the same request_id, another answer");

        let in_pool = idp_proxy::proto::cognito::v1::ListIdentityProvidersRequest {
            user_pool_id: SANDBOX_USER_POOL.to_owned(),
            ..Default::default()
        };
        let found = proxy.cognito().await.list_identity_providers(in_pool).await.unwrap().into_inner().providers;
        assert_eq!(found.len(), 2, "{prefix}");
        let in_portal = idp_proxy::proto::workspacesweb::v1::ListIdentityProvidersRequest {
            portal_arn: SANDBOX_PORTAL.to_owned(),
            ..Default::default()
        };
        let found = proxy.web().await.list_identity_providers(in_portal).await.unwrap().into_inner();
        assert_eq!(found.identity_providers.len(), 1, "{prefix}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_tells_what_is_wrong_and_fails() {
    let stubs = stubs().await;
    let proxy = Proxy::sandbox().await;
    for example in &EXAMPLES {
        let prefix = example.prefix;
        let (succeeded, printed, complaint) = run(example, &[&proxy.address, "http://idp.example"], &stubs).await;
        assert!(!succeeded, "{prefix}: {printed}");
        for wanted in
            ["provider_details[\"oidc_issuer\"]", "INVALID_REQUEST", "must be a URL that begins with https://"]
        {
            let quoted = wanted.replace('"', "\\\"");
            assert!(complaint.contains(wanted) || complaint.contains(&quoted), "{prefix}: {wanted}\n{complaint}");
        }
        assert!(!complaint.contains("my-secret") && !printed.contains("my-secret"), "{prefix}: {complaint}");
    }
}

/// How often each sends a call that is throttled for ever.
const THROTTLED_TRIES: [(&str, usize); 4] = [("Rust", 4), ("Python", 3), ("Node", 3), ("Grpcurl", 1)];

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_call_is_tried_again_by_the_library_or_the_program_but_not_by_grpcurl() {
    let stubs = stubs().await;
    for (example, (prefix, tries)) in EXAMPLES.iter().zip(THROTTLED_TRIES) {
        assert_eq!(example.prefix, prefix);
        let throttled = r#"{"__type":"TooManyRequestsException","message":"Rate exceeded"}"#;
        let (scratch, aws) = (Scratch::new(), ScriptedAws::always(Answer::new(400, throttled)).await);
        // Every attempt at AWS is a try of the client's.
        let proxy = configured(&scratch, "[aws]\nattempts_max = 1\n", &aws.endpoint, &ANYONE).await;
        let (succeeded, _, complaint) = run(example, &[&proxy.address], &stubs).await;
        assert!(!succeeded && complaint.contains("AWS_THROTTLED"), "{prefix}: {complaint}");
        assert_eq!(aws.asked(Action::CognitoCreate).len(), tries, "{prefix}: {complaint}");
    }
}

fn service_config() -> Value {
    let text = std::fs::read_to_string(repository().join("examples/service_config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_service_config_names_every_method_once() {
    let mut declared = Vec::new();
    for file in FileDescriptorSet::decode(idp_proxy::proto::DESCRIPTOR_SET).unwrap().file {
        for service in file.service.iter().filter(|_| file.package().starts_with("idpproxy.")) {
            let methods = service.method.iter();
            declared.extend(methods.map(|method| format!("{}.{}/{}", file.package(), service.name(), method.name())));
        }
    }
    let mut named = Vec::new();
    for entry in service_config()["methodConfig"].as_array().unwrap() {
        for name in entry["name"].as_array().unwrap() {
            named.push(format!("{}/{}", name["service"].as_str().unwrap(), name["method"].as_str().unwrap()));
        }
    }
    declared.sort();
    named.sort();
    assert_eq!(declared.len(), 11);
    assert_eq!(named, declared);
}

#[tokio::test]
async fn the_service_config_repeats_what_is_harmless_and_nothing_else() {
    let script = repository().join("tests/python/service_config.py");
    let printed = python([script, repository().join("examples/service_config.json")]).await;
    assert!(printed.contains("77 checks passed"), "{printed}");
}
