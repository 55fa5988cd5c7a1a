use super::super::receiver::Receiver;
use super::super::tests::{Got, Keys, ROLES, feed, noise, start};
use super::*;

/// A session, the receiver of its peer and what came out there.
pub(super) struct End {
    pub(super) session: Session,
    pub(super) peer: Receiver,
    pub(super) tuning: Tuning,
    pub(super) now: Instant,
    pub(super) keys: Keys,
    pub(super) got: Vec<Got>,
}

impl End {
    pub(super) fn new(role: Role) -> Self {
        Self::tuned(role, Tuning::default())
    }

    pub(super) fn tuned(role: Role, tuning: Tuning) -> Self {
        let now = start();
        let other = if role == Role::Client { Role::Server } else { Role::Client };
        Self {
            session: Session::new(role, now, &tuning),
            peer: Receiver::new(other, &Tuning::default()),
            tuning,
            now,
            keys: Keys::new(),
            got: Vec::new(),
        }
    }

    pub(super) fn send(&mut self, kind: MessageKind, data: &[u8]) -> Result<(), SendError> {
        self.session.send(kind, data, &mut self.keys)
    }

    pub(super) fn part(
        &mut self,
        kind: MessageKind,
        data: &[u8],
        fin: bool,
    ) -> Result<(), SendError> {
        self.session.send_part(kind, data, fin, &mut self.keys)
    }

    pub(super) fn close(&mut self, code: u16, reason: &str) -> Result<(), CloseError> {
        self.session.close(Some(code), reason, self.now, &self.tuning, &mut self.keys)
    }

    pub(super) fn hear(&mut self, event: &Event<'_>) -> bool {
        self.session.on_event(event, self.now, &self.tuning, &mut self.keys)
    }

    pub(super) fn hear_close(&mut self, code: Option<u16>, reason: &str) -> bool {
        self.hear(&Event::Close { code, reason })
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.session.fail(failure, self.now, &self.tuning, &mut self.keys);
    }

    /// The system takes `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Vec<u8> {
        let taken = self.session.queue().pending()[..count].to_vec();
        self.session.queue_mut().advance(count);
        let pending = !self.session.queue().is_empty();
        self.session.on_written(pending, self.now, &self.tuning, &mut self.keys);
        taken
    }

    /// The system takes everything; what the peer makes of it.
    pub(super) fn flush(&mut self) -> Vec<Got> {
        while !self.session.queue().is_empty() {
            let bytes = self.take(self.session.queue().len());
            feed(&mut self.peer, &bytes, &mut self.got);
        }
        std::mem::take(&mut self.got)
    }
}

pub(super) fn text(text: &str) -> Got {
    Got::Text(text.to_owned())
}

pub(super) fn pong(payload: &[u8]) -> Got {
    Got::Pong(payload.to_vec())
}

#[test]
fn what_is_sent_is_received_at_every_size_of_header() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let mut end = End::new(role);
            let data = noise(len);
            end.send(MessageKind::Binary, &data).unwrap();
            end.send(MessageKind::Text, &vec![b'x'; len]).unwrap();
            assert_eq!(end.session.queue().payload_len(), 2 * len as u64, "{role:?} {len}");
            let got = end.flush();
            assert!(got == [Got::Binary(data), text(&"x".repeat(len))], "{role:?} {len}");
        }
    }
}

#[test]
fn every_frame_of_a_client_is_masked_with_a_new_key() {
    let mut end = End::new(Role::Client);
    let mut keys = std::collections::HashSet::new();
    for _ in 0..3 {
        end.send(MessageKind::Text, b"").unwrap();
        end.session.ping(b"", &mut end.keys).unwrap();
        assert!(end.hear(&Event::Ping(b"")));
    }
    end.close(1000, "").unwrap();
    let bytes = end.session.queue().pending().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let parsed = super::super::frame::Header::parse(&bytes[at..], Role::Server);
        let (header, used) = parsed.unwrap().unwrap();
        assert!(keys.insert(header.mask.unwrap()), "{header:?}");
        at += used + usize::try_from(header.len).unwrap();
    }
    assert_eq!(keys.len(), 10);
}

#[test]
fn nothing_is_queued_without_a_masking_key() {
    let mut end = End::new(Role::Client);
    end.keys = Keys::none();
    assert_eq!(end.send(MessageKind::Text, b"x"), Err(SendError::Entropy));
    assert_eq!(end.part(MessageKind::Text, b"x", false), Err(SendError::Entropy));
    assert_eq!(end.session.ping(b"x", &mut end.keys), Err(SendError::Entropy));
    assert!(end.hear(&Event::Ping(b"x")));
    assert!(end.session.queue().is_empty() && !end.session.is_in_parts());
    assert_eq!(end.session.queue().payload_len(), 0);
}

#[test]
fn a_payload_goes_through_in_as_many_pieces_as_the_system_takes() {
    let data = noise(100);
    for written in 0..=112 {
        let mut end = End::new(Role::Server);
        end.send(MessageKind::Text, b"12345678").unwrap();
        end.session.begin_send_through(MessageKind::Binary, data.len()).unwrap();
        let mut bytes = [end.session.queue().pending(), &data].concat();
        bytes.truncate(written);
        end.session.sent_through(&data, written);
        assert_eq!(bytes.len() + end.session.queue().len(), 112, "{written} bytes taken");
        feed(&mut end.peer, &bytes, &mut end.got);
        let got = end.flush();
        assert_eq!(got, [text("12345678"), Got::Binary(data.clone())], "{written} bytes taken");
        assert_eq!(end.session.queue().payload_len(), 0, "{written} bytes taken");
    }
}

#[test]
fn a_message_in_parts_admits_control_frames_and_nothing_else() {
    for role in ROLES {
        let mut end = End::new(role);
        end.part(MessageKind::Text, b"a", false).unwrap();
        assert!(end.session.is_in_parts());
        assert_eq!(end.send(MessageKind::Text, b"x"), Err(SendError::InParts));
        assert_eq!(end.part(MessageKind::Binary, b"x", true), Err(SendError::InParts));
        assert_eq!(
            end.session.begin_send_through(MessageKind::Text, 1),
            Err(SendError::InParts),
            "{role:?}"
        );
        end.session.ping(b"amid", &mut end.keys).unwrap();
        end.part(MessageKind::Text, b"", false).unwrap();
        assert!(end.hear(&Event::Ping(b"theirs")));
        end.part(MessageKind::Text, b"b", true).unwrap();
        assert!(!end.session.is_in_parts());
        end.part(MessageKind::Binary, b"alone", true).unwrap();
        end.send(MessageKind::Text, b"c").unwrap();
        let expected = [
            Got::Ping(b"amid".to_vec()),
            pong(b"theirs"),
            text("ab"),
            Got::Binary(b"alone".to_vec()),
            text("c"),
        ];
        assert_eq!(end.flush(), expected, "{role:?}");
    }
}

#[test]
fn a_message_in_parts_may_be_left_unfinished_by_a_close() {
    for role in ROLES {
        let mut end = End::new(role);
        end.part(MessageKind::Text, b"a", false).unwrap();
        end.close(1001, "going").unwrap();
        assert_eq!(end.part(MessageKind::Text, b"b", true), Err(SendError::Closed), "{role:?}");
        assert_eq!(end.flush(), [Got::Close(Some(1001), "going".into())], "{role:?}");
    }
}

#[test]
fn pings_are_at_most_125_bytes() {
    let mut end = End::new(Role::Server);
    assert_eq!(end.session.ping(&[1; 126], &mut end.keys), Err(SendError::TooLong));
    end.session.ping(&[1; 125], &mut end.keys).unwrap();
    assert_eq!(end.session.queue().payload_len(), 0, "pings are not data of the application");
    assert_eq!(end.flush(), [Got::Ping(vec![1; 125])]);
}

#[test]
fn pings_are_answered_in_order_and_told_to_the_application() {
    for role in ROLES {
        let mut end = End::new(role);
        for payload in [&b""[..], b"a", &[7; 125]] {
            assert!(end.hear(&Event::Ping(payload)), "{role:?}");
        }
        assert!(end.hear(&Event::Pong(b"unasked")), "{role:?}");
        assert_eq!(end.flush(), [pong(b""), pong(b"a"), pong(&[7; 125])], "{role:?}");
    }
}

#[test]
fn of_more_than_64_unsent_pongs_only_the_newest_waits() {
    for role in ROLES {
        let mut end = End::new(role);
        for count in 0..1000_u16 {
            end.hear(&Event::Ping(&count.to_be_bytes()));
        }
        assert!(end.session.queue().len() <= 64 * 8, "{role:?}");
        let mut expected: Vec<_> = (0..64_u16).map(|count| pong(&count.to_be_bytes())).collect();
        expected.push(pong(&999_u16.to_be_bytes()));
        assert_eq!(end.flush(), expected, "{role:?}");
        end.hear(&Event::Ping(b"again"));
        assert_eq!(end.flush(), [pong(b"again")], "{role:?}");
    }
}

#[test]
fn beyond_the_high_mark_only_the_newest_pong_waits() {
    for role in ROLES {
        let tuning = Tuning { high_water: 20, ..Tuning::default() };
        let mut end = End::tuned(role, tuning);
        end.send(MessageKind::Binary, &[0; 40]).unwrap();
        let queued = end.session.queue().len();
        for payload in [b"1", b"2", b"3"] {
            end.hear(&Event::Ping(payload));
        }
        assert_eq!(end.session.queue().len(), queued, "{role:?}");
        assert_eq!(end.flush(), [Got::Binary(vec![0; 40]), pong(b"3")], "{role:?}");
    }
}

#[test]
fn a_waiting_pong_does_not_follow_a_newer_one() {
    for role in ROLES {
        let tuning = Tuning { high_water: 20, ..Tuning::default() };
        let mut end = End::tuned(role, tuning);
        end.send(MessageKind::Binary, &[0; 40]).unwrap();
        end.hear(&Event::Ping(b"old"));
        let bytes = end.take(30);
        feed(&mut end.peer, &bytes, &mut end.got);
        end.hear(&Event::Ping(b"new"));
        assert_eq!(end.flush(), [Got::Binary(vec![0; 40]), pong(b"new")], "{role:?}");
    }
}

#[test]
fn a_waiting_pong_goes_out_although_the_queue_never_empties() {
    for role in ROLES {
        let tuning = Tuning { high_water: 20, ..Tuning::default() };
        let mut end = End::tuned(role, tuning);
        end.send(MessageKind::Binary, &[0; 40]).unwrap();
        end.hear(&Event::Ping(b"waits"));
        for _ in 0..3 {
            // A sender that heeds `on_drain` sends again below a quarter of the mark.
            let bytes = end.take(end.session.queue().len() - 4);
            feed(&mut end.peer, &bytes, &mut end.got);
            end.send(MessageKind::Binary, &[0; 40]).unwrap();
        }
        assert!(end.got.contains(&pong(b"waits")), "{role:?}");
    }
}

#[test]
fn a_pong_tells_how_long_its_ping_took() {
    let mut end = End::new(Role::Client);
    let (start, later) = (end.now, end.now + Duration::from_millis(5));
    assert_eq!(end.session.latency(b"a", later), None);
    end.session.ping(b"a", &mut end.keys).unwrap();
    end.session.measure(b"a", start);
    assert_eq!(end.session.latency(b"unsolicited", later), None);
    assert_eq!(end.session.latency(b"a", later), Some(Duration::from_millis(5)));
    assert_eq!(end.session.latency(b"a", later), None);
    end.session.measure(b"a", start);
    end.session.measure(b"b", later);
    assert_eq!(end.session.latency(b"a", later), None);
    assert_eq!(end.session.latency(b"b", later), Some(Duration::ZERO));
}
