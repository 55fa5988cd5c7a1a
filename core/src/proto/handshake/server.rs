//! The server's half of the opening handshake (RFC 6455 section 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::RequestError;
use super::extension::extensions;
use super::{accept_for, deflate, field, origin};
use crate::config::{Deflate, Tuning};
use crate::proto::deflate::Agreed;
use crate::proto::head::{Head, HeadError, HeadReader, Headers};

/// The wait for a client's request.
#[derive(Debug)]
pub struct ServerHandshake {
    /// `None` once the request was read or refused.
    reader: Option<HeadReader>,
}

impl ServerHandshake {
    /// A handshake of which nothing has come.
    #[must_use]
    pub fn new(tuning: &Tuning) -> Self {
        Self { reader: Some(HeadReader::new(tuning)) }
    }

    /// Takes what belongs to the request from the front of `input`, and says how much that was.
    ///
    /// `Some` ends the handshake: accept the request or write a [`Refusal`]. The rest of `input`
    /// belongs to frames if it is accepted and is to be discarded otherwise. Once the handshake
    /// has ended either way, nothing is used any more.
    ///
    /// # Errors
    ///
    /// The answer to a request that is malformed or does not ask for a WebSocket: write it, then
    /// end the stream.
    pub fn advance(&mut self, input: &[u8]) -> Result<(usize, Option<Request>), Refusal> {
        let Some(reader) = &mut self.reader else { return Ok((0, None)) };
        let result = match reader.advance(input) {
            Ok((used, None)) => return Ok((used, None)),
            Ok((used, Some(head))) => Request::read(head).map(|request| (used, Some(request))),
            Err(error) => Err(error.into()),
        };
        self.reader = None;
        result
    }
}

/// What a 101 response says besides that it is one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The subprotocol, one of those that the client offers.
    pub protocol: Option<&'a str>,
    /// The field `Sec-WebSocket-Extensions`, from [`Request::deflate`].
    pub extensions: Option<&'a str>,
    /// More fields, as name and value.
    pub headers: &'a [(String, String)],
}

/// A request for a WebSocket that keeps every rule of RFC 6455 section 4.2.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    target: String,
    headers: Headers,
    /// The answer to its key.
    accept: String,
}

impl Request {
    /// The method, which is always `GET`.
    #[must_use]
    pub fn method(&self) -> &str {
        "GET"
    }

    /// Path and query as they came: neither decoded nor normalised.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The field `Host`: a name or an address, perhaps with a port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.headers.get("host").unwrap_or_default()
    }

    /// The field `Origin`. Browsers always send it, other clients rarely.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.headers.get("origin")
    }

    /// All header fields.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The subprotocols that the client offers, the preferred one first.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.headers
            .get_all("sec-websocket-protocol")
            .flat_map(field::elements)
            .filter(|protocol| field::is_token(protocol))
    }

    /// The terms of permessage-deflate that we answer the client's offers with, and that answer for
    /// [`Answer::extensions`] (RFC 7692 section 5.1); `None` if there is no compression.
    #[must_use]
    pub fn deflate(&self, deflate: &Deflate) -> Option<(Agreed, String)> {
        // A list that does not follow the grammar was refused when the request was read.
        deflate::respond(&extensions(&self.headers).ok()?, deflate)
    }

    /// Appends the 101 response to `out`. From there on the stream carries frames.
    ///
    /// # Errors
    ///
    /// A subprotocol that the client did not offer, or a header that cannot be sent. Then nothing
    /// was written.
    pub fn accept(&self, answer: &Answer<'_>, out: &mut Vec<u8>) -> Result<(), RequestError> {
        let Answer { protocol, extensions, headers } = *answer;
        if let Some(chosen) = protocol {
            if !self.protocols().any(|offered| offered == chosen) {
                return Err(RequestError::ProtocolNotOffered(chosen.to_owned()));
            }
        }
        for (name, value) in headers {
            field::check(name, value)?;
        }
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
        );
        field::write(out, "Sec-WebSocket-Accept", &self.accept);
        if let Some(chosen) = protocol {
            field::write(out, "Sec-WebSocket-Protocol", chosen);
        }
        if let Some(extensions) = extensions {
            field::write(out, "Sec-WebSocket-Extensions", extensions);
        }
        for (name, value) in headers {
            field::write(out, name, value);
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn read(head: Head<'_>) -> Result<Self, Refusal> {
        let head = head.request()?;
        if head.is_old {
            return Err(HeadError::Version.into());
        }
        if head.method != "GET" {
            return Err(Refusal::new(405, "a WebSocket is opened with GET"));
        }
        if !head.target.starts_with('/')
            || !field::is_visible(head.target)
            || head.target.contains('#')
        {
            return Err(Refusal::new(400, "the request target must be a path in visible ASCII"));
        }
        check_message(&head.headers)?;
        if extensions(&head.headers).is_err() {
            let cause = "Sec-WebSocket-Extensions is not a list of extensions";
            return Err(Refusal::new(400, cause));
        }
        let key = check_upgrade(&head.headers)?;
        Ok(Self { target: head.target.to_owned(), accept: accept_for(key), headers: head.headers })
    }
}

/// What HTTP itself asks of the fields: RFC 9112 sections 3.2 and 6.
fn check_message(headers: &Headers) -> Result<(), Refusal> {
    match field::single(headers, "host") {
        Ok(Some(host)) if origin::is_authority(host) => {}
        Ok(Some(_)) => return Err(Refusal::new(400, "Host is not a host with an optional port")),
        Ok(None) => return Err(Refusal::new(400, "Host is missing")),
        Err(_) => return Err(Refusal::new(400, "Host is given more than once")),
    }
    // Servers and proxies disagree on where such a request ends: its body must never be taken
    // for frames, nor frames for the next request.
    let has_length = headers.get_all("content-length").any(|value| value != "0");
    if has_length || headers.get("transfer-encoding").is_some() {
        return Err(Refusal::new(400, "the request has a body"));
    }
    // A proxy in front of us may have judged another one than we would.
    field::single(headers, "origin")
        .map_err(|_| Refusal::new(400, "Origin is given more than once"))?;
    Ok(())
}

/// What RFC 6455 section 4.2.1 asks of the fields. Yields the key.
fn check_upgrade(headers: &Headers) -> Result<&str, Refusal> {
    if !field::contains_token(headers, "upgrade", "websocket") {
        return Err(Refusal::new(426, "this is a WebSocket server: Upgrade must list websocket"));
    }
    if !field::contains_token(headers, "connection", "upgrade") {
        return Err(Refusal::new(400, "Connection must list Upgrade"));
    }
    match field::single(headers, "sec-websocket-version") {
        Ok(Some("13")) => {}
        Ok(_) => return Err(Refusal::new(426, "Sec-WebSocket-Version must be 13")),
        Err(_) => return Err(Refusal::new(400, "Sec-WebSocket-Version is given more than once")),
    }
    match field::single(headers, "sec-websocket-key") {
        Ok(Some(key)) if is_key(key) => Ok(key),
        Ok(Some(_)) => Err(Refusal::new(400, "Sec-WebSocket-Key is not 16 bytes in base64")),
        Ok(None) => Err(Refusal::new(400, "Sec-WebSocket-Key is missing")),
        Err(_) => Err(Refusal::new(400, "Sec-WebSocket-Key is given more than once")),
    }
}

fn is_key(key: &str) -> bool {
    // The decoder wants room for the padding, too.
    key.len() == 24 && STANDARD.decode_slice(key, &mut [0; 18]) == Ok(16)
}

/// An HTTP response other than 101, after which the stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, 200 to 599.
    pub status: u16,
    /// The reason for people, as text.
    pub body: String,
    /// More fields, as name and value.
    pub headers: Vec<(String, String)>,
}

impl Refusal {
    /// A refusal without more fields than it needs.
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), headers: Vec::new() }
    }

    /// Whether it can be written as it is.
    ///
    /// # Errors
    ///
    /// A status that is no final one, or a header that cannot be sent.
    pub fn check(&self) -> Result<(), RequestError> {
        if !is_final(self.status) {
            return Err(RequestError::Status(self.status));
        }
        self.headers.iter().try_for_each(|(name, value)| field::check(name, value))
    }

    /// Appends the response to `out`.
    ///
    /// What does not pass [`check`](Self::check) is never sent: such a header is left out, such a
    /// status becomes 500.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status = if is_final(self.status) { self.status } else { 500 };
        let has_type =
            self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason(status)).as_bytes());
        match status {
            405 => field::write(out, "Allow", "GET"),
            426 => {
                field::write(out, "Upgrade", "websocket");
                field::write(out, "Sec-WebSocket-Version", "13");
            }
            _ => {}
        }
        // Whoever sends Upgrade lists it here (RFC 9110 section 7.8).
        field::write(out, "Connection", if status == 426 { "close, Upgrade" } else { "close" });
        for (name, value) in &self.headers {
            if field::check(name, value).is_ok() {
                field::write(out, name, value);
            }
        }
        if matches!(status, 204 | 304) {
            // These have no body (RFC 9112 section 6.3).
            out.extend_from_slice(b"\r\n");
            return;
        }
        if !has_type {
            field::write(out, "Content-Type", "text/plain; charset=utf-8");
        }
        field::write(out, "Content-Length", &self.body.len().to_string());
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(self.body.as_bytes());
    }
}

impl From<HeadError> for Refusal {
    fn from(error: HeadError) -> Self {
        let status = match error {
            HeadError::FirstLineTooLong => 414,
            HeadError::Malformed(_) => 400,
            HeadError::TooLarge | HeadError::TooManyFields => 431,
            HeadError::Version => 505,
        };
        Self::new(status, error.to_string())
    }
}

fn is_final(status: u16) -> bool {
    (200..=599).contains(&status)
}

/// The reason phrase (RFC 9110 section 15). It may be empty.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "GET /chat?a=b HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
        Connection: keep-alive, Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\nOrigin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, superchat\r\n\r\n";

    type Outcome = Result<(usize, Option<Request>), Refusal>;

    /// Feeds pieces until the handshake ends. The number is of all bytes that were used.
    #[expect(single_use_lifetimes, reason = "elided lifetimes in `impl Trait` are not stable")]
    fn feed<'a>(tuning: &Tuning, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut handshake = ServerHandshake::new(tuning);
        let mut total = 0;
        for piece in pieces {
            let (used, request) = handshake.advance(piece)?;
            total += used;
            if request.is_some() {
                assert_eq!(handshake.advance(GOOD.as_bytes()), Ok((0, None)));
                return Ok((total, request));
            }
            assert_eq!(used, piece.len());
        }
        Ok((total, None))
    }

    fn answer(request: &[u8]) -> Outcome {
        feed(&Tuning::default(), [request])
    }

    /// The good request with one part replaced.
    fn edited(from: &str, to: &[u8]) -> Vec<u8> {
        let (before, after) = GOOD.split_once(from).expect("the part is there");
        [before.as_bytes(), to, after.as_bytes()].concat()
    }

    #[test]
    fn a_good_request_is_understood_at_every_cut() {
        let glued = [GOOD.as_bytes(), b"\x81\x80abcd"].concat();
        for cut in 0..=glued.len() {
            let (before, after) = glued.split_at(cut);
            let (used, request) = feed(&Tuning::default(), [before, after]).unwrap();
            let request = request.unwrap();
            assert_eq!(used, GOOD.len(), "cut at {cut}");
            assert_eq!(request.method(), "GET");
            assert_eq!(request.target(), "/chat?a=b");
            assert_eq!(request.host(), "example.com:8080");
            assert_eq!(request.origin(), Some("http://example.com"));
            assert_eq!(request.protocols().collect::<Vec<_>>(), ["chat", "superchat"]);
            assert_eq!(request.headers().len(), 7);
        }
        assert!(feed(&Tuning::default(), glued.chunks(1)).unwrap().1.is_some());
    }

    #[test]
    fn unusual_but_legal_requests_are_accepted() {
        let table: &[(&str, &str, &str)] = &[
            ("Upgrade in upper case", "Upgrade: websocket", "UPGRADE: WebSocket"),
            ("Upgrade as a list", "Upgrade: websocket", "Upgrade: h2c ,\twebsocket"),
            ("Upgrade twice", "Upgrade: websocket", "Upgrade: h2c\r\nupgrade: websocket"),
            ("Connection in lower case", "keep-alive, Upgrade", "upgrade"),
            ("Connection twice", "keep-alive, Upgrade", "keep-alive\r\nConnection: ,upgrade,"),
            ("no space after the colon", "Key: ", "Key:"),
            ("spaces around the key", "dGhlIHNhbXBsZSBub25jZQ==", " \t dGhlIHNhbXBsZSBub25jZQ==  "),
            ("no origin", "Origin: http://example.com\r\n", ""),
            ("length zero", "Origin: http://example.com", "Content-Length: 0"),
            ("names of JavaScript", "Origin: http://example.com", "__proto__: x\r\nconstructor: y"),
            ("a value that is not ASCII", "Origin: http://example.com", "X: caf\u{e9}"),
            ("host without port", "example.com:8080", "example.com"),
            ("host with empty port", "example.com:8080", "example.com:"),
            ("IPv4 host", "example.com:8080", "127.0.0.1"),
            ("IPv6 host", "example.com:8080", "[2001:db8::1]:80"),
        ];
        for (name, from, to) in table {
            assert!(matches!(answer(&edited(from, to.as_bytes())), Ok((_, Some(_)))), "{name}");
        }
    }

    #[test]
    fn paths_are_handed_on_as_they_came() {
        for path in
            ["/", "/..", "/%2e%2e/x", "//evil.net/x", "/a;b", "/%00", "/?", "/a?b?c", "/\\", "/*"]
        {
            let (_, request) = answer(&edited("/chat?a=b", path.as_bytes())).unwrap();
            assert_eq!(request.unwrap().target(), path);
        }
    }

    const VERSION: &str = "Sec-WebSocket-Version: 13";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    const HOST: &str = "Host: example.com:8080";
    const CONNECTION: &str = "Connection: keep-alive, Upgrade";
    const UPGRADE: &str = "Upgrade: websocket";
    const ORIGIN: &str = "Origin: http://example.com";

    /// What is replaced in the good request, by what, and the status that refuses it.
    #[rustfmt::skip]
    const MALFORMED: &[(&str, &[u8], u16)] = &[
        // The request line.
        ("GET /chat?a=b HTTP/1.1", b"POST /chat HTTP/1.1", 405),
        ("GET /chat?a=b HTTP/1.1", b"HEAD /chat HTTP/1.1", 405),
        ("GET /chat?a=b HTTP/1.1", b"OPTIONS * HTTP/1.1", 405),
        ("GET /chat?a=b HTTP/1.1", b"CONNECT example.com:80 HTTP/1.1", 405),
        ("GET /chat?a=b HTTP/1.1", b"get / HTTP/1.1", 405),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/1.0", 505),
        ("GET /chat?a=b HTTP/1.1", b"POST / HTTP/1.0", 505),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/0.9", 505),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/1.2", 505),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/2.0", 505),
        ("GET /chat?a=b HTTP/1.1", b"PRI * HTTP/2.0", 505),
        ("GET /chat?a=b HTTP/1.1", b"GET / http/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/1.10", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/1.1 ", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET / HTTP/1.1 x", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET / XTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET /", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET  HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET  / HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET /  HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"GET\t/\tHTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b" GET / HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"G(T / HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"\r\nGET / HTTP/1.1", 400),
        ("GET /chat?a=b HTTP/1.1", b"\x16\x03\x01\x02\x00", 400),
        ("/chat?a=b", b"*", 400),
        ("/chat?a=b", b"http://example.com/", 400),
        ("/chat?a=b", b"ws://example.com/", 400),
        ("/chat?a=b", b"example.com:80", 400),
        ("/chat?a=b", b"?a=b", 400),
        ("/chat?a=b", b"/a#b", 400),
        ("/chat?a=b", b"/a b", 400),
        ("/chat?a=b", b"/a\0b", 400),
        ("/chat?a=b", b"/a\x7fb", 400),
        ("/chat?a=b", b"/caf\xc3\xa9", 400),
        ("/chat?a=b", b"/\xff", 400),
        // Lines.
        ("HTTP/1.1\r\n", b"HTTP/1.1\n", 400),
        ("HTTP/1.1\r\n", b"HTTP/1.1\r", 400),
        ("HTTP/1.1\r\n", b"HTTP/1.1\r\r\n", 400),
        ("HTTP/1.1\r\n", b"HTTP/1.1\r\n X: y\r\n", 400),
        ("websocket\r\n", b"websocket\n", 400),
        ("websocket\r\n", b"websocket\rX: y\r\n", 400),
        ("superchat\r\n\r\n", b"superchat\n\n", 400),
        ("superchat\r\n\r\n", b"superchat\r\n\n", 400),
        (UPGRADE, b"Upgrade:\r\n websocket", 400),
        (UPGRADE, b"Upgrade:\r\n\twebsocket", 400),
        // Fields.
        (UPGRADE, b"Upgrade : websocket", 400),
        (UPGRADE, b"Upgrade\t: websocket", 400),
        (UPGRADE, b"Upgrade\0: websocket", 400),
        (UPGRADE, b"Upgrade websocket", 400),
        (UPGRADE, b": websocket", 400),
        (UPGRADE, b"Up(grade: websocket", 400),
        (UPGRADE, b"Upgrad\xe9: websocket", 400),
        (UPGRADE, b"Upgrade: web\0socket", 400),
        (UPGRADE, b"Upgrade: websocket\x0b", 400),
        (UPGRADE, b"Upgrade: \x0cwebsocket", 400),
        (UPGRADE, b"Upgrade: websocket\x1c", 400),
        (UPGRADE, b"Upgrade: websocket\x1e", 400),
        (UPGRADE, b"Upgrade: websocket\x7f", 400),
        // Host.
        (HOST, b"X: y", 400),
        (HOST, b"Host: example.com\r\nHost: example.com", 400),
        (HOST, b"Host: example.com\r\nhOST: evil.net", 400),
        (HOST, b"Host:", 400),
        (HOST, b"Host: :80", 400),
        (HOST, b"Host: a b", 400),
        (HOST, b"Host: a, b", 400),
        (HOST, b"Host: a/b", 400),
        (HOST, b"Host: user@a", 400),
        (HOST, b"Host: http://a", 400),
        (HOST, b"Host: a:b", 400),
        (HOST, b"Host: a:65536", 400),
        (HOST, b"Host: a:-1", 400),
        (HOST, b"Host: a:80:80", 400),
        (HOST, b"Host: ::1", 400),
        (HOST, b"Host: [::1", 400),
        (HOST, b"Host: [::1]80", 400),
        (HOST, b"Host: [g::1]", 400),
        (HOST, b"Host: caf\xc3\xa9", 400),
        // A body.
        (ORIGIN, b"Content-Length: 1", 400),
        (ORIGIN, b"Content-Length: 00", 400),
        (ORIGIN, b"Content-Length: -1", 400),
        (ORIGIN, b"Content-Length: 0, 5", 400),
        (ORIGIN, b"Content-Length: 0\r\nContent-Length: 5", 400),
        (ORIGIN, b"Content-Length:", 400),
        (ORIGIN, b"Transfer-Encoding: chunked", 400),
        (ORIGIN, b"Transfer-Encoding: identity", 400),
        (ORIGIN, b"Origin: http://example.com\r\nOrigin: http://evil.net", 400),
        // The upgrade.
        (UPGRADE, b"X: y", 426),
        (UPGRADE, b"Upgrade:", 426),
        (UPGRADE, b"Upgrade: h2c", 426),
        (UPGRADE, b"Upgrade: websockets", 426),
        (UPGRADE, b"Upgrade: websocket/13", 426),
        (UPGRADE, b"Upgrade: web socket", 426),
        (UPGRADE, b"Upgrade: websocket\x85", 426),
        (UPGRADE, b"Upgrade: websocket\xc2\x85", 426),
        (UPGRADE, b"Upgrade: \xe2\x80\x83websocket", 426),
        (UPGRADE, b"Upgrade: \xef\xbb\xbfwebsocket", 426),
        (CONNECTION, b"X: y", 400),
        (CONNECTION, b"Connection:", 400),
        (CONNECTION, b"Connection: keep-alive", 400),
        (CONNECTION, b"Connection: keep-alive Upgrade", 400),
        (CONNECTION, b"Connection: keep-alive; Upgrade", 400),
        (CONNECTION, b"Connection: Upgraded", 400),
        (CONNECTION, b"Connection: \"Upgrade\"", 400),
        (VERSION, b"X: y", 426),
        (VERSION, b"Sec-WebSocket-Version:", 426),
        (VERSION, b"Sec-WebSocket-Version: 0", 426),
        (VERSION, b"Sec-WebSocket-Version: 7", 426),
        (VERSION, b"Sec-WebSocket-Version: 8", 426),
        (VERSION, b"Sec-WebSocket-Version: 12", 426),
        (VERSION, b"Sec-WebSocket-Version: 14", 426),
        (VERSION, b"Sec-WebSocket-Version: 013", 426),
        (VERSION, b"Sec-WebSocket-Version: +13", 426),
        (VERSION, b"Sec-WebSocket-Version: 13, 8", 426),
        (VERSION, b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13", 400),
        (KEY, b"X: y", 400),
        (KEY, b"Sec-WebSocket-Key:", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ===", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWU=", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWVl", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j", 400),
        (KEY, b"Sec-WebSocket-Key: dGhl-HNhbXBsZSBub25jZQ==", 400),
        (KEY, b"Sec-WebSocket-Key: dGhl HNhbXBsZSBub25jZQ==", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ\xc3\xa9=", 400),
        (KEY, b"Sec-WebSocket-Key: SGVsbG8sIHdvcmxkIQ==", 400),
        (KEY, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", 400),
    ];

    #[test]
    fn every_malformed_request_has_its_status() {
        let tuning = Tuning::default();
        for (from, to, status) in MALFORMED {
            let name = format!("{from:?} replaced by {:?}", String::from_utf8_lossy(to));
            let request = edited(from, to);
            let refusal = answer(&request).expect_err(&name);
            assert_eq!(refusal.status, *status, "{name}: {}", refusal.body);
            assert_eq!(refusal.check(), Ok(()), "{name}");
            assert_eq!(feed(&tuning, request.chunks(1)), Err(refusal.clone()), "{name}");
            for cut in (0..request.len()).step_by(3) {
                let (before, after) = request.split_at(cut);
                assert_eq!(feed(&tuning, [before, after]), Err(refusal.clone()), "{name} at {cut}");
            }
        }
    }

    #[test]
    fn a_version_of_8192_digits_is_just_wrong() {
        let request = edited("Version: 13", format!("Version: 1{}3", "0".repeat(8190)).as_bytes());
        assert_eq!(answer(&request).unwrap_err().status, 426);
    }

    #[test]
    fn nothing_after_a_refused_request_is_parsed() {
        for (from, to, _) in MALFORMED {
            let mut handshake = ServerHandshake::new(&Tuning::default());
            let glued = [edited(from, to), GOOD.into()].concat();
            assert!(handshake.advance(&glued).is_err());
            assert_eq!(handshake.advance(GOOD.as_bytes()), Ok((0, None)));
        }
    }

    #[test]
    fn a_head_over_a_limit_is_refused() {
        let tuning = Tuning { max_head: 512, max_fields: 10, ..Tuning::default() };
        let path = edited("/chat", &[b'/'; 600]);
        let value = edited(ORIGIN, &[b"X: ".as_slice(), &[b','; 600]].concat());
        let fields = edited(ORIGIN, b"X: y\r\nX: y\r\nX: y\r\nX: y\r\nX: y");
        for (name, request, status) in
            [("path", path, 414), ("value", value, 431), ("fields", fields, 431)]
        {
            for step in [1, 100, 4096] {
                let refusal = feed(&tuning, request.chunks(step)).unwrap_err();
                assert_eq!(refusal.status, status, "{name} in steps of {step}");
            }
        }
    }

    #[test]
    fn the_field_limit_counts_all_fields_and_2000_do_no_harm() {
        for (extra, accepted) in [(93, true), (94, false), (2000, false)] {
            let request =
                edited("Upgrade: websocket", &[b"X: y\r\n".repeat(extra), UPGRADE.into()].concat());
            assert_eq!(answer(&request).is_ok(), accepted, "{extra} more fields");
        }
    }

    #[test]
    fn long_lists_are_split_once() {
        for filler in [" ", ",", "\\\"", "a,"] {
            let list = filler.repeat(15_000 / filler.len());
            let request = edited("chat, superchat", format!("{list},x").as_bytes());
            let (_, request) = answer(&request).unwrap();
            assert_eq!(request.unwrap().protocols().last(), Some("x"), "{filler:?}");
        }
    }

    #[test]
    fn a_refusal_is_a_complete_http_response() {
        let mut refusal = Refusal::new(403, "not for \u{fc}");
        refusal.headers = vec![("X-Why".into(), "because".into()), ("Bad\r\n".into(), "x".into())];
        let mut out = Vec::new();
        refusal.write(&mut out);
        let text = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nX-Why: because\r\n\
            Content-Type: text/plain; charset=utf-8\r\nContent-Length: 10\r\n\r\nnot for \u{fc}";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_refusal_says_what_its_status_requires() {
        let written = |status, fields: &[(&str, &str)]| {
            let mut refusal = Refusal::new(status, "x");
            refusal.headers = fields.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
            let mut out = Vec::new();
            refusal.write(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert!(written(405, &[]).contains("\r\nAllow: GET\r\n"));
        let upgrade = written(426, &[]);
        assert!(upgrade.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{upgrade}");
        assert!(upgrade.contains("\r\nUpgrade: websocket\r\nSec-"), "{upgrade}");
        assert!(upgrade.contains("\r\nConnection: close, Upgrade\r\n"), "{upgrade}");
        assert!(written(204, &[]).ends_with("Connection: close\r\n\r\n"));
        assert!(written(101, &[]).starts_with("HTTP/1.1 500 Internal Server Error\r\n"));
        assert!(written(299, &[]).starts_with("HTTP/1.1 299 \r\n"));
        let html = written(404, &[("content-type", "text/html"), ("Content-Length", "99")]);
        assert!(!html.contains("text/plain") && !html.contains("99"), "{html}");
    }

    #[test]
    fn the_answer_is_written_only_if_all_of_it_can_be() {
        let (_, request) = answer(GOOD.as_bytes()).unwrap();
        let request = request.unwrap();
        let field = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let table = [
            (Some("Chat"), vec![], RequestError::ProtocolNotOffered("Chat".into())),
            (Some(""), vec![], RequestError::ProtocolNotOffered(String::new())),
            (Some("a\r\nb"), vec![], RequestError::ProtocolNotOffered("a\r\nb".into())),
            (None, field("", "x"), RequestError::HeaderName(String::new())),
            (None, field("a b", "x"), RequestError::HeaderName("a b".into())),
            (None, field("a\n", "x"), RequestError::HeaderName("a\n".into())),
            (None, field("a", "x\r\nEvil: y"), RequestError::HeaderValue("a".into())),
            (None, field("a", "x\0"), RequestError::HeaderValue("a".into())),
            (None, field("a", "x\x7f"), RequestError::HeaderValue("a".into())),
            (None, field("a", "caf\u{e9}"), RequestError::HeaderValue("a".into())),
            (None, field("UPGRADE", "x"), RequestError::HeaderOwned("UPGRADE".into())),
            (None, field("connection", "x"), RequestError::HeaderOwned("connection".into())),
            (
                None,
                field("content-length", "0"),
                RequestError::HeaderOwned("content-length".into()),
            ),
            (
                None,
                field("Sec-WebSocket-X", "x"),
                RequestError::HeaderOwned("Sec-WebSocket-X".into()),
            ),
        ];
        for (protocol, headers, error) in table {
            let mut out = Vec::new();
            let answer = Answer { protocol, headers: &headers, ..Answer::default() };
            assert_eq!(request.accept(&answer, &mut out), Err(error));
            assert_eq!(out, b"");
        }
        let mut out = Vec::new();
        let headers = field("Set-Cookie", "a=b; c");
        let answer =
            Answer { protocol: Some("superchat"), extensions: Some("ext"), headers: &headers };
        request.accept(&answer, &mut out).unwrap();
        let text = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: superchat\r\n\
            Sec-WebSocket-Extensions: ext\r\nSet-Cookie: a=b; c\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    proptest! {
        #[test]
        fn any_bytes_give_one_answer_however_they_are_cut(
            edits in proptest::collection::vec((any::<prop::sample::Index>(), 0_usize..3, any::<u8>()), 0..4),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
            noise in proptest::option::weighted(0.2, proptest::collection::vec(any::<u8>(), 0..80)),
        ) {
            let mut bytes = noise.unwrap_or_else(|| GOOD.into());
            for (at, remove, byte) in edits {
                let at = at.index(bytes.len() + 1);
                let end = (at + remove).min(bytes.len());
                bytes.splice(at..end, [byte]);
            }
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
            let tuning = Tuning { max_head: 300, max_fields: 8, ..Tuning::default() };
            prop_assert_eq!(feed(&tuning, pieces), feed(&tuning, [bytes.as_slice()]));
        }
    }
}
