//! One connection: what its callbacks may touch, beside the receiver that events borrow from.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::again::Again;
use super::clock;
use super::endpoint::Endpoint;
use super::handler::CloseEvent;
use super::id::ConnId;
use super::message::KeptMessage;
use super::remote::Shared;
use crate::client::Follow;
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::net::stream::{Stream, StreamError};
use crate::proto::close::ReadyState;
use crate::proto::frame::Role;
use crate::proto::handshake::{ClientHandshake, ServerHandshake};
use crate::proto::receiver::Receiver;
use crate::proto::sender::Masks;
use crate::proto::session::{Failure, Session, StreamAction};

/// A connection in two parts, so that an event borrowed from `rx` can live while a callback sends.
pub(crate) struct Connection {
    pub(crate) rx: Receiver,
    pub(crate) link: Link,
}

/// The part of a connection that callbacks may touch.
pub(crate) struct Link {
    pub(crate) id: ConnId,
    pub(crate) phase: Phase,
    pub(crate) stream: Option<Stream>,
    pub(crate) session: Session,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) error: Option<Box<Error>>,
    /// For a client that comes back.
    pub(crate) again: Option<Box<Again>>,
    /// What has to wait, which mostly is nothing.
    held: Option<Box<Held>>,
    /// The application's own word.
    pub(crate) tag: u64,
    /// Until the connection is open, or, when it is refused, until its stream must have ended.
    pub(crate) opening_deadline: Option<Instant>,
    opened_at: Option<Instant>,
    /// The connection's live entry in the heap of deadlines.
    pub(crate) scheduled: Option<Instant>,
    /// Payload bytes of this connection in `shared.buffered` that this thread put there.
    pub(crate) published: u64,
    pub(crate) flags: Flags,
}

/// What came and has to wait.
#[derive(Default)]
struct Held {
    /// Messages of other threads that came amid a message in parts: they go behind it.
    messages: Vec<KeptMessage>,
    /// Received bytes that nothing can be done with yet: the application paused, or is asked.
    bytes: Vec<u8>,
}

/// What the loop remembers about a connection besides its state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    /// A read may find bytes.
    pub(crate) readable: bool,
    /// A write may be taken.
    pub(crate) writable: bool,
    /// The poller does not tell when a write may be taken, which is so at the moment.
    pub(crate) reads_only: bool,
    /// The poller said that the peer ended its half: read to the end, short reads prove nothing.
    pub(crate) read_closed: bool,
    /// On the list of connections that are flushed at the end of the turn, or being dispatched.
    pub(crate) dirty: bool,
    /// On the list of connections that go on in the next turn.
    pub(crate) ready: bool,
    /// The application knows the connection, so it gets `on_close`.
    pub(crate) announced: bool,
    /// The queue passed the high mark; `on_drain` is owed.
    pub(crate) drain_owed: bool,
    /// Our half of the stream is ended.
    pub(crate) ended: bool,
    /// To be buried at the end of the dispatch.
    pub(crate) gone: bool,
    /// The application closed it: it does not come back.
    pub(crate) given_up: bool,
    /// The application wants nothing to be read.
    pub(crate) paused: bool,
    /// The message whose callback runs lies in memory of its own, which may be given away.
    pub(crate) keepable: bool,
    /// The application wants that memory.
    pub(crate) keep: bool,
    /// Its opening has its turn at a host, or waits for it.
    pub(crate) gated: bool,
}

/// How far a connection is.
pub(crate) enum Phase {
    /// It is lost and comes back after a while.
    Waiting,
    /// Another connection to the same host is on its way, and has to arrive or fail before.
    Queued(Box<super::gates::Queued>),
    /// Its name is being resolved.
    Resolving(Box<super::dial::Dial>),
    /// A TCP connection is being made.
    Connecting(Box<super::dial::Dial>),
    /// A proxy is asked to lead on.
    Tunnelling(Box<super::tunnel::Tunnelling>),
    /// The opening handshake, and the TLS handshake below it.
    Greeting(Box<Greeting>),
    /// A server's application is asked whether to accept.
    Asking(Box<super::request::Asking>),
    /// Frames.
    Open,
    /// A refusal is on its way out.
    Refusing,
}

/// Our half of the opening handshake.
pub(crate) enum Greeting {
    Client { handshake: ClientHandshake, follow: Option<Box<Follow>> },
    Server(ServerHandshake),
}

impl Link {
    pub(crate) fn new(
        shared: Arc<Shared>,
        endpoint: Arc<Endpoint>,
        phase: Phase,
        stream: Option<Stream>,
        now: Instant,
    ) -> Self {
        Self {
            id: shared.id(),
            phase,
            stream,
            session: Session::new(endpoint.role, now, &endpoint.tuning),
            opening_deadline: endpoint
                .tuning
                .open_timeout
                .and_then(|timeout| now.checked_add(timeout)),
            endpoint,
            shared,
            error: None,
            again: None,
            held: None,
            tag: 0,
            opened_at: None,
            scheduled: None,
            published: 0,
            flags: Flags::default(),
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Keeps a message until the one in parts is over.
    pub(crate) fn hold(&mut self, message: KeptMessage) {
        self.held.get_or_insert_default().messages.push(message);
    }

    /// The messages that were kept, in order.
    pub(crate) fn take_held(&mut self) -> Vec<KeptMessage> {
        self.held.as_mut().map_or_else(Vec::new, |held| std::mem::take(&mut held.messages))
    }

    /// Keeps received bytes for later.
    pub(crate) fn park(&mut self, bytes: &[u8]) {
        self.held.get_or_insert_default().bytes = bytes.to_vec();
    }

    /// The received bytes that were kept, unless their time has not come yet.
    pub(crate) fn take_parked(&mut self) -> Vec<u8> {
        if self.held.is_none() || !self.is_open() || self.flags.paused {
            return Vec::new();
        }
        self.held.as_mut().map_or_else(Vec::new, |held| std::mem::take(&mut held.bytes))
    }

    /// Whether to read on. While the application is asked only the end of the stream is of interest.
    pub(crate) fn wants_bytes(&self) -> bool {
        let Flags { readable, read_closed, gone, paused, .. } = self.flags;
        let asking = matches!(self.phase, Phase::Asking(_));
        readable && !gone && !paused && (!asking || read_closed)
    }

    pub(crate) fn ready_state(&self) -> ReadyState {
        self.shared.ready_state()
    }

    /// The opening handshake is done: the deadlines of an open connection begin.
    pub(crate) fn open(&mut self, now: Instant) {
        let queue = std::mem::take(self.session.queue_mut());
        self.session = Session::new(self.endpoint.role, now, &self.endpoint.tuning);
        *self.session.queue_mut() = queue;
        self.phase = Phase::Open;
        self.opened_at = Some(now);
        self.flags.announced = true;
        self.shared.set_ready_state(ReadyState::Open);
    }

    /// Gives queued output to the system until it is empty or the system takes no more.
    pub(crate) fn flush(&mut self, now: Instant, masks: &mut dyn Masks, scratch: &mut Vec<u8>) {
        let Some(stream) = &mut self.stream else { return };
        while self.flags.writable && (!self.session.queue().is_empty() || stream.has_unsent()) {
            match stream.write(&[self.session.queue().pending()], scratch) {
                Ok(written) => {
                    self.shared.counts.sent_bytes(written.taken);
                    self.session.queue_mut().advance(written.taken);
                    let pending = !self.session.queue().is_empty() || stream.has_unsent();
                    let now = if pending { clock::now() } else { now };
                    self.session.on_written(pending, now, &self.endpoint.tuning, masks);
                    self.flags.writable = !written.blocked;
                    if written.taken == 0 && !stream.has_unsent() {
                        // A TLS handshake is still going on: its end brings us back here.
                        return;
                    }
                }
                Err(error) => {
                    self.flags.writable = false;
                    return self.fail_stream(error, now);
                }
            }
        }
    }

    /// Tells other threads how much is still queued. Called between callbacks only, so that the
    /// amount never shrinks while one runs (as in browsers).
    pub(crate) fn publish(&mut self) {
        let left = self.session.queue().payload_len();
        if left < self.published {
            self.shared.sub_buffered(self.published - left);
            self.published = left;
        }
        self.publish_framing();
    }

    /// Tells other threads what the queue holds beside payload.
    pub(crate) fn publish_framing(&self) {
        let queue = self.session.queue();
        let payload = usize::try_from(queue.payload_len()).unwrap_or(usize::MAX);
        self.shared.set_framing(queue.len().saturating_sub(payload));
    }

    /// Takes over the charge for a message that another thread queued.
    pub(crate) fn refund(&self, bytes: u64) {
        self.shared.sub_buffered(bytes);
    }

    /// The connection is lost: nothing that was queued will leave.
    pub(crate) fn restart(&mut self) {
        self.shared.restart(std::mem::take(&mut self.published));
    }

    /// As at first, but for what belongs to the application, and waiting.
    pub(crate) fn begin_anew(&mut self, again: Box<Again>, until: Instant, now: Instant) {
        let (shared, endpoint) = (Arc::clone(&self.shared), Arc::clone(&self.endpoint));
        let fresh = Self::new(shared, endpoint, Phase::Waiting, None, now);
        let tag = self.tag;
        *self = Self { again: Some(again), tag, opening_deadline: Some(until), ..fresh };
        self.flags.announced = true;
    }

    /// Whether something is left to do that only a turn of the loop can.
    pub(crate) fn has_business(&self) -> bool {
        let settled = match self.phase {
            Phase::Open => self.session.stream_action() == StreamAction::Continue,
            Phase::Refusing => false,
            _ => true,
        };
        self.flags.gone || self.is_drained() || !settled && !self.flags.ended
    }

    /// So few queued bytes are as good as none.
    fn low_water(&self) -> usize {
        let tuning = &self.endpoint.tuning;
        tuning.high_water.min(tuning.max_send_buffer) / 4
    }

    /// Whether `on_drain` is due.
    pub(crate) fn is_drained(&self) -> bool {
        let owed = self.flags.drain_owed || self.shared.wants_drain();
        owed && self.is_open() && self.session.queue().len() <= self.low_water()
    }

    /// A drained queue is to be told of, whatever was in it.
    pub(crate) fn want_drain(&mut self) {
        self.flags.drain_owed = true;
    }

    /// Whether a drained queue is to be told of.
    pub(crate) fn take_drained(&mut self) -> bool {
        let drained = self.is_drained();
        if drained {
            self.flags.drain_owed = false;
            self.shared.drained();
        }
        drained
    }

    /// Whether a client that can be answered has yet to complete its request.
    pub(crate) fn is_awaiting_request(&self) -> bool {
        self.endpoint.role == Role::Server && !self.is_securing()
    }

    /// Whether the TLS handshake is still going on.
    pub(crate) fn is_securing(&self) -> bool {
        self.stream.as_ref().is_some_and(Stream::is_handshaking)
    }

    /// The application gives the connection up.
    pub(crate) fn abort(&mut self, now: Instant, masks: &mut dyn Masks) {
        self.fail_session(Failure::Aborted, now, masks);
        if let Some(stream) = &self.stream {
            // Fails only for a socket that is gone already.
            let _ = stream.reset_on_drop();
        }
        self.flags.gone = true;
    }

    /// Fails the connection, open or not; the first failure counts.
    pub(crate) fn fail_session(&mut self, failure: Failure, now: Instant, masks: &mut dyn Masks) {
        if self.is_open() {
            self.session.fail(failure, now, &self.endpoint.tuning, masks);
            self.shared.set_ready_state(ReadyState::Closing);
        } else {
            self.fail(failure.into());
        }
    }

    /// The connection cannot open; the first error counts.
    pub(crate) fn fail(&mut self, error: Error) {
        self.told(error);
        self.flags.gone = true;
    }

    /// Which connection it is, for records: a client's URL, a server's peer.
    pub(crate) fn label(&self) -> String {
        let facts = self.shared.facts();
        let peer = facts.filter(|_| self.endpoint.role == Role::Server).and_then(|f| f.remote);
        peer.map_or_else(|| self.shared.url().to_owned(), |peer| peer.to_string())
    }

    /// Whether the opening is over, well or not, so that the next one may begin.
    pub(crate) fn has_arrived(&self) -> bool {
        self.flags.gone || matches!(self.phase, Phase::Open | Phase::Refusing)
    }

    /// What `on_close` is to say; the first error counts.
    pub(crate) fn told(&mut self, error: Error) {
        self.error.get_or_insert_with(|| Box::new(error));
    }

    /// From now on the stream is only flushed, ended and waited out.
    pub(crate) fn start_refusing(&mut self, now: Instant) {
        self.phase = Phase::Refusing;
        self.flags.readable = true;
        self.shared.set_ready_state(ReadyState::Closing);
        self.opening_deadline =
            self.endpoint.tuning.linger.and_then(|linger| now.checked_add(linger));
    }

    /// The stream broke.
    pub(crate) fn fail_stream(&mut self, error: StreamError, now: Instant) {
        self.flags.readable = false;
        if self.is_open() && matches!(error, StreamError::Io(_)) {
            let os = match &error {
                StreamError::Io(error) => error.raw_os_error(),
                #[cfg(feature = "tls")]
                StreamError::Tls(_) => None,
            };
            self.session.on_stream_broken(os);
            self.flags.gone = true;
            return;
        }
        let error = match error {
            StreamError::Io(error) => {
                let what = "connection lost during the opening handshake";
                Error::io(ErrorPhase::Tcp, ErrorCode::Reset, what, &error)
            }
            #[cfg(feature = "tls")]
            StreamError::Tls(error) => error.into(),
        };
        let tunnelling = matches!(self.phase, Phase::Tunnelling(_));
        let error = if tunnelling { error.on_the_way_to_the_proxy() } else { error };
        if self.is_open() {
            self.session.on_stream_broken(None);
        } else if error.phase() == ErrorPhase::Tls && self.error.is_none() {
            // The alert that tells the peer why would be lost if the socket went at once. What was
            // to follow the handshake never will.
            self.session.queue_mut().clear();
            self.error = Some(Box::new(error));
            return self.start_refusing(now);
        }
        self.fail(error);
    }

    /// When the connection wants to be asked next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Open => self.session.deadline(),
            Phase::Connecting(dial) => earlier(self.opening_deadline, dial.deadline()),
            _ => self.opening_deadline,
        }
    }

    /// Ends our half of the stream once everything is out, and marks what has nothing left to do.
    pub(crate) fn settle(&mut self, now: Instant, masks: &mut dyn Masks, scratch: &mut Vec<u8>) {
        let action = match self.phase {
            Phase::Open => self.session.stream_action(),
            Phase::Refusing => StreamAction::EndAfterFlush,
            _ => StreamAction::Continue,
        };
        match action {
            StreamAction::Continue | StreamAction::AwaitEnd => {}
            StreamAction::Drop => self.flags.gone = true,
            StreamAction::EndAfterFlush => self.end_stream(now, masks, scratch),
        }
    }

    fn end_stream(&mut self, now: Instant, masks: &mut dyn Masks, scratch: &mut Vec<u8>) {
        if self.flags.ended || !self.session.queue().is_empty() {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        stream.close_notify();
        if stream.has_unsent() {
            self.flush(now, masks, scratch);
        }
        let Some(stream) = &mut self.stream else { return };
        if self.flags.gone || stream.has_unsent() {
            return;
        }
        self.flags.ended = true;
        stream.shutdown_write();
    }

    /// The last word about this connection.
    pub(crate) fn close_event(&mut self, now: Instant) -> CloseEvent {
        let open_for = self.opened_at.map(|at| now.saturating_duration_since(at));
        let open_for = open_for.unwrap_or_default();
        let unsent = self.shared.buffered();
        let error = self.error.take().map(|error| *error);
        if !self.is_open() {
            let error = error.unwrap_or_else(|| Failure::StreamEnded.into());
            let (code, reason) = (1006, String::new());
            return CloseEvent {
                code,
                reason,
                clean: false,
                error: Some(error),
                tag: self.tag,
                unsent,
                open_for,
            };
        }
        let outcome = self.session.outcome();
        CloseEvent {
            code: outcome.code,
            reason: outcome.reason,
            clean: outcome.clean,
            error: error.or_else(|| outcome.failure.map(Error::from)),
            tag: self.tag,
            unsent,
            open_for,
        }
    }

    pub(crate) fn remote_addr(&self) -> Option<SocketAddr> {
        let address: io::Result<SocketAddr> = self.stream.as_ref()?.peer_addr();
        address.ok()
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        let address: io::Result<SocketAddr> = self.stream.as_ref()?.local_addr();
        address.ok()
    }
}

/// The earlier of two deadlines.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
