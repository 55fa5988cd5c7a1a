//! The border for panics and exceptions: nothing unwinds from us into C, and nothing from C into us.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use crate::edge;
use crate::status::{Failure, TW_EINTERNAL, TW_OK, tw_error, tw_status};

/// Runs the body of a function that returns a status.
#[inline]
pub(crate) fn status(body: impl FnOnce() -> Result<(), tw_status>) -> tw_status {
    value(TW_EINTERNAL, || body().err().unwrap_or(TW_OK))
}

/// Runs the body of a function that also tells why it failed.
///
/// # Safety
///
/// `error` is NULL or points at a `tw_error` that may be written to.
pub(crate) unsafe fn reported(
    error: *mut tw_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> tw_status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return TW_OK,
        Ok(Err(failure)) => failure,
        Err(_) => Failure::from(TW_EINTERNAL),
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { edge::store_if_wanted(error, tw_error::from(&failure)) };
    failure.code()
}

/// Runs the body of a function that has nothing to report with but its value.
#[inline]
pub(crate) fn value<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// Calls into C. What leaves the callback by unwinding (a C++ exception) ends the process with one
/// line that names it: going on would skip our destructors, or run with half a state.
#[inline]
pub(crate) fn callback(name: &'static str, call: impl FnOnce()) {
    let mut fuse = Fuse { name, armed: true };
    call();
    fuse.armed = false;
}

struct Fuse {
    name: &'static str,
    armed: bool,
}

impl Drop for Fuse {
    fn drop(&mut self) {
        if self.armed {
            let line = format!("tightwire: an exception left the callback {}\n", self.name);
            // The process ends in any case.
            let _ = std::io::stderr().write_all(line.as_bytes());
            process::abort();
        }
    }
}
