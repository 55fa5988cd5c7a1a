//! A handler of the core that calls functions of C.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use tightwire::{CloseEvent, ConnId, Context, Handler, Message, Opening, Retry, Socket};

use crate::callbacks::{Text, flag, tw_events, tw_headers, tw_msg, tw_open_ev};
use crate::current::with_callback;
use crate::endings::{Ending, tw_reconnect_ev, wait_ms};
use crate::guard;
use crate::ids::Names;

/// One client connection, or all connections of one server.
pub(crate) struct Bridge {
    names: Arc<Names>,
    events: tw_events,
    user: User,
}

/// The application's pointer, which we only hand back.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: we never follow it; the application gave it to be handed to callbacks on whatever thread
// drives the loop.
unsafe impl Send for User {}

impl Bridge {
    pub(crate) fn new(names: &Arc<Names>, events: tw_events, user: *mut c_void) -> Self {
        Self { names: Arc::clone(names), events, user: User(user) }
    }

    fn call(&self, name: &'static str, context: &mut Context<'_>, callback: impl FnOnce()) {
        with_callback(&self.names, context, 0, || guard::callback(name, callback));
    }

    /// The end of `id`, as `on_error` and `on_close` tell it.
    fn ended(&self, context: &mut Context<'_>, id: u64, close: &CloseEvent) {
        let user = self.user.0;
        let ending = Ending::new(close);
        if let (Some(callback), Some(error), false) =
            (self.events.on_error, ending.error(), close.clean)
        {
            with_callback(&self.names, context, id, || {
                // SAFETY: a function of the application that takes these; the error outlives it.
                guard::callback("on_error", || unsafe { callback(id, user, error) });
            });
        }
        let Some(callback) = self.events.on_close else { return };
        let event = ending.event();
        with_callback(&self.names, context, id, || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            guard::callback("on_close", || unsafe { callback(id, user, &raw const event) });
        });
    }
}

impl Handler for Bridge {
    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        let id = self.names.connection(ws.id());
        let Some(callback) = self.events.on_open else { return };
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
        let user = self.user.0;
        self.call("on_open", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        let Some(callback) = self.events.on_message else { return };
        let (id, user) = (self.names.known(ws.id()), self.user.0);
        let event = tw_msg::new(message.data(), flag(message.kind()));
        self.call("on_message", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let Some(callback) = self.events.on_ping else { return };
        let (id, user) = (self.names.known(ws.id()), self.user.0);
        let event = tw_msg::new(payload, 0);
        self.call("on_ping", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        let Some(callback) = self.events.on_pong else { return };
        let (id, user) = (self.names.known(ws.id()), self.user.0);
        let event = tw_msg::new(payload, 0);
        self.call("on_pong", &mut ws.context(), || {
            // SAFETY: a function of the application that takes these; the event outlives it.
            unsafe { callback(id, user, &raw const event) }
        });
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        let Some(callback) = self.events.on_drain else { return };
        let (id, user) = (self.names.known(ws.id()), self.user.0);
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
        self.ended(context, self.names.known(id), close);
    }
}
