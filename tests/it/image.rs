//! The image of `deploy/docker/`, built offline by the real buildah from the binary under test: what is in it, and that the proxy
//! serves in it as a user without rights, on a root that nobody can write.

use std::{
    collections::BTreeSet,
    fs::Permissions,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    Authority, FakeAws, Proxy, SANDBOX_USER_POOL, Scratch, details, eventually, finish, repository, tls_channel, tool,
};

/// What the binary is linked with; more would be a surprise.
const LIBRARIES: [&str; 4] = ["ld-linux-x86-64.so.2", "libc.so.6", "libgcc_s.so.1", "libm.so.6"];
/// Far more than it has, though the tests' binary is not optimised.
const BYTES_MAX: u64 = 160 * 1024 * 1024;

/// An image in a store of its own, and a container of it.
struct Image {
    scratch: Scratch,
    config: Value,
    root: PathBuf,
}

impl Image {
    async fn build() -> Self {
        let scratch = Scratch::new();
        let here = scratch.to_str().unwrap();
        let store = format!("[storage]\ndriver = \"vfs\"\nrunroot = \"{here}/run\"\ngraphroot = \"{here}/graph\"\n");
        scratch.file("storage.conf", store);
        let mut image = Self { scratch, config: Value::Null, root: PathBuf::new() };
        let script = repository().join("deploy/docker/image.sh");
        image.run(script.to_str().unwrap(), &[env!("CARGO_BIN_EXE_idp-proxy"), "idp-proxy:test"]).await;
        let inspected = image.run("buildah", &["inspect", "--type", "image", "idp-proxy:test"]).await;
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        image.config = inspected["OCIv1"]["config"].clone();
        let container = image.run("buildah", &["from", "--pull-never", "idp-proxy:test"]).await;
        image.root = image.run("buildah", &["mount", container.trim()]).await.trim().into();
        // A runtime makes the places for what it mounts.
        std::fs::create_dir(image.root.join("etc/idp-proxy")).unwrap();
        image
    }

    /// Runs a program to its end, in a namespace of users where this one is not root.
    async fn run(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = self.command(program);
        let output = finish(command.args(arguments)).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn command(&self, program: &str) -> Command {
        let is_root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
        let mut command = if is_root { Command::new(program) } else { Command::new("buildah") };
        if !is_root {
            command.args(["unshare", "--", program]);
        }
        command.env("CONTAINERS_STORAGE_CONF", self.scratch.join("storage.conf")).env("BUILDAH_ISOLATION", "chroot");
        command.env("TMPDIR", &*self.scratch);
        command
    }

    /// The image's entry point with these arguments as the image's user, on a read-only root, with `etc` mounted as Kubernetes
    /// does. No /proc, no /dev, no /tmp: less than any runtime gives.
    fn entry(&self, etc: &Path, arguments: &[&str]) -> Command {
        const ENTER: &str = r#"mount --make-rprivate /; mount --bind "$1" "$1"; mount --bind "$2" "$1/etc/idp-proxy"
            mount -o remount,bind,ro "$1/etc/idp-proxy"; mount -o remount,bind,ro "$1"
            root="$1" user="$3"; shift 3; exec chroot --userspec="$user" "$root" "$@""#;
        let mut command = self.command("unshare");
        command.args(["--mount", "sh", "-ec", ENTER, "enter"]).arg(&self.root).arg(etc);
        command.arg(self.config["User"].as_str().unwrap());
        for word in self.config["Entrypoint"].as_array().unwrap() {
            command.arg(word.as_str().unwrap());
        }
        command.args(arguments);
        command
    }
}

/// Every file under a directory, by its path in it.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

/// A directory that the image's user can read, as mounted ones are.
fn legible(directory: &Path) {
    for path in files(directory) {
        std::fs::set_permissions(path, Permissions::from_mode(0o444)).unwrap();
    }
    std::fs::set_permissions(directory, Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_image_holds_what_the_binary_needs_and_nothing_else() {
    let image = Image::build().await;
    let (mut names, mut bytes) = (BTreeSet::new(), 0);
    for file in files(&image.root) {
        let metadata = std::fs::symlink_metadata(&file).unwrap();
        assert!(metadata.is_file(), "{}", file.display());
        let mode = metadata.permissions().mode() & 0o7777;
        assert!([0o644, 0o755].contains(&mode) && metadata.uid() == 0, "{}: {mode:o}", file.display());
        bytes += metadata.len();
        let path = file.strip_prefix(&image.root).unwrap();
        let is_library = path.starts_with("lib") || path.starts_with("lib64") || path.starts_with("usr/lib");
        let name = if is_library { path.file_name().unwrap().into() } else { path.to_owned() };
        names.insert(name.to_str().unwrap().to_owned());
    }
    let own = ["etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt", "usr/bin/idp-proxy"];
    let wanted: BTreeSet<String> = own.iter().chain(&LIBRARIES).map(|name| (*name).to_owned()).collect();
    assert_eq!(names, wanted);
    assert!(bytes < BYTES_MAX, "the image has {} files of {bytes} bytes in all", names.len());
    assert_eq!(image.config["User"], "65532:65532");
    assert_eq!(image.config["Entrypoint"], json!(["/usr/bin/idp-proxy"]));
    assert_eq!(image.config["Cmd"], json!(["serve", "--config", "/etc/idp-proxy/idp-proxy.toml"]));
    assert_eq!(image.config["ExposedPorts"], json!({ "50051/tcp": {}, "9090/tcp": {} }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_in_the_image_serves_grpcurl_without_rights_and_a_writable_root() {
    let image = Image::build().await;
    let etc = Scratch::new();
    etc.file("idp-proxy.toml", "[server]\ndeadline_max_ms = 20000\n");
    legible(&etc);
    let config = ["--config", "/etc/idp-proxy/idp-proxy.toml"];
    let serve =
        ["serve", "--sandbox", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", config[0], config[1]];
    let proxy = Proxy::of(image.entry(&etc, &serve), &[]).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.pid())).unwrap();
    assert!(status.contains("\nUid:\t65532\t65532\t65532\t65532\n"), "{status}");
    assert!(status.contains("\nCapEff:\t0000000000000000\n"), "{status}");
    let create = json!({
        "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "Corp", "ProviderType": "OIDC", "ProviderDetails": details("OIDC"),
    });
    let mut grpcurl = Command::new(tool("venv/bin/grpcurl"));
    grpcurl.args(["-plaintext", "-d", &create.to_string(), &proxy.address]);
    let output = finish(grpcurl.arg("idpproxy.cognito.v1.IdentityProviderService/CreateIdentityProvider")).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"ProviderName\": \"Corp\""));
    assert_eq!(proxy.terminate().await.code(), Some(0));

    // It is read-only: where the audit cannot be written nothing is served.
    let audit = ["IDP_PROXY__AUDIT__SINK=/audit.jsonl"];
    let mut refused = image.entry(&etc, &serve);
    let (name, value) = audit[0].split_once('=').unwrap();
    let refused = finish(refused.env(name, value)).await;
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(64) && why.contains("Read-only file system"), "{why}");
}

/// Files as the kubelet lays them: links to a directory that is exchanged as a whole.
fn volume(etc: &Path, name: &str, version: &str, content: &[(&str, &[u8])]) {
    let volume = etc.join(name);
    let data = volume.join(format!("..{version}"));
    std::fs::create_dir_all(&data).unwrap();
    for (file, bytes) in content {
        std::fs::write(data.join(file), bytes).unwrap();
        if std::fs::symlink_metadata(volume.join(file)).is_err() {
            std::os::unix::fs::symlink(format!("..data/{file}"), volume.join(file)).unwrap();
        }
    }
    std::os::unix::fs::symlink(format!("..{version}"), volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_kubernetes_volumes_it_serves_by_mutual_tls_and_takes_up_new_policies() {
    let (image, aws, authority, etc) =
        (Image::build().await, FakeAws::start(&[]).await, Authority::new("everyone"), Scratch::new());
    let server = authority.server();
    std::fs::set_permissions(&*etc, Permissions::from_mode(0o755)).unwrap();
    let config = "[server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
        [server.tls]\ncertificate = \"/etc/idp-proxy/tls/tls.crt\"\nprivate_key = \"/etc/idp-proxy/tls/tls.key\"\n\
        client_ca = \"/etc/idp-proxy/tls/ca.crt\"\n[policy]\ndirectory = \"/etc/idp-proxy/policies\"\n";
    volume(&etc, "config", "1", &[("idp-proxy.toml", config.as_bytes())]);
    let ca = authority.pem();
    let tls = [
        ("tls.crt", server.certificate.as_bytes()),
        ("tls.key", server.private_key.as_bytes()),
        ("ca.crt", ca.as_bytes()),
    ];
    volume(&etc, "tls", "1", &tls);
    volume(&etc, "policies", "1", &[("all.cedar", b"@id(\"nothing\") forbid (principal, action, resource);")]);
    let serve = ["serve", "--config", "/etc/idp-proxy/config/idp-proxy.toml"];
    let environment =
        [("AWS_ENDPOINT_URL", aws.endpoint.as_str()), ("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x")];
    let proxy = Proxy::of(image.entry(&etc, &serve), &environment).await;

    let leaf = authority.client(&["spiffe://prod.example/ns/iam/sa/console"]);
    let channel = tls_channel(&proxy.address, &authority, Some(&leaf)).await.unwrap();
    let mut client =
        idp_proxy::proto::cognito::v1::identity_provider_service_client::IdentityProviderServiceClient::new(channel);
    let list = || idp_proxy::proto::cognito::v1::ListIdentityProvidersRequest {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        ..Default::default()
    };
    let refused = client.list_identity_providers(list()).await.map(drop).unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused:?}");
    let permit = b"permit (principal, action, resource) when { principal has trust_domain && principal.trust_domain == \"prod.example\" };";
    volume(&etc, "policies", "2", &[("all.cedar", permit)]);
    eventually("the new policy", async || client.list_identity_providers(list()).await.ok()).await;
}

/// Where the image's authorities are is where the program looks for them.
#[tokio::test]
async fn https_works_with_the_authorities_of_the_image_and_not_without_them() {
    let image = Image::build().await;
    let etc = Scratch::new();
    let keys =
        "issuer = \"https://login.example\"\naudience = \"idp-proxy\"\njwks_url = \"https://login.example/jwks\"\n";
    etc.file("idp-proxy.toml", format!("[policy]\ndirectory = \"/etc/idp-proxy\"\n[[identity.jwt]]\n{keys}"));
    legible(&etc);
    let check = ["check", "--config", "/etc/idp-proxy/idp-proxy.toml"];
    let checked = finish(&mut image.entry(&etc, &check)).await;
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    std::fs::remove_file(image.root.join("etc/ssl/certs/ca-certificates.crt")).unwrap();
    let checked = finish(&mut image.entry(&etc, &check)).await;
    let why = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.code() == Some(64) && why.contains("certificates that this machine trusts"), "{why}");
}

/// The stage that needs the network is not run here. What it copies is all that cargo asks for, and its shape is hadolint's.
#[tokio::test]
async fn the_dockerfile_has_no_finding_and_copies_what_cargo_needs() {
    let dockerfile = repository().join("deploy/docker/Dockerfile");
    let hadolint = finish(Command::new(tool("venv/bin/hadolint")).arg(&dockerfile)).await;
    assert!(hadolint.status.success(), "{}", String::from_utf8_lossy(&hadolint.stdout));
    let text = std::fs::read_to_string(&dockerfile).unwrap();
    // Only the compiler that made the release's profile can use it.
    let compiler = std::fs::read_to_string(repository().join("deploy/release/compiler.txt")).unwrap();
    let version = compiler.split(' ').nth(1).unwrap();
    assert!(text.contains(&format!("FROM docker.io/library/rust:{version}-bookworm AS build\n")), "{version}");
    let source = Scratch::new();
    let copied = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    for line in copied {
        let mut words: Vec<&str> = line.split(' ').collect();
        let to = source.join(words.pop().unwrap());
        // As docker does.
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        for from in words {
            let copy = finish(Command::new("cp").arg("-r").arg(repository().join(from)).arg(&to)).await;
            assert!(copy.status.success(), "{line}");
        }
    }
    let mut cargo = Command::new(env!("CARGO"));
    let metadata = cargo.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    let read = finish(metadata.current_dir(&*source)).await;
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}
