//! The client's half of the opening handshake (RFC 6455 section 4.1).

use super::error::{HandshakeError, RequestError};
use super::extension::{Extension, extensions};
use super::reply::ReplyReader;
use super::{accept_for, base64, deflate, field};
use crate::config::{Deflate, Tuning};
use crate::proto::deflate::Agreed;
use crate::proto::frame::Role;
use crate::proto::head::{HeadReader, Headers, ResponseHead};

/// Most interim (1xx) responses before the final one.
const MAX_INTERIM: u8 = 8;

/// What a client asks for. Everything but the key may come from an application: it is checked.
#[derive(Clone, Copy, Debug)]
pub struct ClientRequest<'a> {
    /// For the field `Host`: with the port unless it is the scheme's default, an IPv6 address in
    /// brackets.
    pub host: &'a str,
    /// Path and query, beginning with `/`, percent-encoded.
    pub target: &'a str,
    /// Subprotocols, the preferred one first.
    pub protocols: &'a [String],
    /// For the field `Origin`, which browsers send and other clients need not.
    pub origin: Option<&'a str>,
    /// More fields, as name and value. `Host` replaces the one from `host`.
    pub headers: &'a [(String, String)],
    /// Sixteen random bytes, new for each attempt.
    pub key: [u8; 16],
}

/// What the server agreed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The subprotocol, empty for none.
    pub protocol: String,
    /// The extensions, as the field `Sec-WebSocket-Extensions` lists them; empty for none.
    pub extensions: String,
    /// The terms of permessage-deflate, if that is among them.
    pub deflate: Option<Agreed>,
    /// The fields of the 101 response.
    pub headers: Headers,
}

/// The wait for the response to a request.
///
/// ```text
/// Head ──1xx──▶ Head (at most eight times)
///  ├──101──▶ Done: opened or failed
///  └──other──▶ Body ──complete──▶ Done: failed with the reply
/// ```
#[derive(Debug)]
pub struct ClientHandshake {
    state: State,
    asked: Asked,
}

/// What a 101 response is held against.
#[derive(Debug)]
struct Asked {
    /// The only right `Sec-WebSocket-Accept`.
    accept: String,
    protocols: Vec<String>,
    deflate: Deflate,
}

#[derive(Debug)]
enum State {
    Head { reader: HeadReader, interim: u8 },
    Body(ReplyReader),
    Done,
}

impl ClientHandshake {
    /// Appends the request to `out` and waits for the response to it.
    ///
    /// # Errors
    ///
    /// An argument that cannot be sent, or must not be. Then nothing was written.
    pub fn start(
        request: &ClientRequest<'_>,
        tuning: &Tuning,
        out: &mut Vec<u8>,
    ) -> Result<Self, RequestError> {
        request.check()?;
        let key = base64(&request.key);
        request.write(&key, deflate::offers(&tuning.deflate), out);
        Ok(Self {
            state: State::Head { reader: HeadReader::new(tuning), interim: 0 },
            asked: Asked {
                accept: accept_for(&key),
                protocols: request.protocols.to_vec(),
                deflate: tuning.deflate.clone(),
            },
        })
    }

    /// Takes what belongs to the handshake from the front of `input`, and says how much that was.
    ///
    /// `Some` ends the handshake, and the rest of `input` belongs to frames. Once it has ended
    /// either way, nothing is used any more.
    ///
    /// # Errors
    ///
    /// The response does not open the connection. One that is not 101 is reported when its body
    /// is complete or fills 64 KiB; [`on_end`](Self::on_end) reports it with what there is.
    pub fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<Accepted>), HandshakeError> {
        let result = self.progress(input);
        if matches!(result, Err(_) | Ok((_, Some(_)))) {
            self.state = State::Done;
        }
        result
    }

    /// The stream ended, or the caller does not want to wait any longer.
    pub fn on_end(&mut self) -> HandshakeError {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Body(body) => HandshakeError::Status(body.into_reply()),
            State::Head { .. } | State::Done => HandshakeError::Ended,
        }
    }

    fn progress(&mut self, input: &[u8]) -> Result<(usize, Option<Accepted>), HandshakeError> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match &mut self.state {
                State::Done => return Ok((used, None)),
                State::Body(body) => {
                    used += body.advance(rest);
                    return if body.is_complete() { Err(self.on_end()) } else { Ok((used, None)) };
                }
                State::Head { reader, interim } => {
                    match rest.first() {
                        Some(first) if reader.is_at_start() && *first != b'H' => {
                            return Err(HandshakeError::NotHttp(*first));
                        }
                        _ => {}
                    }
                    let (taken, head) = reader.advance(rest)?;
                    used += taken;
                    let Some(head) = head else { return Ok((used, None)) };
                    let head = head.response()?;
                    match head.status {
                        101 => {
                            return self.asked.judge(head).map(|accepted| (used, Some(accepted)));
                        }
                        100..=199 if *interim == MAX_INTERIM => {
                            return Err(HandshakeError::TooManyInterim);
                        }
                        100..=199 => *interim += 1,
                        _ => self.state = State::Body(ReplyReader::new(head)),
                    }
                }
            }
        }
    }
}

impl Asked {
    /// Holds a 101 response against RFC 6455 section 4.1 and what was asked for.
    fn judge(&self, head: ResponseHead<'_>) -> Result<Accepted, HandshakeError> {
        let headers = head.headers;
        let single = |name| field::single(&headers, name).ok().flatten();
        if head.is_old {
            return Err(HandshakeError::HttpVersion);
        }
        if !single("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
            return Err(HandshakeError::MissingUpgrade);
        }
        if !field::contains_token(&headers, "connection", "upgrade") {
            return Err(HandshakeError::MissingConnection);
        }
        if single("sec-websocket-accept") != Some(self.accept.as_str()) {
            return Err(HandshakeError::WrongAccept);
        }
        let chosen = extensions(&headers).map_err(|_| HandshakeError::MalformedExtensions)?;
        let deflate = self.chosen_deflate(&chosen)?;
        let extensions = chosen.first().map(deflate::normalised).unwrap_or_default();
        let protocol = self.chosen_protocol(&headers)?.to_owned();
        Ok(Accepted { protocol, extensions, deflate, headers })
    }

    /// The server may choose what we offered, and once.
    fn chosen_deflate(&self, chosen: &[Extension<'_>]) -> Result<Option<Agreed>, HandshakeError> {
        let offered = self.deflate.mode_for(Role::Client).is_some();
        match chosen {
            [] => Ok(None),
            [answer] if offered && deflate::is_deflate(answer) => {
                let agreed = deflate::judge(answer, &self.deflate);
                agreed.map(Some).map_err(HandshakeError::Deflate)
            }
            _ => Err(HandshakeError::UnsolicitedExtension),
        }
    }

    /// The subprotocol is one of ours, byte for byte, and there is one if we asked for any.
    fn chosen_protocol<'a>(&self, headers: &'a Headers) -> Result<&'a str, HandshakeError> {
        match field::single(headers, "sec-websocket-protocol") {
            Ok(None) if self.protocols.is_empty() => Ok(""),
            Ok(None) => Err(HandshakeError::MissingProtocol),
            Ok(Some(_)) | Err(_) if self.protocols.is_empty() => {
                Err(HandshakeError::UnsolicitedProtocol)
            }
            Err(_) => Err(HandshakeError::AmbiguousProtocol),
            Ok(Some(chosen)) if chosen.contains(',') => Err(HandshakeError::AmbiguousProtocol),
            Ok(Some(chosen)) if self.protocols.iter().any(|own| own == chosen) => Ok(chosen),
            Ok(Some(_)) => Err(HandshakeError::UnsolicitedProtocol),
        }
    }
}

/// Checks subprotocols as either side lists them (RFC 6455 section 4.1).
///
/// # Errors
///
/// One is not a token, or listed twice.
pub fn check_protocols(protocols: &[String]) -> Result<(), RequestError> {
    for (index, protocol) in protocols.iter().enumerate() {
        if !field::is_token(protocol) {
            return Err(RequestError::Protocol(protocol.clone()));
        }
        if protocols.iter().take(index).any(|other| other.eq_ignore_ascii_case(protocol)) {
            return Err(RequestError::ProtocolRepeated(protocol.clone()));
        }
    }
    Ok(())
}

impl ClientRequest<'_> {
    fn check(&self) -> Result<(), RequestError> {
        if !field::is_visible(self.host) {
            return Err(RequestError::Host);
        }
        if !self.target.starts_with('/')
            || !field::is_visible(self.target)
            || self.target.contains('#')
        {
            return Err(RequestError::Target);
        }
        if self.origin.is_some_and(|origin| !field::is_visible(origin)) {
            return Err(RequestError::Origin);
        }
        check_protocols(self.protocols)?;
        self.check_headers()
    }

    fn check_headers(&self) -> Result<(), RequestError> {
        let mut hosts = 0;
        let mut origins = usize::from(self.origin.is_some());
        for (name, value) in self.headers {
            field::check(name, value)?;
            if name.eq_ignore_ascii_case("host") {
                hosts += 1;
                if !field::is_visible(value) {
                    return Err(RequestError::Host);
                }
            }
            origins += usize::from(name.eq_ignore_ascii_case("origin"));
            if hosts > 1 || origins > 1 {
                return Err(RequestError::HeaderRepeated(name.clone()));
            }
        }
        Ok(())
    }

    fn write(&self, key: &str, extensions: Option<String>, out: &mut Vec<u8>) {
        let is_host = |name: &str| name.eq_ignore_ascii_case("host");
        let host = self.headers.iter().find(|(name, _)| is_host(name));
        for part in ["GET ", self.target, " HTTP/1.1\r\n"] {
            out.extend_from_slice(part.as_bytes());
        }
        field::write(out, "Host", host.map_or(self.host, |(_, value)| value));
        // In exactly this case: some servers compare with it.
        field::write(out, "Upgrade", "websocket");
        field::write(out, "Connection", "Upgrade");
        field::write(out, "Sec-WebSocket-Key", key);
        field::write(out, "Sec-WebSocket-Version", "13");
        if let Some(extensions) = extensions {
            field::write(out, "Sec-WebSocket-Extensions", &extensions);
        }
        if let Some(origin) = self.origin {
            field::write(out, "Origin", origin);
        }
        if !self.protocols.is_empty() {
            field::write(out, "Sec-WebSocket-Protocol", &self.protocols.join(", "));
        }
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_host(name)) {
            field::write(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::handshake::HttpReply;

    const KEY: [u8; 16] = *b"the sample nonce";
    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    const REQUEST: ClientRequest<'_> = ClientRequest {
        host: "example.com",
        target: "/chat?a=b",
        protocols: &[],
        origin: None,
        headers: &[],
        key: KEY,
    };

    fn start(protocols: &[&str], tuning: &Tuning) -> ClientHandshake {
        let protocols: Vec<_> = protocols.iter().map(|name| (*name).to_owned()).collect();
        let request = ClientRequest { protocols: &protocols, ..REQUEST };
        ClientHandshake::start(&request, tuning, &mut Vec::new()).unwrap()
    }

    /// Feeds pieces and then the end of the stream. The number is of all bytes that were used.
    fn feed(
        mut handshake: ClientHandshake,
        pieces: &[&[u8]],
    ) -> Result<(usize, Accepted), HandshakeError> {
        let mut total = 0;
        for piece in pieces {
            let (used, accepted) = handshake.advance(piece)?;
            total += used;
            if let Some(accepted) = accepted {
                assert_eq!(handshake.advance(b"more"), Ok((0, None)));
                return Ok((total, accepted));
            }
            assert_eq!(used, piece.len());
        }
        Err(handshake.on_end())
    }

    fn answer(protocols: &[&str], response: &[u8]) -> Result<Accepted, HandshakeError> {
        feed(start(protocols, &Tuning::default()), &[response]).map(|(_, accepted)| accepted)
    }

    /// The good response with one part replaced.
    fn edited(from: &str, to: &str) -> String {
        let (before, after) = GOOD.split_once(from).expect("the part is there");
        [before, to, after].concat()
    }

    #[test]
    fn the_request_is_what_the_rfc_shows() {
        let mut out = b"before".to_vec();
        ClientHandshake::start(&REQUEST, &Tuning::default(), &mut out).unwrap();
        let text = "beforeGET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn the_request_has_what_the_application_asks_for() {
        let request = ClientRequest {
            protocols: &["b".into(), "A".into()],
            origin: Some("http://h"),
            headers: &[
                ("X".into(), "1".into()),
                ("host".into(), "o.net".into()),
                ("x".into(), "".into()),
            ],
            ..REQUEST
        };
        let mut out = Vec::new();
        ClientHandshake::start(&request, &Tuning::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("GET /chat?a=b HTTP/1.1\r\nHost: o.net\r\nUpgrade"), "{text}");
        let end = "Origin: http://h\r\nSec-WebSocket-Protocol: b, A\r\nX: 1\r\nx: \r\n\r\n";
        assert!(text.ends_with(end), "{text}");
        assert!(!text.contains("example.com"), "{text}");
    }

    #[test]
    fn a_request_that_cannot_be_sent_is_refused_and_nothing_is_written() {
        let refused = |request: ClientRequest<'_>| {
            let mut out = Vec::new();
            let error = ClientHandshake::start(&request, &Tuning::default(), &mut out).unwrap_err();
            assert_eq!(out, b"");
            error
        };
        for bad in ["", "a b", "a\r\nX: y", "a\0", "a\x7f", "caf\u{e9}", "a\t"] {
            assert_eq!(refused(ClientRequest { host: bad, ..REQUEST }), RequestError::Host);
            assert_eq!(
                refused(ClientRequest { origin: Some(bad), ..REQUEST }),
                RequestError::Origin
            );
            let headers = [("Host".to_owned(), bad.to_owned())];
            let error = refused(ClientRequest { headers: &headers, ..REQUEST });
            assert!(matches!(error, RequestError::Host | RequestError::HeaderValue(_)), "{bad:?}");
        }
        for target in
            ["", "a", "*", "http://a/", "/a b", "/a\r\n", "/\n", "/\0", "/#", "/a#b", "/\u{e9}"]
        {
            assert_eq!(refused(ClientRequest { target, ..REQUEST }), RequestError::Target);
        }
        for bad in ["", "a b", "a,b", "/echo", "a\r\nb", "a\0", "\x7f", "\u{e9}", "a\"", "{", "a=b"]
        {
            let error = refused(ClientRequest { protocols: &["ok".into(), bad.into()], ..REQUEST });
            assert_eq!(error, RequestError::Protocol(bad.into()));
        }
        let error = refused(ClientRequest {
            protocols: &["echo".into(), "x".into(), "eCho".into()],
            ..REQUEST
        });
        assert_eq!(error.to_string(), "subprotocol \"eCho\" is listed twice");
    }

    #[test]
    fn headers_that_cannot_be_sent_are_named() {
        let refused = |headers: &[(&str, &str)]| {
            let headers: Vec<_> =
                headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let request = ClientRequest { headers: &headers, origin: Some("http://h"), ..REQUEST };
            let mut out = Vec::new();
            let error = ClientHandshake::start(&request, &Tuning::default(), &mut out).unwrap_err();
            assert_eq!(out, b"");
            error.to_string()
        };
        for name in ["", "a b", "a:", "a\r\nX", "\0", "\u{e9}"] {
            assert_eq!(refused(&[(name, "x")]), format!("header name {name:?} is not a token"));
        }
        for value in ["\r\nEvil: x", "a\rb", "a\nb", "\0", "\x7f", "\x1b", "caf\u{e9}"] {
            assert_eq!(
                refused(&[("X-A", value)]),
                "value of header \"X-A\" may only have printable ASCII"
            );
        }
        for name in [
            "upgrade",
            "Connection",
            "Sec-WebSocket-Key",
            "sec-websocket-protocol",
            "SEC-WEBSOCKET-ACCEPT",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Extensions",
            "Content-Length",
            "transfer-encoding",
        ] {
            assert_eq!(
                refused(&[(name, "x")]),
                format!("header {name:?} is set by the handshake itself")
            );
        }
        assert_eq!(refused(&[("Host", "a"), ("host", "a")]), "header \"host\" is given twice");
        assert_eq!(refused(&[("origin", "a")]), "header \"origin\" is given twice");
    }

    #[test]
    fn a_good_response_opens_at_every_cut() {
        let glued = [GOOD.as_bytes(), b"\x81\x02hi"].concat();
        for cut in 0..=glued.len() {
            let (before, after) = glued.split_at(cut);
            let (used, accepted) = feed(start(&[], &Tuning::default()), &[before, after]).unwrap();
            assert_eq!(used, GOOD.len(), "cut at {cut}");
            assert_eq!((accepted.protocol.as_str(), accepted.headers.len()), ("", 3));
        }
    }

    #[test]
    fn unusual_but_legal_responses_open() {
        for (from, to) in [
            ("Upgrade: websocket", "UPGRADE: WebSocket"),
            ("Connection: Upgrade", "connection:keep-alive , upgrade"),
            ("Connection: Upgrade", "Connection: keep-alive\r\nConnection: upgrade"),
            ("+xOo=", "+xOo= \t"),
            ("Switching Protocols", "Web Socket Protocol Handshake"),
            (" Switching Protocols", ""),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: \r\n\r\n"),
            ("\r\n\r\n", "\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n"),
        ] {
            assert!(answer(&[], edited(from, to).as_bytes()).is_ok(), "{to:?}");
        }
    }

    #[test]
    fn a_response_that_does_not_answer_our_request_fails() {
        use crate::proto::head::Malformed::{
            BareLineFeed, ControlCharacter, FieldName, FirstLine, FoldedLine,
        };
        use HandshakeError::{
            Ended, HttpVersion, Malformed, MissingConnection, MissingUpgrade, NotHttp,
            UnsolicitedExtension, UnsolicitedProtocol, WrongAccept,
        };
        let other = "Sec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=";
        let double = format!("{ACCEPT}\r\n{ACCEPT}");
        let list = format!("{ACCEPT}, x");
        let table = [
            ("HTTP/1.1", "HTTP/1.0", HttpVersion),
            ("HTTP/1.1", "HTTP/2.0", HttpVersion),
            ("HTTP/1.1", "http/1.1", NotHttp(b'h')),
            ("HTTP/1.1", " HTTP/1.1", NotHttp(b' ')),
            ("HTTP/1.1", "\r\nHTTP/1.1", NotHttp(b'\r')),
            ("HTTP/1.1", "SSH-2.0", NotHttp(b'S')),
            ("HTTP/1.1", "\x15\x03\x01", NotHttp(0x15)),
            ("HTTP/1.1 ", "HTTP/1.1", Malformed(FirstLine)),
            ("HTTP/1.1 101", "HTTP/1.1 1010", Malformed(FirstLine)),
            ("HTTP/1.1 101", "HTTP/1.1 10", Malformed(FirstLine)),
            ("HTTP/1.1", "HTTP", Malformed(FirstLine)),
            ("\r\nUpgrade", "\nUpgrade", Malformed(BareLineFeed)),
            ("\r\nUpgrade", "\r\n Upgrade", Malformed(FoldedLine)),
            ("Upgrade:", "Upgrade :", Malformed(FieldName)),
            ("Upgrade: ", "Upgrade: \0", Malformed(ControlCharacter(0))),
            ("Upgrade: websocket\r\n", "", MissingUpgrade),
            ("Upgrade: websocket", "Upgrade: h2c", MissingUpgrade),
            ("Upgrade: websocket", "Upgrade: websocket, h2c", MissingUpgrade),
            ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c", MissingUpgrade),
            ("Upgrade: websocket", "Upgrade: websocket\u{85}", MissingUpgrade),
            ("Connection: Upgrade\r\n", "", MissingConnection),
            ("Connection: Upgrade", "Connection: close", MissingConnection),
            ("Connection: Upgrade", "Connection: Upgrade2", MissingConnection),
            (ACCEPT, "X: y", WrongAccept),
            (ACCEPT, "Sec-WebSocket-Accept:", WrongAccept),
            (ACCEPT, "Sec-WebSocket-Accept: s3pplmbitxaq9kygzzhzrbk+xoo=", WrongAccept),
            (ACCEPT, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo", WrongAccept),
            (ACCEPT, other, WrongAccept),
            (ACCEPT, double.as_str(), WrongAccept),
            (ACCEPT, list.as_str(), WrongAccept),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: x-webkit-deflate-frame\r\n\r\n",
                UnsolicitedExtension,
            ),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: ,x\r\n\r\n", UnsolicitedExtension),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n", UnsolicitedProtocol),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", UnsolicitedProtocol),
            ("\r\n\r\n", "\r\n", Ended),
            (GOOD, "", Ended),
        ];
        for (from, to, error) in table {
            let response = edited(from, to);
            assert_eq!(answer(&[], response.as_bytes()), Err(error.clone()), "{to:?}");
            let single: Vec<_> = response.as_bytes().chunks(1).collect();
            assert_eq!(feed(start(&[], &Tuning::default()), &single), Err(error), "{to:?}");
        }
    }

    #[test]
    fn the_subprotocol_is_one_of_ours() {
        use HandshakeError::{AmbiguousProtocol, MissingProtocol, UnsolicitedProtocol};
        let table = [
            ("Sec-WebSocket-Protocol: chat", Ok("chat")),
            ("sec-websocket-protocol:\tsuperchat ", Ok("superchat")),
            ("X: y", Err(MissingProtocol)),
            ("Sec-WebSocket-Protocol: Chat", Err(UnsolicitedProtocol)),
            ("Sec-WebSocket-Protocol: other", Err(UnsolicitedProtocol)),
            ("Sec-WebSocket-Protocol:", Err(UnsolicitedProtocol)),
            ("Sec-WebSocket-Protocol: chat, superchat", Err(AmbiguousProtocol)),
            ("Sec-WebSocket-Protocol: chat,", Err(AmbiguousProtocol)),
            (
                "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat",
                Err(AmbiguousProtocol),
            ),
        ];
        for (field, expected) in table {
            let response = edited("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"));
            let result = answer(&["superchat", "chat"], response.as_bytes());
            assert_eq!(
                result.map(|accepted| accepted.protocol),
                expected.map(str::to_owned),
                "{field:?}"
            );
        }
    }

    #[test]
    fn up_to_eight_interim_responses_are_skipped() {
        for (count, expected) in [(0, None), (8, None), (9, Some(HandshakeError::TooManyInterim))] {
            let interim =
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100\r\n\r\n".repeat(5);
            let heads: String = interim.split_inclusive("\r\n\r\n").take(count).collect();
            let response = heads + GOOD;
            for step in [1, 10, 10_000] {
                let pieces: Vec<_> = response.as_bytes().chunks(step).collect();
                let result = feed(start(&[], &Tuning::default()), &pieces);
                assert_eq!(result.err(), expected, "{count} in steps of {step}");
            }
        }
    }

    #[test]
    fn another_status_is_reported_with_its_body() {
        for status in [200, 204, 301, 302, 304, 400, 401, 403, 404, 407, 426, 429, 500, 503, 999] {
            let body = if matches!(status, 204 | 304) { "" } else { "because" };
            let length = body.len();
            let response =
                format!("HTTP/1.0 {status} A b\r\nX: y\r\nContent-Length: {length}\r\n\r\n{body}");
            for cut in 0..response.len() {
                let (before, after) = response.as_bytes().split_at(cut);
                let error = feed(start(&[], &Tuning::default()), &[before, after]).unwrap_err();
                assert_eq!(error.to_string(), format!("the server answered {status} A b"));
                let HandshakeError::Status(reply) = error else { panic!("{error}") };
                let HttpReply { status: code, reason, headers, body: kept } = *reply;
                assert_eq!((code, reason.as_str(), headers.get("x")), (status, "A b", Some("y")));
                assert_eq!(kept, body.as_bytes(), "{status} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_reply_is_reported_as_soon_as_its_body_is_complete() {
        let mut handshake = start(&[], &Tuning::default());
        let head = b"HTTP/1.1 404 \r\nContent-Length: 2\r\n\r\n";
        assert_eq!(handshake.advance(head), Ok((head.len(), None)));
        assert_eq!(handshake.advance(b"n"), Ok((1, None)));
        let error = handshake.advance(b"oHTTP/1.1 200 OK\r\n").unwrap_err();
        assert_eq!(error.to_string(), "the server answered 404");
        assert_eq!(handshake.advance(GOOD.as_bytes()), Ok((0, None)));
        assert_eq!(handshake.on_end(), HandshakeError::Ended);
    }

    #[test]
    fn a_stream_that_ends_reports_what_came_of_the_body() {
        let response = b"HTTP/1.1 403 No\r\n\r\nwhat there is";
        let Err(HandshakeError::Status(reply)) = answer(&[], response) else { panic!() };
        assert_eq!((reply.status, reply.body.as_slice()), (403, b"what there is".as_slice()));
    }

    #[test]
    fn endless_heads_are_cut() {
        let endless = |field: &str| {
            let response = edited("\r\n\r\n", &format!("\r\n{}", field.repeat(20_000)));
            answer(&[], response.as_bytes()).unwrap_err()
        };
        assert_eq!(endless("a"), HandshakeError::HeadTooLarge);
        assert_eq!(endless("a:b\r\n"), HandshakeError::TooManyFields);
        let line = format!("HTTP/1.1 101 {}", "a".repeat(20_000));
        assert_eq!(answer(&[], line.as_bytes()), Err(HandshakeError::HeadTooLarge));
    }

    proptest! {
        #[test]
        fn any_bytes_give_one_answer_however_they_are_cut(
            refused in any::<bool>(),
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3, any::<u8>()), 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
            noise in proptest::option::weighted(0.2, proptest::collection::vec(any::<u8>(), 0..80)),
        ) {
            let chunked = "HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            let base = if refused { chunked } else { GOOD };
            let mut bytes = noise.unwrap_or_else(|| base.into());
            for (at, remove, byte) in edits {
                let at = at.index(bytes.len() + 1);
                let end = (at + remove).min(bytes.len());
                bytes.splice(at..end, [byte]);
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let tuning = Tuning { max_head: 200, max_fields: 4, ..Tuning::default() };
            let whole = feed(start(&[], &tuning), &[&bytes]);
            prop_assert_eq!(feed(start(&[], &tuning), &pieces), whole);
        }
    }
}
