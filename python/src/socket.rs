//! `tightwire.WebSocket`: the class of the browser.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{Loss, ReadyState};

use crate::client::{self, Keywords};
use crate::connection::{Connection, Pause};
use crate::convert::{Form, text_of};
use crate::driving::run_until;
use crate::event::Name;
use crate::event_loop::BaseLoop;
use crate::event_target::EventTarget;
use crate::following::{Following, usable_signal};
use crate::member;
use crate::options::{self, Heartbeat, Limits, Times};
use crate::python;

#[doc = include_str!("websocket.txt")]
#[cfg_attr(feature = "abi3", pyclass(frozen, subclass, extends = EventTarget, module = "tightwire"))]
#[cfg_attr(
    not(feature = "abi3"),
    pyclass(frozen, subclass, immutable_type, extends = EventTarget, module = "tightwire")
)]
pub(crate) struct WebSocket {
    pub(crate) connection: OnceLock<Connection>,
    /// No more error events than the standard has.
    pub(crate) strict_events: AtomicBool,
    /// A [`Form`].
    pub(crate) binary: AtomicU8,
    pub(crate) error: Mutex<Option<Py<PyAny>>>,
    pub(crate) close_event: Mutex<Option<Py<PyAny>>>,
    /// How it ended.
    pub(crate) loss: OnceLock<Box<Loss>>,
    /// The signal that ends the opening handshake.
    pub(crate) following: Mutex<Option<Following>>,
    /// The fields that the peer sent in the opening handshake, a line each.
    pub(crate) head: OnceLock<Box<str>>,
    /// `Limits.pending_handlers`.
    pub(crate) pending_handlers: AtomicU32,
}

impl WebSocket {
    fn empty() -> Self {
        Self {
            connection: OnceLock::new(),
            strict_events: AtomicBool::new(false),
            binary: AtomicU8::new(Form::Blob as u8),
            error: Mutex::new(None),
            close_event: Mutex::new(None),
            loss: OnceLock::new(),
            following: Mutex::new(None),
            head: OnceLock::new(),
            pending_handlers: AtomicU32::new(options::PENDING_HANDLERS),
        }
    }

    fn init(self) -> PyClassInitializer<Self> {
        PyClassInitializer::from(EventTarget::default()).add_subclass(self)
    }

    /// The socket of a connection that a server accepted.
    pub(crate) fn of(
        connection: Connection,
        form: Form,
        pending_handlers: u32,
    ) -> PyClassInitializer<Self> {
        let (binary, pending_handlers) = (AtomicU8::new(form as u8), pending_handlers.into());
        Self { connection: connection.into(), binary, pending_handlers, ..Self::empty() }.init()
    }

    /// What `event.data` of a binary message is at this moment.
    pub(crate) fn form(&self) -> Form {
        Form::from_u8(self.binary.load(Ordering::Acquire))
    }

    pub(crate) fn connection(&self) -> Option<&Connection> {
        self.connection.get()
    }
}

#[pymethods]
impl WebSocket {
    #[classattr]
    pub(crate) const CONNECTING: u8 = ReadyState::Connecting as u8;
    #[classattr]
    pub(crate) const OPEN: u8 = ReadyState::Open as u8;
    #[classattr]
    pub(crate) const CLOSING: u8 = ReadyState::Closing as u8;
    #[classattr]
    const CLOSED: u8 = ReadyState::Closed as u8;

    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(url, protocols=None, *, base=None, headers=None, origin=None, auth=None, \
            cookies=None, max_redirects=0, tls=None, timeout=10.0, close_timeout=5.0, \
            linger=2.0, write_timeout=30.0, heartbeat=(20.0, 20.0), idle_timeout=None, limits=None, \
            compression=None, proxy=None, local_address=None, sock=None, \
            block_bad_ports=False, serialize_connects=False, binary=\"mirror\", strict_events=False, signal=None, \
            loop=None)"
    )]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        Self::empty().init()
    }

    #[pyo3(signature = (
        url, protocols = None, *, base = None, headers = None, origin = None, auth = None, cookies = None,
        max_redirects = 0, tls = None, timeout = 10.0, close_timeout = 5.0, linger = 2.0,
        write_timeout = 30.0, heartbeat = (20.0, 20.0), idle_timeout = None,
        limits = None, compression = None, proxy = None, local_address = None, sock = None,
        block_bad_ports = false, serialize_connects = false, binary = "mirror",
        strict_events = false, signal = None, r#loop = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of a constructor")]
    fn __init__(
        slf: &Bound<'_, Self>,
        url: &Bound<'_, PyString>,
        protocols: Option<&Bound<'_, PyAny>>,
        base: Option<&str>,
        headers: Option<&Bound<'_, PyAny>>,
        origin: Option<String>,
        auth: Option<&Bound<'_, PyAny>>,
        cookies: Option<&Bound<'_, PyAny>>,
        max_redirects: u32,
        tls: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
        close_timeout: Option<f64>,
        linger: Option<f64>,
        write_timeout: Option<f64>,
        heartbeat: Option<Heartbeat>,
        idle_timeout: Option<f64>,
        limits: Option<Limits>,
        compression: Option<&Bound<'_, PyAny>>,
        proxy: Option<&Bound<'_, PyAny>>,
        local_address: Option<(String, u16)>,
        sock: Option<&Bound<'_, PyAny>>,
        block_bad_ports: bool,
        serialize_connects: bool,
        binary: &str,
        strict_events: bool,
        signal: Option<&Bound<'_, PyAny>>,
        r#loop: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        if slf.get().connection.get().is_some() {
            return Err(PyRuntimeError::new_err("WebSocket.__init__ was called twice"));
        }
        let signal = usable_signal(signal)?;
        client::configure(slf.get(), strict_events, binary, limits)?;
        let keywords = Keywords {
            base,
            protocols,
            headers,
            origin,
            auth,
            cookies,
            max_redirects,
            tls,
            proxy,
            local_address,
            block_bad_ports,
            serialize_connects,
            sock,
        };
        let jar = client::jar(cookies)?;
        let times =
            Times { timeout, close_timeout, linger, write_timeout, heartbeat, idle_timeout };
        let tuning = options::tuning(&times, limits, compression)?;
        let client = keywords.options(slf.py(), &text_of(url)?, tuning)?;
        let current = python::current_loop(slf.py())?.call1((r#loop,))?;
        client::connect(slf, &client, jar, current.cast::<BaseLoop>()?.get())?;
        signal.iter().try_for_each(|signal| Self::follow(slf, signal, &current))?;
        Self::hold_if_needed(slf.as_super());
        Ok(())
    }

    /// The URL as browsers write it; for a server's socket the one that the client asked for.
    #[getter]
    fn url(&self) -> PyResult<&str> {
        Ok(self.started()?.remote().url())
    }

    /// The subprotocol that the server chose; empty before the connection is open.
    #[getter]
    fn protocol(&self) -> PyResult<String> {
        let connection = self.started()?;
        let opened = connection.was_opened();
        Ok(if opened { connection.remote().protocol() } else { String::new() })
    }

    /// The extensions in use; empty before the connection is open.
    #[getter]
    fn extensions(&self) -> PyResult<String> {
        let connection = self.started()?;
        let opened = connection.was_opened();
        Ok(if opened { connection.remote().extensions() } else { String::new() })
    }

    /// Messages and bytes so far, both ways, and what compression came to. Stays after the connection
    /// is over.
    #[getter]
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.stats_of(py)
    }

    /// What was answered in the opening handshake, on a server's socket what was asked; None before the
    /// connection is open. If it never opens, `error.handshake` has the answer, if there was one.
    #[getter]
    fn handshake<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.handshake_of(py)
    }

    /// Seconds that the last ping took that was answered, the heartbeat's or one of `ping`; None
    /// before there was one.
    #[getter]
    fn latency(&self) -> PyResult<Option<f64>> {
        Ok(self.started()?.remote().latency().map(|latency| latency.as_secs_f64()))
    }

    #[classattr]
    #[pyo3(name = "ready_state")]
    fn other_ready_state(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "readyState")
    }

    #[classattr]
    #[pyo3(name = "buffered_amount")]
    fn other_buffered_amount(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "bufferedAmount")
    }

    #[classattr]
    #[pyo3(name = "binary_type")]
    fn other_binary_type(py: Python<'_>) -> PyResult<Py<PyAny>> {
        member::<Self>(py, "binaryType")
    }

    /// CONNECTING, OPEN, CLOSING or CLOSED.
    #[getter(readyState)]
    fn ready_state(&self) -> PyResult<u8> {
        Ok(self.started()?.ready_state())
    }

    /// Payload bytes that were sent and not yet given to the system. Does not shrink while a
    /// handler runs, and is not reset by closing.
    #[getter(bufferedAmount)]
    fn buffered_amount(&self) -> PyResult<u64> {
        Ok(self.started()?.buffered_amount())
    }

    /// What binary messages come as from now on: `Blob`, or `ArrayBuffer`. Other values are ignored.
    #[getter(binaryType)]
    fn binary_type(&self) -> &'static str {
        if self.form() == Form::ArrayBuffer { "arraybuffer" } else { "blob" }
    }

    #[setter(binaryType)]
    fn set_binary_type(&self, value: &Bound<'_, PyAny>) {
        if let Some(form) = Form::from_binary_type(value) {
            self.binary.store(form as u8, Ordering::Release);
        }
    }

    /// Why the connection failed, once it has.
    #[getter]
    fn error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.as_ref().map(|error| error.clone_ref(py))
    }

    /// The last event, once it is fired.
    #[getter]
    fn close_event(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let event = self.close_event.lock().unwrap_or_else(PoisonError::into_inner);
        event.as_ref().map(|event| event.clone_ref(py))
    }

    /// Address and port of the peer; None before the connection is open.
    #[getter]
    fn remote_address(&self) -> PyResult<Option<(String, u16)>> {
        let address = self.started()?.remote().remote_addr();
        Ok(address.map(|address| (address.ip().to_string(), address.port())))
    }

    /// Our own address and port; None before the connection is open, and for a Unix socket.
    #[getter]
    fn local_address(&self) -> PyResult<Option<(String, u16)>> {
        let address = self.started()?.remote().local_addr();
        Ok(address.map(|address| (address.ip().to_string(), address.port())))
    }

    /// Called when the connection is open. Anything that is not callable becomes None.
    #[getter]
    fn onopen(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        Self::attribute(slf, Name::Open)
    }

    #[setter]
    fn set_onopen(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        Self::set_attribute(slf, Name::Open, value);
    }

    /// Called for each message, while `readyState` is OPEN.
    #[getter]
    fn onmessage(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        Self::attribute(slf, Name::Message)
    }

    #[setter]
    fn set_onmessage(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        Self::set_attribute(slf, Name::Message, value);
    }

    /// Called once, just before `onclose`, if the connection failed.
    #[getter]
    fn onerror(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        Self::attribute(slf, Name::Error)
    }

    #[setter]
    fn set_onerror(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        Self::set_attribute(slf, Name::Error, value);
    }

    /// Called once, last.
    #[getter]
    fn onclose(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        Self::attribute(slf, Name::Close)
    }

    #[setter]
    fn set_onclose(slf: &Bound<'_, Self>, value: &Bound<'_, PyAny>) {
        Self::set_attribute(slf, Name::Close, value);
    }

    /// Queues a message. What is sent in one handler, or in one turn of asyncio, leaves together.
    ///
    /// Once the socket is closing the message is only counted in `bufferedAmount`. A queue over
    /// `Limits.max_send_buffer` closes the socket, with a `BufferFull` error.
    ///
    /// Args:
    ///     data: A `str` is sent as text, lone surrogates as U+FFFD; a bytes-like object, a `Blob` or the rest
    ///         of an open file as binary. A file is read as the peer takes it, in the thread of the loop, and what is
    ///         sent later waits for it; if it cannot be read, or changes, the connection fails with a
    ///         `NotReadableError`. Of what else has `read`, such as `io.BytesIO`, all that it gives is read now.
    ///     compress: True compresses it even if that makes it larger, False never does. None: messages
    ///         from `Deflate.threshold` on are. Of effect where compression was agreed upon.
    ///
    /// Raises:
    ///     InvalidStateError: The connection is not open yet.
    ///     TypeError: `data` is none of these.
    #[pyo3(signature = (data, /, *, compress = None))]
    fn send(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        compress: Option<bool>,
    ) -> PyResult<()> {
        Self::send_data(slf, data, compress)
    }

    /// Closes after what is queued, or gives up a connection that is not open yet.
    ///
    /// Does nothing on a socket that is closing. The `close` event tells when it is over.
    ///
    /// Args:
    ///     code: 1000 or 3000 to 4999; for a server's socket also 1001-1003 and 1007-1014.
    ///     reason: At most 123 bytes of UTF-8.
    ///
    /// Raises:
    ///     InvalidAccessError: Another code.
    ///     SyntaxError: (`tightwire.SyntaxError`) The reason is too long.
    ///     TypeError: A code that is no `int`, or a reason that is no `str`.
    #[pyo3(signature = (code = None, reason = None))]
    fn close(
        slf: &Bound<'_, Self>,
        code: Option<&Bound<'_, PyAny>>,
        reason: Option<&Bound<'_, PyString>>,
    ) -> PyResult<()> {
        Self::start_closing(slf, code, reason)
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// Raises:
    ///     InvalidStateError: The connection is not open.
    ///     ValueError: More than 125 bytes.
    #[pyo3(signature = (data = None))]
    fn ping(&self, py: Python<'_>, data: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        self.send_ping(py, data)
    }

    /// Reads nothing until `resume`: no message comes, pings are not answered, the peer's sends wait in the
    /// network, and its silence is not judged. `close` resumes.
    fn pause(&self, py: Python<'_>) -> PyResult<()> {
        self.started()?.set_paused(py, Pause::Application, true);
        Ok(())
    }

    /// Reads again. Does nothing on a socket that is not paused.
    fn resume(&self, py: Python<'_>) -> PyResult<()> {
        self.started()?.set_paused(py, Pause::Application, false);
        Ok(())
    }

    /// The same for the handlers that are unfinished.
    fn _hold(&self, py: Python<'_>, held: bool) -> PyResult<()> {
        self.started()?.set_paused(py, Pause::Handlers, held);
        Ok(())
    }

    #[getter]
    fn _pending_handlers(&self) -> u32 {
        self.pending_handlers.load(Ordering::Acquire)
    }

    /// Ends the connection without a closing handshake; `error` and `close` (1006) follow.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        let connection = self.started()?;
        if connection.ready_state() != Self::CLOSED {
            connection.abort(py);
        }
        Ok(())
    }

    /// Drives its loop, that is, the sockets of this thread or of `loop=`, until this one is closed: its close
    /// event.
    ///
    /// Raises:
    ///     WrongLoop: (a `RuntimeError`) From another thread.
    ///     RuntimeError: In a handler, or while asyncio drives the socket.
    fn run(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        if !slf.get().is_closed() {
            slf.get().check_run(slf.py())?;
            python::run_loop(slf.py())?.call1((slf,))?;
        }
        Ok(slf.get().close_event(slf.py()))
    }

    /// Drives its loop until it is closed or, with `opening`, not connecting any more.
    #[pyo3(signature = (opening = false))]
    fn _drive(&self, py: Python<'_>, opening: bool) -> PyResult<()> {
        self.check_run(py)?;
        let is_over = || self.is_closed() || opening && !self.is_connecting();
        run_until(self.started()?.driver(), py, |event_loop| event_loop.is_idle() || is_over())
    }

    /// Waits in asyncio until the socket is closed; its close event.
    fn closed<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::closed(slf.py())?.call1((slf,))
    }

    /// Waits until the connection is open: the socket itself.
    ///
    /// Raises:
    ///     WebSocketError: The connection failed.
    fn __await__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::opened(slf.py())?.call1((slf,))?.call_method0("__await__")
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let class = slf.get_type().qualname()?;
        let Some(connection) = slf.get().connection() else { return Ok(format!("<{class}>")) };
        let states = ["connecting", "open", "closing", "closed"];
        let state = states.get(usize::from(connection.ready_state())).unwrap_or(&"closed");
        // Without the path and the credentials, which may be secret.
        let origin = connection.origin.bind(slf.py());
        Ok(format!("<{class} {origin} {state}>"))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(following) = self.following.try_lock() {
            following.iter().try_for_each(|following| following.traverse(&visit))?;
        }
        for slot in [&self.error, &self.close_event] {
            if let Ok(slot) = slot.try_lock() {
                visit.call(&*slot)?;
            }
        }
        self.connection.get().map_or(Ok(()), |connection| connection.traverse(&visit))
    }

    fn __clear__(&self) {
        self.unfollow();
        drop(self.connection.get().and_then(Connection::take_failure));
        for slot in [&self.error, &self.close_event] {
            let old = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(old);
        }
    }
}
