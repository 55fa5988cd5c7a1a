//! Arguments of the methods of a socket.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tightwire::proto::close::check_close;

use crate::error::named;

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

/// The third argument of `addEventListener`: a bool is `capture`, a mapping has both.
pub(crate) fn listener_options(options: Option<&Bound<'_, PyAny>>) -> PyResult<(bool, bool)> {
    let Some(options) = options else { return Ok((false, false)) };
    if let Ok(options) = options.cast::<PyDict>() {
        let flag = |name: &str| match options.get_item(name)? {
            Some(value) => value.is_truthy(),
            None => Ok(false),
        };
        return Ok((flag("capture")?, flag("once")?));
    }
    Ok((options.is_truthy()?, false))
}
