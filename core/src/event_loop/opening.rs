//! The opening handshake of a connection that the loop watches, in both roles.

use std::sync::Arc;

use super::context::{Context, Socket};
use super::core::Core;
use super::dispatch::Dispatch;
use super::handler::{Opening, Reply};
use super::link::{Connection, Greeting, Link, Phase};
use super::remote::Facts;
use crate::proto::deflate::{Agreed, Traffic};
use crate::proto::handshake::{Accepted, Answer, HandshakeError, Refusal, Request, origin_allowed};
use crate::proto::head::Headers;
use crate::proto::receiver::Receiver;
use crate::trace::warning;

/// What the two halves of a handshake agreed upon.
struct Settled<'a> {
    protocol: &'a str,
    extensions: &'a str,
    deflate: Option<Agreed>,
}

impl Dispatch<'_> {
    /// Feeds the handshake and returns how many bytes it used. Bytes behind the head belong to
    /// frames.
    pub(crate) fn greet(&mut self, conn: &mut Connection, input: &[u8]) -> usize {
        let Connection { rx, link } = conn;
        let Phase::Greeting(greeting) = &mut link.phase else { return 0 };
        match &mut **greeting {
            Greeting::Client { handshake, .. } => match handshake.advance(input) {
                Ok((used, accepted)) => {
                    if let Some(accepted) = accepted {
                        self.accepted(rx, link, &accepted);
                    }
                    used
                }
                Err(error) => {
                    self.core.not_accepted(link, error);
                    input.len()
                }
            },
            Greeting::Server(handshake) => match handshake.advance(input) {
                Ok((used, request)) => {
                    if let Some(request) = request {
                        self.requested(rx, link, &request);
                    }
                    used
                }
                Err(refusal) => {
                    self.core.refuse(link, &refusal);
                    input.len()
                }
            },
        }
    }

    /// The server accepted us.
    fn accepted(&mut self, rx: &mut Receiver, link: &mut Link, accepted: &Accepted) {
        let settled = Settled {
            protocol: &accepted.protocol,
            extensions: &accepted.extensions,
            deflate: accepted.deflate,
        };
        self.opened(rx, link, settled, &accepted.headers);
    }

    /// A client asks to be accepted.
    fn requested(&mut self, rx: &mut Receiver, link: &mut Link, request: &Request) {
        let index = link.endpoint.index;
        let mut reply = match self.core.policy(link, request) {
            Ok(reply) => reply,
            Err(refusal) => return self.core.refuse(link, &refusal),
        };
        let done = self.handlers.call(self.core, index, |handler, core| {
            handler.on_request(&mut Context::new(core, Some(link)), request, &mut reply);
        });
        if !done {
            reply.refuse(500, "the server failed to handle the request\n");
        }
        if let Some(refusal) = &reply.refusal {
            return self.core.refuse(link, refusal);
        }
        if link.flags.gone {
            return;
        }
        let (deflate, extensions) = request.deflate(&link.endpoint.tuning.deflate).unzip();
        let answer = Answer {
            protocol: reply.protocol.as_deref(),
            extensions: extensions.as_deref(),
            headers: &reply.headers,
        };
        let mut head = Vec::with_capacity(256);
        if let Err(error) = request.accept(&answer, &mut head) {
            let refusal = Refusal::new(500, format!("the server's answer is not legal: {error}\n"));
            return self.core.refuse(link, &refusal);
        }
        link.session.queue_mut().push_raw(&head);
        let scheme = link.endpoint.server.as_ref().map_or("ws", |server| server.scheme());
        let url = format!("{scheme}://{}{}", request.host(), request.target());
        link.shared.set_url(url.into());
        let settled = Settled {
            protocol: reply.protocol.as_deref().unwrap_or_default(),
            extensions: extensions.as_deref().unwrap_or_default(),
            deflate,
        };
        self.opened(rx, link, settled, request.headers());
    }

    /// Both halves of the handshake are done.
    fn opened(
        &mut self,
        rx: &mut Receiver,
        link: &mut Link,
        settled: Settled<'_>,
        headers: &Headers,
    ) {
        link.open(self.core.now);
        let traffic = settled.deflate.map(|agreed| {
            let (traffic, tuning) = (Arc::<Traffic>::default(), &link.endpoint.tuning);
            rx.enable_deflate(&agreed, tuning, Arc::clone(&traffic));
            link.session.enable_deflate(&agreed, tuning, Arc::clone(&traffic));
            traffic
        });
        link.shared.set_facts(Facts {
            protocol: settled.protocol.into(),
            extensions: settled.extensions.into(),
            traffic,
            remote: link.remote_addr(),
        });
        let shared = Arc::clone(&link.shared);
        let opening = Opening {
            url: shared.url(),
            protocol: settled.protocol,
            extensions: settled.extensions,
            headers,
            remote: shared.facts().and_then(|facts| facts.remote),
            reconnects: link.again.as_mut().map_or(0, |again| again.opened()),
        };
        let done = self.handlers.call(self.core, link.endpoint.index, |handler, core| {
            handler.on_open(&mut Socket::new(core, link), &opening);
        });
        if !done {
            self.panicked(link);
        }
    }
}

impl Core {
    /// The server's answer does not open the connection; another request may follow it.
    pub(crate) fn not_accepted(&self, link: &mut Link, error: HandshakeError) {
        let follow = match &mut link.phase {
            Phase::Greeting(greeting) => match &mut **greeting {
                Greeting::Client { follow, .. } => follow.take(),
                Greeting::Server(_) => None,
            },
            _ => None,
        };
        if let (HandshakeError::Status(reply), Some(follow)) = (&error, follow) {
            match follow.next(reply) {
                Ok(Some(follow)) => return self.dial_anew(link, follow),
                Ok(None) => {}
                Err(error) => return link.fail(error),
            }
        }
        link.fail(error.into());
    }

    /// What a server checks before the application is asked: room, `Origin` and `Host`.
    fn policy(&self, link: &Link, request: &Request) -> Result<Reply, Refusal> {
        let Some(server) = &link.endpoint.server else { return Ok(Reply::new(None)) };
        // The listener itself is one user of the handler.
        if self.places.users(link.endpoint.index) > server.max_connections.saturating_add(1) {
            return Err(Refusal::new(503, "too many connections (max_connections)\n"));
        }
        if !server.expects(request.host()) {
            let host = request.host();
            warning!("refused a request for {host:?} on a loopback address (option: hosts)");
            let cause = "this server listens on a loopback address, and the Host is none of its \
                         own (option: hosts)\n";
            return Err(Refusal::new(403, cause));
        }
        if let Some(origin) = request.origin() {
            if !origin_allowed(origin, request.host(), &server.origins) {
                warning!("refused a request from the origin {origin:?} (option: origins)");
                return Err(Refusal::new(403, "this Origin is not allowed (option: origins)\n"));
            }
        }
        let chosen = server.protocols.iter().find(|ours| request.protocols().any(|p| p == *ours));
        Ok(Reply::new(chosen.map(String::as_str)))
    }

    /// Answers with an HTTP error; the stream ends when it is out.
    pub(crate) fn refuse(&mut self, link: &mut Link, refusal: &Refusal) {
        let mut answer = Vec::new();
        refusal.write(&mut answer);
        link.session.queue_mut().push_raw(&answer);
        self.refresh_now();
        link.start_refusing(self.now);
    }
}
