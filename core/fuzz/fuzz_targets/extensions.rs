//! Any list of extensions, offered or answered: it is refused or leads to terms that both ends can
//! keep, and the text of an answer means the same to the client.
//!
//! The input is a byte for the client's options, one for the server's, and the list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::proto::deflate::{Agreed, Direction};
use tightwire::proto::handshake::{ClientHandshake, ClientRequest, ServerHandshake};
use tightwire::{Deflate, DeflateMode, Tuning};

fuzz_target!(|input: &[u8]| {
    let [client, server, list @ ..] = input else { return };
    let Ok(list) = std::str::from_utf8(list) else { return };
    let (client, server) = (options(*client), options(*server));
    if let Ok(agreed) = judge(list, &client) {
        check(agreed, &client);
    }
    if let Some((theirs, text)) = respond(list, &server) {
        check(Some(theirs), &server);
        // Whoever made such an offer in mode `Dedicated` takes the answer; others may insist on more.
        let dedicated = Deflate { mode: DeflateMode::Dedicated, ..client };
        let ours = judge(&text, &dedicated).expect("a legal answer").expect("terms");
        assert!(theirs.own.window_bits <= ours.peer.window_bits, "{text}");
        assert!(ours.peer.takeover || !theirs.own.takeover, "{text}");
        assert!(ours.own.window_bits <= theirs.peer.window_bits, "{text}");
        assert!(theirs.peer.takeover || !ours.own.takeover, "{text}");
    }
});

fn options(byte: u8) -> Deflate {
    let modes =
        [DeflateMode::Auto, DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];
    Deflate {
        mode: modes[usize::from(byte & 3)],
        window_bits: 9 + (byte >> 2 & 7).min(6),
        peer_window_bits: Some(byte >> 5).filter(|bits| *bits > 0).map(|bits| 8 + bits),
        ..Deflate::default()
    }
}

fn check(agreed: Option<Agreed>, options: &Deflate) {
    let Some(Agreed { own, peer }) = agreed else { return };
    let legal = |direction: Direction| (8..=15).contains(&direction.window_bits);
    assert!(legal(own) && legal(peer) && own.window_bits <= options.window_bits);
    if options.mode == DeflateMode::Shared {
        assert!(!own.takeover && !peer.takeover, "no memory for a context");
    }
}

/// What a client makes of the list as an answer.
fn judge(list: &str, deflate: &Deflate) -> Result<Option<Agreed>, ()> {
    let tuning = Tuning { deflate: deflate.clone(), ..Tuning::default() };
    let request = ClientRequest {
        host: "h",
        target: "/",
        protocols: &[],
        origin: None,
        headers: &[],
        key: *b"the sample nonce",
    };
    let mut handshake = ClientHandshake::start(&request, &tuning, &mut Vec::new()).expect("legal");
    let head = format!(
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Extensions: {list}\r\n\r\n"
    );
    match handshake.advance(head.as_bytes()) {
        Ok((_, Some(accepted))) => {
            assert_eq!(accepted.deflate.is_some(), !accepted.extensions.is_empty());
            Ok(accepted.deflate)
        }
        _ => Err(()),
    }
}

/// What a server answers to the list as an offer.
fn respond(list: &str, deflate: &Deflate) -> Option<(Agreed, String)> {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Extensions: {list}\r\n\r\n"
    );
    let mut handshake = ServerHandshake::new(&Tuning::default());
    handshake.advance(head.as_bytes()).ok()?.1?.deflate(deflate)
}
