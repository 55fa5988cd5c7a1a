//! Masking keys from the system's randomness (RFC 6455 sections 5.3 and 10.3).

use crate::proto::sender::Masks;

/// One system call for 4 KiB is 30 times cheaper a key than one call for each.
const POOL: usize = 4096;

/// Keys for the frames of a loop, fetched in blocks. A key is used once.
#[derive(Debug)]
pub(crate) struct MaskPool {
    keys: Vec<u8>,
}

impl MaskPool {
    pub(crate) fn new() -> Self {
        Self { keys: Vec::new() }
    }

    fn refill(&mut self) -> Option<()> {
        self.keys.resize(POOL, 0);
        if getrandom::fill(&mut self.keys).is_err() {
            self.keys.clear();
            return None;
        }
        Some(())
    }
}

impl Masks for MaskPool {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        if self.keys.is_empty() {
            self.refill()?;
        }
        let key = *self.keys.last_chunk::<4>()?;
        self.keys.truncate(self.keys.len() - key.len());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_are_not_repeated() {
        let mut pool = MaskPool::new();
        let keys: HashSet<_> = (0..2 * POOL).map(|_| pool.next_mask().unwrap()).collect();
        assert!(keys.len() > 2 * POOL - 8, "{} different keys of {}", keys.len(), 2 * POOL);
    }
}
