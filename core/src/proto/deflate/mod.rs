//! permessage-deflate (RFC 7692): messages to compressed ones and back.
//!
//! ```text
//! handshake ── offer, answer ──▶ Agreed ─┬▶ Inflation (in the receiver): payloads ─▶ message
//!                                        └▶ Deflation (in the session): message ─▶ payloads
//! ```
//!
//! Compressors and decompressors are large, so who owns one is the whole question of this module.
//! Each direction of a connection keeps between two messages what its `Keep` says: nothing, its
//! own context, or only the last bytes, with which a context of the loop is primed. Contexts that
//! belong to a loop are lent: a connection holds one only from the first to the last byte of a
//! message.

mod deflater;
mod inflater;
mod traffic;
mod window;

pub use deflater::Deflaters;
pub(super) use deflater::{Deflated, Deflation};
pub(super) use inflater::Inflation;
pub use inflater::SpareInflater;
pub use traffic::{DeflateStats, Traffic};

use self::window::Window;
use crate::config::DeflateMode;

/// What the opening handshake settled about compression (RFC 7692 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What we send.
    pub own: Direction,
    /// What the peer sends.
    pub peer: Direction,
}

/// The terms of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Whether a message may refer back to messages before it.
    pub takeover: bool,
    /// Base-2 logarithm of how far back, in bytes: 8 to 15.
    pub window_bits: u8,
}

/// What stays of one message for the next one.
#[derive(Debug)]
enum Keep {
    /// Nothing: each message begins with an empty window.
    Nothing,
    /// The compressor or decompressor itself.
    Context,
    /// The last bytes.
    Window(Window),
}

impl Keep {
    fn new(direction: Direction, mode: DeflateMode) -> Self {
        match mode {
            _ if !direction.takeover => Self::Nothing,
            DeflateMode::Parked => Self::Window(Window::new(direction.window_bits)),
            _ => Self::Context,
        }
    }
}

#[cfg(test)]
mod tests;
