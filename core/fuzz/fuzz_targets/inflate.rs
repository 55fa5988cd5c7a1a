//! Any compressed message: it becomes a message within the limit or a violation, the same wherever
//! it is cut, and the next message does not depend on it but through the window.
//!
//! The input is a byte for mode and limit, one for the size of pieces, and the payload.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tightwire::proto::deflate::{Agreed, Direction, SpareInflater};
use tightwire::proto::frame::Role;
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::violation::Violation;
use tightwire::{Deflate, DeflateMode, Tuning};

/// "Hello", compressed by itself.
const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

fuzz_target!(|input: &[u8]| {
    let [flags, size, payload @ ..] = input else { return };
    let modes = [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];
    let mode = modes[usize::from(flags & 3).min(2)];
    let limit = 1 << (flags >> 2 & 15);
    let whole = receive(mode, limit, payload, payload.len() + 100);
    assert_eq!(receive(mode, limit, payload, usize::from(*size) + 1), whole);
});

/// What becomes of the message and of one that follows it, in pieces of `size`.
fn receive(
    mode: DeflateMode,
    limit: usize,
    payload: &[u8],
    size: usize,
) -> Vec<Result<Vec<u8>, Violation>> {
    let deflate = Deflate { mode, ..Deflate::default() };
    let tuning = Tuning { max_message: limit, deflate, ..Tuning::default() };
    let direction = Direction { takeover: mode != DeflateMode::Shared, window_bits: 15 };
    let mut receiver = Receiver::new(Role::Client, &tuning);
    let agreed = Agreed { own: direction, peer: direction };
    receiver.enable_deflate(&agreed, &tuning, Arc::default());
    let mut spare = SpareInflater::default();
    let mut results = Vec::new();
    for payload in [payload, &HELLO] {
        let mut bytes = vec![0xc2, 0x7f];
        let len = payload.len();
        match len {
            0..=125 => bytes[1] = len as u8,
            126..=0xffff => {
                bytes[1] = 126;
                bytes.extend_from_slice(&(len as u16).to_be_bytes());
            }
            _ => bytes.extend_from_slice(&(len as u64).to_be_bytes()),
        }
        bytes.extend_from_slice(payload);
        for piece in bytes.chunks_mut(size) {
            receiver.lend_inflater(&mut spare);
            match receiver.next(piece) {
                Ok((_, None)) => {}
                Ok((_, Some(Event::Message { data, .. }))) => {
                    assert!(data.len() <= limit);
                    results.push(Ok(data.to_vec()));
                }
                Ok((_, Some(other))) => panic!("{other:?}"),
                Err(violation) => {
                    results.push(Err(violation));
                    return results;
                }
            }
            receiver.reclaim_inflater(&mut spare);
        }
    }
    assert_eq!(results.len(), 2);
    if limit >= 5 {
        assert_eq!(results[1].as_deref(), Ok(&b"Hello"[..]));
    }
    results
}
