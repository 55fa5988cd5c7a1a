//! A handler that logs every callback and then does what the test says.

use tightwire::{
    CloseEvent, ConnId, Context, Handler, Message, Opening, Reply, Request, Retry, Socket,
};

use super::log::{Event, Log};

type OnRequest = Box<dyn FnMut(&mut Context<'_>, &Request, &mut Reply) + Send>;
type OnOpen = Box<dyn FnMut(&mut Socket<'_>, &Opening<'_>) + Send>;
type OnMessage = Box<dyn FnMut(&mut Socket<'_>, Message<'_>) + Send>;
type OnControl = Box<dyn FnMut(&mut Socket<'_>, &[u8]) + Send>;
type OnDrain = Box<dyn FnMut(&mut Socket<'_>) + Send>;
type OnReconnect = Box<dyn FnMut(&mut Context<'_>, ConnId, &mut Retry) + Send>;
type OnClose = Box<dyn FnMut(&mut Context<'_>, ConnId, &CloseEvent) + Send>;

/// See the module.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) log: Log,
    on_request: Option<OnRequest>,
    on_open: Option<OnOpen>,
    on_message: Option<OnMessage>,
    on_ping: Option<OnControl>,
    on_pong: Option<OnControl>,
    on_drain: Option<OnDrain>,
    on_reconnect: Option<OnReconnect>,
    on_close: Option<OnClose>,
}

impl Script {
    /// Logs only.
    pub(crate) fn new(log: &Log) -> Self {
        Self { log: log.clone(), ..Self::default() }
    }

    /// Sends every message back.
    pub(crate) fn echo(log: &Log) -> Self {
        Self::new(log).on_message(|ws, message| ws.send(message).expect("an echo is taken"))
    }

    pub(crate) fn on_request(
        mut self,
        act: impl FnMut(&mut Context<'_>, &Request, &mut Reply) + Send + 'static,
    ) -> Self {
        self.on_request = Some(Box::new(act));
        self
    }

    pub(crate) fn on_open(
        mut self,
        act: impl FnMut(&mut Socket<'_>, &Opening<'_>) + Send + 'static,
    ) -> Self {
        self.on_open = Some(Box::new(act));
        self
    }

    pub(crate) fn on_message(
        mut self,
        act: impl FnMut(&mut Socket<'_>, Message<'_>) + Send + 'static,
    ) -> Self {
        self.on_message = Some(Box::new(act));
        self
    }

    pub(crate) fn on_ping(
        mut self,
        act: impl FnMut(&mut Socket<'_>, &[u8]) + Send + 'static,
    ) -> Self {
        self.on_ping = Some(Box::new(act));
        self
    }

    pub(crate) fn on_pong(
        mut self,
        act: impl FnMut(&mut Socket<'_>, &[u8]) + Send + 'static,
    ) -> Self {
        self.on_pong = Some(Box::new(act));
        self
    }

    pub(crate) fn on_drain(mut self, act: impl FnMut(&mut Socket<'_>) + Send + 'static) -> Self {
        self.on_drain = Some(Box::new(act));
        self
    }

    pub(crate) fn on_reconnect(
        mut self,
        act: impl FnMut(&mut Context<'_>, ConnId, &mut Retry) + Send + 'static,
    ) -> Self {
        self.on_reconnect = Some(Box::new(act));
        self
    }

    pub(crate) fn on_close(
        mut self,
        act: impl FnMut(&mut Context<'_>, ConnId, &CloseEvent) + Send + 'static,
    ) -> Self {
        self.on_close = Some(Box::new(act));
        self
    }
}

impl Handler for Script {
    fn on_request(&mut self, context: &mut Context<'_>, request: &Request, reply: &mut Reply) {
        // No connection has the id 0.
        self.log.push(ConnId::from_u64(0), Event::Request(request.target().to_owned()));
        if let Some(act) = &mut self.on_request {
            act(context, request, reply);
        }
    }

    fn on_open(&mut self, ws: &mut Socket<'_>, opening: &Opening<'_>) {
        let (url, protocol) = (opening.url.to_owned(), opening.protocol.to_owned());
        self.log.push(ws.id(), Event::Open { url, protocol });
        if let Some(act) = &mut self.on_open {
            act(ws, opening);
        }
    }

    fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
        self.log.push(ws.id(), Event::message(message.kind(), message.data()));
        if let Some(act) = &mut self.on_message {
            act(ws, message);
        }
    }

    fn on_ping(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.log.push(ws.id(), Event::Ping(payload.to_vec()));
        if let Some(act) = &mut self.on_ping {
            act(ws, payload);
        }
    }

    fn on_pong(&mut self, ws: &mut Socket<'_>, payload: &[u8]) {
        self.log.push(ws.id(), Event::Pong(payload.to_vec()));
        if let Some(act) = &mut self.on_pong {
            act(ws, payload);
        }
    }

    fn on_drain(&mut self, ws: &mut Socket<'_>) {
        self.log.push(ws.id(), Event::Drain);
        if let Some(act) = &mut self.on_drain {
            act(ws);
        }
    }

    fn on_reconnect(
        &mut self,
        context: &mut Context<'_>,
        id: ConnId,
        lost: &CloseEvent,
        retry: &mut Retry,
    ) {
        self.log.push(id, Event::Reconnect(lost.clone(), *retry));
        if let Some(act) = &mut self.on_reconnect {
            act(context, id, retry);
        }
    }

    fn on_close(&mut self, context: &mut Context<'_>, id: ConnId, close: &CloseEvent) {
        self.log.push(id, Event::Close(close.clone()));
        if let Some(act) = &mut self.on_close {
            act(context, id, close);
        }
    }
}
