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
