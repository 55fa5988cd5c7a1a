//! TLS of one connection, ours or another library's.

use super::tls::{Received, Sealed, TlsSession};
use super::tls_engine::EngineSession;
use super::tls_error::TlsError;
use super::trust::{ClientSettings, ClientTls, ServerSettings, ServerTls};
use crate::proto::frame::Role;

/// What [`TlsStream`](super::tls_stream::TlsStream) asks of TLS; [`TlsSession`] tells the terms.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives in the box of its stream, and is mostly that"
)]
pub(crate) enum Session {
    Own(TlsSession),
    Engine(EngineSession),
}

impl Session {
    pub(super) fn client(tls: &ClientTls, server_name: &str) -> Result<Self, TlsError> {
        Ok(match tls.settings() {
            ClientSettings::Own(config) => Self::Own(TlsSession::client(config, server_name)?),
            ClientSettings::Engine(factory) => {
                Self::Engine(EngineSession::start(factory, Role::Client, server_name)?)
            }
        })
    }

    pub(super) fn server(tls: &ServerTls) -> Result<Self, TlsError> {
        Ok(match tls.settings() {
            ServerSettings::Own(config) => Self::Own(TlsSession::server(config)?),
            ServerSettings::Engine(factory) => {
                Self::Engine(EngineSession::start(&factory, Role::Server, "")?)
            }
        })
    }

    pub(super) fn is_peer_closed(&self) -> bool {
        match self {
            Self::Own(session) => session.is_peer_closed(),
            Self::Engine(session) => session.is_peer_closed(),
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        match self {
            Self::Own(session) => session.is_handshaking(),
            Self::Engine(session) => session.is_handshaking(),
        }
    }

    pub(super) fn terms(&self) -> String {
        match self {
            Self::Own(session) => session.terms(),
            Self::Engine(session) => session.terms(),
        }
    }

    pub(super) fn kept(&self) -> usize {
        match self {
            Self::Own(session) => session.kept(),
            Self::Engine(_) => 0,
        }
    }

    pub(super) fn carry(&mut self, buf: &mut [u8]) {
        if let Self::Own(session) = self {
            session.carry(buf);
        }
    }

    pub(super) fn receive(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<Received, TlsError> {
        match self {
            Self::Own(session) => session.receive(cipher, plain),
            Self::Engine(session) => {
                session.receive(cipher, plain).map(|peer_closed| Received { peer_closed })
            }
        }
    }

    pub(super) fn encrypt(
        &mut self,
        plain: &[&[u8]],
        scratch: &mut Vec<u8>,
    ) -> Result<Sealed, TlsError> {
        match self {
            Self::Own(session) => session.encrypt(plain, scratch),
            Self::Engine(session) => {
                let taken = session.encrypt(plain, scratch)?;
                Ok(Sealed { taken, cipher: 0..0 })
            }
        }
    }

    pub(super) fn close_notify(&mut self) {
        match self {
            Self::Own(session) => session.close_notify(),
            Self::Engine(session) => session.close_notify(),
        }
    }

    pub(super) fn outgoing(&self) -> &[u8] {
        match self {
            Self::Own(session) => session.outgoing(),
            Self::Engine(session) => session.outgoing(),
        }
    }

    pub(super) fn sent(&mut self, count: usize) {
        match self {
            Self::Own(session) => session.sent(count),
            Self::Engine(session) => session.sent(count),
        }
    }

    pub(super) fn keep(&mut self, cipher: &[u8]) {
        match self {
            Self::Own(session) => session.keep(cipher),
            Self::Engine(session) => session.keep(cipher),
        }
    }
}
