//! The only place that reads the clock.

use std::time::Instant;

/// The time now. The loop asks once a turn and passes the answer on.
#[expect(clippy::disallowed_methods, reason = "everybody else takes `now` as an argument")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
