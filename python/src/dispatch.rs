//! Events on their way to the listeners of a socket.

use std::sync::PoisonError;

use pyo3::prelude::*;
use tightwire::{CloseEvent as Closed, Message};

use crate::convert::to_python;
use crate::error::{exception, named};
use crate::event::{CloseEvent, ErrorEvent, Event, MessageEvent, Name};
use crate::python;
use crate::socket::WebSocket;

/// The close code of every failure (RFC 6455 section 7.1.5).
const ABNORMAL: u16 = 1006;

impl WebSocket {
    pub(crate) fn fire_open(slf: &Bound<'_, Self>) {
        if slf.get().connection().is_some_and(|connection| connection.open()) {
            Self::fire(slf, Bound::new(slf.py(), Event::trusted(Name::Open)).map(Bound::into_any));
        }
    }

    /// A message that comes after `close()` was called is dropped, as in browsers.
    pub(crate) fn fire_message(slf: &Bound<'_, Self>, message: Message<'_>) {
        let py = slf.py();
        let Some(connection) = slf.get().connection() else { return };
        if connection.ready_state() != Self::OPEN {
            return;
        }
        let origin = connection.origin.clone_ref(py);
        let event = to_python(py, message).and_then(|data| MessageEvent::fired(py, data, origin));
        Self::fire(slf, event);
    }

    /// The last events of a socket: `error` if it failed, then `close`.
    pub(crate) fn fire_close(slf: &Bound<'_, Self>, close: &Closed) {
        let py = slf.py();
        let this = slf.get();
        let Some(connection) = this.connection() else { return };
        connection.finish();
        let _ = this.loss.set(close.into());
        let opened = connection.was_opened();
        let error = match (connection.take_overflow(), &close.error) {
            (Some((buffered, limit)), _) => Some(overflow(py, buffered, limit)),
            (None, Some(error)) => Some(exception(py, error, opened)),
            (None, None) if !opened => {
                let text = "app: closed by the application before it was open";
                Some(Ok(named(py, "ConnectError", text).into_value(py).into_bound(py).into_any()))
            }
            (None, None) => None,
        };
        let error = error.and_then(|error| match error {
            Ok(error) => Some(error),
            Err(error) => {
                connection.driver().report(py, error, slf.as_any(), slf.as_any());
                None
            }
        });
        if let Some(error) = &error {
            let kept = error.clone().unbind();
            *this.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            Self::fire(slf, ErrorEvent::fired(py, error));
        }
        let (code, reason) = if opened { (close.code, &*close.reason) } else { (ABNORMAL, "") };
        let clean = opened && close.clean;
        let event = CloseEvent::fired(py, code, reason, clean, error.map(Bound::unbind));
        if let Ok(event) = &event {
            let kept = event.clone().unbind();
            *this.close_event.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Self::fire(slf, event);
    }

    fn fire(slf: &Bound<'_, Self>, event: PyResult<Bound<'_, PyAny>>) {
        let fired = event.and_then(|event| Self::dispatch(slf, &event));
        if let (Err(error), Some(connection)) = (fired, slf.get().connection()) {
            connection.driver().report(slf.py(), error, slf.as_any(), slf.as_any());
        }
    }

    /// Calls the listeners for `event`, in their order; whether its default is not prevented.
    pub(crate) fn dispatch(slf: &Bound<'_, Self>, event: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = slf.py();
        let base = event.cast::<Event>()?.get();
        if !base.begin(slf.clone().into_any().unbind()) {
            let text = "dispatchEvent: the event is being dispatched already";
            return Err(named(py, "InvalidStateError", text));
        }
        let listeners = &slf.get().listeners;
        for id in listeners.snapshot(base.name()).iter() {
            if base.is_stopped() {
                break;
            }
            if let Some(callback) = listeners.take(py, id) {
                Self::call(slf, callback.bind(py), event);
            }
        }
        Ok(base.end())
    }

    /// Calls a handler of the application; what it raises is reported. False if it raised.
    pub(crate) fn call(
        slf: &Bound<'_, Self>,
        handler: &Bound<'_, PyAny>,
        argument: &Bound<'_, PyAny>,
    ) -> bool {
        let Some(connection) = slf.get().connection() else { return true };
        let py = slf.py();
        match handler.call1((argument,)) {
            Ok(result) if result.is_none() => true,
            Ok(result) => {
                let kind = python::coroutine_type(py);
                if kind.is_ok_and(|kind| result.get_type().is(kind)) {
                    connection.driver().adopt(py, &result, slf.as_any(), handler);
                }
                true
            }
            Err(error) => {
                connection.driver().report(py, error, slf.as_any(), handler);
                false
            }
        }
    }
}

fn overflow(py: Python<'_>, buffered: u64, limit: u64) -> PyResult<Bound<'_, PyAny>> {
    python::exception_class(py, "BufferFull")?.call1((buffered, limit))
}
