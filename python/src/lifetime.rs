//! How long the object of a client's socket lives, and what an abort signal ends.

use std::sync::PoisonError;

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::event::Name;
use crate::event_target::EventTarget;
use crate::following::{Following, reason_of};
use crate::socket::WebSocket;

impl WebSocket {
    /// Has the object live on while listeners may be called, and no longer. After each change of
    /// either; does nothing for other targets.
    pub(crate) fn hold_if_needed(target: &Bound<'_, EventTarget>) {
        let Ok(slf) = target.cast::<Self>() else { return };
        let Some(connection) = slf.get().connection() else { return };
        let Some(anchor) = &connection.anchor else { return };
        let names = [Name::Close, Name::Error, Name::Message, Name::Open];
        let possible = match connection.ready_state() {
            Self::CONNECTING => &names[..],
            Self::OPEN => &names[..3],
            Self::CLOSING => &names[..2],
            // Nothing is sent any more either.
            _ => return anchor.release(),
        };
        match connection.outbox.is_busy() || target.get().listeners.listen_to(possible) {
            true => anchor.hold(slf),
            false => anchor.release(),
        }
    }

    /// Whatever becomes of the signal, the handshake is over.
    pub(crate) fn unfollow(&self) {
        let following = self.following.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(following);
    }

    /// Has the opening handshake end when `signal` is aborted, and the socket's loop count the time if
    /// that is one of `timeout`.
    pub(crate) fn follow(
        slf: &Bound<'_, Self>,
        signal: &Bound<'_, EventTarget>,
        r#loop: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let weak = PyWeakrefReference::new(slf)?.unbind();
        let following = Following::start(signal, move |signal| {
            let py = signal.py();
            let Some(socket) = weak.bind(py).upgrade() else { return };
            let Ok(socket) = socket.cast_into::<Self>() else { return };
            let Some(connection) = socket.get().connection() else { return };
            if socket.get().is_connecting() {
                connection.fail(py, reason_of(signal));
                Self::hold_if_needed(socket.as_super());
            }
        })?;
        *slf.get().following.lock().unwrap_or_else(PoisonError::into_inner) = Some(following);
        signal.call_method1("_count_on", (r#loop,)).map(drop)
    }
}
