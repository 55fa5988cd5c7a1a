//! What ends with an abort signal: a listener, or the opening handshake of a socket.

use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::event_target::EventTarget;
use crate::python;

/// Waits for the abort of a signal for as long as it lives.
pub(crate) struct Following {
    signal: Py<EventTarget>,
    id: u64,
}

impl Following {
    /// Has `act` called with `signal`, which is an `AbortSignal`, when it is aborted, before any listener
    /// hears of it. `act` must own
    /// neither the signal nor what owns this: the collector of cycles does not see it.
    pub(crate) fn start<F>(signal: &Bound<'_, EventTarget>, act: F) -> PyResult<Self>
    where
        F: Fn(&Bound<'_, PyAny>) + Send + Sync + 'static,
    {
        let called = move |arguments: &Bound<'_, PyTuple>, _: Option<&Bound<'_, PyDict>>| {
            act(&arguments.get_item(0)?);
            Ok::<(), PyErr>(())
        };
        let callback = PyCFunction::new_closure(signal.py(), Some(c"follow"), None, called)?;
        let callback = callback.into_any().unbind();
        let id = signal.get().listeners.add_algorithm(callback);
        Ok(Self { signal: signal.clone().unbind(), id })
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.signal)
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.signal.get().listeners.remove_id(self.id);
    }
}

/// What `signal=` was given, which has to be an `AbortSignal` or None.
pub(crate) fn signal_of<'py>(
    value: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, EventTarget>>> {
    let Some(value) = value.filter(|value| !value.is_none()) else { return Ok(None) };
    let class = python::abort_signal_class(value.py())?;
    match value.cast::<EventTarget>() {
        Ok(signal) if value.is_instance(class)? => Ok(Some(signal.clone())),
        _ => {
            let name = value.get_type().qualname()?;
            let text = format!("signal: an AbortSignal expected, not {name}");
            Err(pyo3::exceptions::PyTypeError::new_err(text))
        }
    }
}

/// The same, which must not be aborted yet: else its reason is raised.
pub(crate) fn usable_signal<'py>(
    value: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<Bound<'py, EventTarget>>> {
    let signal = signal_of(value)?;
    if let Some(signal) = &signal {
        signal.call_method0("throwIfAborted")?;
    }
    Ok(signal)
}

/// The exception that a signal was aborted with.
pub(crate) fn reason_of(signal: &Bound<'_, PyAny>) -> Py<PyAny> {
    match signal.call_method0("throwIfAborted") {
        Ok(other) => other.unbind(),
        Err(reason) => reason.into_value(signal.py()).into_any(),
    }
}

pub(crate) fn is_aborted(signal: &Bound<'_, EventTarget>) -> PyResult<bool> {
    signal.getattr("aborted")?.is_truthy()
}
