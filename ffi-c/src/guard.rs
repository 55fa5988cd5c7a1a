//! The border for panics and exceptions: nothing unwinds from us into C, and nothing from C into us.

use std::any::Any;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;

use crate::edge;
use crate::registry;
use crate::status::{Failure, TW_EINTERNAL, TW_OK, tw_error, tw_status};

/// Runs the body of a function that returns a status and is about `id`, or about 0 if that is nothing of
/// a loop. A panic goes to the loop's log.
#[inline]
pub(crate) fn status(id: u64, body: impl FnOnce() -> Result<(), tw_status>) -> tw_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(done) => done.err().unwrap_or(TW_OK),
        Err(panic) => caught(id, &*panic),
    }
}

/// Runs the body of a function that also tells why it failed.
///
/// # Safety
///
/// `error` is NULL or points at a `tw_error` that may be written to.
pub(crate) unsafe fn reported(
    id: u64,
    error: *mut tw_error,
    body: impl FnOnce() -> Result<(), Failure>,
) -> tw_status {
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return TW_OK,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::from(caught(id, &*panic)),
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

/// Records a panic of ours where the loop's application sees it.
#[cold]
fn caught(id: u64, panic: &(dyn Any + Send)) -> tw_status {
    let text = format!("a panic in the library: {}", panic_text(panic));
    // The log is the application's, and its function may be what panicked.
    let _ = catch_unwind(AssertUnwindSafe(|| registry::report(id, text)));
    TW_EINTERNAL
}

/// What a panic says.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text")
}

/// Ends the process with one line on standard error that says what came of a callback.
#[cold]
pub(crate) fn end_process(what: &str, callback: &str) -> ! {
    let line = format!("tightwire: {what} the callback {callback}\n");
    // The process ends in any case.
    let _ = std::io::stderr().write_all(line.as_bytes());
    process::abort();
}

#[cfg(test)]
mod tests {
    use std::ffi::{c_char, c_void};
    use std::ptr;
    use std::sync::Mutex;

    use super::*;
    use crate::loops::{tw_loop_free, tw_loop_new, tw_loop_poll, tw_post};
    use crate::options::{TW_LOG_ERROR, tw_loop_opts};

    static LOG: Mutex<Vec<(i32, String)>> = Mutex::new(Vec::new());

    unsafe extern "C-unwind" fn on_log(
        _: *mut c_void,
        level: i32,
        text: *const c_char,
        len: usize,
    ) {
        // SAFETY: the library hands out so many bytes.
        let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
        LOG.lock().unwrap().push((level, String::from_utf8_lossy(text).into_owned()));
    }

    unsafe extern "C-unwind" fn panics_inside(id: *mut c_void) {
        let status = status(id as u64, || panic!("planted inside"));
        assert_eq!(status, TW_EINTERNAL);
    }

    /// What the log got since the last look.
    fn logged() -> Vec<(i32, String)> {
        std::mem::take(&mut LOG.lock().unwrap())
    }

    #[test]
    fn a_panic_is_a_status_and_a_record() {
        let options = tw_loop_opts {
            size: size_of::<tw_loop_opts>(),
            flags: 0,
            reads_per_turn: 0,
            log_level: 0,
            on_log: Some(on_log),
            user: ptr::null_mut(),
            spin_us: 0,
        };
        let mut id = 0;
        // SAFETY: the pointers are valid.
        assert_eq!(unsafe { tw_loop_new(&raw const options, &raw mut id, ptr::null_mut()) }, TW_OK);
        let record = |text: &str| (TW_LOG_ERROR, format!("a panic in the library: planted {text}"));

        assert_eq!(status(id, || panic!("planted {}", "outside")), TW_EINTERNAL);
        assert_eq!(tw_loop_poll(id, 0), TW_OK);
        assert_eq!(logged(), [record("outside")]);

        let mut error = tw_error { code: 0, sys: 0, text: [0; 248] };
        // SAFETY: the pointer is valid.
        let code = unsafe { reported(id, &raw mut error, || panic!("planted with an error")) };
        assert_eq!((code, error.code), (TW_EINTERNAL, TW_EINTERNAL));
        assert_eq!(tw_loop_poll(id, 0), TW_OK);
        assert_eq!(logged(), [record("with an error")]);

        // SAFETY: the function only takes the number.
        assert_eq!(unsafe { tw_post(id, Some(panics_inside), id as *mut c_void) }, TW_OK);
        assert_eq!(tw_loop_poll(id, 0), TW_OK);
        assert_eq!(logged(), [record("inside")]);

        assert_eq!(tw_loop_free(id, 0), TW_OK);
        assert_eq!(status(id, || panic!("planted at the end")), TW_EINTERNAL);
        assert_eq!(status(0, || panic!("planted nowhere")), TW_EINTERNAL);
        assert_eq!(logged(), []);
    }
}
