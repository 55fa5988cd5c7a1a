//! A connected socket, plain or secured: the four or five things the event loop does with one.
//!
//! Nothing waits. A read that yields less than asked, and a write that takes less than offered,
//! have reached the socket's edge; the next readiness event tells when to go on.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;

use super::socket;
#[cfg(feature = "tls")]
use super::{
    tls::TlsSession,
    tls_error::TlsError,
    trust::{ClientTls, ServerTls},
};

/// A connected socket, plain or secured.
pub(crate) enum Stream {
    /// What is sent is what goes over the wire.
    Plain(TcpStream),
    /// TLS around it.
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream>),
}

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// So many bytes for the application. With TLS that may be 0: something was received, such as
    /// a part of a record or of the handshake.
    Data(usize),
    /// The peer sends nothing more.
    End {
        /// The stream was secured and ended without the peer saying so: it may have been cut.
        truncated: bool,
    },
    /// Nothing is there; wait for the next event.
    WouldBlock,
}

/// What a read came to, and whether it emptied the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) outcome: ReadOutcome,
    /// The socket had less than was asked for: reading on can wait for the next event, unless this
    /// event said that the peer ended the stream. Otherwise read on.
    pub(crate) short: bool,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// So many bytes of the application need not be kept any more.
    pub(crate) taken: usize,
    /// The socket is full; wait until it is reported writable.
    pub(crate) blocked: bool,
}

/// Why a stream is of no use any more.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// The socket failed.
    Io(io::Error),
    /// TLS failed. The alert for the peer has been sent or is in [`Stream::has_unsent`].
    #[cfg(feature = "tls")]
    Tls(TlsError),
}

impl Stream {
    /// Begins TLS as client. [`Stream::write`] sends the first message, even with nothing to write.
    #[cfg(feature = "tls")]
    pub(crate) fn client(
        socket: TcpStream,
        tls: &ClientTls,
        server_name: &str,
    ) -> Result<Self, TlsError> {
        let session = TlsSession::client(tls, server_name)?;
        Ok(Self::Tls(Box::new(TlsStream { socket, session, blocked: false })))
    }

    /// Begins TLS as server: awaits the client's first message.
    #[cfg(feature = "tls")]
    pub(crate) fn server(socket: TcpStream, tls: &ServerTls) -> Result<Self, TlsError> {
        let session = TlsSession::server(tls)?;
        Ok(Self::Tls(Box::new(TlsStream { socket, session, blocked: false })))
    }

    /// Reads once, what is on the wire. For plain streams; with TLS it is ciphertext and good for
    /// nothing but to be discarded, which is what an ended connection does until the peer ends too.
    pub(crate) fn read_plain(&mut self, buf: &mut [u8]) -> io::Result<Reading> {
        let asked = buf.len();
        match socket::receive(self.source(), buf) {
            Ok(0) if asked > 0 => Ok(Reading::end(false)),
            Ok(count) => Ok(Reading { outcome: ReadOutcome::Data(count), short: count < asked }),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Reading::would_block()),
            Err(error) => Err(error),
        }
    }

    /// Sends the front of `slices` with one system call, and with TLS what waits before it.
    ///
    /// `scratch` is space for the ciphertext; it is grown when needed and may be shared by all
    /// streams. With TLS a call takes at most 256 KiB, and nothing during the handshake: call again
    /// after a [`Stream::receive`] that ended it. Taken does not mean sent: see
    /// [`Stream::has_unsent`].
    pub(crate) fn write(
        &mut self,
        slices: &[&[u8]],
        scratch: &mut Vec<u8>,
    ) -> Result<Written, StreamError> {
        match self {
            Self::Plain(socket) => {
                let _ = scratch;
                let sent = Sent::of(socket, slices)?;
                Ok(Written { taken: sent.count, blocked: sent.blocked })
            }
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.write(slices, scratch),
        }
    }

    /// Whether ciphertext waits that [`Stream::flush`] or the next write sends.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => !stream.session.outgoing().is_empty(),
        }
    }

    /// Sends ciphertext that waits. True: none is left. False: the socket is full.
    pub(crate) fn flush(&mut self) -> Result<bool, StreamError> {
        match self {
            Self::Plain(_) => Ok(true),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.flush(),
        }
    }

    /// Whether nothing of the application can be sent yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.session.is_handshaking(),
        }
    }

    /// Queues TLS' own goodbye, so that the peer knows that nothing was cut off. Flush, then
    /// [`Stream::shutdown_write`].
    pub(crate) fn close_notify(&mut self) {
        match self {
            Self::Plain(_) => {}
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.session.close_notify(),
        }
    }

    /// Ends our direction of the stream (FIN). What the system has taken is still sent.
    pub(crate) fn shutdown_write(&mut self) -> io::Result<()> {
        match self.source().shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }

    /// Makes dropping the stream a reset, so that what is unsent is thrown away at once.
    pub(crate) fn reset_on_drop(&self) -> io::Result<()> {
        socket::reset_on_drop(self.socket())
    }

    /// The socket, to register it.
    pub(crate) fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => &mut stream.socket,
        }
    }

    /// Where the peer is.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    /// Where we are.
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => &stream.socket,
        }
    }
}

impl Reading {
    fn end(truncated: bool) -> Self {
        Self { outcome: ReadOutcome::End { truncated }, short: false }
    }

    fn would_block() -> Self {
        Self { outcome: ReadOutcome::WouldBlock, short: true }
    }
}

/// What the socket took of one offer.
struct Sent {
    count: usize,
    blocked: bool,
}

impl Sent {
    fn of(socket: &TcpStream, slices: &[&[u8]]) -> Result<Self, StreamError> {
        match socket::send(socket, slices) {
            Ok(count) => {
                let offered = socket::offered(slices);
                Ok(Self { count, blocked: count < offered })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Ok(Self { count: 0, blocked: true })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A socket with a TLS session around it.
#[cfg(feature = "tls")]
pub(crate) struct TlsStream {
    socket: TcpStream,
    session: TlsSession,
    /// The socket was full when it was last written to.
    blocked: bool,
}

#[cfg(feature = "tls")]
impl TlsStream {
    /// Reads once into `cipher`, behind a record that was cut, decrypts there, and appends what
    /// comes out to `plain`.
    ///
    /// `cipher` is the loop's and needs more than [`MAX_KEPT`](super::tls::MAX_KEPT) bytes. The
    /// handshake goes on in here too: look at [`Stream::has_unsent`] afterwards. A failure has
    /// tried to send its alert; before the stream is dropped, shut it down for writing and read to
    /// the end, or the alert may be lost to a reset.
    pub(crate) fn receive(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<Reading, StreamError> {
        if self.session.is_peer_closed() {
            return Ok(Reading::end(false));
        }
        let kept = self.session.kept();
        let space = cipher.get_mut(kept..).unwrap_or_default();
        if space.is_empty() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput).into());
        }
        let asked = space.len();
        let count = match socket::receive(&mut self.socket, space) {
            Ok(0) => return Ok(Reading::end(true)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Ok(Reading::would_block());
            }
            Err(error) => return Err(error.into()),
        };
        self.session.carry(cipher);
        let before = plain.len();
        let received = cipher.get_mut(..kept + count).unwrap_or_default();
        match self.session.receive(received, plain) {
            // Nothing more will come, but the caller has to hear of it: let it read on.
            Ok(state) if state.peer_closed && plain.len() == before => Ok(Reading::end(false)),
            Ok(state) => Ok(Reading {
                outcome: ReadOutcome::Data(plain.len() - before),
                short: count < asked && !state.peer_closed,
            }),
            Err(error) => {
                // The first failure is the one to report.
                let _ = self.flush();
                Err(StreamError::Tls(error))
            }
        }
    }

    fn write(&mut self, slices: &[&[u8]], scratch: &mut Vec<u8>) -> Result<Written, StreamError> {
        // Encrypting for a full socket would only pile ciphertext up.
        if self.blocked && !self.flush()? {
            return Ok(Written { taken: 0, blocked: true });
        }
        let sealed = self.session.encrypt(slices, scratch).map_err(StreamError::Tls)?;
        let cipher = scratch.get(sealed.cipher).unwrap_or_default();
        let before = self.session.outgoing();
        let waiting = before.len();
        let sent = Sent::of(&self.socket, &[before, cipher])?;
        self.blocked = sent.blocked;
        self.session.sent(sent.count.min(waiting));
        let left = cipher.get(sent.count.saturating_sub(waiting)..).unwrap_or_default();
        self.session.keep(left);
        Ok(Written { taken: sealed.taken, blocked: sent.blocked })
    }

    fn flush(&mut self) -> Result<bool, StreamError> {
        while !self.session.outgoing().is_empty() {
            let sent = Sent::of(&self.socket, &[self.session.outgoing()])?;
            self.session.sent(sent.count);
            self.blocked = sent.blocked;
            if sent.blocked {
                return Ok(false);
            }
        }
        self.blocked = false;
        Ok(true)
    }
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Self::Tls(error) => error.fmt(f),
        }
    }
}
