//! What the two sides agree on about permessage-deflate (RFC 7692 sections 5 and 7.1).

use std::fmt;

use super::extension::{Extension, Param};
use crate::config::{Deflate, DeflateMode};
use crate::proto::deflate::{Agreed, Direction};
use crate::proto::frame::Role;

const NAME: &str = "permessage-deflate";
const SERVER_NO_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_BITS: &str = "server_max_window_bits";
const CLIENT_BITS: &str = "client_max_window_bits";
/// The largest window, which is meant where none is named.
const MAX_BITS: u8 = 15;

/// The parameters of one offer or answer, each of them legal in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Params {
    server_no_takeover: bool,
    client_no_takeover: bool,
    server_bits: Option<u8>,
    /// `Some(None)`: without a value.
    client_bits: Option<Option<u8>>,
}

/// Why an answer to our offer does not open the connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeflateError {
    /// A parameter that RFC 7692 does not know, or not with this value, or not twice.
    Parameter(String),
    /// The answer lacks `server_no_context_takeover`, which we asked for.
    Takeover,
}

impl fmt::Display for DeflateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(param) => {
                write!(
                    f,
                    "the server answered permessage-deflate with {param:?}, which is not legal there"
                )
            }
            Self::Takeover => {
                f.write_str("the server ignored server_no_context_takeover (option: deflate mode)")
            }
        }
    }
}

/// The client's offers as the value of `Sec-WebSocket-Extensions`; `None` without compression.
pub(super) fn offers(deflate: &Deflate) -> Option<String> {
    let mode = deflate.mode_for(Role::Client)?;
    let plain = format!("{NAME}; {CLIENT_BITS}");
    let limit = deflate.peer_limit();
    Some(match mode {
        DeflateMode::Shared => format!("{plain}; {SERVER_NO_TAKEOVER}; {CLIENT_NO_TAKEOVER}"),
        // Some servers know no `server_max_window_bits`, and refuse what they do not know.
        _ if limit < MAX_BITS => format!("{plain}; {SERVER_BITS}={limit}, {plain}"),
        _ => plain,
    })
}

/// Holds the server's answer against our offers.
pub(super) fn judge(answer: &Extension<'_>, deflate: &Deflate) -> Result<Agreed, DeflateError> {
    let params = Params::read(answer, Role::Client).map_err(DeflateError::Parameter)?;
    let shared = deflate.mode_for(Role::Client) == Some(DeflateMode::Shared);
    if shared && !params.server_no_takeover {
        return Err(DeflateError::Takeover);
    }
    let own_bits = params.client_bits.flatten().unwrap_or(MAX_BITS);
    Ok(Agreed {
        own: Direction {
            takeover: !params.client_no_takeover && !shared,
            window_bits: own_bits.min(deflate.window_bits),
        },
        peer: Direction {
            takeover: !params.server_no_takeover,
            window_bits: params.server_bits.unwrap_or(MAX_BITS),
        },
    })
}

/// The server's answer to the first offer that it can honour; `None` if there is no such offer.
pub(super) fn respond(offered: &[Extension<'_>], deflate: &Deflate) -> Option<(Agreed, String)> {
    let mode = deflate.mode_for(Role::Server)?;
    let ours = |offer: &&Extension<'_>| offer.name.eq_ignore_ascii_case(NAME);
    let params = offered.iter().filter(ours).find_map(|o| Params::read(o, Role::Server).ok())?;
    let shared = mode == DeflateMode::Shared;
    let client_bits = params.client_bits.map(|bits| bits.unwrap_or(MAX_BITS));
    let limit = deflate.peer_limit();
    let answer = Params {
        server_no_takeover: params.server_no_takeover || shared,
        client_no_takeover: params.client_no_takeover || shared,
        server_bits: params.server_bits.map(|bits| bits.min(deflate.window_bits)),
        // Only who offers to keep to a window may be asked to (7.1.2.2).
        client_bits: client_bits.map(|bits| bits.min(limit)).filter(|b| *b < MAX_BITS).map(Some),
    };
    let agreed = Agreed {
        own: Direction {
            takeover: !answer.server_no_takeover,
            window_bits: params.server_bits.unwrap_or(MAX_BITS).min(deflate.window_bits),
        },
        peer: Direction {
            takeover: !answer.client_no_takeover,
            window_bits: answer.client_bits.flatten().unwrap_or(MAX_BITS),
        },
    };
    Some((agreed, answer.to_string()))
}

/// An answer in the form in which `extensions` shows it.
pub(super) fn normalised(answer: &Extension<'_>) -> String {
    Params::read(answer, Role::Client).map(|params| params.to_string()).unwrap_or_default()
}

/// Whether this is the extension of this module.
pub(super) fn is_deflate(extension: &Extension<'_>) -> bool {
    extension.name.eq_ignore_ascii_case(NAME)
}

impl Params {
    /// Reads the parameters that the peer of `ours` sent. The error is the first one that is unknown,
    /// repeated, or has a value that it must not have there (7.1).
    fn read(extension: &Extension<'_>, ours: Role) -> Result<Self, String> {
        let mut params = Self::default();
        for param in &extension.params {
            if !params.set(param, ours) {
                return Err(match &param.value {
                    Some(value) => format!("{}={value}", param.name),
                    None => param.name.to_owned(),
                });
            }
        }
        Ok(params)
    }

    fn set(&mut self, param: &Param<'_>, ours: Role) -> bool {
        let flag = |flag: &mut bool| !std::mem::replace(flag, true) && param.value.is_none();
        let bits = param.value.as_deref().and_then(window_bits);
        match param.name {
            SERVER_NO_TAKEOVER => flag(&mut self.server_no_takeover),
            CLIENT_NO_TAKEOVER => flag(&mut self.client_no_takeover),
            SERVER_BITS => {
                bits.is_some() && std::mem::replace(&mut self.server_bits, bits).is_none()
            }
            CLIENT_BITS => {
                // Without a value in an offer only (7.1.2.2).
                let legal = bits.is_some() || param.value.is_none() && ours == Role::Server;
                legal && self.client_bits.replace(bits).is_none()
            }
            _ => false,
        }
    }
}

/// 8 to 15, in decimal and without leading zeros (7.1.2).
fn window_bits(value: &str) -> Option<u8> {
    let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    value.starts_with(|first: char| matches!(first, '1'..='9')).then_some(bits)
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_takeover {
            write!(f, "; {SERVER_NO_TAKEOVER}")?;
        }
        if self.client_no_takeover {
            write!(f, "; {CLIENT_NO_TAKEOVER}")?;
        }
        if let Some(bits) = self.server_bits {
            write!(f, "; {SERVER_BITS}={bits}")?;
        }
        if let Some(Some(bits)) = self.client_bits {
            write!(f, "; {CLIENT_BITS}={bits}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Tuning;
    use crate::proto::handshake::{
        Answer, ClientHandshake, ClientRequest, HandshakeError, Request, ServerHandshake,
    };

    const HEAD: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
    const ACCEPTED: &str = "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

    fn mode(mode: DeflateMode) -> Deflate {
        Deflate { mode, ..Deflate::default() }
    }

    fn dedicated() -> Deflate {
        mode(DeflateMode::Dedicated)
    }

    fn request(fields: &[&str]) -> Result<Request, u16> {
        let fields: String =
            fields.iter().map(|list| format!("Sec-WebSocket-Extensions: {list}\r\n")).collect();
        let bytes = format!("{HEAD}{fields}\r\n");
        let mut handshake = ServerHandshake::new(&Tuning::default());
        match handshake.advance(bytes.as_bytes()) {
            Ok((_, request)) => Ok(request.unwrap()),
            Err(refusal) => Err(refusal.status),
        }
    }

    /// What a server answers to offers.
    fn answer_to(fields: &[&str], deflate: &Deflate) -> Option<(Agreed, String)> {
        request(fields).unwrap().deflate(deflate)
    }

    fn text_for(offer: &str, deflate: &Deflate) -> Option<String> {
        answer_to(&[offer], deflate).map(|(_, text)| text)
    }

    /// What a client makes of an answer.
    fn judged(answer: &str, deflate: Deflate) -> Result<(Option<Agreed>, String), HandshakeError> {
        let tuning = Tuning { deflate, ..Tuning::default() };
        let request = ClientRequest {
            host: "h",
            target: "/",
            protocols: &[],
            origin: None,
            headers: &[],
            key: *b"the sample nonce",
        };
        let mut client = ClientHandshake::start(&request, &tuning, &mut Vec::new()).unwrap();
        let bytes = format!("{ACCEPTED}Sec-WebSocket-Extensions: {answer}\r\n\r\n");
        let (_, accepted) = client.advance(bytes.as_bytes())?;
        let accepted = accepted.unwrap();
        Ok((accepted.deflate, accepted.extensions))
    }

    fn direction(takeover: bool, window_bits: u8) -> Direction {
        Direction { takeover, window_bits }
    }

    #[test]
    fn each_mode_has_its_offer() {
        let plain = "permessage-deflate; client_max_window_bits";
        let bounded = "permessage-deflate; client_max_window_bits; server_max_window_bits=12, \
            permessage-deflate; client_max_window_bits";
        let shared = "permessage-deflate; client_max_window_bits; server_no_context_takeover; \
            client_no_context_takeover";
        for (deflate, offer) in [
            (Deflate::default(), Some(plain)),
            (dedicated(), Some(plain)),
            (mode(DeflateMode::Parked), Some(bounded)),
            (mode(DeflateMode::Shared), Some(shared)),
            (mode(DeflateMode::Off), None),
        ] {
            assert_eq!(offers(&deflate).as_deref(), offer, "{deflate:?}");
        }
        let limited = Deflate { peer_window_bits: Some(9), ..dedicated() };
        assert!(offers(&limited).unwrap().contains("; server_max_window_bits=9, "));
    }

    #[test]
    fn a_server_answers_the_offers_of_rfc_7692_section_7_1() {
        let name = "permessage-deflate";
        for (offer, answer) in [
            ("permessage-deflate", Some("")),
            ("Permessage-Deflate", Some("")),
            ("permessage-deflate; client_max_window_bits", Some("")),
            ("permessage-deflate; client_max_window_bits=15", Some("")),
            ("permessage-deflate; client_max_window_bits=10", Some("; client_max_window_bits=10")),
            (
                "permessage-deflate; client_max_window_bits=\"8\"",
                Some("; client_max_window_bits=8"),
            ),
            ("permessage-deflate; server_max_window_bits=10", Some("; server_max_window_bits=10")),
            (
                "permessage-deflate; server_max_window_bits=\"1\\0\"",
                Some("; server_max_window_bits=10"),
            ),
            ("permessage-deflate; server_max_window_bits=8", Some("; server_max_window_bits=8")),
            ("permessage-deflate; server_max_window_bits=15", Some("; server_max_window_bits=12")),
            (
                "permessage-deflate; server_no_context_takeover",
                Some("; server_no_context_takeover"),
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                Some("; client_no_context_takeover"),
            ),
            (
                "permessage-deflate; client_max_window_bits=9; server_max_window_bits=9; \
                 client_no_context_takeover; server_no_context_takeover",
                Some(
                    "; server_no_context_takeover; client_no_context_takeover; \
                     server_max_window_bits=9; client_max_window_bits=9",
                ),
            ),
            ("x-webkit-deflate-frame", None),
            ("permessage-bzip2, foo; a=b", None),
            ("foo, permessage-deflate, bar", Some("")),
            // An offer that cannot be honoured is left out, and the next one counts.
            (
                "permessage-deflate; x, permessage-deflate; server_no_context_takeover",
                Some("; server_no_context_takeover"),
            ),
            ("permessage-deflate, permessage-deflate; server_no_context_takeover", Some("")),
        ] {
            let expected = answer.map(|params| format!("{name}{params}"));
            assert_eq!(text_for(offer, &dedicated()), expected, "{offer}");
        }
        let (agreed, _) =
            answer_to(&["foo", "bar, permessage-deflate; server_max_window_bits=9"], &dedicated())
                .unwrap();
        assert_eq!((agreed.own, agreed.peer), (direction(true, 9), direction(true, 15)));
        let (agreed, _) = answer_to(&["permessage-deflate"], &dedicated()).unwrap();
        assert_eq!((agreed.own, agreed.peer), (direction(true, 12), direction(true, 15)));
    }

    #[test]
    fn zip_05_a_server_declines_what_is_no_legal_offer() {
        for bits in [
            "=0",
            "=7",
            "=16",
            "=099",
            "=08",
            "=99999999999999999999",
            "=-1",
            "=+9",
            "=8.0",
            "=x",
            "=\"16\"",
        ] {
            for name in [SERVER_BITS, CLIENT_BITS] {
                let offer = format!("permessage-deflate; {name}{bits}");
                assert_eq!(text_for(&offer, &dedicated()), None, "{offer}");
            }
        }
        for params in [
            SERVER_BITS,
            "server_max_window_bits=9; server_max_window_bits=9",
            "client_max_window_bits; client_max_window_bits=9",
            "server_no_context_takeover=1",
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover=true",
            "client_no_context_takeover; client_no_context_takeover",
            "unknown",
            "Server_no_context_takeover",
        ] {
            let offer = format!("permessage-deflate; {params}");
            assert_eq!(text_for(&offer, &dedicated()), None, "{offer}");
        }
    }

    #[test]
    fn a_list_that_breaks_the_grammar_is_a_bad_request() {
        for list in [
            "permessage-deflate;",
            "permessage-deflate; a=",
            "a b",
            "x; y=\"",
            "permessage-deflate; server_max_window_bits=\"\"",
        ] {
            assert_eq!(request(&[list]).err(), Some(400), "{list}");
        }
    }

    #[test]
    fn a_server_accepts_nothing_unless_it_is_switched_on() {
        for deflate in [Deflate::default(), mode(DeflateMode::Off)] {
            assert_eq!(text_for("permessage-deflate", &deflate), None);
        }
    }

    #[test]
    fn without_memory_for_it_no_context_is_taken_over() {
        let (agreed, text) =
            answer_to(&["permessage-deflate"], &mode(DeflateMode::Shared)).unwrap();
        let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
        assert_eq!(text, expected);
        assert!(!agreed.own.takeover && !agreed.peer.takeover);
        // Parked windows are as small as the client can be asked for.
        let parked = mode(DeflateMode::Parked);
        let (agreed, text) =
            answer_to(&["permessage-deflate; client_max_window_bits"], &parked).unwrap();
        assert_eq!(text, "permessage-deflate; client_max_window_bits=12");
        assert_eq!(agreed.peer, direction(true, 12));
        assert_eq!(
            answer_to(&["permessage-deflate"], &parked).unwrap().0.peer,
            direction(true, 15)
        );
    }

    #[test]
    fn a_client_takes_every_legal_answer() {
        for (answer, own, peer) in [
            ("permessage-deflate", (true, 12), (true, 15)),
            ("permessage-deflate; server_no_context_takeover", (true, 12), (false, 15)),
            ("permessage-deflate; client_no_context_takeover", (false, 12), (true, 15)),
            ("permessage-deflate; server_max_window_bits=8", (true, 12), (true, 8)),
            ("permessage-deflate; client_max_window_bits=15", (true, 12), (true, 15)),
            ("permessage-deflate; client_max_window_bits=8", (true, 8), (true, 15)),
            ("permessage-deflate; client_max_window_bits=\"10\"", (true, 10), (true, 15)),
        ] {
            let (agreed, text) = judged(answer, dedicated()).unwrap();
            let agreed = agreed.unwrap();
            assert_eq!(agreed.own, direction(own.0, own.1), "{answer}");
            assert_eq!(agreed.peer, direction(peer.0, peer.1), "{answer}");
            assert_eq!(text, answer.replace('"', ""), "{answer}");
        }
        let (agreed, _) =
            judged("permessage-deflate; server_no_context_takeover", mode(DeflateMode::Shared))
                .unwrap();
        assert_eq!(agreed.unwrap().own, direction(false, 12), "ours to give up");
        assert_eq!(judged("", dedicated()), Ok((None, String::new())));
    }

    #[test]
    fn zip_05_a_client_fails_on_what_is_no_legal_answer() {
        let bad = |text: &str| HandshakeError::Deflate(DeflateError::Parameter(text.to_owned()));
        for name in [SERVER_BITS, CLIENT_BITS] {
            for bits in ["0", "7", "16", "099", "99999999999999999999", "-1"] {
                let answer = format!("permessage-deflate; {name}={bits}");
                let expected = bad(&format!("{name}={bits}"));
                assert_eq!(judged(&answer, dedicated()), Err(expected), "{answer}");
            }
            let answer = format!("permessage-deflate; {name}");
            assert_eq!(judged(&answer, dedicated()), Err(bad(name)), "without a value");
            let answer = format!("permessage-deflate; {name}=9; {name}=9");
            assert_eq!(judged(&answer, dedicated()), Err(bad(&format!("{name}=9"))), "twice");
        }
        for param in ["unknown", "server_no_context_takeover=1"] {
            let answer = format!("permessage-deflate; {param}");
            assert_eq!(judged(&answer, dedicated()), Err(bad(param)));
        }
        for (answer, deflate, error) in [
            (
                "permessage-deflate, permessage-deflate",
                dedicated(),
                HandshakeError::UnsolicitedExtension,
            ),
            ("permessage-deflate, foo", dedicated(), HandshakeError::UnsolicitedExtension),
            ("foo", dedicated(), HandshakeError::UnsolicitedExtension),
            ("permessage-deflate", mode(DeflateMode::Off), HandshakeError::UnsolicitedExtension),
            ("permessage-deflate;", dedicated(), HandshakeError::MalformedExtensions),
            (
                "permessage-deflate",
                mode(DeflateMode::Shared),
                HandshakeError::Deflate(DeflateError::Takeover),
            ),
        ] {
            assert_eq!(judged(answer, deflate), Err(error.clone()), "{answer}");
            assert!(!error.to_string().is_empty());
        }
    }

    /// Any options, off included.
    fn options() -> impl Strategy<Value = Deflate> {
        let modes =
            [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked, DeflateMode::Off];
        (prop::sample::select(modes.to_vec()), 9_u8..=15, prop::option::of(9_u8..=15)).prop_map(
            |(mode, window_bits, peer_window_bits)| Deflate {
                mode,
                window_bits,
                peer_window_bits,
                ..Deflate::default()
            },
        )
    }

    proptest! {
        #[test]
        fn both_sides_agree_on_the_same_terms(client in options(), server in options()) {
            let offered = offers(&client);
            let lists: Vec<_> = offered.as_deref().into_iter().collect();
            let answer = answer_to(&lists, &server);
            let possible = client.mode != DeflateMode::Off && server.mode != DeflateMode::Off;
            prop_assert_eq!(answer.is_some(), possible);
            let Some((theirs, text)) = answer else { return Ok(()) };
            let (ours, shown) = judged(&text, client.clone()).unwrap();
            let ours = ours.unwrap();
            prop_assert_eq!(shown, text);
            // A receiver is ready for at least what the other one sends.
            for (sends, receives) in [(ours.own, theirs.peer), (theirs.own, ours.peer)] {
                prop_assert!(sends.window_bits <= receives.window_bits);
                prop_assert!(receives.takeover || !sends.takeover);
            }
            prop_assert!(ours.own.window_bits <= client.window_bits);
            prop_assert!(theirs.own.window_bits <= server.window_bits);
            if client.mode == DeflateMode::Shared || server.mode == DeflateMode::Shared {
                prop_assert!(!ours.peer.takeover && !theirs.peer.takeover);
            }
        }

        #[test]
        fn no_list_is_too_odd(list in "[ -~]{0,60}", deflate in options()) {
            let _ = request(&[&list]).map(|request| request.deflate(&deflate));
            let _ = judged(&list, deflate);
        }

        #[test]
        fn offers_of_odd_parameters_are_answered_legally_or_not_at_all(
            params in prop::collection::vec(
                (prop::sample::select(vec![SERVER_NO_TAKEOVER, CLIENT_NO_TAKEOVER, SERVER_BITS, CLIENT_BITS, "x"]),
                 prop::option::of(0_u8..20)),
                0..5,
            ),
            deflate in options(),
        ) {
            let params: String = params
                .iter()
                .map(|(name, value)| match value {
                    Some(value) => format!("; {name}={value}"),
                    None => format!("; {name}"),
                })
                .collect();
            if let Some((_, text)) = answer_to(&[&format!("permessage-deflate{params}")], &deflate) {
                let list = [text.as_str()];
                let request = request(&list).unwrap();
                let mut head = Vec::new();
                let answer = Answer { extensions: Some(&text), ..Answer::default() };
                prop_assert!(request.accept(&answer, &mut head).is_ok());
                let client = Deflate { mode: DeflateMode::Dedicated, ..deflate };
                let judged = judged(&text, client);
                prop_assert!(judged.is_ok(), "{judged:?}");
            }
        }
    }
}
