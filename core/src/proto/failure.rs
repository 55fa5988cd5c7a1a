//! Why a connection failed, and what the peer is told of it.

use std::fmt;

use super::violation::Violation;

/// Why a connection ended without a completed closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// The application aborted it.
    Aborted,
    /// The peer did not answer our Close frame in time.
    CloseTimeout,
    /// The peer closed, but our Close frame could not be sent.
    CloseUnsent,
    /// The system gave no randomness.
    Entropy,
    /// The peer did not answer a ping in time.
    HeartbeatTimeout,
    /// A callback panicked.
    Internal,
    /// The opening handshake took too long.
    OpenTimeout,
    /// The system reports the connection as broken, with its error number.
    Reset(Option<i32>),
    /// The peer ended the stream without a Close frame.
    StreamEnded,
    /// The peer ended the TCP stream within the TLS stream.
    TlsTruncated,
    /// The peer broke the protocol.
    Violation(Violation),
    /// The peer took no data for too long.
    WriteTimeout,
}

impl Failure {
    /// The code of the Close frame that says so, if the peer is still worth telling.
    pub(super) fn close_code(self) -> Option<u16> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::HeartbeatTimeout | Self::Internal => Some(1011),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Violation(violation) => return violation.fmt(f),
            Self::Aborted => "aborted by the application",
            Self::CloseTimeout => "the peer did not answer our Close frame in time (close_timeout)",
            Self::CloseUnsent => "the peer closed and took our Close frame no more",
            Self::Entropy => "the system gave no randomness for a masking key",
            Self::HeartbeatTimeout => {
                "the peer did not answer a ping in time (ping_interval, ping_timeout)"
            }
            Self::Internal => "a callback panicked",
            Self::OpenTimeout => "no answer in time (open_timeout)",
            Self::Reset(_) => "the connection was reset",
            Self::StreamEnded => "the peer ended the stream without a Close frame",
            Self::TlsTruncated => "the peer ended the TCP stream within the TLS stream",
            Self::WriteTimeout => "the peer took no data in time (write_timeout)",
        })
    }
}
