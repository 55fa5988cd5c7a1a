//! A socket's connection, as the thread at hand may use it: at once in its loop, or by message.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{CloseError, ConnId, Context, Message, ReadyState, Remote, SendError, Tuning};

use crate::anchor::Anchor;
use crate::driver::Driver;
use crate::error::named;
use crate::outbox::{Item, Outbox, Stop};
use crate::python;

/// A connection that the core has, or had.
pub(crate) struct Connection {
    id: ConnId,
    driver: Arc<Driver>,
    remote: Remote,
    /// Accepted by a server of ours.
    pub(crate) accepted: bool,
    /// The serialised origin of the URL.
    pub(crate) origin: Py<PyString>,
    /// The state that the application saw last; it moves with the events.
    state: AtomicU8,
    opened: AtomicBool,
    /// Bytes sent after the connection stopped taking them.
    lost: AtomicU64,
    /// Why nothing is read: bits of [`Pause`].
    paused: AtomicU8,
    pub(crate) outbox: Outbox,
    /// The exception that tells why this side gave it up.
    failure: Mutex<Option<Py<PyAny>>>,
    /// Holds the object of a client's socket.
    pub(crate) anchor: Option<Arc<Anchor>>,
}

/// A reason to read nothing.
#[derive(Clone, Copy)]
pub(crate) enum Pause {
    Application = 1,
    /// Too many `async def` handlers are unfinished.
    Handlers = 2,
}

/// What became of a message.
pub(crate) enum Sent {
    Taken,
    /// The connection takes none any more; the message is counted.
    Lost,
    /// The queue is full; the connection is given up.
    Overflow,
    /// It waits behind a file.
    Queued,
    Failed(SendError),
}

impl Connection {
    pub(crate) fn new(
        py: Python<'_>,
        driver: &Arc<Driver>,
        remote: Remote,
        anchor: Option<Arc<Anchor>>,
    ) -> Self {
        let accepted = anchor.is_none();
        let state = if accepted { ReadyState::Open } else { ReadyState::Connecting };
        Self {
            id: remote.id(),
            driver: Arc::clone(driver),
            accepted,
            origin: PyString::new(py, &origin(remote.url())).unbind(),
            remote,
            state: AtomicU8::new(state as u8),
            opened: AtomicBool::new(accepted),
            lost: AtomicU64::new(0),
            paused: AtomicU8::new(0),
            outbox: Outbox::default(),
            failure: Mutex::new(None),
            anchor,
        }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The state as the events have told it so far: 0 until `open`, and 3 from the first of
    /// `error` and `close` on.
    pub(crate) fn ready_state(&self) -> u8 {
        let told = self.state.load(Ordering::Acquire);
        if told == ReadyState::Closed as u8 || self.driver.is_gone() {
            return ReadyState::Closed as u8;
        }
        match self.remote.ready_state() {
            ReadyState::Closing | ReadyState::Closed if told == ReadyState::Open as u8 => {
                ReadyState::Closing as u8
            }
            _ => told,
        }
    }

    /// The opening handshake is done. False if the application closed the socket before.
    pub(crate) fn open(&self) -> bool {
        let (connecting, open) = (ReadyState::Connecting as u8, ReadyState::Open as u8);
        let opened = self
            .state
            .compare_exchange(connecting, open, Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        self.opened.fetch_or(opened, Ordering::AcqRel);
        opened
    }

    pub(crate) fn was_opened(&self) -> bool {
        self.opened.load(Ordering::Acquire)
    }

    /// The connection is over.
    pub(crate) fn finish(&self) {
        self.state.store(ReadyState::Closed as u8, Ordering::Release);
        self.lose(self.outbox.clear());
    }

    pub(crate) fn take_failure(&self) -> Option<Py<PyAny>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// For the collector of cycles: the exception may know the frames that know the socket.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.failure.try_lock() {
            Ok(failure) => visit.call(&*failure),
            Err(_) => Ok(()),
        }
    }

    /// Counts what was sent and never will be.
    pub(crate) fn lose(&self, bytes: u64) {
        self.lost.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Gives the connection up, because of `failure`, which is an exception.
    pub(crate) fn fail(&self, py: Python<'_>, failure: Py<PyAny>) {
        let mut slot = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let second = match &*slot {
            None => slot.replace(failure),
            Some(_) => Some(failure),
        };
        drop(slot);
        drop(second);
        self.abort(py);
    }

    /// Payload bytes that were sent and not given to the system.
    pub(crate) fn buffered_amount(&self) -> u64 {
        let lost = self.lost.load(Ordering::Acquire);
        self.remote.buffered_amount() + lost + self.outbox.waiting()
    }

    /// Sends a message on a connection that was open.
    pub(crate) fn send(
        &self,
        py: Python<'_>,
        message: Message<'_>,
        compress: Option<bool>,
    ) -> Sent {
        let size = message.data().len() as u64;
        if self.ready_state() != ReadyState::Open as u8 {
            self.lose(size);
            return Sent::Lost;
        }
        if self.outbox.is_busy() {
            return match self.queue(message, compress) {
                Ok(()) => Sent::Queued,
                Err((buffered, limit)) => self.overflow(py, size, buffered, limit),
            };
        }
        let message = compress.map_or(message, |compress| message.compress(compress));
        let sent = self
            .driver
            .with(py, |context| context.send(self.id, message))
            .unwrap_or_else(|| self.remote.send(message));
        match sent {
            Ok(()) => Sent::Taken,
            Err(SendError::Closed) => {
                self.lose(size);
                Sent::Lost
            }
            Err(SendError::Full { buffered, limit }) => self.overflow(py, size, buffered, limit),
            Err(error) => Sent::Failed(error),
        }
    }

    /// Has a message wait behind a file, or tells how much waits there, and how much may.
    fn queue(&self, message: Message<'_>, compress: Option<bool>) -> Result<(), (u64, u64)> {
        // The pieces of files, which the loop's own queue is full of, are not for the application to bound.
        let (held, limit) = (self.outbox.held(), self.remote.max_send_buffer());
        if held >= limit {
            return Err((held, limit));
        }
        let (kind, data) = (message.kind(), message.data().to_vec());
        self.outbox.push(Item::Message { kind, data, compress });
        Ok(())
    }

    /// Gives the connection up because its queue is full.
    fn overflow(&self, py: Python<'_>, size: u64, buffered: u64, limit: u64) -> Sent {
        self.lose(size);
        let full = python::exception_class(py, "BufferFull")
            .and_then(|class| class.call1((buffered, limit)));
        let full = full.unwrap_or_else(|error| error.into_value(py).into_bound(py).into_any());
        self.fail(py, full.unbind());
        Sent::Overflow
    }

    /// Sends a message if the connection takes one, and there is room. In the loop.
    pub(crate) fn offer(
        &self,
        py: Python<'_>,
        context: &mut Context<'_>,
        message: Message<'_>,
    ) -> bool {
        if self.ready_state() != ReadyState::Open as u8 {
            return false;
        }
        if !self.outbox.is_busy() {
            return context.send(self.id, message).is_ok();
        }
        let queued = self.queue(message, None).is_ok();
        self.pump(py, context);
        queued
    }

    /// Goes on with what waits behind a file. In the loop.
    pub(crate) fn pump(&self, py: Python<'_>, context: &mut Context<'_>) {
        let high_water = Tuning::default().high_water as u64;
        let failure = match self.outbox.pump(py, context, self.id, high_water) {
            Ok(()) => return,
            // It is over, or will be in a moment.
            Err(Stop::Send(SendError::Closed)) => {
                self.lose(self.outbox.clear());
                return;
            }
            Err(Stop::Unreadable(error)) => error,
            Err(Stop::Send(error)) => named(py, "WebSocketError", format!("send: {error}")),
            Err(Stop::Close(error)) => named(py, "InvalidAccessError", format!("close: {error}")),
        };
        self.lose(self.outbox.clear());
        self.fail(py, failure.into_value(py).into_any());
    }

    pub(crate) fn ping(&self, py: Python<'_>, payload: &[u8]) -> Result<(), SendError> {
        self.driver
            .with(py, |context| context.ping(self.id, payload))
            .unwrap_or_else(|| self.remote.ping(payload))
    }

    /// Starts the closing handshake, or gives up a connection that is not open yet.
    pub(crate) fn close(
        &self,
        py: Python<'_>,
        code: Option<u16>,
        reason: &str,
    ) -> Result<(), CloseError> {
        if self.ready_state() >= ReadyState::Closing as u8 {
            return Ok(());
        }
        self.state.fetch_max(ReadyState::Closing as u8, Ordering::AcqRel);
        if self.outbox.is_busy() {
            self.outbox.push(Item::Close { code, reason: reason.to_owned() });
            return Ok(());
        }
        self.driver
            .with(py, |context| context.close(self.id, code, reason))
            .unwrap_or_else(|| self.remote.close(code, reason))
    }

    /// Has reading stop for a reason, or go on if there is no other one.
    pub(crate) fn set_paused(&self, py: Python<'_>, reason: Pause, paused: bool) {
        let bit = reason as u8;
        let before = match paused {
            true => self.paused.fetch_or(bit, Ordering::AcqRel),
            false => self.paused.fetch_and(!bit, Ordering::AcqRel),
        };
        if before & !bit == 0 {
            self.pause_or_resume(py, paused);
        }
    }

    /// Has reading stop now if the application wanted that while the connection was not open.
    pub(crate) fn catch_up_on_pausing(&self, py: Python<'_>) {
        if self.paused.load(Ordering::Acquire) != 0 {
            self.pause_or_resume(py, true);
        }
    }

    fn pause_or_resume(&self, py: Python<'_>, paused: bool) {
        let done = self.driver.with(py, |context| match paused {
            true => context.pause(self.id),
            false => context.resume(self.id),
        });
        match done {
            Some(()) => {}
            None if paused => self.remote.pause(),
            None => self.remote.resume(),
        }
    }

    /// Ends the TCP connection without a closing handshake.
    pub(crate) fn abort(&self, py: Python<'_>) {
        self.state.fetch_max(ReadyState::Closing as u8, Ordering::AcqRel);
        if self.driver.with(py, |context| context.abort(self.id)).is_none() {
            self.remote.abort();
        }
    }
}

impl Connection {
    /// The object of the socket is gone: closes without a status, after what is queued (WHATWG
    /// WebSockets, "Garbage collection").
    fn part(&self, py: Python<'_>) {
        if !self.driver.is_driven() {
            let text = c"a WebSocket was thrown away before anybody drove it: call tightwire.run()";
            let category = py.get_type::<PyRuntimeWarning>();
            if let Err(error) = PyErr::warn(py, &category, text, 1) {
                error.write_unraisable(py, None);
            }
        }
        // Without code and reason there is nothing to refuse.
        let _ = self.close(py, None, "");
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.accepted || self.ready_state() >= ReadyState::Closing as u8 {
            return;
        }
        // An interpreter that ends has said goodbye to all peers already.
        Python::try_attach(|py| {
            // An object may go while an exception is on its way.
            let raised = PyErr::take(py);
            self.part(py);
            if let Some(raised) = raised {
                raised.restore(py);
            }
        });
    }
}

/// The serialised origin of a WebSocket URL: without credentials and path.
fn origin(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}")
}
