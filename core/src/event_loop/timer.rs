//! The loop's next deadline inside its pollable descriptor, for hosts that only watch that.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::Token;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::clock;
use super::poller::Poller;
use crate::net::descriptors::Owned;

/// A timerfd that makes the poller readable when a deadline comes.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: Owned<OwnedFd>,
    armed: Option<Instant>,
}

impl Timer {
    pub(crate) fn new(poller: &Poller, token: Token) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { fd: poller.watch_fd(fd, token)?, armed: None })
    }

    /// Makes the timer expire at `deadline`, no system call if it does so already. An armed timer
    /// that is too early is left alone: it costs one empty turn.
    pub(crate) fn arm(&mut self, deadline: Option<Instant>, now: Instant) -> io::Result<()> {
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        let Some(deadline) = deadline else { return Ok(()) };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return Ok(());
        }
        // Callbacks may have taken their time since `now`. Zero would disarm the timer.
        let wait = deadline.saturating_duration_since(clock::now()).max(Duration::from_nanos(1));
        let it_value = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: once, it_value };
        timerfd_settime(self.fd.as_fd(), TimerfdTimerFlags::empty(), &spec)?;
        self.armed = Some(deadline);
        Ok(())
    }
}
