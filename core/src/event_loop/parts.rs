//! Messages that the application sends in parts, from whatever threads (RFC 6455 section 5.4).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::context::Context;
use super::id::ConnId;
use crate::proto::frame::MessageKind;
use crate::proto::sender::SendError;
use crate::proto::utf8::Utf8;

/// Whether a connection is amid a message in parts, as the threads that send see it: a part may still
/// be on its way to the loop.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// For a look without the lock.
    open: AtomicBool,
    unfinished: Mutex<Option<Unfinished>>,
}

#[derive(Clone, Copy, Debug)]
struct Unfinished {
    kind: MessageKind,
    utf8: Utf8,
}

impl Parts {
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Has the next part queued, the last one if `fin`, unless it is not legal here. `kind` begins a
    /// message, without it the part belongs to the one that was begun. Parts are queued one after the
    /// other, so that those of two threads do not change places.
    pub(crate) fn next(
        &self,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
        queue: impl FnOnce(MessageKind) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut unfinished = self.lock();
        let mut next = match (*unfinished, kind) {
            (None, Some(kind)) => Unfinished { kind, utf8: Utf8::default() },
            (Some(next), None) => next,
            (Some(_), Some(_)) => return Err(SendError::InParts),
            (None, None) => return Err(SendError::NotInParts),
        };
        if next.kind == MessageKind::Text {
            let legal = next.utf8.push(data).is_ok() && (!fin || next.utf8.is_complete());
            if !legal {
                return Err(SendError::InvalidUtf8);
            }
        }
        queue(next.kind)?;
        *unfinished = (!fin).then_some(next);
        self.open.store(!fin, Ordering::Release);
        Ok(())
    }

    /// The connection is another one now.
    pub(crate) fn reset(&self) {
        *self.lock() = None;
        self.open.store(false, Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Unfinished>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context<'_> {
    /// As [`send_part`](Self::send_part); with the first part `compress` decides about the whole message,
    /// as in [`Message::compress`](super::Message::compress). Without it all of them are compressed that
    /// have more than one part, where compression was agreed upon.
    ///
    /// # Errors
    ///
    /// As [`send_part`](Self::send_part).
    pub fn send_part_as(
        &mut self,
        id: ConnId,
        kind: Option<MessageKind>,
        data: &[u8],
        fin: bool,
        compress: Option<bool>,
    ) -> Result<(), SendError> {
        self.catch_up();
        self.with_link(id, |core, link| core.send_part(link, kind, data, fin, compress))
            .unwrap_or(Err(SendError::Closed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: Option<MessageKind> = Some(MessageKind::Text);

    fn push(parts: &Parts, kind: Option<MessageKind>, data: &[u8], fin: bool) -> Option<SendError> {
        parts.next(kind, data, fin, |_| Ok(())).err()
    }

    #[test]
    fn a_message_is_begun_once_and_continued_until_its_end() {
        let parts = Parts::default();
        assert_eq!(push(&parts, None, b"x", false), Some(SendError::NotInParts));
        assert_eq!(push(&parts, TEXT, b"x", false), None);
        assert!(parts.is_open());
        assert_eq!(push(&parts, TEXT, b"x", false), Some(SendError::InParts));
        assert_eq!(push(&parts, None, b"x", true), None);
        assert!(!parts.is_open());
        assert_eq!(push(&parts, None, b"x", true), Some(SendError::NotInParts));
    }

    #[test]
    fn text_may_be_cut_within_a_character_but_not_end_there() {
        let parts = Parts::default();
        assert_eq!(push(&parts, TEXT, b"\xe2\x82", false), None);
        assert_eq!(push(&parts, None, b"", true), Some(SendError::InvalidUtf8));
        assert_eq!(push(&parts, None, b"\xff", false), Some(SendError::InvalidUtf8));
        assert_eq!(push(&parts, None, b"\xac", true), None, "what was refused changes nothing");
    }

    #[test]
    fn a_part_that_was_not_queued_was_not_sent() {
        let parts = Parts::default();
        let refused = parts.next(TEXT, b"x", false, |_| Err(SendError::Closed));
        assert_eq!((refused, parts.is_open()), (Err(SendError::Closed), false));
    }
}
