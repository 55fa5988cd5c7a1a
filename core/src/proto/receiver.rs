//! Received bytes to events: frames, fragments, limits.
//!
//! What is whole in the caller's buffer is unmasked there and lent out from there. What is cut is
//! unmasked, checked and moved as it arrives, so each byte is touched once, and text that is not
//! UTF-8 fails within a frame that is not complete yet. What is compressed is inflated as it
//! arrives, and is never kept.

mod chunks;
mod event;

use std::ops::Range;
use std::sync::Arc;

use self::chunks::Progress;
use self::event::event;
use super::assembly::Assembly;
use super::deflate::{Agreed, Inflation, SpareInflater, Traffic};
use super::frame::{self, Header, MAX_HEADER, MessageKind, Opcode, Role};
use super::utf8::Utf8;
use super::violation::Violation;
use crate::config::Tuning;

pub use self::event::{Chunk, Event};

/// From this much missing payload on it is worth reading straight into place.
const LONG: u64 = 16 << 10;

/// The receiving half of a connection after the opening handshake.
#[derive(Debug)]
pub struct Receiver {
    role: Role,
    /// Nothing is of interest any more.
    stopped: bool,
    /// The last event borrowed from the assembly, which is empty again from the next call on.
    delivered: bool,
    /// Bytes of `head`.
    head_len: u8,
    /// The front of a header that was cut.
    head: [u8; MAX_HEADER],
    /// The kind of the message that is under way.
    kind: Option<MessageKind>,
    /// The message that is under way is compressed.
    compressed: bool,
    empty_fragments: u32,
    max_empty_fragments: u32,
    max_message: u64,
    /// Bytes of the message that was over the limit, as far as it was announced.
    refused: Option<u64>,
    /// The frame whose payload is under way.
    frame: Option<Frame>,
    utf8: Utf8,
    message: Assembly,
    /// What was handed over of the message, if that is done in chunks.
    progress: Option<Progress>,
    /// The payload of a control frame that was cut.
    control: Vec<u8>,
    /// If compression was agreed upon.
    inflation: Option<Box<Inflation>>,
}

/// A frame whose payload is not complete.
#[derive(Clone, Copy, Debug)]
struct Frame {
    fin: bool,
    opcode: Opcode,
    mask: Option<[u8; 4]>,
    /// Bytes of the payload that were seen, for the phase of the mask.
    seen: u64,
    left: u64,
}

/// Where the payload of an event was kept until it was whole.
enum At {
    Message,
    Chunk,
    Control,
}

impl Receiver {
    /// A receiver for `role`, our own; it demands masking accordingly.
    pub fn new(role: Role, tuning: &Tuning) -> Self {
        Self {
            role,
            stopped: false,
            delivered: false,
            head_len: 0,
            head: [0; MAX_HEADER],
            kind: None,
            compressed: false,
            empty_fragments: 0,
            max_empty_fragments: tuning.max_empty_fragments,
            max_message: tuning.max_message as u64,
            refused: None,
            frame: None,
            utf8: Utf8::default(),
            message: Assembly::default(),
            progress: None,
            control: Vec::new(),
            inflation: None,
        }
    }

    /// From now on messages may be compressed, on these terms (RFC 7692).
    pub fn enable_deflate(&mut self, agreed: &Agreed, tuning: &Tuning, traffic: Arc<Traffic>) {
        let inflation = Inflation::new(agreed.peer, tuning.deflate.mode, traffic);
        self.inflation = Some(Box::new(inflation));
    }

    /// From now on messages come in chunks: [`Event::Chunk`] takes the place of [`Event::Message`].
    pub fn enable_chunks(&mut self) {
        self.progress = Some(Progress::default());
    }

    /// How long the message is that was over the limit, or how long at least if it comes in parts;
    /// `None` for a compressed one, whose length nobody has said.
    pub fn refused(&self) -> Option<u64> {
        self.refused
    }

    /// One event from the front of `input`, and how many bytes were used up to its end.
    ///
    /// `None` means that all of `input` was used: what is cut is kept inside. Otherwise call again
    /// with the rest.
    ///
    /// # Errors
    ///
    /// The peer broke the protocol or a limit: call [`stop`](Self::stop), no event follows.
    pub fn next<'a>(
        &'a mut self,
        input: &'a mut [u8],
    ) -> Result<(usize, Option<Event<'a>>), Violation> {
        self.forget_delivered();
        if let Some((opcode, range)) = self.whole_frame(input)? {
            let used = range.end;
            let payload = input.get(range).unwrap_or_default();
            let found = event(opcode, payload)?;
            let found = if self.progress.is_some() { found.in_one_chunk() } else { found };
            return Ok((used, Some(found)));
        }
        let mut at = 0;
        let (opcode, place) = loop {
            if self.stopped {
                return Ok((input.len(), None));
            }
            let found = if self.frame.is_some() {
                let rest = input.get_mut(at..).unwrap_or_default();
                let (used, found) = self.continue_frame(rest)?;
                at += used;
                found
            } else {
                let Some((header, size)) = self.header(input.get(at..).unwrap_or_default())? else {
                    return Ok((input.len(), None));
                };
                at += size;
                self.admit(&header)?;
                let rest = input.get_mut(at..).unwrap_or_default();
                let (used, found) = self.begin_frame(&header, rest)?;
                at += used;
                found
            };
            match found {
                Some(found) => break found,
                None if at >= input.len() && self.frame.is_some() => {
                    return Ok((at, self.cut_chunk()));
                }
                None => {}
            }
        };
        Ok((at, Some(self.kept_event(opcode, place)?)))
    }

    /// The hot path: a frame that needs nothing from what came before it and lies whole at the
    /// front of `input` is unmasked there. Yields where its payload is.
    #[inline]
    fn whole_frame(&self, input: &mut [u8]) -> Result<Option<(Opcode, Range<usize>)>, Violation> {
        if self.is_mid_message() || self.stopped {
            return Ok(None);
        }
        let Some((header, size)) = Header::parse(input, self.role)? else { return Ok(None) };
        if !header.fin || header.compressed || header.opcode == Opcode::Continuation {
            return Ok(None);
        }
        if header.len > self.max_message && !header.opcode.is_control() {
            return Ok(None);
        }
        let len = usize::try_from(header.len).ok();
        let Some(range) = len.and_then(|len| Some(size..size.checked_add(len)?)) else {
            return Ok(None);
        };
        let Some(payload) = input.get_mut(range.clone()) else { return Ok(None) };
        if let Some(key) = header.mask {
            frame::mask(payload, key, 0);
        }
        if header.opcode == Opcode::Text && simdutf8::basic::from_utf8(payload).is_err() {
            return Err(Violation::InvalidUtf8);
        }
        Ok(Some((header.opcode, range)))
    }

    /// Where the next bytes of a long payload belong, at most `step` of them; `None` if there is no
    /// payload under way of which at least 16 KiB are missing. Call [`filled`](Self::filled) with
    /// what was put there before anything else.
    pub fn space(&mut self, step: usize) -> Option<&mut [u8]> {
        self.forget_delivered();
        let frame = self.frame.as_ref()?;
        if self.stopped || self.compressed || frame.left < LONG || frame.opcode.is_control() {
            return None;
        }
        let count = usize::try_from(frame.left).unwrap_or(usize::MAX).min(step);
        self.message.space(count).ok()
    }

    /// `count` bytes were put into [`space`](Self::space).
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn filled(&mut self, count: usize) -> Result<Option<Event<'_>>, Violation> {
        let start = self.message.len();
        self.message.advance(count);
        match self.payload_arrived(start)? {
            Some((opcode, place)) => self.kept_event(opcode, place).map(Some),
            None => Ok(self.cut_chunk()),
        }
    }

    /// The memory of the message that was the last event, unless that lay in the caller's buffer.
    pub fn take_delivered(&mut self) -> Vec<u8> {
        let whole = self.delivered && self.progress.is_none();
        if whole { self.message.take() } else { Vec::new() }
    }

    /// From now on everything is discarded: after a Close frame or a failure.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.head_len = 0;
        self.kind = None;
        self.frame = None;
        self.message = Assembly::default();
        self.control = Vec::new();
        self.inflation = None;
    }

    /// Whether a message or a frame is under way.
    pub fn is_mid_message(&self) -> bool {
        self.head_len > 0 || self.frame.is_some() || self.kind.is_some()
    }

    /// Lends a buffer that is warm already for what arrives in this batch. Returns it if there is
    /// no use for it.
    pub fn lend(&mut self, buffer: Vec<u8>) -> Vec<u8> {
        self.message.lend(buffer)
    }

    /// Gives back memory at the end of a batch, so that an idle receiver owns none.
    pub fn reclaim(&mut self) -> Vec<u8> {
        self.forget_delivered();
        if self.frame.is_none() {
            self.control = Vec::new();
        }
        self.message.reclaim()
    }

    /// Lends a decompressor for what arrives in this batch, if there is a use for it.
    pub fn lend_inflater(&mut self, spare: &mut SpareInflater) {
        if let Some(inflation) = &mut self.inflation {
            inflation.lend(spare);
        }
    }

    /// Gives back a decompressor that is not needed before the next message.
    pub fn reclaim_inflater(&mut self, spare: &mut SpareInflater) {
        if let Some(inflation) = &mut self.inflation {
            inflation.reclaim(spare);
        }
    }

    fn forget_delivered(&mut self) {
        if !std::mem::take(&mut self.delivered) {
            return;
        }
        match &mut self.progress {
            None => self.message.clear(),
            Some(progress) if progress.ended => {
                *progress = Progress::default();
                self.message.clear();
            }
            // What is inflated may have to be looked at again until its message ends.
            Some(_) if self.compressed => {}
            Some(progress) => {
                progress.gone += progress.told as u64;
                progress.told = 0;
                self.message.clear();
            }
        }
    }

    /// The next header; keeps what is there of a cut one. The size counts bytes of `input`.
    fn header(&mut self, input: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
        if self.head_len == 0 {
            if let Some(found) = Header::parse(input, self.role)? {
                return Ok(Some(found));
            }
        }
        let kept = usize::from(self.head_len);
        let mut used = 0;
        for (place, byte) in self.head.iter_mut().skip(kept).zip(input) {
            *place = *byte;
            used += 1;
        }
        let head = self.head.get(..kept + used).unwrap_or_default();
        let found = Header::parse(head, self.role)?;
        self.head_len = match found {
            Some(_) => 0,
            None => u8::try_from(kept + used).unwrap_or(0),
        };
        Ok(found.map(|(header, size)| (header, size - kept)))
    }

    /// What a header must not say at this place.
    fn admit(&mut self, header: &Header) -> Result<(), Violation> {
        if header.compressed && (self.inflation.is_none() || header.opcode == Opcode::Continuation)
        {
            return Err(Violation::ReservedBit);
        }
        if header.opcode.is_control() {
            return Ok(());
        }
        match (header.opcode, self.kind) {
            (Opcode::Continuation, None) => return Err(Violation::UnexpectedContinuation),
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::InterleavedMessage),
            _ => {}
        }
        // What is compressed has its limit where it is inflated.
        if !header.compressed && !self.compressed {
            let gone = self.progress.map_or(0, |progress| progress.gone);
            let total = header.len.checked_add(self.message.len() as u64 + gone);
            if total.is_none_or(|total| total > self.max_message) {
                self.refused = total;
                return Err(Violation::MessageTooBig);
            }
        }
        if header.len == 0 && !header.fin {
            self.empty_fragments += 1;
            if self.empty_fragments > self.max_empty_fragments {
                return Err(Violation::TooManyEmptyFragments);
            }
        }
        Ok(())
    }

    /// A header was read; `rest` is what follows it.
    fn begin_frame(
        &mut self,
        header: &Header,
        rest: &mut [u8],
    ) -> Result<(usize, Option<(Opcode, At)>), Violation> {
        let Header { fin, opcode, mask, len, compressed } = *header;
        if let (true, Some(inflation)) = (compressed, &mut self.inflation) {
            inflation.begin()?;
            self.compressed = true;
        }
        match opcode {
            Opcode::Text => self.kind = Some(MessageKind::Text),
            Opcode::Binary => self.kind = Some(MessageKind::Binary),
            Opcode::Continuation => {}
            Opcode::Close | Opcode::Ping | Opcode::Pong => self.control.clear(),
        }
        self.frame = Some(Frame { fin, opcode, mask, seen: 0, left: len });
        self.continue_frame(rest)
    }

    /// Takes what is here of the payload under way.
    fn continue_frame(
        &mut self,
        rest: &mut [u8],
    ) -> Result<(usize, Option<(Opcode, At)>), Violation> {
        let Some(frame) = &mut self.frame else { return Ok((0, None)) };
        let count = usize::try_from(frame.left).map_or(rest.len(), |left| left.min(rest.len()));
        let payload = rest.get_mut(..count).unwrap_or_default();
        if frame.opcode.is_control() {
            let start = self.control.len();
            self.control.extend_from_slice(payload);
            let whole = frame.arrived(self.control.get_mut(start..).unwrap_or_default());
            let found = whole.then_some((frame.opcode, At::Control));
            if whole {
                self.frame = None;
            }
            return Ok((count, found));
        }
        let start = self.message.len();
        if self.compressed {
            return Ok((count, self.compressed_arrived(payload)?));
        }
        self.message.append(payload)?;
        Ok((count, self.payload_arrived(start)?))
    }

    /// Bytes of the message from `start` on are new: unmask them, check them, see what is whole.
    fn payload_arrived(&mut self, start: usize) -> Result<Option<(Opcode, At)>, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let whole = frame.arrived(self.message.tail_mut(start));
        let fin = frame.fin;
        self.data_arrived(start, whole, fin)
    }

    /// The next compressed bytes of the message: unmask and inflate them.
    fn compressed_arrived(
        &mut self,
        payload: &mut [u8],
    ) -> Result<Option<(Opcode, At)>, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let Some(inflation) = &mut self.inflation else { return Err(Violation::ReservedBit) };
        let whole = frame.arrived(payload);
        let fin = frame.fin;
        let start = self.message.len();
        inflation.push(payload, &mut self.message, self.max_message)?;
        if whole && fin {
            inflation.finish(&self.message)?;
            self.compressed = false;
        }
        self.data_arrived(start, whole, fin)
    }

    /// Bytes of the message from `start` on are new and plain: check them, see what is whole.
    fn data_arrived(
        &mut self,
        start: usize,
        whole: bool,
        fin: bool,
    ) -> Result<Option<(Opcode, At)>, Violation> {
        let text = self.kind == Some(MessageKind::Text);
        if text {
            self.utf8.push(self.message.tail_mut(start))?;
        }
        if !whole {
            return Ok(None);
        }
        self.frame = None;
        if !fin {
            return Ok(self.has_untold().then_some((Opcode::Continuation, At::Chunk)));
        }
        if text && !self.utf8.is_complete() {
            return Err(Violation::InvalidUtf8);
        }
        self.empty_fragments = 0;
        let kind = self.kind.take();
        let Some(progress) = &mut self.progress else {
            return Ok(kind.map(|kind| (kind.opcode(), At::Message)));
        };
        progress.ended = true;
        Ok(kind.map(|kind| (kind.opcode(), At::Chunk)))
    }

    fn kept_event(&mut self, opcode: Opcode, place: At) -> Result<Event<'_>, Violation> {
        match place {
            At::Message => {
                self.delivered = true;
                let found = event(opcode, self.message.bytes())?;
                Ok(found.with_memory(self.message.capacity()))
            }
            At::Chunk => {
                let kind = match opcode {
                    Opcode::Text => MessageKind::Text,
                    Opcode::Binary => MessageKind::Binary,
                    _ => self.kind.unwrap_or(MessageKind::Binary),
                };
                Ok(self.chunk(kind))
            }
            At::Control => event(opcode, &self.control),
        }
    }
}

impl Frame {
    /// Unmasks the next bytes of the payload. True when it is whole.
    fn arrived(&mut self, bytes: &mut [u8]) -> bool {
        if let Some(key) = self.mask {
            // Only the phase counts, so the upper bits may go.
            frame::mask(bytes, key, (self.seen % 4) as usize);
        }
        self.seen += bytes.len() as u64;
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.left == 0
    }
}

#[cfg(test)]
mod cut_tests;
#[cfg(test)]
mod tests;
