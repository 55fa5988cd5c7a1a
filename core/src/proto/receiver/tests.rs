use super::super::tests::{Got, ROLES, feed, frame_to, header_to, noise};
use super::*;
use crate::proto::close::is_receivable_code;

/// A frame: FIN, opcode, payload.
type Part<'a> = (bool, Opcode, &'a [u8]);

/// All of it must be known to fail before this many bytes of a frame that announces more.
const LARGE: u64 = 1 << 62;

fn receive(ours: Role, tuning: &Tuning, frames: &[Part<'_>]) -> Vec<Got> {
    let mut receiver = Receiver::new(ours, tuning);
    let mut got = Vec::new();
    for (fin, opcode, payload) in frames {
        feed(&mut receiver, &frame_to(ours, *fin, *opcode, payload), &mut got);
    }
    got
}

fn held(receiver: &Receiver) -> usize {
    receiver.message.capacity() + receiver.control.capacity()
}

#[test]
fn frames_out_of_order_are_refused() {
    let text: Part<'_> = (true, Opcode::Text, b"a");
    let begun: Part<'_> = (false, Opcode::Text, b"a");
    let binary: Part<'_> = (true, Opcode::Binary, b"a");
    let last: Part<'_> = (true, Opcode::Continuation, b"a");
    let ping: Part<'_> = (true, Opcode::Ping, b"");
    let unexpected = Violation::UnexpectedContinuation;
    let interleaved = Violation::InterleavedMessage;
    for (name, frames, violation) in [
        ("continuation first", &[last][..], unexpected),
        ("unfinished continuation first", &[(false, Opcode::Continuation, b"")], unexpected),
        ("continuation of a whole message", &[text, last], unexpected),
        ("continuation of a finished message", &[begun, last, last], unexpected),
        ("continuation of a ping", &[ping, last], unexpected),
        ("text within text", &[begun, text], interleaved),
        ("binary within text", &[begun, binary], interleaved),
        ("fragment within text", &[begun, begun], interleaved),
        ("text behind a ping within text", &[begun, ping, text], interleaved),
        ("text within an empty beginning", &[(false, Opcode::Binary, b""), text], interleaved),
    ] {
        for ours in ROLES {
            let got = receive(ours, &Tuning::default(), frames);
            assert_eq!(got.last(), Some(&Got::Failed(violation)), "{name}, {ours:?}");
        }
    }
}

#[test]
fn violations_in_a_header_are_found_before_any_payload() {
    let tuning = Tuning::default();
    for ours in ROLES {
        for (name, fin, opcode, violation) in [
            (
                "continuation of nothing",
                true,
                Opcode::Continuation,
                Violation::UnexpectedContinuation,
            ),
            ("text over the limit", true, Opcode::Text, Violation::MessageTooBig),
            ("fragment over the limit", false, Opcode::Binary, Violation::MessageTooBig),
            ("ping over 125", true, Opcode::Ping, Violation::ControlTooLong),
        ] {
            let mut receiver = Receiver::new(ours, &tuning);
            let mut header = header_to(ours, fin, opcode, LARGE);
            assert_eq!(receiver.next(&mut header), Err(violation), "{name}, {ours:?}");
            assert_eq!(held(&receiver), 0, "{name}, {ours:?}");
        }
    }
}

#[test]
fn the_first_reserved_bit_is_refused_without_an_extension() {
    for ours in ROLES {
        for opcode in [Opcode::Text, Opcode::Binary, Opcode::Continuation] {
            let mut frame = frame_to(ours, true, opcode, b"");
            frame[0] |= 0x40;
            let mut receiver = Receiver::new(ours, &Tuning::default());
            assert_eq!(receiver.next(&mut frame), Err(Violation::ReservedBit), "{opcode:?}");
        }
    }
}

#[test]
fn empty_fragments_are_counted_within_one_message() {
    let tuning = Tuning { max_empty_fragments: 3, ..Tuning::default() };
    let begun: Part<'_> = (false, Opcode::Text, b"");
    let empty: Part<'_> = (false, Opcode::Continuation, b"");
    let full: Part<'_> = (false, Opcode::Continuation, b"x");
    let last: Part<'_> = (true, Opcode::Continuation, b"");
    let refused = Got::Failed(Violation::TooManyEmptyFragments);
    for ours in ROLES {
        let got = receive(ours, &tuning, &[begun, empty, full, empty, last]);
        assert_eq!(got, [Got::Text("x".into())], "{ours:?}: at the limit");
        let got = receive(ours, &tuning, &[begun, empty, full, empty, full, empty]);
        assert_eq!(got, std::slice::from_ref(&refused), "{ours:?}: one more");
        let twice = [begun, empty, empty, last, begun, empty, empty, last];
        let empty_text = Got::Text(String::new());
        let expected = [empty_text.clone(), empty_text];
        assert_eq!(receive(ours, &tuning, &twice), expected, "{ours:?}: two messages");
    }
    assert_eq!(Violation::TooManyEmptyFragments.close_code(), 1008);
}

#[test]
fn empty_fragments_end_after_256_by_default_and_full_ones_never() {
    let tuning = Tuning::default();
    for ours in ROLES {
        let mut receiver = Receiver::new(ours, &tuning);
        let mut got = Vec::new();
        feed(&mut receiver, &frame_to(ours, false, Opcode::Binary, b""), &mut got);
        let empty = frame_to(ours, false, Opcode::Continuation, b"");
        let count = (1..1000).find(|_| {
            feed(&mut receiver, &empty, &mut got);
            !got.is_empty()
        });
        assert_eq!(count, Some(256), "{ours:?}");
        let mut receiver = Receiver::new(ours, &tuning);
        feed(&mut receiver, &frame_to(ours, false, Opcode::Text, b"a"), &mut got);
        for _ in 0..10_000 {
            feed(&mut receiver, &frame_to(ours, false, Opcode::Continuation, b"b"), &mut got);
        }
        feed(&mut receiver, &frame_to(ours, true, Opcode::Continuation, b"c"), &mut got);
        let Some(Got::Text(text)) = got.last() else { panic!("{ours:?}: {:?}", got.last()) };
        assert_eq!(text.len(), 10_002, "{ours:?}");
    }
}

#[test]
fn the_limit_of_a_message_is_exact_across_fragments() {
    const LIMIT: usize = 1000;
    let tuning = Tuning { max_message: LIMIT, ..Tuning::default() };
    let bytes = noise(LIMIT + 1);
    for ours in ROLES {
        for len in [LIMIT, LIMIT + 1] {
            let expected = if len == LIMIT {
                Got::Binary(bytes[..len].to_vec())
            } else {
                Got::Failed(Violation::MessageTooBig)
            };
            let got = receive(ours, &tuning, &[(true, Opcode::Binary, &bytes[..len])]);
            assert_eq!(got, std::slice::from_ref(&expected), "{ours:?}: {len} bytes in one frame");
            for cut in [0, 1, 16, 500, len - 1, len] {
                let (front, back) = bytes[..len].split_at(cut);
                let frames = [
                    (false, Opcode::Binary, front),
                    (true, Opcode::Ping, &[7; 125][..]),
                    (true, Opcode::Continuation, back),
                ];
                let got = receive(ours, &tuning, &frames);
                assert_eq!(got.last(), Some(&expected), "{ours:?}: {len} bytes cut at {cut}");
            }
        }
    }
}

#[test]
fn huge_continuations_do_not_overflow_the_limit() {
    const LIMIT: u64 = 16 << 20;
    for (limit, len, fits) in [
        (LIMIT, LIMIT - 16, true),
        (LIMIT, LIMIT - 15, false),
        (LIMIT, LIMIT, false),
        (LIMIT, (1 << 63) - 16, false),
        (LIMIT, (1 << 63) - 1, false),
        (u64::MAX, (1 << 63) - 16, true),
        (u64::MAX, (1 << 63) - 1, true),
    ] {
        let tuning = Tuning { max_message: usize::try_from(limit).unwrap(), ..Tuning::default() };
        for ours in ROLES {
            let mut receiver = Receiver::new(ours, &tuning);
            let mut got = Vec::new();
            feed(&mut receiver, &frame_to(ours, false, Opcode::Binary, &[1; 16]), &mut got);
            feed(&mut receiver, &header_to(ours, true, Opcode::Continuation, len), &mut got);
            let expected = if fits { vec![] } else { vec![Got::Failed(Violation::MessageTooBig)] };
            assert_eq!(got, expected, "{len} of {limit}, {ours:?}");
            feed(&mut receiver, b"some payload", &mut got);
            assert!(held(&receiver) <= 64 << 10, "{len} of {limit}, {ours:?}");
        }
    }
}

#[test]
fn a_huge_frame_without_a_limit_only_waits() {
    let tuning = Tuning { max_message: usize::MAX, ..Tuning::default() };
    for ours in ROLES {
        let mut receiver = Receiver::new(ours, &tuning);
        let mut got = Vec::new();
        feed(&mut receiver, &header_to(ours, true, Opcode::Binary, (1 << 63) - 1), &mut got);
        feed(&mut receiver, &[0; 1000], &mut got);
        assert_eq!(receiver.space(64 << 10).map(|room| room.len()), Some(64 << 10));
        assert_eq!(receiver.filled(10), Ok(None));
        assert!(got.is_empty() && receiver.is_mid_message(), "{ours:?}");
    }
}

#[test]
fn bad_text_fails_before_its_frame_is_whole() {
    for ours in ROLES {
        for (name, payload, at) in [
            ("0xff", b"abc\xff".as_slice(), 4),
            ("a surrogate", b"ab\xed\xa0\x80", 4),
            ("beyond the last plane", b"\xf4\x90\x80\x80", 2),
        ] {
            let header = header_to(ours, true, Opcode::Text, 1000);
            let bytes = frame_to(ours, true, Opcode::Text, payload);
            let payload = &bytes[bytes.len() - payload.len()..];
            let mut receiver = Receiver::new(ours, &Tuning::default());
            let mut got = Vec::new();
            feed(&mut receiver, &header, &mut got);
            for (count, byte) in payload.iter().enumerate() {
                assert_eq!(got.is_empty(), count < at, "{name}, {ours:?}, {count} bytes");
                feed(&mut receiver, &[*byte], &mut got);
            }
            assert_eq!(got, [Got::Failed(Violation::InvalidUtf8)], "{name}, {ours:?}");
        }
    }
}

#[test]
fn text_must_not_end_within_a_character() {
    for ours in ROLES {
        let tuning = Tuning::default();
        let failed = [Got::Failed(Violation::InvalidUtf8)];
        assert_eq!(receive(ours, &tuning, &[(true, Opcode::Text, b"\xe2\x82")]), failed);
        let fragments =
            [(false, Opcode::Text, &b"\xe2"[..]), (true, Opcode::Continuation, b"\x82")];
        assert_eq!(receive(ours, &tuning, &fragments), failed);
        let empty = [(false, Opcode::Text, &b"\xe2"[..]), (true, Opcode::Continuation, b"")];
        assert_eq!(receive(ours, &tuning, &empty), failed);
        let binary = receive(ours, &tuning, &[(true, Opcode::Binary, b"\xe2\x82")]);
        assert_eq!(binary, [Got::Binary(b"\xe2\x82".to_vec())]);
    }
}

#[test]
fn every_close_code_is_judged_whole_and_cut() {
    for code in 0..=u16::MAX {
        let expected = if is_receivable_code(code) {
            Got::Close(Some(code), "bye".into())
        } else {
            Got::Failed(Violation::CloseCode(code))
        };
        let payload = [&code.to_be_bytes()[..], b"bye"].concat();
        let frame = frame_to(Role::Server, true, Opcode::Close, &payload);
        for cut in [0, 7] {
            let mut receiver = Receiver::new(Role::Server, &Tuning::default());
            let mut got = Vec::new();
            feed(&mut receiver, &frame[..cut], &mut got);
            feed(&mut receiver, &frame[cut..], &mut got);
            assert_eq!(got, std::slice::from_ref(&expected), "{code} cut at {cut}");
        }
    }
}

#[test]
fn the_payload_of_a_close_is_checked() {
    let long = [&[0x03, 0xe8][..], &[b'x'; 123]].concat();
    for (name, payload, expected) in [
        ("nothing", &b""[..], Got::Close(None, String::new())),
        ("a code alone", b"\x03\xe9", Got::Close(Some(1001), String::new())),
        ("the longest reason", &long, Got::Close(Some(1000), "x".repeat(123))),
        ("one byte", b"\x03", Got::Failed(Violation::CloseTooShort)),
        ("bad UTF-8", b"\x03\xe8\xff", Got::Failed(Violation::InvalidUtf8)),
        ("a cut character", b"\x03\xe8\xe2\x82", Got::Failed(Violation::InvalidUtf8)),
        ("a bad code and bad UTF-8", b"\x03\xed\xff", Got::Failed(Violation::CloseCode(1005))),
    ] {
        for ours in ROLES {
            let frame = frame_to(ours, true, Opcode::Close, payload);
            for cut in 0..frame.len() {
                let mut receiver = Receiver::new(ours, &Tuning::default());
                let mut got = Vec::new();
                feed(&mut receiver, &frame[..cut], &mut got);
                feed(&mut receiver, &frame[cut..], &mut got);
                assert_eq!(got, std::slice::from_ref(&expected), "{name}, {ours:?}, cut at {cut}");
            }
        }
    }
}

#[test]
fn a_control_frame_that_is_cut_amid_a_message_keeps_its_fragments() {
    for ours in ROLES {
        let frames = [
            (false, Opcode::Text, "fragment €".as_bytes()),
            (true, Opcode::Ping, b"a ping that is cut"),
            (true, Opcode::Pong, b"at once another one"),
            (true, Opcode::Ping, b"and one more"),
            (true, Opcode::Continuation, b" and the rest"),
        ];
        let bytes = frames.map(|(fin, opcode, data)| frame_to(ours, fin, opcode, data)).concat();
        for size in 1..40 {
            let mut receiver = Receiver::new(ours, &Tuning::default());
            let mut got = Vec::new();
            for piece in bytes.chunks(size) {
                feed(&mut receiver, piece, &mut got);
                receiver.reclaim();
            }
            let expected = [
                Got::Ping(b"a ping that is cut".to_vec()),
                Got::Pong(b"at once another one".to_vec()),
                Got::Ping(b"and one more".to_vec()),
                Got::Text("fragment € and the rest".into()),
            ];
            assert_eq!(got, expected, "{ours:?}, pieces of {size}");
        }
    }
}

#[test]
fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
    for ours in ROLES {
        let mut receiver = Receiver::new(ours, &Tuning::default());
        let mut got = Vec::new();
        feed(&mut receiver, &header_to(ours, true, Opcode::Binary, 16 << 20), &mut got);
        assert_eq!(held(&receiver), 0, "{ours:?}: after the header");
        feed(&mut receiver, &[1], &mut got);
        assert!(held(&receiver) <= 64 << 10, "{ours:?}: {} for a byte", held(&receiver));
        let mut received = 1;
        while received < 3 << 20 {
            feed(&mut receiver, &[1; 1003], &mut got);
            received += 1003;
            let bound = 2 * received + (64 << 10);
            assert!(held(&receiver) <= bound, "{ours:?}: {} > {bound}", held(&receiver));
        }
        while received < 6 << 20 {
            let room = receiver.space(64 << 10).unwrap().len();
            received += room / 3;
            assert_eq!(receiver.filled(room / 3), Ok(None), "{ours:?}");
            let bound = 2 * received + 2 * (64 << 10);
            assert!(held(&receiver) <= bound, "{ours:?}: {} > {bound} in place", held(&receiver));
        }
    }
}

#[test]
fn a_lent_buffer_does_not_stay_with_a_peer_that_trickles() {
    for ours in ROLES {
        let mut receiver = Receiver::new(ours, &Tuning::default());
        let mut got = Vec::new();
        feed(&mut receiver, &header_to(ours, true, Opcode::Binary, 16 << 20), &mut got);
        assert_eq!(receiver.lend(vec![0; 1 << 20]).capacity(), 0, "{ours:?}");
        feed(&mut receiver, &[1], &mut got);
        assert_eq!(receiver.reclaim().capacity(), 1 << 20, "{ours:?}");
        assert!(held(&receiver) <= 64 << 10, "{ours:?}: {}", held(&receiver));
    }
}

#[test]
fn an_idle_receiver_owns_nothing_after_a_batch() {
    for ours in ROLES {
        let mut receiver = Receiver::new(ours, &Tuning::default());
        let mut got = Vec::new();
        for opcode in [Opcode::Text, Opcode::Binary, Opcode::Ping, Opcode::Pong] {
            let frame = frame_to(ours, true, opcode, &[b'x'; 100]);
            for cut in 0..=frame.len() {
                let spare = receiver.lend(vec![0; 1 << 10]);
                feed(&mut receiver, &frame[..cut], &mut got);
                feed(&mut receiver, &frame[cut..], &mut got);
                let buffer = receiver.reclaim();
                assert_eq!(buffer.capacity() + spare.capacity(), 1 << 10, "{opcode:?} {cut}");
                assert_eq!(held(&receiver), 0, "{ours:?}, {opcode:?} cut at {cut}");
                assert!(!receiver.is_mid_message(), "{ours:?}, {opcode:?} cut at {cut}");
            }
        }
    }
}

#[test]
fn after_stop_everything_is_discarded() {
    for ours in ROLES {
        let frame = frame_to(ours, true, Opcode::Text, b"later");
        let unfinished = frame_to(ours, false, Opcode::Text, b"before");
        for cut in 0..unfinished.len() {
            let mut receiver = Receiver::new(ours, &Tuning::default());
            let mut got = Vec::new();
            feed(&mut receiver, &unfinished[..cut], &mut got);
            receiver.stop();
            let mut bytes = [&frame[..], &[0xff; 100], &frame].concat();
            let len = bytes.len();
            assert_eq!(receiver.next(&mut bytes), Ok((len, None)), "{ours:?}, cut at {cut}");
            assert!(receiver.space(1 << 16).is_none(), "{ours:?}, cut at {cut}");
            assert_eq!((held(&receiver), got.len()), (0, 0), "{ours:?}, cut at {cut}");
            assert!(!receiver.is_mid_message(), "{ours:?}, cut at {cut}");
        }
    }
}

#[test]
fn only_long_payloads_of_data_frames_are_read_in_place() {
    for (name, opcode, len, arrived, expected) in [
        ("nothing under way", None, 0, 0, None),
        ("a short frame", Some(Opcode::Binary), (16 << 10) - 1, 0, None),
        ("just long enough", Some(Opcode::Binary), 16 << 10, 0, Some(16 << 10)),
        ("no longer enough", Some(Opcode::Text), 16 << 10, 1, None),
        ("a long frame", Some(Opcode::Text), 1 << 20, 5, Some(64 << 10)),
        ("a ping", Some(Opcode::Ping), 125, 1, None),
    ] {
        for ours in ROLES {
            let mut receiver = Receiver::new(ours, &Tuning::default());
            let mut got = Vec::new();
            if let Some(opcode) = opcode {
                feed(&mut receiver, &header_to(ours, true, opcode, len), &mut got);
                let zeros = if ours == Role::Server { super::super::tests::KEY } else { [0; 4] };
                let payload: Vec<_> = zeros.into_iter().cycle().take(arrived).collect();
                feed(&mut receiver, &payload, &mut got);
            }
            let room = receiver.space(64 << 10).map(|room| room.len());
            assert_eq!((room, got.len()), (expected, 0), "{name}, {ours:?}");
        }
    }
}
