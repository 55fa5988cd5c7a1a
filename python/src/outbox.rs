//! What waits behind a file that is being sent.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use tightwire::{CloseError, ConnId, Context, Message, MessageKind, SendError};

use crate::file::FileSource;

/// Bytes of a file that become one frame.
const PIECE: usize = 64 << 10;
/// Bytes of the shortest header of a frame.
const HEADER: usize = 2;

/// Files on their way, and all that was sent after the first of them. Only the loop takes from it.
#[derive(Default)]
pub(crate) struct Outbox {
    items: Mutex<VecDeque<Item>>,
    busy: AtomicBool,
    /// Payload bytes in it.
    waiting: AtomicU64,
    /// Bytes of memory that its messages take, with their headers: empty ones count, too.
    held: AtomicU64,
}

pub(crate) enum Item {
    File { file: Arc<FileSource>, start: usize, size: usize, begun: bool, compress: Option<bool> },
    Message { kind: MessageKind, data: Vec<u8>, compress: Option<bool> },
    Close { code: Option<u16>, reason: String },
}

/// Why an outbox does not go on.
pub(crate) enum Stop {
    Unreadable(PyErr),
    Send(SendError),
    Close(CloseError),
}

impl Item {
    fn size(&self) -> u64 {
        match self {
            Self::File { size, .. } => *size as u64,
            Self::Message { data, .. } => data.len() as u64,
            Self::Close { .. } => 0,
        }
    }

    /// What it adds to the queue of a connection, without a file, which is read later.
    fn held(&self) -> u64 {
        match self {
            Self::Message { data, .. } => (data.len() + HEADER) as u64,
            Self::File { .. } | Self::Close { .. } => 0,
        }
    }
}

impl Outbox {
    /// Whether there is something in it, so that everything else has to queue up.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Acquire)
    }

    /// Bytes of the messages in it.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    pub(crate) fn push(&self, item: Item) {
        let mut items = self.items();
        self.waiting.fetch_add(item.size(), Ordering::AcqRel);
        self.held.fetch_add(item.held(), Ordering::AcqRel);
        items.push_back(item);
        self.busy.store(true, Ordering::Release);
    }

    /// Throws everything away; how many bytes that were.
    pub(crate) fn clear(&self) -> u64 {
        let mut items = self.items();
        let old = std::mem::take(&mut *items);
        self.busy.store(false, Ordering::Release);
        self.held.store(0, Ordering::Release);
        let lost = self.waiting.swap(0, Ordering::AcqRel);
        drop(items);
        drop(old);
        lost
    }

    /// Sends as much as there is room for. In the loop, which calls again when there is more.
    pub(crate) fn pump(
        &self,
        py: Python<'_>,
        context: &mut Context<'_>,
        id: ConnId,
        high_water: u64,
    ) -> Result<(), Stop> {
        while context.buffered_amount(id) <= high_water {
            let Some(item) = self.items().pop_front() else { break };
            match self.advance(py, context, id, item) {
                Ok(None) => {}
                Ok(Some(rest)) => self.items().push_front(rest),
                Err((Stop::Send(SendError::Full { .. }), rest)) => {
                    self.items().push_front(rest);
                    return Ok(());
                }
                Err((stop, _)) => return Err(stop),
            }
        }
        let items = self.items();
        let busy = !items.is_empty();
        self.busy.store(busy, Ordering::Release);
        drop(items);
        if busy {
            context.want_drain(id);
        }
        Ok(())
    }

    /// Sends an item, or a piece of it; what is left of it.
    fn advance(
        &self,
        py: Python<'_>,
        context: &mut Context<'_>,
        id: ConnId,
        item: Item,
    ) -> Result<Option<Item>, (Stop, Item)> {
        let (sent, rest) = match &item {
            Item::File { file, start, size, begun, compress } => {
                let length = PIECE.min(*size);
                let mut piece = vec![0; length];
                if let Err(error) = file.read_exact(py, &mut piece, *start) {
                    return Err((Stop::Unreadable(error), item));
                }
                let kind = (!begun).then_some(MessageKind::Binary);
                let (start, size, fin) = (start + length, size - length, length == *size);
                let sent = context.send_part_as(id, kind, &piece, fin, *compress);
                let (file, compress) = (Arc::clone(file), *compress);
                let rest =
                    (!fin).then_some(Item::File { file, start, size, begun: true, compress });
                (sent.map(|()| length), rest)
            }
            Item::Message { kind, data, compress } => {
                let message = Message::from_parts(*kind, data);
                let message = compress.map_or(message, |compress| message.compress(compress));
                (context.send(id, message).map(|()| data.len()), None)
            }
            Item::Close { code, reason } => match context.close(id, *code, reason) {
                Ok(()) => (Ok(0), None),
                Err(error) => return Err((Stop::Close(error), item)),
            },
        };
        match sent {
            Ok(length) => {
                self.waiting.fetch_sub(length as u64, Ordering::AcqRel);
                self.held.fetch_sub(item.held(), Ordering::AcqRel);
                Ok(rest)
            }
            Err(error) => Err((Stop::Send(error), item)),
        }
    }

    fn items(&self) -> MutexGuard<'_, VecDeque<Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
