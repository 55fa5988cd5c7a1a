//! What a socket tells of its connection.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tightwire::{Headers, Loss, ReadyState};

use crate::connection::Connection;
use crate::error::named;
use crate::python;
use crate::socket::WebSocket;

/// Status of an answer that opens a WebSocket (RFC 6455 section 4.2.2).
const SWITCHING_PROTOCOLS: u16 = 101;

impl WebSocket {
    /// The connection, unless a subclass forgot to call `__init__`.
    pub(crate) fn started(&self) -> PyResult<&Connection> {
        self.connection
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("WebSocket.__init__ was not called, or raised"))
    }

    pub(crate) fn is_closed(&self) -> bool {
        let closed = ReadyState::Closed as u8;
        self.connection.get().is_none_or(|connection| connection.ready_state() == closed)
    }

    pub(crate) fn is_connecting(&self) -> bool {
        let connecting = ReadyState::Connecting as u8;
        self.connection.get().is_some_and(|connection| connection.ready_state() == connecting)
    }

    /// How it ended, once it has.
    pub(crate) fn loss(&self) -> Loss {
        self.loss.get().map(|loss| (**loss).clone()).unwrap_or_default()
    }

    /// Keeps the fields that the peer sent in the opening handshake, but for the answer to the key, which tells
    /// nothing once it was right.
    pub(crate) fn note_head(&self, headers: &Headers) {
        let fields =
            headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("Sec-WebSocket-Accept"));
        // As one text, since most sockets are never asked; no value has a line break.
        let lines: String = fields.flat_map(|(name, value)| [name, ":", value, "\n"]).collect();
        let _ = self.head.set(lines.into());
    }

    /// See `handshake`.
    pub(crate) fn handshake_of<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let connection = self.started()?;
        let Some(head) = self.head.get().filter(|_| connection.was_opened()) else {
            return Ok(None);
        };
        let fields: Vec<(&str, &str)> =
            head.lines().filter_map(|line| line.split_once(':')).collect();
        let remote = connection.remote();
        let (request, response) = match connection.accepted {
            true => (Some(fields), None),
            false => (None, Some(fields)),
        };
        let (protocol, extensions) = (remote.protocol(), remote.extensions());
        let values = (SWITCHING_PROTOCOLS, request, response, protocol, extensions);
        python::handshake_class(py)?.call1(values).map(Some)
    }

    /// See `stats`.
    pub(crate) fn stats_of<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let remote = self.started()?.remote();
        let (deflate, all) = (remote.deflate_stats(), remote.stats());
        python::stats_class(py)?.call1((
            deflate.sent,
            deflate.sent_compressed,
            deflate.received,
            deflate.received_compressed,
            all.messages_sent,
            all.payload_sent,
            all.bytes_sent,
            all.messages_received,
            all.payload_received,
            all.bytes_received,
        ))
    }

    /// Whether `run` may drive the socket here.
    pub(crate) fn check_run(&self, py: Python<'_>) -> PyResult<()> {
        let driver = self.started()?.driver();
        if driver.host(py).is_some() {
            let text = "run: an asyncio loop drives this socket; await it instead";
            return Err(PyRuntimeError::new_err(text));
        }
        if !driver.is_own_thread() {
            return Err(named(py, "WrongLoop", "run: this socket belongs to another thread"));
        }
        Ok(())
    }
}
