//! The callback that runs on this thread: the shortest way from a call of C to the loop, and the end of
//! the process for whatever leaves a callback but by returning to it.
//!
//! A C++ exception, `pthread_exit` and a cancelled thread unwind, so that [`Leave`] is dropped amid them.
//! `longjmp` runs nothing of ours: it is found by the next call of this thread that comes from further up the
//! stack than the callback stood.

use std::cell::Cell;
use std::ptr;

use tightwire::Context;

use crate::guard;
use crate::ids::Names;
use crate::process;
use crate::stack;

thread_local! {
    static HERE: Here = const {
        Here {
            frame: Cell::new(ptr::null()),
            depth: Cell::new(0),
            process: Cell::new(0),
            name: Cell::new(""),
        }
    };
}

/// The innermost callback of this thread. Only the frame itself is on the stack: after a jump there may be
/// anything in its place.
struct Here {
    frame: Cell<*const Frame>,
    /// The stack pointer where the callback was called.
    depth: Cell<usize>,
    /// The process that it stands in: a child of it, forked in the callback, stands in none.
    process: Cell<u32>,
    name: Cell<&'static str>,
}

/// What a callback stands in.
struct Frame {
    /// Says that nothing else has come to stand here.
    seal: usize,
    /// NULL beside all loops.
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

/// Calls `callback`, which C knows by `name`, while calls of C on this thread find `context`.
#[inline]
pub(crate) fn with_callback<R>(
    names: &Names,
    context: &mut Context<'_>,
    ending: u64,
    name: &'static str,
    callback: impl FnOnce() -> R,
) -> R {
    let context: *mut Context<'_> = context;
    stand(name, Frame { seal: 0, names, context: context.cast(), ending }, callback)
}

/// Calls a function of the application amid the work of a loop, or beside it: what it calls gets at no
/// loop directly, and does not wait for one.
pub(crate) fn aside<R>(name: &'static str, call: impl FnOnce() -> R) -> R {
    let frame = Frame { seal: 0, names: ptr::null(), context: ptr::null_mut(), ending: 0 };
    stand(name, frame, call)
}

#[inline]
fn stand<R>(name: &'static str, mut frame: Frame, callback: impl FnOnce() -> R) -> R {
    let depth = stack::pointer();
    frame.seal = seal(depth);
    HERE.with(|here| {
        let mut leave = Leave {
            here,
            frame: here.frame.replace(&raw const frame),
            depth: here.depth.replace(depth),
            process: here.process.replace(process::id()),
            name: here.name.replace(name),
            returned: false,
        };
        let result = callback();
        if here.process.get() != process::id() {
            guard::end_process("a forked child returned from", name);
        }
        leave.returned = true;
        result
    })
}

/// Puts the callback that ran before, if any, back. What unwinds ends the process with a line that names the
/// callback: going on would skip our destructors, or run with half a state.
struct Leave<'a> {
    here: &'a Here,
    frame: *const Frame,
    depth: usize,
    process: u32,
    name: &'static str,
    returned: bool,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if !self.returned {
            guard::end_process("an exception or pthread_exit left", self.here.name.get());
        }
        self.here.frame.set(self.frame);
        self.here.depth.set(self.depth);
        self.here.process.set(self.process);
        self.here.name.set(self.name);
    }
}

/// Different at each depth, and no address.
#[inline]
fn seal(depth: usize) -> usize {
    !depth
}

/// The callback that runs on this thread.
#[inline]
fn frame<'a>() -> Option<&'a Frame> {
    HERE.with(|here| {
        let (frame, depth) = (here.frame.get(), here.depth.get());
        if frame.is_null() || here.process.get() != process::id() {
            return None;
        }
        if stack::pointer() > depth && stack::is_below_us(depth) {
            guard::end_process("longjmp left", here.name.get());
        }
        // SAFETY: the frame is on the stack of `stand`, which this call came through. If a jump has left it
        // and this call is as deep again, what is read is still memory of this thread.
        let frame = unsafe { &*frame };
        if frame.seal != seal(depth) {
            guard::end_process("longjmp left", here.name.get());
        }
        Some(frame)
    })
}

/// Ends the process if a callback of this thread was left by a jump.
#[inline]
pub(crate) fn check() {
    frame();
}

/// Whether a function runs on this thread that stands beside all loops.
#[inline]
pub(crate) fn is_aside() -> bool {
    frame().is_some_and(|frame| frame.names.is_null())
}

/// Whether a callback, of whatever loop, runs on this thread.
pub(crate) fn is_inside() -> bool {
    frame().is_some()
}

/// Whether a callback of the loop at `place` runs on this thread.
pub(crate) fn is_inside_of(place: usize) -> bool {
    inside(place, |_| ()).is_some()
}

/// Calls `act` with the callback that runs on this thread, if it is one of the loop at `place`.
/// `act` calls nothing of C.
#[inline]
pub(crate) fn inside<R>(place: usize, act: impl FnOnce(Inside<'_>) -> R) -> Option<R> {
    let frame = frame()?;
    // SAFETY: NULL or as the frame.
    let names = unsafe { frame.names.as_ref() }?;
    if names.place() != place {
        return None;
    }
    // SAFETY: `with_callback` holds the only reference and does not use it before the callback
    // returns. The calls of C in a callback come one after the other, and `act` makes none, so this
    // is the only one in use. The longer lifetime does not get out of `act`.
    let context = unsafe { &mut *frame.context };
    Some(act(Inside { names, context, ending: frame.ending }))
}
