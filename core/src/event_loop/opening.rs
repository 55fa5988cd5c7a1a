//! The opening handshake of a connection that the loop watches, in both roles.

use std::sync::Arc;

use super::context::Socket;
use super::core::Core;
use super::dispatch::Dispatch;
use super::handler::Opening;
use super::link::{Connection, Greeting, Link, Phase};
use super::log::record;
use super::remote::Facts;
use crate::net::stream::Stream;
use crate::proto::deflate::{Agreed, Traffic};
use crate::proto::handshake::{Accepted, HandshakeError};
use crate::proto::head::Headers;
use crate::proto::receiver::Receiver;

/// What the two halves of a handshake agreed upon.
pub(crate) struct Settled<'a> {
    pub(crate) protocol: &'a str,
    pub(crate) extensions: &'a str,
    pub(crate) deflate: Option<Agreed>,
    /// Whether messages come in chunks, if that was decided for this connection.
    pub(crate) chunks: Option<bool>,
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
                        self.requested(conn, request);
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
            chunks: None,
        };
        self.opened(rx, link, settled, &accepted.headers);
    }

    /// Both halves of the handshake are done.
    pub(crate) fn opened(
        &mut self,
        rx: &mut Receiver,
        link: &mut Link,
        settled: Settled<'_>,
        headers: &Headers,
    ) {
        link.open(self.core.now);
        if settled.chunks.unwrap_or(link.endpoint.tuning.chunks) {
            rx.enable_chunks();
        }
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
            local: link.local_addr(),
            tls: link.stream.as_ref().map(Stream::tls).unwrap_or_default().into(),
        });
        let extensions = settled.extensions;
        record!(self.core.log, Debug, "{}: open, extensions {extensions:?}", link.label());
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
    pub(crate) fn not_accepted(&mut self, link: &mut Link, error: HandshakeError) {
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
}
