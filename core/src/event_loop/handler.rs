//! What an application gives to a loop: the callbacks of one client or server.

use std::net::SocketAddr;
use std::time::Duration;

use super::context::{Context, Socket};
use super::id::ConnId;
use super::message::{Chunk, Message};
use super::reply::Reply;
use crate::error::Error;
use crate::proto::handshake::Request;
use crate::proto::head::Headers;

/// The callbacks of one client connection, or of all connections of one server.
///
/// The laws, on any thread that drives the loop:
///
/// - `on_open` comes at most once, before any message, and again only if the connection was lost and
///   comes back; `on_close` exactly once and last. A client's
///   connection that never opened gets `on_close` only; a server's that never opened gets neither,
///   unless the answer to its request was left for later ([`Reply::defer`]).
/// - Callbacks run inside [`EventLoop::turn`](super::EventLoop::turn) and its relatives only: never
///   inside `send`, `close` or `connect`, and never inside another callback.
/// - A message is delivered before the next frame is looked at, and what its callback sends leaves
///   before a failure further on is acted on.
/// - What a callback borrows ends with it.
/// - A panic in a callback fails its connection with close code 1011; the loop goes on.
pub trait Handler {
    /// A client asks to open a connection (servers only). Unless `reply` says otherwise it is
    /// accepted, with the server's most preferred subprotocol among those that the client offers.
    /// [`Reply::defer`] leaves the answer for later.
    fn on_request(&mut self, context: &mut Context<'_>, request: &Request, reply: &mut Reply) {
        let _ = (context, request, reply);
    }

    /// The opening handshake is done; from now on `send` is legal.
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        let _ = (ws, opening);
    }

    /// A whole message came in.
    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        let _ = (ws, message);
    }

    /// The memory of the message before, for who asked for it with [`Socket::keep_message`].
    fn on_kept(&mut self, ws: &mut Socket<'_>, message: Vec<u8>) {
        let _ = (ws, message);
    }

    /// A piece of a message came in, for connections with [`Tuning::chunks`](crate::Tuning::chunks),
    /// which get no `on_message`. Pings and the like may come between two pieces.
    fn on_chunk(&mut self, ws: &mut Socket<'_>, chunk: Chunk<'_>) {
        let _ = (ws, chunk);
    }

    /// A ping came in; its pong is on its way already.
    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let _ = (ws, payload);
    }

    /// A pong came in, asked for or not.
    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let _ = (ws, payload);
    }

    /// The queue of output, which had passed `high_water` or refused a message
    /// ([`SendError::Full`](crate::SendError::Full)), fell under a quarter of `high_water`, or of
    /// `max_send_buffer` if that is less.
    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        let _ = ws;
    }

    /// A client's connection that comes back ([`Reconnect`](crate::Reconnect)) was lost, or could not
    /// be made: `lost` is what `on_close` would have said. `retry` is what the policy decided and may
    /// be changed. The next connection has the same id and begins with `on_open`; nothing that was
    /// sent and did not leave goes with it.
    fn on_reconnect(
        &mut self,
        context: &mut Context<'_>,
        id: ConnId,
        lost: &CloseEvent,
        retry: &mut Retry,
    ) {
        let _ = (context, id, lost, retry);
    }

    /// The connection is over and has left the loop. `context` may be used to connect anew.
    fn on_close(&mut self, context: &mut Context<'_>, id: ConnId, close: &CloseEvent) {
        let _ = (context, id, close);
    }
}

/// What becomes of a connection that was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Which attempt in a row comes next, from 1.
    pub attempt: u32,
    /// The wait before it; `None` gives up, and `on_close` follows.
    pub delay: Option<Duration>,
}

/// What the opening handshake settled; valid during `on_open`.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// The URL; for a server the one that the client asked for.
    pub url: &'a str,
    /// The agreed subprotocol, empty if there is none.
    pub protocol: &'a str,
    /// The agreed extensions, empty if there are none.
    pub extensions: &'a str,
    /// Header fields of the peer's half of the handshake.
    pub headers: &'a Headers,
    /// The peer's address.
    pub remote: Option<SocketAddr>,
    /// Connections of this client that were made before and lost; 0 unless it comes back
    /// ([`Reconnect`](crate::Reconnect)). The place to subscribe again.
    pub reconnects: u32,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct CloseEvent {
    /// The peer's close code; 1005 if its Close frame had none, 1006 if there was no closing
    /// handshake (RFC 6455 section 7.1.5).
    pub code: u16,
    /// The peer's reason.
    pub reason: String,
    /// Whether the closing handshake was completed.
    pub clean: bool,
    /// What went wrong, if anything did.
    pub error: Option<Error>,
    /// The tag of the connection, see [`Socket::set_tag`].
    pub tag: u64,
    /// Payload bytes that were sent by the application and not taken by the system.
    pub unsent: u64,
    /// How long it was open; zero if it never was.
    pub open_for: Duration,
}
