//! The opening handshake (RFC 6455 section 4), both halves.
//!
//! [`ClientHandshake`] writes a request and judges the response; [`ServerHandshake`] reads a
//! request and yields either a [`Request`] to accept or a [`Refusal`] to write. Both take bytes
//! that are cut anywhere and say how many they used: what follows the head belongs to frames.
//! Neither keeps time; the caller's deadline ends a handshake that does not get anywhere.
//!
//! Which origins may connect is the caller's decision; [`origin_allowed`] and
//! [`is_loopback_host`] are the policy for it.

mod client;
mod error;
mod field;
mod origin;
mod reply;
mod server;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub use client::{Accepted, ClientHandshake, ClientRequest};
pub use error::{HandshakeError, RequestError};
pub use origin::{is_loopback_host, origin_allowed};
pub use reply::HttpReply;
pub use server::{Refusal, Request, ServerHandshake};

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (4.2.2).
#[must_use]
pub fn accept_for(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&digest.finalize())
}

fn base64(bytes: &[u8]) -> String {
    Base64Display::new(bytes, &STANDARD).to_string()
}
