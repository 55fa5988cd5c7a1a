//! From a URL to a TCP connection: resolve the name, then try its addresses one after the other.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::{Interest, Registry, Token};

use super::core::Core;
use super::endpoint::Endpoint;
use super::handler::Handler;
use super::id::ConnId;
use super::inbox::Command;
use super::link::{Connection, Greeting, Link, Phase};
use crate::client::{ClientOptions, Prepared};
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::net::socket;
use crate::net::stream::Stream;
use crate::proto::frame::Role;

/// A connection on its way to a TCP stream.
pub(crate) struct Dial {
    prepared: Prepared,
    waiting: VecDeque<SocketAddr>,
    attempt: Option<(SocketAddr, mio::net::TcpStream)>,
    failures: Vec<(SocketAddr, io::Error)>,
}

impl Dial {
    /// The socket of a running attempt must not outlive its registration.
    pub(crate) fn deregister(&mut self, registry: &Registry) {
        if let Some((_, socket)) = &mut self.attempt {
            let _ = registry.deregister(socket);
        }
    }

    /// Starts to connect to the next address. False when there is none left.
    fn start(&mut self, registry: &Registry, id: ConnId) -> bool {
        while let Some(addr) = self.waiting.pop_front() {
            let started = socket::connect(addr).and_then(|mut socket| {
                registry.register(
                    &mut socket,
                    token(id),
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                Ok(socket)
            });
            match started {
                Ok(socket) => {
                    self.attempt = Some((addr, socket));
                    return true;
                }
                Err(error) => self.failures.push((addr, error)),
            }
        }
        false
    }

    /// All addresses failed.
    fn error(&self) -> Error {
        let mut what =
            format!("could not connect to {}:{}", self.prepared.host, self.prepared.port);
        let Some(((last, error), others)) = self.failures.split_last() else {
            return Error::new(ErrorPhase::Dns, ErrorCode::Dns, "the name has no address");
        };
        for (addr, error) in others {
            let _ = write!(what, "; {addr}: {error}");
        }
        if self.prepared.host.parse::<std::net::IpAddr>().is_err() {
            let _ = write!(what, "; {last}");
        }
        Error::io(ErrorPhase::Tcp, ErrorCode::Connect, &what, error)
    }
}

/// The poller's name for a connection.
pub(crate) fn token(id: ConnId) -> Token {
    // On 32-bit systems the upper bits of the generation are cut; the slot and 8 bits stay.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    Token(id.to_u64() as usize)
}

impl Core {
    /// See [`Context::connect`](super::Context::connect).
    pub(crate) fn connect(
        &mut self,
        options: &ClientOptions,
        handler: Box<dyn Handler + Send>,
    ) -> Result<ConnId, Error> {
        self.check_running()?;
        let prepared = options.prepare()?;
        self.refresh_now();
        let shared = self.new_shared(options.tuning.max_send_buffer)?;
        let id = shared.id();
        shared.set_url(options.target.url.clone().into());
        let endpoint = Arc::new(Endpoint {
            index: self.join(handler),
            role: Role::Client,
            tuning: options.tuning.clone(),
            server: None,
        });
        let inbox = Arc::clone(&self.inbox);
        let reply = Box::new(move |addrs| {
            inbox.push(Command::Resolved { id, addrs });
        });
        let (host, port) = (prepared.host.clone(), prepared.port);
        let (waiting, failures) = (VecDeque::new(), Vec::new());
        let dial = Dial { prepared, waiting, attempt: None, failures };
        let mut conn = self.adopt(shared, endpoint, Phase::Resolving(Box::new(dial)), None);
        conn.link.flags.announced = true;
        self.schedule(&mut conn.link);
        self.slots.put(id.slot(), id.generation(), conn);
        self.resolver.resolve(&host, port, reply);
        Ok(id)
    }

    /// The resolver answered. True if the connection may go on to be looked after.
    pub(crate) fn resolved(&self, link: &mut Link, addrs: io::Result<Vec<SocketAddr>>) {
        let Phase::Resolving(dial) = std::mem::replace(&mut link.phase, Phase::Refusing) else {
            return;
        };
        let mut dial = dial;
        match addrs {
            Ok(addrs) => {
                dial.waiting = addrs.into();
                link.phase = Phase::Connecting(dial);
                self.connect_next(link);
            }
            Err(error) => {
                let what = format!("could not resolve {:?}", dial.prepared.host);
                link.phase = Phase::Resolving(dial);
                link.fail(Error::io(ErrorPhase::Dns, ErrorCode::Dns, &what, &error));
            }
        }
    }

    fn connect_next(&self, link: &mut Link) {
        let Phase::Connecting(dial) = &mut link.phase else { return };
        if !dial.start(self.poll.registry(), link.id) {
            let error = dial.error();
            link.fail(error);
        }
    }

    /// The poller reported something about the socket of an attempt.
    pub(crate) fn connecting(&self, conn: &mut Connection) {
        let link = &mut conn.link;
        let Phase::Connecting(dial) = &mut link.phase else { return };
        let Some((addr, mut socket)) = dial.attempt.take() else { return };
        match socket::connect_result(&socket) {
            Ok(true) => self.connected(link, socket),
            Ok(false) => dial.attempt = Some((addr, socket)),
            Err(error) => {
                let _ = self.poll.registry().deregister(&mut socket);
                drop(socket);
                dial.failures.push((addr, error));
                self.connect_next(link);
            }
        }
    }

    fn connected(&self, link: &mut Link, socket: mio::net::TcpStream) {
        let Phase::Connecting(dial) = std::mem::replace(&mut link.phase, Phase::Refusing) else {
            return;
        };
        let prepared = dial.prepared;
        link.session.queue_mut().push_raw(&prepared.request);
        link.phase = Phase::Greeting(Box::new(Greeting::Client(prepared.handshake)));
        link.flags.writable = true;
        match wrap(socket, prepared.tls) {
            Ok(stream) => link.stream = Some(stream),
            Err(error) => link.fail(error),
        }
    }
}

#[cfg(feature = "tls")]
fn wrap(socket: mio::net::TcpStream, tls: Option<crate::client::TlsPlan>) -> Result<Stream, Error> {
    let Some(plan) = tls else { return Ok(Stream::Plain(socket)) };
    Ok(Stream::tls_client(socket, &plan.config, &plan.name)?)
}

#[cfg(not(feature = "tls"))]
fn wrap(socket: mio::net::TcpStream, _: Option<crate::client::TlsPlan>) -> Result<Stream, Error> {
    Ok(Stream::Plain(socket))
}
