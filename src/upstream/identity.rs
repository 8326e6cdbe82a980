//! How the SDK's clients of another account get the credentials of the caller that the current call serves.

use std::sync::Arc;

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};

use super::{accounts::Account, attempts::Attempts};
use crate::domain::Region;

/// The sessions of one account, for its clients in one region.
///
/// A client for each caller would cost as many clients as callers; so a client asks the record of the current call whose
/// session to use. Where there is no such call there are no credentials either.
#[derive(Debug)]
pub(super) struct CallersSession {
    pub(super) account: Arc<Account>,
    pub(super) region: Region,
}

impl CallersSession {
    async fn credentials(&self) -> Result<aws_credential_types::Credentials, CredentialsError> {
        let call = Attempts::current();
        let name = call.session_name().ok_or_else(|| CredentialsError::invalid_configuration("no caller is known"))?;
        let session = self.account.session(name, &self.region);
        let credentials = if let Some(credentials) = session.at_hand() {
            credentials
        } else {
            let _place = self.account.place().map_err(CredentialsError::provider_error)?;
            session.from_sts().await.map_err(CredentialsError::provider_error)?
        };
        call.uses(session, credentials.access_key_id());
        Ok(credentials)
    }
}

impl ProvideCredentials for CallersSession {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
