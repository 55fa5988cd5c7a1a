//! A connected socket, plain or secured: the four or five things the event loop does with one.
//!
//! Nothing waits. A read that yields less than asked, and a write that takes less than offered,
//! have reached the socket's edge; the next readiness event tells when to go on.

use std::fmt;
use std::io;
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;

use super::descriptors::Owned;
use super::socket;
#[cfg(feature = "tls")]
use super::{
    tls_error::TlsError,
    tls_session::Session,
    tls_stream::TlsStream,
    trust::{ClientTls, ServerTls},
};

/// A connected socket, plain or secured.
pub(crate) enum Stream {
    /// What is sent is what goes over the wire.
    Plain(Owned<TcpStream>),
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
    /// Begins TLS as client, within TLS to a proxy if that is what `self` is. [`Stream::write`]
    /// sends the first message, even with nothing to write.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(self, tls: &ClientTls, server_name: &str) -> Result<Self, TlsError> {
        let session = Session::client(tls, server_name)?;
        Ok(Self::Tls(Box::new(match self {
            Self::Plain(socket) => TlsStream::over_socket(socket, session),
            Self::Tls(outer) => TlsStream::over_tls(outer, session),
        })))
    }

    /// Begins TLS as server: awaits the client's first message.
    #[cfg(feature = "tls")]
    pub(crate) fn tls_server(socket: Owned<TcpStream>, tls: &ServerTls) -> Result<Self, TlsError> {
        let session = Session::server(tls)?;
        Ok(Self::Tls(Box::new(TlsStream::over_socket(socket, session))))
    }

    /// Reads once, what is on the wire. Fewer bytes than asked for mean that the socket is empty.
    ///
    /// For plain streams; with TLS it is ciphertext and good for nothing but to be discarded, which
    /// is what an ended connection does until the peer ends too.
    pub(crate) fn read_plain(&mut self, buf: &mut [u8]) -> Result<ReadOutcome, StreamError> {
        receive_once(self.source(), buf)
    }

    /// Reads once into `cipher`, behind a record that was cut, decrypts there, and appends what
    /// comes out to `plain`. True beside the outcome: the socket had less than was asked for, so
    /// reading on can wait for the next event, unless this event said that the peer ended.
    ///
    /// `cipher` is shared by all streams and needs more than [`MAX_KEPT`](super::tls::MAX_KEPT)
    /// bytes. The handshake goes on in here too: look at [`Stream::has_unsent`] afterwards. A
    /// failure has tried to send its alert, and `plain` holds what was good before it. Before the
    /// stream is dropped, shut it down for writing and read to the end, or a reset may overtake
    /// the alert.
    #[cfg(feature = "tls")]
    pub(crate) fn receive(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<(ReadOutcome, bool), StreamError> {
        match self {
            Self::Plain(_) => Err(io::Error::from(io::ErrorKind::Unsupported).into()),
            Self::Tls(stream) => stream.receive(cipher, plain),
        }
    }

    /// Sends the front of `slices` with one system call, and with TLS what waits before it.
    ///
    /// `scratch` is space for the ciphertext; it is grown when needed and may be shared by all
    /// streams. With TLS a call takes at most 256 KiB, and nothing during the handshake: call again
    /// after a [`Stream::receive`] that ended it. Taken does not mean sent: see
    /// [`Stream::has_unsent`].
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::needless_pass_by_ref_mut, reason = "only TLS has something to change")
    )]
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
            Self::Tls(stream) => stream.has_unsent(),
        }
    }

    /// Whether nothing of the application can be sent yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.is_handshaking(),
        }
    }

    /// Queues TLS' own goodbye, so that the peer knows that nothing was cut off. Flush, then
    /// [`Stream::shutdown_write`].
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::needless_pass_by_ref_mut, reason = "only TLS has something to change")
    )]
    pub(crate) fn close_notify(&mut self) {
        match self {
            Self::Plain(_) => {}
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.close_notify(),
        }
    }

    /// Ends our direction of the stream (FIN). What the system has taken is still sent.
    pub(crate) fn shutdown_write(&self) {
        // It fails only when the stream is gone, which the next read says better.
        let _ = self.socket().shutdown(Shutdown::Write);
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
            Self::Tls(stream) => stream.source(),
        }
    }

    /// Where the peer is.
    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket().peer_addr()
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket().local_addr()
    }

    /// Version and cipher suite of TLS, once its handshake is done; empty without TLS.
    pub(crate) fn tls(&self) -> String {
        match self {
            Self::Plain(_) => String::new(),
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.session.terms(),
        }
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            #[cfg(feature = "tls")]
            Self::Tls(stream) => stream.socket(),
        }
    }
}

pub(super) fn receive_once(
    socket: &mut TcpStream,
    buf: &mut [u8],
) -> Result<ReadOutcome, StreamError> {
    match socket::receive(socket, buf) {
        Ok(0) if !buf.is_empty() => Ok(ReadOutcome::End { truncated: false }),
        Ok(count) => Ok(ReadOutcome::Data(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadOutcome::WouldBlock),
        Err(error) => Err(error.into()),
    }
}

/// What the socket took of one offer.
pub(super) struct Sent {
    pub(super) count: usize,
    pub(super) blocked: bool,
}

impl Sent {
    pub(super) fn of(socket: &TcpStream, slices: &[&[u8]]) -> Result<Self, StreamError> {
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

#[cfg(test)]
mod tests;
