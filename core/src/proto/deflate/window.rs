//! The last bytes of a stream of messages.

/// What a compressor may refer back to: the last `size` bytes of all messages of one direction.
///
/// Owns no more memory than there were bytes.
#[derive(Debug)]
pub(super) struct Window {
    bytes: Vec<u8>,
    size: usize,
}

impl Window {
    /// An empty window of 2^`bits` bytes (RFC 7692 section 7.1.2).
    pub(super) fn new(bits: u8) -> Self {
        Self::of(1 << bits.min(15))
    }

    /// An empty window of `size` bytes.
    pub(super) fn of(size: usize) -> Self {
        Self { bytes: Vec::new(), size }
    }

    pub(super) fn clear(&mut self) {
        self.bytes = Vec::new();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `data` follows.
    pub(super) fn push(&mut self, data: &[u8]) {
        if let Some(last) = data.len().checked_sub(self.size).and_then(|at| data.get(at..)) {
            self.bytes.clear();
            self.extend(last);
            return;
        }
        let excess = (self.bytes.len() + data.len()).saturating_sub(self.size);
        self.bytes.drain(..excess);
        self.extend(data);
    }

    fn extend(&mut self, data: &[u8]) {
        let needed = self.bytes.len() + data.len();
        if needed > self.bytes.capacity() {
            // In steps that double, but never over the size: a full window is exactly that large.
            let capacity = needed.next_power_of_two().min(self.size);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay_whatever_the_pieces() {
        let all: Vec<u8> = (0..5000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        for piece in [1, 3, 100, 511, 512, 513, 2000] {
            let mut window = Window::new(9);
            let mut fed = 0;
            for piece in all.chunks(piece) {
                window.push(piece);
                fed += piece.len();
                assert_eq!(window.bytes(), &all[fed.saturating_sub(512)..fed]);
                assert!(window.bytes.capacity() <= 512);
            }
        }
    }
}
