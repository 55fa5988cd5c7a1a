//! Proxies: where they are, who asks, and what the environment says about them.

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use crate::client::TlsPlan;
use crate::error::Error;
use crate::net::login::Credentials;
use crate::net::proxy::Scheme;
use crate::target::{Target, percent_decode};

/// A proxy that leads to servers, for `ws://` and `wss://` alike: HTTP with CONNECT (RFC 9110
/// section 9.3.6) or SOCKS version 5 (RFC 1928).
///
/// User and password go to the proxy only, by Basic or Digest login or by RFC 1929; neither
/// [`Debug`](fmt::Debug) nor an error shows them.
#[derive(Clone)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    #[cfg(feature = "tls")]
    tls: Option<crate::net::trust::ClientTls>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    Socks5,
    /// The proxy resolves the server's name.
    Socks5h,
}

impl Proxy {
    /// A proxy by its URL: `http://user:password@host:port`, or `https`, `socks5` (the server's name
    /// is resolved here) and `socks5h` (by the proxy). Without a port 80, 443 or 1080 is meant; user
    /// and password may be left out and may be percent-encoded.
    ///
    /// # Errors
    ///
    /// Another scheme, no host, a path, or a control character in user or password.
    pub fn new(url: &str) -> Result<Self, Error> {
        let fail =
            |cause: &str| Error::argument(format_args!("proxy: {cause}")).of_kind("bad_proxy");
        let form = "write http://host:port, https://, socks5:// or socks5h://";
        let parsed = Url::parse(url).map_err(|_| fail(&format!("no URL; {form}")))?;
        let (kind, port) = match parsed.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" => (Kind::Socks5, 1080),
            "socks5h" => (Kind::Socks5h, 1080),
            other => return Err(fail(&format!("unknown scheme {other:?}; {form}"))),
        };
        let host = match parsed.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_ascii_lowercase(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Domain(_)) | None => return Err(fail("a URL without host")),
        };
        if !matches!(parsed.path(), "" | "/")
            || parsed.query().is_some()
            || parsed.fragment().is_some()
        {
            return Err(fail("a URL with a path; leave everything behind host and port out"));
        }
        let user = percent_decode(parsed.username());
        let password = percent_decode(parsed.password().unwrap_or_default());
        if [&user, &password].iter().any(|text| text.chars().any(char::is_control)) {
            return Err(fail("a control character in user or password"));
        }
        if user.contains(':') && matches!(kind, Kind::Http | Kind::Https) {
            return Err(fail(
                "a user with a colon, which Basic login cannot tell from the password",
            ));
        }
        let named = !user.is_empty() || parsed.password().is_some();
        Ok(Self {
            kind,
            host,
            port: parsed.port().unwrap_or(port),
            credentials: named.then_some(Credentials { user, password }),
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// Trust and keys for a proxy that is itself reached over TLS (`https://`). Default: what the
    /// platform trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::net::trust::ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// The proxy that the environment names for this URL, as curl does: `wss_proxy`, else
    /// `https_proxy` for `wss://`, `ws_proxy`, else `http_proxy` for `ws://`, then `all_proxy`;
    /// in upper case, too, except for `HTTP_PROXY`, which a CGI program's clients can set. `None`
    /// if `no_proxy` lists the host: `*`, a name and all below it, with a port if that is to count, an
    /// address, or a network such as `10.0.0.0/8`.
    ///
    /// # Errors
    ///
    /// The URL is not one for a WebSocket, or the variable holds no proxy's URL.
    pub fn from_env(url: &str) -> Result<Option<Self>, Error> {
        Self::from_variables(url, |name| std::env::var(name).ok())
    }

    fn from_variables(
        url: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Error> {
        let target = Target::parse(url)?;
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let excluded = ["no_proxy", "NO_PROXY"].into_iter().find_map(set);
        if target.unix.is_some() || excluded.is_some_and(|list| is_listed(&list, &target)) {
            return Ok(None);
        }
        let names: &[&str] = if target.secure {
            &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
        } else {
            &["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"]
        };
        let Some(value) = names.iter().copied().find_map(set) else { return Ok(None) };
        let value = value.trim();
        // A host and port without a scheme is HTTP, as everybody takes it.
        let url = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
        Self::new(&url).map(Some)
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match self.kind {
            Kind::Http | Kind::Https => Scheme::Connect,
            Kind::Socks5 | Kind::Socks5h => Scheme::Socks5,
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Whether the server's name goes to the proxy as it is.
    pub(crate) fn resolves_names(&self) -> bool {
        self.kind != Kind::Socks5
    }

    /// How to secure the way to the proxy, if it wants that.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_plan(&self) -> Result<Option<TlsPlan>, Error> {
        if self.kind != Kind::Https {
            return Ok(None);
        }
        let config = match &self.tls {
            Some(tls) => tls.clone(),
            None => crate::net::trust::ClientTls::platform()?,
        };
        Ok(Some(TlsPlan { config, name: self.host.clone() }))
    }

    #[cfg(not(feature = "tls"))]
    pub(crate) fn tls_plan(&self) -> Result<Option<TlsPlan>, Error> {
        if self.kind == Kind::Https {
            return Err(Error::argument("proxy: https:// needs the feature `tls`"));
        }
        Ok(None)
    }
}

/// Whether `no_proxy` excludes this server.
fn is_listed(list: &str, target: &Target) -> bool {
    let address: Option<IpAddr> = target.host.parse().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some((network, bits)), Some(address)) = (entry.split_once('/'), address) {
            return is_in_network(address, network, bits);
        }
        if let Some(address) = address {
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            if bare.parse() == Ok(address) {
                return true;
            }
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() && !name.contains(':') => {
                (name, port.parse().ok())
            }
            _ => (entry, None),
        };
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let host = target.host.trim_end_matches('.');
        let below =
            host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        !name.is_empty() && below && port.is_none_or(|port: u16| port == target.port)
    })
}

/// Whether the first `bits` bits of both are the same.
fn is_in_network(address: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else {
        return false;
    };
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 32 && u32::from(address) & mask == u32::from(network) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 128 && u128::from(address) & mask == u128::from(network) & mask
        }
        _ => false,
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("kind", &self.kind)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("credentials", &self.credentials)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scheme, host, port, user and password of the proxy that is chosen.
    fn chosen(url: &str, variables: &[(&str, &str)]) -> Option<(Kind, String, u16)> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let proxy = Proxy::from_variables(url, variable).unwrap()?;
        Some((proxy.kind, proxy.host, proxy.port))
    }

    #[test]
    fn a_url_is_taken_apart_and_its_secrets_stay_inside() {
        for (url, kind, host, port) in [
            ("http://p", Kind::Http, "p", 80),
            ("http://P.Example:3128/", Kind::Http, "p.example", 3128),
            ("https://p", Kind::Https, "p", 443),
            ("socks5://127.0.0.1", Kind::Socks5, "127.0.0.1", 1080),
            ("socks5h://me:p%40ss@[::1]:9", Kind::Socks5h, "::1", 9),
        ] {
            let proxy = Proxy::new(url).unwrap();
            assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (kind, host, port), "{url}");
        }
        let proxy = Proxy::new("http://nobody:p%40ss@p").unwrap();
        let Credentials { user, password } = proxy.credentials().unwrap();
        assert_eq!((user.as_str(), password.as_str()), ("nobody", "p@ss"));
        let shown = format!("{proxy:?}");
        assert!(!shown.contains("nobody") && !shown.contains("p@ss"), "{shown}");
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_it() {
        for url in [
            "",
            "p:80",
            "ftp://secret@p",
            "http://",
            "http://secret@p/path",
            "http://p?secret",
            "http://p#secret",
            "http://a%0asecret@p",
            "http://a%3asecret@p",
            "socks4://p",
        ] {
            let error = Proxy::new(url).unwrap_err().to_string();
            assert!(error.starts_with("argument: proxy: ") && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn the_environment_names_a_proxy_for_each_scheme() {
        let all = [
            ("http_proxy", "http://h:1"),
            ("HTTP_PROXY", "http://evil"),
            ("HTTPS_PROXY", "s:2"),
            ("all_proxy", "socks5h://a"),
        ];
        let http = |host: &str, port| Some((Kind::Http, host.to_owned(), port));
        assert_eq!(chosen("ws://x", &all), http("h", 1));
        assert_eq!(chosen("wss://x", &all), http("s", 2));
        assert_eq!(chosen("ws://x", &all[1..2]), None);
        let socks = Some((Kind::Socks5h, "a".to_owned(), 1080));
        assert_eq!(
            (chosen("ws://x", &all[3..]), chosen("wss://x", &all[3..])),
            (socks.clone(), socks)
        );
        let own = [("ws_proxy", "http://w"), ("http_proxy", "http://h")];
        assert_eq!(chosen("ws://x", &own), http("w", 80));
        assert_eq!(chosen("ws://x", &[("http_proxy", " ")]), None);
        assert_eq!(chosen("ws+unix:/a", &all), None);
    }

    #[test]
    fn no_proxy_excludes_names_addresses_and_networks() {
        for (list, url, excluded) in [
            ("*", "ws://anything", true),
            ("example.com", "ws://example.com", true),
            ("example.com", "ws://a.example.com", true),
            ("example.com", "ws://notexample.com", false),
            (".example.com", "ws://a.example.com", true),
            ("*.example.com", "ws://a.example.com", true),
            ("EXAMPLE.com", "ws://example.com", true),
            ("a, b c", "ws://c", true),
            ("example.com:81", "ws://example.com:81", true),
            ("example.com:81", "ws://example.com", false),
            ("127.0.0.1", "ws://127.0.0.1:9", true),
            ("127.0.0.1", "ws://127.0.0.11", false),
            ("10.0.0.0/8", "ws://10.200.3.4", true),
            ("10.0.0.0/8", "ws://11.0.0.1", false),
            ("10.0.0.0/33", "ws://10.0.0.1", false),
            ("0.0.0.0/0", "ws://1.2.3.4", true),
            ("[::1]", "ws://[::1]", true),
            ("fd00::/8", "ws://[fd12::1]", true),
            ("fd00::/8", "ws://[fe80::1]", false),
            ("", "ws://x", false),
            (",", "ws://x", false),
        ] {
            let variables = [("http_proxy", "http://p"), ("no_proxy", list)];
            assert_eq!(chosen(url, &variables).is_none(), excluded, "{list:?} {url}");
        }
    }
}
