//! The embedded fake AWS: the identity-provider operations of Amazon Cognito user pools (awsJson1.1) and of
//! Amazon `WorkSpaces` Web (restJson1), in memory, over plain HTTP/1.1, for any AWS client.
//!
//! Cognito: create, describe, update, delete, list, get by identifier. `WorkSpaces` Web: create, get, update, delete,
//! list, and the three tag operations on identity providers (Terraform reads tags after every write).
//!
//! It is written from AWS's documents and service models and knows nothing of the proxy, so that the two can disagree.
//! Where AWS's documents are silent the code says `Our choice:` and why.
//!
//! What it does not do:
//!
//! * The *shape* of a `SigV4` signature is checked, the signature itself is not: any key pair works.
//! * Nothing is ever fetched: for a `MetadataURL` plausible endpoints are derived from its host. Hosts under
//!   `unreachable.invalid` stand for an unreachable server, so that this failure can be seen too.
//! * Pools have no schema: every standard attribute and every `custom:` attribute can be mapped.
//! * `NotAuthorizedException`, `ConcurrentModificationException`, `UnsupportedIdentityProviderException`,
//!   `AccessDeniedException` and the internal errors never happen by themselves.
//! * Submitted values are echoed in validation errors as AWS does it, but no secret is ever logged.
//!
//! A region is an endpoint of its own at AWS; here it is the region of the signature's credential scope, and a resource
//! of another region does not exist. All pools and portals belong to one account. State is lost when the process ends.

use std::{collections::BTreeSet, fmt, io, net::SocketAddr, str::FromStr, sync::Arc};

use axum::serve::ListenerExt;
use tokio::net::TcpListener;

mod cognito;
mod constraint;
mod detail;
mod digest;
mod fault;
mod members;
mod page;
mod quota;
mod saml;
mod signature;
mod wire;
mod workspacesweb;

/// The user pool that exists when none is named.
pub const SANDBOX_USER_POOL: &str = "us-east-1_Sandbox01";

/// The web portal that exists when none is named.
pub const SANDBOX_PORTAL: &str =
    "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";

/// Whether AWS's quotas are enforced: request rates, and how many providers a pool or portal may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quota {
    /// None of them: for tests that are about something else.
    #[default]
    Off,
    /// AWS's default values.
    Real,
}

impl FromStr for Quota {
    type Err = FakeAwsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            "real" => Ok(Self::Real),
            other => Err(FakeAwsError::UnknownQuota(other.to_owned())),
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Off => "off",
            Self::Real => "real",
        })
    }
}

/// What exists in the fake AWS from its start.
///
/// An empty list stands for the sandbox resource of its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// IDs of the Cognito user pools, such as [`SANDBOX_USER_POOL`]. The region is read from the ID.
    pub user_pools: Vec<String>,
    /// ARNs of the `WorkSpaces` Web portals, such as [`SANDBOX_PORTAL`].
    pub portals: Vec<String>,
    /// Whether AWS's quotas are enforced.
    pub quota: Quota,
}

impl Settings {
    /// The two sandbox resources, without quotas.
    pub fn sandbox() -> Self {
        Self {
            user_pools: vec![SANDBOX_USER_POOL.to_owned()],
            portals: vec![SANDBOX_PORTAL.to_owned()],
            quota: Quota::Off,
        }
    }

    /// Fills an empty list with its sandbox resource.
    fn or_sandbox(&self) -> Self {
        let Self { user_pools, portals, .. } = Self::sandbox();
        let or = |named: &Vec<String>, sandbox| {
            if named.is_empty() { sandbox } else { named.clone() }
        };
        Self { user_pools: or(&self.user_pools, user_pools), portals: or(&self.portals, portals), quota: self.quota }
    }
}

/// Why the fake AWS could not start.
#[derive(Debug, thiserror::Error)]
pub enum FakeAwsError {
    /// Not a user pool ID: `REGION_LettersAndDigits`, at most 55 characters.
    #[error("`{0}` is not a user pool ID such as `{SANDBOX_USER_POOL}`")]
    MalformedUserPool(String),
    /// Not the ARN of a web portal.
    #[error("`{0}` is not a portal ARN such as `{SANDBOX_PORTAL}`")]
    MalformedPortal(String),
    /// Neither `off` nor `real`.
    #[error("`{0}` is not a quota setting: `off` or `real`")]
    UnknownQuota(String),
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
}

/// A fake AWS that listens but does not serve yet.
pub struct FakeAws {
    listener: TcpListener,
    local_addr: SocketAddr,
    world: Arc<wire::World>,
}

impl FakeAws {
    /// Checks the settings and binds the port; port 0 takes any free one.
    pub async fn bind(listen: SocketAddr, settings: &Settings) -> Result<Self, FakeAwsError> {
        let settings = settings.or_sandbox();
        let pools = settings
            .user_pools
            .iter()
            .map(|id| {
                cognito::pool_region(id)
                    .ok_or_else(|| FakeAwsError::MalformedUserPool(id.clone()))
                    .map(|region| (id.clone(), region))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let portals = settings
            .portals
            .iter()
            .map(|arn| workspacesweb::PortalArn::parse(arn).ok_or_else(|| FakeAwsError::MalformedPortal(arn.clone())))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let world = Arc::new(wire::World::new(pools, portals, settings.quota));
        let bind = |source| FakeAwsError::Bind { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(bind)?;
        let local_addr = listener.local_addr().map_err(bind)?;
        Ok(Self { listener, local_addr, world })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `stop` is ready; then takes no new connections and ends when the running requests are answered.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        // Without TCP_NODELAY an answer in two segments can wait 40 ms for a delayed ACK.
        let listener = self.listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY refused");
            }
        });
        axum::serve(listener, wire::router(self.world)).with_graceful_shutdown(stop).await
    }
}

impl fmt::Debug for FakeAws {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FakeAws").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}
