//! From a URL to a connected stream: resolve the name, let its addresses race, then the handshakes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::core::Core;
use super::endpoint::Endpoint;
use super::handler::Handler;
use super::id::ConnId;
use super::inbox::Command;
use super::link::{Link, Phase};
use super::race::{Race, Standing};
use crate::client::{ClientOptions, Follow, Prepared, Route};
use crate::error::{Attempt, Error, ErrorCode, Phase as ErrorPhase};
use crate::net::descriptors::Owned;
use crate::net::socket;
use crate::net::stream::Stream;
use crate::proto::frame::Role;

/// A connection on its way to a stream.
pub(crate) struct Dial {
    pub(crate) prepared: Prepared,
    /// Which of the loop's look-ups its addresses come from. An answer to an earlier one is stale.
    lookup: u64,
    /// The addresses of the route, once they are known.
    addrs: Vec<SocketAddr>,
    race: Race,
}

impl Dial {
    /// A dial, and what is to be looked up for it.
    fn new(prepared: Prepared) -> (Self, Route) {
        let dial = Self { prepared, lookup: 0, addrs: Vec::new(), race: Race::default() };
        let route = match &dial.prepared.through {
            Some(through) if through.resolves_here => &dial.prepared.route,
            _ => dial.first_hop(),
        };
        let route = route.clone();
        (dial, route)
    }

    /// The sockets of running attempts must not outlive their registration.
    pub(crate) fn deregister(&mut self, registry: &Registry) {
        self.race.abandon(registry);
    }

    /// When the next address joins the race.
    pub(crate) fn deadline(&self) -> Option<std::time::Instant> {
        self.race.deadline()
    }

    /// Lets the same addresses race again.
    pub(crate) fn start_over(&mut self) {
        self.race = Race::new(self.addrs.clone());
    }

    /// What is dialled: the proxy if there is one, otherwise the server.
    fn first_hop(&self) -> &Route {
        self.prepared.through.as_ref().map_or(&self.prepared.route, |through| &through.route)
    }

    /// An error on the way to the first hop.
    fn blame(&self, error: Error) -> Error {
        match self.prepared.through {
            Some(_) => error.on_the_way_to_the_proxy(),
            None => error,
        }
    }

    /// How the first hop is called in errors.
    fn place(&self) -> String {
        match self.first_hop() {
            Route::Host { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Route::Host { host, port } => format!("{host}:{port}"),
            Route::Socket(_) => "the given socket".to_owned(),
            Route::Unix(path) => path.display().to_string(),
            Route::Blocked(port) => format!("port {port}"),
        }
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
        let again = options.again()?;
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
        let mut conn = self.adopt(shared, endpoint, Phase::Waiting, None);
        conn.link.again = again.map(Box::new);
        conn.link.flags.announced = true;
        self.dial(&mut conn.link, prepared);
        self.schedule(&mut conn.link);
        self.slots.put(id.slot(), id.generation(), conn);
        Ok(id)
    }

    /// Leaves the stream, and makes the request of `follow` on a new one.
    pub(crate) fn dial_anew(&mut self, link: &mut Link, follow: Box<Follow>) {
        match follow.options().prepare() {
            Ok(prepared) => {
                self.leave_stream(link);
                self.dial(link, Prepared { follow: Some(follow), ..prepared });
            }
            Err(error) => link.fail(error),
        }
    }

    /// Sets out for where `prepared` leads.
    pub(crate) fn set_out(&self, link: &mut Link, prepared: Prepared) {
        let (mut dial, route) = Dial::new(prepared);
        dial.lookup = self.look_up(link.id, &route);
        link.phase = Phase::Resolving(Box::new(dial));
    }

    /// Lets go of the stream of a connection that is not open, and of what was to be written to it.
    pub(crate) fn leave_stream(&self, link: &mut Link) {
        if let Some(mut stream) = link.stream.take() {
            // Fails only for a socket that is not registered.
            let _ = self.poller.registry().deregister(stream.source());
        }
        link.session.queue_mut().clear();
        let flags = &mut link.flags;
        (flags.readable, flags.writable, flags.read_closed) = (false, false, false);
        flags.reads_only = false;
    }

    /// Has the addresses of a route looked up; [`resolved`](Self::resolved) gets them. Returns the
    /// number of the look-up.
    fn look_up(&self, id: ConnId, route: &Route) -> u64 {
        let lookup = self.lookups.get() + 1;
        self.lookups.set(lookup);
        if let Route::Socket(socket) = route {
            socket.belongs_to(self.poller.descriptors());
        }
        let inbox = Arc::clone(&self.inbox);
        let reply = move |addrs| {
            inbox.push(Command::Resolved { id, lookup, addrs });
        };
        match route {
            Route::Host { host, port } => self.resolver.resolve(host, *port, Box::new(reply)),
            // Nothing to look up; but what follows may call back, and that is for a turn.
            Route::Socket(_) | Route::Unix(_) | Route::Blocked(_) => reply(Ok(Vec::new())),
        }
        lookup
    }

    /// The resolver answered, or had nothing to do.
    pub(crate) fn resolved(
        &self,
        link: &mut Link,
        lookup: u64,
        addrs: io::Result<Vec<SocketAddr>>,
    ) {
        let mut dial = match std::mem::replace(&mut link.phase, Phase::Refusing) {
            Phase::Resolving(dial) if dial.lookup == lookup => dial,
            other => {
                link.phase = other;
                return;
            }
        };
        if let Some(through) = &mut dial.prepared.through {
            if std::mem::take(&mut through.resolves_here) {
                match addrs.as_ref().map(|addrs| addrs.first()) {
                    Ok(Some(addr)) => through.to.host = addr.ip().to_string(),
                    _ => return link.fail(unresolved(&dial.prepared.route, addrs.err())),
                }
                dial.lookup = self.look_up(link.id, dial.first_hop());
                link.phase = Phase::Resolving(dial);
                return;
            }
        }
        let made = match (dial.first_hop(), addrs) {
            (Route::Host { .. }, Ok(addrs)) => {
                dial.addrs = addrs;
                dial.start_over();
                link.phase = Phase::Connecting(dial);
                return self.race(link);
            }
            (route @ Route::Host { .. }, Err(error)) => {
                return link.fail(dial.blame(unresolved(route, Some(error))));
            }
            (Route::Blocked(port), _) => return link.fail(blocked(*port)),
            (Route::Unix(path), _) => socket::connect_unix(path),
            (Route::Socket(socket), _) => {
                socket::adopt_connected(&**socket, &dial.prepared.socket_options)
            }
        };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let made = made.and_then(|socket| self.poller.watch(socket, token(link.id), interest));
        let place = dial.place();
        link.phase = Phase::Connecting(dial);
        match made {
            Ok(socket) => self.connected(link, socket),
            Err(error) => {
                let attempt = Attempt::new(&place, &error);
                link.fail(Error::unreachable(&place, vec![attempt]));
            }
        }
    }

    /// Looks after the addresses that race: upon an event, and when the next one may begin.
    pub(crate) fn race(&self, link: &mut Link) {
        let token = token(link.id);
        let Phase::Connecting(dial) = &mut link.phase else { return };
        let options = &dial.prepared.socket_options;
        match dial.race.advance(options, &self.poller, token, self.now) {
            Standing::Running => {}
            Standing::Won(socket) => self.connected(link, socket),
            Standing::Lost => {
                let failed = std::mem::take(&mut dial.race).into_failed();
                let error = dial.blame(Error::unreachable(&dial.place(), failed));
                link.fail(error);
            }
        }
    }

    fn connected(&self, link: &mut Link, socket: Owned<TcpStream>) {
        if let Phase::Connecting(dial) = std::mem::replace(&mut link.phase, Phase::Refusing) {
            self.reached(link, dial, Stream::Plain(socket));
        }
    }
}

/// The error of a port that is not to be reached.
fn blocked(port: u16) -> Error {
    let cause = format_args!("port {port} is blocked, as in browsers (option: block_bad_ports)");
    Error::new(ErrorPhase::Tcp, ErrorCode::Connect, cause).of_kind("bad_port")
}

/// The error that a name has no address.
fn unresolved(route: &Route, error: Option<io::Error>) -> Error {
    let what = match route {
        Route::Host { host, .. } => format!("could not resolve {host:?}"),
        Route::Socket(_) | Route::Unix(_) | Route::Blocked(_) => "could not resolve it".to_owned(),
    };
    let error = error.unwrap_or_else(|| io::ErrorKind::NotFound.into());
    Error::io(ErrorPhase::Dns, ErrorCode::Dns, &what, &error)
}

/// Begins TLS on `stream` if there is a plan for it.
#[cfg(feature = "tls")]
pub(crate) fn wrap(stream: Stream, plan: Option<&crate::client::TlsPlan>) -> Result<Stream, Error> {
    let Some(plan) = plan else { return Ok(stream) };
    Ok(stream.secure(&plan.config, &plan.name)?)
}

/// Built without TLS, so there is no plan.
#[cfg(not(feature = "tls"))]
pub(crate) fn wrap(stream: Stream, _: Option<&crate::client::TlsPlan>) -> Result<Stream, Error> {
    Ok(stream)
}
