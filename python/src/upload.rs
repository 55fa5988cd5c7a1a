//! Files on their way out of a socket.

use pyo3::prelude::*;

use crate::blob::Range;
use crate::outbox::Item;
use crate::socket::{WebSocket, not_open};

impl WebSocket {
    /// Sends the content of a file as a binary message, in pieces as they fit. What is sent later
    /// waits for it.
    pub(crate) fn send_file(slf: &Bound<'_, Self>, (file, start, size): Range) -> PyResult<()> {
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
