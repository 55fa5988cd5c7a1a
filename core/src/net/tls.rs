//! One TLS connection as a machine of bytes: ciphertext in, plaintext out, and back.
//!
//! It reads and writes no socket. Received ciphertext is decrypted in the caller's buffer; of its
//! own a session keeps only a cut record, and what TLS itself has to say (handshake, alerts, key
//! updates) until [`TlsSession::outgoing`] was sent. An idle session keeps neither.
//!
//! rustls' unbuffered API is used since its buffered one reads 4 KiB at a time and writes with
//! `writev`, which raises SIGPIPE. Its rule that shapes this file: it remembers *places* in the
//! bytes of a cut handshake message, so every call must see those same bytes, sending included.

mod outgoing;

use std::ops::Range;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus, WriteTraffic};
use rustls::{ClientConfig, ServerConfig};

use self::outgoing::Outgoing;
use super::tls_error::TlsError;

/// Most plaintext in one record (RFC 8446 section 5.1).
const RECORD: usize = 16 << 10;
/// Most that a record grows by: header, explicit nonce, content type and tag.
const RECORD_OVERHEAD: usize = 64;
/// Room for what TLS itself may put before our records, such as a key update.
const ASIDE: usize = 1 << 10;
/// Most plaintext that one [`TlsSession::encrypt`] takes, so that it stays in the cache and little
/// has to be kept when the socket is full.
const MAX_ENCRYPT: usize = 256 << 10;
/// Most bytes of unfinished records and handshake messages. Whole messages of 64 KiB fit.
pub(crate) const MAX_KEPT: usize = 80 << 10;

/// One TLS connection, of either role.
pub(crate) struct TlsSession {
    connection: Connection,
    phase: Phase,
    /// We said that we send nothing more.
    closed: bool,
    /// The front of what was received and not used up: a cut record or handshake message.
    kept: Vec<u8>,
    outgoing: Outgoing,
}

/// What a [`TlsSession::receive`] came to, beside the plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The peer said that it sends nothing more (close_notify). What followed was dropped.
    pub(crate) peer_closed: bool,
}

/// What [`TlsSession::encrypt`] did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// So many bytes of plaintext were encrypted.
    pub(crate) taken: usize,
    /// There the ciphertext is, in the scratch space.
    pub(crate) cipher: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The peer sends nothing more; we may.
    PeerClosed,
    /// Nothing works any more; an alert may wait in `outgoing`.
    Failed,
}

/// Whether a certificate can be for this name: a DNS name, or an IP address without brackets.
pub(crate) fn is_server_name(name: &str) -> bool {
    ServerName::try_from(name).is_ok()
}

impl TlsSession {
    /// Begins a handshake as client: the first message is in [`TlsSession::outgoing`].
    ///
    /// The server's certificate has to be valid for `server_name`, a DNS name or an IP address
    /// (without brackets). An address is not told to the server (RFC 6066 section 3).
    pub(crate) fn client(config: &Arc<ClientConfig>, server_name: &str) -> Result<Self, TlsError> {
        let Ok(name) = ServerName::try_from(server_name.to_owned()) else {
            let text = format!("\"{server_name}\" is neither a host name nor an IP address");
            return Err(TlsError::new(text));
        };
        let connection = UnbufferedClientConnection::new(Arc::clone(config), name)?;
        Self::start(Connection::Client(connection))
    }

    /// Awaits a client's handshake.
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let connection = UnbufferedServerConnection::new(config)?;
        Self::start(Connection::Server(connection))
    }

    fn start(connection: Connection) -> Result<Self, TlsError> {
        let (kept, outgoing) = (Vec::new(), Outgoing::default());
        let mut session = Self { connection, phase: Phase::Running, closed: false, kept, outgoing };
        session.receive(&mut [], &mut Vec::new())?;
        Ok(session)
    }

    /// Whether application data has to wait: the handshake goes on.
    pub(crate) fn is_handshaking(&self) -> bool {
        match &self.connection {
            Connection::Client(connection) => connection.is_handshaking(),
            Connection::Server(connection) => connection.is_handshaking(),
        }
    }

    /// Version and cipher suite, once the handshake is done.
    pub(crate) fn terms(&self) -> String {
        let (version, suite) = match &self.connection {
            Connection::Client(connection) => {
                (connection.protocol_version(), connection.negotiated_cipher_suite())
            }
            Connection::Server(connection) => {
                (connection.protocol_version(), connection.negotiated_cipher_suite())
            }
        };
        let suite = suite.and_then(|suite| suite.suite().as_str());
        let (Some(version), Some(suite)) = (version.and_then(|v| v.as_str()), suite) else {
            return String::new();
        };
        format!("{} {suite}", version.replace('_', "."))
    }

    /// Whether the peer said that it sends nothing more.
    pub(crate) fn is_peer_closed(&self) -> bool {
        self.phase == Phase::PeerClosed
    }

    /// How many bytes [`TlsSession::carry`] will move: read behind them.
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Moves the kept bytes to the front of `buf`, so that what is read behind them completes them
    /// in place. Everything, from the front on, is then due to [`TlsSession::receive`].
    ///
    /// Moves nothing if `buf` has no room for them; [`MAX_KEPT`] is always enough.
    pub(crate) fn carry(&mut self, buf: &mut [u8]) -> usize {
        let len = self.kept.len();
        let Some(front) = buf.get_mut(..len) else {
            return 0;
        };
        front.copy_from_slice(&self.kept);
        self.kept.clear();
        len
    }

    /// Decrypts in `cipher`, which begins with what [`TlsSession::carry`] moved there, and appends
    /// the plaintext to `plain`. Uses everything; a cut record is kept.
    ///
    /// Send [`TlsSession::outgoing`] afterwards, upon an error too: it then holds the alert that
    /// tells the peer. After an error the session is of no use.
    pub(crate) fn receive(
        &mut self,
        cipher: &mut [u8],
        plain: &mut Vec<u8>,
    ) -> Result<Received, TlsError> {
        if self.phase == Phase::Failed {
            return Err(TlsError::new("TLS has failed before"));
        }
        let mut used = 0;
        while self.phase == Phase::Running {
            let rest = cipher.get_mut(used..).unwrap_or_default();
            let step = self.connection.advance(rest, plain, &mut self.outgoing);
            used += step.used;
            match step.next {
                Next::Again => {}
                Next::Wait => break,
                Next::PeerClosed => self.phase = Phase::PeerClosed,
                Next::Fail(cause) => {
                    let rest = cipher.get(used..).unwrap_or_default();
                    return Err(self.fail(&cause, rest));
                }
            }
        }
        let rest = cipher.get(used..).unwrap_or_default();
        if self.phase == Phase::PeerClosed || rest.is_empty() {
            self.kept = Vec::new();
        } else if rest.len() > MAX_KEPT {
            self.phase = Phase::Failed;
            return Err(TlsError::new("peer sent a handshake message that is too long"));
        } else {
            self.kept.extend_from_slice(rest);
        }
        Ok(Received { peer_closed: self.phase == Phase::PeerClosed })
    }

    /// Ends the session, with the alert for the peer in `outgoing`.
    fn fail(&mut self, cause: &rustls::Error, rest: &[u8]) -> TlsError {
        let not_tls = self.is_first_record() && TlsError::is_garbage(cause);
        self.phase = Phase::Failed;
        self.kept = Vec::new();
        // rustls must not see received bytes again: it would fail anew, and it checks for that.
        while self.connection.has_output() {
            let step = self.connection.advance(&mut [], &mut Vec::new(), &mut self.outgoing);
            if !matches!(step.next, Next::Again) {
                break;
            }
        }
        if not_tls { TlsError::not_tls(rest) } else { TlsError::from(cause.clone()) }
    }

    /// Whether nothing of the peer was understood yet.
    fn is_first_record(&self) -> bool {
        match &self.connection {
            Connection::Client(connection) => connection.protocol_version().is_none(),
            Connection::Server(connection) => connection.protocol_version().is_none(),
        }
    }

    /// Encrypts a bounded part of `plain` into `scratch`, which is space and no content: it is made
    /// as long as it has to be and may hold anything.
    ///
    /// Small slices share records of up to 16 KiB, since a record costs as much as 1 KiB of data.
    /// Takes nothing during the handshake, after [`TlsSession::close_notify`] or after a failure.
    /// [`TlsSession::outgoing`] goes out before the result.
    pub(crate) fn encrypt(
        &mut self,
        plain: &[&[u8]],
        scratch: &mut Vec<u8>,
    ) -> Result<Sealed, TlsError> {
        let offered: usize = plain.iter().map(|slice| slice.len()).sum();
        if offered == 0 || !self.may_send() {
            return Ok(Sealed { taken: 0, cipher: 0..0 });
        }
        let taken = offered.min(MAX_ENCRYPT);
        let room = taken + (taken / RECORD + 2 + plain.len()) * RECORD_OVERHEAD + ASIDE;
        if scratch.len() < RECORD + room {
            scratch.resize(RECORD + room, 0);
        }
        let (gather, cipher) = scratch.split_at_mut(RECORD);
        let mut sealer = Sealer { plain, budget: taken, gather, cipher, written: 0, last: false };
        self.seal(&mut sealer)?;
        let end = RECORD + sealer.written;
        Ok(Sealed { taken, cipher: RECORD..end })
    }

    /// Says in [`TlsSession::outgoing`] that we send nothing more. Does nothing during the
    /// handshake, after a failure or when it was said before.
    pub(crate) fn close_notify(&mut self) {
        if !self.may_send() {
            return;
        }
        self.closed = true;
        let mut alert = [0; RECORD_OVERHEAD + ASIDE];
        let cipher = &mut alert;
        let mut sealer =
            Sealer { plain: &[], budget: 0, gather: &mut [], cipher, written: 0, last: true };
        // It is a courtesy: that it failed is known by the phase, and nobody could do better.
        let _ = self.seal(&mut sealer);
        let written = sealer.written;
        self.outgoing.push(alert.get(..written).unwrap_or_default());
    }

    fn may_send(&self) -> bool {
        self.phase != Phase::Failed && !self.closed && !self.is_handshaking()
    }

    fn seal(&mut self, sealer: &mut Sealer<'_>) -> Result<(), TlsError> {
        loop {
            let (used, done) = match &mut self.connection {
                Connection::Client(connection) => {
                    sealer.advance(connection.process_tls_records(&mut self.kept))
                }
                Connection::Server(connection) => {
                    sealer.advance(connection.process_tls_records(&mut self.kept))
                }
            };
            self.kept.drain(..used.min(self.kept.len()));
            match done {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    self.phase = Phase::Failed;
                    return Err(error);
                }
            }
        }
    }

    /// Ciphertext that has to be sent, before anything that is encrypted later.
    pub(crate) fn outgoing(&self) -> &[u8] {
        self.outgoing.unsent()
    }

    /// Notes that the first `count` bytes of [`TlsSession::outgoing`] were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.outgoing.advance(count);
    }

    /// Keeps ciphertext that the socket did not take.
    pub(crate) fn keep(&mut self, cipher: &[u8]) {
        self.outgoing.push(cipher);
    }
}

/// rustls has a type for each role, with the same methods by different paths.
enum Connection {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl Connection {
    fn advance(&mut self, input: &mut [u8], plain: &mut Vec<u8>, outgoing: &mut Outgoing) -> Step {
        match self {
            Self::Client(connection) => {
                Step::of(connection.process_tls_records(input), plain, outgoing)
            }
            Self::Server(connection) => {
                Step::of(connection.process_tls_records(input), plain, outgoing)
            }
        }
    }

    /// Whether the next state will be a message to send, whatever was received.
    fn has_output(&self) -> bool {
        match self {
            Self::Client(connection) => connection.wants_write(),
            Self::Server(connection) => connection.wants_write(),
        }
    }
}

/// One state of rustls, handled.
struct Step {
    /// So much of the front of the input is used up.
    used: usize,
    next: Next,
}

enum Next {
    Again,
    Fail(rustls::Error),
    PeerClosed,
    Wait,
}

impl Step {
    fn of<Data>(
        status: UnbufferedStatus<'_, '_, Data>,
        plain: &mut Vec<u8>,
        outgoing: &mut Outgoing,
    ) -> Self {
        let mut used = status.discard;
        let next = match status.state {
            Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Next::Wait,
            Ok(ConnectionState::Closed | ConnectionState::PeerClosed) => Next::PeerClosed,
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                match outgoing.push_with(|space| message.encode(space)) {
                    Ok(()) => Next::Again,
                    Err(error) => Next::Fail(rustls::Error::General(error.to_string())),
                }
            }
            Ok(ConnectionState::ReadTraffic(mut records)) => loop {
                match records.next_record() {
                    Some(Ok(record)) => {
                        used += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                    Some(Err(error)) => break Next::Fail(error),
                    None => break Next::Again,
                }
            },
            // To rustls, what is queued is sent.
            Ok(ConnectionState::TransmitTlsData(message)) => {
                message.done();
                Next::Again
            }
            Ok(other) => Next::Fail(rustls::Error::General(format!("unknown state {other:?}"))),
            Err(error) => Next::Fail(error),
        };
        Self { used, next }
    }
}

/// Encrypts slices one behind the other.
struct Sealer<'a> {
    plain: &'a [&'a [u8]],
    /// How much of `plain` to take.
    budget: usize,
    /// Where small slices come together, one record long.
    gather: &'a mut [u8],
    cipher: &'a mut [u8],
    written: usize,
    /// Whether to end with close_notify.
    last: bool,
}

impl Sealer<'_> {
    /// Handles one state. Returns how much of the input is used up, and whether all is encrypted.
    fn advance<Data>(
        &mut self,
        status: UnbufferedStatus<'_, '_, Data>,
    ) -> (usize, Result<bool, TlsError>) {
        let done = match status.state {
            Ok(ConnectionState::WriteTraffic(mut writer)) => {
                self.encrypt_all(&mut writer).map(|()| true)
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => {
                let space = self.cipher.get_mut(self.written..).unwrap_or_default();
                let encoded = message.encode(space);
                encoded.map(|len| self.written += len).map(|()| false).map_err(unsealed)
            }
            Ok(ConnectionState::TransmitTlsData(message)) => {
                message.done();
                Ok(false)
            }
            Ok(ConnectionState::PeerClosed) => Ok(false),
            Ok(other) => Err(TlsError::new(format!("cannot send in state {other:?}"))),
            Err(error) => Err(TlsError::from(error)),
        };
        (status.discard, done)
    }

    fn encrypt_all<Data>(&mut self, writer: &mut WriteTraffic<'_, Data>) -> Result<(), TlsError> {
        let mut gathered = 0;
        for slice in self.plain {
            let (mut rest, _) = slice.split_at(slice.len().min(self.budget));
            self.budget -= rest.len();
            while !rest.is_empty() {
                // Whole records, and what nothing follows, need not be gathered.
                let whole =
                    if self.budget == 0 { rest.len() } else { rest.len() / RECORD * RECORD };
                if gathered == 0 && whole > 0 {
                    let (now, later) = rest.split_at(whole);
                    self.written += encrypt_into(writer, now, self.cipher, self.written)?;
                    rest = later;
                    continue;
                }
                let space = self.gather.get_mut(gathered..).unwrap_or_default();
                let (now, later) = rest.split_at(rest.len().min(space.len()));
                space[..now.len()].copy_from_slice(now);
                gathered += now.len();
                rest = later;
                if gathered == self.gather.len() {
                    self.written += encrypt_into(writer, self.gather, self.cipher, self.written)?;
                    gathered = 0;
                }
            }
        }
        let tail = self.gather.get(..gathered).unwrap_or_default();
        self.written += encrypt_into(writer, tail, self.cipher, self.written)?;
        if self.last {
            let space = self.cipher.get_mut(self.written..).unwrap_or_default();
            self.written += writer.queue_close_notify(space).map_err(unsealed)?;
        }
        Ok(())
    }
}

fn encrypt_into<Data>(
    writer: &mut WriteTraffic<'_, Data>,
    plain: &[u8],
    cipher: &mut [u8],
    at: usize,
) -> Result<usize, TlsError> {
    let space = cipher.get_mut(at..).unwrap_or_default();
    writer.encrypt(plain, space).map_err(unsealed)
}

/// Either the keys are worn out, which takes 2^24 records at least, or a size here is wrong.
fn unsealed(error: impl std::fmt::Display) -> TlsError {
    TlsError::new(format!("cannot encrypt: {error}"))
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
#[cfg(test)]
mod tests;
