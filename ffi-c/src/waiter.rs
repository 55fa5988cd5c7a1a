//! A thread that waits in the place of a host, for hosts and systems without a descriptor to watch.
//!
//! It alone blocks in the poller. When there is work it says so and sleeps until the host has done it:
//! all that a loop does, callbacks above all, still happens on the thread that drives it.

use std::ffi::c_void;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::bridge::User;
use crate::current;

/// A function of the application that tells its own loop to poll ours.
pub(crate) type ReadyFn = unsafe extern "C-unwind" fn(user: *mut c_void);

/// What the waiting thread and the host share.
pub(crate) struct Waiter {
    state: Mutex<State>,
    changed: Condvar,
    /// Readable while there is work.
    signal: OwnedFd,
}

struct State {
    stage: Stage,
    on_ready: Option<(ReadyFn, User)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The thread is in the poller, or on its way there.
    Waiting,
    /// There is work for the host.
    Ready,
    /// The loop is being freed.
    Over,
}

/// Calls a function that may do no more than poke another loop.
pub(crate) fn tell(function: ReadyFn, user: User) {
    current::aside("tw_loop_on_ready", || {
        // SAFETY: a function of the application, given for this.
        unsafe { function(user.0) }
    });
}

impl Waiter {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes numbers only.
        let made = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is new and nobody else's.
        let signal = unsafe { OwnedFd::from_raw_fd(made) };
        let state = Mutex::new(State { stage: Stage::Waiting, on_ready: None });
        Ok(Self { state, changed: Condvar::new(), signal })
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.signal.as_raw_fd()
    }

    /// What the thread does: `wait` blocks until there is work, and fails when the loop is gone.
    pub(crate) fn serve(&self, mut wait: impl FnMut() -> bool) {
        while !self.is_over() && wait() {
            let Some(on_ready) = self.announce() else { return };
            if let Some((function, user)) = on_ready {
                tell(function, user);
            }
            let mut state = self.lock();
            while state.stage == Stage::Ready {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// There is work. Yields whom to tell, or nothing if the loop is being freed.
    fn announce(&self) -> Option<Option<(ReadyFn, User)>> {
        let mut state = self.lock();
        if state.stage == Stage::Over {
            return None;
        }
        state.stage = Stage::Ready;
        self.signal(true);
        self.changed.notify_all();
        Some(state.on_ready)
    }

    /// Waits for work, on the host's thread. False if there was none in time.
    pub(crate) fn await_work(&self, timeout: Option<Duration>) -> bool {
        let is_waiting = |state: &mut State| state.stage == Stage::Waiting;
        let state = self.lock();
        let state = match timeout {
            Some(timeout) => {
                let waited = self.changed.wait_timeout_while(state, timeout, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(state, is_waiting);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        state.stage == Stage::Ready
    }

    /// The host is about to do the work: what comes from now on is announced anew.
    pub(crate) fn begin_work(&self) {
        let _held = self.lock();
        self.signal(false);
    }

    /// The host has done the work.
    pub(crate) fn end_work(&self) {
        let mut state = self.lock();
        if state.stage == Stage::Ready {
            state.stage = Stage::Waiting;
        }
        self.changed.notify_all();
    }

    /// Sets whom to tell. True if there is work already, of which it was not told.
    pub(crate) fn set_on_ready(&self, on_ready: Option<(ReadyFn, User)>) -> bool {
        let mut state = self.lock();
        state.on_ready = on_ready;
        state.stage == Stage::Ready
    }

    /// The thread is to end, as soon as it is out of the poller.
    pub(crate) fn end(&self) {
        self.lock().stage = Stage::Over;
        self.changed.notify_all();
    }

    /// Whether nobody waits for work any more.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().stage == Stage::Over
    }

    fn signal(&self, on: bool) {
        let mut number = 1_u64;
        let place = (&raw mut number).cast::<c_void>();
        let size = size_of::<u64>();
        // Both fail only if it is in that state already.
        if on {
            // SAFETY: eight bytes of ours.
            let _ = unsafe { libc::write(self.signal.as_raw_fd(), place, size) };
        } else {
            // SAFETY: eight bytes of ours.
            let _ = unsafe { libc::read(self.signal.as_raw_fd(), place, size) };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
