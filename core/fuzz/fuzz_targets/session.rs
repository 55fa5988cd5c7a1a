//! One end of a connection among random bytes, calls and steps of time. It never panics, ends at
//! most once and in one way, stays within its memory, and sends nothing behind its Close frame.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use tightwire::Tuning;
use tightwire::proto::close::ReadyState;
use tightwire::proto::frame::{MessageKind, Role};
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::sender::Masks;
use tightwire::proto::session::{Failure, Outcome, Session, StreamAction};

fuzz_target!(|data: &[u8]| {
    let Some((role, mut script)) = data.split_first() else {
        return;
    };
    let mut end = End::new(if role & 1 == 0 { Role::Client } else { Role::Server });
    while let Some(call) = take(&mut script) {
        let argument = take(&mut script).unwrap_or(0);
        end.call(call, argument, &mut script);
        end.check();
    }
    end.finish();
});

fn take(script: &mut &[u8]) -> Option<u8> {
    let (first, rest) = script.split_first()?;
    *script = rest;
    Some(*first)
}

struct Keys(u32);

impl Masks for Keys {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        self.0 = self.0.wrapping_add(1);
        // Once in a while the system has none.
        (self.0 % 1000 != 0).then(|| self.0.to_be_bytes())
    }
}

struct End {
    role: Role,
    tuning: Tuning,
    now: Instant,
    keys: Keys,
    receiver: Receiver,
    session: Session,
    /// Reads what this end writes.
    peer: Receiver,
    peer_saw_close: bool,
    outcome: Option<Outcome>,
}

impl End {
    fn new(role: Role) -> Self {
        let tuning = Tuning {
            max_message: 1 << 16,
            max_send_buffer: 1 << 12,
            high_water: 1 << 10,
            ..Tuning::default()
        };
        let now = Instant::now();
        let peer = if role == Role::Client { Role::Server } else { Role::Client };
        Self {
            role,
            now,
            keys: Keys(0),
            receiver: Receiver::new(role, &tuning),
            session: Session::new(role, now, &tuning),
            peer: Receiver::new(peer, &tuning),
            peer_saw_close: false,
            outcome: None,
            tuning,
        }
    }

    fn call(&mut self, call: u8, argument: u8, script: &mut &[u8]) {
        let len = usize::from(argument);
        match call % 16 {
            0..=4 => {
                let (bytes, rest) = script.split_at(len.min(script.len()));
                *script = rest;
                self.receive(&mut bytes.to_vec());
            }
            5 => self.send(&vec![b'x'; len * 8]),
            6 => self.ping(&vec![0; len]),
            7 => self.send_through(len * 100, usize::from(call) * 97),
            8 => self.close(argument),
            9..=11 => self.write(len * len),
            12 => self.wait(Duration::from_millis(u64::from(argument) * 10)),
            13 => self.wait(Duration::from_secs(u64::from(argument))),
            14 => self.session.on_stream_end(),
            _ => self.fail(argument),
        }
    }

    fn receive(&mut self, mut bytes: &mut [u8]) {
        self.session.on_bytes(self.now, &self.tuning);
        loop {
            match self.receiver.next(bytes) {
                Ok((used, Some(event))) => {
                    let receiving = self.session.ready_state() as u8 <= ReadyState::Closing as u8;
                    let is_close = matches!(event, Event::Close { .. });
                    let (now, tuning, keys) = (self.now, &self.tuning, &mut self.keys);
                    let deliver = self.session.on_event(&event, now, tuning, keys);
                    assert!(!deliver || (receiving && !is_close));
                    bytes = &mut bytes[used..];
                }
                Ok((used, None)) => {
                    assert_eq!(used, bytes.len());
                    return;
                }
                Err(violation) => {
                    self.fail_with(Failure::Violation(violation));
                    return;
                }
            }
        }
    }

    fn send(&mut self, payload: &[u8]) {
        let before = self.session.queue().len();
        let sent = self.session.send(MessageKind::Text, payload, &mut self.keys).is_ok();
        assert_eq!(sent, self.session.queue().len() > before);
    }

    fn ping(&mut self, payload: &[u8]) {
        let before = self.session.queue().len();
        let sent = self.session.ping(payload, &mut self.keys).is_ok();
        assert_eq!(sent, self.session.queue().len() > before);
    }

    fn send_through(&mut self, len: usize, written: usize) {
        let kind = MessageKind::Binary;
        if self.role == Role::Client || self.session.begin_send_through(kind, len).is_err() {
            return;
        }
        let payload = vec![7; len];
        let mut wire = self.session.queue().pending().to_vec();
        wire.extend_from_slice(&payload);
        wire.truncate(written);
        self.session.sent_through(&payload, wire.len());
        self.written();
        self.arrive(&mut wire);
    }

    fn close(&mut self, argument: u8) {
        let code = (argument != 0).then_some(990 + u16::from(argument));
        let reason = &"because".repeat(20)[..usize::from(argument / 2)];
        let (now, tuning, keys) = (self.now, &self.tuning, &mut self.keys);
        let closed = self.session.close(code, reason, now, tuning, keys);
        assert!(closed.is_err() || self.session.ready_state() != ReadyState::Open);
    }

    fn write(&mut self, len: usize) {
        let mut wire = self.session.queue().pending().to_vec();
        wire.truncate(len);
        self.session.queue_mut().advance(wire.len());
        self.written();
        self.arrive(&mut wire);
    }

    fn written(&mut self) {
        let pending = !self.session.queue().is_empty();
        self.session.on_written(pending, self.now, &self.tuning, &mut self.keys);
    }

    /// The peer reads what was written: whole frames, nothing behind a Close frame.
    fn arrive(&mut self, mut wire: &mut [u8]) {
        assert!(!self.peer_saw_close || wire.is_empty(), "something was sent behind the Close");
        loop {
            match self.peer.next(wire).expect("what we send is within the rules") {
                (used, Some(event)) => {
                    self.peer_saw_close |= matches!(event, Event::Close { .. });
                    wire = &mut wire[used..];
                    assert!(!self.peer_saw_close || wire.is_empty(), "bytes behind the Close");
                }
                (_, None) => return,
            }
        }
    }

    fn wait(&mut self, duration: Duration) {
        self.now += duration;
        for _ in 0..8 {
            if self.session.deadline().is_none_or(|due| due > self.now) {
                return;
            }
            self.session.on_deadline(self.now, &self.tuning, &mut self.keys);
        }
        panic!("a deadline stays due");
    }

    fn fail(&mut self, argument: u8) {
        self.fail_with(match argument % 5 {
            0 => Failure::Aborted,
            1 => Failure::Internal,
            2 => Failure::Reset(Some(104)),
            3 => Failure::HeartbeatTimeout,
            _ => Failure::TlsTruncated,
        });
    }

    fn fail_with(&mut self, failure: Failure) {
        self.receiver.stop();
        self.session.fail(failure, self.now, &self.tuning, &mut self.keys);
        assert!(self.session.ready_state() as u8 >= ReadyState::Closing as u8);
    }

    fn check(&mut self) {
        let over = self.session.stream_action() == StreamAction::Drop;
        assert!(!over || self.session.ready_state() as u8 >= ReadyState::Closing as u8);
        let outcome = self.session.outcome();
        assert!(!outcome.clean || outcome.failure.is_none());
        assert!(self.session.queue().payload_len() <= self.session.queue().len() as u64);
        if let Some(first) = &self.outcome {
            assert!(over, "an end is final");
            assert_eq!(self.session.deadline(), None);
            assert_eq!(outcome.code, first.code);
        } else if over {
            assert!(outcome.clean || outcome.failure.is_some(), "an unclean end has a cause");
            self.outcome = Some(outcome);
        }
    }

    /// Whatever happened: with a Close and with time every connection ends.
    fn finish(&mut self) {
        self.close(11);
        for _ in 0..8 {
            self.wait(Duration::from_secs(60));
            self.check();
        }
        assert!(self.outcome.is_some(), "the connection does not end");
    }
}
