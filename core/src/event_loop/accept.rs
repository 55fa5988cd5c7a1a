//! Listening sockets: at most 64 accepts a turn, never deaf and never spinning when descriptors run
//! out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use mio::{Interest, Token};

use super::core::{Core, Ready};
use super::dial::token;
use super::endpoint::{Endpoint, ServerSide};
use super::handler::Handler;
use super::id::ServerId;
use super::link::{Greeting, Phase};
use super::log::record;
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::net::descriptors::Owned;
use crate::net::listen::{AcceptBackoff, Batch, accept_batch};
use crate::net::stream::Stream;
use crate::proto::frame::Role;
use crate::proto::handshake::ServerHandshake;
use crate::server::ServerOptions;

/// Accepts in one turn; more clients wait for the next.
const ACCEPTS_PER_TURN: usize = 64;

/// Set in tokens of listeners, never in those of connections.
const LISTENER: usize = 1 << (usize::BITS - 1);

/// A listening socket.
pub(crate) struct Listener {
    socket: Owned<mio::net::TcpListener>,
    pub(crate) addr: SocketAddr,
    endpoint: Arc<Endpoint>,
    backoff: AcceptBackoff,
}

impl Listener {
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

/// The listener that a token names.
pub(crate) fn listener_of(token: Token) -> Option<ServerId> {
    (token.0 & LISTENER != 0).then(|| ServerId::from_u64((token.0 & !LISTENER) as u64))
}

#[expect(clippy::cast_possible_truncation, reason = "on 32-bit systems a part of the generation")]
fn listener_token(id: ServerId) -> Token {
    Token(id.to_u64() as usize | LISTENER)
}

impl Core {
    /// See [`Context::listen`](super::Context::listen).
    pub(crate) fn listen(
        &mut self,
        options: &ServerOptions,
        handler: Box<dyn Handler + Send>,
    ) -> Result<ServerId, Error> {
        self.check_running()?;
        options.check()?;
        let socket = options.socket()?;
        let fail = |what: &str, error: &std::io::Error| {
            Error::io(ErrorPhase::System, ErrorCode::Connect, what, error)
        };
        let addr = socket.local_addr().map_err(|error| fail("cannot tell the port", &error))?;
        let Some((slot, generation)) = self.listeners.reserve() else {
            return Err(Error::new(ErrorPhase::System, ErrorCode::NoMemory, "too many listeners"));
        };
        let id = ServerId::new(slot, generation);
        let watched = self.poller.watch(socket, listener_token(id), Interest::READABLE);
        let socket = watched.map_err(|error| {
            self.listeners.remove(slot, generation);
            fail("cannot watch the listening socket", &error)
        })?;
        let endpoint = Arc::new(Endpoint {
            index: self.join(handler),
            role: Role::Server,
            tuning: options.tuning.clone(),
            server: Some(ServerSide {
                protocols: options.protocols.clone(),
                origins: options.origins.clone(),
                hosts: options.hosts.clone(),
                loopback: Self::is_loopback(addr),
                max_connections: options.max_connections,
                #[cfg(feature = "tls")]
                tls: options.tls.clone(),
            }),
        });
        record!(self.log, Info, "listening on {addr}");
        let backoff = AcceptBackoff::new();
        self.listeners.put(slot, generation, Listener { socket, addr, endpoint, backoff });
        Ok(id)
    }

    /// See [`Context::close_server`](super::Context::close_server).
    pub(crate) fn close_listener(&mut self, id: ServerId) -> bool {
        let Some(mut listener) = self.listeners.remove(id.slot(), id.generation()) else {
            return false;
        };
        let _ = self.poller.registry().deregister(&mut *listener.socket);
        record!(self.log, Info, "{}: listening no more", listener.addr);
        self.closed_listeners.push(listener.endpoint.index);
        true
    }

    /// Accepts who waits, up to the budget.
    pub(crate) fn accept(&mut self, id: ServerId) {
        let Some(mut listener) = self.listeners.take(id.slot(), id.generation()) else { return };
        self.refresh_now();
        let mut accepted = Vec::new();
        let batch = accept_batch(&listener.socket, ACCEPTS_PER_TURN, |socket, addr| {
            accepted.push((socket, addr));
        });
        for (socket, addr) in accepted {
            self.welcome(&listener.endpoint, socket, addr);
        }
        match batch {
            Batch::Drained => listener.backoff.recovered(),
            Batch::More => {
                listener.backoff.recovered();
                self.ready.push_back(Ready::Listener(id));
            }
            Batch::Exhausted(error) => {
                if listener.backoff.failed(self.now) {
                    let addr = listener.addr;
                    record!(self.log, Warn, "{addr}: cannot accept, trying again: {error}");
                }
                self.owed_accepts.push(id);
            }
            Batch::Broken(error) => {
                record!(self.log, Error, "{}: stopped listening: {error}", listener.addr);
                let _ = self.poller.registry().deregister(&mut *listener.socket);
                self.closed_listeners.push(listener.endpoint.index);
                self.listeners.remove(id.slot(), id.generation());
                return;
            }
        }
        self.listeners.put(id.slot(), id.generation(), listener);
    }

    /// Makes a connection of an accepted socket. One that cannot be watched is dropped: its client
    /// sees the end of the stream.
    fn welcome(&mut self, endpoint: &Arc<Endpoint>, socket: mio::net::TcpStream, _: SocketAddr) {
        let Ok(shared) = self.new_shared(endpoint.tuning.max_send_buffer) else { return };
        let id = shared.id();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let watched = self.poller.watch(socket, token(id), interest);
        let Some(stream) = watched.ok().and_then(|socket| wrap(socket, endpoint)) else {
            self.slots.remove(id.slot(), id.generation());
            return;
        };
        self.places.join(endpoint.index);
        let greeting = Greeting::Server(ServerHandshake::new(&endpoint.tuning));
        let phase = Phase::Greeting(Box::new(greeting));
        let mut conn = self.adopt(shared, Arc::clone(endpoint), phase, Some(stream));
        conn.link.flags.writable = true;
        self.schedule(&mut conn.link);
        self.slots.put(id.slot(), id.generation(), conn);
    }

    /// A descriptor was freed: listeners that ran out of them try again in this turn.
    pub(crate) fn retry_accepts(&mut self) {
        let now = self.now;
        for id in &self.owed_accepts {
            if let Some(listener) = self.listeners.get_mut(id.slot(), id.generation()) {
                listener.backoff.freed(now);
            }
        }
    }

    /// Listeners whose retry is due go on the ready list.
    pub(crate) fn resume_accepts(&mut self) {
        let (listeners, now) = (&self.listeners, self.now);
        let ready = &mut self.ready;
        self.owed_accepts.retain(|id| {
            let Some(listener) = listeners.get(id.slot(), id.generation()) else { return false };
            let due = listener.backoff.deadline().is_some_and(|due| due <= now);
            if due {
                ready.push_back(Ready::Listener(*id));
            }
            !due
        });
    }

    /// When a listener wants to try again.
    pub(crate) fn accept_deadline(&self) -> Option<Instant> {
        let owed = self.owed_accepts.iter();
        owed.filter_map(|id| self.listeners.get(id.slot(), id.generation())?.backoff.deadline())
            .min()
    }
}

#[cfg(feature = "tls")]
fn wrap(socket: Owned<mio::net::TcpStream>, endpoint: &Endpoint) -> Option<Stream> {
    match endpoint.server.as_ref().and_then(|server| server.tls.as_ref()) {
        Some(tls) => Stream::tls_server(socket, tls).ok(),
        None => Some(Stream::Plain(socket)),
    }
}

#[cfg(not(feature = "tls"))]
fn wrap(socket: Owned<mio::net::TcpStream>, _: &Endpoint) -> Option<Stream> {
    Some(Stream::Plain(socket))
}
