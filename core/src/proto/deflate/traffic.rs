//! What compression came to.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the messages that one connection sent and received compressed. Messages that went
/// without compression do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeflateStats {
    /// Payload of sent messages before compression.
    pub sent: u64,
    /// The same payload on the wire.
    pub sent_compressed: u64,
    /// Payload of received messages after decompression.
    pub received: u64,
    /// The same payload on the wire.
    pub received_compressed: u64,
}

/// The counters behind [`DeflateStats`]. The connection's thread writes, any thread reads.
#[derive(Debug, Default)]
pub struct Traffic {
    sent: AtomicU64,
    sent_compressed: AtomicU64,
    received: AtomicU64,
    received_compressed: AtomicU64,
}

impl Traffic {
    /// The counts at this moment.
    pub fn stats(&self) -> DeflateStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        DeflateStats {
            sent: read(&self.sent),
            sent_compressed: read(&self.sent_compressed),
            received: read(&self.received),
            received_compressed: read(&self.received_compressed),
        }
    }

    pub(super) fn sent(&self, plain: usize, compressed: usize) {
        add(&self.sent, plain);
        add(&self.sent_compressed, compressed);
    }

    pub(super) fn received(&self, plain: usize, compressed: usize) {
        add(&self.received, plain);
        add(&self.received_compressed, compressed);
    }
}

/// There is only one writer, so this needs no read-modify-write instruction.
fn add(counter: &AtomicU64, bytes: usize) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(bytes as u64);
    counter.store(sum, Ordering::Relaxed);
}
