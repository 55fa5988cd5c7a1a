//! The poller of a loop, and the descriptors that are in it: whatever the loop opens is watched here and
//! known by its number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::clock;
use crate::net::descriptors::{Descriptors, Owned};

/// So long it asks without sleep before it returns.
const MAX_SPIN: Duration = Duration::from_millis(1);

/// See the module.
pub(crate) struct Poller {
    poll: Owned<mio::Poll>,
    descriptors: Arc<Descriptors>,
    /// Since when it asks without sleep and without news.
    spinning: Option<Instant>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let descriptors = Descriptors::new();
        Ok(Self { poll: descriptors.own(mio::Poll::new()?), descriptors, spinning: None })
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    pub(crate) fn descriptors(&self) -> &Arc<Descriptors> {
        &self.descriptors
    }

    /// Has the poller report what happens to a socket that was just opened.
    pub(crate) fn watch<S: Source + AsRawFd>(
        &self,
        socket: S,
        token: Token,
        interest: Interest,
    ) -> io::Result<Owned<S>> {
        let mut socket = self.descriptors.own(socket);
        self.registry().register(&mut *socket, token, interest)?;
        Ok(socket)
    }

    /// The same for a descriptor that is no socket, and for reading.
    pub(crate) fn watch_fd(&self, fd: OwnedFd, token: Token) -> io::Result<Owned<OwnedFd>> {
        let fd = self.descriptors.own(fd);
        self.registry().register(&mut SourceFd(&fd.as_raw_fd()), token, Interest::READABLE)?;
        Ok(fd)
    }

    /// Waits for events, at most for `timeout`. With a `spin` it first asks again and again, for so long
    /// since it last had news, and returns without any when that is over, and now and then before: whoever
    /// waits may have signals to look at, which would end a sleep.
    pub(crate) fn wait(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
        spin: Duration,
    ) -> io::Result<()> {
        if spin.is_zero() || timeout == Some(Duration::ZERO) {
            return self.poll.poll(events, timeout);
        }
        let began = clock::now();
        let left = spin.saturating_sub(began.duration_since(*self.spinning.get_or_insert(began)));
        if left.is_zero() {
            self.spinning = None;
            return self.poll.poll(events, timeout);
        }
        let slice = left.min(timeout.unwrap_or(MAX_SPIN)).min(MAX_SPIN);
        while clock::now().duration_since(began) < slice {
            self.poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                self.spinning = None;
                break;
            }
        }
        Ok(())
    }
}

impl AsRawFd for Poller {
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

/// Ends a wait of the poller from any thread, and from a signal handler: an eventfd, as mio's own waker,
/// which does not tell its descriptor.
#[derive(Debug)]
pub(crate) struct Waker(Owned<OwnedFd>);

impl Waker {
    pub(crate) fn new(poller: &Poller, token: Token) -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        poller.watch_fd(fd, token).map(Self)
    }

    /// One write, which the poller reports each time. A counter that is full is emptied first.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let fd = self.0.as_fd();
        let one = 1_u64.to_ne_bytes();
        match rustix::io::write(fd, &one) {
            Err(Errno::AGAIN) => {
                rustix::io::read(fd, &mut [0; 8])?;
                rustix::io::write(fd, &one)?;
            }
            written => {
                written?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_woken(poller: &mut Poller) -> bool {
        let mut events = Events::with_capacity(4);
        poller.wait(&mut events, Some(Duration::ZERO), Duration::ZERO).unwrap();
        !events.is_empty()
    }

    #[test]
    fn each_wake_up_is_reported() {
        let mut poller = Poller::new().unwrap();
        let waker = Waker::new(&poller, Token(0)).unwrap();
        assert!(!is_woken(&mut poller));
        for _ in 0..3 {
            waker.wake().unwrap();
            waker.wake().unwrap();
            assert!(is_woken(&mut poller));
            assert!(!is_woken(&mut poller), "once");
        }
    }

    #[test]
    fn a_full_counter_still_wakes() {
        let mut poller = Poller::new().unwrap();
        let waker = Waker::new(&poller, Token(0)).unwrap();
        rustix::io::write(waker.0.as_fd(), &(u64::MAX - 1).to_ne_bytes()).unwrap();
        assert!(is_woken(&mut poller));
        waker.wake().unwrap();
        assert!(is_woken(&mut poller));
    }

    #[test]
    fn everything_that_is_watched_is_known() {
        let poller = Poller::new().unwrap();
        let waker = Waker::new(&poller, Token(0)).unwrap();
        let listener = mio::net::TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = poller.watch(listener, Token(1), Interest::READABLE).unwrap();
        let mut all = vec![poller.as_raw_fd(), waker.0.as_raw_fd(), listener.as_raw_fd()];
        all.sort_unstable();
        assert_eq!(poller.descriptors().list(), all);
        drop(listener);
        assert_eq!(poller.descriptors().list().len(), 2);
    }
}
