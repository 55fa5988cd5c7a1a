//! What goes wrong in a handshake: by the peer ([`HandshakeError`]) and by the application
//! ([`RequestError`]).

use std::error::Error;
use std::fmt;

use super::{DeflateError, HttpReply};
use crate::proto::head::{HeadError, Malformed};

/// Why a server's response does not open the connection (RFC 6455 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// More than one subprotocol.
    AmbiguousProtocol,
    /// The answer to our offer of permessage-deflate is none (RFC 7692 section 5.1).
    Deflate(DeflateError),
    /// The stream ended before the response did.
    Ended,
    /// A head over `max_head`.
    HeadTooLarge,
    /// 101 in a version of HTTP that has no `Upgrade`.
    HttpVersion,
    /// Not HTTP/1.1 as RFC 9112 writes it.
    Malformed(Malformed),
    /// `Sec-WebSocket-Extensions` is not a list of extensions (9.1).
    MalformedExtensions,
    /// `Connection` does not list `upgrade`.
    MissingConnection,
    /// We asked for a subprotocol and the server chose none. RFC 6455 leaves that to the client;
    /// browsers fail the connection.
    MissingProtocol,
    /// `Upgrade` is not exactly `websocket`.
    MissingUpgrade,
    /// The first byte, given here, does not begin an HTTP response.
    NotHttp(u8),
    /// An ordinary HTTP response.
    Status(Box<HttpReply>),
    /// More fields in a head than `max_fields`.
    TooManyFields,
    /// More than eight 1xx responses before the final one.
    TooManyInterim,
    /// An extension that was not offered (9.1).
    UnsolicitedExtension,
    /// A subprotocol that was not offered.
    UnsolicitedProtocol,
    /// `Sec-WebSocket-Accept` is missing, repeated, or not the answer to our key.
    WrongAccept,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AmbiguousProtocol => "the server chose more than one subprotocol",
            Self::Deflate(error) => return error.fmt(f),
            Self::Ended => "the server ended the connection before its response was complete",
            Self::HeadTooLarge => "the response head is larger than max_head",
            Self::HttpVersion => "the server does not speak HTTP/1.1",
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::MalformedExtensions => "Sec-WebSocket-Extensions is not a list of extensions",
            Self::MissingConnection => "the response lacks `Connection: Upgrade`",
            Self::MissingProtocol => {
                "the server chose none of the requested subprotocols (requested ones are required, \
                 as in browsers)"
            }
            Self::MissingUpgrade => "the response lacks `Upgrade: websocket`",
            Self::NotHttp(0x15 | 0x16) => "the peer does not speak HTTP but TLS: use wss",
            Self::NotHttp(_) => "the peer does not speak HTTP",
            Self::Status(reply) => {
                let reason = reply.reason.as_str();
                let space = if reason.is_empty() { "" } else { " " };
                return write!(f, "the server answered {}{space}{reason}", reply.status);
            }
            Self::TooManyFields => "the response has more header fields than max_fields",
            Self::TooManyInterim => "the server sent more than 8 interim (1xx) responses",
            Self::UnsolicitedExtension => "the server chose an extension that was not offered",
            Self::UnsolicitedProtocol => "the server chose a subprotocol that was not requested",
            Self::WrongAccept => "Sec-WebSocket-Accept is missing or does not answer our key",
        })
    }
}

impl Error for HandshakeError {}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::FirstLineTooLong | HeadError::TooLarge => Self::HeadTooLarge,
            HeadError::Malformed(malformed) => Self::Malformed(malformed),
            HeadError::TooManyFields => Self::TooManyFields,
            HeadError::Version => Self::HttpVersion,
        }
    }
}

/// An argument of the application that cannot be sent. Nothing was written.
///
/// Most carry the offending name, and `Display` escapes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The name of a header field is not a token (RFC 9110 section 5.1).
    HeaderName(String),
    /// The handshake sets this header field itself.
    HeaderOwned(String),
    /// `Host` or `Origin` is given more than once.
    HeaderRepeated(String),
    /// The value of the header field with this name has a byte that is not printable ASCII.
    HeaderValue(String),
    /// The host is empty or has a byte that is not visible ASCII.
    Host,
    /// The origin is empty or has a byte that is not visible ASCII.
    Origin,
    /// The subprotocol is not a token (RFC 6455 section 4.1).
    Protocol(String),
    /// The subprotocol was not offered by the client (4.2.2).
    ProtocolNotOffered(String),
    /// The subprotocol is listed twice; case makes no difference here.
    ProtocolRepeated(String),
    /// The status of a refusal is not between 200 and 599.
    Status(u16),
    /// The request target does not begin with `/`, has a fragment, or has a byte that is not
    /// visible ASCII.
    Target,
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeaderName(name) => write!(f, "header name {name:?} is not a token"),
            Self::HeaderOwned(name) => write!(f, "header {name:?} is set by the handshake itself"),
            Self::HeaderRepeated(name) => write!(f, "header {name:?} is given twice"),
            Self::HeaderValue(name) => {
                write!(f, "value of header {name:?} may only have printable ASCII")
            }
            Self::Host => f.write_str("host must be visible ASCII"),
            Self::Origin => f.write_str("origin must be visible ASCII"),
            Self::Protocol(name) => write!(f, "subprotocol {name:?} is not a token"),
            Self::ProtocolNotOffered(name) => {
                write!(f, "subprotocol {name:?} was not offered by the client")
            }
            Self::ProtocolRepeated(name) => write!(f, "subprotocol {name:?} is listed twice"),
            Self::Status(status) => write!(f, "status {status} is not between 200 and 599"),
            Self::Target => {
                f.write_str("request target must begin with / and be visible ASCII without #")
            }
        }
    }
}

impl Error for RequestError {}
