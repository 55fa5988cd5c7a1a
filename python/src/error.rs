//! Errors of the core and of arguments, as exceptions of `tightwire.exceptions`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tightwire::Error;

use crate::python;

/// The exception for an error of the core. `opened`: of a connection that was open before.
pub(crate) fn exception<'py>(
    py: Python<'py>,
    error: &Error,
    opened: bool,
) -> PyResult<Bound<'py, PyAny>> {
    let response = error.http().map(|reply| {
        let headers: Vec<(&str, &str)> = reply.headers.iter().collect();
        (reply.status, reply.reason.as_str(), headers, PyBytes::new(py, &reply.body))
    });
    let attempts: Vec<_> = error
        .attempts()
        .iter()
        .map(|attempt| (attempt.address(), attempt.cause(), attempt.os_error()))
        .collect();
    python::exception_from_core(py)?.call1((
        error.code() as u8,
        error.phase().as_str(),
        error.kind(),
        error.to_string(),
        error.os_error(),
        response,
        attempts,
        opened,
        error.size(),
        error.limit(),
    ))
}

/// The same, to be raised.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error, false) {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// `error`, which an argument caused, with the name of the argument in front instead of the phase.
pub(crate) fn describe(argument: &str, error: &Error) -> String {
    let text = error.to_string();
    let cause = text.split_once(": ").map_or(text.as_str(), |(_, cause)| cause);
    format!("{argument}: {cause}")
}

/// An instance of the class of `tightwire.exceptions` called `class`.
pub(crate) fn named(py: Python<'_>, class: &str, text: impl Into<String>) -> PyErr {
    let exception =
        python::exception_class(py, class).and_then(|class| class.call1((text.into(),)));
    match exception {
        Ok(exception) => PyErr::from_value(exception),
        Err(error) => error,
    }
}

/// `SyntaxError` of the standard: an argument that is not well formed.
pub(crate) fn syntax(py: Python<'_>, text: impl Into<String>) -> PyErr {
    named(py, "SyntaxError", text)
}

/// Says what a handler raised, where nobody else can be told: only the interpreter makes what
/// `sys.unraisablehook` takes.
#[pyfunction]
pub(crate) fn _write_unraisable(error: Bound<'_, PyAny>, handler: &Bound<'_, PyAny>) {
    let py = error.py();
    PyErr::from_value(error).write_unraisable(py, Some(handler));
}
