//! The memory of an incomplete message.

use super::violation::Violation;

/// A buffer of up to this many bytes is kept by an idle connection's loop, larger ones are freed.
const SPACIOUS: usize = 64 << 10;

/// Bytes that arrived, and behind them room that is initialised already, so that a socket can be
/// read straight into place and no byte is zeroed twice.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    room: Vec<u8>,
    filled: usize,
}

impl Assembly {
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.room.get(..self.filled).unwrap_or_default()
    }

    /// What was filled from `start` on.
    pub(super) fn tail_mut(&mut self, start: usize) -> &mut [u8] {
        self.room.get_mut(start..self.filled).unwrap_or_default()
    }

    /// Appends, growing with what has arrived and never by what was declared.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.space(bytes.len())?.copy_from_slice(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// Room for the next `count` bytes.
    pub(super) fn space(&mut self, count: usize) -> Result<&mut [u8], Violation> {
        let end = self.filled + count;
        if end > self.room.len() {
            let more = end - self.room.len();
            self.room.try_reserve(more).map_err(|_| Violation::OutOfMemory)?;
            self.room.resize(end, 0);
        }
        Ok(self.room.get_mut(self.filled..end).unwrap_or_default())
    }

    /// Room for the next `count` bytes of at most `most` in all: doubling does not overshoot that.
    pub(super) fn space_within(
        &mut self,
        count: usize,
        most: usize,
    ) -> Result<&mut [u8], Violation> {
        let needed = self.filled + count;
        if needed > self.room.capacity() {
            let capacity = needed.max(self.room.capacity().saturating_mul(2).min(most));
            let more = capacity - self.room.len();
            self.room.try_reserve_exact(more).map_err(|_| Violation::OutOfMemory)?;
        }
        self.space(count)
    }

    pub(super) fn capacity(&self) -> usize {
        self.room.capacity()
    }

    /// `count` bytes of the room were filled.
    pub(super) fn advance(&mut self, count: usize) {
        self.filled = (self.filled + count).min(self.room.len());
    }

    /// What was filled, with its memory if there is not far too much of that.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let filled = std::mem::take(&mut self.filled);
        let mut taken = std::mem::take(&mut self.room);
        taken.truncate(filled);
        taken
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Takes a buffer that is warm already, if this one has none.
    pub(super) fn lend(&mut self, room: Vec<u8>) -> Vec<u8> {
        if self.room.capacity() == 0 { std::mem::replace(&mut self.room, room) } else { room }
    }

    /// Gives the buffer away: all of it when nothing is in it, and when there is far too much of it
    /// for what is.
    pub(super) fn reclaim(&mut self) -> Vec<u8> {
        if self.filled == 0 {
            return std::mem::take(&mut self.room);
        }
        if self.room.capacity() <= 4 * self.filled + SPACIOUS {
            return Vec::new();
        }
        let fitting = self.bytes().to_vec();
        std::mem::replace(&mut self.room, fitting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(bytes: &[u8]) -> Assembly {
        let mut assembly = Assembly::default();
        assembly.append(bytes).unwrap();
        assembly
    }

    #[test]
    fn what_is_appended_or_filled_comes_out_in_order() {
        let mut assembly = with(b"one ");
        assembly.space(9).unwrap()[..4].copy_from_slice(b"two ");
        assembly.advance(4);
        assembly.append(b"three").unwrap();
        assert_eq!((assembly.bytes(), assembly.len()), (&b"one two three"[..], 13));
        assert_eq!(assembly.tail_mut(8), b"three");
        assembly.clear();
        assert_eq!((assembly.bytes(), assembly.len()), (&b""[..], 0));
    }

    #[test]
    fn room_that_was_not_filled_is_not_part_of_it() {
        let mut assembly = with(b"one");
        assembly.space(100).unwrap().fill(7);
        assert_eq!(assembly.bytes(), b"one");
        assembly.append(b"two").unwrap();
        assert_eq!(assembly.bytes(), b"onetwo");
        assembly.advance(1000);
        assert_eq!(assembly.len(), 103);
    }

    #[test]
    fn an_empty_one_gives_its_buffer_away_and_takes_another() {
        let mut assembly = with(b"one");
        assert_eq!(assembly.lend(vec![0; 10]), vec![0; 10]);
        assembly.clear();
        let buffer = assembly.reclaim();
        assert!(buffer.capacity() >= 3 && assembly.room.capacity() == 0);
        assert_eq!(assembly.lend(buffer).capacity(), 0);
        assembly.append(b"four").unwrap();
        assert_eq!(assembly.bytes(), b"four");
    }

    #[test]
    fn far_too_large_a_buffer_is_exchanged_for_one_that_fits() {
        let mut assembly = Assembly::default();
        assembly.lend(vec![1; 4 * SPACIOUS]);
        assembly.append(b"one").unwrap();
        assert_eq!(assembly.reclaim().capacity(), 4 * SPACIOUS);
        assert_eq!((assembly.bytes(), assembly.room.capacity()), (&b"one"[..], 3));
        assert_eq!(assembly.reclaim().capacity(), 0);
    }

    #[test]
    fn more_than_there_is_memory_for_is_refused() {
        let mut assembly = with(b"one");
        assert_eq!(assembly.space(isize::MAX as usize).err(), Some(Violation::OutOfMemory));
        assert_eq!(assembly.bytes(), b"one");
    }
}
