//! Signals are the host's: threads of ours take none, and what handlers may call leaves no trace.

use std::mem::MaybeUninit;
use std::ptr;

/// Calls `act` and leaves `errno` as it was, which is what the code sees that a signal interrupted.
pub(crate) fn keeping_errno<R>(act: impl FnOnce() -> R) -> R {
    // SAFETY: takes nothing, and the address is this thread's for as long as it lives.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let before = unsafe { errno.read() };
    let result = act();
    // SAFETY: as above.
    unsafe { errno.write(before) };
    result
}

/// Calls `act` with all signals blocked on this thread, so that a thread it starts blocks them too.
pub(crate) fn blocked<R>(act: impl FnOnce() -> R) -> R {
    let _restore = Restore(block_all());
    act()
}

struct Restore(libc::sigset_t);

impl Drop for Restore {
    fn drop(&mut self) {
        // SAFETY: the set came from the same function; nobody wants the one before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// Blocks all signals and returns those that were blocked before.
fn block_all() -> libc::sigset_t {
    let mut all = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: the set is ours.
    unsafe { libc::sigfillset(all.as_mut_ptr()) };
    let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: both sets are ours and initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) };
    // SAFETY: it was zeroed, which is a set, and written over.
    unsafe { before.assume_init() }
}
