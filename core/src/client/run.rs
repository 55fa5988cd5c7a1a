//! The shortest way to run one client: with a loop of its own.

use std::sync::{Arc, Mutex, PoisonError};

use super::ClientOptions;
use crate::config::Tuning;
use crate::error::{Error, Phase};
use crate::event_loop::{
    CloseEvent, ConnId, Context, EventLoop, Handler, Message, Opening, Retry, Socket,
};
use crate::reconnect::Reconnect;

/// One client connection with a loop of its own; [`EventLoop::connect`] is for several.
#[derive(Clone, Debug)]
pub struct Client {
    options: ClientOptions,
}

/// A client for `url`; see [`Client::new`].
///
/// # Errors
///
/// The URL is not one for a WebSocket.
pub fn connect(url: &str) -> Result<Client, Error> {
    Client::new(url)
}

impl Client {
    /// A client for `url`, which does nothing until [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The URL is not one for a WebSocket.
    pub fn new(url: &str) -> Result<Self, Error> {
        Ok(ClientOptions::new(url)?.into())
    }

    /// Offers a subprotocol; see [`ClientOptions::protocol`].
    #[must_use]
    pub fn protocol(self, name: impl Into<String>) -> Self {
        self.options.protocol(name).into()
    }

    /// Adds a header field; see [`ClientOptions::header`].
    #[must_use]
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.header(name, value).into()
    }

    /// Trust and keys for `wss://`; see [`ClientOptions::tls`].
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::net::trust::ClientTls) -> Self {
        self.options.tls(tls).into()
    }

    /// Limits and times; see [`ClientOptions::tuning`].
    #[must_use]
    pub fn tuning(self, tuning: Tuning) -> Self {
        self.options.tuning(tuning).into()
    }

    /// Comes back when the connection is lost; see [`ClientOptions::reconnect`].
    #[must_use]
    pub fn reconnect(self, policy: Reconnect) -> Self {
        self.options.reconnect(policy).into()
    }

    /// Connects and calls `handler` on this thread until the connection is over.
    ///
    /// # Errors
    ///
    /// An option is not legal, or the connection never opened; afterwards the [`CloseEvent`] says
    /// how it ended.
    pub fn run(self, handler: impl Handler + Send + 'static) -> Result<CloseEvent, Error> {
        let mut event_loop = EventLoop::new()?;
        let ending = Arc::new(Mutex::new(Ending::default()));
        let witness = Witness { handler, ending: Arc::clone(&ending) };
        event_loop.connect(&self.options, witness)?;
        event_loop.run_until_idle()?;
        let mut ending = ending.lock().unwrap_or_else(PoisonError::into_inner);
        match (ending.opened, ending.close.take()) {
            (true, Some(close)) => Ok(close),
            (_, close) => Err(close.and_then(|close| close.error).unwrap_or_else(stopped)),
        }
    }
}

fn stopped() -> Error {
    let cause = "the loop was stopped before the connection was over";
    Error::new(Phase::App, crate::ErrorCode::Shutdown, cause)
}

impl From<ClientOptions> for Client {
    fn from(options: ClientOptions) -> Self {
        Self { options }
    }
}

#[derive(Default)]
struct Ending {
    opened: bool,
    close: Option<CloseEvent>,
}

/// Passes everything on and remembers how it ended.
struct Witness<H> {
    handler: H,
    ending: Arc<Mutex<Ending>>,
}

impl<H: Handler> Handler for Witness<H> {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).opened = true;
        self.handler.on_open(ws, opening);
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        self.handler.on_message(ws, message);
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.handler.on_ping(ws, payload);
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.handler.on_pong(ws, payload);
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        self.handler.on_drain(ws);
    }

    fn on_reconnect(
        &mut self,
        context: &mut Context<'_>,
        id: ConnId,
        lost: &CloseEvent,
        retry: &mut Retry,
    ) {
        self.handler.on_reconnect(context, id, lost, retry);
    }

    fn on_close(&mut self, context: &mut Context<'_>, id: ConnId, close: &CloseEvent) {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner).close = Some(close.clone());
        self.handler.on_close(context, id, close);
    }
}
