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
mod deflate;
mod error;
mod extension;
mod field;
mod origin;
mod reply;
mod server;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub use client::{Accepted, ClientHandshake, ClientRequest, check_protocols};
pub use deflate::DeflateError;
pub use error::{HandshakeError, RequestError};
pub use origin::{is_allowable_origin, is_loopback_host, origin_allowed};
pub use reply::HttpReply;
#[cfg(feature = "net")]
pub(crate) use reply::ReplyReader;
pub use server::{Answer, Refusal, Request, ServerHandshake};

/// The value of `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key` (4.2.2).
#[must_use]
pub fn accept_for(key: &str) -> String {
    let digest = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&digest.finalize())
}

fn base64(bytes: &[u8]) -> String {
    Base64Display::new(bytes, &STANDARD).to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Tuning;

    #[test]
    fn accept_for_answers_the_key_of_the_rfc() {
        assert_eq!(accept_for("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    proptest! {
        #[test]
        fn what_a_client_asks_reaches_the_server_and_the_answer_comes_back(
            target in "/[!-\"$-~]{0,40}",
            protocols in proptest::collection::btree_set("[a-z0-9.!~-]{1,8}", 0..4),
            fields in proptest::collection::vec(("X-[A-Za-z-]{1,8}", "[!-~]([ -~]{0,10}[!-~])?"), 0..5),
            chosen in any::<prop::sample::Index>(),
            key in any::<[u8; 16]>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let tuning = Tuning::default();
            let protocols: Vec<String> = protocols.into_iter().collect();
            let request = ClientRequest {
                host: "example.com", target: &target, protocols: &protocols,
                origin: Some("https://example.com"), headers: &fields, key,
            };
            let mut wire = Vec::new();
            let mut client = ClientHandshake::start(&request, &tuning, &mut wire).unwrap();
            let mut server = ServerHandshake::new(&tuning);
            let at = cut.index(wire.len());
            prop_assert!(server.advance(&wire[..at]).unwrap().1.is_none());
            let (used, asked) = server.advance(&wire[at..]).unwrap();
            let asked = asked.unwrap();
            prop_assert_eq!(at + used, wire.len());
            prop_assert_eq!(asked.target(), &target);
            prop_assert_eq!(asked.origin(), request.origin);
            prop_assert_eq!(asked.protocols().collect::<Vec<_>>(), protocols.iter().collect::<Vec<_>>());
            for (name, value) in &fields {
                prop_assert!(asked.headers().get_all(name).any(|other| other == value));
            }

            let chosen = protocols.get(chosen.index(protocols.len().max(1)));
            wire.clear();
            let answer =
                Answer { protocol: chosen.map(String::as_str), headers: &fields, ..Answer::default() };
            asked.accept(&answer, &mut wire).unwrap();
            wire.extend_from_slice(b"\x81\x00");
            let at = cut.index(wire.len() - 2);
            if protocols.is_empty() || chosen.is_some() {
                prop_assert!(client.advance(&wire[..at]).unwrap().1.is_none());
                let (used, accepted) = client.advance(&wire[at..]).unwrap();
                let accepted = accepted.unwrap();
                prop_assert_eq!(at + used, wire.len() - 2);
                prop_assert_eq!(accepted.protocol, chosen.cloned().unwrap_or_default());
                prop_assert_eq!(accepted.headers.len(), fields.len() + 3 + usize::from(chosen.is_some()));
            }
        }
    }
}
