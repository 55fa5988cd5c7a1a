//! Happy Eyeballs: the addresses of a name race for the connection (RFC 8305).
//!
//! They begin one after the other, each when the one before failed or has had 250 ms for itself,
//! and the first connection wins. The families alternate already when they come from the resolver.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::poller::Poller;
use crate::error::Attempt;
use crate::net::descriptors::Owned;
use crate::net::socket::{self, SocketOptions};

/// How long an attempt has before the next one begins beside it (RFC 8305 section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// The race for one connection.
#[derive(Debug, Default)]
pub(crate) struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<(SocketAddr, Owned<TcpStream>)>,
    failed: Vec<Attempt>,
    /// When the next address begins, unless all that run have failed before.
    next_at: Option<Instant>,
}

/// How a race stands.
pub(crate) enum Standing {
    /// Ask again upon an event, or at the deadline.
    Running,
    /// This socket is connected and registered; the others are gone.
    Won(Owned<TcpStream>),
    /// No address accepted the connection.
    Lost,
}

impl Race {
    /// A race of these addresses, in which nobody runs yet.
    pub(crate) fn new(addrs: Vec<SocketAddr>) -> Self {
        Self { waiting: addrs.into(), ..Self::default() }
    }

    /// Looks at those that run, and lets begin whose turn it is.
    pub(crate) fn advance(
        &mut self,
        options: &SocketOptions,
        poller: &Poller,
        token: Token,
        now: Instant,
    ) -> Standing {
        let mut due = self.next_at.is_some_and(|at| at <= now);
        let mut at = 0;
        while let Some((addr, socket)) = self.running.get(at) {
            match socket::connect_result(socket) {
                Ok(false) => at += 1,
                Ok(true) => {
                    let (_, winner) = self.running.swap_remove(at);
                    self.abandon(poller.registry());
                    return Standing::Won(winner);
                }
                Err(error) => {
                    self.failed.push(Attempt::new(*addr, &error));
                    let (_, mut socket) = self.running.remove(at);
                    let _ = poller.registry().deregister(&mut *socket);
                    due = true;
                }
            }
        }
        if due || self.running.is_empty() {
            self.start_next(options, poller, token, now);
        }
        if self.running.is_empty() { Standing::Lost } else { Standing::Running }
    }

    /// When [`advance`](Self::advance) wants to be called, whatever the poller says.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Ends every attempt. A socket must not outlive its registration.
    pub(crate) fn abandon(&mut self, registry: &Registry) {
        for (_, mut socket) in self.running.drain(..) {
            let _ = registry.deregister(&mut *socket);
        }
        self.waiting.clear();
        self.next_at = None;
    }

    /// The attempts that failed, in that order.
    pub(crate) fn into_failed(self) -> Vec<Attempt> {
        self.failed
    }

    /// Starts the first address that does not fail at once.
    fn start_next(&mut self, options: &SocketOptions, poller: &Poller, token: Token, now: Instant) {
        self.next_at = None;
        while let Some(addr) = self.waiting.pop_front() {
            let interest = Interest::READABLE | Interest::WRITABLE;
            let started = socket::connect(addr, options)
                .and_then(|socket| poller.watch(socket, token, interest));
            match started {
                Ok(socket) => {
                    self.running.push((addr, socket));
                    let more = !self.waiting.is_empty();
                    self.next_at = more.then(|| now.checked_add(HEAD_START)).flatten();
                    return;
                }
                Err(error) => self.failed.push(Attempt::new(addr, &error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use mio::Events;

    use super::*;
    use crate::event_loop::clock;

    struct Track {
        poller: Poller,
        race: Race,
        now: Instant,
    }

    impl Track {
        fn new(addrs: &[SocketAddr]) -> Self {
            let race = Race::new(addrs.to_vec());
            Self { poller: Poller::new().unwrap(), race, now: clock::now() }
        }

        fn advance(&mut self) -> Standing {
            let options = SocketOptions::default();
            self.race.advance(&options, &self.poller, Token(7), self.now)
        }

        /// Waits for events until the race is decided, without letting time pass for it.
        fn decide(&mut self) -> Standing {
            loop {
                match self.advance() {
                    Standing::Running => {
                        self.poller
                            .wait(&mut Events::with_capacity(8), None, Duration::ZERO)
                            .unwrap();
                    }
                    decided => return decided,
                }
            }
        }
    }

    fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, addr)
    }

    /// An address where nobody listens.
    fn refusing() -> SocketAddr {
        listener().1
    }

    /// A listener whose queue is full: a connection to it is neither made nor refused.
    fn silent() -> (socket2::Socket, Vec<TcpStream>, SocketAddr) {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let addr = socket.local_addr().unwrap().as_socket().unwrap();
        let options = SocketOptions::default();
        let queue = (0..4).map(|_| socket::connect(addr, &options).unwrap()).collect();
        (socket, queue, addr)
    }

    #[test]
    fn the_first_address_wins_if_it_can() {
        let (listener, addr) = listener();
        let mut track = Track::new(&[addr, refusing()]);
        let Standing::Won(winner) = track.decide() else { panic!("not connected") };
        assert_eq!(winner.peer_addr().unwrap(), addr);
        assert_eq!(track.race.deadline(), None);
        drop(listener);
    }

    #[test]
    fn a_refusal_lets_the_next_begin_at_once_and_is_told() {
        let (_listener, addr) = listener();
        let refusing = refusing();
        let mut track = Track::new(&[refusing, addr]);
        let Standing::Won(winner) = track.decide() else { panic!("not connected") };
        assert_eq!(winner.peer_addr().unwrap(), addr);
        let failed = track.race.into_failed();
        assert_eq!(failed.len(), 1);
        assert_eq!(failed[0].address(), refusing.to_string());
    }

    #[test]
    fn a_silent_address_keeps_the_next_waiting_for_a_quarter_of_a_second() {
        let (_socket, _queue, silent) = silent();
        let (_listener, addr) = listener();
        let mut track = Track::new(&[silent, addr]);
        assert!(matches!(track.advance(), Standing::Running));
        assert_eq!(track.race.running.len(), 1);
        assert_eq!(track.race.deadline(), Some(track.now + HEAD_START));
        track.now += HEAD_START - Duration::from_millis(1);
        assert!(matches!(track.advance(), Standing::Running));
        assert_eq!(track.race.running.len(), 1);
        track.now += Duration::from_millis(1);
        let Standing::Won(winner) = track.decide() else { panic!("not connected") };
        assert_eq!(winner.peer_addr().unwrap(), addr);
        assert!(track.race.running.is_empty(), "the silent one goes");
    }

    #[test]
    fn all_refusals_are_listed_in_order() {
        let addrs = [refusing(), refusing(), refusing()];
        let mut track = Track::new(&addrs);
        assert!(matches!(track.decide(), Standing::Lost));
        let failed = track.race.into_failed();
        let told: Vec<_> = failed.iter().map(|attempt| attempt.address().to_owned()).collect();
        assert_eq!(told, addrs.map(|addr| addr.to_string()));
    }
}
