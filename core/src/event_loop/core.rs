//! Everything of a loop except its handlers and buffers, so that all three can be borrowed at once.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::accept::Listener;
use super::alarms::Alarms;
use super::clock;
use super::deadlines::Deadlines;
use super::endpoint::Endpoint;
use super::gates::Gates;
use super::handler::{CloseEvent, Handler};
use super::id::{ConnId, ServerId};
use super::inbox::{Command, Inbox};
use super::link::{Connection, Link, Phase};
use super::log::{Log, LogLevel, record};
use super::masks::MaskPool;
use super::message::Message;
use super::places::Places;
use super::poller::Poller;
use super::remote::Shared;
use super::slots::Slots;
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::net::resolve::Resolver;
use crate::net::stream::Stream;
use crate::proto::close::{CloseError, ReadyState, check_close};
use crate::proto::deflate::Deflaters;
use crate::proto::frame::MessageKind;
use crate::proto::receiver::Receiver;
use crate::proto::sender::SendError;
use crate::proto::session::Failure;

/// What goes on in the next turn although the poller says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Connection(ConnId),
    Listener(ServerId),
}

/// A connection that left the loop and whose application is to be told.
pub(crate) struct Grave {
    pub(crate) id: ConnId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) announced: bool,
    pub(crate) event: CloseEvent,
}

/// See the module.
pub(crate) struct Core {
    pub(crate) poller: Poller,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) slots: Slots<Box<Connection>>,
    pub(crate) listeners: Slots<Listener>,
    pub(crate) deadlines: Deadlines,
    pub(crate) ready: VecDeque<Ready>,
    pub(crate) dirty: Vec<ConnId>,
    pub(crate) graveyard: VecDeque<Grave>,
    /// Commands that run callbacks; they wait for the next turn.
    pub(crate) deferred: VecDeque<Command>,
    pub(crate) masks: MaskPool,
    pub(crate) deflaters: Deflaters,
    /// Ciphertext on its way out.
    pub(crate) scratch: Vec<u8>,
    /// The time of this turn.
    pub(crate) now: Instant,
    pub(crate) resolver: Resolver,
    /// Handlers that joined since the loop last looked, by their place.
    pub(crate) newcomers: Vec<(usize, Box<dyn Handler + Send>)>,
    pub(crate) places: Places,
    /// `shutdown` is under way: nothing new begins.
    pub(crate) shutting_down: bool,
    /// Places of listeners that are gone; their handlers go with the last connection.
    pub(crate) closed_listeners: Vec<usize>,
    /// Listeners that could not accept for want of descriptors.
    pub(crate) owed_accepts: Vec<ServerId>,
    /// Timers of the application.
    pub(crate) alarms: Alarms,
    pub(crate) log: Log,
    /// Names that were asked for so far; see [`Dial`](super::dial::Dial).
    pub(crate) lookups: Cell<u64>,
    /// Clients that open one after the other.
    pub(crate) gates: Gates,
}

impl Core {
    /// A place for `handler`, with one user.
    pub(crate) fn join(&mut self, handler: Box<dyn Handler + Send>) -> usize {
        let index = self.places.take();
        self.newcomers.push((index, handler));
        index
    }

    /// Makes a connection of a slot that was reserved for `shared`.
    pub(crate) fn adopt(
        &self,
        shared: Arc<Shared>,
        endpoint: Arc<Endpoint>,
        phase: Phase,
        stream: Option<Stream>,
    ) -> Box<Connection> {
        let rx = Receiver::new(endpoint.role, &endpoint.tuning);
        self.inbox.enter(Arc::clone(&shared));
        Box::new(Connection { rx, link: Link::new(shared, endpoint, phase, stream, self.now) })
    }

    /// Whether anything new may begin.
    pub(crate) fn check_running(&self) -> Result<(), Error> {
        if self.shutting_down {
            let cause = "the loop is being shut down";
            return Err(Error::new(ErrorPhase::App, ErrorCode::Shutdown, cause));
        }
        Ok(())
    }

    /// A new id, or the error that all are taken.
    pub(crate) fn new_shared(&mut self, limit: usize) -> Result<Arc<Shared>, Error> {
        let Some((slot, generation)) = self.slots.reserve() else {
            let cause = "more than 16777216 connections in one loop";
            return Err(Error::new(ErrorPhase::System, ErrorCode::NoMemory, cause));
        };
        Ok(Arc::new(Shared::new(ConnId::new(slot, generation), limit)))
    }

    /// Reads the clock anew. Deadlines that begin in a callback, or behind one, are not to lose the
    /// time that it took.
    pub(crate) fn refresh_now(&mut self) {
        self.now = clock::now();
    }

    /// Calls `act` with a connection, wherever it is, and has it looked after before the turn ends.
    #[inline]
    pub(crate) fn with_link<R>(
        &mut self,
        current: Option<&mut Link>,
        id: ConnId,
        act: impl FnOnce(&mut Self, &mut Link) -> R,
    ) -> Option<R> {
        match current {
            Some(link) if link.id == id => Some(act(self, link)),
            _ => {
                let mut conn = self.slots.take(id.slot(), id.generation())?;
                let result = act(self, &mut conn.link);
                self.mark_dirty(&mut conn.link);
                self.slots.put(id.slot(), id.generation(), conn);
                Some(result)
            }
        }
    }

    /// Has a connection flushed and looked after before the turn ends.
    pub(crate) fn mark_dirty(&mut self, link: &mut Link) {
        if !std::mem::replace(&mut link.flags.dirty, true) {
            self.dirty.push(link.id);
        }
    }

    /// Has a connection go on in the next turn.
    pub(crate) fn mark_ready(&mut self, link: &mut Link) {
        if !std::mem::replace(&mut link.flags.ready, true) {
            self.ready.push_back(Ready::Connection(link.id));
        }
    }

    /// Enters the connection's deadline into the heap.
    pub(crate) fn schedule(&mut self, link: &mut Link) {
        let deadline = link.deadline();
        self.deadlines.schedule(link.id, deadline, &mut link.scheduled);
    }

    pub(crate) fn send(&mut self, link: &mut Link, message: Message<'_>) -> Result<(), SendError> {
        self.check_room(link)?;
        self.trace_sent(link, message);
        let (now, masks, scratch) = (self.now, &mut self.masks, &mut self.scratch);
        link.send(message, now, masks, &mut self.deflaters, scratch)
    }

    /// The same, behind the message in parts that the connection may be amid.
    pub(crate) fn send_next(
        &mut self,
        link: &mut Link,
        message: Message<'_>,
    ) -> Result<(), SendError> {
        if !link.session.is_in_parts() {
            return self.send(link, message);
        }
        self.check_room(link)?;
        link.shared.add_buffered(message.data().len() as u64);
        link.hold(message.into());
        Ok(())
    }

    pub(crate) fn send_part(
        &mut self,
        link: &mut Link,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
        compress: Option<bool>,
    ) -> Result<(), SendError> {
        let shared = Arc::clone(&link.shared);
        shared.parts.next(kind, data, fin, |kind| {
            // The part before may be on its way here from another thread.
            self.catch_up(Some(link));
            self.check_room(link)?;
            let part = Message::from_parts(kind, data).compress_if(compress);
            self.send_checked_part(link, part, fin)
        })
    }

    fn send_checked_part(
        &mut self,
        link: &mut Link,
        part: Message<'_>,
        fin: bool,
    ) -> Result<(), SendError> {
        let (now, masks, scratch) = (self.now, &mut self.masks, &mut self.scratch);
        link.send_part(part, fin, now, masks, &mut self.deflaters, scratch)?;
        if fin {
            for message in link.take_held() {
                self.send_charged(link, message.borrow());
            }
        }
        Ok(())
    }

    #[inline]
    fn trace_sent(&mut self, link: &Link, message: Message<'_>) {
        let (kind, len) = (message.kind(), message.data().len());
        record!(self.log, Trace, "{}: sent {kind:?} message, {len} bytes", link.label());
    }

    /// Whether a message may be queued.
    fn check_room(&self, link: &Link) -> Result<(), SendError> {
        if link.shared.ready_state() != ReadyState::Open {
            return Err(SendError::Closed);
        }
        // Framing counts too, or empty messages would have no limit.
        let buffered = link.shared.buffered().max(link.session.queue().len() as u64);
        let limit = link.endpoint.tuning.max_send_buffer as u64;
        if buffered < limit {
            return Ok(());
        }
        link.shared.want_drain();
        Err(SendError::Full { buffered, limit })
    }

    pub(crate) fn ping(&mut self, link: &mut Link, payload: &[u8]) -> Result<(), SendError> {
        if !link.is_open() {
            return Err(SendError::Closed);
        }
        link.session.ping(payload, &mut self.masks)?;
        self.refresh_now();
        link.session.measure(payload, self.now);
        Ok(())
    }

    pub(crate) fn close(
        &mut self,
        link: &mut Link,
        code: Option<u16>,
        reason: &str,
    ) -> Result<(), CloseError> {
        check_close(code, reason)?;
        // The peer's Close has to be read.
        self.resume(link);
        self.refresh_now();
        link.flags.given_up = true;
        link.shared.set_ready_state(ReadyState::Closing);
        if link.is_open() {
            let tuning = &link.endpoint.tuning;
            link.session.close(code, reason, self.now, tuning, &mut self.masks)?;
        } else {
            let cause = "closed by the application before it was open";
            let error = Error::new(ErrorPhase::App, ErrorCode::Shutdown, cause);
            match link.phase {
                Phase::Asking(_) => self.leave_unanswered(link, error),
                _ => link.fail(error),
            }
        }
        Ok(())
    }

    /// The open connections of a server; `current` is the one whose callback runs.
    pub(crate) fn members(&self, server: ServerId, current: Option<&Link>) -> Vec<ConnId> {
        self.members_that(Link::is_open, server, current)
    }

    /// The connections of a server, open or not.
    pub(crate) fn all_members(&self, server: ServerId, current: Option<&Link>) -> Vec<ConnId> {
        self.members_that(|_| true, server, current)
    }

    fn members_that(
        &self,
        wanted: impl Fn(&Link) -> bool,
        server: ServerId,
        current: Option<&Link>,
    ) -> Vec<ConnId> {
        let listener = self.listeners.get(server.slot(), server.generation());
        let Some(endpoint) = listener.map(Listener::endpoint) else { return Vec::new() };
        let is_member = |link: &Link| Arc::ptr_eq(&link.endpoint, endpoint) && wanted(link);
        let named = self.slots.names().into_iter();
        let links = named.filter_map(|(slot, generation)| {
            self.slots.get(slot, generation).map(|conn| &conn.link)
        });
        links.chain(current).filter(|link| is_member(link)).map(|link| link.id).collect()
    }

    pub(crate) fn pause(&mut self, link: &mut Link) {
        if link.is_open() && !link.flags.given_up {
            link.flags.paused = true;
            link.session.pause();
        }
    }

    pub(crate) fn resume(&mut self, link: &mut Link) {
        if std::mem::take(&mut link.flags.paused) {
            self.refresh_now();
            link.session.resume(self.now, &link.endpoint.tuning);
            // What the poller said meanwhile, it does not say again.
            link.flags.readable = true;
            self.mark_ready(link);
        }
    }

    pub(crate) fn abort(&mut self, link: &mut Link) {
        link.flags.given_up = true;
        link.shared.set_ready_state(ReadyState::Closing);
        link.abort(self.now, &mut self.masks);
    }

    /// Carries out what other threads asked for, but for what runs callbacks.
    #[inline]
    pub(crate) fn catch_up(&mut self, current: Option<&mut Link>) {
        if self.inbox.is_pending() {
            self.take_commands(current);
        }
    }

    fn take_commands(&mut self, mut current: Option<&mut Link>) {
        for command in self.inbox.take() {
            self.execute(command, current.as_deref_mut());
        }
    }

    fn execute(&mut self, command: Command, current: Option<&mut Link>) {
        match command {
            Command::Abort { id } => {
                self.with_link(current, id, Self::abort);
            }
            Command::Close { id, code, reason } => {
                // Checked by the caller's thread; on a connection that is gone nothing is lost.
                let _ = self.with_link(current, id, |core, link| core.close(link, code, &reason));
            }
            Command::Ping { id, payload } => {
                let _ = self.with_link(current, id, |core, link| core.ping(link, &payload));
            }
            Command::Look { id } => {
                self.with_link(current, id, |_, _| ());
            }
            Command::Pause { id, paused } => {
                let act = if paused { Self::pause } else { Self::resume };
                self.with_link(current, id, act);
            }
            Command::Send { id, message } => {
                self.with_link(current, id, |core, link| {
                    link.shared.taken();
                    if link.session.is_in_parts() {
                        return link.hold(message);
                    }
                    core.send_charged(link, message.borrow());
                });
            }
            Command::SendPart { id, message, fin } => {
                self.with_link(current, id, |core, link| {
                    link.shared.taken();
                    let part = message.borrow();
                    link.refund(part.data().len() as u64);
                    if core.send_checked_part(link, part, fin) == Err(SendError::Entropy) {
                        link.fail_session(Failure::Entropy, core.now, &mut core.masks);
                    }
                });
            }
            Command::Post(_) | Command::Resolved { .. } => self.deferred.push_back(command),
        }
    }

    /// Queues a message that another thread has accounted for.
    fn send_charged(&mut self, link: &mut Link, message: Message<'_>) {
        link.refund(message.data().len() as u64);
        self.trace_sent(link, message);
        let (now, masks, scratch) = (self.now, &mut self.masks, &mut self.scratch);
        let sent = link.send(message, now, masks, &mut self.deflaters, scratch);
        if sent == Err(SendError::Entropy) {
            link.fail_session(Failure::Entropy, now, masks);
        }
    }

    /// Gives queued output to the system.
    pub(crate) fn flush_link(&mut self, link: &mut Link) {
        link.flush(self.now, &mut self.masks, &mut self.scratch);
        self.watch_writes(link);
    }

    /// Ends what has nothing left to do.
    pub(crate) fn settle_link(&mut self, link: &mut Link) {
        link.settle(self.now, &mut self.masks, &mut self.scratch);
        self.watch_writes(link);
    }

    /// Flushes every connection on the list, between two turns. What is gone, drained or due stays
    /// on the list for the next turn, which may run callbacks.
    pub(crate) fn flush_dirty(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(mut conn) = self.slots.take(id.slot(), id.generation()) else { continue };
            let link = &mut conn.link;
            self.flush_link(link);
            link.publish();
            self.schedule(link);
            link.flags.dirty = link.has_business();
            if link.flags.dirty {
                self.dirty.push(id);
            }
            self.slots.put(id.slot(), id.generation(), conn);
        }
    }

    /// Takes a connection out of the loop; its application is told at the end of the turn, of `event`
    /// if that is known already.
    pub(crate) fn bury(&mut self, mut conn: Box<Connection>, event: Option<CloseEvent>) {
        let now = self.now;
        let link = &mut conn.link;
        let id = link.id;
        link.publish();
        if let Some(stream) = &mut link.stream {
            // Fails only for a socket that is not registered.
            let _ = self.poller.registry().deregister(stream.source());
        }
        if let Phase::Connecting(dial) = &mut link.phase {
            dial.deregister(self.poller.registry());
        }
        self.slots.remove(id.slot(), id.generation());
        self.inbox.leave(id);
        link.shared.set_ready_state(ReadyState::Closed);
        let event = event.unwrap_or_else(|| link.close_event(now));
        if self.log.wants(LogLevel::Debug) {
            let error = event.error.as_ref().map(|error| format!(": {error}"));
            let (label, code) = (link.label(), event.code);
            record!(self.log, Debug, "{label}: closed with {code}{}", error.unwrap_or_default());
        }
        self.graveyard.push_back(Grave {
            id,
            shared: Arc::clone(&link.shared),
            endpoint: Arc::clone(&link.endpoint),
            announced: link.flags.announced,
            event,
        });
        drop(conn);
        self.retry_accepts();
    }

    /// The addresses that the server's connections come from are its own machine's.
    pub(crate) fn is_loopback(addr: SocketAddr) -> bool {
        addr.ip().is_loopback()
    }
}
