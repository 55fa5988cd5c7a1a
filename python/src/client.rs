//! The keyword arguments of a client, put into the core's options.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use tightwire::{ClientOptions, Tuning};

use crate::anchor::Anchor;
use crate::auth;
use crate::connection::Connection;
use crate::convert::Form;
use crate::error::{describe, raise, syntax};
use crate::event_loop::BaseLoop;
use crate::handler::ClientHandler;
use crate::options::{self, Limits};
use crate::python;
use crate::socket::WebSocket;
use crate::tls::{ClientChoice, client_choice, is_refused};

/// What a client is made with, besides its URL and its limits.
pub(crate) struct Keywords<'a, 'py> {
    pub(crate) base: Option<&'a str>,
    pub(crate) protocols: Option<&'a Bound<'py, PyAny>>,
    pub(crate) headers: Option<&'a Bound<'py, PyAny>>,
    pub(crate) origin: Option<String>,
    pub(crate) auth: Option<&'a Bound<'py, PyAny>>,
    pub(crate) cookies: Option<&'a Bound<'py, PyAny>>,
    pub(crate) max_redirects: u32,
    pub(crate) tls: Option<&'a Bound<'py, PyAny>>,
    pub(crate) proxy: Option<&'a Bound<'py, PyAny>>,
    pub(crate) local_address: Option<(String, u16)>,
    pub(crate) block_bad_ports: bool,
    pub(crate) serialize_connects: bool,
    pub(crate) sock: Option<&'a Bound<'py, PyAny>>,
}

impl Keywords<'_, '_> {
    /// The core's options for a client of `url`.
    pub(crate) fn options(
        self,
        py: Python<'_>,
        url: &str,
        tuning: Tuning,
    ) -> PyResult<ClientOptions> {
        let made = match self.base {
            Some(base) => ClientOptions::with_base(url, base),
            None => ClientOptions::new(url),
        };
        let made = made.map_err(|error| syntax(py, describe("url", &error)))?;
        // From here on it is absolute.
        let url = made.url().to_owned();
        let mut client =
            made.block_bad_ports(self.block_bad_ports).serialize_connects(self.serialize_connects);
        for protocol in options::protocols(py, self.protocols)? {
            client = client.protocol(protocol);
        }
        for (name, value) in options::headers(self.headers)? {
            client = client.header(name, value);
        }
        if let Some(cookies) = self.cookies {
            let header = python::cookie_header(py)?.call1((cookies, &url))?;
            if let Some(header) = header.extract::<Option<String>>()? {
                client = client.header("Cookie", header);
            }
        }
        if let Some(origin) = self.origin {
            client = client.origin(origin);
        }
        if let Some(auth) = auth::read(self.auth)? {
            client = client.auth(auth);
        }
        if is_refused(self.tls) && url.starts_with("wss") {
            let text = "tls: False, but the URL is one over TLS; write ws:, or tls=TLS(verify=False) \
                to take any certificate";
            return Err(PyValueError::new_err(text));
        }
        if let Some(ClientChoice { tls, server_name }) = client_choice(self.tls)? {
            client = client.tls(tls);
            if let Some(name) = server_name {
                client = client.tls_name(name);
            }
        }
        if let Some(sock) = self.sock {
            client = client.socket(options::descriptor(sock)?);
        }
        if let Some(address) = options::local_address(self.local_address)? {
            client = client.bind_address(address);
        }
        // What the environment says is not for a socket that is connected already.
        if self.proxy.is_some() || self.sock.is_none() {
            if let Some(proxy) = options::proxy(py, &url, self.proxy)? {
                client = client.proxy(proxy);
            }
        }
        Ok(client.max_redirects(self.max_redirects).tuning(tuning))
    }
}

/// What concerns the object itself, and not its connection.
pub(crate) fn configure(
    socket: &WebSocket,
    strict_events: bool,
    binary: &str,
    limits: Option<Limits>,
) -> PyResult<()> {
    socket.strict_events.store(strict_events, Ordering::Release);
    socket.binary.store(Form::from_keyword(binary)? as u8, Ordering::Release);
    if let Some((.., pending)) = limits {
        socket.pending_handlers.store(pending, Ordering::Release);
    }
    Ok(())
}

/// Starts the connection of a socket that has none yet.
pub(crate) fn connect(
    slf: &Bound<'_, WebSocket>,
    options: &ClientOptions,
    jar: Option<Py<PyAny>>,
    r#loop: &BaseLoop,
) -> PyResult<()> {
    let py = slf.py();
    let anchor = Arc::new(Anchor::new(slf)?);
    let handler = ClientHandler { anchor: Arc::clone(&anchor), jar };
    let connected = r#loop.with(py, |context| {
        let id = context.connect(options, Box::new(handler))?;
        Ok(context.remote(id))
    })?;
    let remote = connected.map_err(|error| raise(py, &error))?;
    let remote = remote.ok_or_else(|| PyRuntimeError::new_err("the loop is gone"))?;
    let connection = Connection::new(py, r#loop.driver(), remote, Some(anchor));
    if slf.get().connection.set(connection).is_err() {
        return Err(PyRuntimeError::new_err("WebSocket.__init__ was called twice"));
    }
    Ok(())
}

/// The jar that wants to be told of the cookies that the server sets, if there is one.
pub(crate) fn jar(cookies: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    let Some(cookies) = cookies else { return Ok(None) };
    if cookies.hasattr("extract_cookies")? {
        return Ok(Some(cookies.clone().unbind()));
    }
    match cookies.hasattr("items")? {
        true => Ok(None),
        false => Err(PyTypeError::new_err("cookies: a CookieJar or a mapping of str expected")),
    }
}
