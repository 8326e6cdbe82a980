//! Makes an OIDC and a SAML provider in a user pool and one in a `WorkSpaces` Web portal; examples/README.md says how to run it.
//!
//! A crate of its own has the clients from `tonic_prost_build::compile_protos` instead of `idp_proxy::proto`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use idp_proxy::proto::{
    cognito::v1::{
        CreateIdentityProviderRequest as CreateInPool,
        identity_provider_service_client::IdentityProviderServiceClient as Pools,
    },
    workspacesweb::v1::{
        CreateIdentityProviderRequest as CreateInPortal,
        identity_provider_service_client::IdentityProviderServiceClient as Portals,
    },
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

const POOL: &str = "us-east-1_Sandbox01";
const PORTAL: &str = "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";
/// One id for each change, kept wherever the change is kept (a ticket, a row), so that another run repeats the same call.
const CHANGE: &str = "ticket-4711-rust";
const DEADLINE: Duration = Duration::from_secs(10);
const TRIES: u32 = 4;
/// What a call with a `request_id` may be repeated after: nothing was done, or it is not known what was.
const REPEATABLE: [Code; 5] =
    [Code::Unavailable, Code::Unknown, Code::DeadlineExceeded, Code::Cancelled, Code::Aborted];

/// Calls until the outcome is known. The request must have a `request_id`. tonic reads no service config, so throttled calls
/// wait here too.
async fn call<Q: Clone, A>(
    method: impl AsyncFn(Request<Q>) -> Result<Response<A>, Status>,
    message: &Q,
) -> Result<A, Status> {
    let mut attempt = 1;
    loop {
        let mut request = Request::new(message.clone());
        // Sent as `grpc-timeout`, so that the proxy and its calls to AWS end with it too.
        request.set_timeout(DEADLINE);
        let error = match method(request).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(error) => error,
        };
        let asked = error.get_details_retry_info().and_then(|info| info.retry_delay);
        let is_throttled = error.code() == Code::ResourceExhausted && asked.is_some();
        if attempt == TRIES || !(REPEATABLE.contains(&error.code()) || is_throttled) {
            return Err(error);
        }
        tokio::time::sleep(asked.unwrap_or(Duration::from_millis(250) * 2_u32.pow(attempt))).await;
        attempt += 1;
    }
}

/// All that the proxy says about a refusal. No secret is ever in it.
fn explain(error: &Status) {
    eprintln!("{:?}: {}", error.code(), error.message());
    if let Some(info) = error.get_details_error_info() {
        eprintln!("  reason {}, {:?}", info.reason, info.metadata);
    }
    for violation in error.get_details_bad_request().into_iter().flat_map(|bad| bad.field_violations) {
        eprintln!("  {}: {}", violation.field, violation.description);
    }
}

fn details<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

async fn create(channel: Channel, issuer: &str) -> Result<(), Status> {
    let pools = Pools::new(channel.clone());
    let portals = Portals::new(channel);
    let oidc = CreateInPool {
        user_pool_id: POOL.to_owned(),
        provider_name: "RustOidc".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details([
            ("client_id", "my-client"),
            ("client_secret", "my-secret"),
            ("authorize_scopes", "openid email"),
            ("oidc_issuer", issuer),
            ("attributes_request_method", "GET"),
        ]),
        attribute_mapping: details([("email", "email")]),
        request_id: format!("{CHANGE}-oidc"),
        ..CreateInPool::default()
    };
    let saml = CreateInPool {
        user_pool_id: POOL.to_owned(),
        provider_name: "RustSaml".to_owned(),
        provider_type: "SAML".to_owned(),
        provider_details: details([("MetadataURL", "https://idp.example/metadata")]),
        request_id: format!("{CHANGE}-saml"),
        ..CreateInPool::default()
    };
    for request in [oidc, saml] {
        let answer = call(async |request| pools.clone().create_identity_provider(request).await, &request).await?;
        let made = answer.identity_provider.unwrap_or_default();
        let created = made.creation_date.unwrap_or_default();
        println!("{} {} {created}", made.provider_name, made.provider_type);
    }
    let portal = CreateInPortal {
        portal_arn: PORTAL.to_owned(),
        identity_provider_name: "RustSaml".to_owned(),
        identity_provider_type: "SAML".to_owned(),
        identity_provider_details: details([("MetadataURL", "https://idp.example/metadata")]),
        request_id: format!("{CHANGE}-portal"),
        ..CreateInPortal::default()
    };
    let made = call(async |request| portals.clone().create_identity_provider(request).await, &portal).await?;
    println!("{}", made.identity_provider_arn);
    Ok(())
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        eprintln!("usage: create_providers ADDRESS [ISSUER]");
        return ExitCode::FAILURE;
    };
    let issuer = arguments.next().unwrap_or_else(|| "https://idp.example".to_owned());
    // In production: https:// and `tls_config`. A connection is made by the first call, and made anew when it breaks.
    let endpoint = match Endpoint::from_shared(format!("http://{address}")) {
        Ok(endpoint) => endpoint.connect_timeout(Duration::from_secs(2)),
        Err(why) => {
            eprintln!("{address}: {why}");
            return ExitCode::FAILURE;
        }
    };
    match create(endpoint.connect_lazy(), &issuer).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            explain(&error);
            ExitCode::FAILURE
        }
    }
}
