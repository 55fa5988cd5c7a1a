//! A connection's messages on their way out.

use std::time::Instant;

use super::clock;
use super::link::Link;
use super::message::Message;
use crate::net::stream::Stream;
use crate::proto::deflate::Deflaters;
use crate::proto::frame::Role;
use crate::proto::sender::{Masks, SendError};

/// From this size on a server's payload goes to the system from where it lies; below it a copy
/// behind the queued frames is cheaper than a second slice.
const THROUGH: usize = 16 << 10;
/// From this much queued output on a send does not wait for the end of the dispatch.
const FLUSH_AT: usize = 64 << 10;

impl Link {
    /// Queues a message, and gives it to the system at once if it is large.
    pub(crate) fn send(
        &mut self,
        message: Message<'_>,
        now: Instant,
        masks: &mut dyn Masks,
        deflaters: &mut Deflaters,
        scratch: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let (kind, data) = (message.kind(), message.data());
        let wish = message.compress_wish();
        if self.session.deflates(data.len(), wish) {
            let forced = wish == Some(true);
            self.session.send_deflated(kind, data, forced, deflaters, masks)?;
        } else if data.len() >= THROUGH && self.can_send_through() {
            self.session.begin_send_through(kind, data.len())?;
            self.send_through(data, now, masks, scratch);
        } else {
            self.session.send(kind, data, masks)?;
        }
        self.sent((data.len(), true), now, masks, scratch);
        Ok(())
    }

    /// Queues a part of a message.
    pub(crate) fn send_part(
        &mut self,
        part: Message<'_>,
        fin: bool,
        now: Instant,
        masks: &mut dyn Masks,
        deflaters: &mut Deflaters,
        scratch: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        let (kind, data) = (part.kind(), part.data());
        // The first of several parts says nothing about the size of the whole.
        let wish = part.compress_wish().or_else(|| (!fin).then_some(true));
        if self.session.deflates(data.len(), wish) {
            self.session.send_part_deflated(kind, data, fin, deflaters, masks)?;
        } else {
            self.session.send_part(kind, data, fin, masks)?;
        }
        self.sent((data.len(), fin), now, masks, scratch);
        Ok(())
    }

    /// Payload was queued, of a whole message or with its end: account for it, and do not let the queue grow for nothing.
    fn sent(
        &mut self,
        (len, whole): (usize, bool),
        now: Instant,
        masks: &mut dyn Masks,
        scratch: &mut Vec<u8>,
    ) {
        self.session.on_sent(now, &self.endpoint.tuning);
        self.published += len as u64;
        self.shared.counts.sent(len, whole);
        self.shared.add_buffered(len as u64);
        self.publish_framing();
        let queued = self.session.queue().len();
        self.flags.drain_owed |= queued > self.endpoint.tuning.high_water;
        if queued >= FLUSH_AT {
            self.flush(now, masks, scratch);
        }
    }

    fn can_send_through(&self) -> bool {
        self.endpoint.role == Role::Server
            && self.flags.writable
            && matches!(self.stream, Some(Stream::Plain(_)))
    }

    fn send_through(
        &mut self,
        data: &[u8],
        now: Instant,
        masks: &mut dyn Masks,
        scratch: &mut Vec<u8>,
    ) {
        let Some(stream) = &mut self.stream else { return };
        let written = stream.write(&[self.session.queue().pending(), data], scratch);
        let taken = written.as_ref().map_or(0, |written| written.taken);
        self.flags.writable = written.as_ref().is_ok_and(|written| !written.blocked);
        self.shared.counts.sent_bytes(taken);
        self.session.sent_through(data, taken);
        let pending = !self.session.queue().is_empty();
        // The callback that sends may have taken its time, and the peer's patience begins now.
        let now = if pending { clock::now() } else { now };
        self.session.on_written(pending, now, &self.endpoint.tuning, masks);
        if let Err(error) = written {
            self.fail_stream(error, now);
        }
    }
}
