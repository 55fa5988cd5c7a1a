//! The callback that runs on this thread: the shortest way from a call of C to the loop.

use std::cell::Cell;
use std::ptr;

use tightwire::Context;

use crate::ids::Names;
use crate::process;

thread_local! {
    static CURRENT: Cell<*const Frame> = const { Cell::new(ptr::null()) };
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// What a callback stands in.
struct Frame {
    /// The process that it stands in: a child of it, forked in the callback, stands in none.
    process: u32,
    names: *const Names,
    context: *mut Context<'static>,
    /// The connection that is being told of its end: known to C, gone from the loop.
    ending: u64,
}

/// What a call of C finds of the callback it is made from.
pub(crate) struct Inside<'a> {
    /// How the callback's loop names its objects.
    pub(crate) names: &'a Names,
    /// The callback's loop.
    pub(crate) context: &'a mut Context<'static>,
    /// The connection whose `on_close` runs, or 0.
    pub(crate) ending: u64,
}

/// Puts the callback that ran before, if any, back.
struct Restore(*const Frame);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Calls `callback` while calls of C on this thread find `context`.
#[inline]
pub(crate) fn with_callback<R>(
    names: &Names,
    context: &mut Context<'_>,
    ending: u64,
    callback: impl FnOnce() -> R,
) -> R {
    let context: *mut Context<'_> = context;
    let frame = Frame { process: process::id(), names, context: context.cast(), ending };
    let _restore = Restore(CURRENT.replace(&frame));
    callback()
}

/// Calls a function of the application amid the work of a loop, or beside it: what it calls gets at no
/// loop directly, and does not wait for one.
pub(crate) fn aside<R>(call: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            ASIDE.set(self.0);
        }
    }
    let _back = Back(ASIDE.replace(true));
    call()
}

/// Whether such a function runs on this thread.
#[inline]
pub(crate) fn is_aside() -> bool {
    ASIDE.get()
}

/// Whether a callback, of whatever loop, runs on this thread.
pub(crate) fn is_inside() -> bool {
    is_aside() || frame().is_some()
}

/// Whether a callback of the loop at `place` runs on this thread.
pub(crate) fn is_inside_of(place: usize) -> bool {
    inside(place, |_| ()).is_some()
}

/// The callback that runs on this thread.
#[inline]
fn frame<'a>() -> Option<&'a Frame> {
    // SAFETY: the frame is on the stack of `with_callback`, which this call came through.
    let frame = unsafe { CURRENT.get().as_ref() }?;
    (frame.process == process::id()).then_some(frame)
}

/// Calls `act` with the callback that runs on this thread, if it is one of the loop at `place`.
/// `act` calls nothing of C.
#[inline]
pub(crate) fn inside<R>(place: usize, act: impl FnOnce(Inside<'_>) -> R) -> Option<R> {
    if is_aside() {
        return None;
    }
    let frame = frame()?;
    // SAFETY: as the frame.
    let names = unsafe { &*frame.names };
    if names.place() != place {
        return None;
    }
    // SAFETY: `with_callback` holds the only reference and does not use it before the callback
    // returns. The calls of C in a callback come one after the other, and `act` makes none, so this
    // is the only one in use. The longer lifetime does not get out of `act`.
    let context = unsafe { &mut *frame.context };
    Some(act(Inside { names, context, ending: frame.ending }))
}
