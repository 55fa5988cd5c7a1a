//! Names of connections, servers and timers: a slot and the generation of its content.

/// Bits of the slot number.
const SLOT_BITS: u32 = 24;
/// Bits of the generation.
const GENERATION_BITS: u32 = 26;

/// Names a connection of one loop for ever: a dead id is an error, never another connection.
///
/// An id repeats only after 2^36 others: a slot has 2^26 generations, and after each at least 1,024 other
/// slots are used before it is again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(u64);

/// Names a listening server of one loop, in the way of [`ConnId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerId(u64);

/// Names a timer of one loop, in the way of [`ConnId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimerId(u64);

impl ConnId {
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self(pack(slot, generation))
    }

    /// The id as a number under 2^50, never 0; for tables and foreign languages.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The id behind a number of [`to_u64`](Self::to_u64). Any other number gives an id of no
    /// connection.
    pub fn from_u64(id: u64) -> Self {
        Self(id)
    }

    pub(crate) fn slot(self) -> usize {
        slot(self.0)
    }

    pub(crate) fn generation(self) -> u32 {
        generation(self.0)
    }
}

impl ServerId {
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self(pack(slot, generation))
    }

    /// The id as a number under 2^50, never 0; for tables and foreign languages.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The id behind a number of [`to_u64`](Self::to_u64).
    pub fn from_u64(id: u64) -> Self {
        Self(id)
    }

    pub(crate) fn slot(self) -> usize {
        slot(self.0)
    }

    pub(crate) fn generation(self) -> u32 {
        generation(self.0)
    }
}

impl TimerId {
    pub(crate) fn new(slot: usize, generation: u32) -> Self {
        Self(pack(slot, generation))
    }

    /// The id as a number under 2^50, never 0; for tables and foreign languages.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The id behind a number of [`to_u64`](Self::to_u64).
    pub fn from_u64(id: u64) -> Self {
        Self(id)
    }

    pub(crate) fn slot(self) -> usize {
        slot(self.0)
    }

    pub(crate) fn generation(self) -> u32 {
        generation(self.0)
    }
}

/// The generation after `generation`; never 0, so that no id is 0.
pub(crate) fn next_generation(generation: u32) -> u32 {
    let next = (generation + 1) & ((1 << GENERATION_BITS) - 1);
    next.max(1)
}

/// Most slots that ids can name.
pub(crate) const MAX_SLOTS: usize = 1 << SLOT_BITS;

fn pack(slot: usize, generation: u32) -> u64 {
    u64::from(generation) << SLOT_BITS | slot as u64
}

#[expect(clippy::cast_possible_truncation, reason = "masked to 24 bits")]
fn slot(id: u64) -> usize {
    (id & (MAX_SLOTS as u64 - 1)) as usize
}

/// A number that never came from `pack` yields `u32::MAX`, which is no generation.
fn generation(id: u64) -> u32 {
    u32::try_from(id >> SLOT_BITS).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_slot_and_generation() {
        let id = ConnId::new(MAX_SLOTS - 1, (1 << GENERATION_BITS) - 1);
        assert_eq!((id.slot(), id.generation()), (MAX_SLOTS - 1, (1 << GENERATION_BITS) - 1));
        assert!(id.to_u64() < 1 << 50);
        assert_eq!(ConnId::from_u64(id.to_u64()), id);
    }

    #[test]
    fn generations_skip_zero() {
        assert_eq!(next_generation((1 << GENERATION_BITS) - 1), 1);
        assert_eq!(next_generation(0), 1);
    }

    #[test]
    fn foreign_numbers_name_nothing() {
        assert_eq!(ConnId::from_u64(u64::MAX).generation(), u32::MAX);
    }
}
