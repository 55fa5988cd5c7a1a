//! What a receiver yields.

use std::fmt;

use crate::proto::close::is_receivable_code;
use crate::proto::frame::{MessageKind, Opcode};
use crate::proto::violation::Violation;

/// From this size on it takes time to copy a message.
#[cfg(feature = "net")]
const LONG: usize = 16 << 10;

/// Something whole that the peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message, in however many fragments (5.6).
    Message {
        /// Text, which is valid UTF-8, or binary.
        kind: MessageKind,
        /// The payload.
        data: &'a [u8],
        /// Bytes of the receiver's memory that it lies in and that
        /// [`take_delivered`](super::Receiver::take_delivered) gives away; 0 if it lies in the caller's.
        memory: usize,
    },
    /// A piece of a message, where these are asked for.
    Chunk(Chunk<'a>),
    /// A ping with its payload (5.5.2).
    Ping(&'a [u8]),
    /// A pong with its payload (5.5.3).
    Pong(&'a [u8]),
    /// The peer's Close frame (5.5.1).
    Close {
        /// `None` if the frame was empty.
        code: Option<u16>,
        /// May be empty.
        reason: &'a str,
    },
}

impl fmt::Display for Event<'_> {
    /// What it is, without its payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |kind: MessageKind| match kind {
            MessageKind::Text => "text",
            MessageKind::Binary => "binary",
        };
        match self {
            Self::Message { kind: of, data, .. } => {
                write!(f, "{} message, {} bytes", kind(*of), data.len())
            }
            Self::Chunk(chunk) => {
                write!(f, "{} chunk, {} bytes", kind(chunk.kind), chunk.data.len())
            }
            Self::Ping(payload) => write!(f, "ping, {} bytes", payload.len()),
            Self::Pong(payload) => write!(f, "pong, {} bytes", payload.len()),
            Self::Close { code: Some(code), .. } => write!(f, "close {code}"),
            Self::Close { code: None, .. } => f.write_str("close without a code"),
        }
    }
}

/// A piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// Of the message. The pieces of text are valid UTF-8 together; each may end within a character.
    pub kind: MessageKind,
    /// Empty only if the last piece has nothing to add.
    pub data: &'a [u8],
    /// Bytes of the message before this piece.
    pub offset: u64,
    /// The message begins.
    pub first: bool,
    /// The message ends.
    pub last: bool,
}

impl<'a> Event<'a> {
    /// Whether it is a message with memory of its own that is not much more than it needs, and which
    /// it would take time to copy.
    #[cfg(feature = "net")]
    pub(crate) fn is_worth_keeping(&self) -> bool {
        match self {
            Self::Message { data, memory, .. } => {
                data.len() >= LONG && data.len() >= memory / 4 && *memory > 0
            }
            _ => false,
        }
    }

    pub(super) fn with_memory(self, memory: usize) -> Self {
        match self {
            Self::Message { kind, data, .. } => Self::Message { kind, data, memory },
            other => other,
        }
    }

    /// The same, with a message as its only chunk.
    pub(super) fn in_one_chunk(self) -> Self {
        match self {
            Self::Message { kind, data, .. } => {
                Self::Chunk(Chunk { kind, data, offset: 0, first: true, last: true })
            }
            other => other,
        }
    }
}

/// What a whole payload means.
#[inline]
pub(super) fn event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Violation> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        Opcode::Close => return close(payload),
        Opcode::Text => Event::Message { kind: MessageKind::Text, data: payload, memory: 0 },
        _ => Event::Message { kind: MessageKind::Binary, data: payload, memory: 0 },
    })
}

/// The payload of a Close frame (5.5.1).
fn close(payload: &[u8]) -> Result<Event<'_>, Violation> {
    let (code, reason) = match payload {
        [] => return Ok(Event::Close { code: None, reason: "" }),
        [_] => return Err(Violation::CloseTooShort),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
    };
    if !is_receivable_code(code) {
        return Err(Violation::CloseCode(code));
    }
    let reason = simdutf8::basic::from_utf8(reason).map_err(|_| Violation::InvalidUtf8)?;
    Ok(Event::Close { code: Some(code), reason })
}
