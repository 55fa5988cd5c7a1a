//! When a client comes back: which losses are worth another try, and how long to wait before it.

use std::time::{Duration, SystemTime};

use crate::error::{Error, ErrorCode};
use crate::event_loop::CloseEvent;

/// Longest wait that a server may ask for with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// How a client comes back by itself when its connection is lost or could not be made.
///
/// The wait before the nth attempt in a row is a random time of at most `initial` doubled n times and
/// of at most `max`, so that the clients of a server that was restarted do not come all at once. A
/// server's `Retry-After` is a wait of at least that long, up to an hour.
///
/// Another try is made after everything but this: the application closed; the peer closed with 1000
/// or without a code, or with 1002, 1003, 1007 to 1010, 3000 or 3003; the server answered with a
/// status that is neither 5xx nor 408, 425 or 429; its certificate or its handshake is wrong; an
/// argument is. [`Handler::on_reconnect`](crate::Handler::on_reconnect) may decide otherwise.
///
/// ```
/// # fn main() -> Result<(), tightwire::Error> {
/// use tightwire::{ClientOptions, Reconnect};
/// let options = ClientOptions::new("wss://example.com/")?.reconnect(Reconnect::default());
/// # let _ = options;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The most that the first wait may take. Default 250 ms.
    pub initial: Duration,
    /// The most that any wait may take. Default 30 s.
    pub max: Duration,
    /// A connection that was open for so long makes the next wait a first one again. Default 60 s.
    pub reset_after: Duration,
    /// Attempts in a row before giving up; `None`: no limit, which is the default.
    pub max_attempts: Option<u32>,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(250),
            max: Duration::from_secs(30),
            reset_after: Duration::from_secs(60),
            max_attempts: None,
        }
    }
}

impl Reconnect {
    /// Says which field makes no sense.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let cause = match self {
            Self { initial: Duration::ZERO, .. } => "reconnect: initial is 0",
            Self { initial, max, .. } if max < initial => "reconnect: max is less than initial",
            Self { max_attempts: Some(0), .. } => "reconnect: max_attempts is 0",
            _ => return Ok(()),
        };
        Err(Error::argument(cause))
    }
}

/// What is known of a connection that is lost or was not made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loss {
    /// The close code, as in [`CloseEvent`].
    pub close_code: u16,
    /// What went wrong, if anything did.
    pub error: Option<ErrorCode>,
    /// The status of a server or proxy that refused.
    pub status: Option<u16>,
    /// The wait that the server asks for.
    pub retry_after: Option<Duration>,
    /// How long the connection was open.
    pub open_for: Duration,
}

impl From<&CloseEvent> for Loss {
    fn from(close: &CloseEvent) -> Self {
        let error = close.error.as_ref();
        let http = error.and_then(Error::http);
        Self {
            close_code: close.code,
            error: error.map(Error::code),
            status: http.map(|reply| reply.status),
            retry_after: http.and_then(|reply| retry_after(reply.headers.get("retry-after")?)),
            open_for: close.open_for,
        }
    }
}

impl Loss {
    /// Whether another try may end better, as [`Reconnect`] lists it.
    pub fn is_worth_a_retry(&self) -> bool {
        if let Some(status) = self.status {
            return matches!(status, 408 | 425 | 429 | 500..=599);
        }
        match self.error {
            Some(
                ErrorCode::InvalidArgument
                | ErrorCode::Handle
                | ErrorCode::State
                | ErrorCode::Unsupported
                | ErrorCode::Shutdown
                | ErrorCode::Certificate
                | ErrorCode::Handshake,
            ) => false,
            Some(_) => true,
            None => {
                !matches!(self.close_code, 1000 | 1002 | 1003 | 1005 | 1007..=1010 | 3000 | 3003)
            }
        }
    }
}

/// The value of `Retry-After`: seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(value).ok()?;
            until.duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// The attempts of one client, under a [`Reconnect`]: for programs that connect by themselves.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: Reconnect,
    attempts: u32,
}

impl Backoff {
    /// No attempt was made yet.
    ///
    /// # Errors
    ///
    /// A field of the policy that makes no sense.
    pub fn new(policy: Reconnect) -> Result<Self, Error> {
        policy.check()?;
        Ok(Self { policy, attempts: 0 })
    }

    /// How long to wait before the next attempt; `None` to give up.
    pub fn after(&mut self, loss: &Loss) -> Option<Duration> {
        let mut random = [0; 8];
        // Without randomness every wait is the longest one: late, but never a stampede.
        let random = match getrandom::fill(&mut random) {
            Ok(()) => u64::from_ne_bytes(random),
            Err(_) => u64::MAX,
        };
        self.after_with(loss, random)
    }

    /// Attempts in a row that are counted so far.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    fn after_with(&mut self, loss: &Loss, random: u64) -> Option<Duration> {
        if loss.open_for >= self.policy.reset_after {
            self.attempts = 0;
        }
        let doubled = 2u32.checked_pow(self.attempts).unwrap_or(u32::MAX);
        self.attempts = self.attempts.saturating_add(1);
        let spent = self.policy.max_attempts.is_some_and(|max| self.attempts > max);
        if spent || !loss.is_worth_a_retry() {
            return None;
        }
        let most = self.policy.initial.saturating_mul(doubled).min(self.policy.max);
        // Of 2^64 ths, in whole nanoseconds.
        let wait = (most.as_nanos() * u128::from(random)) >> 64;
        let wait = Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX));
        Some(wait.max(loss.retry_after.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Loss = Loss {
        close_code: 1006,
        error: Some(ErrorCode::Reset),
        status: None,
        retry_after: None,
        open_for: Duration::ZERO,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn waits(policy: Reconnect, losses: &[Loss]) -> Vec<Option<u128>> {
        let mut backoff = Backoff::new(policy).unwrap();
        let after = |loss| backoff.after_with(loss, u64::MAX).map(|wait| wait.as_millis() + 1);
        losses.iter().map(after).collect()
    }

    #[test]
    fn waits_double_up_to_the_maximum_and_begin_anew_after_a_stable_time() {
        let stable = Loss { open_for: seconds(60), ..LOST };
        let short = Loss { open_for: seconds(59), ..LOST };
        let mut losses = vec![LOST; 8];
        losses.extend([short, stable, LOST]);
        let expected =
            [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 250, 500].map(Some).to_vec();
        assert_eq!(waits(Reconnect::default(), &losses), expected);
        assert_eq!(waits(Reconnect::default(), &vec![LOST; 99]).last(), Some(&Some(30000)));
    }

    #[test]
    fn a_wait_is_any_part_of_that() {
        let after =
            |random| Backoff::new(Reconnect::default()).unwrap().after_with(&LOST, random).unwrap();
        assert_eq!(after(0), Duration::ZERO);
        assert_eq!(after(1 << 63), Duration::from_millis(125));
        let mut backoff = Backoff::new(Reconnect::default()).unwrap();
        assert!(backoff.after(&LOST).unwrap() < Duration::from_millis(250));
    }

    #[test]
    fn a_server_may_ask_for_more_and_attempts_may_end() {
        let busy = Loss { status: Some(503), retry_after: Some(seconds(7)), ..LOST };
        let policy = Reconnect { max_attempts: Some(2), ..Reconnect::default() };
        assert_eq!(waits(policy, &[busy, LOST, LOST]), [Some(7001), Some(500), None]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("120"), Some(seconds(120)));
        assert_eq!(retry_after("99999"), Some(seconds(3600)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let date = httpdate::fmt_http_date(SystemTime::now() + seconds(100));
        assert!(retry_after(&date).unwrap() > seconds(90));
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-1"), None);
    }

    #[test]
    fn the_table_of_what_is_worth_a_retry() {
        let status = |status| Loss { status: Some(status), ..LOST };
        for fatal in [101, 200, 302, 400, 401, 403, 404, 407, 410, 421, 426, 431] {
            assert!(!status(fatal).is_worth_a_retry(), "{fatal}");
        }
        for worth in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(status(worth).is_worth_a_retry(), "{worth}");
        }
        let closed = |close_code| Loss { close_code, error: None, ..LOST };
        for fatal in [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 3000, 3003] {
            assert!(!closed(fatal).is_worth_a_retry(), "{fatal}");
        }
        for worth in [1001, 1006, 1011, 1012, 1013, 1014, 3008, 4000, 4999] {
            assert!(closed(worth).is_worth_a_retry(), "{worth}");
        }
        let failed = |code| Loss { error: Some(code), ..LOST };
        use ErrorCode::*;
        for fatal in [InvalidArgument, Shutdown, Certificate, Handshake, Unsupported] {
            assert!(!failed(fatal).is_worth_a_retry(), "{fatal:?}");
        }
        for worth in [Dns, Connect, Proxy, Tls, TimedOut, Reset, Protocol, Utf8, TooBig, NoMemory] {
            assert!(failed(worth).is_worth_a_retry(), "{worth:?}");
        }
    }

    #[test]
    fn a_policy_that_makes_no_sense_is_refused() {
        let default = Reconnect::default;
        for (policy, field) in [
            (Reconnect { initial: Duration::ZERO, ..default() }, "initial"),
            (Reconnect { max: Duration::ZERO, ..default() }, "max"),
            (Reconnect { max_attempts: Some(0), ..default() }, "max_attempts"),
        ] {
            let error = Backoff::new(policy).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
