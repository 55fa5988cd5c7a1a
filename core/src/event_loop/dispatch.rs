//! The parts of a turn: which connections have something to do, and in what order.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mio::event::Event;

use super::accept::listener_of;
use super::context::Context;
use super::core::{Core, Ready};
use super::flow::Buffers;
use super::handlers::Handlers;
use super::id::ConnId;
use super::inbox::Command;
use super::link::{Connection, Link, Phase};
use super::log::{panic_text, record};
use super::{TIMER, WAKER};
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::proto::handshake::Refusal;

/// Largest buffer for output that a loop keeps for the next connection.
const MAX_CORK: usize = 1 << 20;
/// Largest buffer for a message that a loop keeps for the next connection.
const MAX_MESSAGE: usize = 4 << 20;

/// So often is a connection told in one turn that its queue is drained, however fast the system takes
/// what it sends then; it goes on in the next turn, after the others.
const DRAINS_PER_TURN: u32 = 4;

/// One turn over a loop whose parts are borrowed side by side.
pub(crate) struct Dispatch<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) handlers: &'a mut Handlers,
    pub(crate) buffers: &'a mut Buffers,
    /// Reads of one connection in this turn.
    pub(crate) budget: u32,
    /// A read found bytes.
    pub(crate) heard: bool,
}

impl Dispatch<'_> {
    /// What other threads asked for.
    pub(crate) fn commands(&mut self) {
        self.core.catch_up(None);
        for command in mem::take(&mut self.core.deferred) {
            match command {
                Command::Post(job) => {
                    let mut context = Context::new(self.core, None);
                    // A panic of the job is its own affair: the loop goes on.
                    let job = AssertUnwindSafe(|| job(&mut context));
                    if let Err(panic) = catch_unwind(job) {
                        let text = panic_text(&*panic);
                        record!(self.core.log, Warn, "a posted function panicked: {text}");
                    }
                }
                Command::Resolved { id, lookup, addrs } => {
                    self.core.with_link(None, id, |core, link| core.resolved(link, lookup, addrs));
                }
                _ => {}
            }
        }
    }

    /// What the poller reported.
    pub(crate) fn event(&mut self, event: &Event) {
        if matches!(event.token(), WAKER | TIMER) {
            return;
        }
        if let Some(listener) = listener_of(event.token()) {
            return self.core.accept(listener);
        }
        let id = ConnId::from_u64(event.token().0 as u64);
        // An event for a connection that is gone finds nothing.
        let Some(mut conn) = self.core.slots.take(id.slot(), id.generation()) else { return };
        let flags = &mut conn.link.flags;
        flags.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        flags.read_closed |= event.is_read_closed() || event.is_error();
        flags.writable |= event.is_writable();
        self.dispatch(conn);
    }

    /// What an earlier turn, or another connection's callback, left over. What is added meanwhile
    /// waits for the next turn.
    pub(crate) fn leftovers(&mut self) {
        self.core.resume_accepts();
        for ready in mem::take(&mut self.core.ready) {
            match ready {
                Ready::Listener(id) => self.core.accept(id),
                Ready::Connection(id) => {
                    let taken = self.core.slots.take(id.slot(), id.generation());
                    if let Some(mut conn) = taken {
                        conn.link.flags.ready = false;
                        self.dispatch(conn);
                    }
                }
            }
        }
    }

    /// Connections whose deadline came.
    pub(crate) fn deadlines(&mut self) {
        let now = self.core.now;
        while let Some((at, id)) = self.core.deadlines.pop_due(now) {
            let Some(mut conn) = self.core.slots.take(id.slot(), id.generation()) else { continue };
            if conn.link.scheduled != Some(at) {
                self.core.slots.put(id.slot(), id.generation(), conn);
                continue;
            }
            conn.link.scheduled = None;
            if conn.link.deadline().is_some_and(|deadline| deadline <= now) {
                self.expire(&mut conn);
            }
            self.finish(conn);
        }
    }

    fn expire(&mut self, conn: &mut Connection) {
        self.core.refresh_now();
        let now = self.core.now;
        if conn.link.is_open() {
            // What came in meanwhile counts before silence is judged.
            conn.link.flags.readable = true;
            self.read(conn);
            let link = &mut conn.link;
            if link.session.deadline().is_some_and(|deadline| deadline <= now) {
                link.session.on_deadline(now, &link.endpoint.tuning, &mut self.core.masks);
                link.shared.set_ready_state(link.session.ready_state());
            }
            return;
        }
        if conn.link.opening_deadline.is_none_or(|deadline| deadline > now) {
            // Only the next address of a race is due.
            return self.core.race(&mut conn.link);
        }
        let phase = match &conn.link.phase {
            Phase::Waiting => return self.core.dial_back(&mut conn.link),
            Phase::Refusing => {
                conn.link.flags.gone = true;
                return;
            }
            Phase::Greeting(_) if conn.link.is_awaiting_request() => {
                let cause = "the request took too long (open_timeout)\n";
                return self.core.refuse(&mut conn.link, &Refusal::new(408, cause));
            }
            Phase::Asking(_) => {
                let cause = "nobody answered the request in time (open_timeout)";
                let error = Error::new(ErrorPhase::App, ErrorCode::TimedOut, cause);
                return self.core.leave_unanswered(&mut conn.link, error);
            }
            Phase::Resolving(_) => ErrorPhase::Dns,
            Phase::Connecting(_) => ErrorPhase::Tcp,
            Phase::Tunnelling(_) => ErrorPhase::Proxy,
            _ if conn.link.is_securing() => ErrorPhase::Tls,
            _ => ErrorPhase::Upgrade,
        };
        let cause = "no answer in time (open_timeout)";
        conn.link.fail(Error::new(phase, ErrorCode::TimedOut, cause));
    }

    /// Connections on which something was queued or done from elsewhere.
    pub(crate) fn flush(&mut self) {
        // What callbacks do here (`on_drain`) to other connections waits for the next turn.
        for id in mem::take(&mut self.core.dirty) {
            let Some(conn) = self.core.slots.take(id.slot(), id.generation()) else { continue };
            if conn.link.flags.dirty {
                self.finish(conn);
            } else {
                self.core.slots.put(id.slot(), id.generation(), conn);
            }
        }
    }

    /// Tells the applications of the connections that are gone.
    pub(crate) fn funerals(&mut self) {
        for _ in 0..self.core.graveyard.len() {
            let Some(grave) = self.core.graveyard.pop_front() else { break };
            let index = grave.endpoint.index;
            if grave.announced {
                self.handlers.call(self.core, index, |handler, core| {
                    let mut context = Context::of_departed(core, &grave.shared);
                    handler.on_close(&mut context, grave.id, &grave.event);
                });
            }
            self.handlers.leave(self.core, index);
        }
        for index in mem::take(&mut self.core.closed_listeners) {
            self.handlers.leave(self.core, index);
        }
    }

    /// Deals with a connection that was checked out.
    pub(crate) fn dispatch(&mut self, mut conn: Box<Connection>) {
        // Counts as listed: it is flushed right below.
        conn.link.flags.dirty = true;
        if matches!(conn.link.phase, Phase::Connecting(_)) {
            self.core.race(&mut conn.link);
            if conn.link.stream.is_none() {
                return self.finish(conn);
            }
        }
        self.lend_buffers(&mut conn);
        if matches!(conn.link.phase, Phase::Asking(_)) {
            self.decide(&mut conn);
        }
        if conn.link.flags.readable {
            self.read(&mut conn);
        }
        self.finish(conn);
    }

    /// The end of every dispatch: what is queued leaves, what is done is buried, the rest goes back
    /// into its slot.
    fn finish(&mut self, mut conn: Box<Connection>) {
        let link = &mut conn.link;
        for drain in 0.. {
            self.core.flush_link(link);
            self.core.settle_link(link);
            link.publish();
            if link.flags.gone {
                break;
            }
            if drain == DRAINS_PER_TURN && link.is_drained() {
                self.core.mark_ready(link);
                break;
            }
            if !link.take_drained() {
                break;
            }
            self.drained(link);
        }
        link.flags.dirty = false;
        if link.flags.gated && link.has_arrived() {
            self.core.leave_gate(link);
        }
        self.take_buffers_back(&mut conn);
        if conn.link.flags.gone {
            return self.part(conn);
        }
        self.core.schedule(&mut conn.link);
        let id = conn.link.id;
        self.core.slots.put(id.slot(), id.generation(), conn);
    }

    fn drained(&mut self, link: &mut Link) {
        let index = link.endpoint.index;
        let done = self.handlers.call(self.core, index, |handler, core| {
            handler.on_drain(&mut super::context::Socket::new(core, link));
        });
        if !done {
            self.panicked(link);
        }
    }

    /// Warm buffers for what this connection sends and receives now: an idle one owns none.
    fn lend_buffers(&mut self, conn: &mut Connection) {
        let queue = conn.link.session.queue_mut();
        if queue.is_empty() {
            queue.lend(mem::take(&mut self.buffers.cork));
        }
        self.buffers.message = conn.rx.lend(mem::take(&mut self.buffers.message));
        conn.rx.lend_inflater(&mut self.buffers.inflater);
    }

    fn take_buffers_back(&mut self, conn: &mut Connection) {
        let cork = conn.link.session.queue_mut().take_buffer();
        keep_larger(&mut self.buffers.cork, cork, MAX_CORK);
        keep_larger(&mut self.buffers.message, conn.rx.reclaim(), MAX_MESSAGE);
        conn.rx.reclaim_inflater(&mut self.buffers.inflater);
        self.core.deflaters.shrink();
    }
}

/// Keeps the larger of two buffers, but none over `limit`: a loop that once dealt with something
/// large does not hold its memory for ever.
fn keep_larger(kept: &mut Vec<u8>, offered: Vec<u8>, limit: usize) {
    if offered.capacity() > kept.capacity() && offered.capacity() <= limit {
        *kept = offered;
    }
}
