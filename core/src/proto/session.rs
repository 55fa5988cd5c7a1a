//! What to do upon an event: pong, echo of a Close, deadlines, failure.
//!
//! Everything of an open connection but the receiver and the I/O. Time and randomness are
//! arguments; the next deadline is a value.

use std::time::{Duration, Instant};

use self::probe::Probe;
use super::close::{self, Action, CloseError, Input, ReadyState, State};
use super::deflate::Deflation;
use super::frame::{MAX_CONTROL, MessageKind, Opcode, Role};
use super::queue::SendQueue;
use super::receiver::Event;
use super::sender::{Masks, SendError, frame};
use super::timers::Timers;
use crate::config::Tuning;

pub use super::failure::Failure;

/// Pongs that may wait in the queue; beyond it only the newest ping is answered (5.5.3).
const MAX_PONGS: u8 = 64;
/// The reason that a peer is told which has nothing to say.
const IDLE: &str = "idle timeout";

/// What the transport has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamAction {
    /// Flush, then wait for the peer to end the stream.
    AwaitEnd,
    /// Go on reading and writing.
    Continue,
    /// Close the socket.
    Drop,
    /// Flush, end our half, then read and discard until the peer ends its half.
    EndAfterFlush,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The peer's code; 1005 if its Close frame had none, 1006 if there was none or the connection
    /// failed (7.1.5).
    pub code: u16,
    /// The peer's reason.
    pub reason: String,
    /// Whether both Close frames were exchanged.
    pub clean: bool,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// The peer's Close frame.
#[derive(Debug)]
struct Received {
    code: Option<u16>,
    reason: Box<str>,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    role: Role,
    state: State,
    action: StreamAction,
    sent_close: bool,
    /// Pongs since the queue was last drained.
    pongs: u8,
    failure: Option<Failure>,
    /// The kind of a message that the application sends in parts.
    in_parts: Option<MessageKind>,
    received: Option<Box<Received>>,
    /// The newest ping that waits for room.
    waiting_pong: Option<Box<[u8]>>,
    queue: SendQueue,
    timers: Timers,
    /// The ping that the next pong may answer.
    probe: Option<Probe>,
    /// If compression was agreed upon.
    deflation: Option<Box<Deflation>>,
}

impl Session {
    /// A connection whose opening handshake is done at `now`.
    pub fn new(role: Role, now: Instant, tuning: &Tuning) -> Self {
        Self {
            role,
            state: State::Open,
            action: StreamAction::Continue,
            sent_close: false,
            pongs: 0,
            failure: None,
            in_parts: None,
            received: None,
            waiting_pong: None,
            queue: SendQueue::default(),
            timers: Timers::new(now, tuning),
            probe: None,
            deflation: None,
        }
    }

    /// The state as in a browser.
    pub fn ready_state(&self) -> ReadyState {
        match self.state {
            State::Open => ReadyState::Open,
            State::Closing | State::Draining => ReadyState::Closing,
            State::Closed => ReadyState::Closed,
        }
    }

    /// Output that waits for the system.
    pub fn queue(&self) -> &SendQueue {
        &self.queue
    }

    /// Output that waits for the system. Call [`on_written`](Self::on_written) after it changed.
    pub fn queue_mut(&mut self) -> &mut SendQueue {
        &mut self.queue
    }

    /// Queues a whole message. Text has to be valid UTF-8.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing was queued.
    pub fn send(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        masks: &mut dyn Masks,
    ) -> Result<(), SendError> {
        self.check_send()?;
        frame(&mut self.queue, self.role, true, kind.opcode(), payload, masks)
    }

    /// Queues a part of a message, the last one if `fin` (5.4). Until then no other message can be
    /// sent; pings, pongs and Close can. A message whose first part was compressed by
    /// [`send_part_deflated`](Self::send_part_deflated) has to be finished there.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::InParts`] also if the kind changed.
    pub fn send_part(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        masks: &mut dyn Masks,
    ) -> Result<(), SendError> {
        let opcode = self.part_opcode(kind)?;
        frame(&mut self.queue, self.role, fin, opcode, payload, masks)?;
        self.in_parts = (!fin).then_some(kind);
        Ok(())
    }

    /// The opcode of the next part.
    fn part_opcode(&self, kind: MessageKind) -> Result<Opcode, SendError> {
        match self.in_parts {
            Some(open) if open != kind => Err(SendError::InParts),
            Some(_) if self.state == State::Open => Ok(Opcode::Continuation),
            _ => self.check_send().map(|()| kind.opcode()),
        }
    }

    /// Whether a message in parts is unfinished, so that no other can be sent.
    pub fn is_in_parts(&self) -> bool {
        self.in_parts.is_some()
    }

    /// Queues only the header of a message of `len` bytes, unmasked, so servers only. The caller
    /// offers the queue and the payload behind it to the system and then calls
    /// [`sent_through`](Self::sent_through), whatever came of it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn begin_send_through(&mut self, kind: MessageKind, len: usize) -> Result<(), SendError> {
        self.check_send()?;
        let (fin, len) = (true, len as u64);
        let opcode = kind.opcode();
        super::frame::Header { fin, compressed: false, opcode, mask: None, len }
            .write(self.queue.back_for(0));
        Ok(())
    }

    /// The system took `written` bytes of the queue and of `payload` behind it: what is left of the
    /// payload is queued.
    pub fn sent_through(&mut self, payload: &[u8], written: usize) {
        let queued = self.queue.len();
        self.queue.advance(written.min(queued));
        let rest = payload.get(written.saturating_sub(queued)..).unwrap_or_default();
        self.queue.back_for(rest.len() as u64).extend_from_slice(rest);
    }

    /// Queues a ping (5.5.2).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::TooLong`] over 125 bytes.
    pub fn ping(&mut self, payload: &[u8], masks: &mut dyn Masks) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL {
            return Err(SendError::TooLong);
        }
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        frame(&mut self.queue, self.role, true, Opcode::Ping, payload, masks)
    }

    /// The ping that was just queued is the one to measure: [`latency`](Self::latency) does.
    pub fn measure(&mut self, payload: &[u8], now: Instant) {
        self.probe = Some(Probe::new(payload, now));
    }

    /// A pong came in: the time since its ping, once for each ping of which that is known.
    pub fn latency(&mut self, pong: &[u8], now: Instant) -> Option<Duration> {
        let latency = self.probe?.answered(pong, now)?;
        self.probe = None;
        Some(latency)
    }

    /// Starts the closing handshake (7.1.2). Does nothing when it has begun.
    ///
    /// # Errors
    ///
    /// A code or reason that must not be sent.
    pub fn close(
        &mut self,
        code: Option<u16>,
        reason: &str,
        now: Instant,
        tuning: &Tuning,
        masks: &mut dyn Masks,
    ) -> Result<(), CloseError> {
        close::check_close(code, reason)?;
        if self.state != State::Open {
            return Ok(());
        }
        match self.send_close(code, reason, masks) {
            Ok(()) => {
                self.timers.start_close(now, tuning);
                self.step(Input::SentClose, now, tuning, masks);
            }
            Err(_) => self.fail(Failure::Entropy, now, tuning, masks),
        }
        Ok(())
    }

    /// Nothing is read for a while: the peer's silence proves nothing.
    pub fn pause(&mut self) {
        self.timers.pause();
    }

    /// Reading goes on at `now`, from when on silence counts again.
    pub fn resume(&mut self, now: Instant, tuning: &Tuning) {
        self.timers.resume(now, tuning);
    }

    /// A message was sent at `now`, which is no idle time.
    pub fn on_sent(&mut self, now: Instant, tuning: &Tuning) {
        self.timers.active(now, tuning);
    }

    /// Any bytes came in at `now`: the peer is alive.
    pub fn on_bytes(&mut self, now: Instant, tuning: &Tuning) {
        self.timers.heard(now, tuning);
    }

    /// Acts upon an event. True: hand it to the application.
    pub fn on_event(
        &mut self,
        event: &Event<'_>,
        now: Instant,
        tuning: &Tuning,
        masks: &mut dyn Masks,
    ) -> bool {
        if !self.state.is_receiving() {
            return false;
        }
        match *event {
            Event::Message { .. } | Event::Chunk(_) => {
                self.timers.active(now, tuning);
                true
            }
            Event::Pong(_) => true,
            Event::Ping(payload) => {
                self.pong(payload, tuning, masks);
                true
            }
            Event::Close { code, reason } => {
                self.received = Some(Box::new(Received { code, reason: reason.into() }));
                self.step(Input::ReceivedClose, now, tuning, masks);
                false
            }
        }
    }

    /// Fails the connection (7.1.7): says why with a Close frame where that makes sense, behind what
    /// is queued, and drops the stream otherwise. The first failure is the one that is reported.
    pub fn fail(&mut self, failure: Failure, now: Instant, tuning: &Tuning, masks: &mut dyn Masks) {
        if self.state == State::Closed {
            return;
        }
        let told = self.failure.is_some();
        self.failure.get_or_insert(failure);
        match failure.close_code() {
            Some(code) if self.state.is_receiving() => {
                if !self.sent_close {
                    // Without randomness the stream ends without a word.
                    let _ = self.send_close(Some(code), "", masks);
                }
                self.step(Input::Failed, now, tuning, masks);
                if failure == Failure::HeartbeatTimeout {
                    // Nobody is there to end the stream: the Close frame is given to the system, in
                    // case somebody is after all, and not waited for.
                    self.state = State::Closed;
                    self.action = StreamAction::Drop;
                }
            }
            Some(_) if told => {}
            _ => {
                self.state = self.state.step(Input::Failed, self.role).0;
                self.action = StreamAction::Drop;
            }
        }
    }

    /// The system was given output, or refused it; `pending` says whether more waits.
    pub fn on_written(
        &mut self,
        pending: bool,
        now: Instant,
        tuning: &Tuning,
        masks: &mut dyn Masks,
    ) {
        self.timers.wrote(pending, now, tuning);
        // Not only when nothing is left: an application that heeds `on_drain` may never let it
        // come to that, and a peer may insist on its pong.
        if self.queue.len() <= tuning.high_water / 4 {
            self.pongs = 0;
            if let Some(payload) = self.waiting_pong.take() {
                self.pong(&payload, tuning, masks);
            }
        }
    }

    /// The peer ended its half of the stream, or all of it.
    pub fn on_stream_end(&mut self) {
        if self.received.is_none() || !self.sent_close {
            self.failure.get_or_insert(Failure::StreamEnded);
        }
        self.state = State::Closed;
        self.action = StreamAction::Drop;
    }

    /// The system reports the stream as broken, with its error number. After both Close frames that
    /// is as good as its end.
    pub fn on_stream_broken(&mut self, os: Option<i32>) {
        if !self.sent_close || self.received.is_none() {
            self.failure.get_or_insert(Failure::Reset(os));
        }
        self.state = State::Closed;
        self.action = StreamAction::Drop;
    }

    /// When [`on_deadline`](Self::on_deadline) wants to be called.
    pub fn deadline(&self) -> Option<Instant> {
        if self.action == StreamAction::Drop {
            return None;
        }
        self.timers.deadline(self.state == State::Open)
    }

    /// Does what is due at `now`: sends a ping, closes, fails, or gives up waiting. Reads what is there
    /// before calling it, so that bytes that arrived count.
    pub fn on_deadline(&mut self, now: Instant, tuning: &Tuning, masks: &mut dyn Masks) {
        if self.timers.is_stalled(now) {
            self.fail(Failure::WriteTimeout, now, tuning, masks);
        } else if self.timers.is_lingered(now) {
            self.state = self.state.step(Input::StreamEnded, self.role).0;
            self.action = StreamAction::Drop;
        } else if self.state == State::Closing && self.timers.is_unanswered(now) {
            self.fail(Failure::CloseTimeout, now, tuning, masks);
        } else if self.state == State::Open && self.timers.is_idle(now) {
            // Legal, so that only a lack of randomness stands in the way, which fails the connection.
            let _ = self.close(Some(1001), IDLE, now, tuning, masks);
        } else if self.state == State::Open && self.timers.is_silent(now) {
            if self.timers.is_pinged() {
                self.fail(Failure::HeartbeatTimeout, now, tuning, masks);
            } else if self.ping(b"", masks).is_err() {
                self.fail(Failure::Entropy, now, tuning, masks);
            } else {
                self.measure(b"", now);
                self.timers.pinged(now, tuning);
            }
        }
    }

    /// What the transport has to do now.
    pub fn stream_action(&self) -> StreamAction {
        self.action
    }

    /// How the connection ended; call it when the stream is gone.
    pub fn outcome(&self) -> Outcome {
        let clean = self.failure.is_none() && self.sent_close && self.queue.is_empty();
        match &self.received {
            Some(received) if self.failure.is_none() => Outcome {
                code: received.code.unwrap_or(1005),
                reason: received.reason.clone().into(),
                clean,
                failure: self.is_cut_short().then_some(Failure::CloseUnsent),
            },
            _ => {
                let failure = self.failure.or(Some(Failure::StreamEnded));
                Outcome { code: 1006, reason: String::new(), clean: false, failure }
            }
        }
    }

    /// Whether the stream is over and our Close frame is still here.
    fn is_cut_short(&self) -> bool {
        self.action == StreamAction::Drop && !self.queue.is_empty()
    }

    fn check_send(&self) -> Result<(), SendError> {
        if self.state != State::Open {
            return Err(SendError::Closed);
        }
        if self.in_parts.is_some() {
            return Err(SendError::InParts);
        }
        Ok(())
    }

    fn pong(&mut self, payload: &[u8], tuning: &Tuning, masks: &mut dyn Masks) {
        if self.sent_close {
            return;
        }
        if self.pongs >= MAX_PONGS || self.queue.len() > tuning.high_water {
            self.waiting_pong = Some(payload.into());
            return;
        }
        self.pongs += 1;
        // One that waits is older, and need not be answered any more (5.5.3).
        self.waiting_pong = None;
        // Without randomness nothing can be sent any more; the next message of the application says
        // so, or the peer's patience.
        let _ = frame(&mut self.queue, self.role, true, Opcode::Pong, payload, masks);
    }

    fn send_close(
        &mut self,
        code: Option<u16>,
        reason: &str,
        masks: &mut dyn Masks,
    ) -> Result<(), SendError> {
        let mut payload = Vec::new();
        if let Some(code) = code {
            payload.extend_from_slice(&code.to_be_bytes());
            payload.extend_from_slice(reason.as_bytes());
        }
        self.sent_close = true;
        self.waiting_pong = None;
        frame(&mut self.queue, self.role, true, Opcode::Close, &payload, masks)
    }

    fn step(&mut self, input: Input, now: Instant, tuning: &Tuning, masks: &mut dyn Masks) {
        let (state, action) = self.state.step(input, self.role);
        self.state = state;
        match action {
            Action::None => {}
            Action::AwaitEnd => self.end(StreamAction::AwaitEnd, now, tuning),
            Action::EndStream => self.end(StreamAction::EndAfterFlush, now, tuning),
            Action::EchoClose => {
                let Some(received) = self.received.take() else { return };
                let sent = self.send_close(received.code, &received.reason, masks);
                self.received = Some(received);
                match sent {
                    Ok(()) => self.step(Input::SentClose, now, tuning, masks),
                    Err(_) => self.fail(Failure::Entropy, now, tuning, masks),
                }
            }
        }
    }

    fn end(&mut self, action: StreamAction, now: Instant, tuning: &Tuning) {
        self.action = action;
        self.timers.start_linger(now, tuning);
    }
}

#[cfg(test)]
mod close_tests;
mod compressed;
#[cfg(test)]
mod deadline_tests;
mod probe;
#[cfg(test)]
mod tests;
