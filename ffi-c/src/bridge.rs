//! A handler of the core that calls functions of C.

use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tightwire::{
    Chunk, CloseEvent, ConnId, Context, Handler, LogLevel, Message, Opening, Reply, Request, Retry,
    Socket,
};

use crate::buffers::{self, tw_buf};
use crate::callbacks::{Text, flag, tw_events, tw_msg, tw_open_ev, tw_server};
use crate::current::with_callback;
use crate::endings::{Ending, tw_reconnect_ev, wait_ms};
use crate::headers::tw_headers;
use crate::ids::Names;
use crate::requests::{Asked, Own, RequestFn};

/// One client connection, or all connections of one server.
pub(crate) struct Bridge {
    names: Arc<Names>,
    events: tw_events,
    user: User,
    /// For a server.
    asks: Option<Asks>,
    /// The message that the application keeps and whose memory is about to come.
    kept: Option<Arc<tw_buf>>,
    /// It was said that messages are lost.
    warned: bool,
}

/// What a server asks its application.
pub(crate) struct Asks {
    pub(crate) on_request: RequestFn,
    /// The server's id, which is known once it listens.
    pub(crate) server: Arc<AtomicU64>,
}

/// The application's pointer, which we only hand back.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: we never follow it; the application gave it to be handed to callbacks on whatever thread
// drives the loop.
unsafe impl Send for User {}

impl Bridge {
    pub(crate) fn new(names: &Arc<Names>, events: tw_events, user: *mut c_void) -> Self {
        let names = Arc::clone(names);
        Self { names, events, user: User(user), asks: None, kept: None, warned: false }
    }

    /// The same for a server that asks.
    pub(crate) fn asking(self, asks: Option<Asks>) -> Self {
        Self { asks, ..self }
    }

    /// What to call for a connection with this tag.
    #[inline]
    fn target(&self, tag: u64) -> (&tw_events, *mut c_void) {
        // SAFETY: the core hands us tags of connections whose end we have not told yet.
        match unsafe { Own::of(tag) } {
            Some(own) => (&own.events, own.user.0),
            None => (&self.events, self.user.0),
        }
    }

    /// What to call for a connection, unless it was detached; and its id.
    #[inline]
    fn live(&self, ws: &Socket<'_>) -> Option<(&tw_events, *mut c_void, u64)> {
        let id = self.names.known(ws.id());
        let (events, user) = self.target(ws.tag());
        (!self.names.detached().contains(id)).then_some((events, user, id))
    }

    #[inline]
    fn call(&self, name: &'static str, context: &mut Context<'_>, callback: impl FnOnce()) {
        with_callback(&self.names, context, 0, name, callback);
    }

    /// The end of `id`, as `on_error` and `on_close` tell it.
    fn ended(&self, context: &mut Context<'_>, id: u64, close: &CloseEvent) {
        let (events, user) = self.target(close.tag);
        let ending = Ending::new(close);
        if let (Some(callback), Some(error), false) = (events.on_error, ending.error(), close.clean)
        {
            with_callback(&self.names, context, id, "on_error", || {
                // SAFETY: a function of the application that takes these; the error outlives it.
                unsafe { callback(id, user, error) }
            });
        }
        if self.names.detached().contains(id) {
            return;
        }
        let Some(callback) = events.on_close else { return };
        let event = ending.event();
        with_callback(&self.names, context, id, "on_close", || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    /// Messages come in and nobody hears of them.
    fn warn(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.warned, true) {
            let text = "messages are dropped: tw_events has neither on_message nor on_chunk";
            context.record(LogLevel::Warn, text);
        }
    }
}

impl Handler for Bridge {
    fn on_request(&mut self, context: &mut Context<'_>, request: &Request, reply: &mut Reply) {
        let Some(Asks { on_request, server }) = &self.asks else { return };
        // The answer is the application's, now or later.
        let Some(id) = reply.defer() else { return };
        let remote = context.peer_addr(id).map(|peer| peer.to_string()).unwrap_or_default();
        let (asked, user) = (Asked::new(request, &remote), self.user.0);
        let server: tw_server = server.load(Ordering::Acquire);
        let (on_request, id) = (*on_request, self.names.connection(id));
        self.call("on_request", context, || {
            asked.lend(|request| {
                // SAFETY: a function of the application that takes these; the request outlives it.
                unsafe { on_request(server, user, id, request) }
            });
        });
    }

    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        self.names.connection(ws.id());
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_open else { return };
        let [url, protocol, extensions] =
            [opening.url, opening.protocol, opening.extensions].map(Text::new);
        let remote = opening.remote.map(|remote| remote.to_string());
        let remote = Text::new(&remote.unwrap_or_default());
        let headers = tw_headers::new(opening.headers);
        let event = tw_open_ev {
            url: url.as_str(),
            protocol: protocol.as_str(),
            extensions: extensions.as_str(),
            remote: remote.as_str(),
            headers: &raw const headers,
            reconnects: opening.reconnects,
        };
        self.call("on_open", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_message else { return self.warn(&mut ws.context()) };
        let event = tw_msg::new(message.data(), flag(message.kind()));
        let call = |ws: &mut Socket<'_>| {
            self.call("on_message", &mut ws.context(), || {
                // SAFETY: a function of the application that takes these; the event outlives it.
                unsafe { callback(id, user, &raw const event) }
            });
        };
        if ws.can_keep_message() {
            self.kept = buffers::with_message(ws, &event, call);
        } else {
            call(ws);
        }
    }

    fn on_kept(&mut self, _: &mut Socket<'_>, message: Vec<u8>) {
        if let Some(kept) = self.kept.take() {
            buffers::settle(&kept, message);
        }
    }

    fn on_chunk(&mut self, ws: &mut Socket<'_>, chunk: Chunk<'_>) {
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_chunk else { return self.warn(&mut ws.context()) };
        let event = tw_msg::chunk(&chunk);
        self.call("on_chunk", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_ping else { return };
        let event = tw_msg::new(payload, 0);
        self.call("on_ping", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_pong else { return };
        let event = tw_msg::new(payload, 0);
        self.call("on_pong", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        let Some((events, user, id)) = self.live(ws) else { return };
        let Some(callback) = events.on_drain else { return };
        let buffered = ws.buffered_amount();
        self.call("on_drain", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these.
            unsafe { callback(id, user, buffered) }
        });
    }

    fn on_reconnect(
        &mut self,
        context: &mut Context<'_>,
        id: ConnId,
        lost: &CloseEvent,
        retry: &mut Retry,
    ) {
        // It may never have been open, so that nobody has named it before.
        let id = self.names.connection(id);
        let Some(callback) = self.events.on_reconnect else { return };
        if self.names.detached().contains(id) {
            return;
        }
        let (ending, user) = (Ending::new(lost), self.user.0);
        let (lost, wait_ms) = (ending.event(), wait_ms(retry));
        let event = tw_reconnect_ev { lost: &raw const lost, attempt: retry.attempt, wait_ms };
        let mut answer = wait_ms;
        self.call("on_reconnect", context, || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            answer = unsafe { callback(id, user, &raw const event) };
        });
        if answer != wait_ms {
            retry.delay = u64::try_from(answer).ok().map(Duration::from_millis);
        }
    }

    fn on_close(&mut self, context: &mut Context<'_>, id: ConnId, close: &CloseEvent) {
        let id = self.names.known(id);
        if !self.names.detached().contains(id) {
            self.ended(context, id, close);
        }
        self.names.detached().remove(id);
        // SAFETY: this is the end of the connection with this tag.
        unsafe { Own::free(close.tag) };
    }
}
