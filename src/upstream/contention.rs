//! Cognito changes a pool for one caller at a time and refuses the others, who are to come again.

use std::time::Duration;

use tokio::time::Instant;

use super::UpstreamFault;

/// Cognito's refusal of a write while another one changes the same pool: it surely was not executed.
const CONTENDED: &str = "ConcurrentModificationException";
/// Before the second try at most; the double before each further one.
const FIRST_PAUSE_MAX: Duration = Duration::from_millis(200);
/// Between two tries at most.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// What a try takes at least: one that begins later than this before the deadline would only be cut off.
const TRY_MIN: Duration = Duration::from_millis(200);

/// Calls again, after a random pause, while AWS is changing the pool for somebody else and the deadline allows it.
///
/// # Errors
/// AWS's last answer.
pub(crate) async fn unless_contended<T, F>(deadline: Instant, mut call: impl FnMut() -> F) -> Result<T, UpstreamFault>
where
    F: Future<Output = Result<T, UpstreamFault>>,
{
    let mut longest = FIRST_PAUSE_MAX;
    loop {
        let fault = match call().await {
            Err(fault) if fault.is_code(CONTENDED) => fault,
            outcome => return outcome,
        };
        // Random, so that those who were refused together do not come back together.
        let next = Instant::now() + longest.mul_f64(rand::random_range(0.5..1.0));
        if next + TRY_MIN > deadline {
            return Err(fault);
        }
        tokio::time::sleep_until(next).await;
        longest = (longest * 2).min(PAUSE_MAX);
    }
}
