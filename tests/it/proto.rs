//! The proto is well-formed, formatted, documented, and keeps what callers have built on, by buf's own judgement.

use std::{path::Path, process::Output};

use tokio::process::Command;

use crate::support::{Scratch, finish, repository, tool};

async fn buf(directory: &Path, arguments: &[&str]) -> Output {
    let cache = Scratch::new();
    let mut command = Command::new(tool("venv/bin/buf"));
    finish(command.args(arguments).current_dir(directory).env("BUF_CACHE_DIR", &*cache)).await
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

async fn assert_clean(arguments: &[&str]) {
    let output = buf(&repository().join("proto"), arguments).await;
    let text = printed(&output);
    assert!(output.status.success() && text.is_empty(), "buf {arguments:?}: {}\n{text}", output.status);
}

#[tokio::test]
async fn buf_lints_the_proto_without_a_finding_comments_included() {
    let settings = std::fs::read_to_string(repository().join("proto/buf.yaml")).unwrap();
    for rule in ["STANDARD", "COMMENTS", "WIRE_JSON"] {
        assert!(settings.contains(&format!("- {rule}\n")) || settings.ends_with(rule), "{rule} is not asked for");
    }
    for way_out in ["except", "ignore", "disable", "buf:lint"] {
        assert!(!settings.contains(way_out), "an exception in buf.yaml: {way_out}");
    }
    assert_clean(&["lint"]).await;
}

#[tokio::test]
async fn buf_would_format_the_proto_as_it_is() {
    assert_clean(&["format", "-d", "--exit-code"]).await;
}

#[tokio::test]
async fn buf_builds_the_proto_without_a_warning() {
    assert_clean(&["build"]).await;
}

/// `buf breaking` of a directory against the proto of the last release.
async fn breaking(directory: &Path) -> Output {
    let released = repository().join("tests/golden/proto_released.txtpb");
    buf(directory, &["breaking", "--against", released.to_str().unwrap()]).await
}

#[tokio::test]
async fn nothing_that_callers_have_built_on_is_broken() {
    let output = breaking(&repository().join("proto")).await;
    assert!(output.status.success(), "a breaking change; CONTRIBUTING.md says what to do:\n{}", printed(&output));
}

/// What is replaced in Cognito's service, and what buf must say of it; nothing for what is allowed.
const CHANGES: [(&str, &str, Option<&str>); 7] = [
    ("string user_pool_id = 1 ", "string user_pool_id = 9 ", Some("the number \"1\"")),
    ("string provider_name = 2 ", "int64 provider_name = 2 ", Some("changed type")),
    ("[json_name = \"ProviderName\"]", "[json_name = \"providerName\"]", Some("\"json_name\"")),
    ("string request_id = 100;", "", Some("was deleted")),
    ("rpc DescribeIdentityProvider", "rpc GetIdentityProvider", Some("RPC \"DescribeIdentityProvider\"")),
    ("service IdentityProviderService", "service IdpService", Some("service \"IdentityProviderService\"")),
    ("string request_id = 100;", "string request_id = 100;\n  // New.\n  string note = 150;", None),
];

#[tokio::test]
async fn a_breaking_change_would_be_found() {
    let service = "idpproxy/cognito/v1/identity_provider_service.proto";
    let proto = repository().join("proto");
    let text = std::fs::read_to_string(proto.join(service)).unwrap();
    let files = ["cognito", "workspacesweb"].map(|api| {
        ["identity_provider", "identity_provider_service"].map(|file| format!("idpproxy/{api}/v1/{file}.proto"))
    });
    for (old, new, wanted) in CHANGES {
        let changed = Scratch::new();
        for file in files.as_flattened().iter().map(String::as_str).chain(["buf.yaml"]) {
            std::fs::create_dir_all(changed.join(file).parent().unwrap()).unwrap();
            std::fs::copy(proto.join(file), changed.join(file)).unwrap();
        }
        assert!(text.contains(old), "{old} is not in the proto");
        changed.file(service, text.replacen(old, new, 1));
        let output = breaking(&changed).await;
        let printed = printed(&output);
        match wanted {
            None => assert!(output.status.success(), "{new}\n{printed}"),
            Some(wanted) => {
                assert!(!output.status.success(), "{old} → {new} passes");
                assert!(printed.contains(wanted), "{old} → {new}\n{printed}");
            }
        }
    }
}
