//! What keeps the object of a client's socket alive while nobody else does.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::socket::WebSocket;

/// The way from a connection to its object. It holds the object exactly while listeners may still be
/// called (WHATWG WebSockets, "Garbage collection"), unseen by the collector of cycles.
pub(crate) struct Anchor {
    weak: Py<PyWeakrefReference>,
    strong: Mutex<Option<Py<WebSocket>>>,
}

impl Anchor {
    pub(crate) fn new(socket: &Bound<'_, WebSocket>) -> PyResult<Self> {
        let weak = PyWeakrefReference::new(socket)?.unbind();
        Ok(Self { weak, strong: Mutex::new(None) })
    }

    /// The object, if it is still there.
    pub(crate) fn socket<'py>(&self, py: Python<'py>) -> Option<Bound<'py, WebSocket>> {
        let strong = self.strong.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(socket) = &*strong {
            return Some(socket.bind(py).clone());
        }
        drop(strong);
        self.weak.bind(py).upgrade()?.cast_into().ok()
    }

    pub(crate) fn hold(&self, socket: &Bound<'_, WebSocket>) {
        self.set(Some(socket.clone().unbind()));
    }

    pub(crate) fn release(&self) {
        self.set(None);
    }

    fn set(&self, strong: Option<Py<WebSocket>>) {
        let mut slot = self.strong.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *slot, strong);
        drop(slot);
        // The last reference, perhaps: what goes with the object may come back here.
        drop(old);
    }
}
