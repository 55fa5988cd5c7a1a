//! The loop that a callback of this thread runs in, for calls that come back from Python.
//!
//! The core lends its [`Context`] to a callback for as long as that runs. Python code cannot carry
//! such a loan, so it waits here, for this thread only, until a method of ours asks for it.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use tightwire::Context;

use crate::driver::Driver;

thread_local! {
    static CURRENT: Cell<Option<Lent>> = const { Cell::new(None) };
}

/// A context that nobody uses at the moment, and the loop it belongs to.
#[derive(Clone, Copy)]
struct Lent {
    driver: *const Driver,
    context: NonNull<Context<'static>>,
}

/// Puts back what was there before, also while a panic unwinds.
struct Restore(Option<Lent>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Calls `run`, within which [`borrow`] finds `context`.
pub(crate) fn lend<R>(driver: &Driver, context: &mut Context<'_>, run: impl FnOnce() -> R) -> R {
    let lent = Lent { driver, context: NonNull::from(context).cast() };
    let _restore = Restore(CURRENT.replace(Some(lent)));
    run()
}

/// Whether [`borrow`] will find a context of this loop.
pub(crate) fn is_lent(driver: &Driver) -> bool {
    CURRENT.get().is_some_and(|lent| ptr::eq(lent.driver, driver))
}

/// Calls `act` with the context that was lent for this loop on this thread. Within `act` there is
/// none to borrow.
pub(crate) fn borrow<R>(driver: &Driver, act: impl FnOnce(&mut Context<'_>) -> R) -> Option<R> {
    let mut lent = CURRENT.get().filter(|lent| ptr::eq(lent.driver, driver))?;
    let _restore = Restore(CURRENT.take());
    // SAFETY: `lend` put the pointer there and takes it away before its exclusive borrow of the
    // context ends; it does not touch the context meanwhile. The pointer never leaves this thread,
    // and it is out of `CURRENT` until `act` is done, so this is the only reference. `act` takes
    // any lifetime and so cannot keep what it is given.
    let context = unsafe { lent.context.as_mut() };
    Some(act(context))
}
