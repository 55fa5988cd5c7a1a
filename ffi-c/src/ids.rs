//! The numbers that C has for objects: kind (3 bits), loop (10), generation (26) and slot (24), with
//! the sign bit clear. The layout is nobody's business but ours.
//!
//! A loop counts the generations of its connections from 1. So that an id of a loop that is gone
//! never names anything in a later loop at the same place, each loop adds a base of its own.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::detached::Detached;
use tightwire::{ConnId, ServerId, TimerId};

/// Places for loops; 0 is none.
pub(crate) const LOOPS: usize = 1 << 10;

const KIND_SHIFT: u32 = 60;
const LOOP_SHIFT: u32 = 50;
const GENERATION_SHIFT: u32 = 24;
const SLOT_MASK: u64 = (1 << GENERATION_SHIFT) - 1;
pub(crate) const GENERATION_MASK: u64 = (1 << (LOOP_SHIFT - GENERATION_SHIFT)) - 1;
const LOW_MASK: u64 = (1 << LOOP_SHIFT) - 1;

/// What an id names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Loop = 1,
    Connection = 2,
    Server = 3,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "there are none"))]
    Tls = 4,
    Timer = 5,
}

/// An id in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The place of the loop.
    pub(crate) place: usize,
    generation: u64,
    slot: u64,
}

impl Parts {
    /// The parts of `id`, if it is of this kind.
    #[inline]
    pub(crate) fn of(id: u64, kind: Kind) -> Option<Self> {
        (id >> KIND_SHIFT == kind as u64).then(|| Self {
            place: Self::place_of(id),
            generation: (id >> GENERATION_SHIFT) & GENERATION_MASK,
            slot: id & SLOT_MASK,
        })
    }

    /// The place of the loop that an id of any kind is of.
    pub(crate) fn place_of(id: u64) -> usize {
        usize::try_from((id >> LOOP_SHIFT) & (LOOPS as u64 - 1)).unwrap_or(0)
    }

    /// What a loop's id says of its generation.
    pub(crate) fn generation(self) -> u64 {
        self.generation
    }
}

/// The id of the loop at `place`.
pub(crate) fn loop_id(place: usize, generation: u64) -> u64 {
    compose(Kind::Loop, place, (generation & GENERATION_MASK) << GENERATION_SHIFT)
}

/// The id of the `count`-th object of a kind that belongs to no loop.
#[cfg(feature = "tls")]
pub(crate) fn free_standing(kind: Kind, count: u64) -> u64 {
    (kind as u64) << KIND_SHIFT | count & ((1 << KIND_SHIFT) - 1)
}

fn compose(kind: Kind, place: usize, low: u64) -> u64 {
    (kind as u64) << KIND_SHIFT | (place as u64) << LOOP_SHIFT | low
}

/// How one loop names its objects to C.
#[derive(Debug)]
pub(crate) struct Names {
    place: usize,
    base: u64,
    /// The highest generation that C knows.
    top: AtomicU32,
    detached: Detached,
}

impl Names {
    pub(crate) fn new(place: usize, base: u64) -> Self {
        Self { place, base, top: AtomicU32::new(0), detached: Detached::default() }
    }

    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// The id of a connection that C has seen before.
    #[inline]
    pub(crate) fn known(&self, id: ConnId) -> u64 {
        self.name(Kind::Connection, id.to_u64())
    }

    /// The id of a connection that C sees for the first time.
    pub(crate) fn connection(&self, id: ConnId) -> u64 {
        self.note(id.to_u64());
        self.known(id)
    }

    /// The id of a server.
    pub(crate) fn server(&self, id: ServerId) -> u64 {
        self.note(id.to_u64());
        self.name(Kind::Server, id.to_u64())
    }

    /// The id of a timer.
    pub(crate) fn timer(&self, id: TimerId) -> u64 {
        self.note(id.to_u64());
        self.name(Kind::Timer, id.to_u64())
    }

    /// The timer that an id of this loop names.
    pub(crate) fn timer_of(&self, parts: Parts) -> TimerId {
        TimerId::from_u64(self.own(parts))
    }

    /// The connection that an id of this loop names.
    #[inline]
    pub(crate) fn connection_of(&self, parts: Parts) -> ConnId {
        ConnId::from_u64(self.own(parts))
    }

    /// The server that an id of this loop names.
    pub(crate) fn server_of(&self, parts: Parts) -> ServerId {
        ServerId::from_u64(self.own(parts))
    }

    /// Connections of which nothing is called any more, by their ids in C.
    pub(crate) fn detached(&self) -> &Detached {
        &self.detached
    }

    /// From where the next loop at this place has to count.
    pub(crate) fn next_base(&self) -> u64 {
        (self.base + u64::from(self.top.load(Ordering::Relaxed))) & GENERATION_MASK
    }

    fn note(&self, own: u64) {
        let generation = u32::try_from(own >> GENERATION_SHIFT).unwrap_or(0);
        self.top.fetch_max(generation, Ordering::Relaxed);
    }

    #[inline]
    fn name(&self, kind: Kind, own: u64) -> u64 {
        let generation = ((own >> GENERATION_SHIFT) + self.base) & GENERATION_MASK;
        compose(kind, self.place, generation << GENERATION_SHIFT | own & SLOT_MASK) & !(1 << 63)
    }

    #[inline]
    fn own(&self, parts: Parts) -> u64 {
        let generation = parts.generation.wrapping_sub(self.base) & GENERATION_MASK;
        (generation << GENERATION_SHIFT | parts.slot) & LOW_MASK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(generation: u64, slot: u64) -> ConnId {
        ConnId::from_u64(generation << GENERATION_SHIFT | slot)
    }

    #[test]
    fn ids_go_there_and_back_under_any_base() {
        for base in [0, 1, GENERATION_MASK] {
            let names = Names::new(1023, base);
            for id in [conn(1, 0), conn(GENERATION_MASK, SLOT_MASK), conn(77, 5)] {
                let number = names.connection(id);
                let parts = Parts::of(number, Kind::Connection).unwrap();
                assert_eq!((parts.place, names.connection_of(parts)), (1023, id), "base {base}");
                assert_eq!(Parts::of(number, Kind::Server), None);
                assert_eq!(number >> 63, 0);
            }
        }
    }

    #[test]
    fn a_later_loop_at_the_same_place_never_repeats_an_id() {
        let first = Names::new(3, 0);
        let old = [first.connection(conn(1, 0)), first.connection(conn(2, 0))];
        let second = Names::new(3, first.next_base());
        for id in [conn(1, 0), conn(2, 0), conn(3, 0)] {
            assert!(!old.contains(&second.connection(id)));
        }
        let stale = second.connection_of(Parts::of(old[1], Kind::Connection).unwrap());
        assert_eq!(stale, conn(0, 0), "generation 0 is no connection's");
    }
}
