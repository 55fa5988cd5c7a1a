//! Client connections: their options, and the shortest way to run one.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::Tuning;
use crate::error::{Error, Phase};
use crate::event_loop::{
    CloseEvent, ConnId, Context, EventLoop, Handler, Message, Opening, Socket,
};
use crate::net::proxy::{Destination, Tunnel};
use crate::net::socket::SocketOptions;
use crate::proto::handshake::{ClientHandshake, ClientRequest};
use crate::proxy::Proxy;
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
    connect_to: Option<String>,
    socket: Option<Arc<OwnedFd>>,
    socket_options: SocketOptions,
    proxy: Option<Proxy>,
    tls_name: Option<String>,
    #[cfg(feature = "tls")]
    tls: Option<crate::net::trust::ClientTls>,
}

/// The proxy that leads to the server.
pub(crate) struct Through {
    /// Where the proxy is.
    pub(crate) route: Route,
    /// For a proxy that is itself reached over TLS.
    pub(crate) tls: Option<TlsPlan>,
    pub(crate) to: Destination,
    /// The proxy takes addresses, so the server's name is to be resolved here before.
    pub(crate) resolves_here: bool,
    /// Of an earlier connection to the same proxy, which has asked for another one.
    pub(crate) tunnel: Option<Tunnel>,
    proxy: Proxy,
}

impl Through {
    /// Appends the first bytes for the proxy to `out`.
    pub(crate) fn begin(&self, tuning: &Tuning, out: &mut Vec<u8>) -> Result<Tunnel, Error> {
        let (scheme, credentials) = (self.proxy.scheme(), self.proxy.credentials());
        Ok(Tunnel::start(scheme, &self.to, credentials, random()?, tuning, out)?)
    }
}

/// What a connection is made to.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// A name or an IP address.
    Host { host: String, port: u16 },
    /// A connected socket that the application made.
    Socket(Arc<OwnedFd>),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// Options that were found legal, and what follows from them.
pub(crate) struct Prepared {
    pub(crate) route: Route,
    pub(crate) through: Option<Through>,
    pub(crate) socket_options: SocketOptions,
    pub(crate) handshake: ClientHandshake,
    pub(crate) request: Vec<u8>,
    pub(crate) tls: Option<TlsPlan>,
}

/// How to secure the connection.
#[cfg(feature = "tls")]
pub(crate) struct TlsPlan {
    pub(crate) config: crate::net::trust::ClientTls,
    pub(crate) name: String,
}

/// Built without TLS: there is nothing to plan.
#[cfg(not(feature = "tls"))]
pub(crate) enum TlsPlan {}

impl ClientOptions {
    /// Options for a `ws://` or `wss://` URL (`http://` and `https://` mean the same), which is
    /// parsed as browsers do (WHATWG URL), or for `ws+unix:/path/of/socket:/resource`.
    ///
    /// # Errors
    ///
    /// The URL is not one for a WebSocket; the error names the part.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(Self {
            target: Target::parse(url)?,
            tuning: Tuning::default(),
            protocols: Vec::new(),
            headers: Vec::new(),
            origin: None,
            connect_to: None,
            socket: None,
            socket_options: SocketOptions::default(),
            proxy: None,
            tls_name: None,
            #[cfg(feature = "tls")]
            tls: None,
        })
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
        self.socket = Some(Arc::new(socket.into()));
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

    /// Limits and times.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Checks everything and writes the request, so that later nothing can fail on an argument.
    pub(crate) fn prepare(&self) -> Result<Prepared, Error> {
        let route = self.route()?;
        self.tuning.deflate.check().map_err(Error::argument)?;
        let through = self.through(&route)?;
        let key = random()?;
        let mut headers = self.headers.clone();
        let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let (false, Some(authorization)) = (given, self.target.authorization()) {
            headers.push(("Authorization".to_owned(), authorization));
        }
        let mut request = Vec::new();
        let handshake = ClientHandshake::start(
            &ClientRequest {
                host: &self.target.host_header,
                target: &self.target.resource,
                protocols: &self.protocols,
                origin: self.origin.as_deref(),
                headers: &headers,
                key,
            },
            &self.tuning,
            &mut request,
        )?;
        let socket_options = self.socket_options.clone();
        let tls = self.tls_plan()?;
        Ok(Prepared { route, through, socket_options, handshake, request, tls })
    }

    fn through(&self, route: &Route) -> Result<Option<Through>, Error> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let Route::Host { host, port } = route else {
            return Err(Error::argument("proxy: does not go with a Unix or a given socket"));
        };
        Ok(Some(Through {
            route: Route::Host { host: proxy.host().to_owned(), port: proxy.port() },
            tls: proxy.tls_plan()?,
            to: Destination { host: host.clone(), port: *port },
            resolves_here: !proxy.resolves_names(),
            tunnel: None,
            proxy: proxy.clone(),
        }))
    }

    fn route(&self) -> Result<Route, Error> {
        if let Some(socket) = &self.socket {
            return Ok(Route::Socket(Arc::clone(socket)));
        }
        let Some(address) = &self.connect_to else {
            return Ok(match &self.target.unix {
                Some(path) => Route::Unix(path.clone()),
                None => Route::Host { host: self.target.host.clone(), port: self.target.port },
            });
        };
        if let Some(path) = address.strip_prefix("unix:") {
            return Ok(Route::Unix(path.into()));
        }
        let parts = address.rsplit_once(':').and_then(|(host, port)| {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let host = Some(host).filter(|host| !host.is_empty())?.to_owned();
            Some(Route::Host { host, port: port.parse().ok()? })
        });
        parts.ok_or_else(|| {
            let cause = format_args!("connect_to {address:?} is neither host:port nor unix:/path");
            Error::argument(cause)
        })
    }

    #[cfg(feature = "tls")]
    fn tls_plan(&self) -> Result<Option<TlsPlan>, Error> {
        if !self.target.secure {
            return Ok(None);
        }
        let config = match &self.tls {
            Some(tls) => tls.clone(),
            None => crate::net::trust::ClientTls::platform()?,
        };
        let (option, name) = match &self.tls_name {
            Some(name) => ("tls_name", name.clone()),
            None => ("host", self.target.host.clone()),
        };
        if !crate::net::tls::is_server_name(&name) {
            let cause = format_args!("{option} {name:?} is neither a host name nor an IP address");
            return Err(Error::argument(cause));
        }
        Ok(Some(TlsPlan { config, name }))
    }

    #[cfg(not(feature = "tls"))]
    fn tls_plan(&self) -> Result<Option<TlsPlan>, Error> {
        if self.target.secure || self.tls_name.is_some() {
            let cause = "wss:// needs the feature `tls`, which this build has not";
            return Err(Error::new(Phase::Argument, crate::ErrorCode::Unsupported, cause));
        }
        Ok(None)
    }
}

/// Sixteen bytes of the system's randomness.
fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let cause = format_args!("the system gave no randomness: {error}");
        Error::new(Phase::System, crate::ErrorCode::Internal, cause)
    })?;
    Ok(bytes)
}

/// One client connection with a loop of its own; [`EventLoop::connect`] is for several.
#[derive(Clone, Debug)]
pub struct Client {
    options: ClientOptions,
}

/// A client for `url`; see [`Client::new`].
///
/// # Errors
///
/// The URL is not one for a WebSocket.
pub fn connect(url: &str) -> Result<Client, Error> {
    Client::new(url)
}

impl Client {
    /// A client for `url`, which does nothing until [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The URL is not one for a WebSocket.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(ClientOptions::new(url)?.into())
    }

    /// Offers a subprotocol; see [`ClientOptions::protocol`].
    #[must_use]
    pub fn protocol(self, name: impl Into<String>) -> Self {
        self.options.protocol(name).into()
    }

    /// Adds a header field; see [`ClientOptions::header`].
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.header(name, value).into()
    }

    /// Trust and keys for `wss://`; see [`ClientOptions::tls`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::net::trust::ClientTls) -> Self {
        self.options.tls(tls).into()
    }

    /// Limits and times; see [`ClientOptions::tuning`].
    #[must_use]
    pub fn tuning(self, tuning: Tuning) -> Self {
        self.options.tuning(tuning).into()
    }

    /// Connects and calls `handler` on this thread until the connection is over.
    ///
    /// # Errors
    ///
    /// An option is not legal, or the connection never opened; afterwards the [`CloseEvent`] says
    /// how it ended.
    pub fn run(self, handler: impl Handler + Send + 'static) -> Result<CloseEvent, Error> {
        let mut event_loop = EventLoop::new()?;
        let ending = Arc::new(Mutex::new(Ending::default()));
        let witness = Witness { handler, ending: Arc::clone(&ending) };
        event_loop.connect(&self.options, witness)?;
        event_loop.run_until_idle()?;
        let mut ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
        match (ending.opened, ending.close.take()) {
            (true, Some(close)) => Ok(close),
            (_, close) => Err(close.and_then(|close| close.error).unwrap_or_else(stopped)),
        }
    }
}

fn stopped() -> Error {
    let cause = "the loop was stopped before the connection was over";
    Error::new(Phase::App, crate::ErrorCode::Shutdown, cause)
}

impl From<ClientOptions> for Client {
    fn from(options: ClientOptions) -> Self {
        Self { options }
    }
}

#[derive(Default)]
struct Ending {
    opened: bool,
    close: Option<CloseEvent>,
}

/// Passes everything on and remembers how it ended.
struct Witness<H> {
    handler: H,
    ending: Arc<Mutex<Ending>>,
}

impl<H: Handler> Handler for Witness<H> {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).opened = true;
        self.handler.on_open(ws, opening);
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        self.handler.on_message(ws, message);
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.handler.on_ping(ws, payload);
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.handler.on_pong(ws, payload);
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        self.handler.on_drain(ws);
    }

    fn on_close(&mut self, context: &mut Context<'_>, id: ConnId, close: &CloseEvent) {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).close = Some(close.clone());
        self.handler.on_close(context, id, close);
    }
}
