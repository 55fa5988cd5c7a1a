//! What a connection with compression holds while it is idle, against the table in ARCHITECTURE.md.
//!
//! The allocator counts, so this has a program to itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tightwire::proto::deflate::{Agreed, Deflaters, Direction, SpareInflater};
use tightwire::proto::frame::{MessageKind, Role};
use tightwire::proto::receiver::Receiver;
use tightwire::proto::sender::Masks;
use tightwire::proto::session::Session;
use tightwire::{Deflate, DeflateMode, Tuning};

/// Bytes that are allocated now.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is handed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the rules.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Keys;

impl Masks for Keys {
    fn next_mask(&mut self) -> Option<[u8; 4]> {
        Some([1, 2, 3, 4])
    }
}

#[expect(clippy::disallowed_methods, reason = "there is no loop that reads the clock")]
fn now() -> Instant {
    Instant::now()
}

/// What a loop has for all its connections.
#[derive(Default)]
struct Loop {
    deflaters: Deflaters,
    spare: SpareInflater,
}

/// A connection that has sent and received more than any window.
fn busy(
    mode: Option<DeflateMode>,
    bits: u8,
    memory_level: u8,
    around: &mut Loop,
) -> (Session, Receiver) {
    let deflate = Deflate { mode: mode.unwrap_or_default(), memory_level, ..Deflate::default() };
    let tuning = Tuning { deflate, ..Tuning::default() };
    let mut session = Session::new(Role::Server, now(), &tuning);
    // What it sends, it receives: the masking is the only difference.
    let mut receiver = Receiver::new(Role::Client, &tuning);
    if let Some(mode) = mode {
        let direction = Direction { takeover: mode != DeflateMode::Shared, window_bits: bits };
        let agreed = Agreed { own: direction, peer: direction };
        session.enable_deflate(&agreed, &tuning, Arc::default());
        receiver.enable_deflate(&agreed, &tuning, Arc::default());
    }
    for round in 0..40_u8 {
        let message: Vec<u8> =
            (0..2000_u32).map(|at| (at * at / 7).to_le_bytes()[0] % 32 + round).collect();
        if session.deflates(message.len(), None) {
            session.send_deflated(
                MessageKind::Binary,
                &message,
                false,
                &mut around.deflaters,
                &mut Keys,
            )
        } else {
            session.send(MessageKind::Binary, &message, &mut Keys)
        }
        .unwrap();
        let mut bytes = session.queue().pending().to_vec();
        session.queue_mut().advance(bytes.len());
        receiver.lend_inflater(&mut around.spare);
        let (_, event) = receiver.next(&mut bytes).unwrap();
        assert!(event.is_some());
        receiver.reclaim_inflater(&mut around.spare);
        drop(receiver.reclaim());
    }
    drop(session.queue_mut().take_buffer());
    (session, receiver)
}

/// Bytes that compression adds to an idle connection.
fn cost(mode: DeflateMode, bits: u8, memory_level: u8) -> usize {
    let mut around = Loop::default();
    // The loop's own contexts are there afterwards.
    drop(busy(Some(mode), bits, memory_level, &mut around));
    let mut held = |mode| {
        let before = HELD.load(Ordering::Relaxed);
        let connection = busy(mode, bits, memory_level, &mut around);
        let held = HELD.load(Ordering::Relaxed) - before;
        drop(connection);
        held
    };
    let (without, with) = (held(None), held(Some(mode)));
    with - without
}

/// The rows of the table: window bits, memory level, then KiB in each mode.
fn documented() -> Vec<(u8, u8, [f64; 3])> {
    let text = include_str!("../../ARCHITECTURE.md");
    let table = text.split("### Memory of a connection").nth(1).unwrap();
    let rows = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let (bits, level) = cells.first()?.split_once(" / ")?;
        let kib = |at: usize| cells.get(at).and_then(|cell| cell.parse().ok());
        Some((bits.parse().ok()?, level.parse().ok()?, [kib(1)?, kib(2)?, kib(3)?]))
    });
    rows.collect()
}

#[test]
fn zip_12_a_connection_holds_what_the_documentation_says() {
    let rows = documented();
    assert_eq!(rows.len(), 10, "the table of ARCHITECTURE.md");
    let mut report = String::new();
    let mut wrong = 0;
    for (bits, level, documented) in rows {
        let modes = [DeflateMode::Shared, DeflateMode::Parked, DeflateMode::Dedicated];
        write!(report, "| {bits} / {level} |").unwrap();
        for (mode, documented) in modes.into_iter().zip(documented) {
            let kib = cost(mode, bits, level) as f64 / 1024.0;
            write!(report, " {kib:.1} |").unwrap();
            wrong += usize::from((kib - documented).abs() > documented * 0.05 + 0.06);
        }
        report.push('\n');
    }
    assert_eq!(wrong, 0, "measured:\n{report}");
}
