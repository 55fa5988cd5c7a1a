//! Compressed messages to plain ones, piece by piece and within a limit.

use std::fmt;
use std::sync::Arc;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::window::Window;
use super::{Direction, Keep, Traffic};
use crate::config::DeflateMode;
use crate::proto::assembly::Assembly;
use crate::proto::violation::Violation;

/// A call of the decompressor makes at most this many bytes, and so many may lie behind the limit.
const LARGEST_STEP: usize = 64 << 10;
/// The least room for output that a call gets. Most messages fit, and the fast path of the
/// decompressor wants some hundred bytes more than it fills.
const SMALLEST_STEP: usize = 8 << 10;
/// Final blocks that a message may have, and one more for each 64 bytes of it: each costs a window.
const FINAL_BLOCKS: usize = 16;
/// What ends a message, an empty stored block behind it, and the first byte of another one: see
/// [`Inflation::ends_at_boundary`].
const PROBE: [u8; 10] = [0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff, 0x00];

/// A decompressor for all connections that have none of their own.
#[derive(Default)]
pub struct SpareInflater(Option<Box<Inflate>>);

/// The decompressing half of a connection.
pub(in crate::proto) struct Inflation {
    keep: Keep,
    /// How many bytes the peer may refer back.
    window: usize,
    /// Its own for life with [`Keep::Context`], otherwise from the first byte of a message to the
    /// last; between two messages of one dispatch it may be a lent one.
    inflater: Option<Box<Inflate>>,
    in_message: bool,
    /// A final block ended, and nothing followed yet.
    ended: bool,
    /// Final blocks of the message.
    final_blocks: usize,
    /// Compressed bytes of the message that were used. Counted like this, and not as they come, it
    /// makes no difference where the message is cut.
    compressed: usize,
    traffic: Arc<Traffic>,
}

impl Inflation {
    /// For what the peer sends on these terms.
    pub(in crate::proto) fn new(peer: Direction, mode: DeflateMode, traffic: Arc<Traffic>) -> Self {
        Self {
            keep: Keep::new(peer, mode),
            window: 1 << peer.window_bits.min(15),
            inflater: None,
            in_message: false,
            ended: false,
            final_blocks: 0,
            compressed: 0,
            traffic,
        }
    }

    /// Takes the loop's decompressor, if it has a use for it.
    pub(in crate::proto) fn lend(&mut self, spare: &mut SpareInflater) {
        if self.inflater.is_none() && !matches!(self.keep, Keep::Context) {
            self.inflater = spare.0.take();
        }
    }

    /// Gives back what it does not need before the next message.
    pub(in crate::proto) fn reclaim(&mut self, spare: &mut SpareInflater) {
        if !self.in_message && !matches!(self.keep, Keep::Context) {
            if let Some(inflater) = self.inflater.take() {
                spare.0.get_or_insert(inflater);
            }
        }
    }

    /// A compressed message begins.
    pub(in crate::proto) fn begin(&mut self) -> Result<(), Violation> {
        self.in_message = true;
        (self.ended, self.final_blocks, self.compressed) = (false, 0, 0);
        let inflater = match &mut self.inflater {
            Some(_) if matches!(self.keep, Keep::Context) => return Ok(()),
            Some(inflater) => {
                inflater.reset(false);
                inflater
            }
            // Always with the largest window: a smaller one would save nothing.
            none => none.insert(Box::new(Inflate::new(false, 15))),
        };
        match &self.keep {
            Keep::Window(window) => prime(inflater, window.bytes()),
            Keep::Nothing | Keep::Context => Ok(()),
        }
    }

    /// Appends to `out` what the next bytes of the message inflate to.
    ///
    /// # Errors
    ///
    /// [`Violation::MessageTooBig`] as soon as `out` is over `limit`: it never holds more than the
    /// limit and 64 KiB. [`Violation::Deflate`] for what is no compressed data.
    pub(in crate::proto) fn push(
        &mut self,
        mut input: &[u8],
        out: &mut Assembly,
        limit: u64,
    ) -> Result<(), Violation> {
        if input.is_empty() {
            return Ok(());
        }
        let mut room = input.len().saturating_mul(8);
        loop {
            if self.ended {
                if input.is_empty() {
                    return Ok(());
                }
                self.restart(out)?;
            }
            let (used, full) = self.step(input, room, out, limit)?;
            self.compressed += used;
            input = input.get(used..).unwrap_or_default();
            if !full && !self.ended {
                if input.is_empty() {
                    return Ok(());
                }
                if used == 0 {
                    // Cannot be with room and input; whatever it is must not spin.
                    return Err(Violation::Deflate);
                }
            }
            room = room.saturating_mul(2);
        }
    }

    /// The last byte of the message was pushed.
    ///
    /// # Errors
    ///
    /// [`Violation::Deflate`] if the message ends within a block, so that the next one could be
    /// taken for its rest.
    pub(in crate::proto) fn finish(&mut self, out: &Assembly) -> Result<(), Violation> {
        self.in_message = false;
        // Behind a final block, and without any byte at all, there is nothing to be ended.
        if self.compressed > 0 && !self.ended && !self.ends_at_boundary() {
            return Err(Violation::Deflate);
        }
        if self.ended && matches!(self.keep, Keep::Context) {
            self.restart(out)?;
        }
        self.traffic.received(out.len(), self.compressed);
        if let Keep::Window(window) = &mut self.keep {
            window.push(out.bytes());
        }
        Ok(())
    }

    /// One call of the decompressor. Yields how much of `input` it used, and whether the output
    /// filled all of its room, so that there may be more.
    fn step(
        &mut self,
        input: &[u8],
        room: usize,
        out: &mut Assembly,
        limit: u64,
    ) -> Result<(usize, bool), Violation> {
        let inflater = self.inflater.as_mut().ok_or(Violation::Deflate)?;
        let left = limit.saturating_sub(out.len() as u64).saturating_add(1);
        let room = room.clamp(SMALLEST_STEP, LARGEST_STEP);
        let room = usize::try_from(left).map_or(room, |left| room.min(left));
        let most = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
        let space = out.space_within(room, most)?;
        let (used, made, status) = inflate(inflater, input, space, InflateFlush::NoFlush);
        out.advance(made);
        // Also if the data breaks off behind it: it would not where the message is cut otherwise.
        if out.len() as u64 > limit {
            return Err(Violation::MessageTooBig);
        }
        self.ended = status? == Status::StreamEnd;
        Ok((used, made == room))
    }

    /// Goes on behind a final block (RFC 7692 section 7.2.3.4): with a new stream of blocks, which
    /// may refer back to what came before it.
    ///
    /// With [`Keep::Context`] that is the message at hand: what was before it went with the old
    /// stream. Compressors that end their stream begin anew, too.
    fn restart(&mut self, out: &Assembly) -> Result<(), Violation> {
        self.final_blocks += 1;
        if self.final_blocks > FINAL_BLOCKS + self.compressed / 64 {
            return Err(Violation::Deflate);
        }
        self.ended = false;
        let inflater = self.inflater.as_mut().ok_or(Violation::Deflate)?;
        inflater.reset(false);
        match &self.keep {
            Keep::Window(window) => {
                let mut all = Window::of(self.window);
                all.push(window.bytes());
                all.push(out.bytes());
                prime(inflater, all.bytes())
            }
            Keep::Nothing | Keep::Context => {
                let start = out.len().saturating_sub(self.window);
                prime(inflater, out.bytes().get(start..).unwrap_or_default())
            }
        }
    }

    /// Feeds the four bytes that the sender left out (RFC 7692 section 7.2.2), and tells whether
    /// they ended a block and left no bit behind.
    ///
    /// `Block` makes the decompressor stop at the end of each block, which the input must not
    /// coincide with: hence the further block, at whose first bits a left-over one would show, and
    /// the byte behind it.
    fn ends_at_boundary(&mut self) -> bool {
        let Some(inflater) = &mut self.inflater else { return false };
        let mut probe = &PROBE[..];
        [4, 5].into_iter().all(|block| {
            let (used, made, status) = inflate(inflater, probe, &mut [0], InflateFlush::Block);
            probe = probe.get(block..).unwrap_or_default();
            let goes_on = status.is_ok_and(|status| status != Status::StreamEnd);
            (used, made, goes_on) == (block, 0, true)
        })
    }
}

/// How many bytes were read and written, and what the decompressor says.
fn inflate(
    inflater: &mut Inflate,
    input: &[u8],
    out: &mut [u8],
    flush: InflateFlush,
) -> (usize, usize, Result<Status, Violation>) {
    let (read, written) = (inflater.total_in(), inflater.total_out());
    let status = inflater.decompress(input, out, flush).map_err(|_| Violation::Deflate);
    let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(0);
    let used = count(inflater.total_in(), read);
    (used, count(inflater.total_out(), written), status)
}

fn prime(inflater: &mut Inflate, window: &[u8]) -> Result<(), Violation> {
    if window.is_empty() {
        return Ok(());
    }
    inflater.set_dictionary(window).map(|_| ()).map_err(|_| Violation::Deflate)
}

impl fmt::Debug for Inflation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflation")
            .field("keep", &self.keep)
            .field("in_message", &self.in_message)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SpareInflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpareInflater").field(&self.0.is_some()).finish()
    }
}
