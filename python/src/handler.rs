//! What the core calls: from its callbacks to the events of a Python object.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{
    CloseEvent, ConnId, Context, Error, Handler, Headers, Message, Opening, Phase, Socket,
};

use crate::anchor::Anchor;
use crate::connection::Connection;
use crate::convert::Form;
use crate::current::lend;
use crate::dispatch::call;
use crate::driver::Driver;
use crate::python;
use crate::socket::WebSocket;

/// The callbacks of one client.
pub(crate) struct ClientHandler {
    pub(crate) anchor: Arc<Anchor>,
    /// Wants to know of the cookies that the server sets.
    pub(crate) jar: Option<Py<PyAny>>,
}

impl ClientHandler {
    /// Gives the fields of the server's answer to the jar.
    fn keep_cookies(&self, socket: &Bound<'_, WebSocket>, headers: &Headers) {
        let py = socket.py();
        let (Some(jar), Some(connection)) = (&self.jar, socket.get().connection()) else { return };
        let fields: Vec<(&str, &str)> = headers.iter().collect();
        let stored = python::store_cookies(py)
            .and_then(|store| store.call1((jar, connection.remote().url(), fields)));
        if let Err(error) = stored {
            connection.driver().report(py, error, socket.as_any(), jar.bind(py));
        }
    }
}

impl Drop for ClientHandler {
    /// No event can come any more.
    fn drop(&mut self) {
        self.anchor.release();
    }
}

impl Handler for ClientHandler {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        Python::attach(|py| {
            let Some(socket) = self.anchor.socket(py) else { return };
            self.keep_cookies(&socket, opening.headers);
            socket.get().note_head(opening.headers);
            if let Some(connection) = socket.get().connection() {
                lend(connection.driver(), &mut ws.context(), || WebSocket::fire_open(&socket));
            }
        });
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        Python::attach(|py| {
            if let Some(socket) = self.anchor.socket(py) {
                deliver(ws, &socket, message);
            }
        });
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        Python::attach(|py| {
            if let Some(socket) = self.anchor.socket(py) {
                pump(ws, &socket);
            }
        });
    }

    fn on_close(&mut self, context: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        Python::attach(|py| {
            let Some(socket) = self.anchor.socket(py) else { return };
            // A proxy's answer sets none.
            let error = close.error.as_ref().filter(|error| error.phase() == Phase::Upgrade);
            if let Some(reply) = error.and_then(Error::http) {
                self.keep_cookies(&socket, &reply.headers);
            }
            bury(context, &socket, close);
        });
    }
}

/// The sockets that a server accepted, by the tags of their connections.
#[derive(Default)]
pub(crate) struct Accepted(Mutex<Places>);

#[derive(Default)]
struct Places {
    sockets: Vec<Option<Py<WebSocket>>>,
    free: Vec<usize>,
}

impl Accepted {
    /// Every socket, in no order.
    pub(crate) fn all(&self, py: Python<'_>) -> Vec<Py<WebSocket>> {
        self.places().sockets.iter().flatten().map(|socket| socket.clone_ref(py)).collect()
    }

    /// Whether a file is on its way to any of them.
    pub(crate) fn any_busy(&self) -> bool {
        let places = self.places();
        let mut connections = places.sockets.iter().flatten().map(|socket| socket.get());
        connections.any(|socket| socket.connection().is_some_and(|it| it.outbox.is_busy()))
    }

    /// For the collector of cycles, when no loop has them any more.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(places) = self.0.try_lock() else { return Ok(()) };
        places.sockets.iter().flatten().try_for_each(|socket| visit.call(socket))
    }

    pub(crate) fn clear(&self) {
        let places = std::mem::take(&mut *self.places());
        drop(places);
    }

    fn insert(&self, socket: Py<WebSocket>) -> u64 {
        let mut places = self.places();
        let place = places.free.pop().unwrap_or(places.sockets.len());
        match places.sockets.get_mut(place) {
            Some(slot) => *slot = Some(socket),
            None => places.sockets.push(Some(socket)),
        }
        place as u64
    }

    fn get(&self, py: Python<'_>, tag: u64) -> Option<Py<WebSocket>> {
        let place = usize::try_from(tag).ok()?;
        Some(self.places().sockets.get(place)?.as_ref()?.clone_ref(py))
    }

    fn remove(&self, tag: u64) -> Option<Py<WebSocket>> {
        let place = usize::try_from(tag).ok()?;
        let mut places = self.places();
        let socket = places.sockets.get_mut(place)?.take()?;
        places.free.push(place);
        Some(socket)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callbacks of one server.
pub(crate) struct ServerHandler {
    pub(crate) handler: Py<PyAny>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) accepted: Arc<Accepted>,
    /// What the data of binary messages is at first.
    pub(crate) form: Form,
    pub(crate) pending_handlers: u32,
}

impl Handler for ServerHandler {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        Python::attach(|py| {
            let connection = Connection::new(py, &self.driver, ws.remote(), None);
            let made = WebSocket::of(connection, self.form, self.pending_handlers);
            let Ok(socket) = Bound::new(py, made) else { return ws.abort() };
            socket.get().note_head(opening.headers);
            ws.set_tag(self.accepted.insert(socket.clone().unbind()));
            let handler = self.handler.bind(py);
            let handled = lend(&self.driver, &mut ws.context(), || {
                call(socket.as_super(), handler, socket.as_any()).unwrap_or(false)
            });
            if !handled {
                // 1011 is legal, and a connection that is closing already may ignore it.
                let _ = ws.close(Some(1011), "");
            }
        });
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        Python::attach(|py| {
            if let Some(socket) = self.accepted.get(py, ws.tag()) {
                deliver(ws, socket.bind(py), message);
            }
        });
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        Python::attach(|py| {
            if let Some(socket) = self.accepted.get(py, ws.tag()) {
                pump(ws, socket.bind(py));
            }
        });
    }

    fn on_close(&mut self, context: &mut Context<'_>, _: ConnId, close: &CloseEvent) {
        Python::attach(|py| {
            if let Some(socket) = self.accepted.remove(close.tag) {
                bury(context, socket.bind(py), close);
            }
        });
    }
}

fn deliver(ws: &mut Socket<'_>, socket: &Bound<'_, WebSocket>, message: Message<'_>) {
    if let Some(connection) = socket.get().connection() {
        lend(connection.driver(), &mut ws.context(), || WebSocket::fire_message(socket, message));
    }
}

fn pump(ws: &mut Socket<'_>, socket: &Bound<'_, WebSocket>) {
    if let Some(connection) = socket.get().connection() {
        lend(connection.driver(), &mut ws.context(), || WebSocket::pump(socket));
    }
}

fn bury(context: &mut Context<'_>, socket: &Bound<'_, WebSocket>, close: &CloseEvent) {
    if let Some(connection) = socket.get().connection() {
        lend(connection.driver(), context, || WebSocket::fire_close(socket, close));
    }
}
