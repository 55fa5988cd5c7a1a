//! The native half of the Python package `tightwire`: its classes over the core's event loop.
//!
//! What is cold is written in Python beside it (`python/tightwire`). The law of this crate: no lock
//! of ours is held, and nothing of the core is borrowed but through `current`, while Python code
//! runs; so every method may be called from every handler.

mod aliases;
mod anchor;
mod arguments;
mod array_buffer;
mod attributes;
mod auth;
mod backoff;
mod blob;
mod client;
mod clock;
mod connection;
mod convert;
mod current;
mod dispatch;
mod driver;
mod driving;
mod error;
mod event;
mod event_loop;
mod event_target;
mod file;
mod following;
mod handler;
mod lifetime;
mod listeners;
mod looking;
mod options;
mod outbox;
mod python;
mod sending;
mod server;
mod socket;
mod ssl_context;
mod timer;
mod tls;

use pyo3::PyTypeInfo;
use pyo3::prelude::*;

// The SAFETY arguments of this crate rest on the interpreter lock.
#[pymodule(gil_used = true)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    clock::start(module.py())?;
    module.add_class::<event_target::EventTarget>()?;
    module.add_class::<event::Event>()?;
    module.add_class::<event::MessageEvent>()?;
    module.add_class::<event::CloseEvent>()?;
    module.add_class::<event::ErrorEvent>()?;
    module.add_class::<auth::Auth>()?;
    module.add_class::<array_buffer::ArrayBuffer>()?;
    module.add_class::<backoff::Backoff>()?;
    module.add_class::<blob::Blob>()?;
    module.add_class::<event_loop::BaseLoop>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<socket::WebSocket>()?;
    module.add_class::<timer::Timer>()?;
    module.add_class::<tls::Tls>()?;
    module.add_function(wrap_pyfunction!(server::serve, module)?)?;
    module.add_function(wrap_pyfunction!(error::_write_unraisable, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    aliases::add(module.py())
}

/// A member of a class of ours, for its other name in the same class.
pub(crate) fn member<T: PyTypeInfo>(py: Python<'_>, name: &str) -> PyResult<Py<PyAny>> {
    Ok(py.get_type::<T>().getattr(name)?.unbind())
}
