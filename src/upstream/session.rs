//! A caller's session with the role of another account: got from STS once, renewed before it ends.
//!
//! The SDK's identity cache would keep it too, but renews only when some 10 seconds are left, with the caller waiting, and
//! cannot drop a session that AWS says has ended.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use aws_credential_types::{Credentials, provider::error::CredentialsError};
use aws_sdk_sts::{
    error::{ProvideErrorMetadata as _, SdkError},
    operation::{
        RequestId as _,
        assume_role::{AssumeRoleError, builders::AssumeRoleFluentBuilder},
    },
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use tokio::{sync::watch, time::Instant};

use super::{classify, endpoint::InsecureEndpoint, failure::SdkFailure};
use crate::domain::AccountId;

/// With less than this left a session is renewed in the background, while calls go on with it. AWS gives an hour.
const RENEW_WHEN_LEFT: Duration = Duration::from_mins(5);
/// With less than this left a session is not used: the call might be on its way when it ends.
const LEFT_MIN: Duration = Duration::from_secs(10);
/// STS is not asked more often than this for one session, whatever it answers: a role that is refused must not use up
/// what STS grants to all accounts.
const REST: Duration = Duration::from_secs(5);

/// Why there are no credentials. Says neither the role nor STS's own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AssumeFailure {
    /// The row of the table of errors.
    pub(super) failure: SdkFailure,
    log: String,
}

impl fmt::Display for AssumeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.log)
    }
}

impl std::error::Error for AssumeFailure {}

impl AssumeFailure {
    fn new(account: &AccountId, failure: SdkFailure, why: &str) -> Self {
        Self { failure, log: format!("AssumeRole for account {account}: {why}") }
    }

    /// Too many calls wait already.
    pub(super) fn crowded(account: &AccountId) -> Self {
        Self::new(account, SdkFailure::CredentialsUnavailable, "too many calls wait for STS")
    }

    fn of_sts(account: &AccountId, error: &SdkError<AssumeRoleError, HttpResponse>) -> Self {
        let SdkError::ServiceError(answer) = error else {
            return Self::without_answer(account, error);
        };
        let code = answer.err().code().unwrap_or("an error without a code");
        let is_refusal = (400..500).contains(&answer.raw().status().as_u16());
        let failure = match code {
            "AccessDenied" | "AccessDeniedException" => SdkFailure::AssumeRoleDenied,
            "ExpiredToken" | "ExpiredTokenException" => SdkFailure::CredentialsExpired,
            "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "SignatureDoesNotMatch"
            | "InvalidSignatureException"
            | "IncompleteSignature"
            | "MissingAuthenticationToken" => SdkFailure::CredentialsInvalid,
            // STS is switched off there: the operator's doing.
            "RegionDisabledException" => SdkFailure::EndpointOfConfiguration,
            code if is_refusal && !code.contains("Throttl") && !code.starts_with("Request") => {
                SdkFailure::AssumeRoleDenied
            }
            _ => SdkFailure::CredentialsUnavailable,
        };
        let id = error.request_id().unwrap_or("unknown");
        Self::new(account, failure, &format!("STS answered {code}, request id {id}"))
    }

    /// STS was not asked or did not answer. Its errors hold no text of STS's then.
    fn without_answer(account: &AccountId, error: &SdkError<AssumeRoleError, HttpResponse>) -> Self {
        let (failure, why) = if classify::find::<InsecureEndpoint>(error).is_some() {
            (SdkFailure::EndpointOfConfiguration, "an endpoint with plain http must have a loopback host")
        } else {
            match classify::find::<CredentialsError>(error) {
                Some(CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_)) => {
                    (SdkFailure::CredentialsMissing, "the proxy has no credentials of its own")
                }
                Some(_) => (SdkFailure::CredentialsUnavailable, "the proxy's own credentials cannot be had"),
                None => (SdkFailure::CredentialsUnavailable, "STS cannot be reached or does not answer in time"),
            }
        };
        Self::new(account, failure, why)
    }
}

/// How a renewal ended; nothing while it is going on.
type Outcome = Option<Result<Credentials, AssumeFailure>>;

/// One caller's session. Debug shows no credentials.
pub(super) struct Session {
    account: AccountId,
    assume: AssumeRoleFluentBuilder,
    held: ArcSwapOption<Credentials>,
    /// The last renewal, and when it began.
    renewal: Mutex<Option<(Instant, watch::Receiver<Outcome>)>>,
    /// When AWS last said that the session has ended before its time, and the id of its key.
    dropped: Mutex<Option<(Instant, String)>>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session(in {})", self.account)
    }
}

impl Session {
    /// Not begun yet.
    pub(super) fn new(account: AccountId, assume: AssumeRoleFluentBuilder) -> Self {
        Self { account, assume, held: ArcSwapOption::empty(), renewal: Mutex::default(), dropped: Mutex::default() }
    }

    /// Credentials that can be used now, without asking STS; begins a renewal when it is time for one.
    pub(super) fn at_hand(self: &Arc<Self>) -> Option<Credentials> {
        let held = self.held.load_full()?;
        let left = left(&held);
        if left <= RENEW_WHEN_LEFT {
            drop(self.renew());
        }
        (left > LEFT_MIN).then(|| (*held).clone())
    }

    /// Credentials from STS. All that wait share one call, which goes on when they give up.
    pub(super) async fn from_sts(self: &Arc<Self>) -> Result<Credentials, AssumeFailure> {
        let mut renewal = self.renew();
        let ended = renewal.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        // A renewal that ended without a word panicked, and the panic hook has logged where.
        let unknown = || AssumeFailure::new(&self.account, SdkFailure::CredentialsUnavailable, "failed");
        ended.ok().flatten().unwrap_or_else(|| Err(unknown()))
    }

    /// AWS says that these credentials are of no use any more. Answers whether others may be had.
    pub(super) fn drop_held(&self, key_id: &str) -> bool {
        let mut dropped = lock(&self.dropped);
        let held = self.held.load_full();
        if held.as_ref().is_some_and(|held| held.access_key_id() != key_id) {
            return true;
        }
        if let Some((at, known)) = dropped.as_ref() {
            // Of several calls that were signed with it, the first has dropped it for all.
            if held.is_none() && known == key_id {
                return true;
            }
            if at.elapsed() < REST {
                return false;
            }
        }
        *dropped = Some((Instant::now(), key_id.to_owned()));
        self.held.compare_and_swap(&held, None);
        *lock(&self.renewal) = None;
        tracing::warn!(account = %self.account, "AWS says that a session has ended before its time; a new one is begun");
        true
    }

    /// The renewal that is going on or has just ended, or a new one.
    fn renew(self: &Arc<Self>) -> watch::Receiver<Outcome> {
        let mut renewal = lock(&self.renewal);
        if let Some((began, known)) = renewal.as_ref() {
            let is_going_on = known.borrow().is_none() && known.has_changed().is_ok();
            if is_going_on || began.elapsed() < REST {
                return known.clone();
            }
        }
        let (sender, receiver) = watch::channel(None);
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let outcome = session.assume().await;
            match &outcome {
                Ok(credentials) => session.held.store(Some(Arc::new(credentials.clone()))),
                Err(why) => tracing::warn!(%why, "no session with the role"),
            }
            sender.send_replace(Some(outcome));
        });
        *renewal = Some((Instant::now(), receiver.clone()));
        receiver
    }

    async fn assume(&self) -> Result<Credentials, AssumeFailure> {
        let answer = self.assume.clone().send().await;
        let answer = answer.map_err(|error| AssumeFailure::of_sts(&self.account, &error))?;
        let unusable = || AssumeFailure::new(&self.account, SdkFailure::CredentialsUnavailable, "STS gave no session");
        let given = answer.credentials.ok_or_else(unusable)?;
        let end = SystemTime::try_from(given.expiration).map_err(|_| unusable())?;
        if given.access_key_id.is_empty() || given.secret_access_key.is_empty() || given.session_token.is_empty() {
            return Err(unusable());
        }
        let (id, secret, token) = (given.access_key_id, given.secret_access_key, given.session_token);
        Ok(Credentials::new(id, secret, Some(token), Some(end), "AssumeRole"))
    }
}

/// How long credentials can still be used.
fn left(credentials: &Credentials) -> Duration {
    let end = credentials.expiry().unwrap_or(SystemTime::UNIX_EPOCH);
    end.duration_since(SystemTime::now()).unwrap_or_default()
}

/// What the locks guard is replaced as a whole, so that a poisoned one is as good.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use aws_config::{BehaviorVersion, SdkConfig};
    use aws_credential_types::Credentials;

    use super::Session;
    use crate::domain::AccountId;

    #[test]
    fn each_call_that_hears_of_the_end_of_a_session_may_have_another_but_no_second_one() {
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::v2026_01_12()).build();
        let account = AccountId::parse("111122223333").unwrap();
        let session = Session::new(account, aws_sdk_sts::Client::new(&sdk).assume_role());
        let hold = |key: &str| session.held.store(Some(Arc::new(Credentials::new(key, "s", None, None, "test"))));
        hold("first");
        assert!(session.drop_held("first"));
        assert!(session.drop_held("first"), "signed before the first call heard of it");
        hold("second");
        assert!(session.drop_held("first"), "the second one may do");
        assert!(!session.drop_held("second"), "then it is not the session");
        hold("first");
        assert!(!session.drop_held("first"), "given a second time");
    }
}
