//! Any frames, cut anywhere and read in any way, give the same events as uncut, in both roles.
//!
//! The input is a byte of flags (1: server, 2: frames are masked for the role, which is done here
//! so that the fuzzer need not guess the masking bit; 4: also read straight into place), a byte of
//! limits, a byte that says how many bytes of cuts follow, these, and the bytes of the peer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::violation::Violation;
use tightwire::{MessageKind, Role, Tuning};

/// Up to this many bytes are also read one by one.
const SHORT: usize = 1024;

#[derive(Debug, PartialEq, Eq)]
enum Got {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(Violation),
}

fuzz_target!(|input: &[u8]| {
    let [flags, limits, count, rest @ ..] = input else { return };
    let (cuts, bytes) = rest.split_at(rest.len().min(usize::from(count % 32)));
    let role = if flags & 1 == 1 { Role::Server } else { Role::Client };
    let tuning = Tuning {
        max_message: usize::from(limits >> 2) << 11,
        max_empty_fragments: u32::from(limits & 3),
        ..Tuning::default()
    };
    let mut bytes = bytes.to_vec();
    if flags & 2 == 2 {
        set_masking_bits(&mut bytes, role);
    }
    let whole = read(role, &tuning, &bytes, &[], false);
    let cuts: Vec<_> = cuts.iter().map(|cut| usize::from(*cut) * 8 / 7 + 1).collect();
    assert_eq!(read(role, &tuning, &bytes, &cuts, flags & 4 == 4), whole);
    if bytes.len() <= SHORT {
        assert_eq!(read(role, &tuning, &bytes, &[1], false), whole);
    }
});

/// Walks the frames as a peer would write them and sets or clears the masking bit of each.
fn set_masking_bits(bytes: &mut [u8], role: Role) {
    let masked = role == Role::Server;
    let mut at = 0;
    while let Some([_, second, rest @ ..]) = bytes.get_mut(at..) {
        *second = *second & 0x7f | u8::from(masked) << 7;
        let (width, len) = match (*second & 0x7f, &*rest) {
            (126, [a, b, ..]) => (2, u64::from(u16::from_be_bytes([*a, *b]))),
            (127, rest) => match rest.first_chunk() {
                Some(len) => (8, u64::from_be_bytes(*len)),
                None => return,
            },
            (126, _) => return,
            (short, _) => (0, u64::from(short)),
        };
        let Ok(len) = usize::try_from(len) else { return };
        let header = 2 + width + if masked { 4 } else { 0 };
        at = at.saturating_add(header).saturating_add(len);
    }
}

/// Reads `bytes` in pieces whose lengths are `cuts` again and again, or at once without any.
fn read(role: Role, tuning: &Tuning, bytes: &[u8], cuts: &[usize], in_place: bool) -> Vec<Got> {
    let mut receiver = Receiver::new(role, tuning);
    let mut got = Vec::new();
    let mut lengths = cuts.iter().copied().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        let spare = receiver.lend(vec![0xee; 64]);
        assert!(spare.is_empty() || spare.len() == 64);
        feed(&mut receiver, piece, in_place, &mut got);
        assert!(receiver.reclaim().capacity() <= 2 * bytes.len() + (64 << 10));
    }
    got
}

fn feed(receiver: &mut Receiver, piece: &[u8], in_place: bool, got: &mut Vec<Got>) {
    let mut piece = piece;
    while !piece.is_empty() && in_place {
        let Some(room) = receiver.space(piece.len()) else { break };
        let (now, later) = piece.split_at(room.len().min(piece.len()));
        room[..now.len()].copy_from_slice(now);
        piece = later;
        let result = receiver.filled(now.len()).map(|event| event.map(|event| own(&event)));
        if !keep(receiver, result, got) {
            return;
        }
    }
    let mut input = piece.to_vec();
    let mut at = 0;
    loop {
        let result = receiver.next(&mut input[at..]).map(|(used, event)| {
            at += used;
            event.map(|event| own(&event))
        });
        let ended = matches!(result, Ok(None));
        if !keep(receiver, result, got) {
            return;
        }
        if ended {
            assert_eq!(at, input.len(), "without an event everything is used");
            return;
        }
    }
}

/// Keeps what came. False once nothing more is to be read.
fn keep(
    receiver: &mut Receiver,
    result: Result<Option<Got>, Violation>,
    got: &mut Vec<Got>,
) -> bool {
    match result {
        Ok(event) => got.extend(event),
        Err(violation) => got.push(Got::Failed(violation)),
    }
    let going_on = !matches!(got.last(), Some(Got::Close(..) | Got::Failed(_)));
    if !going_on {
        receiver.stop();
    }
    going_on
}

fn own(event: &Event<'_>) -> Got {
    match *event {
        Event::Message { kind, data } => {
            assert!(kind == MessageKind::Binary || std::str::from_utf8(data).is_ok());
            Got::Message(kind, data.to_vec())
        }
        Event::Ping(payload) => Got::Ping(payload.to_vec()),
        Event::Pong(payload) => Got::Pong(payload.to_vec()),
        Event::Close { code, reason } => Got::Close(code, reason.to_owned()),
    }
}
