//! `tightwire.serve` and what it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{Context, Message, ServerId, ServerOptions, ServerTls};

use crate::convert::{Form, Payload};
use crate::driver::Driver;
use crate::error::{describe, named, raise};
use crate::event_loop::BaseLoop;
use crate::handler::{Accepted, ServerHandler};
use crate::options::{self, Heartbeat, Limits, Times};
use crate::python;
use crate::socket::WebSocket;
use crate::tls::server_choice;

/// The code of a server that stops (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// A listening server; it listens until it is closed, whether or not this object is kept.
#[pyclass(frozen, weakref, module = "tightwire")]
pub(crate) struct Server {
    id: ServerId,
    driver: Arc<Driver>,
    accepted: Arc<Accepted>,
    host: String,
    /// The port that it listens on.
    #[pyo3(get)]
    port: u16,
    /// Its own, for `set_tls`.
    tls: Option<ServerTls>,
    closed: AtomicBool,
}

impl Server {
    /// A broadcast while there are sockets that the core cannot be left alone with: what waits behind a
    /// file goes first, a Close included.
    fn send_to_each(
        &self,
        py: Python<'_>,
        context: &mut Context<'_>,
        message: Message<'_>,
    ) -> usize {
        // Other threads may write to what was given while a file is read.
        let data = message.data().to_vec();
        let message = Message::from_parts(message.kind(), &data);
        let sockets = self.accepted.all(py);
        let connections = sockets.iter().filter_map(|socket| socket.get().connection());
        connections.filter(|connection| connection.offer(py, context, message)).count()
    }
}

#[pymethods]
impl Server {
    /// The address as it was given.
    #[getter]
    fn host(&self) -> &str {
        &self.host
    }

    /// Its sockets that are not closed.
    #[getter]
    fn connections(&self, py: Python<'_>) -> Vec<Py<WebSocket>> {
        self.accepted.all(py)
    }

    /// Stops listening and closes the connections with 1001. Any thread, more than once.
    ///
    /// Args:
    ///     connections: False leaves them open.
    #[pyo3(signature = (*, connections = true))]
    fn close(&self, py: Python<'_>, connections: bool) {
        let id = self.id;
        if !self.closed.swap(true, Ordering::AcqRel)
            && self.driver.with(py, |context| context.close_server(id)).is_none()
        {
            let job = Box::new(move |context: &mut Context<'_>| {
                context.close_server(id);
            });
            self.driver.handle().post(job);
        }
        if !connections {
            return;
        }
        for socket in self.accepted.all(py) {
            if let Some(connection) = socket.get().connection() {
                // The code is legal, so that the only error is out of reach.
                let _ = connection.close(py, Some(GOING_AWAY), "");
            }
        }
    }

    /// Sends a message to every connection that is open and whose queue is not full; to how many. Where a
    /// file is on its way it waits for that.
    ///
    /// Raises:
    ///     WrongLoop: (a `RuntimeError`) On another thread than the one that drives the server.
    #[pyo3(signature = (data, /))]
    fn broadcast(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let payload = Payload::of(data)?;
        let id = self.id;
        let (closed, message) = (self.closed.load(Ordering::Acquire), payload.message());
        let sent = self.driver.with(py, |context| match !closed && self.accepted.any_busy() {
            true => self.send_to_each(py, context, message),
            false => context.broadcast(id, message),
        });
        let text = "broadcast: only on the thread that drives the server";
        sent.ok_or_else(|| named(py, "WrongLoop", text))
    }

    /// Another certificate, for instance since it was renewed. Any thread.
    ///
    /// Connections that are accepted from now on use it; those that are open go on undisturbed.
    ///
    /// Raises:
    ///     ValueError: There is no certificate in it, or the server was made without `tls`.
    fn set_tls(&self, tls: &Bound<'_, PyAny>) -> PyResult<()> {
        let own = self.tls.as_ref().ok_or_else(|| {
            PyValueError::new_err("tls: this server is one for ws:, made without tls")
        })?;
        own.replace_with(&server_choice(tls)?);
        Ok(())
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _class: Py<PyAny>,
        _error: Py<PyAny>,
        _traceback: Py<PyAny>,
    ) {
        self.close(py, true);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // While the loop has them, too, they are not this object's alone.
        match Arc::strong_count(&self.accepted) {
            1 => self.accepted.traverse(&visit),
            _ => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.accepted.clear();
    }

    fn __repr__(&self) -> String {
        let state = if self.closed.load(Ordering::Acquire) { "closed" } else { "listening" };
        format!("<Server {}:{} {state}>", self.host, self.port)
    }
}

/// Listens, and calls `handler` with an open socket for each connection.
///
/// Example:
///     def greet(ws):
///         ws.onmessage = lambda event: ws.send(event.data)
///
///     async def main():
///         with tightwire.serve(greet, port=0) as server:
///             ws = await tightwire.WebSocket(f"ws://localhost:{server.port}/")
///             ws.send("hello")
///             ws.onmessage = lambda event: (print(event.data), ws.close())
///             await ws.closed()
///
///     asyncio.run(main())
///
/// The handler sets `onmessage` and the like and returns; no message is lost meanwhile. There is no
/// `open` event on such a socket. If it raises, the connection is closed with 1011. The same loop
/// drives the server as would drive a `WebSocket` made here.
///
/// Args:
///     handler: A function, or on asyncio and trio an `async def`.
///     host: The address to listen on. On a loopback address only requests for it are accepted.
///     port: 0 lets the system choose; see `Server.port`.
///     tls: Certificate and key, to serve `wss:`, or an `ssl.SSLContext` that has them.
///     protocols: The subprotocols that are spoken, the preferred one first.
///     origins: Web pages that may connect besides those of the same host; `*` for all.
///     hosts: Names that requests may have as `Host` on a loopback address, besides the machine's own; `*` for all.
///     max_connections: More are refused with 503.
///     timeout: Seconds that a client has for TLS and its request. None: no limit.
///     close_timeout: Seconds that a client has to answer our Close. None: no limit.
///     linger: Seconds that a client has to end the stream after that. None: no limit.
///     write_timeout: Seconds for which a client may take no data at all. None: no limit.
///     heartbeat: Seconds of silence before a ping, and seconds to wait for an answer. None: no pings.
///     idle_timeout: Seconds without a message in either direction, after which a client is sent away with
///         1001. None: no limit.
///     limits: What a client may make us hold.
///     compression: `Deflate(...)` or True accepts what clients offer. None and False accept none.
///     binary: As for `WebSocket`.
///     loop: The loop to use, as for `WebSocket`.
///
/// Raises:
///     ListenError: (an `OSError`) The address cannot be listened on.
///     TypeError, ValueError: An argument is not legal; the text names it.
#[pyfunction]
#[pyo3(signature = (
    handler, host = "127.0.0.1", port = 0, *, tls = None, protocols = None, origins = None,
    hosts = None, max_connections = None, timeout = 10.0, close_timeout = 5.0, linger = 2.0,
    write_timeout = 30.0, heartbeat = (20.0, 20.0), idle_timeout = None,
    limits = None, compression = None, binary = "mirror", r#loop = None
))]
#[expect(clippy::too_many_arguments, reason = "the keywords of a constructor")]
pub(crate) fn serve(
    py: Python<'_>,
    handler: &Bound<'_, PyAny>,
    host: &str,
    port: u16,
    tls: Option<&Bound<'_, PyAny>>,
    protocols: Option<&Bound<'_, PyAny>>,
    origins: Option<&Bound<'_, PyAny>>,
    hosts: Option<&Bound<'_, PyAny>>,
    max_connections: Option<usize>,
    timeout: Option<f64>,
    close_timeout: Option<f64>,
    linger: Option<f64>,
    write_timeout: Option<f64>,
    heartbeat: Option<Heartbeat>,
    idle_timeout: Option<f64>,
    limits: Option<Limits>,
    compression: Option<&Bound<'_, PyAny>>,
    binary: &str,
    r#loop: Option<&Bound<'_, PyAny>>,
) -> PyResult<Server> {
    if !handler.is_callable() {
        return Err(PyTypeError::new_err("handler: a callable expected"));
    }
    let times = Times { timeout, close_timeout, linger, write_timeout, heartbeat, idle_timeout };
    let address =
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut server = ServerOptions::new(&address)
        .map_err(|error| PyValueError::new_err(describe("host", &error)))?
        .protocols(options::names("protocols", protocols)?)
        .origins(options::names("origins", origins)?)
        .hosts(options::names("hosts", hosts)?)
        .tuning(options::tuning(&times, limits, compression)?);
    let tls = tls.map(server_choice).transpose()?;
    if let Some(tls) = &tls {
        server = server.tls(tls.clone());
    }
    if let Some(count) = max_connections {
        server = server.max_connections(count);
    }
    let current = python::current_loop(py)?.call1((r#loop,))?;
    let current = current.cast::<BaseLoop>()?.get();
    let driver = Arc::clone(current.driver());
    let accepted = Arc::new(Accepted::default());
    let handler = ServerHandler {
        handler: handler.clone().unbind(),
        driver: Arc::clone(&driver),
        accepted: Arc::clone(&accepted),
        form: Form::from_keyword(binary)?,
        pending_handlers: limits.map_or(options::PENDING_HANDLERS, |(.., pending)| pending),
    };
    let listening = current.with(py, |context| {
        let id = context.listen(&server, Box::new(handler))?;
        Ok((id, context.server_port(id).unwrap_or(port)))
    })?;
    let (id, port) = listening.map_err(|error| raise(py, &error))?;
    let (host, closed) = (host.to_owned(), AtomicBool::new(false));
    Ok(Server { id, driver, accepted, host, port, tls, closed })
}
