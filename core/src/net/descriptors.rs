//! Which descriptors a loop has, for a child process that is to close its copies.
//!
//! A fork leaves behind whatever other threads were doing, the locks that they held above all. So this is
//! a table of bits that is written and read without one. A bit is set after its descriptor was opened and
//! cleared before it is closed: one that was in between at the moment of a fork stays open in the child,
//! and a descriptor of somebody else is never named.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

const WORDS: usize = 64;
/// Descriptors of one page.
const PAGE: usize = WORDS * 64;

/// The descriptors of one loop. Grows with the highest one, a bit for each.
pub(crate) struct Descriptors {
    first: Page,
}

struct Page {
    words: [AtomicU64; WORDS],
    next: OnceLock<Box<Self>>,
}

impl Page {
    fn new() -> Self {
        Self { words: [const { AtomicU64::new(0) }; WORDS], next: OnceLock::new() }
    }
}

impl Descriptors {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { first: Page::new() })
    }

    /// Puts a descriptor that was just opened into the table, until what is returned is dropped.
    pub(crate) fn own<S: AsRawFd>(self: &Arc<Self>, source: S) -> Owned<S> {
        self.enter(source.as_raw_fd());
        Owned { table: Some(Arc::clone(self)), source }
    }

    fn enter(&self, fd: RawFd) {
        if let Some((word, bit)) = self.place(fd) {
            word.fetch_or(bit, Ordering::Release);
        }
    }

    fn leave(&self, fd: RawFd) {
        if let Some((word, bit)) = self.place(fd) {
            word.fetch_and(!bit, Ordering::Release);
        }
    }

    /// All that are in the table. Takes no lock.
    pub(crate) fn list(&self) -> Vec<RawFd> {
        let mut found = Vec::new();
        let pages =
            std::iter::successors(Some(&self.first), |page| page.next.get().map(Box::as_ref));
        for (word, at) in pages.flat_map(|page| &page.words).zip(0..) {
            let bits = word.load(Ordering::Acquire);
            found.extend((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| at * 64 + bit));
        }
        found
    }

    fn place(&self, fd: RawFd) -> Option<(&AtomicU64, u64)> {
        let fd = usize::try_from(fd).ok()?;
        let mut page = &self.first;
        for _ in 0..fd / PAGE {
            page = page.next.get_or_init(|| Box::new(Page::new()));
        }
        Some((page.words.get(fd % PAGE / 64)?, 1 << (fd % 64)))
    }
}

impl fmt::Debug for Descriptors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

/// Something with a descriptor, which is in the table of its loop for as long as it is open.
pub(crate) struct Owned<S: AsRawFd> {
    table: Option<Arc<Descriptors>>,
    source: S,
}

impl<S: AsRawFd> Drop for Owned<S> {
    /// Runs before the descriptor is closed.
    fn drop(&mut self) {
        if let Some(table) = &self.table {
            table.leave(self.source.as_raw_fd());
        }
    }
}

impl<S: AsRawFd> Deref for Owned<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.source
    }
}

impl<S: AsRawFd> DerefMut for Owned<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.source
    }
}

/// In no table.
#[cfg(test)]
impl<S: AsRawFd> From<S> for Owned<S> {
    fn from(source: S) -> Self {
        Self { table: None, source }
    }
}

impl<S: AsRawFd + fmt::Debug> fmt::Debug for Owned<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

/// A socket of the application, in the table of the first loop that is to use it.
pub(crate) struct Given {
    table: OnceLock<Arc<Descriptors>>,
    socket: OwnedFd,
}

impl Given {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { table: OnceLock::new(), socket }
    }

    /// A loop has it from now on.
    pub(crate) fn belongs_to(&self, table: &Arc<Descriptors>) {
        if self.table.set(Arc::clone(table)).is_ok() {
            table.enter(self.socket.as_raw_fd());
        }
    }
}

impl Drop for Given {
    /// Runs before the descriptor is closed.
    fn drop(&mut self) {
        if let Some(table) = self.table.get() {
            table.leave(self.socket.as_raw_fd());
        }
    }
}

impl AsFd for Given {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that stands for a descriptor.
    struct Number(RawFd);

    impl AsRawFd for Number {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    #[test]
    fn what_is_open_is_listed_in_order() {
        let table = Descriptors::new();
        let page = RawFd::try_from(PAGE).unwrap();
        let numbers = [3 * page + 7, 0, 63, 64, page - 1, page];
        let owned: Vec<_> = numbers.iter().map(|fd| table.own(Number(*fd))).collect();
        assert_eq!(table.list(), [0, 63, 64, page - 1, page, 3 * page + 7]);
        drop(owned);
        assert_eq!(table.list(), []);
    }

    #[test]
    fn what_is_none_is_not_listed() {
        let table = Descriptors::new();
        let none = table.own(Number(-1));
        assert_eq!(table.list(), []);
        drop(none);
    }

    #[test]
    fn a_descriptor_leaves_the_table_before_it_is_closed() {
        struct Closing(Arc<Descriptors>);
        impl AsRawFd for Closing {
            fn as_raw_fd(&self) -> RawFd {
                5
            }
        }
        impl Drop for Closing {
            fn drop(&mut self) {
                assert_eq!(self.0.list(), []);
            }
        }
        let table = Descriptors::new();
        let owned = table.own(Closing(Arc::clone(&table)));
        assert_eq!(table.list(), [5]);
        drop(owned);
    }
}
