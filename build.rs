//! Compiles `proto/` with a compiler written in Rust: no protoc is needed on the machine.

use std::{env, error::Error, fs, path::PathBuf};

const PROTOS: [&str; 2] = [
    "proto/idpproxy/cognito/v1/identity_provider_service.proto",
    "proto/idpproxy/workspacesweb/v1/identity_provider_service.proto",
];

/// Messages that hold provider details, which may be secret: no derived `Debug` may show them.
const WITH_DETAILS: [&str; 16] = [
    ".idpproxy.cognito.v1.IdentityProvider",
    ".idpproxy.cognito.v1.CreateIdentityProviderRequest",
    ".idpproxy.cognito.v1.CreateIdentityProviderResponse",
    ".idpproxy.cognito.v1.DescribeIdentityProviderResponse",
    ".idpproxy.cognito.v1.UpdateIdentityProviderRequest",
    ".idpproxy.cognito.v1.UpdateIdentityProviderResponse",
    ".idpproxy.cognito.v1.GetIdentityProviderByIdentifierResponse",
    ".idpproxy.workspacesweb.v1.IdentityProvider",
    ".idpproxy.workspacesweb.v1.IdentityProviderSummary",
    ".idpproxy.workspacesweb.v1.Tag",
    ".idpproxy.workspacesweb.v1.CreateIdentityProviderRequest",
    ".idpproxy.workspacesweb.v1.GetIdentityProviderResponse",
    ".idpproxy.workspacesweb.v1.UpdateIdentityProviderRequest",
    ".idpproxy.workspacesweb.v1.UpdateIdentityProviderResponse",
    ".idpproxy.workspacesweb.v1.ListIdentityProvidersResponse",
    ".idpproxy.cognito.v1.ListIdentityProvidersResponse",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(PROTOS)?;
    // Reflection serves exactly these bytes.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    fs::write(out.join("descriptor_set.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .btree_map(".") // a fixed order, so that equal messages have equal bytes
        .skip_debug(WITH_DETAILS)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
