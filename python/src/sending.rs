//! What a socket sends: messages, files, pings and Close.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tightwire::proto::close::check_close;
use tightwire::{CloseError, SendError};

use crate::arguments::close_code;
use crate::blob::{Blob, Range};
use crate::connection::Sent;
use crate::convert::{Payload, text_of};
use crate::error::{named, syntax};
use crate::outbox::Item;
use crate::socket::WebSocket;

/// `send` while connecting.
fn not_open(py: Python<'_>) -> PyErr {
    let text = "send: the connection is not open yet; wait for the open event";
    named(py, "InvalidStateError", text)
}

impl WebSocket {
    /// See `send`.
    pub(crate) fn send_data(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        compress: Option<bool>,
    ) -> PyResult<()> {
        let py = slf.py();
        let connection = slf.get().started()?;
        let payload = match Payload::of(data) {
            Ok(payload) => payload,
            Err(error) => {
                if let Some(file) = Blob::file_of(data)? {
                    return Self::send_file(slf, file);
                }
                // A file in memory alone is no file of the system's.
                let Ok(read) = data.getattr("read") else { return Err(error) };
                if connection.ready_state() == Self::CONNECTING {
                    return Err(not_open(py));
                }
                let Ok(rest) = read.call0()?.cast_into::<PyBytes>() else { return Err(error) };
                return Self::send_data(slf, &rest, compress);
            }
        };
        if connection.ready_state() == Self::CONNECTING {
            return Err(not_open(py));
        }
        match connection.send(py, payload.message(), compress) {
            Sent::Taken | Sent::Lost | Sent::Overflow => Ok(()),
            Sent::Queued => {
                Self::pump(slf);
                Ok(())
            }
            Sent::Failed(error) => Err(named(py, "WebSocketError", format!("send: {error}"))),
        }
    }

    /// See `close`.
    pub(crate) fn start_closing(
        slf: &Bound<'_, Self>,
        code: Option<&Bound<'_, PyAny>>,
        reason: Option<&Bound<'_, PyString>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let connection = slf.get().started()?;
        let reason = reason.map(text_of).transpose()?.unwrap_or_default();
        let code = match code {
            Some(code) => Some(close_code(code, connection.accepted)?),
            None if reason.is_empty() => None,
            None => Some(1000),
        };
        if let Err(error @ CloseError::ReasonTooLong(_)) = check_close(code, &reason) {
            return Err(syntax(py, format!("reason: {error}")));
        }
        connection
            .close(py, code, &reason)
            .map_err(|error| named(py, "InvalidAccessError", format!("close: {error}")))?;
        Self::pump(slf);
        Self::hold_if_needed(slf.as_super());
        Ok(())
    }

    /// See `ping`.
    pub(crate) fn send_ping(
        &self,
        py: Python<'_>,
        data: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let payload = data.map(Payload::of).transpose()?;
        let connection = self.started()?;
        let bytes = payload.as_ref().map_or(&[][..], Payload::bytes);
        match connection.ping(py, bytes) {
            Ok(()) => Ok(()),
            Err(SendError::TooLong) => {
                Err(PyValueError::new_err("data: a ping carries at most 125 bytes"))
            }
            Err(error) => Err(named(py, "InvalidStateError", format!("ping: {error}"))),
        }
    }

    /// Sends the content of a file as a binary message, in pieces as they fit. What is sent later
    /// waits for it.
    fn send_file(slf: &Bound<'_, Self>, (file, start, size): Range) -> PyResult<()> {
        let connection = slf.get().started()?;
        match connection.ready_state() {
            Self::CONNECTING => return Err(not_open(slf.py())),
            Self::OPEN => {
                connection.outbox.push(Item::File { file, start, size, begun: false });
                Self::pump(slf);
            }
            _ => connection.lose(size as u64),
        }
        Ok(())
    }

    /// Goes on with what waits behind a file, if anything does.
    pub(crate) fn pump(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let Some(connection) = slf.get().connection() else { return };
        if !connection.outbox.is_busy() {
            return;
        }
        if connection.driver().with(py, |context| connection.pump(py, context)).is_none() {
            let socket = slf.clone().unbind();
            let job = move |context: &mut tightwire::Context<'_>| {
                Python::attach(|py| {
                    let socket = socket.bind(py);
                    if let Some(connection) = socket.get().connection() {
                        connection.pump(py, context);
                    }
                    Self::hold_if_needed(socket.as_super());
                });
            };
            connection.driver().handle().post(Box::new(job));
        }
        Self::hold_if_needed(slf.as_super());
    }
}
