//! Sending compressed messages (RFC 7692 section 6.1).

use std::sync::Arc;

use super::Session;
use crate::config::Tuning;
use crate::proto::deflate::{Agreed, Deflated, Deflaters, Deflation, Traffic};
use crate::proto::frame::{MessageKind, Opcode};
use crate::proto::sender::{Masks, SendError, Shape, shaped};

impl Session {
    /// From now on messages can be compressed, on these terms.
    pub fn enable_deflate(&mut self, agreed: &Agreed, tuning: &Tuning, traffic: Arc<Traffic>) {
        let deflation = Deflation::new(agreed.own, &tuning.deflate, self.role, traffic);
        self.deflation = Some(Box::new(deflation));
    }

    /// Whether a message of `len` bytes, or the message in parts that is under way, is to be
    /// compressed. `wish` is the application's; without one the threshold decides.
    pub fn deflates(&self, len: usize, wish: Option<bool>) -> bool {
        self.deflation.as_ref().is_some_and(|deflation| match self.in_parts {
            Some(_) => deflation.is_in_parts(),
            None => deflation.wants(len, wish),
        })
    }

    /// Queues a whole message, compressed if that makes it smaller or if it is `forced`. Text has to
    /// be valid UTF-8.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn send_deflated(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        forced: bool,
        deflaters: &mut Deflaters,
        masks: &mut dyn Masks,
    ) -> Result<(), SendError> {
        self.check_send()?;
        let Some(deflation) = &mut self.deflation else { return self.send(kind, payload, masks) };
        let (data, compressed) = match deflation.message(payload, forced, deflaters) {
            Deflated::Smaller(data) => (data, true),
            Deflated::Larger => (payload, false),
        };
        let shape = Shape { fin: true, opcode: kind.opcode(), compressed, counted: payload.len() };
        let sent = shaped(&mut self.queue, self.role, shape, data, masks);
        if sent.is_err() {
            deflation.forget();
        }
        sent
    }

    /// Queues a compressed part of a message, the last one if `fin`; see
    /// [`send_part`](Self::send_part).
    ///
    /// # Errors
    ///
    /// As [`send_part`](Self::send_part).
    pub fn send_part_deflated(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        deflaters: &mut Deflaters,
        masks: &mut dyn Masks,
    ) -> Result<(), SendError> {
        let opcode = self.part_opcode(kind)?;
        let Some(deflation) = &mut self.deflation else {
            return self.send_part(kind, payload, fin, masks);
        };
        let data = deflation.part(payload, fin, deflaters);
        let compressed = opcode != Opcode::Continuation;
        let shape = Shape { fin, opcode, compressed, counted: payload.len() };
        let sent = shaped(&mut self.queue, self.role, shape, data, masks);
        match sent {
            Ok(()) => self.in_parts = (!fin).then_some(kind),
            Err(_) => deflation.forget(),
        }
        sent
    }
}
