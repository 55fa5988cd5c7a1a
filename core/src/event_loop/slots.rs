//! Slots with generations, and checkout: a value leaves its slot while callbacks run on it.
//!
//! A slot is free, reserved (its value is checked out) or filled. Freed slots are used again first
//! in, first out, so that an id stays dead for as long as possible.

use std::collections::VecDeque;

use super::id::{MAX_SLOTS, next_generation};

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

    /// Reserves a slot, empty until `put`. `None` when all 2^24 are taken.
    pub(crate) fn reserve(&mut self) -> Option<(usize, u32)> {
        let slot = match self.free.pop_front() {
            Some(slot) => slot as usize,
            None if self.entries.len() < MAX_SLOTS => {
                self.entries.push(Entry { generation: 0, reserved: false, value: None });
                self.entries.len() - 1
            }
            None => return None,
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
        let (again, later) = slots.reserve().unwrap();
        slots.put(again, later, 9);
        assert_eq!((again, slots.get(slot, generation)), (slot, None));
        assert_eq!(slots.remove(slot, generation), None);
        assert_eq!(slots.get(again, later), Some(&9));
    }

    #[test]
    fn slots_are_used_again_first_in_first_out() {
        let mut slots = Slots::<u8>::new();
        let names: Vec<_> = (0..3).map(|_| slots.reserve().unwrap()).collect();
        for (slot, generation) in [names[1], names[0], names[2]] {
            slots.remove(slot, generation);
        }
        let order: Vec<_> = (0..3).map(|_| slots.reserve().unwrap().0).collect();
        assert_eq!(order, [1, 0, 2]);
    }
}
