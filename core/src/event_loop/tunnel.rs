//! The way through a proxy: from a stream to it to a stream to the server.

use super::core::Core;
use super::dial::{Dial, wrap};
use super::dispatch::Dispatch;
use super::link::{Connection, Greeting, Link, Phase};
use crate::error::{Error, ErrorCode, Phase as ErrorPhase};
use crate::net::proxy::{Progress, Tunnel};
use crate::net::stream::Stream;

/// A connection that a proxy is asked to lead on.
pub(crate) struct Tunnelling {
    tunnel: Tunnel,
    dial: Box<Dial>,
}

impl Tunnelling {
    /// Why there is no tunnel if the stream ends here.
    pub(crate) fn on_end(&mut self) -> Error {
        self.tunnel.on_end().into()
    }
}

impl Core {
    /// There is a stream to where the dial led: the server, or a proxy before it.
    pub(crate) fn reached(&self, link: &mut Link, mut dial: Box<Dial>, stream: Stream) {
        link.flags.writable = true;
        let Some(through) = &mut dial.prepared.through else {
            return self.greet_server(link, dial, stream);
        };
        let mut out = Vec::new();
        let tunnel = match through.tunnel.take() {
            Some(mut begun) => {
                begun.resume(&mut out);
                Ok(begun)
            }
            None => through.begin(&link.endpoint.tuning, &mut out),
        };
        let secured = wrap(stream, through.tls.as_ref()).map_err(Error::on_the_way_to_the_proxy);
        match (tunnel, secured) {
            (Ok(tunnel), Ok(stream)) => {
                link.stream = Some(stream);
                link.session.queue_mut().push_raw(&out);
                link.phase = Phase::Tunnelling(Box::new(Tunnelling { tunnel, dial }));
            }
            (Err(error), _) | (_, Err(error)) => link.fail(error),
        }
    }

    /// The stream leads to the server: secure it if need be, and ask for a WebSocket.
    fn greet_server(&self, link: &mut Link, dial: Box<Dial>, stream: Stream) {
        let prepared = dial.prepared;
        link.session.queue_mut().push_raw(&prepared.request);
        let (handshake, follow) = (prepared.handshake, prepared.follow);
        link.phase = Phase::Greeting(Box::new(Greeting::Client { handshake, follow }));
        match wrap(stream, prepared.tls.as_ref()) {
            Ok(stream) => link.stream = Some(stream),
            Err(error) => link.fail(error),
        }
    }

    /// The proxy wants to be asked again on a new connection.
    fn dial_again(&self, link: &mut Link, tunnelling: Tunnelling) {
        self.leave_stream(link);
        let Tunnelling { tunnel, mut dial } = tunnelling;
        if let Some(through) = &mut dial.prepared.through {
            through.tunnel = Some(tunnel);
        }
        dial.start_over();
        link.phase = Phase::Connecting(dial);
        self.race(link);
    }
}

impl Dispatch<'_> {
    /// Feeds the proxy's answer to the tunnel and returns how many bytes it used.
    pub(crate) fn tunnel(&self, conn: &mut Connection, input: &[u8]) -> usize {
        let link = &mut conn.link;
        let Phase::Tunnelling(tunnelling) = &mut link.phase else { return 0 };
        let mut out = Vec::new();
        let progress = tunnelling.tunnel.advance(input, &mut out);
        link.session.queue_mut().push_raw(&out);
        match progress {
            Ok((used, Progress::More)) => used,
            Ok((used, Progress::Open)) if used < input.len() => {
                // The server speaks second, in TLS and in HTTP: these bytes are not its.
                let cause = "the proxy sent more than its answer";
                let error = Error::new(ErrorPhase::Proxy, ErrorCode::Proxy, cause);
                link.fail(error.of_kind("proxy_malformed"));
                input.len()
            }
            Ok((used, step @ (Progress::Open | Progress::Reconnect))) => {
                let phase = std::mem::replace(&mut link.phase, Phase::Refusing);
                if let Phase::Tunnelling(tunnelling) = phase {
                    match (step, link.stream.take()) {
                        (Progress::Open, Some(stream)) => {
                            self.core.greet_server(link, tunnelling.dial, stream);
                        }
                        (_, stream) => {
                            link.stream = stream;
                            self.core.dial_again(link, *tunnelling);
                        }
                    }
                }
                used
            }
            Err(error) => {
                link.fail(error.into());
                input.len()
            }
        }
    }
}
