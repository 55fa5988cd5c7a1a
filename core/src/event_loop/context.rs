//! What callbacks hold: the connection at hand, and the loop behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::counts::ConnectionStats;
use super::handler::Handler;
use super::id::{ConnId, ServerId, TimerId};
use super::link::Link;
use super::log::LogLevel;
use super::message::Message;
use super::remote::{LoopHandle, Remote, Shared};
use super::reply::Reply;
use crate::client::ClientOptions;
use crate::error::{Error, ErrorCode, Phase};
use crate::proto::close::{CloseError, ReadyState};
use crate::proto::deflate::DeflateStats;
use crate::proto::frame::MessageKind;
use crate::proto::sender::SendError;
use crate::server::ServerOptions;

/// The whole loop, in a callback or between two turns: every connection by its id, the one whose
/// callback runs included.
///
/// What is queued here leaves at the end of the turn, or, outside of one, with
/// [`EventLoop::flush`](super::EventLoop::flush).
pub struct Context<'a> {
    core: &'a mut Core,
    current: Option<&'a mut Link>,
    /// The connection whose `on_close` runs, which is in the loop no more.
    departed: Option<&'a Arc<Shared>>,
}

/// The connection whose callback runs.
pub struct Socket<'a> {
    link: &'a mut Link,
    core: &'a mut Core,
}

impl<'a> Context<'a> {
    #[inline]
    pub(crate) fn new(core: &'a mut Core, current: Option<&'a mut Link>) -> Self {
        Self { core, current, departed: None }
    }

    pub(crate) fn of_departed(core: &'a mut Core, departed: &'a Arc<Shared>) -> Self {
        Self { core, current: None, departed: Some(departed) }
    }

    /// Queues a message on a connection.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open, [`SendError::Full`] when
    /// `max_send_buffer` payload bytes are queued. Nothing of the message was taken then.
    pub fn send<'m>(
        &mut self,
        id: ConnId,
        message: impl Into<Message<'m>>,
    ) -> Result<(), SendError> {
        let message = message.into();
        self.catch_up();
        self.with_link(id, |core, link| core.send(link, message)).unwrap_or(Err(SendError::Closed))
    }

    /// Queues a part of a message, the last one if `fin` (RFC 6455 section 5.4). With a `kind` it
    /// begins a message, without one it belongs to the message that was begun. Until the last one
    /// other messages are refused with [`SendError::InParts`]; pings and Close are not. Text may be
    /// cut within a character.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::InParts`] when a message is begun within another,
    /// [`SendError::NotInParts`] when there is none to continue, [`SendError::InvalidUtf8`]. The part
    /// was not taken then, and another one may be sent instead.
    pub fn send_part(
        &mut self,
        id: ConnId,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.send_part_as(id, kind, data, fin, None)
    }

    /// Has [`Handler::on_drain`](super::Handler::on_drain) called once, as soon as next to nothing is
    /// queued, even if no message was refused.
    pub fn want_drain(&mut self, id: ConnId) {
        self.with_link(id, |_, link| link.want_drain());
    }

    /// Queues a ping of at most 125 bytes (RFC 6455 section 5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open, [`SendError::TooLong`] over 125 bytes.
    pub fn ping(&mut self, id: ConnId, payload: &[u8]) -> Result<(), SendError> {
        self.catch_up();
        self.with_link(id, |core, link| core.ping(link, payload)).unwrap_or(Err(SendError::Closed))
    }

    /// Starts the closing handshake after everything that is queued (RFC 6455 section 7.1.2), or
    /// gives up a connection that is not open yet. Does nothing on one that is closing or gone.
    ///
    /// # Errors
    ///
    /// A code that must not be sent, or a reason over 123 bytes or without a code.
    pub fn close(&mut self, id: ConnId, code: Option<u16>, reason: &str) -> Result<(), CloseError> {
        self.catch_up();
        self.with_link(id, |core, link| core.close(link, code, reason)).unwrap_or(Ok(()))
    }

    /// Ends a TCP connection without a closing handshake; `on_close` follows with code 1006.
    pub fn abort(&mut self, id: ConnId) {
        self.with_link(id, Core::abort);
    }

    /// The state as in a browser; [`ReadyState::Closed`] for a dead id.
    pub fn ready_state(&self, id: ConnId) -> ReadyState {
        self.link(id).map_or(ReadyState::Closed, Link::ready_state)
    }

    /// Payload bytes of messages that were sent but not yet given to the system. Does not shrink
    /// while a callback runs.
    pub fn buffered_amount(&self, id: ConnId) -> u64 {
        self.link(id).map_or(0, |link| link.shared.buffered())
    }

    /// The application's own word on a connection, 0 at first.
    pub fn tag(&self, id: ConnId) -> u64 {
        self.link(id).map_or(0, |link| link.tag)
    }

    /// Sets the application's own word on a connection.
    pub fn set_tag(&mut self, id: ConnId, tag: u64) {
        self.with_link(id, |_, link| link.tag = tag);
    }

    /// A handle to a connection for other threads; `None` for a dead id. In its own `on_close` a
    /// connection can still be looked at through it.
    pub fn remote(&self, id: ConnId) -> Option<Remote> {
        let departed = self.departed.filter(|shared| shared.id() == id);
        let shared = match departed {
            Some(shared) => shared,
            None => &self.link(id)?.shared,
        };
        Some(Remote::new(Arc::clone(shared), Arc::clone(&self.core.inbox)))
    }

    /// A handle to the loop for other threads.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.core.inbox))
    }

    /// Starts a client connection. Its callbacks begin in a later turn, also if it fails at once.
    ///
    /// # Errors
    ///
    /// An option that is not legal; nothing was started then, and no callback comes.
    pub fn connect(
        &mut self,
        options: &ClientOptions,
        handler: Box<dyn Handler + Send>,
    ) -> Result<ConnId, Error> {
        self.core.connect(options, handler)
    }

    /// Starts to listen. Every accepted connection shares `handler`.
    ///
    /// # Errors
    ///
    /// An option that is not legal, or an address that cannot be bound.
    pub fn listen(
        &mut self,
        options: &ServerOptions,
        handler: Box<dyn Handler + Send>,
    ) -> Result<ServerId, Error> {
        self.core.listen(options, handler)
    }

    /// Answers a request whose answer was left for later ([`Reply::defer`]). `on_open` comes in a later
    /// turn, or `on_close` if the reply is a refusal.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::Handle`](crate::ErrorCode::Handle) for a dead id,
    /// [`ErrorCode::State`](crate::ErrorCode::State) unless a request waits, and
    /// [`ErrorCode::InvalidArgument`](crate::ErrorCode::InvalidArgument) for a subprotocol that the
    /// client did not offer, a header that cannot be sent or a status that does not refuse. Then
    /// nothing was answered.
    pub fn answer(&mut self, id: ConnId, reply: Reply) -> Result<(), Error> {
        self.with_link(id, |core, link| core.answer(link, reply)).unwrap_or_else(|| {
            let cause = "this connection is gone";
            Err(Error::new(Phase::App, ErrorCode::Handle, cause))
        })
    }

    /// The port that a server listens on; `None` for a dead id.
    pub fn server_port(&self, id: ServerId) -> Option<u16> {
        self.server_addr(id).map(|addr| addr.port())
    }

    /// The address that a server listens on; `None` for a dead id.
    pub fn server_addr(&self, id: ServerId) -> Option<SocketAddr> {
        self.core.listeners.get(id.slot(), id.generation()).map(|listener| listener.addr)
    }

    /// Stops listening; connections stay. False for a dead id.
    pub fn close_server(&mut self, id: ServerId) -> bool {
        self.core.close_listener(id)
    }

    /// Stops listening, closes the server's connections with 1001 (RFC 6455 section 7.4.1), and aborts
    /// what is left of them after `grace`. Requests that wait for an answer are refused with 503.
    /// False for a dead id.
    pub fn end_server(&mut self, id: ServerId, grace: Duration) -> bool {
        let members = self.core.all_members(id, self.current.as_deref());
        if !self.core.close_listener(id) {
            return false;
        }
        self.catch_up();
        for member in &members {
            // The code is legal, so that the only error is out of reach.
            let _ = self.with_link(*member, |core, link| core.close(link, Some(1001), ""));
        }
        let abort = move |context: &mut Context<'_>| {
            for member in &members {
                context.abort(*member);
            }
        };
        // Without a clock that can hold it, the grace is for ever.
        self.set_timer(grace, None, Box::new(abort));
        true
    }

    /// Has `job` called on the loop's thread after this time, and then, unless `every` is `None`, again
    /// and again. What a loop that was late has missed is left out. A panic in `job` changes nothing.
    ///
    /// A timer does not keep [`EventLoop::run_until_idle`](super::EventLoop::run_until_idle) from
    /// returning. `None` for a time that no clock can hold.
    pub fn set_timer(
        &mut self,
        after: Duration,
        every: Option<Duration>,
        job: Box<dyn FnMut(&mut Context<'_>) + Send>,
    ) -> Option<TimerId> {
        self.core.refresh_now();
        let at = self.core.now.checked_add(after);
        self.core.alarms.set(at, every, job)
    }

    /// Forgets a timer, also from within its own function. False for one that is gone already.
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.core.alarms.cancel(id)
    }

    /// Queues a message on every open connection that a server accepted, behind the message in parts
    /// that one may be amid; those whose queue is full (`max_send_buffer`) do not get it. To how many.
    pub fn broadcast<'m>(&mut self, server: ServerId, message: impl Into<Message<'m>>) -> usize {
        let message = message.into();
        self.catch_up();
        let members = self.core.members(server, self.current.as_deref());
        let mut count = 0;
        for id in members {
            let sent = self.with_link(id, |core, link| core.send_next(link, message).is_ok());
            count += usize::from(sent == Some(true));
        }
        count
    }

    /// Reads nothing of a connection until [`resume`](Self::resume): no message comes, pings are not
    /// answered, the peer's sends wait in the network, and its silence is not judged. Closing resumes.
    pub fn pause(&mut self, id: ConnId) {
        self.with_link(id, Core::pause);
    }

    /// Reads again. Does nothing on a connection that is not paused.
    pub fn resume(&mut self, id: ConnId) {
        self.with_link(id, Core::resume);
    }

    /// The address of a connection's peer; `None` without a stream, and for a dead id.
    pub fn peer_addr(&self, id: ConnId) -> Option<SocketAddr> {
        self.link(id)?.remote_addr()
    }

    /// Whether the application will still be told something of this connection: false from its
    /// `on_close` on.
    pub fn is_known(&self, id: ConnId) -> bool {
        self.link(id).is_some() || self.core.graveyard.iter().any(|grave| grave.id == id)
    }

    /// Whether neither a connection nor a listening socket is left, nor an `on_close` to come.
    pub fn is_idle(&self) -> bool {
        let core = &*self.core;
        core.slots.len() == 0 && core.listeners.len() == 0 && core.graveyard.is_empty()
    }

    /// Records something beside what the loop itself does; see
    /// [`EventLoop::set_log`](super::EventLoop::set_log).
    pub fn record(&mut self, level: LogLevel, text: &str) {
        if self.core.log.wants(level) {
            self.core.log.write(level, format_args!("{text}"));
        }
    }

    /// Makes `run` return after this turn.
    pub fn stop(&mut self) {
        self.core.inbox.stop();
    }

    /// Carries out what other threads asked for before, so that nothing overtakes it.
    #[inline]
    pub(super) fn catch_up(&mut self) {
        self.core.catch_up(self.current.as_deref_mut());
    }

    fn link(&self, id: ConnId) -> Option<&Link> {
        match &self.current {
            Some(link) if link.id == id => Some(link),
            _ => self.core.slots.get(id.slot(), id.generation()).map(|conn| &conn.link),
        }
    }

    #[inline]
    pub(super) fn with_link<R>(
        &mut self,
        id: ConnId,
        act: impl FnOnce(&mut Core, &mut Link) -> R,
    ) -> Option<R> {
        self.core.with_link(self.current.as_deref_mut(), id, act)
    }
}

impl<'a> Socket<'a> {
    #[inline]
    pub(crate) fn new(core: &'a mut Core, link: &'a mut Link) -> Self {
        Self { link, core }
    }

    /// The connection's id.
    #[inline]
    pub fn id(&self) -> ConnId {
        self.link.id
    }

    /// Queues a message; it leaves when this read batch is dealt with.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open, [`SendError::Full`] when
    /// `max_send_buffer` payload bytes are queued. Nothing of the message was taken then.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.core.catch_up(Some(self.link));
        self.core.send(self.link, message.into())
    }

    /// Queues a part of a message, the last one if `fin` (RFC 6455 section 5.4). With a `kind` it
    /// begins a message, without one it belongs to the message that was begun. Until the last one
    /// other messages are refused with [`SendError::InParts`]; pings and Close are not. Text may be
    /// cut within a character.
    ///
    /// # Errors
    ///
    /// As [`Context::send_part`].
    pub fn send_part(
        &mut self,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.core.catch_up(Some(self.link));
        self.core.send_part(self.link, kind, data, fin, None)
    }

    /// Queues a ping of at most 125 bytes (RFC 6455 section 5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open, [`SendError::TooLong`] over 125 bytes.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.core.catch_up(Some(self.link));
        self.core.ping(self.link, payload)
    }

    /// Starts the closing handshake after everything that is queued (RFC 6455 section 7.1.2). Does
    /// nothing on a connection that is closing already.
    ///
    /// # Errors
    ///
    /// A code that must not be sent, or a reason over 123 bytes or without a code.
    pub fn close(&mut self, code: Option<u16>, reason: &str) -> Result<(), CloseError> {
        self.core.catch_up(Some(self.link));
        self.core.close(self.link, code, reason)
    }

    /// Ends the TCP connection without a closing handshake; `on_close` follows with code 1006.
    pub fn abort(&mut self) {
        self.core.abort(self.link);
    }

    /// Reads nothing more until [`resume`](Self::resume): no message comes, pings are not answered, the
    /// peer's sends wait in the network, and its silence is not judged. Closing resumes.
    pub fn pause(&mut self) {
        self.core.pause(self.link);
    }

    /// Reads again. Does nothing on a connection that is not paused.
    pub fn resume(&mut self) {
        self.core.resume(self.link);
    }

    /// Whether [`keep_message`](Self::keep_message) would do.
    #[inline]
    pub fn can_keep_message(&self) -> bool {
        self.link.flags.keepable
    }

    /// In `on_message`: has the memory of the message handed over, without a copy, in
    /// [`Handler::on_kept`] right after. False if the message lies in memory that the loop needs, as
    /// short ones do: copy it then.
    pub fn keep_message(&mut self) -> bool {
        self.link.flags.keep = self.link.flags.keepable;
        self.link.flags.keep
    }

    /// The state as in a browser.
    pub fn ready_state(&self) -> ReadyState {
        self.link.ready_state()
    }

    /// Payload bytes of messages that were sent but not yet given to the system. Does not shrink
    /// while a callback runs.
    pub fn buffered_amount(&self) -> u64 {
        self.link.shared.buffered()
    }

    /// How long the last ping took that was answered, the keep-alive's or one of the application's
    /// (RFC 6455 section 5.5.3); `None` before there was one.
    pub fn latency(&self) -> Option<Duration> {
        self.link.shared.latency()
    }

    /// What was sent and received so far.
    pub fn stats(&self) -> ConnectionStats {
        self.link.shared.counts.stats()
    }

    /// What compression came to so far; zeros without compression.
    pub fn deflate_stats(&self) -> DeflateStats {
        self.link.shared.deflate_stats()
    }

    /// The application's own word on this connection, 0 at first.
    #[inline]
    pub fn tag(&self) -> u64 {
        self.link.tag
    }

    /// Sets the application's own word on this connection; `on_close` gets it too.
    pub fn set_tag(&mut self, tag: u64) {
        self.link.tag = tag;
    }

    /// A handle to this connection for other threads, with its URL, subprotocol and peer.
    pub fn remote(&self) -> Remote {
        Remote::new(Arc::clone(&self.link.shared), Arc::clone(&self.core.inbox))
    }

    /// The whole loop, this connection included.
    #[inline]
    pub fn context(&mut self) -> Context<'_> {
        Context::new(self.core, Some(self.link))
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("connections", &self.core.slots.len())
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Socket<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("id", &self.link.id).finish_non_exhaustive()
    }
}
