//! The same bytes give the same events wherever they are cut, in both roles, through the caller's
//! buffer and read straight into place.
#![no_main]

use std::str;

use libfuzzer_sys::fuzz_target;
use tightwire::Tuning;
use tightwire::proto::frame::{MessageKind, Role};
use tightwire::proto::receiver::{Event, Receiver};
use tightwire::proto::violation::Violation;

// The first bytes are sizes of pieces, the rest is the stream.
fuzz_target!(|data: &[u8]| {
    let Some((sizes, stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    for role in [Role::Client, Role::Server] {
        let whole = events(role, stream, &[stream.len()], false, false);
        for in_place in [false, true] {
            let sizes = sizes.map(|size| usize::from(size) + 1);
            for chunks in [false, true] {
                let pieces = events(role, stream, &sizes, in_place, chunks);
                assert_eq!(pieces, whole, "{sizes:?} as {role:?}, chunks: {chunks}");
            }
        }
        // Slow, and long streams have nothing more to show here.
        if stream.len() < 1024 {
            assert_eq!(events(role, stream, &[1], false, false), whole, "single bytes as {role:?}");
        }
    }
});

/// An event that owns what it carries, or the end of events.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(Violation),
    Chunk { kind: MessageKind, data: Vec<u8>, offset: u64, first: bool, last: bool },
}

/// The same with messages in place of their chunks, which have to follow one another.
fn joined(chunked: Vec<Seen>) -> Vec<Seen> {
    let mut message = Vec::new();
    let mut begun = false;
    let mut seen = Vec::new();
    for event in chunked {
        let Seen::Chunk { kind, data, offset, first, last } = event else {
            seen.push(event);
            continue;
        };
        assert_eq!((first, offset), (!begun, message.len() as u64));
        message.extend(data);
        begun = !last;
        if last {
            seen.push(Seen::Message(kind, std::mem::take(&mut message)));
        }
    }
    seen
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message { kind, data, .. } => {
                assert!(kind == MessageKind::Binary || str::from_utf8(data).is_ok());
                Self::Message(kind, data.to_vec())
            }
            Event::Chunk(chunk) => Self::Chunk {
                kind: chunk.kind,
                data: chunk.data.to_vec(),
                offset: chunk.offset,
                first: chunk.first,
                last: chunk.last,
            },
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

/// What comes of a stream that arrives in pieces of these sizes, over and over.
fn events(role: Role, stream: &[u8], sizes: &[usize], in_place: bool, chunks: bool) -> Vec<Seen> {
    let tuning = Tuning { max_message: 1 << 20, max_empty_fragments: 8, ..Tuning::default() };
    let mut receiver = Receiver::new(role, &tuning);
    if chunks {
        receiver.enable_chunks();
    }
    let mut seen = Vec::new();
    let mut rest = stream;
    for size in sizes.iter().cycle() {
        let (piece, later) = rest.split_at(rest.len().min(*size));
        let mut piece = piece.to_vec();
        if let Err(violation) = read(&mut receiver, &mut piece, in_place, &mut seen) {
            seen.push(Seen::Failed(violation));
            break;
        }
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    joined(seen)
}

fn read(
    receiver: &mut Receiver,
    mut piece: &mut [u8],
    in_place: bool,
    seen: &mut Vec<Seen>,
) -> Result<(), Violation> {
    while in_place && !piece.is_empty() {
        let Some(space) = receiver.space(piece.len()) else {
            break;
        };
        let len = space.len();
        space.copy_from_slice(&piece[..len]);
        piece = &mut piece[len..];
        let event = receiver.filled(len)?;
        seen.extend(event.map(Seen::from));
    }
    loop {
        let step = receiver.next(piece)?;
        let (used, Some(event)) = step else {
            assert_eq!(step.0, piece.len(), "without an event everything is used");
            return Ok(());
        };
        seen.push(event.into());
        piece = &mut piece[used..];
    }
}
