//! The events of the DOM, and those of them that a socket fires.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit, intern};

use crate::clock;

/// Characters of a payload that `repr` shows.
const SHOWN: usize = 80;

const BUBBLES: u8 = 1;
const CANCELABLE: u8 = 2;
const PREVENTED: u8 = 4;
const STOPPED: u8 = 8;
const DISPATCHING: u8 = 16;
const TRUSTED: u8 = 32;
/// No pass follows the one that is under way.
const STAYS: u8 = 64;
/// The listener that is being called has promised not to prevent the default.
const PASSIVE: u8 = 128;

/// The type of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Open,
    Message,
    Error,
    Close,
    /// What is to be done at an abort before its event: no event has this name.
    Aborting,
    Other(Box<str>),
}

impl Name {
    pub(crate) fn to_py<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        match self {
            Self::Open => intern!(py, "open").clone(),
            Self::Message => intern!(py, "message").clone(),
            Self::Error => intern!(py, "error").clone(),
            Self::Close => intern!(py, "close").clone(),
            Self::Aborting => intern!(py, "abort").clone(),
            Self::Other(name) => PyString::new(py, name),
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        match name {
            "open" => Self::Open,
            "message" => Self::Message,
            "error" => Self::Error,
            "close" => Self::Close,
            other => Self::Other(other.into()),
        }
    }
}

/// Something that happened to a target; the base of the other events.
///
/// Args:
///     type: The name that listeners are registered for.
///     bubbles: Of no effect here.
///     cancelable: Whether `preventDefault` makes `dispatchEvent` return false.
#[pyclass(frozen, subclass, weakref, module = "tightwire")]
pub(crate) struct Event {
    name: Name,
    target: Mutex<Option<Py<PyAny>>>,
    flags: AtomicU8,
    /// When it was made, in milliseconds of the clock that `time.monotonic` reads.
    time_stamp: f64,
}

impl Event {
    fn new_with(name: Name, flags: u8) -> Self {
        Self {
            name,
            target: Mutex::new(None),
            flags: AtomicU8::new(flags),
            time_stamp: clock::now(),
        }
    }

    /// An event that the library fires.
    pub(crate) fn trusted(name: Name) -> Self {
        Self::new_with(name, TRUSTED)
    }

    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// The dispatch on `target` begins. False if one is under way.
    pub(crate) fn begin(&self, target: Py<PyAny>) -> bool {
        if self.flags.fetch_or(DISPATCHING, Ordering::AcqRel) & DISPATCHING != 0 {
            return false;
        }
        let old = self.target.lock().unwrap_or_else(PoisonError::into_inner).replace(target);
        drop(old);
        true
    }

    /// The dispatch is over; whether nobody prevented the default action.
    pub(crate) fn end(&self) -> bool {
        let over = DISPATCHING | STOPPED | STAYS | PASSIVE;
        let flags = self.flags.fetch_and(!over, Ordering::AcqRel);
        flags & PREVENTED == 0
    }

    /// The application dispatches it, whoever made it.
    pub(crate) fn distrust(&self) {
        if !self.has(DISPATCHING) {
            self.flags.fetch_and(!TRUSTED, Ordering::AcqRel);
        }
    }

    /// Whether the next listener to be called is a passive one.
    pub(crate) fn set_passive(&self, passive: bool) {
        if passive {
            self.flags.fetch_or(PASSIVE, Ordering::AcqRel);
        } else if self.has(PASSIVE) {
            self.flags.fetch_and(!PASSIVE, Ordering::AcqRel);
        }
    }

    /// Whether a pass that has not begun is to be left out.
    pub(crate) fn stays(&self) -> bool {
        self.has(STAYS)
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.has(STOPPED)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }
}

#[pymethods]
impl Event {
    /// Values of `eventPhase`.
    #[classattr]
    const NONE: u8 = 0;
    #[classattr]
    const CAPTURING_PHASE: u8 = 1;
    #[classattr]
    const AT_TARGET: u8 = 2;
    #[classattr]
    const BUBBLING_PHASE: u8 = 3;

    #[new]
    #[pyo3(signature = (r#type, *, bubbles = false, cancelable = false))]
    fn new(r#type: &str, bubbles: bool, cancelable: bool) -> Self {
        let flags = if bubbles { BUBBLES } else { 0 } | if cancelable { CANCELABLE } else { 0 };
        Self::new_with(r#type.into(), flags)
    }

    /// `open`, `message`, `error`, `close`, or a name of your own.
    #[getter]
    fn r#type<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        self.name.to_py(py)
    }

    /// What it was dispatched on, for the library's events the `WebSocket`; None before.
    #[getter]
    fn target(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.as_ref().map(|target| target.clone_ref(py))
    }

    /// The same, while it is dispatched; else None.
    #[getter(currentTarget)]
    fn current_target(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        if self.has(DISPATCHING) { self.target(py) } else { None }
    }

    /// AT_TARGET while it is dispatched, else NONE.
    #[getter(eventPhase)]
    fn event_phase(&self) -> u8 {
        if self.has(DISPATCHING) { Self::AT_TARGET } else { Self::NONE }
    }

    /// The target while it is dispatched, as the only element.
    #[pyo3(name = "composedPath")]
    fn composed_path(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        self.current_target(py).into_iter().collect()
    }

    /// Always false.
    #[getter]
    fn composed(&self) -> bool {
        false
    }

    /// When it was made, in milliseconds of the clock that `time.monotonic` reads.
    #[getter(timeStamp)]
    fn time_stamp(&self) -> f64 {
        self.time_stamp
    }

    /// As it was made; of no effect here.
    #[getter]
    fn bubbles(&self) -> bool {
        self.has(BUBBLES)
    }

    /// As it was made.
    #[getter]
    fn cancelable(&self) -> bool {
        self.has(CANCELABLE)
    }

    /// Whether `preventDefault` was called on a cancelable event.
    #[getter(defaultPrevented)]
    fn default_prevented(&self) -> bool {
        self.has(PREVENTED)
    }

    /// Whether the library fired it.
    #[getter(isTrusted)]
    fn is_trusted(&self) -> bool {
        self.has(TRUSTED)
    }

    /// Makes `dispatchEvent` return false, if the event is cancelable.
    #[pyo3(name = "preventDefault")]
    fn prevent_default(&self) {
        if self.has(CANCELABLE) && !self.has(PASSIVE) {
            self.flags.fetch_or(PREVENTED, Ordering::AcqRel);
        }
    }

    /// Keeps the listeners that have not been called yet from being called.
    #[pyo3(name = "stopImmediatePropagation")]
    fn stop_immediate_propagation(&self) {
        self.flags.fetch_or(STOPPED | STAYS, Ordering::AcqRel);
    }

    /// In a listener with `capture`: keeps those without from being called.
    #[pyo3(name = "stopPropagation")]
    fn stop_propagation(&self) {
        self.flags.fetch_or(STAYS, Ordering::AcqRel);
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().qualname()?;
        Ok(format!("{class}(type={})", slf.get().name.to_py(slf.py()).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.target.try_lock() {
            Ok(target) => visit.call(&*target),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(target);
    }
}

/// A message came in.
#[pyclass(frozen, subclass, extends = Event, module = "tightwire")]
pub(crate) struct MessageEvent {
    /// `str` for a text message; for a binary one a `Blob` or `ArrayBuffer`, as `binaryType` says at
    /// that moment, or what the keyword `binary` asked for.
    #[pyo3(get)]
    data: Py<PyAny>,
    /// Scheme, host and port of the socket's URL.
    #[pyo3(get)]
    origin: Py<PyString>,
    /// What the application's own events may have.
    extra: Option<Box<Extra>>,
}

struct Extra {
    last_event_id: Py<PyString>,
    source: Option<Py<PyAny>>,
    ports: Py<PyTuple>,
}

impl MessageEvent {
    pub(crate) fn fired(
        py: Python<'_>,
        data: Py<PyAny>,
        origin: Py<PyString>,
    ) -> PyResult<Bound<'_, PyAny>> {
        let base = Event::trusted(Name::Message);
        let event = PyClassInitializer::from(base).add_subclass(Self { data, origin, extra: None });
        Ok(Bound::new(py, event)?.into_any())
    }
}

#[pymethods]
impl MessageEvent {
    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, ["data"])
    }

    #[new]
    #[pyo3(signature = (
        r#type, *, data = None, origin = None, lastEventId = None, source = None, ports = None
    ))]
    #[expect(non_snake_case, reason = "the standard's name is the keyword")]
    fn new(
        py: Python<'_>,
        r#type: &str,
        data: Option<Py<PyAny>>,
        origin: Option<Py<PyString>>,
        lastEventId: Option<Py<PyString>>,
        source: Option<Py<PyAny>>,
        ports: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let text =
            |given: Option<Py<PyString>>| given.unwrap_or_else(|| PyString::new(py, "").unbind());
        let ports = match ports {
            Some(ports) => PyTuple::new(py, ports.try_iter()?.collect::<PyResult<Vec<_>>>()?)?,
            None => PyTuple::empty(py),
        };
        let extra = Extra { last_event_id: text(lastEventId), source, ports: ports.unbind() };
        let (data, origin) = (data.unwrap_or_else(|| py.None()), text(origin));
        let this = Self { data, origin, extra: Some(Box::new(extra)) };
        Ok(PyClassInitializer::from(Event::new_with(r#type.into(), 0)).add_subclass(this))
    }

    /// As it was made; empty for a socket's message.
    #[getter(lastEventId)]
    fn last_event_id(&self, py: Python<'_>) -> Py<PyString> {
        let id = self.extra.as_ref().map(|extra| extra.last_event_id.clone_ref(py));
        id.unwrap_or_else(|| PyString::new(py, "").unbind())
    }

    /// As it was made; None for a socket's message.
    #[getter]
    fn source(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        Some(self.extra.as_ref()?.source.as_ref()?.clone_ref(py))
    }

    /// As it was made; empty for a socket's message.
    #[getter]
    fn ports(&self, py: Python<'_>) -> Py<PyTuple> {
        let ports = self.extra.as_ref().map(|extra| extra.ports.clone_ref(py));
        ports.unwrap_or_else(|| PyTuple::empty(py).unbind())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let data = slf.get().data.bind(slf.py()).repr()?.to_string();
        let shown: String = data.chars().take(SHOWN).collect();
        let dots = if shown.len() < data.len() { "..." } else { "" };
        Ok(format!("{}(data={shown}{dots})", slf.get_type().qualname()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(extra) = &self.extra {
            visit.call(&extra.source)?;
            visit.call(&extra.ports)?;
        }
        visit.call(&self.data)
    }
}

/// The connection is over; always the last event of a socket.
#[pyclass(frozen, subclass, extends = Event, module = "tightwire")]
pub(crate) struct CloseEvent {
    /// The peer's close code; 1005 if it gave none, 1006 if there was no closing handshake.
    #[pyo3(get)]
    code: u16,
    /// The peer's reason; may be empty.
    #[pyo3(get)]
    reason: Py<PyString>,
    was_clean: bool,
    /// Why the connection failed; None if it did not.
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
}

impl CloseEvent {
    pub(crate) fn fired<'py>(
        py: Python<'py>,
        code: u16,
        reason: &str,
        was_clean: bool,
        error: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let reason = PyString::new(py, reason).unbind();
        let event = PyClassInitializer::from(Event::trusted(Name::Close)).add_subclass(Self {
            code,
            reason,
            was_clean,
            error,
        });
        Ok(Bound::new(py, event)?.into_any())
    }
}

#[pymethods]
impl CloseEvent {
    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, ["code", "reason", "wasClean"])
    }

    #[new]
    #[pyo3(signature = (r#type, *, wasClean = false, code = 0, reason = None, error = None))]
    #[expect(non_snake_case, reason = "the standard's name is the keyword")]
    fn new(
        py: Python<'_>,
        r#type: &str,
        wasClean: bool,
        code: u16,
        reason: Option<Py<PyString>>,
        error: Option<Py<PyAny>>,
    ) -> PyClassInitializer<Self> {
        let reason = reason.unwrap_or_else(|| PyString::new(py, "").unbind());
        PyClassInitializer::from(Event::new_with(r#type.into(), 0)).add_subclass(Self {
            code,
            reason,
            was_clean: wasClean,
            error,
        })
    }

    /// Whether the closing handshake was completed.
    #[getter(wasClean)]
    fn was_clean(&self) -> bool {
        self.was_clean
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().qualname()?;
        let Self { code, reason, was_clean, .. } = slf.get();
        let reason = reason.bind(slf.py()).repr()?;
        let was_clean = if *was_clean { "True" } else { "False" };
        Ok(format!("{class}(code={code}, reason={reason}, wasClean={was_clean})"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.error)
    }
}

/// The connection failed; a `CloseEvent` follows at once.
#[pyclass(frozen, subclass, extends = Event, module = "tightwire")]
pub(crate) struct ErrorEvent {
    /// The text of `error`: `phase: cause`.
    #[pyo3(get)]
    message: Py<PyString>,
    /// The exception that says why.
    #[pyo3(get)]
    error: Option<Py<PyAny>>,
}

impl ErrorEvent {
    pub(crate) fn fired<'py>(
        py: Python<'py>,
        error: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = Self { message: error.str()?.unbind(), error: Some(error.clone().unbind()) };
        let event = PyClassInitializer::from(Event::trusted(Name::Error)).add_subclass(this);
        Ok(Bound::new(py, event)?.into_any())
    }
}

#[pymethods]
impl ErrorEvent {
    #[classattr]
    fn __match_args__(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, ["error"])
    }

    #[new]
    #[pyo3(signature = (r#type, *, message = None, error = None))]
    fn new(
        py: Python<'_>,
        r#type: &str,
        message: Option<Py<PyString>>,
        error: Option<Py<PyAny>>,
    ) -> PyClassInitializer<Self> {
        let message = message.unwrap_or_else(|| PyString::new(py, "").unbind());
        PyClassInitializer::from(Event::new_with(r#type.into(), 0))
            .add_subclass(Self { message, error })
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let message = slf.get().message.bind(slf.py()).repr()?;
        Ok(format!("{}(message={message})", slf.get_type().qualname()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.error)
    }
}
