//! `tightwire.EventTarget`: what listeners are registered with and events are dispatched on.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType, PyWeakrefMethods, PyWeakrefReference};
use pyo3::{PyTraverseError, PyVisit};

use crate::arguments::listener_options;
use crate::dispatch::dispatch;
use crate::event::{Event, Name};
use crate::following::{Following, is_aborted};
use crate::listeners::Listeners;
use crate::member;
use crate::python;
use crate::socket::WebSocket;

/// Something that events happen to (DOM, "Interface EventTarget"); may be subclassed.
///
/// Example:
///     class Clock(tightwire.EventTarget):
///         def strike(self):
///             self.dispatchEvent(tightwire.Event("strike"))
///
///     clock = Clock()
///     clock.addEventListener("strike", lambda event: print(event.type), once=True)
///     clock.strike()
///
/// What a listener raises is reported, by asyncio's exception handler or else `sys.unraisablehook`, and the others
/// are called all the same.
// The limited API of the versions that abi3 is built for can make no class immutable.
#[cfg_attr(feature = "abi3", pyclass(frozen, subclass, weakref, module = "tightwire"))]
#[cfg_attr(
    not(feature = "abi3"),
    pyclass(frozen, subclass, immutable_type, weakref, module = "tightwire")
)]
#[derive(Default)]
pub(crate) struct EventTarget {
    pub(crate) listeners: Listeners,
}

#[pymethods]
impl EventTarget {
    #[new]
    #[classmethod]
    #[pyo3(signature = (*args, **kwargs))]
    fn new(
        class: &Bound<'_, PyType>,
        args: &Bound<'_, PyTuple>,
        kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        // Arguments are for the `__init__` of classes that derive from it.
        let given = !args.is_empty() || kwargs.is_some_and(|kwargs| !kwargs.is_empty());
        if given && class.is(class.py().get_type::<Self>()) {
            return Err(PyTypeError::new_err("EventTarget() takes no arguments"));
        }
        Ok(Self::default())
    }

    #[classattr]
    #[pyo3(name = "add_event_listener")]
    fn other_add_event_listener(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "addEventListener")
    }

    #[classattr]
    #[pyo3(name = "remove_event_listener")]
    fn other_remove_event_listener(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "removeEventListener")
    }

    #[classattr]
    #[pyo3(name = "dispatch_event")]
    fn other_dispatch_event(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "dispatchEvent")
    }

    /// Has `callback` called for events of `type`, after those registered before. Any thread.
    ///
    /// One that is registered already, with the same `capture`, stays as it is; None does nothing.
    ///
    /// Args:
    ///     options: A bool means `capture`; a dict may have any of the following.
    ///     once: Remove it when it is called.
    ///     capture: Call it before those without.
    ///     passive: `preventDefault` does nothing in it.
    ///     signal: Remove it when this is aborted.
    #[pyo3(
        name = "addEventListener",
        signature = (
            r#type, callback, options = None, *, once = false, capture = false, passive = false,
            signal = None
        )
    )]
    #[expect(clippy::too_many_arguments, reason = "the standard's options")]
    fn add_event_listener(
        slf: &Bound<'_, Self>,
        r#type: &str,
        callback: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyAny>>,
        once: bool,
        capture: bool,
        passive: bool,
        signal: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let options = listener_options(options, signal)?;
        let Some(callback) = callback else { return Ok(()) };
        if !callback.is_callable() {
            return Err(PyTypeError::new_err("callback: a callable or None expected"));
        }
        let signal = options.signal;
        if signal.as_ref().map(is_aborted).transpose()? == Some(true) {
            return Ok(());
        }
        let mut manner = options.manner;
        manner.once |= once;
        manner.capture |= capture;
        manner.passive |= passive;
        let added = slf.get().listeners.add(r#type.into(), callback, manner)?;
        if let (Some(id), Some(signal)) = (added, signal) {
            let weak = PyWeakrefReference::new(slf)?.unbind();
            let following = Following::start(&signal, move |signal| {
                let target = weak.bind(signal.py()).upgrade();
                if let Some(target) = target.as_ref().and_then(|target| target.cast().ok()) {
                    Self::forget(target, id);
                }
            })?;
            slf.get().listeners.tie(id, following);
        }
        WebSocket::hold_if_needed(slf);
        Ok(())
    }

    /// Takes back `addEventListener` with the same type, callback and `capture`. Any thread.
    #[pyo3(
        name = "removeEventListener",
        signature = (r#type, callback, options = None, *, capture = false)
    )]
    fn remove_event_listener(
        slf: &Bound<'_, Self>,
        r#type: &str,
        callback: Option<&Bound<'_, PyAny>>,
        options: Option<&Bound<'_, PyAny>>,
        capture: bool,
    ) -> PyResult<()> {
        let Some(callback) = callback else { return Ok(()) };
        let capture = capture || listener_options(options, None)?.manner.capture;
        slf.get().listeners.remove(&r#type.into(), callback, capture)?;
        WebSocket::hold_if_needed(slf);
        Ok(())
    }

    /// Calls the listeners for `event` now; whether none of them prevented its default.
    ///
    /// Raises:
    ///     InvalidStateError: It is being dispatched already.
    #[pyo3(name = "dispatchEvent")]
    fn dispatch_event(slf: &Bound<'_, Self>, event: &Bound<'_, Event>) -> PyResult<bool> {
        event.get().distrust();
        dispatch(slf, event.as_any())
    }

    /// Registers a function for events of `type`: `@ws.on("message")`.
    #[pyo3(signature = (r#type, /))]
    fn on<'py>(slf: &Bound<'py, Self>, r#type: &str) -> PyResult<Bound<'py, PyAny>> {
        python::decorator(slf.py())?.call1((slf, r#type))
    }

    /// What an attribute like `onabort` of a class written in Python is.
    fn _attribute(&self, py: Python<'_>, r#type: &str) -> Option<Py<PyAny>> {
        self.listeners.attribute(py, &r#type.into())
    }

    /// Sets it.
    fn _set_attribute(&self, r#type: &str, value: &Bound<'_, PyAny>) {
        self.set_attribute(r#type.into(), value);
    }

    /// Whether there is a listener for events of `type`.
    fn _hears(&self, r#type: &str) -> bool {
        self.listeners.listen_to(&[r#type.into()])
    }

    /// Does what is to be done at an abort, before its event.
    fn _run_algorithms(slf: &Bound<'_, Self>) {
        while let Some(algorithm) = slf.get().listeners.take_algorithm() {
            if let Err(error) = algorithm.call1(slf.py(), (slf,)) {
                error.write_unraisable(slf.py(), Some(algorithm.bind(slf.py())));
            }
        }
    }

    /// Dispatches an event of the library's own.
    fn _fire(slf: &Bound<'_, Self>, r#type: &str) -> PyResult<bool> {
        let event = Bound::new(slf.py(), Event::trusted(r#type.into()))?;
        dispatch(slf, event.as_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.listeners.traverse(visit)
    }

    fn __clear__(&self) {
        self.listeners.clear();
    }
}

impl EventTarget {
    fn forget(slf: &Bound<'_, Self>, id: u64) {
        slf.get().listeners.remove_id(id);
        WebSocket::hold_if_needed(slf);
    }

    /// Whatever is not callable is no handler.
    pub(crate) fn set_attribute(&self, name: Name, value: &Bound<'_, PyAny>) {
        let callback = value.is_callable().then(|| value.clone().unbind());
        self.listeners.set_attribute(name, callback);
    }
}
