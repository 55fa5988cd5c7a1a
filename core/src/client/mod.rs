//! Client connections: their options, what is dialled, and the shortest way to run one.

mod follow;
mod prepare;
mod run;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

pub use self::run::{Client, connect};

pub(crate) use self::follow::Follow;
pub(crate) use self::prepare::{Prepared, Route, TlsPlan};

use crate::auth::Auth;
use crate::config::Tuning;
use crate::error::Error;
use crate::net::descriptors::Given;
use crate::net::socket::SocketOptions;
use crate::proxy::Proxy;
use crate::reconnect::Reconnect;
use crate::target::Target;

/// Where to connect, and how.
///
/// ```
/// # fn main() -> Result<(), tightwire::Error> {
/// use tightwire::ClientOptions;
/// let options = ClientOptions::new("ws://localhost:9001/chat")?
///     .protocol("chat.v2")
///     .header("Authorization", "Bearer abc");
/// # let _ = options;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientOptions {
    pub(crate) target: Target,
    pub(crate) tuning: Tuning,
    protocols: Vec<String>,
    headers: Vec<(String, String)>,
    origin: Option<String>,
    auth: Option<Auth>,
    /// The answer to the server's challenge.
    login: Option<String>,
    max_redirects: u32,
    blocks_bad_ports: bool,
    serializes_connects: bool,
    reconnect: Option<Reconnect>,
    connect_to: Option<String>,
    socket: Option<Arc<Given>>,
    socket_options: SocketOptions,
    proxy: Option<Proxy>,
    tls_name: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<crate::net::trust::ClientTls>,
}

impl ClientOptions {
    /// Options for a `ws://` or `wss://` URL (`http://` and `https://` mean the same), which is
    /// parsed as browsers do (WHATWG URL), or for `ws+unix:/path/of/socket:/resource`.
    ///
    /// # Errors
    ///
    /// The URL is not one for a WebSocket; the error names the part.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self::of(Target::parse(url)?))
    }

    /// As [`new`](Self::new), for a URL that may be relative to `base`, as it is in a page of that
    /// URL.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); or `base` is no absolute URL.
    pub fn with_base(url: &str, base: &str) -> Result<Self, Error> {
        Ok(Self::of(Target::parse_in(url, base)?))
    }

    /// The URL as browsers write it, with the scheme `ws` or `wss`. It may have a password in it.
    pub fn url(&self) -> &str {
        &self.target.url
    }

    fn of(target: Target) -> Self {
        Self {
            target,
            tuning: Tuning::default(),
            protocols: Vec::new(),
            headers: Vec::new(),
            origin: None,
            auth: None,
            login: None,
            max_redirects: 0,
            blocks_bad_ports: false,
            serializes_connects: false,
            reconnect: None,
            connect_to: None,
            socket: None,
            socket_options: SocketOptions::default(),
            proxy: None,
            tls_name: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Offers a subprotocol, after those offered before (RFC 6455 section 1.9).
    #[must_use]
    pub fn protocol(mut self, name: impl Into<String>) -> Self {
        self.protocols.push(name.into());
        self
    }

    /// Adds a header field to the request. Those of the handshake itself are refused by `connect`.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends an `Origin`, as browsers do (RFC 6455 section 4.1).
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Logs in. A header `Authorization` of the application's own comes before it, and both before
    /// user and password in the URL.
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// Follows up to this many redirects (RFC 9110 section 15.4), all within `open_timeout`. Default
    /// 0: a redirect is an error that has the `Location`.
    ///
    /// Never from `wss` to `ws`. To another scheme, host or port go neither the login nor the fields
    /// `Authorization`, `Cookie` and `Host`, and [`connect_to`](Self::connect_to) and
    /// [`tls_name`](Self::tls_name) do not count there.
    #[must_use]
    pub fn max_redirects(mut self, max: u32) -> Self {
        self.max_redirects = max;
        self
    }

    /// Refuses to connect to ports of other protocols, such as 25, as browsers do (Fetch, section "Port
    /// blocking"). Off by default.
    #[must_use]
    pub fn block_bad_ports(mut self, block: bool) -> Self {
        self.blocks_bad_ports = block;
        self
    }

    /// Connects to one host one after the other (RFC 6455 section 4.1): waits while another connection of
    /// the same loop, also with this option, is on its way to the same host and port, until that one
    /// has opened or failed. Default: connections are made side by side.
    ///
    /// The host is the one in the URL, whatever its addresses, [`connect_to`](Self::connect_to) and a
    /// proxy are. `open_timeout` goes on only while it is this connection's turn. A redirect to
    /// another host waits for its turn there, and each attempt of a [`reconnect`](Self::reconnect)
    /// anew.
    #[must_use]
    pub fn serialize_connects(mut self, serialize: bool) -> Self {
        self.serializes_connects = serialize;
        self
    }

    /// Connects to this `host:port`, or to the Unix domain socket `unix:/path`, instead of the URL's
    /// host; name, certificate and `Host` stay.
    #[must_use]
    pub fn connect_to(mut self, address: impl Into<String>) -> Self {
        self.connect_to = Some(address.into());
        self
    }

    /// Goes through this proxy. Default: none; the environment is not asked, but
    /// [`Proxy::from_env`] does.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Uses a stream socket that is connected already, TCP or Unix: name resolution, racing and
    /// `connect_to` are left out. The connection has a descriptor of its own; the caller's may be
    /// closed, and must not be read or written while it is open.
    #[must_use]
    pub fn socket(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.socket = Some(Arc::new(Given::new(socket.into())));
        self
    }

    /// The local address that the connection comes from, and the port unless it is 0. Addresses of
    /// the server that are of the other family are not tried.
    #[must_use]
    pub fn bind_address(mut self, address: SocketAddr) -> Self {
        self.socket_options.bind = Some(address);
        self
    }

    /// Has the system probe an idle connection after this time (SO_KEEPALIVE). The library's own
    /// pings do more; this is for when they are switched off. Default: no probes.
    #[must_use]
    pub fn tcp_keepalive(mut self, idle: Duration) -> Self {
        self.socket_options.keepalive = Some(idle);
        self
    }

    /// Expects the certificate to be for this name, and asks for it (SNI), instead of the URL's.
    #[must_use]
    pub fn tls_name(mut self, name: impl Into<String>) -> Self {
        self.tls_name = Some(name.into());
        self
    }

    /// Trust and keys for `wss://`. Default: what the platform trusts.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::net::trust::ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Comes back when the connection is lost or cannot be made. Default: it does not.
    #[must_use]
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// Limits and times.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}
