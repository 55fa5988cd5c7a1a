//! TLS by another library than ours: a machine of bytes that the application brings.

use std::fmt;
use std::sync::Arc;

use super::tls_error::TlsError;
use crate::proto::frame::Role;

/// Most plaintext that an engine is offered at once, so that little has to be kept when the socket is
/// full.
const MAX_ENCRYPT: usize = 64 << 10;

/// Makes the TLS of connections, in the place of rustls: see [`ClientTls::engine`](crate::ClientTls::engine).
pub trait TlsFactory: Send + Sync {
    /// TLS of one connection. A client is given the name that it connects to, which may be an IP
    /// address; what is verified is the engine's business.
    ///
    /// # Errors
    ///
    /// The connection fails with it.
    fn start(&self, role: Role, server_name: &str) -> Result<Box<dyn TlsEngine>, TlsError>;
}

/// TLS of one connection: ciphertext in, plaintext out, and back. Called on the thread that drives the
/// loop, one call at a time; it must not wait for anything.
pub trait TlsEngine: Send {
    /// Takes all of `cipher`, goes on with the handshake if there is one, and appends what it
    /// decrypts to `plain`. True: the peer said that it sends nothing more (close_notify).
    ///
    /// A client is called with nothing first, and has its first message in
    /// [`output`](Self::output) afterwards.
    ///
    /// # Errors
    ///
    /// TLS failed; `plain` has what was good, and `output` the alert for the peer.
    fn receive(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<bool, TlsError>;

    /// Encrypts the front of `plain`, and says how much that was; nothing during the handshake.
    ///
    /// # Errors
    ///
    /// TLS failed.
    fn encrypt(&mut self, plain: &[u8]) -> Result<usize, TlsError>;

    /// Appends the ciphertext for the peer to `cipher`, each byte once.
    fn output(&mut self, cipher: &mut Vec<u8>);

    /// Whether the handshake goes on.
    fn is_handshaking(&self) -> bool;

    /// Version and cipher suite, such as `TLSv1.3 TLS13_AES_128_GCM_SHA256`, once the handshake is
    /// done; empty if the engine does not tell.
    fn terms(&self) -> String {
        String::new()
    }

    /// Says to the peer that nothing more is sent.
    fn close_notify(&mut self);
}

/// An engine, with what it has to say until the socket takes it.
pub(crate) struct EngineSession {
    engine: Box<dyn TlsEngine>,
    outgoing: Vec<u8>,
    sent: usize,
    peer_closed: bool,
    closed: bool,
}

impl EngineSession {
    pub(super) fn start(
        factory: &Arc<dyn TlsFactory>,
        role: Role,
        server_name: &str,
    ) -> Result<Self, TlsError> {
        let engine = factory.start(role, server_name)?;
        let mut session =
            Self { engine, outgoing: Vec::new(), sent: 0, peer_closed: false, closed: false };
        if role == Role::Client {
            session.receive(&[], &mut Vec::new())?;
        }
        Ok(session)
    }

    /// Whether the peer said that it sends nothing more.
    pub(super) fn receive(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<bool, TlsError> {
        let received = self.engine.receive(cipher, plain);
        self.engine.output(&mut self.outgoing);
        self.peer_closed |= matches!(received, Ok(true));
        received
    }

    /// How much of `slices` was encrypted, into [`outgoing`](Self::outgoing).
    pub(super) fn encrypt(
        &mut self,
        slices: &[&[u8]],
        scratch: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        if self.closed || self.engine.is_handshaking() {
            return Ok(0);
        }
        scratch.clear();
        for slice in slices {
            let room = MAX_ENCRYPT - scratch.len();
            scratch.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        if scratch.is_empty() {
            return Ok(0);
        }
        let taken = self.engine.encrypt(scratch);
        self.engine.output(&mut self.outgoing);
        taken.map(|taken| taken.min(scratch.len()))
    }

    pub(super) fn close_notify(&mut self) {
        if !std::mem::replace(&mut self.closed, true) && !self.engine.is_handshaking() {
            self.engine.close_notify();
            self.engine.output(&mut self.outgoing);
        }
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.engine.is_handshaking()
    }

    pub(super) fn terms(&self) -> String {
        self.engine.terms()
    }

    pub(super) fn is_peer_closed(&self) -> bool {
        self.peer_closed
    }

    pub(super) fn outgoing(&self) -> &[u8] {
        self.outgoing.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.outgoing.len() {
            // An idle connection owns no buffers.
            (self.outgoing, self.sent) = (Vec::new(), 0);
        }
    }

    pub(super) fn keep(&mut self, cipher: &[u8]) {
        self.outgoing.extend_from_slice(cipher);
    }
}

impl fmt::Debug for dyn TlsFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsFactory(..)")
    }
}
