//! AWS's request quotas: which there are, which one a request spends, and what this replica may spend of each.

use super::bucket::Rate;
use crate::domain::{Resource, Service, Subject};

/// Requests per second that this replica may spend; none: no limit of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Cognito's `UserPoolResourceUpdate`, of each account and region.
    pub cognito_write: Option<Rate>,
    /// Cognito's `UserPoolResourceRead`, of each account and region.
    pub cognito_read: Option<Rate>,
    /// Each operation on each user pool.
    pub cognito_per_pool: Option<Rate>,
    /// `WorkSpaces` Web, of each account and region.
    pub workspacesweb: Option<Rate>,
}

/// A budget of an account in a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// Changes to Cognito's pools.
    CognitoWrite,
    /// Reads of Cognito's pools.
    CognitoRead,
    /// Everything of `WorkSpaces` Web.
    WorkspacesWeb,
}

impl Category {
    /// What a request of this operation spends. AWS's names of operations say what they do.
    pub(super) fn of(service: Service, operation: &str) -> Self {
        let is_read = ["Describe", "Get", "List"].iter().any(|start| operation.starts_with(start));
        match service {
            Service::WorkspacesWeb => Self::WorkspacesWeb,
            Service::Cognito if is_read => Self::CognitoRead,
            Service::Cognito => Self::CognitoWrite,
        }
    }

    /// As in configuration and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CognitoWrite => "cognito_write",
            Self::CognitoRead => "cognito_read",
            Self::WorkspacesWeb => "workspacesweb",
        }
    }

    /// AWS's name of the quota.
    pub const fn aws_name(self) -> &'static str {
        match self {
            Self::CognitoWrite => "UserPoolResourceUpdate",
            Self::CognitoRead => "UserPoolResourceRead",
            Self::WorkspacesWeb => "RequestRate",
        }
    }

    /// AWS's code of the quota; `WorkSpaces` Web's rates are not documented.
    pub const fn aws_code(self) -> &'static str {
        match self {
            Self::CognitoWrite => "L-B7575496",
            Self::CognitoRead => "L-A01C9633",
            Self::WorkspacesWeb => "",
        }
    }
}

impl Limits {
    /// What this replica may spend of a category.
    pub(super) fn of(&self, category: Category) -> Option<Rate> {
        match category {
            Category::CognitoWrite => self.cognito_write,
            Category::CognitoRead => self.cognito_read,
            Category::WorkspacesWeb => self.workspacesweb,
        }
    }

    /// What this replica may spend on one operation of one pool; portals have no such quota.
    pub(super) fn per_pool(&self, category: Category) -> Option<Rate> {
        if category == Category::WorkspacesWeb { None } else { self.cognito_per_pool }
    }
}

/// The operation that a call begins with at AWS: one that only asks what would happen reads.
pub(super) fn first_operation(subject: &Subject<'_>) -> &'static str {
    match (subject.validate_only(), subject.resource) {
        (false, _) => subject.action.operation(),
        (true, Resource::UserPool(_)) => "DescribeIdentityProvider",
        (true, Resource::Portal(_)) => "GetIdentityProvider",
    }
}
