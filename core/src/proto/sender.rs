//! Messages to frames.

use std::fmt;

use super::frame::{self, Header, Opcode, Role};
use super::queue::SendQueue;

pub use super::frame::MAX_CONTROL;

/// Where masking keys come from: unpredictable ones in use (10.3), known ones in tests.
pub trait Masks {
    /// A key that was not used before; `None` if the system gave no randomness.
    fn next_mask(&mut self) -> Option<[u8; 4]>;
}

/// Why a message was not taken. Nothing of it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection is not open.
    Closed,
    /// The system gave no randomness for the masking key (10.3).
    Entropy,
    /// Too much output is queued already; wait for `on_drain`.
    Full {
        /// Payload bytes that wait.
        buffered: u64,
        /// `max_send_buffer`.
        limit: u64,
    },
    /// A message in parts is not finished.
    InParts,
    /// Text that is not UTF-8, or a message in parts that ends within a character.
    InvalidUtf8,
    /// No message in parts was begun.
    NotInParts,
    /// A ping over 125 bytes (5.5).
    TooLong,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the connection is not open"),
            Self::Entropy => f.write_str("the system gave no randomness for a masking key"),
            Self::Full { buffered, limit } => write!(
                f,
                "{buffered} bytes are queued and the limit is {limit} (option: max_send_buffer)"
            ),
            Self::InParts => f.write_str("a message that is sent in parts is not finished"),
            Self::InvalidUtf8 => f.write_str("text that is not UTF-8"),
            Self::NotInParts => f.write_str("no message in parts was begun"),
            Self::TooLong => f.write_str("a ping carries at most 125 bytes"),
        }
    }
}

impl std::error::Error for SendError {}

/// What a frame says besides its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    /// The payload begins a compressed message.
    pub(super) compressed: bool,
    /// Payload bytes that the application counts: without compression.
    pub(super) counted: usize,
}

/// Appends one frame to the queue, masked if `role` is a client.
///
/// # Errors
///
/// [`SendError::Entropy`]; nothing was appended.
pub fn frame(
    queue: &mut SendQueue,
    role: Role,
    fin: bool,
    opcode: Opcode,
    payload: &[u8],
    masks: &mut dyn Masks,
) -> Result<(), SendError> {
    let counted = if opcode.is_control() { 0 } else { payload.len() };
    let shape = Shape { fin, opcode, compressed: false, counted };
    shaped(queue, role, shape, payload, masks)
}

/// As [`frame`], for one of any shape.
pub(super) fn shaped(
    queue: &mut SendQueue,
    role: Role,
    shape: Shape,
    payload: &[u8],
    masks: &mut dyn Masks,
) -> Result<(), SendError> {
    let mask = match role {
        Role::Client => Some(masks.next_mask().ok_or(SendError::Entropy)?),
        Role::Server => None,
    };
    let Shape { fin, opcode, compressed, counted } = shape;
    let out = queue.back_for(counted as u64);
    Header { fin, compressed, opcode, mask, len: payload.len() as u64 }.write(out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = mask {
        frame::mask(out.get_mut(start..).unwrap_or_default(), key, 0);
    }
    Ok(())
}
