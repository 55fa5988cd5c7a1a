//! A client's request to a server: the server's own rules first, then the application's word, which
//! comes at once or later.

use std::mem;
use std::sync::Arc;

use super::context::Context;
use super::core::Core;
use super::dispatch::Dispatch;
use super::link::{Connection, Link, Phase};
use super::log::record;
use super::opening::Settled;
use super::reply::Reply;
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::proto::handshake::{Answer, Refusal, Request, RequestError, origin_allowed};
use crate::proto::receiver::Receiver;

/// A request that waits for the application's word.
pub(crate) struct Asking {
    request: Arc<Request>,
    /// The subprotocol unless the application chooses another.
    preferred: Option<String>,
    answer: Option<Reply>,
}

impl Asking {
    /// What the 101 response would say.
    fn accept(&self, reply: &Reply, out: &mut Vec<u8>) -> Result<(), RequestError> {
        let answer =
            Answer { protocol: self.protocol(reply), extensions: None, headers: reply.headers() };
        self.request.accept(&answer, out)
    }

    fn protocol<'a>(&'a self, reply: &'a Reply) -> Option<&'a str> {
        reply.protocol.as_ref().unwrap_or(&self.preferred).as_deref()
    }
}

impl Dispatch<'_> {
    /// A client asks to be accepted.
    pub(crate) fn requested(&mut self, conn: &mut Connection, request: Request) {
        let link = &mut conn.link;
        let index = link.endpoint.index;
        let preferred = match self.core.policy(link, &request) {
            Ok(preferred) => preferred,
            Err(refusal) => return self.core.refuse(link, &refusal),
        };
        let request = Arc::new(request);
        let asking = Asking { request: Arc::clone(&request), preferred, answer: None };
        link.phase = Phase::Asking(Box::new(asking));
        let mut reply = Reply::to(link.id);
        let done = self.handlers.call(self.core, index, |handler, core| {
            handler.on_request(&mut Context::new(core, Some(link)), &request, &mut reply);
        });
        if !done {
            reply = Reply::accept();
            reply.refuse(500, "the server failed to handle the request\n");
        }
        link.flags.announced = reply.deferred;
        if let (Phase::Asking(asking), false) = (&mut link.phase, reply.deferred) {
            asking.answer = Some(reply);
        }
        self.decide(conn);
    }

    /// Does what the application answered, if it has.
    pub(crate) fn decide(&mut self, conn: &mut Connection) {
        let Connection { rx, link } = conn;
        let answered = match &mut link.phase {
            Phase::Asking(asking) => asking.answer.take(),
            _ => None,
        };
        let (Some(reply), false) = (answered, link.flags.gone) else { return };
        let Phase::Asking(asking) = mem::replace(&mut link.phase, Phase::Refusing) else { return };
        match reply.refusal() {
            Some(refusal) => {
                let cause = format_args!("the application refused with {}", refusal.status);
                link.told(Error::new(ErrorPhase::App, ErrorCode::Shutdown, cause));
                self.core.refuse(link, &refusal);
            }
            None => self.accept(rx, link, &asking, &reply),
        }
    }

    fn accept(&mut self, rx: &mut Receiver, link: &mut Link, asking: &Asking, reply: &Reply) {
        let request = &asking.request;
        let (deflate, extensions) = request.deflate(&link.endpoint.tuning.deflate).unzip();
        let protocol = asking.protocol(reply);
        let answer =
            Answer { protocol, extensions: extensions.as_deref(), headers: reply.headers() };
        let mut head = Vec::with_capacity(256);
        if let Err(error) = request.accept(&answer, &mut head) {
            let refusal = Refusal::new(500, format!("the server's answer is not legal: {error}\n"));
            return self.core.refuse(link, &refusal);
        }
        link.session.queue_mut().push_raw(&head);
        let scheme = link.endpoint.server.as_ref().map_or("ws", |server| server.scheme());
        let url = format!("{scheme}://{}{}", request.host(), request.target());
        link.shared.set_url(url.into());
        // What came meanwhile is read now.
        link.flags.readable = true;
        let settled = Settled {
            protocol: protocol.unwrap_or_default(),
            extensions: extensions.as_deref().unwrap_or_default(),
            deflate,
            chunks: reply.chunks,
        };
        self.opened(rx, link, settled, request.headers());
    }
}

impl Core {
    /// See [`Context::answer`].
    pub(crate) fn answer(&mut self, link: &mut Link, reply: Reply) -> Result<(), Error> {
        let asking = match &mut link.phase {
            Phase::Asking(asking) if asking.answer.is_none() => asking,
            _ => {
                let cause = "no request of this connection waits for an answer";
                return Err(Error::new(ErrorPhase::App, ErrorCode::State, cause));
            }
        };
        match reply.refusal() {
            Some(refusal) => refusal.check()?,
            None => asking.accept(&reply, &mut Vec::new())?,
        }
        asking.answer = Some(reply);
        self.mark_ready(link);
        Ok(())
    }

    /// What a server checks before the application is asked: room, `Origin` and `Host`. Yields the
    /// subprotocol that it prefers.
    fn policy(&mut self, link: &Link, request: &Request) -> Result<Option<String>, Refusal> {
        let Some(server) = &link.endpoint.server else { return Ok(None) };
        // The listener itself is one user of the handler.
        if self.places.users(link.endpoint.index) > server.max_connections.saturating_add(1) {
            return Err(Refusal::new(503, "too many connections (max_connections)\n"));
        }
        if !server.expects(request.host()) {
            let host = request.host();
            let what = "on a loopback address (option: hosts)";
            record!(self.log, Warn, "refused a request for {host:?} {what}");
            let cause = "this server listens on a loopback address, and the Host is none of its \
                         own (option: hosts)\n";
            return Err(Refusal::new(403, cause));
        }
        if let Some(origin) = request.origin() {
            if !origin_allowed(origin, request.host(), &server.origins) {
                let what = "(option: origins)";
                record!(self.log, Warn, "refused a request from the origin {origin:?} {what}");
                return Err(Refusal::new(403, "this Origin is not allowed (option: origins)\n"));
            }
        }
        let chosen = server.protocols.iter().find(|ours| request.protocols().any(|p| p == *ours));
        Ok(chosen.cloned())
    }

    /// Answers with an HTTP error; the stream ends when it is out.
    pub(crate) fn refuse(&mut self, link: &mut Link, refusal: &Refusal) {
        let mut answer = Vec::new();
        refusal.write(&mut answer);
        link.session.queue_mut().push_raw(&answer);
        self.refresh_now();
        link.start_refusing(self.now);
    }

    /// Nobody will answer the request of this connection any more.
    pub(crate) fn leave_unanswered(&mut self, link: &mut Link, error: Error) {
        link.told(error);
        self.refuse(link, &Refusal::new(503, "the server did not answer the request\n"));
    }
}
