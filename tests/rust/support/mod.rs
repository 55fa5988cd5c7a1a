//! What the black-box tests share: a loop in a thread, scripted handlers, a log of their events,
//! and peers that speak the protocol by hand.
#![allow(dead_code, unused_imports, reason = "each test program uses another part of this")]

mod certificates;
mod log;
mod peer;
mod script;
mod world;

use std::time::{Duration, Instant};

pub(crate) use self::certificates::{Authority, Issued};
pub(crate) use self::log::{Event, Log};
pub(crate) use self::peer::{Frame, Peer, accept_key, frame, listen, request};
pub(crate) use self::script::Script;
pub(crate) use self::world::{Server, World, options};

/// How long a condition may take on a loaded machine. Nothing waits that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Opcodes (RFC 6455 section 5.2).
pub(crate) const CONTINUATION: u8 = 0;
pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// The time now; tests measure, so they may ask.
#[expect(clippy::disallowed_methods, reason = "tests measure")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Blocks this thread: stands for an application that takes its time in a callback.
pub(crate) fn dawdle(time: Duration) {
    let end = now() + time;
    while let Some(left) = end.checked_duration_since(now()) {
        std::thread::park_timeout(left);
    }
}

/// Turns until `done` says so.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = now() + PATIENCE;
    while !done() {
        assert!(now() < end, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// Bytes that differ from place to place, so that a mixed-up order shows.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let words = (0..len.div_ceil(4)).map(|word| u32::try_from(word).unwrap_or(0));
    let mut bytes: Vec<u8> =
        words.flat_map(|word| word.wrapping_mul(0x9e37_79b1).to_be_bytes()).collect();
    bytes.truncate(len);
    bytes
}
