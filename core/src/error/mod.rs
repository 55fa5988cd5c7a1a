//! What can go wrong, in one structure for Rust, C and Python.

mod code;
mod from;

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::io;

pub use self::code::{ErrorCode, Phase};

use rustix::io::Errno;

use crate::proto::handshake::HttpReply;

/// The kind of an error about several addresses, or of no more precise one.
const UNREACHABLE: &str = "unreachable";

/// The kind of an error for want of descriptors or memory.
const WANT: &str = "no_descriptors";

/// Whether the system had no descriptor or no memory for a socket.
fn is_want(error: &io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| codes.iter().any(|want| want.raw_os_error() == code))
}

/// An error with its phase, its code, its kind and a text `phase: cause (detail)`.
#[derive(Clone, Debug)]
pub struct Error {
    phase: Phase,
    code: ErrorCode,
    text: Box<str>,
    os: Option<i32>,
    http: Option<Box<HttpReply>>,
    attempts: Box<[Attempt]>,
    kind: Cow<'static, str>,
    excess: Option<Excess>,
}

/// What was over a limit.
#[derive(Clone, Copy, Debug)]
struct Excess {
    size: Option<u64>,
    limit: u64,
}

/// One address that a client tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    address: Box<str>,
    cause: Box<str>,
    os: Option<i32>,
    kind: &'static str,
}

impl Attempt {
    pub(crate) fn new(address: impl fmt::Display, error: &io::Error) -> Self {
        Self {
            address: address.to_string().into(),
            cause: error.to_string().into(),
            os: error.raw_os_error(),
            kind: match error.kind() {
                _ if is_want(error) => WANT,
                io::ErrorKind::ConnectionRefused => "refused",
                io::ErrorKind::ConnectionReset => "reset",
                io::ErrorKind::TimedOut => "timed_out",
                _ => UNREACHABLE,
            },
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
        let kind = Cow::Borrowed(code.kind());
        let (attempts, excess) = (Box::default(), None);
        Self { phase, code, kind, text, os: None, http: None, attempts, excess }
    }

    /// The same error, of a more precise kind.
    pub(crate) fn of_kind(self, kind: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), ..self }
    }

    /// The same error, met on the way to a proxy: the code says what it is.
    pub(crate) fn on_the_way_to_the_proxy(self) -> Self {
        let text = self.text.split_once(": ").map_or(&*self.text, |(_, cause)| cause);
        Self { phase: Phase::Proxy, text: format!("{}: {text}", Phase::Proxy).into(), ..self }
    }

    /// Nobody at `place` accepted a connection. The text lists every address that is not the place
    /// itself; the number is that of the last one.
    pub(crate) fn unreachable(place: &str, attempts: Vec<Attempt>) -> Self {
        let first = attempts.first().map_or(UNREACHABLE, |attempt| attempt.kind);
        let same = attempts.iter().all(|attempt| attempt.kind == first);
        let kind = if same { first } else { UNREACHABLE };
        let code = if kind == WANT { ErrorCode::NoMemory } else { ErrorCode::Connect };
        let mut what = format!("could not connect to {place}");
        for attempt in &attempts {
            let other = attempt.address() != place;
            let (separator, address) = if other { ("; ", attempt.address()) } else { ("", "") };
            let _ = write!(what, "{separator}{address}: {}", attempt.cause());
        }
        Self {
            os: attempts.last().and_then(Attempt::os_error),
            attempts: attempts.into(),
            ..Self::new(Phase::Tcp, code, what).of_kind(kind)
        }
    }

    /// An answer of the server that does not lead to a WebSocket, for a reason of ours.
    pub(crate) fn refused(kind: &'static str, cause: impl fmt::Display, reply: &HttpReply) -> Self {
        let http = Some(Box::new(reply.clone()));
        Self { http, ..Self::new(Phase::Upgrade, ErrorCode::Handshake, cause).of_kind(kind) }
    }

    /// The peer sent a message over `limit` bytes; its size where that is known.
    pub(crate) fn over_limit(size: Option<u64>, limit: u64) -> Self {
        let size_of = size.map(|size| format!(" of {size} bytes")).unwrap_or_default();
        let cause = format!(
            "the peer sent a message{size_of} over the limit of {limit} (option: max_message)"
        );
        let error = Self::new(Phase::Protocol, ErrorCode::TooBig, cause);
        Self { excess: Some(Excess { size, limit }), ..error.of_kind("message_too_big") }
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

    /// The limit in bytes that a message of the peer was over (`max_message`).
    pub fn limit(&self) -> Option<u64> {
        self.excess.map(|excess| excess.limit)
    }

    /// How many bytes that message has, or at least if it came in parts; `None` if it was compressed, and
    /// its size therefore not announced.
    pub fn size(&self) -> Option<u64> {
        self.excess?.size
    }

    /// What it is as a word that never changes, more precise than the code: `status`,
    /// `wrong_accept`, `too_many_redirects`, `proxy_rejected`, `certificate_expired`, `alert_unknown_ca`
    /// (an alert of the peer, RFC 8446 section 6), `heartbeat_timeout`, `ended`, and many more, for
    /// programs that look at one of them.
    pub fn kind(&self) -> &str {
        &self.kind
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
