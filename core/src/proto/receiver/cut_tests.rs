//! The same bytes, cut anywhere and read in any way, give the same events.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

use super::super::frame::{Opcode, Role};
use super::super::tests::{Got, ROLES, feed, frame_to, joined, noise};
use super::Receiver;
use crate::config::Tuning;

/// How a stream is read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Through the loop's buffer.
    Buffered,
    /// Also straight into place, in steps of at most this size.
    InPlace(usize),
}

/// Gives a receiver the pieces of `bytes` between `cuts`, with what a loop does between batches.
fn read(
    ours: Role,
    tuning: &Tuning,
    bytes: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    reading: Reading,
) -> Vec<Got> {
    let mut receiver = Receiver::new(ours, tuning);
    if tuning.chunks {
        receiver.enable_chunks();
    }
    let mut warm = Vec::new();
    let (mut got, mut at) = (Vec::new(), 0);
    for end in cuts.into_iter().chain([bytes.len()]) {
        warm = receiver.lend(warm);
        while at < end {
            at += read_once(&mut receiver, &bytes[at..end], reading, &mut got);
        }
        let buffer = receiver.reclaim();
        if buffer.capacity() > warm.capacity() {
            warm = buffer;
        }
    }
    joined(got)
}

fn read_once(receiver: &mut Receiver, bytes: &[u8], reading: Reading, got: &mut Vec<Got>) -> usize {
    if let Reading::InPlace(step) = reading {
        if let Some(room) = receiver.space(step) {
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            match receiver.filled(count) {
                Ok(None) => return count,
                Ok(Some(event)) => got.push(Got::from(&event)),
                Err(violation) => got.push(Got::Failed(violation)),
            }
            if matches!(got.last(), Some(Got::Failed(_))) {
                receiver.stop();
            }
            return count;
        }
    }
    feed(receiver, bytes, got);
    bytes.len()
}

fn whole(ours: Role, tuning: &Tuning, bytes: &[u8]) -> Vec<Got> {
    read(ours, tuning, bytes, [], Reading::Buffered)
}

/// Every kind of message, whole and in fragments with control frames amid, and a Close.
fn stream(ours: Role) -> (Vec<u8>, Vec<Got>) {
    let euro = "a€😀".as_bytes();
    let frames = [
        (true, Opcode::Text, "é".as_bytes()),
        (true, Opcode::Binary, b""),
        (true, Opcode::Binary, &[0xff; 130]),
        (false, Opcode::Text, &euro[..2]),
        (true, Opcode::Ping, b"ping"),
        (false, Opcode::Continuation, b""),
        (true, Opcode::Pong, b""),
        (true, Opcode::Ping, b"2"),
        (false, Opcode::Continuation, &euro[2..6]),
        (true, Opcode::Continuation, &euro[6..]),
        (false, Opcode::Binary, b""),
        (true, Opcode::Continuation, b""),
        (true, Opcode::Close, b"\x03\xe8bye"),
        (true, Opcode::Text, b"ignored"),
    ];
    let bytes = frames.map(|(fin, opcode, payload)| frame_to(ours, fin, opcode, payload)).concat();
    let got = vec![
        Got::Text("é".into()),
        Got::Binary(vec![]),
        Got::Binary(vec![0xff; 130]),
        Got::Ping(b"ping".to_vec()),
        Got::Pong(vec![]),
        Got::Ping(b"2".to_vec()),
        Got::Text("a€😀".into()),
        Got::Binary(vec![]),
        Got::Close(Some(1000), "bye".into()),
    ];
    (bytes, got)
}

#[test]
fn a_stream_gives_the_same_events_at_every_two_cuts() {
    for ours in ROLES {
        let (bytes, expected) = stream(ours);
        let tuning = Tuning::default();
        let chunks = Tuning { chunks: true, ..Tuning::default() };
        for first in 0..bytes.len() {
            for second in (first..bytes.len()).step_by(if first % 8 == 0 { 1 } else { 29 }) {
                let got = read(ours, &tuning, &bytes, [first, second], Reading::Buffered);
                assert_eq!(got, expected, "{ours:?}, cut at {first} and {second}");
                let got = read(ours, &chunks, &bytes, [first, second], Reading::Buffered);
                assert_eq!(got, expected, "{ours:?}, chunks, cut at {first} and {second}");
            }
        }
    }
}

#[test]
fn a_stream_gives_the_same_events_in_pieces_of_every_size() {
    for ours in ROLES {
        let (bytes, expected) = stream(ours);
        for size in 1..bytes.len() {
            let cuts = (0..bytes.len()).step_by(size);
            let got = read(ours, &Tuning::default(), &bytes, cuts, Reading::Buffered);
            assert_eq!(got, expected, "{ours:?}, pieces of {size}");
        }
    }
}

#[test]
fn long_frames_give_the_same_events_in_place() {
    let text = "x€😀é".repeat(4000);
    let (front, back) = text.as_bytes().split_at(17_001);
    let binary = noise(70_003);
    for ours in ROLES {
        let frames = [
            (true, Opcode::Binary, &binary[..]),
            (false, Opcode::Text, front),
            (true, Opcode::Ping, b"amid"),
            (true, Opcode::Continuation, back),
            (true, Opcode::Text, text.as_bytes()),
            (true, Opcode::Pong, b"last"),
        ];
        let bytes = frames.map(|(fin, opcode, data)| frame_to(ours, fin, opcode, data)).concat();
        let expected = [
            Got::Binary(binary.clone()),
            Got::Ping(b"amid".to_vec()),
            Got::Text(text.clone()),
            Got::Text(text.clone()),
            Got::Pong(b"last".to_vec()),
        ];
        for size in [999, 4096, 16_384, 16_385, 65_536, 131_072, bytes.len()] {
            for step in [1000, 16 << 10, 64 << 10] {
                let cuts = (size..bytes.len()).step_by(size);
                let got = read(ours, &Tuning::default(), &bytes, cuts, Reading::InPlace(step));
                assert!(got == expected, "{ours:?}, pieces of {size} in steps of {step}");
                let chunks = Tuning { chunks: true, ..Tuning::default() };
                let cuts = (size..bytes.len()).step_by(size);
                let got = read(ours, &chunks, &bytes, cuts, Reading::InPlace(step));
                assert!(got == expected, "{ours:?}, chunks, pieces of {size} in steps of {step}");
            }
        }
    }
}

#[test]
fn chunks_come_with_each_read_and_are_not_kept() {
    for ours in ROLES {
        let tuning = Tuning { chunks: true, max_message: 3000, ..Tuning::default() };
        let mut receiver = Receiver::new(ours, &tuning);
        receiver.enable_chunks();
        let bytes = frame_to(ours, true, Opcode::Binary, &[7; 3000]);
        let head = bytes.len() - 3000;
        let mut got = Vec::new();
        for (at, piece) in bytes.chunks(1000 + head).enumerate() {
            feed(&mut receiver, piece, &mut got);
            assert_eq!(got.len(), at + 1, "{ours:?}");
            assert!(receiver.reclaim().capacity() > 0, "{ours:?}: nothing is kept");
        }
        let too_long = frame_to(ours, true, Opcode::Continuation, &[7; 2001]);
        feed(&mut receiver, &frame_to(ours, false, Opcode::Binary, &[7; 1000]), &mut got);
        feed(&mut receiver, &too_long, &mut got);
        assert_eq!(got.last(), Some(&Got::Failed(super::Violation::MessageTooBig)), "{ours:?}");
    }
}

#[test]
fn bad_text_in_place_fails_in_the_step_that_brings_it() {
    for ours in ROLES {
        let mut text = vec![b'x'; 100_000];
        text[50_000] = 0xff;
        let bytes = frame_to(ours, true, Opcode::Text, &text);
        let head = bytes.len() - text.len();
        let mut receiver = Receiver::new(ours, &Tuning::default());
        let mut got = Vec::new();
        feed(&mut receiver, &bytes[..head + 1], &mut got);
        let mut at = head + 1;
        while got.is_empty() {
            at += read_once(&mut receiver, &bytes[at..], Reading::InPlace(1000), &mut got);
        }
        assert_eq!(got, [Got::Failed(super::Violation::InvalidUtf8)], "{ours:?}");
        assert_eq!(at - head, 50_001 + 1000 - 1 - (50_000 - 1) % 1000, "{ours:?}");
    }
}

/// A frame that is legal more often than not.
fn any_frame() -> impl Strategy<Value = (bool, Opcode, Vec<u8>)> {
    let opcode = prop_oneof![
        4 => Just(Opcode::Continuation),
        2 => Just(Opcode::Text),
        2 => Just(Opcode::Binary),
        1 => Just(Opcode::Ping),
        1 => Just(Opcode::Pong),
    ];
    let payload = prop_oneof![
        3 => "\\PC{0,20}".prop_map(String::into_bytes),
        1 => Just(vec![b'x'; 126]),
        1 => Just("€".repeat(6000).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    (any::<bool>(), opcode, payload).prop_map(|(fin, opcode, mut payload)| {
        if opcode.is_control() {
            payload.truncate(125);
        }
        (fin || opcode.is_control(), opcode, payload)
    })
}

/// Makes the order of most frames legal: an opcode that does not fit is exchanged.
fn put_in_order(frames: &mut [(bool, Opcode, Vec<u8>)], spare: usize) {
    let mut open = false;
    for (at, (fin, opcode, _)) in frames.iter_mut().enumerate() {
        if opcode.is_control() {
            continue;
        }
        if at != spare {
            match (open, *opcode) {
                (true, _) => *opcode = Opcode::Continuation,
                (false, Opcode::Continuation) => *opcode = Opcode::Text,
                _ => {}
            }
        }
        open = !*fin;
    }
}

fn sorted_cuts(mut cuts: Vec<usize>, len: usize) -> Vec<usize> {
    for cut in &mut cuts {
        *cut %= len + 1;
    }
    cuts.sort_unstable();
    cuts
}

proptest! {
    #[test]
    fn random_frames_give_the_same_events_however_they_are_cut(
        mut frames in prop::collection::vec(any_frame(), 1..12),
        spare in 0_usize..24,
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        step in 1_usize..40_000,
        server in any::<bool>(),
    ) {
        let ours = if server { Role::Server } else { Role::Client };
        put_in_order(&mut frames, spare);
        let bytes: Vec<_> = frames
            .iter()
            .flat_map(|(fin, opcode, payload)| frame_to(ours, *fin, *opcode, payload))
            .collect();
        let tuning = Tuning { max_message: 40_000, max_empty_fragments: 1, ..Tuning::default() };
        let expected = whole(ours, &tuning, &bytes);
        let cuts = sorted_cuts(cuts, bytes.len());
        let got = read(ours, &tuning, &bytes, cuts.iter().copied(), Reading::Buffered);
        assert!(got == expected, "{ours:?}, cut at {cuts:?}");
        let got = read(ours, &tuning, &bytes, cuts.iter().copied(), Reading::InPlace(step));
        assert!(got == expected, "{ours:?}, cut at {cuts:?}, in steps of {step}");
        let chunks = Tuning { chunks: true, ..tuning };
        for reading in [Reading::Buffered, Reading::InPlace(step)] {
            let got = read(ours, &chunks, &bytes, cuts.iter().copied(), reading);
            assert!(got == expected, "{ours:?}, chunks, cut at {cuts:?}, {reading:?}");
        }
    }

    #[test]
    fn random_bytes_give_the_same_events_however_they_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        opcode in 0_u8..16,
        server in any::<bool>(),
    ) {
        let ours = if server { Role::Server } else { Role::Client };
        let mut bytes = bytes;
        if let [first, second, ..] = &mut bytes[..] {
            *first = *first & 0x80 | opcode;
            *second = *second & 0x7f | u8::from(server) << 7;
        }
        let tuning = Tuning { max_message: 100, ..Tuning::default() };
        let expected = whole(ours, &tuning, &bytes);
        let cuts = sorted_cuts(cuts, bytes.len());
        prop_assert_eq!(read(ours, &tuning, &bytes, cuts, Reading::Buffered), expected);
        let bytewise = read(ours, &tuning, &bytes, 0..bytes.len(), Reading::Buffered);
        prop_assert_eq!(bytewise, whole(ours, &tuning, &bytes));
    }
}
