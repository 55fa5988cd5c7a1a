//! Events on their way to the listeners of a target.

use std::iter;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use tightwire::{CloseEvent as Closed, Message};

use crate::convert::to_python;
use crate::error::{exception, named};
use crate::event::{CloseEvent, ErrorEvent, Event, MessageEvent, Name};
use crate::event_target::EventTarget;
use crate::listeners::Snapshot;
use crate::python;
use crate::socket::WebSocket;

/// Ends that the standard has a close event for, and no error event: the peer is gone, or never answers
/// our Close.
const LOST: [&str; 5] = ["ended", "reset", "tls_truncated", "close_timeout", "close_unsent"];

/// The close code of every failure (RFC 6455 section 7.1.5).
const ABNORMAL: u16 = 1006;

impl WebSocket {
    pub(crate) fn fire_open(slf: &Bound<'_, Self>) {
        let Some(connection) = slf.get().connection() else { return };
        if connection.open() {
            connection.catch_up_on_pausing(slf.py());
            slf.get().unfollow();
            Self::fire(slf, Bound::new(slf.py(), Event::trusted(Name::Open)).map(Bound::into_any));
            Self::hold_if_needed(slf.as_super());
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
        let form = slf.get().form();
        let event =
            to_python(py, message, form).and_then(|data| MessageEvent::fired(py, data, origin));
        Self::fire(slf, event);
    }

    /// The last events of a socket: `error` if it failed, then `close`.
    pub(crate) fn fire_close(slf: &Bound<'_, Self>, close: &Closed) {
        let py = slf.py();
        let this = slf.get();
        let Some(connection) = this.connection() else { return };
        let _ = this.loss.set(Box::new(close.into()));
        let opened = connection.was_opened();
        let error = match (connection.take_failure(), &close.error) {
            (Some(failure), _) => Some(Ok(failure.into_bound(py))),
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
        }
        // Behind the error, which whoever sees the state on another thread asks for.
        connection.finish();
        this.unfollow();
        if let Some(error) = &error {
            if !(this.strict_events.load(Ordering::Acquire) && opened && is_lost(close)) {
                Self::fire(slf, ErrorEvent::fired(py, error));
            }
        }
        let (code, reason) = if opened { (close.code, &*close.reason) } else { (ABNORMAL, "") };
        let clean = opened && close.clean;
        let event = CloseEvent::fired(py, code, reason, clean, error.map(Bound::unbind));
        if let Ok(event) = &event {
            let kept = event.clone().unbind();
            *this.close_event.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Self::fire(slf, event);
        Self::hold_if_needed(slf.as_super());
    }

    fn fire(slf: &Bound<'_, Self>, event: PyResult<Bound<'_, PyAny>>) {
        let fired = event.and_then(|event| dispatch(slf.as_super(), &event));
        if let (Err(error), Some(connection)) = (fired, slf.get().connection()) {
            connection.driver().report(slf.py(), error, slf.as_any(), slf.as_any());
        }
    }
}

fn is_lost(close: &Closed) -> bool {
    close.error.as_ref().is_some_and(|error| LOST.contains(&error.kind()))
}

/// Calls the listeners for `event`, in their order; whether its default is not prevented.
pub(crate) fn dispatch(
    target: &Bound<'_, EventTarget>,
    event: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let py = target.py();
    let base = event.cast::<Event>()?.get();
    if !base.begin(target.clone().into_any().unbind()) {
        let text = "dispatchEvent: the event is being dispatched already";
        return Err(named(py, "InvalidStateError", text));
    }
    let listeners = &target.get().listeners;
    let (mut ended, mut fewer) = (Ok(()), false);
    // On the way down, and up again: at the target, which is all there is here, both are alike.
    let passes = if listeners.any_captures() { &[true, false][..] } else { &[false] };
    for capture in passes {
        if base.stays() {
            break;
        }
        let Snapshot { first, rest } = listeners.snapshot(py, base.name(), *capture);
        let rest =
            rest.into_iter().map(|id| (!base.is_stopped()).then(|| listeners.take(py, id))?);
        for listener in iter::once(first).chain(rest).flatten() {
            base.set_passive(listener.passive);
            fewer |= listener.once;
            let called = call(target, listener.callback.bind(py), event).map(drop);
            ended = if ended.is_ok() { called } else { ended };
        }
    }
    let wanted = base.end();
    if fewer {
        WebSocket::hold_if_needed(target);
    }
    ended.map(|()| wanted)
}

/// Calls a handler of the application. What it raises is reported; false if it raised.
///
/// # Errors
///
/// What is to end the program, from a target that no loop drives.
pub(crate) fn call(
    target: &Bound<'_, EventTarget>,
    handler: &Bound<'_, PyAny>,
    argument: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let py = target.py();
    match handler.call1((argument,)) {
        Ok(result) if result.is_none() => Ok(true),
        Ok(result) => {
            let kind = python::coroutine_type(py);
            if kind.is_ok_and(|kind| result.get_type().is(kind)) {
                adopt(target, &result, handler)?;
            }
            Ok(true)
        }
        Err(error) => report(target, error, handler).map(|()| false),
    }
}

/// Has a coroutine that a handler returned run, after those that the target's handlers returned
/// before.
fn adopt(
    target: &Bound<'_, EventTarget>,
    coroutine: &Bound<'_, PyAny>,
    handler: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = target.py();
    let socket = target.cast::<WebSocket>().ok();
    let connection = socket.and_then(|socket| socket.get().connection());
    let host = connection.and_then(|connection| connection.driver().host(py));
    let chained = python::chain_task(py)
        .and_then(|chain| chain.call1((host, target, handler, coroutine)))
        .map(drop);
    if let Err(error) = chained {
        let _ = coroutine.call_method0("close");
        return report(target, error, handler);
    }
    Ok(())
}

/// Says what a handler raised. Where a loop runs, it goes on.
fn report(
    target: &Bound<'_, EventTarget>,
    error: PyErr,
    handler: &Bound<'_, PyAny>,
) -> PyResult<()> {
    let py = target.py();
    let socket = target.cast::<WebSocket>().ok();
    match socket.and_then(|socket| socket.get().connection()) {
        Some(connection) => connection.driver().report(py, error, target.as_any(), handler),
        None if !error.is_instance_of::<PyException>(py) => return Err(error),
        None => {
            let value = error.value(py).clone();
            let told = python::report(py).and_then(|report| report.call1((target, handler, value)));
            if told.is_err() {
                error.write_unraisable(py, Some(handler));
            }
        }
    }
    Ok(())
}
