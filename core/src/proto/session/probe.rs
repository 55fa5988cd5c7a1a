//! How long a ping and its pong take (RFC 6455 sections 5.5.2 and 5.5.3).

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// The last ping that waits for its pong, by what it carried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probe {
    sent: Instant,
    payload: u64,
}

impl Probe {
    pub(super) fn new(payload: &[u8], now: Instant) -> Self {
        Self { sent: now, payload: digest(payload) }
    }

    /// The time that the ping took if this is what its pong carries.
    pub(super) fn answered(&self, payload: &[u8], now: Instant) -> Option<Duration> {
        (self.payload == digest(payload)).then(|| now.saturating_duration_since(self.sent))
    }
}

fn digest(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}
