//! Plain messages to compressed ones.

use std::fmt;
use std::sync::Arc;

use zlib_rs::{Deflate as Compressor, DeflateConfig, DeflateFlush};

use super::{Direction, Keep, Traffic};
use crate::config::Deflate;
use crate::proto::frame::Role;

/// Ends everything that was flushed, and is not sent at the end of a message (RFC 7692 section
/// 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// A message without a byte: the header of the empty stored block that the tail belongs to (RFC
/// 7692 section 7.2.3.6).
const EMPTY: [u8; 1] = [0x00];
/// Compressors that a loop keeps for connections that have none of their own.
const SPARES: usize = 4;
/// A loop keeps its buffer for compressed output up to this size.
const MAX_OUTPUT: usize = 1 << 20;

/// Compressors for all connections that have none of their own, and room for what is compressed.
#[derive(Default)]
pub struct Deflaters {
    spare: Vec<(Settings, Box<Compressor>)>,
    out: Vec<u8>,
}

/// What a compressor is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Settings {
    level: u8,
    memory_level: u8,
    window_bits: u8,
}

/// A message, or a part of one, as it goes into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Deflated<'a> {
    /// Compressed: the first frame says so with RSV1.
    Smaller(&'a [u8]),
    /// Compression makes it larger: send it as it is.
    Larger,
}

/// The compressing half of a connection.
pub(in crate::proto) struct Deflation {
    settings: Settings,
    threshold: usize,
    keep: Keep,
    /// Its own for life with [`Keep::Context`], otherwise held for a message in parts.
    compressor: Option<Box<Compressor>>,
    /// A message in parts is under way and is compressed.
    in_parts: bool,
    traffic: Arc<Traffic>,
}

impl Deflation {
    /// For what we send on these terms.
    pub(in crate::proto) fn new(
        own: Direction,
        deflate: &Deflate,
        role: Role,
        traffic: Arc<Traffic>,
    ) -> Self {
        Self {
            settings: Settings {
                level: deflate.level_for(role).clamp(1, 9),
                memory_level: deflate.memory_level.clamp(1, 9),
                window_bits: own.window_bits.min(15),
            },
            threshold: deflate.threshold,
            keep: Keep::new(own, deflate.mode),
            compressor: None,
            in_parts: false,
            traffic,
        }
    }

    /// Whether a message of `len` bytes is to be compressed; `wish` is the application's.
    pub(in crate::proto) fn wants(&self, len: usize, wish: Option<bool>) -> bool {
        // No compressor keeps to a window of 256 bytes: 9 bits are its least.
        self.settings.window_bits > 8 && wish.unwrap_or(len >= self.threshold)
    }

    /// Whether the message in parts that is under way is compressed.
    pub(in crate::proto) fn is_in_parts(&self) -> bool {
        self.in_parts
    }

    /// Compresses a whole message; if `forced`, also where that makes it larger.
    pub(in crate::proto) fn message<'a>(
        &mut self,
        payload: &[u8],
        forced: bool,
        loops: &'a mut Deflaters,
    ) -> Deflated<'a> {
        if payload.is_empty() {
            self.traffic.sent(0, EMPTY.len());
            return Deflated::Smaller(&EMPTY);
        }
        let mut compressor = self.take(loops);
        let made = flush(&mut compressor, payload, &mut loops.out);
        let owned = matches!(self.keep, Keep::Context);
        self.give_back(compressor, loops);
        let made = loops.out.get(..made).unwrap_or_default();
        let made = made.strip_suffix(&TAIL).unwrap_or(made);
        // A compressor of its own has seen the message, so the peer must see it, too.
        if made.len() >= payload.len() && !owned && !forced {
            return Deflated::Larger;
        }
        if let Keep::Window(window) = &mut self.keep {
            window.push(payload);
        }
        self.traffic.sent(payload.len(), made.len());
        Deflated::Smaller(made)
    }

    /// Compresses a part of a message, the last one if `fin`.
    pub(in crate::proto) fn part<'a>(
        &mut self,
        payload: &[u8],
        fin: bool,
        loops: &'a mut Deflaters,
    ) -> &'a [u8] {
        let mut compressor = self.take(loops);
        let made = match payload {
            [] => 0,
            payload => flush(&mut compressor, payload, &mut loops.out),
        };
        if let Keep::Window(window) = &mut self.keep {
            window.push(payload);
        }
        self.in_parts = !fin;
        if fin {
            self.give_back(compressor, loops);
        } else {
            self.compressor = Some(compressor);
        }
        let made = match loops.out.get(..made).unwrap_or_default() {
            [] if fin => &EMPTY,
            made if fin => made.strip_suffix(&TAIL).unwrap_or(made),
            made => made,
        };
        self.traffic.sent(payload.len(), made.len());
        made
    }

    /// What was compressed last could not be sent: the next message must not refer to it.
    pub(in crate::proto) fn forget(&mut self) {
        self.compressor = None;
        self.in_parts = false;
        if let Keep::Window(window) = &mut self.keep {
            window.clear();
        }
    }

    /// A compressor that is ready for the next message.
    fn take(&mut self, loops: &mut Deflaters) -> Box<Compressor> {
        if let Some(own) = self.compressor.take() {
            return own;
        }
        let fitting = loops.spare.iter().position(|(settings, _)| *settings == self.settings);
        let mut compressor = match fitting.filter(|_| !matches!(self.keep, Keep::Context)) {
            Some(at) => {
                let (_, mut compressor) = loops.spare.swap_remove(at);
                compressor.reset();
                compressor
            }
            None => Box::new(self.settings.compressor()),
        };
        if let Keep::Window(window) = &self.keep {
            if !window.bytes().is_empty() {
                // Fails only amid a stream, and this one has just begun.
                let _ = compressor.set_dictionary(window.bytes());
            }
        }
        compressor
    }

    fn give_back(&mut self, compressor: Box<Compressor>, loops: &mut Deflaters) {
        if matches!(self.keep, Keep::Context) {
            self.compressor = Some(compressor);
            return;
        }
        if loops.spare.len() == SPARES {
            loops.spare.remove(0);
        }
        loops.spare.push((self.settings, compressor));
    }
}

impl Deflaters {
    /// Gives back what a large message needed.
    pub fn shrink(&mut self) {
        if self.out.len() > MAX_OUTPUT {
            self.out = Vec::new();
        }
    }
}

impl Settings {
    fn compressor(self) -> Compressor {
        Compressor::new_with_config(DeflateConfig {
            level: self.level.into(),
            // Negative: without a header and a checksum around it.
            window_bits: -i32::from(self.window_bits),
            mem_level: self.memory_level.into(),
            ..DeflateConfig::default()
        })
    }
}

/// Compresses all of `input` into the front of `out`, which grows, and flushes. Yields the length.
fn flush(compressor: &mut Compressor, input: &[u8], out: &mut Vec<u8>) -> usize {
    let (read, written) = (compressor.total_in(), compressor.total_out());
    let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(0);
    let (mut used, mut made) = (0, 0);
    loop {
        // Once there is room behind the output the flush is complete.
        if out.len() <= made + TAIL.len() {
            let room = (out.len() * 2).max(input.len().min(MAX_OUTPUT / 2)).max(1 << 10);
            out.resize(room, 0);
        }
        let (rest, room) = (input.get(used..), out.get_mut(made..));
        let (rest, room) = (rest.unwrap_or_default(), room.unwrap_or_default());
        let done = compressor.compress(rest, room, DeflateFlush::SyncFlush);
        used = count(compressor.total_in(), read);
        made = count(compressor.total_out(), written);
        if done.is_err() || used == input.len() && made < out.len() {
            return made;
        }
    }
}

impl fmt::Debug for Deflation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflation")
            .field("settings", &self.settings)
            .field("keep", &self.keep)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Deflaters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflaters").field("spare", &self.spare.len()).finish_non_exhaustive()
    }
}
