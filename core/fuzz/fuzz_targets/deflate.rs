//! What a session compresses, whole or in parts, a receiver makes the same messages of.
//!
//! The input is two bytes of options, and messages: a byte of choices, a length and the bytes.
#![no_main]

use std::sync::Arc;
use std::time::Instant;

use libfuzzer_sys::fuzz_target;
use tightwire::proto::deflate::{Agreed, Deflaters, Direction, SpareInflater, Traffic};
use tightwire::proto::frame::{MessageKind, Role};
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::sender::Masks;
use tightwire::proto::session::Session;
use tightwire::{Deflate, DeflateMode, Tuning};

struct Keys(u32);

impl Masks for Keys {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        self.0 = self.0.wrapping_mul(0x0101_0193).wrapping_add(7);
        Some(self.0.to_be_bytes())
    }
}

fuzz_target!(|input: &[u8]| {
    let [first, second, script @ ..] = input else { return };
    let modes = [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];
    let mode = modes[usize::from(first & 3).min(2)];
    let deflate = Deflate {
        mode,
        level: Some(1 + (first >> 2 & 7)),
        memory_level: 1 + (second & 7),
        threshold: usize::from(second >> 6) * 20,
        ..Deflate::default()
    };
    let window_bits = 8 + (second >> 3 & 7);
    let direction = Direction { takeover: mode != DeflateMode::Shared, window_bits };
    let (ours, theirs) =
        if first & 32 == 0 { (Role::Client, Role::Server) } else { (Role::Server, Role::Client) };
    let tuning = Tuning { deflate, ..Tuning::default() };
    let (agreed, traffic) = (Agreed { own: direction, peer: direction }, Arc::<Traffic>::default());
    let mut session = Session::new(ours, Instant::now(), &tuning);
    session.enable_deflate(&agreed, &tuning, Arc::clone(&traffic));
    let mut receiver = Receiver::new(theirs, &tuning);
    receiver.enable_deflate(&agreed, &tuning, Arc::clone(&traffic));
    converse(&mut session, &mut receiver, script);
    let stats = traffic.stats();
    assert_eq!(stats.sent, stats.received);
    assert_eq!(stats.sent_compressed, stats.received_compressed);
});

fn converse(session: &mut Session, receiver: &mut Receiver, mut script: &[u8]) {
    let (mut deflaters, mut spare, mut keys) =
        (Deflaters::default(), SpareInflater::default(), Keys(1));
    let (mut parts, mut in_parts) = (Vec::new(), false);
    let kind = MessageKind::Binary;
    while let [choices, len, rest @ ..] = script {
        let (data, rest) = rest.split_at(rest.len().min(usize::from(*len)));
        script = rest;
        // A byte is worth a run of them, or there would be nothing to compress.
        let data = data.repeat(1 + usize::from(choices >> 5) * 7);
        let wish = [None, Some(true), Some(false), None][usize::from(choices & 3)];
        let fin = choices & 4 == 0 || script.len() < 2;
        parts.extend_from_slice(&data);
        let compresses = session.deflates(data.len(), wish);
        let sent = match (in_parts || !fin, compresses) {
            (false, true) => {
                session.send_deflated(kind, &data, wish == Some(true), &mut deflaters, &mut keys)
            }
            (false, false) => session.send(kind, &data, &mut keys),
            (true, true) => session.send_part_deflated(kind, &data, fin, &mut deflaters, &mut keys),
            (true, false) => session.send_part(kind, &data, fin, &mut keys),
        };
        sent.expect("the connection is open");
        in_parts = !fin;
        let mut bytes = session.queue().pending().to_vec();
        session.queue_mut().advance(bytes.len());
        receiver.lend_inflater(&mut spare);
        let mut got = None;
        for piece in bytes.chunks_mut(1 + usize::from(choices >> 3 & 3) * 50) {
            match receiver.next(piece).expect("what we send is legal") {
                (_, None) => {}
                (_, Some(Event::Message { data, .. })) => got = Some(data.to_vec()),
                (_, Some(other)) => panic!("{other:?}"),
            }
        }
        receiver.reclaim_inflater(&mut spare);
        assert_eq!(got, fin.then(|| std::mem::take(&mut parts)));
    }
}
