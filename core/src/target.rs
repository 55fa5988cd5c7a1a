//! Where a client connects to: `ws` and `wss` URLs (RFC 6455 section 3).
//!
//! Parsing is WHATWG's, as in browsers: upper case, international names, missing slashes and
//! spaces in the query are all put right. What is left to us are the schemes, which differ from
//! the web's, and the fragment, which a WebSocket URL must not have.

use std::error::Error;
use std::fmt;

use url::{Host, ParseError, Url};

/// A URL, taken apart for connecting and for the request.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Over TLS: `wss` or `https`.
    pub secure: bool,
    /// The name or address to connect to, an IPv6 address without brackets.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// Path and query, beginning with `/`, for the request line.
    pub resource: String,
    /// For the field `Host`: an IPv6 address in brackets, the port unless it is the default one.
    pub host_header: String,
    /// The whole URL as browsers write it, with the scheme `ws` or `wss`. It still has the
    /// credentials: do not log it.
    pub url: String,
    /// User and password, percent-decoded. They are for the field `Authorization`.
    pub credentials: Option<(String, String)>,
}

impl Target {
    /// Takes a URL apart. `http` and `https` count as `ws` and `wss`.
    ///
    /// # Errors
    ///
    /// Another scheme, a fragment (even an empty one), a relative URL, or no URL at all.
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(url)?;
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        // Cannot fail between special schemes. It drops the port if it is the default one.
        let _ = url.set_scheme(scheme);
        let (host, host_header) = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => (name.to_owned(), name.to_owned()),
            Some(Host::Ipv4(address)) => (address.to_string(), address.to_string()),
            Some(Host::Ipv6(address)) => (address.to_string(), format!("[{address}]")),
            Some(Host::Domain(_)) | None => return Err(TargetError::EmptyHost),
        };
        let host_header = match url.port() {
            Some(port) => format!("{host_header}:{port}"),
            None => host_header,
        };
        let secure = scheme == "wss";
        let resource = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            secure,
            host,
            port: url.port().unwrap_or(if secure { 443 } else { 80 }),
            resource,
            host_header,
            credentials: credentials(&url),
            url: url.into(),
        })
    }
}

/// Leaves out the credentials, so that they do not get into logs.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

fn credentials(url: &Url) -> Option<(String, String)> {
    let password = url.password();
    (!url.username().is_empty() || password.is_some())
        .then(|| (percent_decode(url.username()), percent_decode(password.unwrap_or_default())))
}

/// Decodes every `%` that two hexadecimal digits follow.
fn percent_decode(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let escaped = match (*first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                digit(*high).zip(digit(*low)).map(|pair| (pair, tail))
            }
            _ => None,
        };
        match escaped {
            Some(((high, low), tail)) => {
                decoded.extend(u8::try_from(high << 4 | low));
                rest = tail;
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Why a URL cannot be connected to. `Display` says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TargetError {
    /// No host.
    EmptyHost,
    /// A fragment, even an empty one (RFC 6455 section 3).
    Fragment,
    /// A host that is neither a domain name nor an address, and why.
    Host(&'static str),
    /// A port that is not a number up to 65535.
    Port,
    /// A URL without scheme and host.
    Relative,
    /// Neither `ws` nor `wss`, nor `http` nor `https`.
    Scheme(String),
    /// Over 4 GiB.
    TooLong,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyHost => f.write_str("URL without host: write ws://host/path"),
            Self::Fragment => {
                f.write_str("URL with a fragment: remove everything from # on, or write %23")
            }
            Self::Host(reason) => write!(f, "host in URL: {reason}"),
            Self::Port => f.write_str("port in URL: must be a number up to 65535"),
            Self::Relative => f.write_str("relative URL: write ws://host/path"),
            Self::Scheme(scheme) => write!(f, "unknown scheme {scheme:?}: use ws or wss"),
            Self::TooLong => f.write_str("URL too long"),
        }
    }
}

impl Error for TargetError {}

impl From<ParseError> for TargetError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::EmptyHost => Self::EmptyHost,
            ParseError::IdnaError => Self::Host("not a valid international domain name"),
            ParseError::InvalidPort => Self::Port,
            ParseError::InvalidIpv4Address => Self::Host("not a valid IPv4 address"),
            ParseError::InvalidIpv6Address => Self::Host("not a valid IPv6 address"),
            ParseError::RelativeUrlWithoutBase
            | ParseError::RelativeUrlWithCannotBeABaseBase
            | ParseError::SetHostOnCannotBeABaseUrl => Self::Relative,
            ParseError::Overflow => Self::TooLong,
            _ => Self::Host("has a character that no host can have"),
        }
    }
}
