//! What can go wrong, in one structure for Rust, C and Python.

use std::fmt;
use std::fmt::Write as _;
use std::io;

use crate::net::proxy::ProxyError;
#[cfg(feature = "tls")]
use crate::net::tls_error::TlsError;
use crate::proto::handshake::{HandshakeError, HttpReply, RequestError};
use crate::proto::session::Failure;
use crate::proto::violation::Violation;
use crate::target::TargetError;

/// Characters of a refusal's body that an error text quotes.
const EXPLANATION: usize = 120;

/// Where in the life of a connection an error arose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// An argument that the caller gave.
    Argument,
    /// Name resolution.
    Dns,
    /// The TCP connection.
    Tcp,
    /// The way to the proxy, and what it answered.
    Proxy,
    /// The TLS handshake or a TLS record.
    Tls,
    /// The opening handshake (RFC 6455 section 4).
    Upgrade,
    /// A frame that the peer must not send (RFC 6455 sections 5 and 7).
    Protocol,
    /// The peer did not answer a ping, or took no data.
    Heartbeat,
    /// The closing handshake (RFC 6455 section 7).
    Close,
    /// The application: an abort, or a panic in a callback.
    App,
    /// The operating system, outside a connection.
    System,
}

impl Phase {
    /// The name as it stands in error texts: `"dns"`, `"tcp"`, …
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Protocol => "protocol",
            Self::Heartbeat => "heartbeat",
            Self::Close => "close",
            Self::App => "app",
            Self::System => "system",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of error it is. The numbers are those of the C header and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ErrorCode {
    /// An argument is not legal.
    InvalidArgument = 1,
    /// The id is dead, of another kind, or never existed.
    Handle = 2,
    /// Not legal in this state of the connection.
    State = 3,
    /// Too much output is queued; the message was not taken.
    Again = 4,
    /// The loop is driven by another thread.
    Busy = 5,
    /// Driving the loop from one of its callbacks.
    Reentrant = 6,
    /// A message or an HTTP head over its limit.
    TooBig = 7,
    /// The system gave no memory.
    NoMemory = 8,
    /// Built without it.
    Unsupported = 9,
    /// The loop belongs to the parent process.
    Forked = 10,
    /// A bug or a panic in a callback; the connection is gone.
    Internal = 11,
    /// A deadline passed.
    TimedOut = 12,
    /// The loop is being shut down, or the application aborted the connection.
    Shutdown = 13,
    /// The name could not be resolved.
    Dns = 20,
    /// No address accepted the connection.
    Connect = 21,
    /// The proxy refused.
    Proxy = 22,
    /// TLS failed.
    Tls = 23,
    /// The certificate did not verify.
    Certificate = 24,
    /// The opening handshake failed.
    Handshake = 25,
    /// The peer broke the protocol.
    Protocol = 26,
    /// The peer sent text that is not UTF-8.
    Utf8 = 27,
    /// The stream ended without a closing handshake.
    Reset = 28,
}

/// An error with its phase, its code and a text `phase: cause (detail)`.
#[derive(Clone, Debug)]
pub struct Error {
    phase: Phase,
    code: ErrorCode,
    text: Box<str>,
    os: Option<i32>,
    http: Option<Box<HttpReply>>,
    attempts: Box<[Attempt]>,
    tls_reason: Option<Box<str>>,
}

/// One address that a client tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    address: Box<str>,
    cause: Box<str>,
    os: Option<i32>,
}

impl Attempt {
    pub(crate) fn new(address: impl fmt::Display, error: &io::Error) -> Self {
        Self {
            address: address.to_string().into(),
            cause: error.to_string().into(),
            os: error.raw_os_error(),
        }
    }

    /// The address with its port, or the path of a Unix domain socket.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the system said.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// The `errno` behind it, where there is one.
    pub fn os_error(&self) -> Option<i32> {
        self.os
    }
}

impl Error {
    pub(crate) fn new(phase: Phase, code: ErrorCode, cause: impl fmt::Display) -> Self {
        let text = format!("{phase}: {cause}").into();
        Self { phase, code, text, os: None, http: None, attempts: Box::default(), tls_reason: None }
    }

    /// The same error, met on the way to a proxy: the code says what it is.
    pub(crate) fn on_the_way_to_the_proxy(self) -> Self {
        let text = self.text.split_once(": ").map_or(&*self.text, |(_, cause)| cause);
        Self { phase: Phase::Proxy, text: format!("{}: {text}", Phase::Proxy).into(), ..self }
    }

    /// Nobody at `place` accepted a connection. The text lists every address that is not the place
    /// itself; the number is that of the last one.
    pub(crate) fn unreachable(place: &str, attempts: Vec<Attempt>) -> Self {
        let mut what = format!("could not connect to {place}");
        for attempt in &attempts {
            let other = attempt.address() != place;
            let (separator, address) = if other { ("; ", attempt.address()) } else { ("", "") };
            let _ = write!(what, "{separator}{address}: {}", attempt.cause());
        }
        Self {
            os: attempts.last().and_then(Attempt::os_error),
            attempts: attempts.into(),
            ..Self::new(Phase::Tcp, ErrorCode::Connect, what)
        }
    }

    /// An answer of the server that does not lead to a WebSocket, for a reason of ours.
    pub(crate) fn refused(cause: impl fmt::Display, reply: &HttpReply) -> Self {
        let http = Some(Box::new(reply.clone()));
        Self { http, ..Self::new(Phase::Upgrade, ErrorCode::Handshake, cause) }
    }

    /// An argument of the caller that is not legal; `cause` names it.
    pub(crate) fn argument(cause: impl fmt::Display) -> Self {
        Self::new(Phase::Argument, ErrorCode::InvalidArgument, cause)
    }

    /// An error of the operating system while doing `what`.
    pub(crate) fn io(phase: Phase, code: ErrorCode, what: &str, error: &io::Error) -> Self {
        Self { os: error.raw_os_error(), ..Self::new(phase, code, format_args!("{what}: {error}")) }
    }

    /// Where in the life of the connection it arose.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The stable code.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The `errno` behind it, where there is one.
    pub fn os_error(&self) -> Option<i32> {
        self.os
    }

    /// The addresses that were tried in vain, in that order, if no connection was made.
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Why TLS failed, as a word that never changes; `TlsError::name` has them.
    pub fn tls_reason(&self) -> Option<&str> {
        self.tls_reason.as_deref()
    }

    /// The server's answer, or a proxy's, if it refused the opening handshake with one.
    pub fn http(&self) -> Option<&HttpReply> {
        self.http.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        let code = match &error {
            HandshakeError::HeadTooLarge | HandshakeError::TooManyFields => ErrorCode::TooBig,
            HandshakeError::Ended => ErrorCode::Reset,
            _ => ErrorCode::Handshake,
        };
        let HandshakeError::Status(reply) = error else {
            return Self::new(Phase::Upgrade, code, error);
        };
        let text = String::from_utf8_lossy(&reply.body);
        let explanation = text.lines().next().unwrap_or_default().trim();
        let separator = if explanation.is_empty() { "" } else { ": " };
        let explanation = explanation.chars().take(EXPLANATION).collect::<String>();
        let (status, hint) = (reply.status, hint(&reply));
        let space = if reply.reason.is_empty() { "" } else { " " };
        let cause = format!(
            "the server answered {status}{space}{}{hint}{separator}{explanation}",
            reply.reason
        );
        Self { http: Some(reply), ..Self::new(Phase::Upgrade, code, cause) }
    }
}

/// What to do about a status.
fn hint(reply: &HttpReply) -> String {
    match (reply.status, reply.headers.get("location")) {
        (300..=399, Some(location)) => {
            format!(" to {location:?} (option: max_redirects)")
        }
        (401, _) => " (option: auth)".to_owned(),
        _ => String::new(),
    }
}

impl From<ProxyError> for Error {
    fn from(error: ProxyError) -> Self {
        let base = Self::new(Phase::Proxy, ErrorCode::Proxy, &error);
        match error {
            ProxyError::Status(reply) => Self { http: Some(reply), ..base },
            _ => base,
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        Self::argument(error)
    }
}

impl From<TargetError> for Error {
    fn from(error: TargetError) -> Self {
        Self::argument(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        let code = if error.is_certificate() { ErrorCode::Certificate } else { ErrorCode::Tls };
        let tls_reason = Some(error.name().into());
        Self { tls_reason, ..Self::new(Phase::Tls, code, error) }
    }
}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        let code = match violation {
            Violation::InvalidUtf8 => ErrorCode::Utf8,
            _ if violation.close_code() == 1009 => ErrorCode::TooBig,
            _ => ErrorCode::Protocol,
        };
        Self::new(Phase::Protocol, code, violation)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (phase, code) = match failure {
            Failure::Violation(violation) => return violation.into(),
            Failure::HeartbeatTimeout | Failure::WriteTimeout => {
                (Phase::Heartbeat, ErrorCode::TimedOut)
            }
            Failure::CloseTimeout => (Phase::Close, ErrorCode::TimedOut),
            Failure::CloseUnsent => (Phase::Close, ErrorCode::Reset),
            Failure::OpenTimeout => (Phase::Upgrade, ErrorCode::TimedOut),
            Failure::Aborted => (Phase::App, ErrorCode::Shutdown),
            Failure::Internal => (Phase::App, ErrorCode::Internal),
            Failure::Entropy => (Phase::System, ErrorCode::Internal),
            Failure::TlsTruncated => (Phase::Tls, ErrorCode::Reset),
            _ => (Phase::Tcp, ErrorCode::Reset),
        };
        let os = match failure {
            Failure::Reset(os) => os,
            _ => None,
        };
        Self { os, ..Self::new(phase, code, failure) }
    }
}
