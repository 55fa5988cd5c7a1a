//! `tightwire.serve` and what it returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use tightwire::{ServerId, ServerOptions, ServerTls};

use crate::convert::{Form, Payload};
use crate::driver::Driver;
use crate::error::{describe, raise};
use crate::event_loop::BaseLoop;
use crate::handler::{Accepted, ServerHandler};
use crate::options::{self, Heartbeat, Limits, Times};
use crate::python;
use crate::socket::WebSocket;
use crate::tls::server_choice;

/// The code of a server that stops (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;

/// A listening server.
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

    /// Stops listening and, unless told otherwise, closes the connections with 1001. Any thread.
    #[pyo3(signature = (*, connections = true))]
    fn close(&self, py: Python<'_>, connections: bool) {
        let id = self.id;
        if !self.closed.swap(true, Ordering::AcqRel)
            && self.driver.with(py, |context| context.close_server(id)).is_none()
        {
            let job = Box::new(move |context: &mut tightwire::Context<'_>| {
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

    /// Sends a message to every open connection; to how many. The loop's thread only.
    #[pyo3(signature = (data, /))]
    fn broadcast(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<usize> {
        let payload = Payload::of(data)?;
        let id = self.id;
        self.driver.with(py, |context| context.broadcast(id, payload.message())).ok_or_else(|| {
            PyRuntimeError::new_err("broadcast: only on the thread that drives the server")
        })
    }

    /// Another certificate for connections from now on. Any thread.
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

    fn __repr__(&self) -> String {
        let state = if self.closed.load(Ordering::Acquire) { "closed" } else { "listening" };
        format!("<Server {}:{} {state}>", self.host, self.port)
    }
}

/// Listens, and calls `handler` with a socket for each connection.
#[pyfunction]
#[pyo3(signature = (
    handler, host = "127.0.0.1", port = 0, *, tls = None, protocols = None, origins = None,
    hosts = None, max_connections = None, timeout = 10.0, close_timeout = 5.0, linger = 2.0,
        write_timeout = 30.0, heartbeat = (20.0, 20.0),
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
    limits: Option<Limits>,
    compression: Option<&Bound<'_, PyAny>>,
    binary: &str,
    r#loop: Option<&Bound<'_, PyAny>>,
) -> PyResult<Server> {
    if !handler.is_callable() {
        return Err(PyTypeError::new_err("handler: a callable expected"));
    }
    let times = Times { timeout, close_timeout, linger, write_timeout, heartbeat };
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
    };
    let listening = current.with(py, |context| {
        let id = context.listen(&server, Box::new(handler))?;
        Ok((id, context.server_port(id).unwrap_or(port)))
    })?;
    let (id, port) = listening.map_err(|error| raise(py, &error))?;
    let (host, closed) = (host.to_owned(), AtomicBool::new(false));
    Ok(Server { id, driver, accepted, host, port, tls, closed })
}
