//! The native half of the Python package `tightwire`: its classes over the core's event loop.
//!
//! What is cold is written in Python beside it (`python/tightwire`). The law of this crate: no lock
//! of ours is held, and nothing of the core is borrowed but through `current`, while Python code
//! runs; so every method may be called from every handler.

mod arguments;
mod auth;
mod backoff;
mod client;
mod connection;
mod convert;
mod current;
mod dispatch;
mod driver;
mod error;
mod event;
mod event_loop;
mod handler;
mod listeners;
mod options;
mod python;
mod server;
mod socket;
mod ssl_context;
mod tls;

use pyo3::prelude::*;

/// Names of the standard, and how Python spells them.
const ALIASES: [(&str, &str); 6] = [
    ("readyState", "ready_state"),
    ("bufferedAmount", "buffered_amount"),
    ("binaryType", "binary_type"),
    ("addEventListener", "add_event_listener"),
    ("removeEventListener", "remove_event_listener"),
    ("dispatchEvent", "dispatch_event"),
];

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<event::Event>()?;
    module.add_class::<event::MessageEvent>()?;
    module.add_class::<event::CloseEvent>()?;
    module.add_class::<event::ErrorEvent>()?;
    module.add_class::<auth::Auth>()?;
    module.add_class::<backoff::Backoff>()?;
    module.add_class::<event_loop::Loop>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<socket::WebSocket>()?;
    module.add_class::<tls::Tls>()?;
    module.add_function(wrap_pyfunction!(server::serve, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    let class = module.py().get_type::<socket::WebSocket>();
    for (name, alias) in ALIASES {
        class.setattr(alias, class.getattr(name)?)?;
    }
    Ok(())
}
