//! The server's half of the opening handshake (RFC 6455 section 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::RequestError;
use super::{accept_for, field, origin};
use crate::config::Tuning;
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

/// A request for a WebSocket that keeps every rule of RFC 6455 section 4.2.1.
#[derive(Clone, Debug)]
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

    /// Appends the 101 response to `out`. From there on the stream carries frames.
    ///
    /// # Errors
    ///
    /// A subprotocol that the client did not offer, or a header that cannot be sent. Then nothing
    /// was written.
    pub fn accept(
        &self,
        protocol: Option<&str>,
        headers: &[(String, String)],
        out: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
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
