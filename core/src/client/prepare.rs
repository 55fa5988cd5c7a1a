//! From options to what the loop dials: everything is checked, so that later nothing fails on an argument.

use std::path::PathBuf;
use std::sync::Arc;

use super::{ClientOptions, Follow};
use crate::config::Tuning;
use crate::error::{Error, Phase};
use crate::event_loop::Again;
use crate::net::descriptors::Given;
use crate::net::login::Credentials;
use crate::net::ports::is_bad;
use crate::net::proxy::{Destination, Tunnel};
use crate::net::socket::SocketOptions;
use crate::proto::handshake::{ClientHandshake, ClientRequest};
use crate::proxy::Proxy;
use crate::reconnect::Backoff;

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
    Socket(Arc<Given>),
    /// A Unix domain socket.
    Unix(PathBuf),
    /// A port that is not to be reached.
    Blocked(u16),
}

/// Options that were found legal, and what follows from them.
pub(crate) struct Prepared {
    pub(crate) route: Route,
    pub(crate) through: Option<Through>,
    pub(crate) socket_options: SocketOptions,
    pub(crate) handshake: ClientHandshake,
    pub(crate) request: Vec<u8>,
    pub(crate) tls: Option<TlsPlan>,
    /// What to do about an answer that is not 101.
    pub(crate) follow: Option<Box<Follow>>,
    /// The host at which it takes turns with other connections.
    pub(crate) gate: Option<Arc<str>>,
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
    /// Checks everything and writes the request, so that later nothing can fail on an argument.
    pub(crate) fn prepare(&self) -> Result<Prepared, Error> {
        let route = self.route()?;
        self.tuning.deflate.check().map_err(Error::argument)?;
        let through = self.through(&route)?;
        let key = random()?;
        let mut headers = self.headers.clone();
        let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if let (false, Some(authorization)) = (given, self.authorization()?) {
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
        let follow = Follow::of(self);
        let gate = self.serializes_connects.then(|| self.target.place().into());
        Ok(Prepared { route, through, socket_options, handshake, request, tls, follow, gate })
    }

    /// What is needed to do it again, if that is wanted.
    pub(crate) fn again(&self) -> Result<Option<Again>, Error> {
        let Some(policy) = &self.reconnect else { return Ok(None) };
        if self.socket.is_some() {
            return Err(Error::argument("reconnect: does not go with a given socket"));
        }
        Ok(Some(Again::new(self.clone(), Backoff::new(policy.clone())?)))
    }

    fn authorization(&self) -> Result<Option<String>, Error> {
        let Some(auth) = &self.auth else {
            return Ok(self.target.credentials.as_ref().map(Credentials::basic));
        };
        auth.check()?;
        Ok(self.login.clone().or_else(|| auth.at_once()))
    }

    fn through(&self, route: &Route) -> Result<Option<Through>, Error> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        if matches!(route, Route::Blocked(_)) {
            return Ok(None);
        }
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
        let port = self.target.port;
        let Some(address) = &self.connect_to else {
            return Ok(match &self.target.unix {
                Some(path) => Route::Unix(path.clone()),
                None if self.blocks_bad_ports && is_bad(port) => Route::Blocked(port),
                None => Route::Host { host: self.target.host.clone(), port },
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
pub(super) fn random() -> Result<[u8; 16], Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        let cause = format_args!("the system gave no randomness: {error}");
        Error::new(Phase::System, crate::ErrorCode::Internal, cause)
    })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    /// The sixteen bytes in a request's `Sec-WebSocket-Key` (RFC 6455 section 4.1).
    fn key_of(request: &[u8]) -> [u8; 16] {
        let text = std::str::from_utf8(request).unwrap();
        let field = text.split("\r\n").find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
        let mut room = [0; 18];
        let count = STANDARD.decode_slice(field.unwrap(), &mut room).unwrap();
        room[..count].try_into().unwrap()
    }

    #[test]
    fn ten_thousand_handshakes_have_as_many_keys() {
        let options = ClientOptions::new("ws://example.com/").unwrap();
        let key = || key_of(&options.prepare().unwrap().request);
        let keys: HashSet<[u8; 16]> = std::iter::repeat_with(key).take(10_000).collect();
        assert_eq!(keys.len(), 10_000);
    }
}
