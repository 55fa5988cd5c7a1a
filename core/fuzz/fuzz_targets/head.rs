//! Any bytes, cut anywhere, give the handshake of both roles the same result as uncut.
//!
//! The input is a byte whose lowest bit asks for subprotocols, three lengths of pieces, and the
//! bytes of the peer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tightwire::Tuning;
use tightwire::proto::handshake::{
    Accepted, Answer, ClientHandshake, ClientRequest, HandshakeError, Refusal, Request,
    ServerHandshake, is_loopback_host, origin_allowed,
};

fuzz_target!(|input: &[u8]| {
    let [flags, first, second, third, bytes @ ..] = input else { return };
    let tuning = Tuning { max_head: 1024, max_fields: 16, ..Tuning::default() };
    let whole = server(&tuning, &[bytes]);
    let pieces = cut(bytes, [*first, *second, *third]);
    assert_eq!(server(&tuning, &pieces), whole);
    match &whole {
        Ok((used, Some(request))) => judge(request, *used),
        Ok((used, None)) => assert_eq!(*used, bytes.len()),
        Err(refusal) => assert_eq!(refusal.check(), Ok(())),
    }
    let protocols =
        if flags & 1 == 1 { vec!["chat".to_owned(), "v2".to_owned()] } else { Vec::new() };
    let whole = client(&tuning, &protocols, &[bytes]);
    assert_eq!(client(&tuning, &protocols, &pieces), whole);
});

/// Cuts `bytes` into pieces whose lengths are `steps`, and the rest.
fn cut(bytes: &[u8], steps: [u8; 3]) -> Vec<&[u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for step in steps {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(step)));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn server(tuning: &Tuning, pieces: &[&[u8]]) -> Result<(usize, Option<Request>), Refusal> {
    let mut handshake = ServerHandshake::new(tuning);
    let mut total = 0;
    for piece in pieces {
        let (used, request) = handshake.advance(piece)?;
        total += used;
        if request.is_some() {
            return Ok((total, request));
        }
    }
    Ok((total, None))
}

fn client(
    tuning: &Tuning,
    protocols: &[String],
    pieces: &[&[u8]],
) -> Result<(usize, Accepted), HandshakeError> {
    let request = ClientRequest {
        host: "example.com",
        target: "/",
        protocols,
        origin: None,
        headers: &[],
        key: *b"the sample nonce",
    };
    let mut out = Vec::new();
    let mut handshake =
        ClientHandshake::start(&request, tuning, &mut out).expect("the request can be sent");
    let mut total = 0;
    for piece in pieces {
        let (used, accepted) = handshake.advance(piece)?;
        total += used;
        if let Some(accepted) = accepted {
            return Ok((total, accepted));
        }
    }
    Err(handshake.on_end())
}

/// Whatever a client offers can be accepted, and a request never gets out of its own bytes.
fn judge(request: &Request, used: usize) {
    assert!(request.target().starts_with('/') && request.target().len() < used);
    let _ = is_loopback_host(request.host());
    let _ = origin_allowed(request.origin().unwrap_or_default(), request.host(), &[]);
    for protocol in request.protocols() {
        let mut out = Vec::new();
        request
            .accept(&Answer { protocol: Some(protocol), ..Answer::default() }, &mut out)
            .expect("it was offered");
        assert!(out.ends_with(b"\r\n\r\n"));
    }
}
