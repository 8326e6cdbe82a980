//! By when a call must be answered: the caller's `grpc-timeout` less a margin, or the configured maximum.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::fault::Deadline;

/// The part of a caller's timeout that is kept back, so that our answer arrives before the transport gives up.
const MARGIN_PART: u32 = 10;
/// However long the timeout, an answer needs no more than this to travel.
const MARGIN_MAX: Duration = Duration::from_millis(100);

/// When a call has to end, and whose limit that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    /// The moment.
    pub at: Instant,
    /// Whose limit it is.
    pub whose: Deadline,
}

impl TimeLimit {
    /// The sooner of the caller's limit and ours (`most` after `arrival`).
    ///
    /// # Errors
    /// When there is a `grpc-timeout` that cannot be read.
    pub fn of(headers: &HeaderMap, arrival: Instant, most: Duration) -> Result<Self, String> {
        let ours = Self { at: arrival + most, whose: Deadline::Ours };
        let Some(header) = headers.get("grpc-timeout") else {
            return Ok(ours);
        };
        let asked = header.to_str().ok().and_then(parse);
        let asked = asked.ok_or("must be 1 to 8 digits and a unit of H, M, S, m, u or n")?;
        if asked > most {
            return Ok(ours);
        }
        let margin = (asked / MARGIN_PART).min(MARGIN_MAX);
        Ok(Self { at: arrival + asked.saturating_sub(margin), whose: Deadline::Callers })
    }

    /// Does some work until this moment, or until the server gives up on what is in flight.
    ///
    /// # Errors
    /// Whose limit it was. Work for which there is no time at all is not begun.
    pub async fn bound<T>(self, given_up: &CancellationToken, work: impl Future<Output = T>) -> Result<T, Deadline> {
        if given_up.is_cancelled() {
            return Err(Deadline::Drain);
        }
        if self.at <= Instant::now() {
            return Err(self.whose);
        }
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = given_up.cancelled() => Err(Deadline::Drain),
            () = sleep_until(self.at) => Err(self.whose),
        }
    }
}

/// `Timeout → TimeoutValue TimeoutUnit` of gRPC's HTTP/2 protocol.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use tokio::time::Instant;

    use super::TimeLimit;
    use crate::fault::Deadline;

    #[test]
    fn the_sooner_limit_counts_and_the_callers_has_a_margin() {
        let now = Instant::now();
        let most = Duration::from_secs(30);
        let of = |timeout: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", timeout.parse().unwrap());
            TimeLimit::of(&headers, now, most)
        };
        for (timeout, limit_ms, whose) in [
            ("100m", 90, Deadline::Callers),
            ("10S", 9_900, Deadline::Callers),
            ("1H", 30_000, Deadline::Ours),
            ("99999999H", 30_000, Deadline::Ours),
            ("0n", 0, Deadline::Callers),
        ] {
            let limit = of(timeout).unwrap();
            assert_eq!((limit.at - now, limit.whose), (Duration::from_millis(limit_ms), whose), "{timeout}");
        }
        for wrong in ["", "S", "10", "-1S", "123456789S", "1s", "1.5S", "1é"] {
            let mut headers = HeaderMap::new();
            let Ok(value) = wrong.parse() else { continue };
            headers.insert("grpc-timeout", value);
            assert!(TimeLimit::of(&headers, now, most).is_err(), "{wrong}");
        }
    }
}
