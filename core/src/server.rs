//! Servers: their options, and the shortest way to run one.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;

use crate::config::Tuning;
use crate::error::{Error, ErrorCode, Phase};
use crate::event_loop::{EventLoop, Handler, LoopHandle};
use crate::net::socket;
use crate::proto::handshake::{check_protocols, is_allowable_origin};

/// Clients that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Where to listen, and whom to accept.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    address: Address,
    /// What the scheme of the address says, if it has one.
    secure: Option<bool>,
    pub(crate) protocols: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) tuning: Tuning,
    pub(crate) max_connections: usize,
    backlog: u32,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::net::trust::ServerTls>,
}

#[derive(Clone, Debug)]
enum Address {
    Name(String),
    Bound(Arc<TcpListener>),
}

impl ServerOptions {
    /// Listens on `host:port`, `ws://host:port` or, with [`tls`](Self::tls), `wss://host:port`.
    /// Port 0 lets the system choose one.
    ///
    /// # Errors
    ///
    /// The address has no such form; the error names the part.
    pub fn new(address: &str) -> Result<Self, Error> {
        let (secure, rest) = match address.split_once("://") {
            Some(("ws", rest)) => (Some(false), rest),
            Some(("wss", rest)) => (Some(true), rest),
            Some((scheme, _)) => {
                let cause = format_args!("listen: unknown scheme {scheme:?}: use ws or wss");
                return Err(Error::argument(cause));
            }
            None => (None, address),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let is_address = rest
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if !is_address || rest.contains('/') {
            let cause = format_args!("listen: {address:?} is not host:port");
            return Err(Error::argument(cause));
        }
        Ok(Self::at(Address::Name(rest.to_owned()), secure))
    }

    /// Accepts from a socket that is listening already, for instance one that a supervisor passed on.
    /// It becomes non-blocking. Whether it serves `wss://` is decided by [`tls`](Self::tls).
    pub fn listener(listener: TcpListener) -> Self {
        Self::at(Address::Bound(Arc::new(listener)), None)
    }

    fn at(address: Address, secure: Option<bool>) -> Self {
        Self {
            address,
            secure,
            protocols: Vec::new(),
            origins: Vec::new(),
            hosts: Vec::new(),
            tuning: Tuning::default(),
            max_connections: usize::MAX,
            backlog: BACKLOG,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Subprotocols that the server speaks, the preferred one first. A client that offers none of
    /// them is accepted without one.
    #[must_use]
    pub fn protocols<P: Into<String>>(mut self, names: impl IntoIterator<Item = P>) -> Self {
        self.protocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// Origins of web pages that may connect, besides those of the same host, for example
    /// `https://example.com`; `*` for all. A request without an `Origin` does not come from a web
    /// page and is accepted (RFC 6455 section 10.2).
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Names that requests may have as `Host` on a server that listens on a loopback address, besides
    /// those of the machine itself: a proxy in front of it may pass on its own. `*` for all. Other
    /// names there are refused with 403, since a web page could reach the server under a name of its
    /// choice (DNS rebinding).
    #[must_use]
    pub fn hosts<H: Into<String>>(mut self, names: impl IntoIterator<Item = H>) -> Self {
        self.hosts = names.into_iter().map(Into::into).collect();
        self
    }

    /// Serves `wss://` with this certificate and key. Through a clone of `tls` they can be replaced
    /// while the server runs.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(mut self, tls: crate::net::trust::ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Limits and times of each connection.
    #[must_use]
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }

    /// Connections at one time; more are refused with 503. Default: no limit.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> Self {
        self.max_connections = count;
        self
    }

    /// Clients that may wait to be accepted, at least 1; the system may have a lower limit.
    /// Default 1024.
    #[must_use]
    pub fn backlog(mut self, count: u32) -> Self {
        self.backlog = count.max(1);
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        let has_tls = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let has_tls = false;
        match (self.secure, has_tls) {
            (Some(true), false) => {
                return Err(Error::argument("listen: wss:// needs a certificate and key (tls)"));
            }
            (Some(false), true) => {
                return Err(Error::argument("listen: ws:// has no use for tls; say wss://"));
            }
            _ => {}
        }
        check_protocols(&self.protocols)?;
        self.tuning.deflate.check().map_err(Error::argument)?;
        if let Some(origin) = self.origins.iter().find(|origin| !is_allowable_origin(origin)) {
            let cause = format_args!(
                "origin {origin:?} is not scheme://host with an optional port, null or *"
            );
            return Err(Error::argument(cause));
        }
        Ok(())
    }

    /// The listening socket.
    pub(crate) fn socket(&self) -> Result<mio::net::TcpListener, Error> {
        let fail = |what: &str, error: &io::Error| {
            Error::io(Phase::System, ErrorCode::Connect, what, error)
        };
        let name = match &self.address {
            Address::Bound(listener) => {
                let adopted = listener.try_clone().and_then(socket::adopt_listener);
                return adopted.map_err(|error| fail("cannot take the listening socket", &error));
            }
            Address::Name(name) => name,
        };
        let what = format!("cannot listen on {name}");
        let addrs = name.to_socket_addrs().map_err(|error| fail(&what, &error))?;
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for addr in addrs {
            match socket::bind(addr, backlog) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(fail(&what, &last))
    }
}

/// A server with a loop of its own; [`EventLoop::listen`] is for several in one loop.
///
/// ```no_run
/// use tightwire::{Handler, Message, Server, Socket};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
///         ws.send(message).ok();
///     }
/// }
///
/// # fn main() -> Result<(), tightwire::Error> {
/// Server::bind("127.0.0.1:9001")?.run(Echo)
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    options: ServerOptions,
    addr: SocketAddr,
    event_loop: EventLoop,
}

impl Server {
    /// Binds the address; clients may connect from now on and are accepted by [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// As [`ServerOptions::new`], or the address cannot be bound.
    pub fn bind(address: &str) -> Result<Self, Error> {
        let mut options = ServerOptions::new(address)?;
        let listener = options.socket()?;
        let fail = |error: io::Error| {
            Error::io(Phase::System, ErrorCode::Connect, "cannot tell the port", &error)
        };
        let addr = listener.local_addr().map_err(fail)?;
        options.address = Address::Bound(Arc::new(listener.into()));
        Ok(Self { options, addr, event_loop: EventLoop::new()? })
    }

    /// The address that it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// A handle for other threads, for example to stop it.
    pub fn handle(&self) -> LoopHandle {
        self.event_loop.handle()
    }

    /// Changes the options, except for the address.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(ServerOptions) -> ServerOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// Serves `wss://` with this certificate and key.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::net::trust::ServerTls) -> Self {
        self.with(|options| options.tls(tls))
    }

    /// Accepts connections and calls `handler` on this thread until somebody calls
    /// [`LoopHandle::stop`]; then closes every connection with 1001 and waits for up to 5 s.
    ///
    /// # Errors
    ///
    /// An option is not legal, or the system fails.
    pub fn run(mut self, handler: impl Handler + Send + 'static) -> Result<(), Error> {
        self.event_loop.listen(&self.options, handler)?;
        self.event_loop.run()?;
        self.event_loop.shutdown(std::time::Duration::from_secs(5))
    }
}
