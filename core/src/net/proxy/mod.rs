//! Tunnels through proxies, as machines of bytes: what the proxy says in, what it is told out.
//!
//! A tunnel is asked for on a stream to the proxy. When it is [`Progress::Open`], the same stream
//! leads to the server. Nothing here touches a socket or keeps time.

mod connect;
mod socks5;

use std::fmt;

use self::connect::Connect;
use self::socks5::Socks5;
use crate::config::Tuning;
use crate::net::login::Credentials;
use crate::proto::handshake::HttpReply;

/// Where a tunnel shall lead, as the proxy is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    /// A name, or an IP address (IPv6 without brackets).
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// How a proxy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP CONNECT (RFC 9110 section 9.3.6).
    Connect,
    /// SOCKS version 5 (RFC 1928 and 1929).
    Socks5,
}

/// How far a tunnel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The proxy has more to say.
    More,
    /// What follows belongs to the tunnel.
    Open,
    /// The proxy wants to be asked again on a new connection: see [`Tunnel::resume`].
    Reconnect,
}

/// One attempt to get through a proxy.
#[derive(Debug)]
pub(crate) enum Tunnel {
    Connect(Box<Connect>),
    Socks5(Socks5),
}

impl Tunnel {
    /// Asks for a tunnel: appends the first bytes to `out`. `nonce` is random, for the answer to a
    /// challenge.
    ///
    /// # Errors
    ///
    /// What cannot be said to a proxy of this kind.
    pub(crate) fn start(
        scheme: Scheme,
        to: &Destination,
        credentials: Option<&Credentials>,
        nonce: [u8; 16],
        tuning: &Tuning,
        out: &mut Vec<u8>,
    ) -> Result<Self, ProxyError> {
        Ok(match scheme {
            Scheme::Connect => {
                Self::Connect(Box::new(Connect::start(to, credentials, nonce, tuning, out)?))
            }
            Scheme::Socks5 => Self::Socks5(Socks5::start(to, credentials, out)?),
        })
    }

    /// Takes what belongs to the proxy's answer from the front of `input` and says how much that
    /// was; appends what the proxy is told in turn to `out`.
    ///
    /// # Errors
    ///
    /// The proxy refuses, or makes no sense.
    pub(crate) fn advance(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, Progress), ProxyError> {
        match self {
            Self::Connect(connect) => connect.advance(input, out),
            Self::Socks5(socks) => socks.advance(input, out),
        }
    }

    /// Asks again on a new connection, after [`Progress::Reconnect`].
    pub(crate) fn resume(&mut self, out: &mut Vec<u8>) {
        if let Self::Connect(connect) = self {
            connect.resume(out);
        }
    }

    /// The stream ended before the tunnel was open.
    pub(crate) fn on_end(&mut self) -> ProxyError {
        match self {
            Self::Connect(connect) => connect.on_end(),
            Self::Socks5(_) => ProxyError::Ended,
        }
    }
}

/// Why there is no tunnel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ProxyError {
    /// The proxy asks for a way to log in that we have not: its challenges.
    Challenge(String),
    /// The stream ended.
    Ended,
    /// Neither HTTP nor SOCKS, whichever was expected.
    Malformed,
    /// The reply code of SOCKS (RFC 1928 section 6).
    Refused(u8),
    /// User and password were refused, or are missing.
    Rejected,
    /// An HTTP answer other than 2xx.
    Status(Box<HttpReply>),
    /// A name, user or password over 255 bytes.
    TooLong,
    /// More header fields or bytes than `max_fields` and `max_head` allow.
    TooLarge,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Challenge(challenge) => {
                return write!(
                    f,
                    "the proxy wants to be logged in to in another way: {challenge:?}"
                );
            }
            Self::Ended => "the proxy ended the connection before its answer was complete",
            Self::Malformed => "the proxy's answer makes no sense (option: proxy, its scheme)",
            Self::Refused(code) => return f.write_str(reason(*code)),
            Self::Rejected => "the proxy did not accept user and password (option: proxy)",
            Self::Status(reply) => {
                let (status, reason) = (reply.status, reply.reason.as_str());
                let space = if reason.is_empty() { "" } else { " " };
                // Some proxies mistake the one for the other.
                let rejected = matches!(status, 401 | 407);
                let hint = if rejected { " (option: proxy, its user and password)" } else { "" };
                return write!(f, "the proxy answered {status}{space}{reason}{hint}");
            }
            Self::TooLong => "a proxy takes names, users and passwords of at most 255 bytes",
            Self::TooLarge => {
                "the proxy's answer is larger than max_head or has more than max_fields"
            }
        })
    }
}

/// What a reply code of SOCKS means (RFC 1928 section 6).
fn reason(code: u8) -> &'static str {
    match code {
        1 => "the proxy refused: general failure",
        2 => "the proxy refused: not allowed by its rules",
        3 => "the proxy refused: network unreachable",
        4 => "the proxy refused: host unreachable",
        5 => "the proxy refused: connection refused",
        6 => "the proxy refused: TTL expired",
        7 => "the proxy refused: command not supported",
        8 => "the proxy refused: address type not supported",
        _ => "the proxy refused",
    }
}
