//! Messages in every mode and window, through the receiver and the session.

mod hostile;

use std::sync::Arc;

use proptest::prelude::*;
use zlib_rs::{Deflate as Compressor, DeflateFlush};

use super::*;
use crate::config::{Deflate, Tuning};
use crate::proto::assembly::Assembly;
use crate::proto::frame::{self, Header, MessageKind, Opcode, Role};
use crate::proto::receiver::Receiver;
use crate::proto::session::Session;
use crate::proto::tests::{Got, KEY, Keys, ROLES, feed, frame_to, joined, noise, start};
use crate::proto::violation::Violation;

const MODES: [DeflateMode; 3] = [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// "Hello" as RFC 7692 compresses it in section 7.2.3.1.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fn terms(mode: DeflateMode, window_bits: u8) -> Direction {
    Direction { takeover: mode != DeflateMode::Shared, window_bits }
}

fn tuning(mode: DeflateMode, max_message: usize) -> Tuning {
    let deflate = Deflate { mode, threshold: 0, ..Deflate::default() };
    Tuning { max_message, deflate, ..Tuning::default() }
}

/// A receiver for `ours` whose peer compresses.
fn receiver(ours: Role, mode: DeflateMode, max_message: usize) -> Receiver {
    let tuning = tuning(mode, max_message);
    let mut receiver = Receiver::new(ours, &tuning);
    let agreed = Agreed { own: terms(mode, 12), peer: terms(mode, 15) };
    receiver.enable_deflate(&agreed, &tuning, Arc::default());
    receiver
}

/// The first frame of a compressed message as the peer of `ours` sends it.
fn compressed_to(ours: Role, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mask = (ours == Role::Server).then_some(KEY);
    let mut out = Vec::new();
    Header { fin, compressed: true, opcode, mask, len: payload.len() as u64 }.write(&mut out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = mask {
        frame::mask(&mut out[start..], key, 0);
    }
    out
}

/// What a receiver makes of compressed binary messages, one frame each.
fn receive(receiver: &mut Receiver, ours: Role, payloads: &[&[u8]]) -> Vec<Got> {
    let mut got = Vec::new();
    for payload in payloads {
        feed(receiver, &compressed_to(ours, true, Opcode::Binary, payload), &mut got);
    }
    got
}

fn failed(got: &[Got]) -> Option<Violation> {
    match got.last() {
        Some(Got::Failed(violation)) => Some(*violation),
        _ => None,
    }
}

/// A compressor as a peer has it.
struct Peer(Compressor);

impl Peer {
    fn new(level: i32) -> Self {
        Self(Compressor::new(level, false, 15))
    }

    fn flushed(&mut self, message: &[u8], flush: DeflateFlush) -> Vec<u8> {
        let before = self.0.total_out();
        let mut out = vec![0; message.len() * 2 + 100];
        self.0.compress(message, &mut out, flush).unwrap();
        out.truncate(usize::try_from(self.0.total_out() - before).unwrap());
        out
    }

    /// A message as it goes into a frame.
    fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let out = self.flushed(message, DeflateFlush::SyncFlush);
        out.strip_suffix(&TAIL).unwrap().to_vec()
    }
}

/// A message of one stream that ends with a final block.
fn finished(message: &[u8]) -> Vec<u8> {
    Peer::new(6).flushed(message, DeflateFlush::Finish)
}

/// Words with patterns in them.
fn prose(len: usize) -> Vec<u8> {
    (0..len).map(|at| b"the quick brown fox jumps over it. "[(at * at / 7) % 35]).collect()
}

/// A session and a receiver of the same connection, with the loops around them.
struct Pair {
    session: Session,
    deflaters: Deflaters,
    receiver: Receiver,
    traffic: Arc<Traffic>,
    ours: Role,
}

impl Pair {
    fn new(ours: Role, mode: DeflateMode, bits: u8) -> Self {
        let tuning = tuning(mode, 1 << 20);
        let traffic = Arc::<Traffic>::default();
        let agreed = Agreed { own: terms(mode, bits), peer: terms(mode, bits) };
        let theirs = if ours == Role::Client { Role::Server } else { Role::Client };
        let mut session = Session::new(ours, start(), &tuning);
        session.enable_deflate(&agreed, &tuning, Arc::clone(&traffic));
        let mut receiver = Receiver::new(theirs, &tuning);
        receiver.enable_deflate(&agreed, &tuning, Arc::default());
        Self { session, deflaters: Deflaters::default(), receiver, traffic, ours }
    }

    fn send(&mut self, message: &[u8], wish: Option<bool>) {
        let (kind, mut keys) = (MessageKind::Binary, Keys::new());
        if self.session.deflates(message.len(), wish) {
            let forced = wish == Some(true);
            let deflaters = &mut self.deflaters;
            self.session.send_deflated(kind, message, forced, deflaters, &mut keys).unwrap();
        } else {
            self.session.send(kind, message, &mut keys).unwrap();
        }
    }

    fn part(&mut self, part: &[u8], fin: bool) {
        assert!(self.session.deflates(part.len(), Some(true)));
        let (kind, deflaters) = (MessageKind::Binary, &mut self.deflaters);
        self.session.send_part_deflated(kind, part, fin, deflaters, &mut Keys::new()).unwrap();
    }

    /// What was queued, in pieces of `size`, to the receiver. True beside it: it was compressed.
    fn deliver(&mut self, size: usize) -> (Vec<Got>, bool) {
        let queue = self.session.queue_mut();
        let bytes = queue.pending().to_vec();
        queue.advance(bytes.len());
        let mut got = Vec::new();
        for piece in bytes.chunks(size) {
            feed(&mut self.receiver, piece, &mut got);
        }
        (got, bytes[0] & 0x40 != 0)
    }
}

#[test]
fn messages_come_back_in_every_mode_and_window() {
    for (ours, mode) in ROLES.into_iter().flat_map(|ours| MODES.map(|mode| (ours, mode))) {
        for bits in 9..=15 {
            let mut pair = Pair::new(ours, mode, bits);
            for size in [0, 1, 10, 200, 3000, 70_000, 1, 0, 0, 200] {
                let message = prose(size);
                pair.send(&message, None);
                assert_eq!(pair.session.queue().payload_len(), size as u64, "without compression");
                let (got, _) = pair.deliver(1000);
                assert_eq!(got, [Got::Binary(message)], "{:?} {mode:?} {bits} {size}", pair.ours);
            }
            let stats = pair.traffic.stats();
            assert!(stats.sent_compressed < stats.sent / 2, "{mode:?} {bits}: {stats:?}");
        }
    }
}

#[test]
fn only_with_takeover_a_repeated_message_is_a_reference() {
    for mode in MODES {
        let mut pair = Pair::new(Role::Server, mode, 15);
        let message = noise(500);
        let mut sizes = [0; 2];
        for size in &mut sizes {
            pair.send(&message, Some(true));
            *size = pair.session.queue().len();
            assert_eq!(pair.deliver(100).0, [Got::Binary(message.clone())]);
        }
        assert!(sizes[0] > 500, "{mode:?}");
        assert_eq!(sizes[1] < 50, mode != DeflateMode::Shared, "{mode:?}: {}", sizes[1]);
    }
}

#[test]
fn what_would_become_larger_goes_as_it_is_unless_the_context_has_seen_it() {
    for mode in MODES {
        let mut pair = Pair::new(Role::Server, mode, 12);
        for _ in 0..3 {
            pair.send(b"9f!", None);
            let (got, compressed) = pair.deliver(1);
            assert_eq!(got, [Got::Binary(b"9f!".to_vec())]);
            assert_eq!(compressed, mode == DeflateMode::Dedicated, "{mode:?}");
            pair.send(b"9f!", Some(true));
            assert!(pair.deliver(1).1, "{mode:?}: forced");
            pair.send(&prose(400), Some(false));
            assert!(!pair.deliver(1).1, "{mode:?}: forbidden");
        }
    }
}

#[test]
fn the_threshold_decides_where_the_application_does_not() {
    let deflate = Deflate { threshold: 100, ..Deflate::default() };
    let own = terms(DeflateMode::Shared, 12);
    let deflation = Deflation::new(own, &deflate, Role::Client, Arc::default());
    for (len, wish, compressed) in
        [(99, None, false), (100, None, true), (0, Some(true), true), (1 << 20, Some(false), false)]
    {
        assert_eq!(deflation.wants(len, wish), compressed, "{len} {wish:?}");
    }
}

#[test]
fn a_window_of_256_bytes_is_never_compressed_for() {
    let mut pair = Pair::new(Role::Client, DeflateMode::Dedicated, 8);
    assert!(!pair.session.deflates(1000, Some(true)));
    pair.send(&prose(1000), Some(true));
    assert_eq!(pair.deliver(77), (vec![Got::Binary(prose(1000))], false));
}

#[test]
fn messages_in_parts_are_one_stream_of_blocks() {
    for mode in MODES {
        let mut pair = Pair::new(Role::Client, mode, 12);
        for parts in [
            vec![&b"one "[..], b"two ", b"three"],
            vec![b"", b"", b"x", b""],
            vec![b"", b""],
            vec![b"alone"],
        ] {
            let last = parts.len() - 1;
            for (at, part) in parts.iter().enumerate() {
                pair.part(part, at == last);
                // Control frames may come between.
                pair.session.ping(b"ping", &mut Keys::new()).unwrap();
            }
            let (got, compressed) = pair.deliver(3);
            let message = Got::Binary(parts.concat());
            assert!(compressed && got.contains(&message), "{mode:?} {parts:?}: {got:?}");
            pair.send(&prose(300), None);
            assert_eq!(pair.deliver(50).0, [Got::Binary(prose(300))], "{mode:?} {parts:?}");
        }
    }
}

#[test]
fn parts_of_two_connections_do_not_meet_in_the_compressors_of_their_loop() {
    for mode in MODES {
        let mut one = Pair::new(Role::Server, mode, 12);
        let mut other = Pair::new(Role::Server, mode, 12);
        other.deflaters = std::mem::take(&mut one.deflaters);
        for (at, byte) in (b'a'..=b'e').enumerate() {
            std::mem::swap(&mut one.deflaters, &mut other.deflaters);
            one.part(&[byte; 100], at == 4);
            std::mem::swap(&mut one.deflaters, &mut other.deflaters);
            other.part(&[byte - b'a' + b'v'; 50], at == 4);
        }
        let text = |from: u8, count| {
            Got::Binary((from..from + 5).flat_map(|byte| vec![byte; count]).collect())
        };
        assert_eq!(one.deliver(9).0, [text(b'a', 100)], "{mode:?}");
        assert_eq!(other.deliver(9).0, [text(b'v', 50)], "{mode:?}");
    }
}

#[test]
fn a_message_that_could_not_be_sent_is_not_referred_to() {
    for mode in MODES {
        let mut pair = Pair::new(Role::Client, mode, 12);
        let (kind, deflaters) = (MessageKind::Binary, &mut pair.deflaters);
        let sent =
            pair.session.send_deflated(kind, &prose(500), true, deflaters, &mut Keys::none());
        assert!(sent.is_err());
        pair.send(&prose(500), Some(true));
        assert_eq!(pair.deliver(50).0, [Got::Binary(prose(500))], "{mode:?}");
    }
}

#[test]
fn the_examples_of_the_rfc_are_understood() {
    let shared: [&[u8]; 2] = [&HELLO, &HELLO];
    let takeover: [&[u8]; 2] = [&HELLO, &[0xf2, 0x00, 0x11, 0x00, 0x00]];
    let stored: [&[u8]; 2] =
        [&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], &HELLO];
    let final_block: [&[u8]; 2] = [&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], &HELLO];
    let two_blocks: [&[u8]; 2] =
        [&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00], &HELLO];
    let hello = Got::Binary(b"Hello".to_vec());
    for (ours, mode) in ROLES.into_iter().flat_map(|ours| MODES.map(|mode| (ours, mode))) {
        for payloads in [shared, takeover, stored, final_block, two_blocks] {
            if payloads == takeover && mode == DeflateMode::Shared {
                continue;
            }
            let mut receiver = receiver(ours, mode, 100);
            let got = receive(&mut receiver, ours, &payloads);
            assert_eq!(got, [hello.clone(), hello.clone()], "{mode:?} {payloads:02x?}");
        }
    }
}

#[test]
fn empty_messages_are_one_byte_or_none() {
    for mode in MODES {
        let mut receiver = receiver(Role::Server, mode, 100);
        let payloads: [&[u8]; 6] = [&[], &[0x00], &[0x02, 0x00], &HELLO, &[], &HELLO];
        let got = receive(&mut receiver, Role::Server, &payloads);
        let lens: Vec<_> = got
            .iter()
            .map(|got| match got {
                Got::Binary(data) => data.len(),
                other => panic!("{mode:?}: {other:?}"),
            })
            .collect();
        assert_eq!(lens, [0, 0, 0, 5, 0, 5], "{mode:?}");
        let mut pair = Pair::new(Role::Server, mode, 12);
        pair.send(b"", Some(true));
        assert_eq!(pair.session.queue().pending(), [0xc2, 0x01, 0x00], "{mode:?}");
    }
}

#[test]
fn uncompressed_messages_amid_compressed_ones_leave_the_window_alone() {
    for mode in [DeflateMode::Dedicated, DeflateMode::Parked] {
        for ours in ROLES {
            let mut receiver = receiver(ours, mode, 1000);
            let mut got = Vec::new();
            feed(&mut receiver, &compressed_to(ours, true, Opcode::Text, &HELLO), &mut got);
            feed(&mut receiver, &frame_to(ours, true, Opcode::Text, b"plain"), &mut got);
            feed(&mut receiver, &frame_to(ours, false, Opcode::Text, b"pl"), &mut got);
            feed(&mut receiver, &frame_to(ours, true, Opcode::Continuation, b"ain"), &mut got);
            let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
            feed(&mut receiver, &compressed_to(ours, true, Opcode::Text, &again), &mut got);
            let texts = ["Hello", "plain", "plain", "Hello"].map(|text| Got::Text(text.into()));
            assert_eq!(got, texts, "{mode:?}");
        }
    }
}

#[test]
fn fragments_are_cut_anywhere_with_control_frames_between() {
    let message = prose(300);
    let payload = Peer::new(6).message(&message);
    for (ours, mode) in ROLES.into_iter().flat_map(|ours| MODES.map(|mode| (ours, mode))) {
        for cut in 0..=payload.len() {
            let bytes = [
                compressed_to(ours, false, Opcode::Text, &payload[..cut]),
                frame_to(ours, true, Opcode::Ping, b"p"),
                frame_to(ours, false, Opcode::Continuation, b""),
                frame_to(ours, true, Opcode::Continuation, &payload[cut..]),
            ]
            .concat();
            for size in [1, 7, bytes.len()] {
                let mut receiver = receiver(ours, mode, 300);
                let (mut got, mut spare) = (Vec::new(), SpareInflater::default());
                for piece in bytes.chunks(size) {
                    receiver.lend_inflater(&mut spare);
                    feed(&mut receiver, piece, &mut got);
                    receiver.reclaim_inflater(&mut spare);
                }
                let text = String::from_utf8(message.clone()).unwrap();
                assert_eq!(got, [Got::Ping(b"p".to_vec()), Got::Text(text)], "{cut} {size}");
            }
        }
    }
}

#[test]
fn inflated_text_fails_within_a_frame_that_is_not_complete() {
    let payload = Peer::new(0).message(&[&b"good \xe2\x82"[..], b"\xff", &[b'x'; 1000]].concat());
    let frame = compressed_to(Role::Server, true, Opcode::Text, &payload);
    let mut receiver = receiver(Role::Server, DeflateMode::Shared, 10_000);
    let mut got = Vec::new();
    feed(&mut receiver, &frame[..40], &mut got);
    assert_eq!(failed(&got), Some(Violation::InvalidUtf8));
}

/// Any mode, and messages that are partly alike.
fn conversation() -> impl Strategy<Value = (usize, u8, Vec<Vec<u8>>)> {
    let message = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(prop::sample::select(b"abc".to_vec()), 0..2000),
        (0_usize..6000).prop_map(prose),
    ];
    (0..MODES.len(), 9_u8..=15, prop::collection::vec(message, 1..12))
}

proptest! {
    #[test]
    fn any_conversation_comes_back(
        (mode, bits, messages) in conversation(),
        size in 1_usize..2000,
        wishes in prop::collection::vec(any::<Option<bool>>(), 12),
        client in any::<bool>(),
    ) {
        let ours = if client { Role::Client } else { Role::Server };
        let mut pair = Pair::new(ours, MODES[mode], bits);
        for (message, wish) in messages.iter().zip(wishes) {
            pair.send(message, wish);
            let (got, _) = pair.deliver(size);
            prop_assert_eq!(got, [Got::Binary(message.clone())]);
        }
    }

    #[test]
    fn other_decompressors_understand_us_and_we_other_compressors(
        (mode, bits, messages) in conversation(),
        level in 0_u32..=9,
    ) {
        use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};
        let mode = MODES[mode];
        let mut pair = Pair::new(Role::Server, mode, bits);
        let mut inflate = Decompress::new(false);
        let mut deflate = Compress::new(Compression::new(level), false);
        let mut receiver = receiver(Role::Client, mode, 1 << 20);
        for message in &messages {
            if mode == DeflateMode::Shared {
                inflate.reset(false);
                deflate.reset();
            }
            let deflation = pair.session.send_deflated(
                MessageKind::Binary, message, true, &mut pair.deflaters, &mut Keys::new(),
            );
            prop_assert!(deflation.is_ok());
            let frame = pair.session.queue().pending();
            let (_, size) = Header::parse(frame, Role::Client).unwrap().unwrap();
            let payload = [&frame[size..], &TAIL].concat();
            let mut plain = Vec::with_capacity(message.len() + 100);
            inflate.decompress_vec(&payload, &mut plain, FlushDecompress::Sync).unwrap();
            prop_assert_eq!(&plain, message);
            pair.deliver(100);

            let mut theirs = Vec::with_capacity(message.len() * 2 + 100);
            deflate.compress_vec(message, &mut theirs, FlushCompress::Sync).unwrap();
            let theirs = theirs.strip_suffix(&TAIL).unwrap_or(&theirs);
            let got = receive(&mut receiver, Role::Client, &[theirs]);
            prop_assert_eq!(got, [Got::Binary(message.clone())]);
        }
    }

    #[test]
    fn whatever_comes_is_a_message_or_a_violation_wherever_it_is_cut(
        payload in prop::collection::vec(any::<u8>(), 0..400),
        size in 1_usize..100,
        mode in 0..MODES.len(),
    ) {
        let frame = compressed_to(Role::Server, true, Opcode::Binary, &payload);
        let (mut whole, mut cut) = (Vec::new(), Vec::new());
        feed(&mut receiver(Role::Server, MODES[mode], 1000), &frame, &mut whole);
        let mut receiver = receiver(Role::Server, MODES[mode], 1000);
        for piece in frame.chunks(size) {
            feed(&mut receiver, piece, &mut cut);
        }
        prop_assert_eq!(whole.len(), 1);
        prop_assert_eq!(whole, cut);
    }
}

#[test]
fn compressed_messages_come_in_chunks_too() {
    for mode in MODES {
        let (text, plain) = (noise(200_000), tuning(mode, 1 << 20));
        let mut sender = Session::new(Role::Server, start(), &plain);
        let agreed = Agreed { own: terms(mode, 12), peer: terms(mode, 15) };
        sender.enable_deflate(&agreed, &plain, Arc::default());
        let (mut deflaters, mut keys) = (Deflaters::default(), Keys::new());
        let mut receiver = receiver(Role::Client, mode, 1 << 20);
        receiver.enable_chunks();
        let mut got = Vec::new();
        for part in [&text[..90_000], &text[90_000..]] {
            let last = part.len() > 90_000;
            let kind = MessageKind::Binary;
            sender.send_part_deflated(kind, part, last, &mut deflaters, &mut keys).unwrap();
        }
        let bytes = sender.queue().pending().to_vec();
        for piece in bytes.chunks(1000) {
            feed(&mut receiver, piece, &mut got);
        }
        assert!(got.len() > 20, "{mode:?}: {} chunks", got.len());
        assert!(joined(got) == [Got::Binary(text)], "{mode:?}");
    }
}
