//! Who may connect from a browser: the policy for `Origin` and `Host`.
//!
//! Any web page can open a WebSocket to any server; the browser only says which page it was
//! (RFC 6455 section 10.2). What does not parse strictly is not allowed: no user information, no
//! path, no dot at the end, nothing that is percent-encoded.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a page of `origin` may connect to `host` (the field `Host` of its request).
///
/// It may if both name the same host and port, where a missing port is the default one of the
/// origin's scheme, or if `allowed` has the origin. `*` there allows every origin, and `null`
/// (files, sandboxed frames) must be listed.
#[must_use]
pub fn origin_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    let parsed = Origin::parse(origin);
    let listed = |entry: &String| {
        entry == "*"
            || entry.eq_ignore_ascii_case(origin)
            || parsed.is_some() && parsed == Origin::parse(entry)
    };
    allowed.iter().any(listed) || parsed.is_some_and(|origin| origin.is_same_host(host))
}

/// Whether `entry` can ever allow an origin: `*`, `null`, `scheme://host` with an optional port, or
/// a scheme without a host, such as `file://`.
#[must_use]
pub fn is_allowable_origin(entry: &str) -> bool {
    let has_no_host =
        |scheme: &str| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_graphic());
    matches!(entry, "*" | "null")
        || Origin::parse(entry).is_some()
        || entry.strip_suffix("://").is_some_and(has_no_host)
}

/// Whether `host` (a field `Host`, with or without port) names this machine: `localhost`, a name
/// below it, 127.0.0.0/8 or `[::1]`.
///
/// A listener on loopback that checks it cannot be reached by a page whose name was made to
/// resolve to 127.0.0.1 (DNS rebinding).
#[must_use]
pub fn is_loopback_host(host: &str) -> bool {
    let Some(Authority { host, .. }) = Authority::parse(host) else { return false };
    match host {
        Host::Name(name) => {
            let name = name.to_ascii_lowercase();
            name == "localhost"
                || name.strip_suffix(".localhost").is_some_and(|rest| !rest.is_empty())
                || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        }
        Host::V6(address) => address.is_loopback(),
    }
}

/// Whether `text` is a host with an optional port.
pub(super) fn is_authority(text: &str) -> bool {
    Authority::parse(text).is_some()
}

/// An origin as browsers serialise it: scheme, host and perhaps a port (RFC 6454 section 6.2).
#[derive(Clone, Copy, Debug)]
struct Origin<'a> {
    scheme: &'a str,
    authority: Authority<'a>,
}

impl<'a> Origin<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let authority = Authority::parse(authority)?;
        is_scheme.then_some(Self { scheme, authority })
    }

    fn default_port(&self) -> Option<u16> {
        if ["http", "ws"].iter().any(|scheme| self.scheme.eq_ignore_ascii_case(scheme)) {
            Some(80)
        } else if ["https", "wss"].iter().any(|scheme| self.scheme.eq_ignore_ascii_case(scheme)) {
            Some(443)
        } else {
            None
        }
    }

    fn is_same_host(&self, host: &str) -> bool {
        // Only pages that came from a web server have a host to compare.
        let (Some(default), Some(host)) = (self.default_port(), Authority::parse(host)) else {
            return false;
        };
        self.authority.host == host.host
            && self.authority.port.unwrap_or(default) == host.port.unwrap_or(default)
    }
}

impl PartialEq for Origin<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.authority.host == other.authority.host
            && self.authority.port.or_else(|| self.default_port())
                == other.authority.port.or_else(|| other.default_port())
    }
}

/// A host with an optional port (RFC 3986 section 3.2), without user information.
#[derive(Clone, Copy, Debug)]
struct Authority<'a> {
    host: Host<'a>,
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    /// A name or an IPv4 address: letters, digits, `-`, `.` and `_`.
    Name(&'a str),
    V6(Ipv6Addr),
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            (Host::V6(address.parse().ok()?), port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_name = !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            (Host::Name(is_name.then_some(name)?), port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            // `parse` alone would take a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { host, port })
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(own), Self::Name(other)) => own.eq_ignore_ascii_case(other),
            (Self::V6(own), Self::V6(other)) => own == other,
            (Self::Name(_), Self::V6(_)) | (Self::V6(_), Self::Name(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_to_its_own_host() {
        let table = [
            ("http://example.com", "example.com", true),
            ("https://example.com", "example.com", true),
            ("https://example.com", "EXAMPLE.com:443", true),
            ("http://example.com:80", "example.com", true),
            ("http://example.com:8080", "example.com:8080", true),
            ("HTTP://Example.COM", "example.com", true),
            ("http://[::1]:9001", "[::1]:9001", true),
            ("http://[::1]", "[0:0:0:0:0:0:0:1]", true),
            ("http://xn--bcher-kva.example", "xn--bcher-kva.example", true),
            ("http://127.0.0.1:9001", "127.0.0.1:9001", true),
            ("", "example.com", false),
            ("null", "null", false),
            ("http://", "example.com", false),
            ("example.com", "example.com", false),
            ("//example.com", "example.com", false),
            ("http:example.com", "example.com", false),
            ("http:/example.com", "example.com", false),
            ("http://example.com/", "example.com", false),
            ("http://example.com?", "example.com", false),
            ("http://example.com#", "example.com", false),
            ("http://example.com ", "example.com", false),
            ("http://example.com, http://example.com", "example.com", false),
            ("http://example.com http://example.com", "example.com", false),
            ("http://example.com:81", "example.com", false),
            ("http://example.com:443", "example.com", false),
            ("https://example.com:80", "example.com", false),
            ("http://example.com:+80", "example.com", false),
            ("http://example.com:80:80", "example.com", false),
            ("http://example.com:65616", "example.com", false),
            ("http://example.com.", "example.com", false),
            ("http://example.com", "example.com.", false),
            ("http://evil-example.com", "example.com", false),
            ("http://evil.example.com", "example.com", false),
            ("http://example.com.evil.net", "example.com", false),
            ("http://example.comevil.net", "example.com", false),
            ("http://example.co", "example.com", false),
            ("http://example.com@evil.net", "example.com", false),
            ("http://user@example.com", "example.com", false),
            ("http://example.com:80@evil.net", "example.com", false),
            ("http://evil.net\\example.com", "example.com", false),
            ("http://evil.net/example.com", "example.com", false),
            ("http://evil.net`example.com", "example.com", false),
            ("http://evil.net$example.com", "example.com", false),
            ("http://evil.net%2eexample.com", "example.com", false),
            ("http://b\u{fc}cher.example", "xn--bcher-kva.example", false),
            ("http://ex\u{430}mple.com", "example.com", false),
            ("http://example\u{3002}com", "example.com", false),
            ("http://\u{ff45}xample.com", "example.com", false),
            ("http://[::1", "[::1]", false),
            ("http://[::1]x", "[::1]", false),
            ("http://::1", "[::1]", false),
            ("http://[::1%25lo]", "[::1]", false),
            ("http://127.0.0.1", "localhost", false),
            ("file://example.com", "example.com", false),
            ("chrome-extension://example.com", "example.com", false),
            ("http://example.com", "", false),
            ("http://example.com", "user@example.com", false),
        ];
        for (origin, host, expected) in table {
            assert_eq!(origin_allowed(origin, host, &[]), expected, "{origin:?} to {host:?}");
        }
    }

    #[test]
    fn other_origins_must_be_listed() {
        let list = [
            "https://app.example.com",
            "http://dev.example.com:8080",
            "null",
            "chrome-extension://abc",
        ]
        .map(str::to_owned);
        let table = [
            ("https://app.example.com", true),
            ("https://APP.example.com", true),
            ("https://app.example.com:443", true),
            ("http://dev.example.com:8080", true),
            ("chrome-extension://abc", true),
            ("null", true),
            ("http://app.example.com", false),
            ("https://app.example.com:80", false),
            ("https://app.example.com.", false),
            ("https://app.example.com.evil.net", false),
            ("https://xapp.example.com", false),
            ("https://app-example.com", false),
            ("https://appxexample.com", false),
            ("https://app.example.com@evil.net", false),
            ("https://evil.net/https://app.example.com", false),
            ("http://dev.example.com", false),
            ("http://dev.example.com:80", false),
            ("chrome-extension://abcd", false),
            ("", false),
        ];
        for (origin, expected) in table {
            assert_eq!(origin_allowed(origin, "server.example", &list), expected, "{origin:?}");
        }
    }

    #[test]
    fn a_star_allows_every_origin() {
        let list = ["*".to_owned()];
        for origin in ["http://evil.net", "null", "no origin at all"] {
            assert!(origin_allowed(origin, "example.com", &list), "{origin:?}");
        }
        assert!(!origin_allowed("http://evil.net", "example.com", &["*.net".to_owned()]));
    }

    #[test]
    fn only_this_machine_is_a_loopback_host() {
        let table = [
            ("localhost", true),
            ("localhost:9001", true),
            ("LocalHost", true),
            ("app.localhost", true),
            ("a.b.LOCALHOST:80", true),
            ("127.0.0.1", true),
            ("127.0.0.1:80", true),
            ("127.255.255.254", true),
            ("[::1]", true),
            ("[::1]:80", true),
            ("[0:0:0:0:0:0:0:1]", true),
            ("", false),
            (":80", false),
            ("localhost.", false),
            ("127.0.0.1.", false),
            (".localhost", false),
            ("localhost.evil.net", false),
            ("evil-localhost", false),
            ("notlocalhost", false),
            ("localhost@evil.net", false),
            ("evil@localhost", false),
            ("localhost:80@evil.net", false),
            ("localhost:x", false),
            ("localhost:80:80", false),
            ("localhost/", false),
            ("localhost ", false),
            ("local\u{130}host", false),
            ("\u{217c}ocalhost", false),
            ("xn--localhost", false),
            ("127.0.0.1.nip.io", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f.0.0.1", false),
            ("127.0.0.01", false),
            ("0.0.0.0", false),
            ("128.0.0.1", false),
            ("[::]", false),
            ("[::2]", false),
            ("[::ffff:127.0.0.1]", false),
            ("[127.0.0.1]", false),
            ("::1", false),
            ("[::1]x", false),
            ("[::1]:", true),
            ("example.com", false),
        ];
        for (host, expected) in table {
            assert_eq!(is_loopback_host(host), expected, "{host:?}");
        }
    }
}
