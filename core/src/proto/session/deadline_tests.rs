//! Deadlines, with a clock that the test moves.

use std::time::Duration;

use super::super::tests::{Keys, ROLES, seconds, start};
use super::*;

struct Timed {
    session: Session,
    tuning: Tuning,
    start: Instant,
    keys: Keys,
}

/// The default times, which the tests count in.
const PING: u64 = 20;
const STALL: u64 = 30;
const CLOSE: u64 = 5;
const LINGER: u64 = 2;

impl Timed {
    fn new(role: Role) -> Self {
        Self::tuned(role, Tuning::default())
    }

    fn tuned(role: Role, tuning: Tuning) -> Self {
        let start = start();
        Self { session: Session::new(role, start, &tuning), tuning, start, keys: Keys::new() }
    }

    fn at(&self, time: u64) -> Instant {
        self.start + seconds(time)
    }

    /// The next deadline, in seconds from the start.
    fn due(&self) -> Option<u64> {
        self.session.deadline().map(|due| (due - self.start).as_secs())
    }

    /// Moves the clock: whatever is due by then is done, as the loop does it.
    fn advance(&mut self, time: u64) {
        for _ in 0..10 {
            match self.due() {
                Some(due) if due <= time => self.on_deadline(due),
                _ => return,
            }
        }
        panic!("due at {:?} again and again", self.due());
    }

    fn on_deadline(&mut self, time: u64) {
        let now = self.at(time);
        self.session.on_deadline(now, &self.tuning, &mut self.keys);
    }

    fn send(&mut self) {
        self.session.send(MessageKind::Binary, &[0; 100], &mut self.keys).unwrap();
    }

    /// The system takes `count` bytes.
    fn write(&mut self, count: usize, time: u64) {
        self.session.queue_mut().advance(count);
        let pending = !self.session.queue().is_empty();
        let now = self.at(time);
        self.session.on_written(pending, now, &self.tuning, &mut self.keys);
    }

    fn close(&mut self, time: u64) {
        let now = self.at(time);
        self.session.close(Some(1000), "", now, &self.tuning, &mut self.keys).unwrap();
    }

    fn hear_close(&mut self, time: u64) {
        let now = self.at(time);
        let close = Event::Close { code: Some(1000), reason: "" };
        self.session.on_event(&close, now, &self.tuning, &mut self.keys);
    }

    fn fail(&mut self, time: u64) {
        let now = self.at(time);
        self.session.fail(Failure::Internal, now, &self.tuning, &mut self.keys);
    }

    /// The opcodes of what is queued; it is taken.
    fn sent(&mut self, time: u64) -> Vec<u8> {
        let bytes = self.session.queue().pending().to_vec();
        self.write(bytes.len(), time);
        let (mut opcodes, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let ours = if bytes[at + 1] & 0x80 == 0 { Role::Client } else { Role::Server };
            let parsed = super::super::frame::Header::parse(&bytes[at..], ours);
            let (header, used) = parsed.unwrap().unwrap();
            opcodes.push(header.opcode as u8);
            at += used + usize::try_from(header.len).unwrap();
        }
        opcodes
    }

    fn failure(&self) -> Option<Failure> {
        self.session.failure
    }
}

#[test]
fn silence_is_answered_with_a_ping_and_then_with_the_end() {
    for role in ROLES {
        let mut timed = Timed::new(role);
        assert_eq!(timed.due(), Some(PING), "{role:?}");
        timed.advance(PING - 1);
        assert_eq!(timed.sent(PING - 1), [], "{role:?}");
        timed.advance(PING);
        assert_eq!(timed.sent(PING), [9], "{role:?}");
        assert_eq!(timed.due(), Some(2 * PING), "{role:?}");
        timed.advance(2 * PING - 1);
        assert_eq!((timed.failure(), timed.sent(39)), (None, vec![]), "{role:?}");
        timed.advance(2 * PING);
        assert_eq!(timed.failure(), Some(Failure::HeartbeatTimeout), "{role:?}");
        assert_eq!(timed.sent(2 * PING), [8], "{role:?}: the peer is told");
        timed.advance(2 * PING + LINGER);
        assert_eq!(timed.session.stream_action(), StreamAction::Drop, "{role:?}");
    }
}

#[test]
fn any_byte_rescues_a_connection() {
    for role in ROLES {
        for heard in [0, 1, 19, 20, 25, 39] {
            let mut timed = Timed::new(role);
            timed.advance(heard);
            timed.session.on_bytes(timed.at(heard), &timed.tuning);
            assert_eq!(timed.due(), Some(heard + PING), "{role:?}, heard at {heard}");
            timed.advance(heard + PING);
            timed.advance(heard + 2 * PING - 1);
            assert_eq!(timed.failure(), None, "{role:?}, heard at {heard}");
            timed.advance(heard + 2 * PING);
            assert_eq!(timed.failure(), Some(Failure::HeartbeatTimeout), "{role:?}, {heard}");
        }
    }
}

#[test]
fn a_talking_peer_is_never_pinged() {
    let mut timed = Timed::new(Role::Server);
    for time in (0..1000).step_by(19) {
        timed.advance(time);
        timed.session.on_bytes(timed.at(time), &timed.tuning);
    }
    assert_eq!((timed.sent(1000), timed.failure()), (vec![], None));
}

#[test]
fn the_interval_and_the_patience_may_differ() {
    let (ping_interval, ping_timeout) = (Some(seconds(7)), Some(seconds(3)));
    let tuning = Tuning { ping_interval, ping_timeout, ..Tuning::default() };
    let mut timed = Timed::tuned(Role::Client, tuning);
    timed.advance(7);
    assert_eq!(timed.due(), Some(10));
    timed.session.on_bytes(timed.at(9), &timed.tuning);
    assert_eq!(timed.due(), Some(16));
    timed.advance(19);
    assert_eq!(timed.failure(), Some(Failure::HeartbeatTimeout));
}

#[test]
fn without_an_interval_nobody_is_pinged() {
    let tuning = Tuning { ping_interval: None, ..Tuning::default() };
    let mut timed = Timed::tuned(Role::Server, tuning);
    assert_eq!(timed.due(), None);
    timed.session.on_bytes(timed.at(5), &timed.tuning);
    timed.advance(100_000);
    assert_eq!((timed.sent(100_000), timed.failure()), (vec![], None));
}

#[test]
fn without_patience_pings_go_on_for_ever() {
    let tuning = Tuning { ping_timeout: None, ..Tuning::default() };
    let mut timed = Timed::tuned(Role::Server, tuning);
    for count in 1..9 {
        timed.advance(count * PING);
        assert_eq!(timed.sent(count * PING), [9], "ping {count}");
    }
    assert_eq!(timed.failure(), None);
}

#[test]
fn a_ping_that_cannot_be_masked_ends_the_connection() {
    let mut timed = Timed::new(Role::Client);
    timed.keys = Keys::none();
    timed.advance(PING);
    assert_eq!(timed.failure(), Some(Failure::Entropy));
    assert_eq!(timed.session.stream_action(), StreamAction::Drop);
}

#[test]
fn our_close_is_waited_for_and_not_for_ever() {
    for role in ROLES {
        let mut timed = Timed::new(role);
        timed.close(10);
        assert_eq!(timed.sent(10), [8], "{role:?}");
        assert_eq!(timed.due(), Some(10 + CLOSE), "{role:?}: silence no longer counts");
        timed.session.on_bytes(timed.at(12), &timed.tuning);
        timed.close(13);
        timed.advance(10 + CLOSE - 1);
        assert_eq!(timed.failure(), None, "{role:?}");
        timed.advance(10 + CLOSE);
        assert_eq!(timed.failure(), Some(Failure::CloseTimeout), "{role:?}");
        assert_eq!(timed.session.stream_action(), StreamAction::Drop, "{role:?}");
        assert_eq!(timed.due(), None, "{role:?}");
    }
}

#[test]
fn after_both_closes_the_end_of_the_stream_is_waited_for() {
    for role in ROLES {
        for ours_first in [false, true] {
            let name = format!("{role:?}, ours first: {ours_first}");
            let mut timed = Timed::new(role);
            if ours_first {
                timed.close(10);
            }
            timed.hear_close(12);
            assert_eq!(timed.sent(12), [8], "{name}");
            assert_eq!(timed.due(), Some(12 + LINGER), "{name}");
            timed.advance(12 + LINGER - 1);
            assert_ne!(timed.session.stream_action(), StreamAction::Drop, "{name}");
            timed.advance(12 + LINGER);
            assert_eq!(timed.session.stream_action(), StreamAction::Drop, "{name}");
            assert_eq!(timed.session.ready_state(), ReadyState::Closed, "{name}");
            let outcome = timed.session.outcome();
            assert_eq!((outcome.code, outcome.clean), (1000, true), "{name}");
            assert_eq!(timed.due(), None, "{name}");
        }
    }
}

#[test]
fn an_answer_ends_the_wait_for_it() {
    for role in ROLES {
        let tuning = Tuning { linger: Some(seconds(60)), ..Tuning::default() };
        let mut timed = Timed::tuned(role, tuning);
        timed.close(10);
        timed.sent(10);
        timed.hear_close(12);
        timed.advance(12 + 59);
        assert_eq!((timed.due(), timed.failure()), (Some(12 + 60), None), "{role:?}");
    }
}

#[test]
fn output_that_makes_no_progress_ends_the_connection() {
    for role in ROLES {
        let tuning = Tuning { ping_interval: None, ..Tuning::default() };
        let mut timed = Timed::tuned(role, tuning);
        timed.send();
        timed.write(1, 10);
        assert_eq!(timed.due(), Some(10 + STALL), "{role:?}");
        timed.write(1, 30);
        assert_eq!(timed.due(), Some(30 + STALL), "{role:?}: progress");
        timed.advance(30 + STALL);
        assert_eq!(timed.failure(), Some(Failure::WriteTimeout), "{role:?}");
        assert_eq!(timed.session.stream_action(), StreamAction::Drop, "{role:?}");
    }
}

#[test]
fn output_that_is_gone_is_not_waited_for() {
    let tuning = Tuning { ping_interval: None, ..Tuning::default() };
    let mut timed = Timed::tuned(Role::Server, tuning);
    timed.send();
    timed.write(1, 10);
    timed.write(timed.session.queue().len(), 20);
    assert_eq!(timed.due(), None);
}

#[test]
fn a_failing_connection_that_takes_no_output_is_dropped_all_the_same() {
    for role in ROLES {
        for failed in [STALL - LINGER - 1, STALL - 1, STALL] {
            let tuning = Tuning { ping_interval: None, ..Tuning::default() };
            let mut timed = Timed::tuned(role, tuning);
            timed.send();
            timed.write(1, 0);
            timed.fail(failed);
            timed.advance(failed + LINGER);
            let action = timed.session.stream_action();
            assert_eq!(action, StreamAction::Drop, "{role:?}, failed at {failed}");
            assert_eq!(timed.failure(), Some(Failure::Internal), "{role:?}, {failed}");
            assert_eq!(timed.due(), None, "{role:?}, failed at {failed}");
        }
    }
}

#[test]
fn a_failing_connection_ends_by_the_stall_if_it_may_linger_for_ever() {
    let tuning = Tuning { ping_interval: None, linger: None, ..Tuning::default() };
    let mut timed = Timed::tuned(Role::Server, tuning);
    timed.send();
    timed.write(1, 0);
    timed.fail(10);
    timed.advance(STALL);
    assert_eq!(timed.session.stream_action(), StreamAction::Drop);
    assert_eq!(timed.failure(), Some(Failure::Internal));
}

#[test]
fn an_echo_that_is_not_taken_is_no_clean_end() {
    for role in ROLES {
        let mut timed = Timed::new(role);
        timed.send();
        timed.write(1, 0);
        timed.hear_close(3);
        timed.advance(3 + LINGER);
        let outcome = timed.session.outcome();
        assert_eq!((outcome.code, outcome.clean), (1000, false), "{role:?}");
    }
}

#[test]
fn a_connection_without_messages_is_closed_with_1001() {
    for role in ROLES {
        let idle_timeout = Some(seconds(50));
        let mut timed = Timed::tuned(role, Tuning { idle_timeout, ..Tuning::default() });
        // Pings and pongs keep it from silence, and are no messages.
        for time in [15, 30, 45] {
            timed.advance(time);
            timed.session.on_bytes(timed.at(time), &timed.tuning);
        }
        assert_eq!(timed.due(), Some(50), "{role:?}");
        let message = Event::Message { kind: MessageKind::Text, data: b"x", memory: 0 };
        let now = timed.at(48);
        assert!(timed.session.on_event(&message, now, &timed.tuning, &mut timed.keys));
        timed.session.on_sent(timed.at(58), &timed.tuning);
        timed.session.on_bytes(timed.at(90), &timed.tuning);
        timed.advance(107);
        assert_eq!(timed.session.ready_state(), ReadyState::Open, "{role:?}");
        timed.on_deadline(108);
        assert_eq!(timed.session.ready_state(), ReadyState::Closing, "{role:?}");
        timed.hear_close(109);
        let outcome = timed.session.outcome();
        assert_eq!((outcome.code, outcome.failure), (1000, None), "{role:?}: what the peer said");
    }
}

#[test]
fn a_pause_is_no_idle_time() {
    let (ping_interval, idle_timeout) = (None, Some(seconds(10)));
    let mut timed =
        Timed::tuned(Role::Server, Tuning { ping_interval, idle_timeout, ..Tuning::default() });
    timed.session.pause();
    assert_eq!(timed.due(), None);
    timed.session.resume(timed.at(100), &timed.tuning);
    assert_eq!(timed.due(), Some(110));
}

#[test]
fn every_deadline_can_be_never() {
    let never = Tuning {
        ping_interval: None,
        close_timeout: None,
        linger: None,
        write_timeout: None,
        ..Tuning::default()
    };
    // Too far away to be a moment at all.
    let always = Some(Duration::MAX);
    let endless = Tuning {
        ping_interval: always,
        close_timeout: always,
        linger: always,
        write_timeout: always,
        idle_timeout: always,
        ..Tuning::default()
    };
    for tuning in [never, endless] {
        for role in ROLES {
            let mut timed = Timed::tuned(role, tuning.clone());
            assert_eq!(timed.due(), None, "{role:?}: open");
            timed.send();
            timed.write(1, 1);
            assert_eq!(timed.due(), None, "{role:?}: stalled");
            timed.close(2);
            assert_eq!(timed.due(), None, "{role:?}: closing");
            timed.hear_close(3);
            assert_eq!(timed.due(), None, "{role:?}: lingering");
            timed.on_deadline(1_000_000);
            assert_eq!(timed.failure(), None, "{role:?}");
            let mut timed = Timed::tuned(role, tuning.clone());
            timed.fail(1);
            assert_eq!(timed.due(), None, "{role:?}: failed");
        }
    }
}

#[test]
fn nothing_happens_before_it_is_due() {
    let mut timed = Timed::new(Role::Server);
    for time in 0..PING {
        timed.on_deadline(time);
    }
    timed.close(PING - 1);
    timed.on_deadline(PING);
    assert_eq!((timed.sent(PING), timed.failure()), (vec![8], None));
}
