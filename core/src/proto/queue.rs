//! Output that waits for the system to take it.

/// Buffers up to this size stay with a connection that queues again and again.
const COMPACT_FROM: usize = 64 << 10;

/// Encoded bytes in the order in which they leave, with an offset instead of moving them.
#[derive(Debug, Default)]
pub struct SendQueue {
    bytes: Vec<u8>,
    /// Bytes at the front that are gone already.
    at: usize,
    /// Payload of data messages among what is left.
    payload: u64,
}

impl SendQueue {
    /// Bytes that wait, with framing.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Payload bytes of data messages that wait. When only a part of the queue was taken this
    /// assumes that payload and framing were taken in proportion.
    pub fn payload_len(&self) -> u64 {
        self.payload
    }

    /// What waits, the oldest first.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The system took `count` bytes.
    pub fn advance(&mut self, count: usize) {
        let len = self.len();
        if count >= len {
            self.bytes.clear();
            self.at = 0;
            self.payload = 0;
            return;
        }
        self.payload -= share(self.payload, count, len);
        self.at += count;
    }

    /// Appends bytes that are not application data, such as the opening handshake.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.back().extend_from_slice(bytes);
    }

    /// Drops everything that waits and its memory.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Uses `buffer`, which is warm, in place of its own; for an empty queue.
    pub fn lend(&mut self, buffer: Vec<u8>) {
        if self.is_empty() {
            self.bytes = buffer;
            self.bytes.clear();
            self.at = 0;
        }
    }

    /// Gives the buffer of an empty queue away, so that it owns no memory.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        if self.is_empty() { std::mem::take(&mut self.bytes) } else { Vec::new() }
    }

    /// The place to append to; `payload` bytes of what is appended are application data.
    pub(super) fn back_for(&mut self, payload: u64) -> &mut Vec<u8> {
        self.payload += payload;
        self.back()
    }

    fn back(&mut self) -> &mut Vec<u8> {
        if self.at >= COMPACT_FROM && self.at >= self.bytes.len() / 2 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        &mut self.bytes
    }
}

/// `payload * count / len`, rounded down.
fn share(payload: u64, count: usize, len: usize) -> u64 {
    let share = u128::from(payload) * count as u128 / (len as u128).max(1);
    u64::try_from(share).unwrap_or(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_out_in_order() {
        let mut queue = SendQueue::default();
        let mut expected = Vec::new();
        let mut taken = Vec::new();
        for round in 0..200_u32 {
            let bytes = vec![round.to_be_bytes()[3]; 1000];
            expected.extend_from_slice(&bytes);
            queue.back_for(990).extend_from_slice(&bytes);
            let count = (round as usize * 7) % queue.len();
            taken.extend_from_slice(&queue.pending()[..count]);
            queue.advance(count);
        }
        taken.extend_from_slice(queue.pending());
        queue.advance(queue.len());
        assert_eq!(taken, expected);
        assert_eq!((queue.payload_len(), queue.is_empty()), (0, true));
    }

    #[test]
    fn payload_shrinks_with_what_is_taken_and_never_below_zero() {
        let mut queue = SendQueue::default();
        queue.back_for(100).extend_from_slice(&[0; 102]);
        let mut last = queue.payload_len();
        for _ in 0..101 {
            queue.advance(1);
            assert!(queue.payload_len() <= last && queue.payload_len() <= 100);
            last = queue.payload_len();
        }
        queue.advance(1);
        assert_eq!(queue.payload_len(), 0);
    }

    #[test]
    fn the_front_is_not_kept_for_ever() {
        let mut queue = SendQueue::default();
        queue.push_raw(&[0; 1000]);
        for _ in 0..10_000 {
            queue.push_raw(&[1; 1000]);
            queue.advance(1000);
        }
        assert!(queue.bytes.capacity() < 4 * COMPACT_FROM, "{}", queue.bytes.capacity());
    }

    #[test]
    fn an_empty_queue_owns_nothing_after_its_buffer_is_taken() {
        let mut queue = SendQueue::default();
        queue.lend(Vec::with_capacity(100));
        queue.push_raw(b"x");
        assert_eq!(queue.take_buffer().capacity(), 0);
        queue.advance(1);
        assert_eq!(queue.take_buffer().capacity(), 100);
        assert_eq!(queue.bytes.capacity(), 0);
    }
}
