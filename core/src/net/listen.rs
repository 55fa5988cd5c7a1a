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

#[cfg(test)]
mod tests {
    use std::net;

    use super::super::socket;
    use super::*;

    #[test]
    fn errors_of_accept_are_told_apart() {
        for (errno, fault) in [
            (Errno::AGAIN, AcceptFault::Empty),
            (Errno::BADF, AcceptFault::Broken),
            (Errno::CONNABORTED, AcceptFault::Client),
            (Errno::HOSTUNREACH, AcceptFault::Client),
            (Errno::INTR, AcceptFault::Client),
            (Errno::INVAL, AcceptFault::Broken),
            (Errno::MFILE, AcceptFault::Exhausted),
            (Errno::NFILE, AcceptFault::Exhausted),
            (Errno::NOBUFS, AcceptFault::Exhausted),
            (Errno::NOMEM, AcceptFault::Exhausted),
            (Errno::PERM, AcceptFault::Client),
            (Errno::PROTO, AcceptFault::Client),
        ] {
            assert_eq!(AcceptFault::of(&errno.into()), fault, "{errno:?}");
        }
        assert_eq!(AcceptFault::of(&io::Error::other("?")), AcceptFault::Broken);
    }

    #[test]
    fn the_delay_doubles_up_to_a_second() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let start = Instant::now();
        let mut backoff = AcceptBackoff::new();
        assert_eq!(backoff.deadline(), None);
        let mut now = start;
        for (turn, delay) in [50, 100, 200, 400, 800, 1_000, 1_000].into_iter().enumerate() {
            assert_eq!(backoff.failed(now), turn == 0, "only the first is to be reported");
            now += Duration::from_millis(delay);
            assert_eq!(backoff.deadline(), Some(now), "turn {turn}");
        }
        backoff.recovered();
        assert_eq!(backoff.deadline(), None);
        assert!(backoff.failed(now));
        assert_eq!(backoff.deadline(), Some(now + FIRST_DELAY));
    }

    #[test]
    fn a_freed_descriptor_makes_an_owed_accept_due() {
        #[expect(clippy::disallowed_methods, reason = "the start of virtual time")]
        let start = Instant::now();
        let mut backoff = AcceptBackoff::new();
        backoff.freed(start);
        assert_eq!(backoff.deadline(), None, "nothing is owed");
        backoff.failed(start);
        let later = start + Duration::from_millis(7);
        backoff.freed(later);
        assert_eq!(backoff.deadline(), Some(later));
        backoff.freed(later + Duration::from_millis(1));
        assert_eq!(backoff.deadline(), Some(later), "never later than before");
    }

    #[test]
    fn a_batch_ends_at_its_limit_and_when_nobody_waits() {
        let listener = socket::bind("127.0.0.1:0".parse().unwrap(), 16).unwrap();
        let addr = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        let mut accepted = Vec::new();
        let batch = accept_batch(&listener, 2, |socket, addr| accepted.push((socket, addr)));
        assert!(matches!(batch, Batch::More), "{batch:?}");
        let batch = accept_batch(&listener, 2, |socket, addr| accepted.push((socket, addr)));
        assert!(matches!(batch, Batch::Drained), "{batch:?}");
        for (client, (socket, addr)) in clients.iter().zip(&accepted) {
            assert_eq!(client.local_addr().unwrap(), *addr);
            assert!(socket.nodelay().unwrap());
        }
    }
}
