//! Event handler attributes of a socket: `onopen` and the like.

use pyo3::prelude::*;

use crate::event::Name;
use crate::socket::WebSocket;

impl WebSocket {
    /// The handler of an event.
    pub(crate) fn attribute(slf: &Bound<'_, Self>, name: Name) -> Option<Py<PyAny>> {
        slf.as_super().get().listeners.attribute(slf.py(), &name)
    }

    /// Sets it.
    pub(crate) fn set_attribute(slf: &Bound<'_, Self>, name: Name, value: &Bound<'_, PyAny>) {
        slf.as_super().get().set_attribute(name, value);
        Self::hold_if_needed(slf.as_super());
    }
}
