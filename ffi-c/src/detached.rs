//! Connections of which nothing is called any more.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The ids of a loop's connections that were detached and whose end is still to come.
#[derive(Debug, Default)]
pub(crate) struct Detached {
    /// For a look without the lock.
    count: AtomicUsize,
    ids: Mutex<BTreeSet<u64>>,
}

impl Detached {
    /// On the loop's thread, or with the loop at rest.
    pub(crate) fn add(&self, id: u64) {
        let mut ids = self.ids();
        ids.insert(id);
        self.count.store(ids.len(), Ordering::Release);
    }

    #[inline]
    pub(crate) fn contains(&self, id: u64) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.ids().contains(&id)
    }

    /// The connection is over. Whether it was detached.
    pub(crate) fn remove(&self, id: u64) -> bool {
        if self.count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let mut ids = self.ids();
        let removed = ids.remove(&id);
        self.count.store(ids.len(), Ordering::Release);
        removed
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
