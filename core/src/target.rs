//! Where a client connects to: `ws` and `wss` URLs (RFC 6455 section 3).
//!
//! Parsing is WHATWG's, as in browsers: upper case, international names, missing slashes and
//! spaces in the query are all put right. What is left to us are the schemes, which differ from
//! the web's, and the fragment, which a WebSocket URL must not have.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use url::{Host, ParseError, Url};

use crate::net::login::Credentials;

/// A URL, taken apart for connecting and for the request.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Over TLS: `wss` or `https`.
    pub(crate) secure: bool,
    /// The name or address to connect to, an IPv6 address without brackets.
    pub(crate) host: String,
    /// The port to connect to.
    pub(crate) port: u16,
    /// Path and query, beginning with `/`, for the request line.
    pub(crate) resource: String,
    /// For the field `Host`: an IPv6 address in brackets, the port unless it is the default one.
    pub(crate) host_header: String,
    /// The whole URL as browsers write it, with the scheme `ws` or `wss`. It still has the
    /// credentials: do not log it.
    pub(crate) url: String,
    /// User and password, percent-decoded. They are for the field `Authorization`.
    pub(crate) credentials: Option<Credentials>,
    /// The path of the Unix domain socket to connect to instead of host and port.
    pub(crate) unix: Option<PathBuf>,
}

impl Target {
    /// Takes a URL apart. `http` and `https` count as `ws` and `wss`.
    ///
    /// # Errors
    ///
    /// Another scheme, a fragment (even an empty one), a relative URL, or no URL at all.
    pub(crate) fn parse(url: &str) -> Result<Self, TargetError> {
        Self::of(Url::parse(url)?)
    }

    /// The same, for a URL that may be relative to `base`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); or `base` is no URL.
    pub(crate) fn parse_in(url: &str, base: &str) -> Result<Self, TargetError> {
        Self::of(Url::parse(base)?.join(url)?)
    }

    fn of(mut url: Url) -> Result<Self, TargetError> {
        if matches!(url.scheme(), "ws+unix" | "wss+unix") {
            return Self::parse_unix(&url);
        }
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
            unix: None,
        })
    }

    /// `ws+unix:/path/of/socket:/resource?query`; without the second part the resource is `/`.
    fn parse_unix(url: &Url) -> Result<Self, TargetError> {
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        let path = url.path();
        let (socket, resource) = path.split_once(':').unwrap_or((path, "/"));
        if url.has_host() || !socket.starts_with('/') || !resource.starts_with('/') {
            return Err(TargetError::Unix);
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let secure = url.scheme() == "wss+unix";
        Ok(Self {
            secure,
            host: "localhost".to_owned(),
            port: if secure { 443 } else { 80 },
            resource: format!("{resource}{query}"),
            host_header: "localhost".to_owned(),
            credentials: None,
            url: url.as_str().to_owned(),
            unix: Some(percent_decode(socket).into()),
        })
    }

    /// The remote host for those that connect one after the other: host and port whatever the scheme,
    /// or the path of a socket.
    pub(crate) fn place(&self) -> String {
        match &self.unix {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("{}:{}", self.host, self.port),
        }
    }

    /// Whether `other` is of the same origin: scheme, host and port (RFC 6454 section 4).
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        let origin = |target: &Self| (target.secure, target.port, target.unix.clone());
        origin(self) == origin(other) && self.host == other.host
    }

    /// The target that a `Location` in an answer from this one means; its fragment is dropped.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(crate) fn join(&self, location: &str) -> Result<Self, TargetError> {
        let mut url = Url::parse(&self.url)?.join(location)?;
        url.set_fragment(None);
        Self::parse(url.as_str())
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

fn credentials(url: &Url) -> Option<Credentials> {
    let password = url.password();
    (!url.username().is_empty() || password.is_some()).then(|| Credentials {
        user: percent_decode(url.username()),
        password: percent_decode(password.unwrap_or_default()),
    })
}

/// Decodes every `%` that two hexadecimal digits follow.
pub(crate) fn percent_decode(text: &str) -> String {
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
pub(crate) enum TargetError {
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
    /// A URL of a Unix domain socket without a path, or with a host.
    Unix,
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
            Self::Unix => {
                f.write_str("URL of a Unix socket: write ws+unix:/path/of/socket:/resource")
            }
        }
    }
}

impl Error for TargetError {}

impl From<ParseError> for TargetError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::EmptyHost => Self::EmptyHost,
            ParseError::IdnaError => Self::Host("not a valid domain name"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_unix_socket_has_two_paths() {
        for (url, path, resource, secure) in [
            ("ws+unix:/run/a.sock", "/run/a.sock", "/", false),
            ("ws+unix:/run/a.sock:/chat?a=b", "/run/a.sock", "/chat?a=b", false),
            ("ws+unix:///run/a.sock:/", "/run/a.sock", "/", false),
            ("wss+unix:/run/a%20b.sock:/c:d", "/run/a b.sock", "/c:d", true),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.unix.as_deref(), Some(std::path::Path::new(path)), "{url}");
            assert_eq!((target.resource.as_str(), target.secure), (resource, secure), "{url}");
            assert_eq!(target.host_header, "localhost", "{url}");
        }
        for url in ["ws+unix:run/a.sock", "ws+unix://host/a.sock", "ws+unix:/a.sock:b", "ws+unix:"]
        {
            assert_eq!(Target::parse(url).err(), Some(TargetError::Unix), "{url}");
        }
        assert_eq!(Target::parse("ws+unix:/a:/b#c").err(), Some(TargetError::Fragment));
    }

    #[test]
    fn a_relative_url_has_a_base() {
        for (url, base, whole) in [
            ("chat?a", "https://h/dir/page", "wss://h/dir/chat?a"),
            ("/chat", "http://h:81/dir/page#part", "ws://h:81/chat"),
            ("//other/x", "wss://h/", "wss://other/x"),
            ("ws://other/", "https://h/", "ws://other/"),
            ("", "ws://h/a/b", "ws://h/a/b"),
        ] {
            assert_eq!(Target::parse_in(url, base).unwrap().url, whole, "{url} in {base}");
        }
        assert_eq!(Target::parse_in("#", "ws://h/").err(), Some(TargetError::Fragment));
        assert!(Target::parse_in("chat", "no base").is_err());
        assert!(Target::parse_in("chat", "about:blank").is_err());
    }

    #[test]
    fn a_url_is_taken_apart() {
        // The URL, then: secure, host, port, resource, field Host, URL as browsers write it.
        let table = [
            ("ws://h", (false, "h", 80, "/", "h", "ws://h/")),
            ("wss://h", (true, "h", 443, "/", "h", "wss://h/")),
            ("http://h/a", (false, "h", 80, "/a", "h", "ws://h/a")),
            ("https://h/a", (true, "h", 443, "/a", "h", "wss://h/a")),
            (
                "WS://H.Example:80/A",
                (false, "h.example", 80, "/A", "h.example", "ws://h.example/A"),
            ),
            ("https://h:443/", (true, "h", 443, "/", "h", "wss://h/")),
            ("http://h:443/", (false, "h", 443, "/", "h:443", "ws://h:443/")),
            ("wss://h:80/", (true, "h", 80, "/", "h:80", "wss://h:80/")),
            ("ws://h:9001/?a=b&c", (false, "h", 9001, "/?a=b&c", "h:9001", "ws://h:9001/?a=b&c")),
            ("ws://h?q", (false, "h", 80, "/?q", "h", "ws://h/?q")),
            ("ws://h/?", (false, "h", 80, "/?", "h", "ws://h/?")),
            ("ws:h", (false, "h", 80, "/", "h", "ws://h/")),
            ("ws:/h", (false, "h", 80, "/", "h", "ws://h/")),
            ("  ws://h\n", (false, "h", 80, "/", "h", "ws://h/")),
            ("ws://h/a b?c d", (false, "h", 80, "/a%20b?c%20d", "h", "ws://h/a%20b?c%20d")),
            ("ws://h/?x\0y\0", (false, "h", 80, "/?x%00y", "h", "ws://h/?x%00y")),
            ("ws://h/?å", (false, "h", 80, "/?%C3%A5", "h", "ws://h/?%C3%A5")),
            ("ws://h/a/../b/%2e/c", (false, "h", 80, "/b/c", "h", "ws://h/b/c")),
            ("ws://h/%23", (false, "h", 80, "/%23", "h", "ws://h/%23")),
            (
                "ws://bücher.example",
                (
                    false,
                    "xn--bcher-kva.example",
                    80,
                    "/",
                    "xn--bcher-kva.example",
                    "ws://xn--bcher-kva.example/",
                ),
            ),
            ("ws://127.1:81", (false, "127.0.0.1", 81, "/", "127.0.0.1:81", "ws://127.0.0.1:81/")),
            ("ws://[0:0::1]", (false, "::1", 80, "/", "[::1]", "ws://[::1]/")),
            (
                "wss://[2001:DB8::1]:444/x",
                (true, "2001:db8::1", 444, "/x", "[2001:db8::1]:444", "wss://[2001:db8::1]:444/x"),
            ),
        ];
        for (text, (secure, host, port, resource, host_header, url)) in table {
            let expected = Target {
                secure,
                host: host.into(),
                port,
                resource: resource.into(),
                host_header: host_header.into(),
                url: url.into(),
                credentials: None,
                unix: None,
            };
            let target = Target::parse(text).unwrap();
            assert!(target == expected, "{text}: {target:?} with Host {:?}", target.host_header);
        }
    }

    #[test]
    fn credentials_are_decoded_and_stay_out_of_host_and_logs() {
        let table = [
            ("ws://user:pass@h/", Some(("user", "pass"))),
            ("ws://user@h/", Some(("user", ""))),
            ("ws://:pass@h/", Some(("", "pass"))),
            ("ws://@h/", None),
            ("ws://:@h/", None),
            ("ws://a%40b:%3a%0d%0A%e4%zz%@h/", Some(("a@b", ":\r\n\u{fffd}%zz%"))),
            ("ws://ü:ß@h/", Some(("ü", "ß"))),
        ];
        for (url, expected) in table {
            let target = Target::parse(url).unwrap();
            let expected = expected.map(|(user, password)| Credentials {
                user: user.to_owned(),
                password: password.to_owned(),
            });
            assert_eq!(target.credentials, expected, "{url}");
            assert_eq!(
                (target.host_header.as_str(), target.resource.as_str()),
                ("h", "/"),
                "{url}"
            );
        }
        let target = Target::parse("ws://user:secret@h/").unwrap();
        assert_eq!(target.url, "ws://user:secret@h/");
        assert!(!format!("{target:?}").contains("secret"));
    }

    #[test]
    fn a_location_is_joined_and_its_origin_compared() {
        let base = Target::parse("ws://user:pw@h:81/a/b?q").unwrap();
        for (location, url, same) in [
            ("/x?y", "ws://user:pw@h:81/x?y", true),
            ("c", "ws://user:pw@h:81/a/c", true),
            ("?r#fragment", "ws://user:pw@h:81/a/b?r", true),
            ("http://h:81/", "ws://h:81/", true),
            ("//h:82/", "ws://h:82/", false),
            ("https://h:81/", "wss://h:81/", false),
            ("ws://i:81/", "ws://i:81/", false),
            ("ws+unix:/h:/", "ws+unix:/h:/", false),
        ] {
            let joined = base.join(location).unwrap();
            assert_eq!((joined.url.as_str(), base.is_same_origin(&joined)), (url, same));
        }
        for location in ["ftp://h/", "ws://", "ws://h:99999/"] {
            assert!(base.join(location).is_err(), "{location}");
        }
    }

    #[test]
    fn a_bad_url_is_refused_with_the_reason() {
        let table = [
            ("ftp://h/", "unknown scheme \"ftp\": use ws or wss"),
            ("mailto:x@h", "unknown scheme \"mailto\": use ws or wss"),
            ("about:blank", "unknown scheme \"about\": use ws or wss"),
            ("localhost:9001", "unknown scheme \"localhost\": use ws or wss"),
            ("http+unix:///run/x", "unknown scheme \"http+unix\": use ws or wss"),
            ("ws://h/#", "URL with a fragment: remove everything from # on, or write %23"),
            ("http://h/a#b", "URL with a fragment: remove everything from # on, or write %23"),
            ("", "relative URL: write ws://host/path"),
            ("/a", "relative URL: write ws://host/path"),
            ("#a", "relative URL: write ws://host/path"),
            ("//h/a", "relative URL: write ws://host/path"),
            ("127.0.0.1:80", "relative URL: write ws://host/path"),
            ("ws://", "URL without host: write ws://host/path"),
            ("ws:", "URL without host: write ws://host/path"),
            ("ws://:80/", "URL without host: write ws://host/path"),
            ("ws://user@/", "URL without host: write ws://host/path"),
            ("ws://h:65536/", "port in URL: must be a number up to 65535"),
            ("ws://h:x/", "port in URL: must be a number up to 65535"),
            ("ws://h:-1/", "port in URL: must be a number up to 65535"),
            ("ws://foo bar.com/", "host in URL: not a valid domain name"),
            ("ws://a%00b/", "host in URL: not a valid domain name"),
            ("ws://a|b/", "host in URL: not a valid domain name"),
            ("ws://256.0.0.1/", "host in URL: not a valid IPv4 address"),
            ("ws://[::1/", "host in URL: not a valid IPv6 address"),
            ("ws://[g]/", "host in URL: not a valid IPv6 address"),
        ];
        for (url, reason) in table {
            assert_eq!(Target::parse(url).unwrap_err().to_string(), reason, "{url:?}");
        }
    }
}
