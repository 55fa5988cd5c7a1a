//! Where and what: the two stable coordinates of every error.

use std::fmt;

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

impl ErrorCode {
    /// The kind of an error that has no more precise one; see [`Error::kind`](super::Error::kind).
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::InvalidArgument => "argument",
            Self::Handle => "handle",
            Self::State => "state",
            Self::Again => "full",
            Self::Busy => "busy",
            Self::Reentrant => "reentrant",
            Self::TooBig => "too_big",
            Self::NoMemory => "no_memory",
            Self::Unsupported => "unsupported",
            Self::Forked => "forked",
            Self::Internal => "internal",
            Self::TimedOut => "timed_out",
            Self::Shutdown => "shutdown",
            Self::Dns => "unresolved",
            Self::Connect => "unreachable",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::Certificate => "certificate",
            Self::Handshake => "handshake",
            Self::Protocol => "protocol",
            Self::Utf8 => "utf8",
            Self::Reset => "reset",
        }
    }
}
