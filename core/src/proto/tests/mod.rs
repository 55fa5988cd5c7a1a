//! What the tests of this layer share, and the tests that need more than one module.

mod pair;

use std::time::{Duration, Instant};

use super::frame::{self, Header, MessageKind, Opcode, Role};
use super::receiver::{Chunk, Event, Receiver};
use super::sender::Masks;
use super::violation::Violation;

pub(super) const ROLES: [Role; 2] = [Role::Client, Role::Server];
pub(super) const OPCODES: [Opcode; 6] =
    [Opcode::Continuation, Opcode::Text, Opcode::Binary, Opcode::Close, Opcode::Ping, Opcode::Pong];
pub(super) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Some moment to count from.
#[expect(clippy::disallowed_methods, reason = "an `Instant` comes from nowhere else")]
pub(super) fn start() -> Instant {
    Instant::now()
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Bytes without a pattern that a mask could hide.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// Keys that differ; `None` once as many as wanted were given.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) left: u32,
}

impl Keys {
    pub(super) fn new() -> Self {
        Self { left: u32::MAX }
    }

    pub(super) fn none() -> Self {
        Self { left: 0 }
    }
}

impl Masks for Keys {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        self.left = self.left.checked_sub(1)?;
        Some(self.left.wrapping_mul(0x9e37_79b9).to_be_bytes())
    }
}

/// A frame as the peer of `ours` sends it.
pub(super) fn frame_to(ours: Role, fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mask = (ours == Role::Server).then_some(KEY);
    let mut out = Vec::new();
    let len = payload.len() as u64;
    Header { fin, compressed: false, opcode, mask, len }.write(&mut out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = mask {
        frame::mask(&mut out[start..], key, 0);
    }
    out
}

/// The header of a frame of `len` bytes as the peer of `ours` sends it, without its payload.
pub(super) fn header_to(ours: Role, fin: bool, opcode: Opcode, len: u64) -> Vec<u8> {
    let mask = (ours == Role::Server).then_some(KEY);
    let mut out = Vec::new();
    Header { fin, compressed: false, opcode, mask, len }.write(&mut out);
    out
}

/// An event that outlives the buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(Violation),
    Chunk { kind: MessageKind, data: Vec<u8>, offset: u64, first: bool, last: bool },
}

impl From<&Event<'_>> for Got {
    fn from(event: &Event<'_>) -> Self {
        match *event {
            Event::Message { kind: MessageKind::Text, data, .. } => {
                Self::Text(String::from_utf8(data.to_vec()).expect("text is valid UTF-8"))
            }
            Event::Message { kind: MessageKind::Binary, data, .. } => Self::Binary(data.to_vec()),
            Event::Chunk(Chunk { kind, data, offset, first, last }) => {
                Self::Chunk { kind, data: data.to_vec(), offset, first, last }
            }
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

/// The same with messages in place of their chunks, which have to follow one another. What is left of
/// a message that did not end is left out.
pub(super) fn joined(chunked: Vec<Got>) -> Vec<Got> {
    let mut message = Vec::new();
    let mut begun = false;
    let mut got = Vec::new();
    for event in chunked {
        let Got::Chunk { kind, data, offset, first, last } = event else {
            got.push(event);
            continue;
        };
        assert_eq!((first, offset), (!begun, message.len() as u64));
        assert!(last || !data.is_empty(), "a chunk that says nothing");
        message.extend(data);
        begun = !last;
        if last {
            let data = std::mem::take(&mut message);
            got.push(Got::from(&Event::Message { kind, data: &data, memory: 0 }));
        }
    }
    got
}

/// Gives the receiver `bytes` in one piece, as the loop does: a Close or a violation stops it.
pub(super) fn feed(receiver: &mut Receiver, bytes: &[u8], got: &mut Vec<Got>) {
    let mut input = bytes.to_vec();
    let mut at = 0;
    loop {
        match receiver.next(&mut input[at..]) {
            Ok((used, None)) => {
                assert_eq!(at + used, bytes.len(), "without an event everything is used");
                return;
            }
            Ok((used, Some(event))) => {
                at += used;
                got.push(Got::from(&event));
            }
            Err(violation) => got.push(Got::Failed(violation)),
        }
        if matches!(got.last(), Some(Got::Close(..) | Got::Failed(_))) {
            return receiver.stop();
        }
    }
}
