//! Connections that come back: what happens in the place of a funeral.

use std::time::Instant;

use super::context::Context;
use super::core::Core;
use super::dispatch::Dispatch;
use super::handler::{CloseEvent, Retry};
use super::link::{Connection, Link, Phase};
use crate::client::ClientOptions;
use crate::proto::receiver::Receiver;
use crate::reconnect::Backoff;

/// What a connection needs to be made again.
pub(crate) struct Again {
    options: ClientOptions,
    backoff: Backoff,
    /// Connections that were made after the first one.
    reconnects: u32,
}

impl Again {
    pub(crate) fn new(options: ClientOptions, backoff: Backoff) -> Self {
        Self { options, backoff, reconnects: 0 }
    }

    /// A connection was made. The number is of those that had been made before.
    pub(crate) fn opened(&mut self) -> u32 {
        let before = self.reconnects;
        self.reconnects = before.saturating_add(1);
        before
    }

    fn judge(&mut self, close: &CloseEvent) -> Retry {
        let delay = self.backoff.after(&close.into());
        Retry { attempt: self.backoff.attempts(), delay }
    }
}

impl Dispatch<'_> {
    /// The connection is over: it comes back or is buried.
    pub(crate) fn part(&mut self, mut conn: Box<Connection>) {
        self.core.refresh_now();
        let link = &mut conn.link;
        let Some(mut again) = link.again.take() else { return self.core.bury(conn, None) };
        let event = link.close_event(self.core.now);
        if link.flags.given_up || self.core.shutting_down {
            return self.core.bury(conn, Some(event));
        }
        let mut retry = again.judge(&event);
        link.restart();
        let (id, index) = (link.id, link.endpoint.index);
        let done = self.handlers.call(self.core, index, |handler, core| {
            handler.on_reconnect(&mut Context::new(core, Some(link)), id, &event, &mut retry);
        });
        self.core.refresh_now();
        let wait = retry.delay.filter(|_| done && !link.flags.given_up);
        let Some(until) = wait.and_then(|wait| self.core.now.checked_add(wait)) else {
            return self.core.bury(conn, Some(event));
        };
        self.core.begin_anew(&mut conn, again, until);
        self.core.schedule(&mut conn.link);
        self.core.slots.put(id.slot(), id.generation(), conn);
    }
}

impl Core {
    /// The same connection, id and all, before its next attempt.
    fn begin_anew(&mut self, conn: &mut Connection, again: Box<Again>, until: Instant) {
        let link = &mut conn.link;
        self.leave_stream(link);
        if let Phase::Connecting(dial) = &mut link.phase {
            dial.deregister(self.poller.registry());
        }
        conn.rx = Receiver::new(link.endpoint.role, &link.endpoint.tuning);
        link.begin_anew(again, until, self.now);
        self.retry_accepts();
    }

    /// The wait before an attempt is over.
    pub(crate) fn dial_back(&mut self, link: &mut Link) {
        let Some(again) = &link.again else { return };
        let prepared = again.options.prepare();
        let timeout = link.endpoint.tuning.open_timeout;
        link.opening_deadline = timeout.and_then(|timeout| self.now.checked_add(timeout));
        match prepared {
            Ok(prepared) => self.dial(link, prepared),
            Err(error) => link.fail(error),
        }
    }
}
