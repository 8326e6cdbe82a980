//! The eleven operations: their names at AWS, in policy and in metrics, and what repeating one does.

use std::fmt;

/// One of the two AWS APIs behind the proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Amazon Cognito user pools (awsJson1.1).
    Cognito,
    /// Amazon WorkSpaces Web, also called WorkSpaces Secure Browser (restJson1).
    WorkspacesWeb,
}

impl Service {
    /// AWS's endpoint prefix and signing name; the `service` of an error's `ErrorInfo`.
    pub const fn aws_name(self) -> &'static str {
        match self {
            Self::Cognito => "cognito-idp",
            Self::WorkspacesWeb => "workspaces-web",
        }
    }

    /// Fully qualified name of the gRPC service that mirrors this API.
    pub const fn grpc_name(self) -> &'static str {
        match self {
            Self::Cognito => "idpproxy.cognito.v1.IdentityProviderService",
            Self::WorkspacesWeb => "idpproxy.workspacesweb.v1.IdentityProviderService",
        }
    }
}

/// What an operation does to the configuration at AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Makes a provider.
    Create,
    /// Changes a provider.
    Update,
    /// Removes a provider.
    Delete,
}

/// Whether a call may be sent again when the fate of the first try is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeat {
    /// Nothing changes, however often it is sent.
    Read,
    /// A write whose second execution has no further effect; that of a delete may be told that nothing is there.
    SameEffect,
    /// A write that must not be sent again unless the first try surely was not executed.
    Once,
}

/// One RPC of the proxy, which is one operation of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Cognito `CreateIdentityProvider`.
    CognitoCreate,
    /// Cognito `DescribeIdentityProvider`.
    CognitoDescribe,
    /// Cognito `UpdateIdentityProvider`.
    CognitoUpdate,
    /// Cognito `DeleteIdentityProvider`.
    CognitoDelete,
    /// Cognito `ListIdentityProviders`.
    CognitoList,
    /// Cognito `GetIdentityProviderByIdentifier`.
    CognitoGetByIdentifier,
    /// WorkSpaces Web `CreateIdentityProvider`.
    WebCreate,
    /// WorkSpaces Web `GetIdentityProvider`.
    WebGet,
    /// WorkSpaces Web `UpdateIdentityProvider`.
    WebUpdate,
    /// WorkSpaces Web `ListIdentityProviders`.
    WebList,
    /// WorkSpaces Web `DeleteIdentityProvider`.
    WebDelete,
}

impl Action {
    /// Every action, in the order of the proto.
    pub const ALL: [Self; 11] = [
        Self::CognitoCreate,
        Self::CognitoDescribe,
        Self::CognitoUpdate,
        Self::CognitoDelete,
        Self::CognitoList,
        Self::CognitoGetByIdentifier,
        Self::WebCreate,
        Self::WebGet,
        Self::WebUpdate,
        Self::WebList,
        Self::WebDelete,
    ];

    /// The API that the operation belongs to.
    pub const fn service(self) -> Service {
        self.row().0
    }

    /// AWS's name of the operation, which is the RPC's name too.
    pub const fn operation(self) -> &'static str {
        self.row().1
    }

    /// What the operation does to the configuration at AWS.
    pub const fn effect(self) -> Effect {
        self.row().2
    }

    /// Whether anything can change at AWS.
    pub const fn is_write(self) -> bool {
        !matches!(self.effect(), Effect::Read)
    }

    /// `package.Service/Method`, as metrics and spans name the RPC (OpenTelemetry `rpc.method`).
    pub const fn grpc_method(self) -> &'static str {
        self.row().3
    }

    /// The action behind an HTTP/2 `:path` such as `/idpproxy.cognito.v1.IdentityProviderService/ListIdentityProviders`.
    pub fn of_path(path: &str) -> Option<Self> {
        let method = path.strip_prefix('/')?;
        Self::ALL.into_iter().find(|action| action.grpc_method() == method)
    }

    const fn row(self) -> (Service, &'static str, Effect, &'static str) {
        use Service::{Cognito, WorkspacesWeb};
        match self {
            Self::CognitoCreate => (
                Cognito,
                "CreateIdentityProvider",
                Effect::Create,
                "idpproxy.cognito.v1.IdentityProviderService/CreateIdentityProvider",
            ),
            Self::CognitoDescribe => (
                Cognito,
                "DescribeIdentityProvider",
                Effect::Read,
                "idpproxy.cognito.v1.IdentityProviderService/DescribeIdentityProvider",
            ),
            Self::CognitoUpdate => (
                Cognito,
                "UpdateIdentityProvider",
                Effect::Update,
                "idpproxy.cognito.v1.IdentityProviderService/UpdateIdentityProvider",
            ),
            Self::CognitoDelete => (
                Cognito,
                "DeleteIdentityProvider",
                Effect::Delete,
                "idpproxy.cognito.v1.IdentityProviderService/DeleteIdentityProvider",
            ),
            Self::CognitoList => (
                Cognito,
                "ListIdentityProviders",
                Effect::Read,
                "idpproxy.cognito.v1.IdentityProviderService/ListIdentityProviders",
            ),
            Self::CognitoGetByIdentifier => (
                Cognito,
                "GetIdentityProviderByIdentifier",
                Effect::Read,
                "idpproxy.cognito.v1.IdentityProviderService/GetIdentityProviderByIdentifier",
            ),
            Self::WebCreate => (
                WorkspacesWeb,
                "CreateIdentityProvider",
                Effect::Create,
                "idpproxy.workspacesweb.v1.IdentityProviderService/CreateIdentityProvider",
            ),
            Self::WebGet => (
                WorkspacesWeb,
                "GetIdentityProvider",
                Effect::Read,
                "idpproxy.workspacesweb.v1.IdentityProviderService/GetIdentityProvider",
            ),
            Self::WebUpdate => (
                WorkspacesWeb,
                "UpdateIdentityProvider",
                Effect::Update,
                "idpproxy.workspacesweb.v1.IdentityProviderService/UpdateIdentityProvider",
            ),
            Self::WebList => (
                WorkspacesWeb,
                "ListIdentityProviders",
                Effect::Read,
                "idpproxy.workspacesweb.v1.IdentityProviderService/ListIdentityProviders",
            ),
            Self::WebDelete => (
                WorkspacesWeb,
                "DeleteIdentityProvider",
                Effect::Delete,
                "idpproxy.workspacesweb.v1.IdentityProviderService/DeleteIdentityProvider",
            ),
        }
    }
}

impl fmt::Display for Action {
    /// The name that policies and the audit use, such as `cognito:CreateIdentityProvider`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = match self.service() {
            Service::Cognito => "cognito",
            Service::WorkspacesWeb => "workspacesweb",
        };
        write!(f, "{prefix}:{}", self.operation())
    }
}
