//! The client's half of the opening handshake (RFC 6455 section 4.1).

use super::error::{HandshakeError, RequestError};
use super::reply::ReplyReader;
use super::{accept_for, base64, field};
use crate::config::Tuning;
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
        request.write(&key, out);
        Ok(Self {
            state: State::Head { reader: HeadReader::new(tuning), interim: 0 },
            asked: Asked { accept: accept_for(&key), protocols: request.protocols.to_vec() },
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
        if headers.get_all("sec-websocket-extensions").flat_map(field::elements).next().is_some() {
            return Err(HandshakeError::UnsolicitedExtension);
        }
        let protocol = self.chosen_protocol(&headers)?.to_owned();
        Ok(Accepted { protocol, headers })
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
        self.check_protocols()?;
        self.check_headers()
    }

    fn check_protocols(&self) -> Result<(), RequestError> {
        for (index, protocol) in self.protocols.iter().enumerate() {
            if !field::is_token(protocol) {
                return Err(RequestError::Protocol(protocol.clone()));
            }
            if self.protocols.iter().take(index).any(|other| other.eq_ignore_ascii_case(protocol)) {
                return Err(RequestError::ProtocolRepeated(protocol.clone()));
            }
        }
        Ok(())
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

    fn write(&self, key: &str, out: &mut Vec<u8>) {
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
