//! Messages in chunks: what was handed over, and what comes next.

use super::{Chunk, Event, Receiver};
use crate::proto::frame::MessageKind;

/// What was handed over of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Something was.
    pub(super) begun: bool,
    /// The message is over.
    pub(super) ended: bool,
    /// Bytes that were, and are in the assembly no more.
    pub(super) gone: u64,
    /// Bytes at the front of the assembly that were.
    pub(super) told: usize,
}

impl Receiver {
    /// Whether chunks are asked for and there is something for one.
    pub(super) fn has_untold(&self) -> bool {
        self.progress.is_some_and(|progress| self.message.len() > progress.told)
    }

    /// What arrived so far of a message whose frame is cut.
    pub(super) fn cut_chunk(&mut self) -> Option<Event<'_>> {
        let kind = self.kind.filter(|_| self.has_untold())?;
        Some(self.chunk(kind))
    }

    /// What was not handed over yet of the message.
    pub(super) fn chunk(&mut self, kind: MessageKind) -> Event<'_> {
        self.delivered = true;
        let before = self.progress.unwrap_or_default();
        let told = self.message.len();
        self.progress = Some(Progress { begun: true, told, ..before });
        Event::Chunk(Chunk {
            kind,
            data: self.message.bytes().get(before.told..).unwrap_or_default(),
            offset: before.gone + before.told as u64,
            first: !before.begun,
            last: before.ended,
        })
    }
}
