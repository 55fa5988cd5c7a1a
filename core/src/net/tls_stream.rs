//! A TLS session around a socket, or around TLS to a proxy.

use std::io;

use mio::net::TcpStream;

use super::descriptors::Owned;
use super::stream::{ReadOutcome, Sent, StreamError, Written, receive_once};
use super::tls_session::Session;

/// A secured stream.
pub(crate) struct TlsStream {
    below: Below,
    pub(super) session: Session,
    /// What is below was full when it was last written to.
    blocked: bool,
}

/// What carries the ciphertext.
enum Below {
    Socket(Owned<TcpStream>),
    Tls(Box<Outer>),
}

/// TLS to a proxy, which hands on what is in it.
struct Outer {
    stream: TlsStream,
    /// What came out of it: our ciphertext. Empty between two calls.
    received: Vec<u8>,
    scratch: Vec<u8>,
}

impl TlsStream {
    pub(super) fn over_socket(socket: Owned<TcpStream>, session: Session) -> Self {
        Self { below: Below::Socket(socket), session, blocked: false }
    }

    pub(super) fn over_tls(outer: Box<Self>, session: Session) -> Self {
        let outer = Outer { stream: *outer, received: Vec::new(), scratch: Vec::new() };
        Self { below: Below::Tls(Box::new(outer)), session, blocked: false }
    }

    /// See [`Stream::receive`](super::stream::Stream::receive).
    pub(super) fn receive(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<(ReadOutcome, bool), StreamError> {
        if self.session.is_peer_closed() {
            return Ok((ReadOutcome::End { truncated: false }, false));
        }
        let kept = self.session.kept();
        match &mut self.below {
            Below::Socket(socket) => {
                let space = cipher.get_mut(kept..).unwrap_or_default();
                let asked = space.len();
                if asked == 0 {
                    return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
                }
                match receive_once(socket, space)? {
                    ReadOutcome::Data(count) => {
                        let received = cipher.get_mut(..kept + count).unwrap_or_default();
                        self.decrypt(received, plain, count < asked)
                    }
                    ReadOutcome::End { .. } => Ok((ReadOutcome::End { truncated: true }, false)),
                    ReadOutcome::WouldBlock => Ok((ReadOutcome::WouldBlock, true)),
                }
            }
            Below::Tls(outer) => {
                let mut received = std::mem::take(&mut outer.received);
                received.resize(kept, 0);
                let outcome = outer.stream.receive(cipher, &mut received);
                let result = match outcome {
                    Ok((ReadOutcome::Data(_), short)) if received.len() == kept => {
                        Ok((ReadOutcome::Data(0), short))
                    }
                    Ok((ReadOutcome::Data(_), short)) => self.decrypt(&mut received, plain, short),
                    Ok((ReadOutcome::End { .. }, short)) => {
                        Ok((ReadOutcome::End { truncated: true }, short))
                    }
                    other => other,
                };
                if let Below::Tls(outer) = &mut self.below {
                    received.clear();
                    outer.received = received;
                }
                result
            }
        }
    }

    /// Decrypts what was received, which has room for the kept bytes at its front.
    fn decrypt(
        &mut self,
        received: &mut [u8],
        plain: &mut Vec<u8>,
        short: bool,
    ) -> Result<(ReadOutcome, bool), StreamError> {
        self.session.carry(received);
        let before = plain.len();
        match self.session.receive(received, plain) {
            Ok(state) => {
                // After close_notify nothing more will come, so there may be no event to wait for:
                // not short, so that the caller reads on and hears of the end.
                Ok((ReadOutcome::Data(plain.len() - before), short && !state.peer_closed))
            }
            Err(error) => {
                // The first failure is the one to report.
                let _ = self.flush();
                Err(StreamError::Tls(error))
            }
        }
    }

    /// See [`Stream::write`](super::stream::Stream::write).
    pub(super) fn write(
        &mut self,
        slices: &[&[u8]],
        scratch: &mut Vec<u8>,
    ) -> Result<Written, StreamError> {
        // Encrypting for what is full would only pile ciphertext up.
        if self.blocked && !self.flush()? {
            return Ok(Written { taken: 0, blocked: true });
        }
        let sealed = self.session.encrypt(slices, scratch).map_err(StreamError::Tls)?;
        let cipher = scratch.get(sealed.cipher).unwrap_or_default();
        let before = self.session.outgoing();
        let waiting = before.len();
        let sent = self.below.send(&[before, cipher])?;
        self.blocked = sent.blocked;
        self.session.sent(sent.count.min(waiting));
        let left = cipher.get(sent.count.saturating_sub(waiting)..).unwrap_or_default();
        self.session.keep(left);
        Ok(Written { taken: sealed.taken, blocked: sent.blocked })
    }

    /// Sends what waits. False: not all of it.
    fn flush(&mut self) -> Result<bool, StreamError> {
        while !self.session.outgoing().is_empty() {
            let sent = self.below.send(&[self.session.outgoing()])?;
            self.session.sent(sent.count);
            self.blocked = sent.blocked;
            if sent.blocked {
                return Ok(false);
            }
        }
        self.blocked = match &mut self.below {
            Below::Socket(_) => false,
            Below::Tls(outer) => !outer.stream.flush()?,
        };
        Ok(!self.blocked)
    }

    pub(super) fn has_unsent(&self) -> bool {
        let below = match &self.below {
            Below::Socket(_) => false,
            Below::Tls(outer) => outer.stream.has_unsent(),
        };
        below || !self.session.outgoing().is_empty()
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    pub(super) fn close_notify(&mut self) {
        self.session.close_notify();
    }

    pub(super) fn source(&mut self) -> &mut TcpStream {
        match &mut self.below {
            Below::Socket(socket) => socket,
            Below::Tls(outer) => outer.stream.source(),
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match &self.below {
            Below::Socket(socket) => socket,
            Below::Tls(outer) => outer.stream.socket(),
        }
    }
}

impl Below {
    fn send(&mut self, slices: &[&[u8]]) -> Result<Sent, StreamError> {
        match self {
            Self::Socket(socket) => Sent::of(socket, slices),
            Self::Tls(outer) => {
                let Written { taken, blocked } = outer.stream.write(slices, &mut outer.scratch)?;
                Ok(Sent { count: taken, blocked })
            }
        }
    }
}
