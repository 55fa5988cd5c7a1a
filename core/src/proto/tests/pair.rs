//! A client and a server back to back, with a clock that the test moves.

use std::time::Instant;

use super::super::close::ReadyState;
use super::super::frame::{MessageKind, Role};
use super::super::receiver::{Event, Receiver};
use super::super::sender::SendError;
use super::super::session::{Failure, Outcome, Session, StreamAction};
use super::super::violation::Violation;
use super::{Got, Keys, noise, seconds, start};
use crate::config::Tuning;

/// One end, and the stream towards the other one.
struct End {
    session: Session,
    receiver: Receiver,
    tuning: Tuning,
    keys: Keys,
    got: Vec<Got>,
    /// What the other end has not read yet.
    wire: Vec<u8>,
    /// The system takes no more than this, all in all.
    window: usize,
    /// Our half of the stream is ended.
    ended: bool,
    /// The socket is closed.
    gone: bool,
    echoes: bool,
}

impl End {
    fn new(role: Role, now: Instant, tuning: &Tuning) -> Self {
        Self {
            session: Session::new(role, now, tuning),
            receiver: Receiver::new(role, tuning),
            tuning: tuning.clone(),
            keys: Keys::new(),
            got: Vec::new(),
            wire: Vec::new(),
            window: usize::MAX,
            ended: false,
            gone: false,
            echoes: false,
        }
    }

    fn send(&mut self, text: &str) -> Result<(), SendError> {
        self.session.send(MessageKind::Text, text.as_bytes(), &mut self.keys)
    }

    fn close(&mut self, code: u16, reason: &str, now: Instant) {
        self.session.close(Some(code), reason, now, &self.tuning, &mut self.keys).unwrap();
    }

    /// As the loop does it at the end of a turn. True if anything moved.
    fn flush(&mut self, now: Instant) -> bool {
        if self.gone {
            return false;
        }
        let mut moved = false;
        while !self.session.queue().is_empty() && !self.ended {
            let count = self.session.queue().len().min(self.window);
            self.wire.extend_from_slice(&self.session.queue().pending()[..count]);
            self.window -= count;
            moved |= count > 0;
            self.session.queue_mut().advance(count);
            let pending = !self.session.queue().is_empty();
            if count > 0 {
                self.session.on_written(pending, now, &self.tuning, &mut self.keys);
            }
            if self.window == 0 {
                break;
            }
        }
        let flushed = self.session.queue().is_empty();
        match self.session.stream_action() {
            StreamAction::EndAfterFlush if flushed && !self.ended => self.ended = true,
            StreamAction::Drop => (self.ended, self.gone) = (true, true),
            _ => return moved,
        }
        true
    }

    /// As the loop does it with what came in.
    fn read(&mut self, bytes: &mut [u8], now: Instant) {
        self.session.on_bytes(now, &self.tuning);
        let mut at = 0;
        while !self.gone {
            let wanted = match self.receiver.next(&mut bytes[at..]) {
                Ok((_, None)) => return,
                Ok((used, Some(event))) => {
                    at += used;
                    let keys = &mut self.keys;
                    let wanted = self.session.on_event(&event, now, &self.tuning, keys);
                    if wanted {
                        self.got.push(Got::from(&event));
                    }
                    match event {
                        Event::Message { kind, data, .. } if wanted && self.echoes => {
                            let _ = self.session.send(kind, data, keys);
                        }
                        _ => {}
                    }
                    !matches!(event, Event::Close { .. })
                }
                Err(violation) => {
                    let failure = Failure::Violation(violation);
                    self.session.fail(failure, now, &self.tuning, &mut self.keys);
                    false
                }
            };
            if !wanted {
                return self.receiver.stop();
            }
        }
    }

    fn outcome(&self) -> Outcome {
        assert_eq!(self.session.ready_state(), ReadyState::Closed);
        self.session.outcome()
    }

    fn judged(&self) -> (u16, bool, Option<Failure>) {
        let outcome = self.session.outcome();
        (outcome.code, outcome.clean, outcome.failure)
    }
}

struct Pair {
    client: End,
    server: End,
    now: Instant,
    /// The stream is carried in pieces of this size.
    step: usize,
    /// Nothing is carried any more.
    cut: bool,
}

impl Pair {
    fn new() -> Self {
        Self::tuned(&Tuning::default())
    }

    fn tuned(tuning: &Tuning) -> Self {
        let now = start();
        let client = End::new(Role::Client, now, tuning);
        let server = End::new(Role::Server, now, tuning);
        Self { client, server, now, step: usize::MAX, cut: false }
    }

    fn ends(&mut self, role: Role) -> (&mut End, &mut End) {
        match role {
            Role::Client => (&mut self.client, &mut self.server),
            Role::Server => (&mut self.server, &mut self.client),
        }
    }

    /// Flushes both ends, and carries what they sent until nothing moves.
    fn run(&mut self) {
        for _ in 0..100_000 {
            let mut moved = false;
            for role in [Role::Client, Role::Server] {
                let (now, step, cut) = (self.now, self.step, self.cut);
                let (from, to) = self.ends(role);
                moved |= from.flush(now);
                if cut || to.gone {
                    continue;
                }
                let count = from.wire.len().min(step);
                let mut bytes: Vec<_> = from.wire.drain(..count).collect();
                if count > 0 {
                    to.read(&mut bytes, now);
                    moved = true;
                } else if from.ended {
                    to.session.on_stream_end();
                    to.flush(now);
                    to.gone = true;
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
        panic!("it goes on for ever");
    }

    /// Moves the clock on, stopping at each deadline.
    fn advance(&mut self, by: u64) {
        let end = self.now + seconds(by);
        for _ in 0..1000 {
            self.run();
            let open = [&self.client, &self.server].into_iter().filter(|end| !end.gone);
            match open.filter_map(|end| end.session.deadline()).min() {
                Some(due) if due <= end => self.now = self.now.max(due),
                _ => {
                    self.now = end;
                    return;
                }
            }
            for end in [&mut self.client, &mut self.server] {
                if !end.gone && end.session.deadline().is_some_and(|due| due <= self.now) {
                    end.session.on_deadline(self.now, &end.tuning, &mut end.keys);
                    let again = end.session.deadline().is_some_and(|due| due <= self.now);
                    assert!(!again, "the same deadline again");
                }
            }
        }
        panic!("deadlines come up for ever");
    }

    fn outcomes(&self) -> [(u16, bool, Option<Failure>); 2] {
        [&self.client, &self.server].map(|end| {
            let outcome = end.outcome();
            (outcome.code, outcome.clean, outcome.failure)
        })
    }
}

fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

#[test]
fn messages_of_every_size_come_back_however_they_are_carried() {
    for step in [1000, 4096, usize::MAX] {
        let mut pair = Pair::new();
        pair.step = step;
        pair.server.echoes = true;
        let mut expected = Vec::new();
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
            let data = noise(len);
            let client = &mut pair.client;
            client.session.send(MessageKind::Binary, &data, &mut client.keys).unwrap();
            expected.push(Got::Binary(data));
        }
        pair.run();
        assert!(pair.server.got == expected && pair.client.got == expected, "pieces of {step}");
        assert_eq!(pair.client.session.queue().payload_len(), 0, "pieces of {step}");
    }
}

#[test]
fn a_closing_handshake_is_clean_whoever_starts_it() {
    for role in [Role::Client, Role::Server] {
        for step in [1, 7, usize::MAX] {
            let mut pair = Pair::new();
            pair.step = step;
            let now = pair.now;
            pair.client.send("from the client").unwrap();
            pair.server.send("from the server").unwrap();
            pair.ends(role).0.close(3000, "enough", now);
            pair.run();
            assert_eq!(pair.client.got, [text("from the server")], "{role:?}, {step}");
            assert_eq!(pair.server.got, [text("from the client")], "{role:?}, {step}");
            assert_eq!(pair.outcomes(), [(3000, true, None); 2], "{role:?}, {step}");
            let (first, second) = pair.ends(role);
            assert_eq!(first.outcome().reason, "enough", "{role:?}: echoed");
            assert_eq!(second.outcome().reason, "enough", "{role:?}, {step}");
        }
    }
}

#[test]
fn closes_that_cross_are_clean_and_each_end_reports_the_others_code() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.client.close(3001, "client", now);
    pair.server.close(3002, "server", now);
    pair.run();
    assert_eq!(pair.outcomes(), [(3002, true, None), (3001, true, None)]);
    assert_eq!(pair.client.outcome().reason, "server");
}

#[test]
fn the_server_ends_the_stream_first() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.ends(role).0.close(1000, "", now);
        for _ in 0..2 {
            // Both Closes travel; the end of the stream does not.
            for role in [role, if role == Role::Client { Role::Server } else { Role::Client }] {
                let (from, to) = pair.ends(role);
                from.flush(now);
                let mut bytes = std::mem::take(&mut from.wire);
                if !bytes.is_empty() {
                    to.read(&mut bytes, now);
                }
            }
        }
        pair.server.flush(now);
        pair.client.flush(now);
        assert!(pair.server.ended && !pair.client.ended, "{role:?} closes first");
        pair.run();
        assert_eq!(pair.outcomes(), [(1000, true, None); 2], "{role:?} closes first");
    }
}

#[test]
fn two_idle_ends_keep_each_other_alive() {
    let mut pair = Pair::new();
    pair.advance(3600);
    for end in [&pair.client, &pair.server] {
        assert_eq!(end.session.ready_state(), ReadyState::Open);
        let pings = end.got.iter().filter(|got| matches!(got, Got::Ping(_))).count();
        assert!(pings <= 3600 / 20, "{pings} pings");
    }
    let alive = pair.client.got.len() + pair.server.got.len();
    assert!(alive >= 3600 / 20, "{alive} control frames");
}

#[test]
fn a_cut_wire_is_noticed_by_both_after_twice_twenty_seconds() {
    let mut pair = Pair::new();
    pair.advance(7);
    pair.client.send("last words").unwrap();
    pair.run();
    pair.cut = true;
    pair.advance(32);
    assert_eq!(pair.server.session.ready_state(), ReadyState::Open);
    pair.advance(100);
    for end in [&pair.client, &pair.server] {
        assert!(end.gone);
        assert_eq!(end.judged(), (1006, false, Some(Failure::HeartbeatTimeout)));
    }
}

#[test]
fn a_close_into_a_cut_wire_gives_up_after_five_seconds() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new();
        let now = pair.now;
        pair.cut = true;
        pair.ends(role).0.close(1000, "", now);
        pair.advance(4);
        assert!(!pair.ends(role).0.gone, "{role:?}");
        pair.advance(1);
        pair.run();
        let (end, _) = pair.ends(role);
        assert!(end.gone, "{role:?}");
        let expected = (1006, false, Some(Failure::CloseTimeout));
        assert_eq!(end.judged(), expected, "{role:?}");
    }
}

#[test]
fn a_peer_that_takes_no_data_is_given_up_after_thirty_seconds() {
    let tuning = Tuning { ping_interval: None, ..Tuning::default() };
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::tuned(&tuning);
        let (from, _) = pair.ends(role);
        from.window = 100;
        from.send(&"x".repeat(1000)).unwrap();
        pair.advance(29);
        assert!(!pair.ends(role).0.gone, "{role:?}");
        pair.advance(1);
        pair.run();
        let expected = (1006, false, Some(Failure::WriteTimeout));
        assert_eq!(pair.ends(role).0.judged(), expected, "{role:?}");
    }
}

#[test]
fn a_violation_is_told_and_ends_both() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new();
        let (from, to) = pair.ends(role);
        from.send("good").unwrap();
        // RSV2 on a frame of nothing, masked as the role demands.
        from.session.queue_mut().push_raw(&[0xa1, if role == Role::Client { 0x80 } else { 0 }]);
        from.session.queue_mut().push_raw(&[0; 4][..if role == Role::Client { 4 } else { 0 }]);
        from.send("never delivered").unwrap();
        to.send("on its way").unwrap();
        pair.advance(10);
        let (from, to) = pair.ends(role);
        assert_eq!(to.got, [text("good")], "{role:?}");
        assert_eq!(from.got, [text("on its way")], "{role:?}");
        let failure = Some(Failure::Violation(Violation::ReservedBit));
        assert_eq!(to.judged(), (1006, false, failure), "{role:?}");
        assert_eq!(from.judged(), (1002, true, None), "{role:?}: told why");
    }
}

#[test]
fn an_abort_is_an_end_without_a_close_for_the_other() {
    for role in [Role::Client, Role::Server] {
        let mut pair = Pair::new();
        let now = pair.now;
        let (from, _) = pair.ends(role);
        from.send("never sent").unwrap();
        from.session.fail(Failure::Aborted, now, &from.tuning, &mut from.keys);
        from.session.queue_mut().clear();
        pair.run();
        let (from, to) = pair.ends(role);
        let expected = (1006, false, Some(Failure::Aborted));
        assert_eq!(from.judged(), expected, "{role:?}");
        let expected = (1006, false, Some(Failure::StreamEnded));
        assert_eq!(to.judged(), expected, "{role:?}");
    }
}

#[test]
fn pings_during_a_blocked_send_are_answered_once_it_goes_on() {
    let mut pair = Pair::new();
    pair.server.window = 1000;
    let message = "x".repeat(200_000);
    pair.server.send(&message).unwrap();
    for count in 0..100_u8 {
        let client = &mut pair.client;
        client.session.ping(&[count], &mut client.keys).unwrap();
    }
    pair.run();
    assert_eq!(pair.client.got, []);
    assert!(pair.server.session.queue().len() < 200_100, "pongs are not piled up");
    pair.server.window = usize::MAX;
    pair.run();
    assert!(pair.client.got == [text(&message), Got::Pong(vec![99])], "only the newest");
}
