//! The parts of the package that are written in Python, each imported once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

const LOOPS: &str = "tightwire._loops";

/// `current(loop)`: the loop that drives new sockets of this thread.
pub(crate) fn current_loop(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "current")
}

/// `release(loop)`: the loop has nothing left to do.
pub(crate) fn release_loop(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "release")
}

/// `chain(host, ws, handler, coroutine)`: a task for what an `async def` handler returned.
pub(crate) fn chain_task(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "chain")
}

/// `opened(ws)`: a coroutine that ends when the socket opens.
pub(crate) fn opened(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "opened")
}

/// `report(target, handler, error)`: says what a listener of anything but a socket raised.
pub(crate) fn report(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "report")
}

/// `AbortSignal`.
pub(crate) fn abort_signal_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "tightwire._abort", "AbortSignal")
}

/// `decorator(target, type)`: what `@target.on(type)` is.
pub(crate) fn decorator(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "decorator")
}

/// The type of what an `async def` function returns.
pub(crate) fn coroutine_type(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static TYPE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    TYPE.import(py, "types", "CoroutineType")
}

/// `closed(ws)`: a coroutine that ends when the socket is closed.
pub(crate) fn closed(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "closed")
}

/// A function about a `Blob` that is a coroutine or the like.
pub(crate) fn blob<'py>(py: Python<'py>, function: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || py.import("tightwire._blob").map(Bound::unbind))?
        .bind(py)
        .getattr(function)
}

/// `header(cookies, url)`: the value of `Cookie`.
pub(crate) fn cookie_header(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, "tightwire._cookies", "header")
}

/// `store(jar, url, headers)`: the cookies that an answer sets.
pub(crate) fn store_cookies(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, "tightwire._cookies", "store")
}

/// `Engine`: TLS by an `ssl.SSLContext`.
pub(crate) fn tls_engine(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "tightwire._tls", "Engine")
}

/// `describe(error)`: what an error of `ssl` says.
pub(crate) fn tls_describe(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, "tightwire._tls", "describe")
}

/// `tightwire.Stats`.
pub(crate) fn stats_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "tightwire._options", "Stats")
}

/// `tightwire.Handshake`.
pub(crate) fn handshake_class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "tightwire._options", "Handshake")
}

/// `from_core(...)`: the exception for an error of the core.
pub(crate) fn exception_from_core(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, "tightwire.exceptions", "_from_core")
}

/// A class of `tightwire.exceptions`.
pub(crate) fn exception_class<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    MODULE
        .get_or_try_init(py, || py.import("tightwire.exceptions").map(Bound::unbind))?
        .bind(py)
        .getattr(name)
}

/// `run_socket(ws)`: drives this thread's loop until the socket is closed.
pub(crate) fn run_loop(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    FUNCTION.import(py, LOOPS, "run_socket")
}
