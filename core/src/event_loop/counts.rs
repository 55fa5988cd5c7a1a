//! What went over one connection.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one connection sent and received, at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Messages that the system took for sending, or that wait for it.
    pub messages_sent: u64,
    /// Payload of these messages in bytes, before compression.
    pub payload_sent: u64,
    /// Bytes that the system took: frames and the opening handshake, without TLS.
    pub bytes_sent: u64,
    /// Messages that came in whole.
    pub messages_received: u64,
    /// Payload of these messages in bytes, after decompression.
    pub payload_received: u64,
    /// Bytes that came in: frames and the opening handshake, without TLS.
    pub bytes_received: u64,
}

/// The counters behind [`ConnectionStats`]. The loop's thread writes, any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    messages_sent: AtomicU64,
    payload_sent: AtomicU64,
    bytes_sent: AtomicU64,
    messages_received: AtomicU64,
    payload_received: AtomicU64,
    bytes_received: AtomicU64,
}

impl Counts {
    pub(crate) fn stats(&self) -> ConnectionStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ConnectionStats {
            messages_sent: read(&self.messages_sent),
            payload_sent: read(&self.payload_sent),
            bytes_sent: read(&self.bytes_sent),
            messages_received: read(&self.messages_received),
            payload_received: read(&self.payload_received),
            bytes_received: read(&self.bytes_received),
        }
    }

    /// Payload of a message, or of a part of one, was queued; `whole` with its end.
    pub(crate) fn sent(&self, payload: usize, whole: bool) {
        add(&self.messages_sent, usize::from(whole));
        add(&self.payload_sent, payload);
    }

    pub(crate) fn sent_bytes(&self, count: usize) {
        add(&self.bytes_sent, count);
    }

    /// Payload of a message, or of a part of one, came in; `whole` with its end.
    pub(crate) fn received(&self, payload: usize, whole: bool) {
        add(&self.messages_received, usize::from(whole));
        add(&self.payload_received, payload);
    }

    pub(crate) fn received_bytes(&self, count: usize) {
        add(&self.bytes_received, count);
    }
}

/// There is only one writer, so this needs no read-modify-write instruction.
fn add(counter: &AtomicU64, count: usize) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(count as u64);
    counter.store(sum, Ordering::Relaxed);
}
