//! Accepting: how many at once, which errors matter, and when to try again.
//!
//! A listening socket is edge-triggered, so an accept that fails because the process is out of
//! descriptors will not be reported again: the backlog would wait for the *next* client. The loop
//! must remember that it owes an accept; [`AcceptBackoff`] says when to pay.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use rustix::io::Errno;

const FIRST_DELAY: Duration = Duration::from_millis(50);
const LAST_DELAY: Duration = Duration::from_secs(1);

/// How a round of [`accept_batch`] ended.
#[derive(Debug)]
pub(crate) enum Batch {
    /// The listening socket itself is of no use any more.
    Broken(io::Error),
    /// Nobody waits; the next client will be reported.
    Drained,
    /// The process or the system is out of descriptors or memory. Try again by [`AcceptBackoff`].
    Exhausted(io::Error),
    /// The limit was reached and more may wait. Come back in this turn or the next, unasked.
    More,
}

/// Accepts up to `limit` connections and hands each to `take`, with Nagle's delay off.
///
/// Clients that are gone before they are accepted count towards the limit.
pub(crate) fn accept_batch(
    listener: &TcpListener,
    limit: usize,
    mut take: impl FnMut(TcpStream, SocketAddr),
) -> Batch {
    for _ in 0..limit {
        match listener.accept() {
            // The option fails only for a client that is gone; the first read will tell.
            Ok((socket, addr)) => {
                let _ = socket.set_nodelay(true);
                take(socket, addr);
            }
            Err(error) => match AcceptFault::of(&error) {
                AcceptFault::Broken => return Batch::Broken(error),
                AcceptFault::Client => {}
                AcceptFault::Empty => return Batch::Drained,
                AcceptFault::Exhausted => return Batch::Exhausted(error),
            },
        }
    }
    Batch::More
}

/// What an error of `accept` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AcceptFault {
    /// The listening socket.
    Broken,
    /// The one client that was about to be accepted, or nothing at all: go on.
    Client,
    /// Nobody waits.
    Empty,
    /// Descriptors or memory.
    Exhausted,
}

impl AcceptFault {
    /// Sorts an error of `accept`. Linux reports there what happened to the client's packets too.
    pub(crate) fn of(error: &io::Error) -> Self {
        let Some(errno) = Errno::from_io_error(error) else {
            return Self::Broken;
        };
        match errno {
            Errno::AGAIN => Self::Empty,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Self::Exhausted,
            Errno::BADF | Errno::FAULT | Errno::INVAL | Errno::NOTSOCK => Self::Broken,
            _ => Self::Client,
        }
    }
}

/// When to accept again after the system was exhausted: 50 ms, doubling to 1 s.
#[derive(Debug)]
pub(crate) struct AcceptBackoff {
    due: Option<Instant>,
    delay: Duration,
}

impl AcceptBackoff {
    /// Owes nothing.
    pub(crate) fn new() -> Self {
        Self { due: None, delay: FIRST_DELAY }
    }

    /// Notes that accepting failed at `now`. True for the first failure of a row: report that one.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let first = self.due.is_none();
        self.delay = if first { FIRST_DELAY } else { (self.delay * 2).min(LAST_DELAY) };
        self.due = Some(now + self.delay);
        first
    }

    /// Notes that a descriptor was freed: an owed accept is due at once.
    pub(crate) fn freed(&mut self, now: Instant) {
        if let Some(due) = &mut self.due {
            *due = now.min(*due);
        }
    }

    /// Notes that accepting works again.
    pub(crate) fn recovered(&mut self) {
        *self = Self::new();
    }

    /// When to accept again, if an accept is owed.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due
    }
}
