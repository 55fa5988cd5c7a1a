//! Bytes in: from the socket through the receiver to the callbacks.

use super::context::Socket;
use super::core::Core;
use super::dispatch::Dispatch;
use super::handlers::Handlers;
use super::link::{Connection, Greeting, Link, Phase};
use super::log::record;
use super::message::Message;
use crate::error::Error;
use crate::net::stream::{ReadOutcome, Stream};
use crate::proto::deflate::SpareInflater;
use crate::proto::receiver::{Event, Receiver};
use crate::proto::session::{Failure, StreamAction};
use crate::proto::violation::Violation;

/// The loop's receive buffer; connections own receive memory only while something is incomplete.
const INPUT: usize = 128 << 10;
/// A long frame is read in steps of this size, each unmasked while it is in the cache.
const STEP: usize = 64 << 10;
/// Bytes of one connection in one turn.
const BYTES_PER_TURN: usize = 256 << 10;

/// Memory that the connections of a loop share.
pub(crate) struct Buffers {
    /// What a read puts its bytes into.
    input: Box<[u8]>,
    /// Decrypted bytes.
    #[cfg(feature = "tls")]
    plain: Vec<u8>,
    /// Lent to the connection that is dispatched for what it sends.
    pub(crate) cork: Vec<u8>,
    /// Lent to the connection that is dispatched for a message that does not come in one read.
    pub(crate) message: Vec<u8>,
    /// Lent to the connection that is dispatched for compressed messages.
    pub(crate) inflater: SpareInflater,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            input: vec![0; INPUT].into(),
            #[cfg(feature = "tls")]
            plain: Vec::new(),
            cork: Vec::with_capacity(STEP),
            message: Vec::new(),
            inflater: SpareInflater::default(),
        }
    }
}

/// What a single read found.
enum Step {
    /// Bytes; there may be more.
    Bytes(usize),
    /// Nothing, or all there was.
    Drained,
}

impl Dispatch<'_> {
    /// Reads until nothing is left or the budget of this turn is used up.
    pub(crate) fn read(&mut self, conn: &mut Connection) {
        let mut bytes = 0;
        let mut parked = conn.link.take_parked();
        if !parked.is_empty() {
            bytes = parked.len();
            self.frames(conn, &mut parked);
        }
        for _ in 0..self.budget {
            self.core.catch_up(Some(&mut conn.link));
            if !conn.link.wants_bytes() {
                return;
            }
            match self.read_once(conn) {
                Step::Bytes(count) => {
                    bytes += count;
                    self.heard = true;
                }
                Step::Drained => return,
            }
            if bytes >= BYTES_PER_TURN {
                break;
            }
        }
        if conn.link.wants_bytes() {
            self.core.mark_ready(&mut conn.link);
        }
    }

    fn read_once(&mut self, conn: &mut Connection) -> Step {
        match &mut conn.link.stream {
            None => Step::Drained,
            Some(Stream::Plain(_)) => self.read_plain(conn),
            #[cfg(feature = "tls")]
            Some(Stream::Tls(_)) if matches!(conn.link.phase, Phase::Refusing) => {
                // TLS has failed or said its last word: what comes is only waited out.
                self.read_plain(conn)
            }
            #[cfg(feature = "tls")]
            Some(Stream::Tls(_)) => self.read_tls(conn),
        }
    }

    fn read_plain(&mut self, conn: &mut Connection) -> Step {
        let Connection { rx, link } = conn;
        let Some(stream) = &mut link.stream else { return Step::Drained };
        let long = if matches!(link.phase, Phase::Open) { rx.space(STEP) } else { None };
        let into_place = long.is_some();
        let target = long.unwrap_or(&mut self.buffers.input);
        let asked = target.len();
        let count = match stream.read_plain(target) {
            Ok(ReadOutcome::Data(count)) => count,
            Ok(ReadOutcome::WouldBlock) => {
                link.flags.readable = false;
                return Step::Drained;
            }
            Ok(ReadOutcome::End { truncated }) => return self.stream_ended(conn, truncated),
            Err(error) => {
                link.fail_stream(error, self.core.now);
                return Step::Drained;
            }
        };
        // A short read proves that the socket is drained, unless the peer ended its half: then the
        // end itself is still to be read.
        link.flags.readable = count == asked || link.flags.read_closed;
        link.shared.counts.received_bytes(count);
        if link.is_open() {
            link.session.on_bytes(self.core.now, &link.endpoint.tuning);
        }
        if into_place {
            self.filled(conn, count);
        } else {
            let mut input = std::mem::take(&mut self.buffers.input);
            self.consume(conn, input.get_mut(..count).unwrap_or_default());
            self.buffers.input = input;
        }
        Step::Bytes(count)
    }

    #[cfg(feature = "tls")]
    fn read_tls(&mut self, conn: &mut Connection) -> Step {
        let mut plain = std::mem::take(&mut self.buffers.plain);
        let Some(stream) = &mut conn.link.stream else { return Step::Drained };
        let received = stream.receive(&mut self.buffers.input, &mut plain);
        if !plain.is_empty() {
            let link = &mut conn.link;
            link.shared.counts.received_bytes(plain.len());
            if link.is_open() {
                link.session.on_bytes(self.core.now, &link.endpoint.tuning);
            }
            // What was decrypted before a failure counts.
            self.consume(conn, &mut plain);
        }
        plain.clear();
        self.buffers.plain = plain;
        let link = &mut conn.link;
        if link.stream.is_none() {
            // What came in leads elsewhere; how this stream ends is nobody's concern.
            return Step::Drained;
        }
        match received {
            Ok((ReadOutcome::Data(count), short)) => {
                link.flags.readable &= !short || link.flags.read_closed;
                self.handshake_output(link);
                Step::Bytes(count)
            }
            Ok((ReadOutcome::WouldBlock, _)) => {
                link.flags.readable = false;
                Step::Drained
            }
            Ok((ReadOutcome::End { truncated }, _)) => self.stream_ended(conn, truncated),
            Err(error) => {
                // The alert that says why goes out first.
                self.core.flush_link(link);
                link.fail_stream(error, self.core.now);
                // The end of the stream may have come with it, and is not announced again.
                if link.flags.readable { Step::Bytes(0) } else { Step::Drained }
            }
        }
    }

    /// TLS answers to what was read, and what waited for the end of the TLS handshake.
    #[cfg(feature = "tls")]
    fn handshake_output(&mut self, link: &mut Link) {
        if !link.is_open() {
            self.core.flush_link(link);
        }
    }

    /// The peer ended its half of the stream.
    fn stream_ended(&mut self, conn: &mut Connection, truncated: bool) -> Step {
        let link = &mut conn.link;
        link.flags.readable = false;
        match &mut link.phase {
            Phase::Open => {
                let now = self.core.now;
                if truncated && link.session.stream_action() == StreamAction::Continue {
                    let tuning = &link.endpoint.tuning;
                    link.session.fail(Failure::TlsTruncated, now, tuning, &mut self.core.masks);
                }
                link.session.on_stream_end();
                self.core.flush_link(link);
            }
            Phase::Greeting(greeting) => match &mut **greeting {
                Greeting::Client { handshake, .. } => {
                    let error = handshake.on_end();
                    self.core.not_accepted(link, error);
                    if link.stream.is_none() {
                        return Step::Drained;
                    }
                }
                Greeting::Server(_) => link.fail(Failure::StreamEnded.into()),
            },
            Phase::Tunnelling(tunnelling) => {
                let error = tunnelling.on_end();
                link.fail(error);
            }
            _ => {}
        }
        link.flags.gone = true;
        Step::Drained
    }

    /// Received bytes in front of whatever phase the connection is in.
    pub(crate) fn consume(&mut self, conn: &mut Connection, bytes: &mut [u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !conn.link.flags.gone {
            let used = match conn.link.phase {
                Phase::Tunnelling(_) => self.tunnel(conn, rest),
                Phase::Greeting(_) => self.greet(conn, rest),
                _ => break,
            };
            rest = rest.get_mut(used..).unwrap_or_default();
        }
        if rest.is_empty() {
            return;
        }
        match conn.link.phase {
            Phase::Open => self.frames(conn, rest),
            // Who left needs no answer, and what it sent neither.
            Phase::Asking(_) if !conn.link.flags.read_closed => conn.link.park(rest),
            _ => {}
        }
    }

    fn frames(&mut self, conn: &mut Connection, input: &mut [u8]) {
        let Connection { rx, link } = conn;
        let mut at = 0;
        loop {
            // Another thread may have paused the connection, or given it up, while the callback before ran.
            self.core.catch_up(Some(&mut *link));
            if link.flags.gone {
                return;
            }
            let Some(rest) = input.get_mut(at..) else { return };
            if link.flags.paused {
                link.park(rest);
                return;
            }
            match rx.next(rest) {
                Ok((_, None)) => return,
                Ok((used, Some(event))) => {
                    at += used;
                    link.flags.keepable = event.is_worth_keeping();
                    let go_on = deliver(self.core, self.handlers, link, &event);
                    self.hand_over(rx, link);
                    if !go_on {
                        return rx.stop();
                    }
                }
                Err(violation) => {
                    self.violated(rx, link, violation);
                    return rx.stop();
                }
            }
        }
    }

    /// Bytes that were read straight into the place of a long frame.
    fn filled(&mut self, conn: &mut Connection, count: usize) {
        let Connection { rx, link } = conn;
        match rx.filled(count) {
            Ok(None) => {}
            Ok(Some(event)) => {
                link.flags.keepable = event.is_worth_keeping();
                let go_on = deliver(self.core, self.handlers, link, &event);
                self.hand_over(rx, link);
                if !go_on {
                    rx.stop();
                }
            }
            Err(violation) => {
                self.violated(rx, link, violation);
                rx.stop();
            }
        }
    }

    /// Gives the memory of the message that was delivered to the application, if it wants that.
    fn hand_over(&mut self, rx: &mut Receiver, link: &mut Link) {
        link.flags.keepable = false;
        if !std::mem::take(&mut link.flags.keep) {
            return;
        }
        let message = rx.take_delivered();
        let done = self.handlers.call(self.core, link.endpoint.index, |handler, core| {
            handler.on_kept(&mut Socket::new(core, link), message);
        });
        if !done {
            self.panicked(link);
        }
    }

    /// The peer broke the protocol or a limit.
    fn violated(&mut self, rx: &Receiver, link: &mut Link, violation: Violation) {
        if violation == Violation::MessageTooBig {
            let limit = link.endpoint.tuning.max_message;
            link.told(Error::over_limit(rx.refused(), limit as u64));
        }
        self.fail(link, Failure::Violation(violation));
    }

    /// A callback of this connection panicked.
    pub(crate) fn panicked(&mut self, link: &mut Link) {
        self.fail(link, Failure::Internal);
    }

    fn fail(&mut self, link: &mut Link, failure: Failure) {
        self.core.refresh_now();
        link.fail_session(failure, self.core.now, &mut self.core.masks);
    }
}

/// Acts upon an event and tells the application. False when nothing more is to be read.
fn deliver(core: &mut Core, handlers: &mut Handlers, link: &mut Link, event: &Event<'_>) -> bool {
    match event {
        Event::Close { .. } => core.refresh_now(),
        Event::Pong(payload) => {
            core.refresh_now();
            if let Some(latency) = link.session.latency(payload, core.now) {
                link.shared.set_latency(latency);
            }
        }
        _ => {}
    }
    let now = core.now;
    let wanted = link.session.on_event(event, now, &link.endpoint.tuning, &mut core.masks);
    record!(core.log, Trace, "{}: received {event}", link.label());
    let index = link.endpoint.index;
    match event {
        Event::Message { data, .. } => link.shared.counts.received(data.len(), true),
        Event::Chunk(chunk) => link.shared.counts.received(chunk.data.len(), chunk.last),
        _ => {}
    }
    if wanted {
        let done = handlers.call(core, index, |handler, core| {
            let mut socket = Socket::new(core, link);
            match *event {
                Event::Message { kind, data, .. } => {
                    handler.on_message(&mut socket, Message::from_parts(kind, data));
                }
                Event::Chunk(chunk) => handler.on_chunk(&mut socket, chunk),
                Event::Ping(payload) => handler.on_ping(&mut socket, payload),
                Event::Pong(payload) => handler.on_pong(&mut socket, payload),
                Event::Close { .. } => {}
            }
        });
        if !done {
            core.refresh_now();
            link.fail_session(Failure::Internal, core.now, &mut core.masks);
            return false;
        }
    }
    if let Event::Close { .. } = event {
        link.shared.set_ready_state(link.session.ready_state());
        return false;
    }
    !link.flags.gone
}
