//! What the connections of one client or server have in common.

use crate::config::Tuning;
use crate::proto::frame::Role;
use crate::proto::handshake::is_loopback_host;

/// Shared by all connections of one `connect` or `listen`.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The handler's place in the loop.
    pub(crate) index: usize,
    pub(crate) role: Role,
    pub(crate) tuning: Tuning,
    pub(crate) server: Option<ServerSide>,
}

/// What only servers have.
#[derive(Debug)]
pub(crate) struct ServerSide {
    /// In the order of our preference.
    pub(crate) protocols: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) hosts: Vec<String>,
    /// Only this machine can reach it, so a foreign `Host` is a rebinding attack.
    pub(crate) loopback: bool,
    pub(crate) max_connections: usize,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<crate::net::trust::ServerTls>,
}

impl ServerSide {
    /// Whether a request for `host` can be meant for this server.
    pub(crate) fn expects(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let listed = |ours: &String| {
            ours == "*" || ours.eq_ignore_ascii_case(host) || ours.eq_ignore_ascii_case(name)
        };
        !self.loopback || is_loopback_host(host) || self.hosts.iter().any(listed)
    }

    /// The scheme of the URLs that clients use.
    pub(crate) fn scheme(&self) -> &'static str {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return "wss";
        }
        "ws"
    }
}
