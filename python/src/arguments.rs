//! Arguments of the methods of a socket.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tightwire::proto::close::check_close;

use crate::error::named;
use crate::event_target::EventTarget;
use crate::following::signal_of;
use crate::listeners::Manner;

/// A code that the application may close with: the standard's, or for a server the protocol's.
pub(crate) fn close_code(code: &Bound<'_, PyAny>, accepted: bool) -> PyResult<u16> {
    let py = code.py();
    let wrong = || PyTypeError::new_err("code: an int or None expected");
    if !code.is_instance_of::<pyo3::types::PyInt>() {
        return Err(wrong());
    }
    let legal = |code: u16| match accepted {
        true => check_close(Some(code), "").is_ok(),
        false => matches!(code, 1000 | 3000..=4999),
    };
    match code.extract::<u16>() {
        Ok(code) if legal(code) => Ok(code),
        _ => {
            let range = if accepted { "1000-1003, 1007-1014" } else { "1000" };
            let text = format!("code: {code} is not {range} or 3000-4999");
            Err(named(py, "InvalidAccessError", text))
        }
    }
}

/// How a listener is to be registered.
#[derive(Default)]
pub(crate) struct ListenerOptions<'py> {
    pub(crate) manner: Manner,
    /// Its abort removes the listener.
    pub(crate) signal: Option<Bound<'py, EventTarget>>,
}

/// The third argument of `addEventListener`: a bool is `capture`, a dict has any of the options.
pub(crate) fn listener_options<'py>(
    options: Option<&Bound<'py, PyAny>>,
    signal: Option<&Bound<'py, PyAny>>,
) -> PyResult<ListenerOptions<'py>> {
    let mut read = ListenerOptions { signal: signal_of(signal)?, ..ListenerOptions::default() };
    let Some(options) = options else { return Ok(read) };
    let Ok(options) = options.cast::<PyDict>() else {
        read.manner.capture = options.is_truthy()?;
        return Ok(read);
    };
    let flag = |name: &str| match options.get_item(name)? {
        Some(value) => value.is_truthy(),
        None => Ok(false),
    };
    read.manner.capture = flag("capture")?;
    read.manner.once = flag("once")?;
    read.manner.passive = flag("passive")?;
    if let Some(signal) = signal_of(options.get_item("signal")?.as_ref())? {
        read.signal = Some(signal);
    }
    Ok(read)
}
