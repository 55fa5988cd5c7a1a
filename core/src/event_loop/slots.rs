//! Slots with generations, and checkout: a value leaves its slot while callbacks run on it.
//!
//! A slot is free, reserved (its value is checked out) or filled. Freed slots are used again first in,
//! first out, and only while more than [`RESTING`] are free, so that an id stays dead for as long as
//! possible: with 2^26 generations at least 2^36 others come before it.

use std::collections::VecDeque;

use super::id::{MAX_SLOTS, next_generation};

/// So many free slots are left alone: those that were freed last.
const RESTING: usize = 1024;

/// Values by slot and generation.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    entries: Vec<Entry<T>>,
    free: VecDeque<u32>,
    len: usize,
}

#[derive(Debug)]
struct Entry<T> {
    generation: u32,
    reserved: bool,
    value: Option<T>,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Self { entries: Vec::new(), free: VecDeque::new(), len: 0 }
    }

    /// Reserves a slot, empty until `put`. `None` when all 2^24 are taken. Takes a free one when enough rest,
    /// or when no other can be made.
    pub(crate) fn reserve(&mut self) -> Option<(usize, u32)> {
        let slot = if self.free.len() <= RESTING && self.entries.len() < MAX_SLOTS {
            self.entries.push(Entry { generation: 0, reserved: false, value: None });
            self.entries.len() - 1
        } else {
            self.free.pop_front()? as usize
        };
        let entry = self.entries.get_mut(slot)?;
        entry.generation = next_generation(entry.generation);
        entry.reserved = true;
        self.len += 1;
        Some((slot, entry.generation))
    }

    /// Checks a value out, or leaves nothing if it is out already or gone.
    pub(crate) fn take(&mut self, slot: usize, generation: u32) -> Option<T> {
        self.entry(slot, generation)?.value.take()
    }

    /// Puts a value back into its reserved slot.
    pub(crate) fn put(&mut self, slot: usize, generation: u32, value: T) {
        if let Some(entry) = self.entry(slot, generation) {
            entry.value = Some(value);
        }
    }

    /// The value in its slot; `None` also while it is checked out.
    pub(crate) fn get(&self, slot: usize, generation: u32) -> Option<&T> {
        self.entries
            .get(slot)
            .filter(|entry| entry.reserved && entry.generation == generation)?
            .value
            .as_ref()
    }

    /// The value in its slot; `None` also while it is checked out.
    pub(crate) fn get_mut(&mut self, slot: usize, generation: u32) -> Option<&mut T> {
        self.entry(slot, generation)?.value.as_mut()
    }

    /// Frees a slot, whether its value is in or out.
    pub(crate) fn remove(&mut self, slot: usize, generation: u32) -> Option<T> {
        let entry = self.entry(slot, generation)?;
        entry.reserved = false;
        let value = entry.value.take();
        self.len -= 1;
        self.free.extend(u32::try_from(slot));
        value
    }

    /// Whether the slot is reserved, and its value in or out.
    pub(crate) fn contains(&self, slot: usize, generation: u32) -> bool {
        self.entries.get(slot).is_some_and(|entry| entry.reserved && entry.generation == generation)
    }

    /// Reserved slots, filled or not.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Slot and generation of everything that is reserved now.
    pub(crate) fn names(&self) -> Vec<(usize, u32)> {
        let reserved = self.entries.iter().enumerate().filter(|(_, entry)| entry.reserved);
        reserved.map(|(slot, entry)| (slot, entry.generation)).collect()
    }

    fn entry(&mut self, slot: usize, generation: u32) -> Option<&mut Entry<T>> {
        self.entries.get_mut(slot).filter(|entry| entry.reserved && entry.generation == generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses other slots until this one is used again.
    fn come_back_to(slots: &mut Slots<i32>, slot: usize) -> (usize, u32) {
        loop {
            let (other, generation) = slots.reserve().unwrap();
            if other == slot {
                return (other, generation);
            }
            slots.remove(other, generation);
        }
    }

    #[test]
    fn checked_out_slots_stay_reserved() {
        let mut slots = Slots::new();
        let (slot, generation) = slots.reserve().unwrap();
        slots.put(slot, generation, 7);
        assert_eq!(slots.take(slot, generation), Some(7));
        assert_eq!(slots.take(slot, generation), None);
        assert_ne!(slots.reserve().unwrap().0, slot);
        slots.put(slot, generation, 8);
        assert_eq!(slots.get(slot, generation), Some(&8));
        assert_eq!(slots.names().len(), 2);
    }

    #[test]
    fn a_stale_generation_finds_nothing() {
        let mut slots = Slots::new();
        let (slot, generation) = slots.reserve().unwrap();
        slots.put(slot, generation, 7);
        assert_eq!(slots.remove(slot, generation), Some(7));
        assert_eq!(slots.len(), 0);
        let (again, later) = come_back_to(&mut slots, slot);
        slots.put(again, later, 9);
        assert_eq!((again, slots.get(slot, generation)), (slot, None));
        assert_eq!(slots.remove(slot, generation), None);
        assert_eq!(slots.get(again, later), Some(&9));
    }

    #[test]
    fn slots_are_used_again_first_in_first_out() {
        let mut slots = Slots::<u8>::new();
        let mut names: Vec<_> = (0..RESTING + 3).map(|_| slots.reserve().unwrap()).collect();
        names.swap(0, 1);
        for (slot, generation) in names {
            slots.remove(slot, generation);
        }
        let order: Vec<_> = (0..3).map(|_| slots.reserve().unwrap().0).collect();
        assert_eq!(order, [1, 0, 2]);
    }

    #[test]
    fn a_slot_rests_while_a_thousand_others_are_used() {
        let mut slots = Slots::<u8>::new();
        let (slot, generation) = slots.reserve().unwrap();
        slots.remove(slot, generation);
        for _ in 0..RESTING {
            let (other, generation) = slots.reserve().unwrap();
            assert_ne!(other, slot);
            slots.remove(other, generation);
        }
        assert_eq!(slots.reserve(), Some((slot, generation + 1)));
        assert_eq!(slots.entries.len(), RESTING + 1);
    }
}
