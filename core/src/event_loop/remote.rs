//! Handles for other threads: to a loop and to one of its connections.

use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use super::context::Context;
use super::counts::{ConnectionStats, Counts};
use super::id::ConnId;
use super::inbox::{Command, Inbox};
use super::message::{KeptMessage, Message, SharedBytes};
use super::parts::Parts;
use crate::proto::close::{CloseError, ReadyState, check_close};
use crate::proto::deflate::{DeflateStats, Traffic};
use crate::proto::frame::MessageKind;
use crate::proto::sender::{MAX_CONTROL, SendError};

/// About what a message takes on its way to the loop, in bytes and beside its payload.
const COMMAND: u64 = 128;

/// What other threads may know of a connection, also after it is gone.
#[derive(Debug)]
pub(crate) struct Shared {
    id: ConnId,
    state: AtomicU8,
    /// Payload bytes that `send` took and the system did not.
    buffered: AtomicU64,
    limit: u64,
    /// Messages of other threads that the loop has not taken yet.
    waiting: AtomicU32,
    /// Bytes of the queue beside its payload.
    framing: AtomicU32,
    /// A message was refused for want of room: `on_drain` is owed.
    wants_drain: AtomicBool,
    /// Nanoseconds that the last answered ping took; 0 before there was one.
    latency: AtomicU64,
    pub(crate) counts: Counts,
    pub(crate) parts: Parts,
    url: OnceLock<Box<str>>,
    /// Anew with each connection that a reconnecting client makes.
    facts: RwLock<Option<Arc<Facts>>>,
}

/// What the opening handshake settled.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) protocol: Box<str>,
    pub(crate) extensions: Box<str>,
    /// If permessage-deflate is among the extensions.
    pub(crate) traffic: Option<Arc<Traffic>>,
    pub(crate) remote: Option<SocketAddr>,
    pub(crate) local: Option<SocketAddr>,
    /// Version and cipher suite; empty without TLS.
    pub(crate) tls: Box<str>,
}

impl Shared {
    pub(crate) fn new(id: ConnId, limit: usize) -> Self {
        Self {
            id,
            state: AtomicU8::new(ReadyState::Connecting as u8),
            buffered: AtomicU64::new(0),
            limit: limit as u64,
            waiting: AtomicU32::new(0),
            framing: AtomicU32::new(0),
            wants_drain: AtomicBool::new(false),
            latency: AtomicU64::new(0),
            counts: Counts::default(),
            parts: Parts::default(),
            url: OnceLock::new(),
            facts: RwLock::default(),
        }
    }

    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        match self.state.load(Ordering::Acquire) {
            0 => ReadyState::Connecting,
            1 => ReadyState::Open,
            2 => ReadyState::Closing,
            _ => ReadyState::Closed,
        }
    }

    /// States only go forward, until [`restart`](Self::restart): a close that another thread asked for
    /// is not taken back.
    pub(crate) fn set_ready_state(&self, state: ReadyState) {
        self.state.fetch_max(state as u8, Ordering::AcqRel);
    }

    pub(crate) fn buffered(&self) -> u64 {
        self.buffered.load(Ordering::Acquire)
    }

    pub(crate) fn add_buffered(&self, bytes: u64) {
        self.buffered.fetch_add(bytes, Ordering::AcqRel);
    }

    pub(crate) fn sub_buffered(&self, bytes: u64) {
        self.buffered.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// The loop took a message of another thread.
    pub(crate) fn taken(&self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn set_framing(&self, bytes: usize) {
        self.framing.store(u32::try_from(bytes).unwrap_or(u32::MAX), Ordering::Release);
    }

    /// Bytes that are held beside payload, without which empty messages would have no limit.
    fn overhead(&self) -> u64 {
        let waiting = u64::from(self.waiting.load(Ordering::Acquire));
        waiting * COMMAND + u64::from(self.framing.load(Ordering::Acquire))
    }

    /// A message was refused for want of room. True if that was not known.
    pub(crate) fn want_drain(&self) -> bool {
        !self.wants_drain.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn wants_drain(&self) -> bool {
        self.wants_drain.load(Ordering::Acquire)
    }

    pub(crate) fn drained(&self) {
        self.wants_drain.store(false, Ordering::Release);
    }

    pub(crate) fn set_latency(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.store(nanoseconds.max(1), Ordering::Release);
    }

    pub(crate) fn latency(&self) -> Option<Duration> {
        let nanoseconds = self.latency.load(Ordering::Acquire);
        (nanoseconds > 0).then(|| Duration::from_nanos(nanoseconds))
    }

    pub(crate) fn set_url(&self, url: Box<str>) {
        let _ = self.url.set(url);
    }

    pub(crate) fn url(&self) -> &str {
        self.url.get().map_or("", |url| url)
    }

    pub(crate) fn set_facts(&self, facts: Facts) {
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(facts));
    }

    pub(crate) fn deflate_stats(&self) -> DeflateStats {
        let traffic = self.facts().and_then(|facts| facts.traffic.clone());
        traffic.map_or_else(DeflateStats::default, |traffic| traffic.stats())
    }

    pub(crate) fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The connection is lost and will be made again: what was queued is gone. A close that another
    /// thread asks for at this moment has its command on the way.
    pub(crate) fn restart(&self, unsent: u64) {
        self.sub_buffered(unsent);
        *self.facts.write().unwrap_or_else(PoisonError::into_inner) = None;
        self.parts.reset();
        self.state.store(ReadyState::Connecting as u8, Ordering::Release);
    }
}

/// A connection as other threads see it. Cheap to clone, usable from any thread at any time, also
/// after the connection or its loop is gone.
///
/// A send that returned before another one began, on whatever threads, goes out first.
#[derive(Clone, Debug)]
pub struct Remote {
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
}

impl Remote {
    pub(crate) fn new(shared: Arc<Shared>, inbox: Arc<Inbox>) -> Self {
        Self { shared, inbox }
    }

    /// The connection's id.
    pub fn id(&self) -> ConnId {
        self.shared.id
    }

    /// Queues a message. The payload is copied once; the loop is woken if it sleeps.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open; [`SendError::Full`] when
    /// `max_send_buffer` payload bytes are queued already. Nothing of the message was taken then.
    pub fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.charge(message.data().len() as u64)?;
        let taken = self.inbox.push(Command::Send { id: self.id(), message: message.into() });
        if taken { Ok(()) } else { Err(SendError::Closed) }
    }

    /// As [`send`](Self::send), without a copy: `data` is kept until the system has taken it, or the
    /// loop has made frames of it. `compress` is as in [`Message::compress`].
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_shared(
        &self,
        kind: MessageKind,
        data: SharedBytes,
        compress: Option<bool>,
    ) -> Result<(), SendError> {
        self.charge((*data).as_ref().len() as u64)?;
        let message = KeptMessage::shared(kind, data, compress);
        let taken = self.inbox.push(Command::Send { id: self.id(), message });
        if taken { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Queues a part of a message, the last one if `fin` (RFC 6455 section 5.4); see
    /// [`Context::send_part`].
    ///
    /// # Errors
    ///
    /// As [`Context::send_part`].
    pub fn send_part(
        &self,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.send_part_as(kind, data, fin, None)
    }

    /// As [`send_part`](Self::send_part); for `compress` see [`Context::send_part_as`].
    ///
    /// # Errors
    ///
    /// As [`Context::send_part`].
    pub fn send_part_as(
        &self,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
        compress: Option<bool>,
    ) -> Result<(), SendError> {
        self.shared.parts.next(kind, data, fin, |kind| {
            self.charge(data.len() as u64)?;
            let message = Message::from_parts(kind, data).compress_if(compress).into();
            let taken = self.inbox.push(Command::SendPart { id: self.id(), message, fin });
            if taken { Ok(()) } else { Err(SendError::Closed) }
        })
    }

    /// Whether a message that is sent in parts is not finished.
    pub fn is_in_parts(&self) -> bool {
        self.shared.parts.is_open()
    }

    /// Accounts for a message with so much payload, if there is room for it.
    fn charge(&self, len: u64) -> Result<(), SendError> {
        let shared = &self.shared;
        if self.ready_state() != ReadyState::Open {
            return Err(SendError::Closed);
        }
        let (limit, overhead) = (shared.limit, shared.overhead());
        let charged =
            shared.buffered.fetch_update(Ordering::AcqRel, Ordering::Acquire, |buffered| {
                (buffered + overhead < limit).then_some(buffered + len)
            });
        if let Err(buffered) = charged {
            if shared.want_drain() {
                // The queue may be empty by now: the loop is to look.
                self.inbox.push(Command::Look { id: self.id() });
            }
            return Err(SendError::Full { buffered: buffered + overhead, limit });
        }
        shared.waiting.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Queues a ping of at most 125 bytes (RFC 6455 section 5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] unless the connection is open, [`SendError::TooLong`] over 125 bytes.
    pub fn ping(&self, payload: &[u8]) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::TooLong);
        }
        if self.ready_state() != ReadyState::Open {
            return Err(SendError::Closed);
        }
        let taken = self.inbox.push(Command::Ping { id: self.id(), payload: payload.into() });
        if taken { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Starts the closing handshake after everything that is queued (RFC 6455 section 7.1.2), or
    /// gives up a connection that is not open yet. Does nothing on a closing one.
    ///
    /// # Errors
    ///
    /// A code that must not be sent, or a reason over 123 bytes or without a code.
    pub fn close(&self, code: Option<u16>, reason: &str) -> Result<(), CloseError> {
        check_close(code, reason)?;
        self.shared.set_ready_state(ReadyState::Closing);
        self.inbox.push(Command::Close { id: self.id(), code, reason: reason.into() });
        Ok(())
    }

    /// Ends the TCP connection without a closing handshake; `on_close` follows with code 1006.
    pub fn abort(&self) {
        self.shared.set_ready_state(ReadyState::Closing);
        self.inbox.push(Command::Abort { id: self.id() });
    }

    /// Reads nothing more until [`resume`](Self::resume), once the loop hears of it: no message comes,
    /// pings are not answered, the peer's sends wait in the network, and its silence is not judged.
    /// Closing resumes.
    pub fn pause(&self) {
        self.inbox.push(Command::Pause { id: self.id(), paused: true });
    }

    /// Reads again. Does nothing on a connection that is not paused.
    pub fn resume(&self) {
        self.inbox.push(Command::Pause { id: self.id(), paused: false });
    }

    /// The state as in a browser.
    pub fn ready_state(&self) -> ReadyState {
        self.shared.ready_state()
    }

    /// Payload bytes of messages that were sent but not yet given to the system.
    pub fn buffered_amount(&self) -> u64 {
        self.shared.buffered()
    }

    /// Payload bytes from which on a send is refused ([`Tuning::max_send_buffer`](crate::Tuning::max_send_buffer)).
    pub fn max_send_buffer(&self) -> u64 {
        self.shared.limit
    }

    /// The URL; for a server's connection the one its client asked for. Empty before that is known.
    pub fn url(&self) -> &str {
        self.shared.url()
    }

    /// The agreed subprotocol, empty before the connection is open and if there is none.
    pub fn protocol(&self) -> String {
        self.shared.facts().map(|facts| facts.protocol.to_string()).unwrap_or_default()
    }

    /// The agreed extensions, empty before the connection is open and if there are none.
    pub fn extensions(&self) -> String {
        self.shared.facts().map(|facts| facts.extensions.to_string()).unwrap_or_default()
    }

    /// How long the last ping took that was answered, the keep-alive's or one of the application's
    /// (RFC 6455 section 5.5.3); `None` before there was one.
    pub fn latency(&self) -> Option<Duration> {
        self.shared.latency()
    }

    /// What compression came to so far; zeros before the connection is open and without compression.
    pub fn deflate_stats(&self) -> DeflateStats {
        self.shared.deflate_stats()
    }

    /// Version and cipher suite of TLS, such as `TLSv1.3 TLS13_AES_128_GCM_SHA256`; empty before the
    /// connection is open and without TLS.
    pub fn tls(&self) -> String {
        self.shared.facts().map(|facts| facts.tls.to_string()).unwrap_or_default()
    }

    /// What was sent and received so far, over all connections of a client that comes back.
    pub fn stats(&self) -> ConnectionStats {
        self.shared.counts.stats()
    }

    /// The peer's address, once the connection is open.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.shared.facts()?.remote
    }

    /// Our own address, once the connection is open; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.facts()?.local
    }
}

/// A loop as other threads see it. Cheap to clone, usable from any thread at any time.
#[derive(Clone, Debug)]
pub struct LoopHandle {
    inbox: Arc<Inbox>,
}

impl LoopHandle {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    /// Makes `run` return after the turn it is in; a loop that is not running returns from its next
    /// `run` at once. Async-signal-safe.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Has `job` called on the loop's thread, between two dispatches. False when the loop is gone;
    /// the job is dropped then.
    pub fn post(&self, job: Box<dyn FnOnce(&mut Context<'_>) + Send>) -> bool {
        self.inbox.push(Command::Post(job))
    }

    /// The descriptors that the loop has open: of its poller, its sockets and what it waits by. Takes no
    /// lock, so that a forked child may close its copies, whatever other threads did when it was made. One
    /// that was being opened or closed at that moment may be missing.
    pub fn descriptors(&self) -> Vec<RawFd> {
        self.inbox.descriptors()
    }

    /// The connection of this id, unless it is gone.
    pub fn remote(&self, id: ConnId) -> Option<Remote> {
        Some(Remote::new(self.inbox.find(id)?, Arc::clone(&self.inbox)))
    }
}
