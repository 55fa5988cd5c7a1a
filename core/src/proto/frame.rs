//! Frame headers: RFC 6455 section 5.2, as bytes and back.
//!
//! A header is between 2 and 14 bytes. [`Header::parse`] looks at the front of the received bytes
//! and either yields a header or asks for more; it never keeps state, so the same bytes always
//! give the same answer. Rules that need memory (fragment order, size of a whole message) live in
//! `receiver`, not here.

use super::violation::Violation;

/// Longest header: 2 bytes, 8 of length, 4 of mask.
pub const MAX_HEADER: usize = 14;
/// Longest payload of a control frame (5.5).
pub const MAX_CONTROL: usize = 125;

/// Which end of the connection we are. It decides who masks, which half of the opening handshake
/// runs and who ends the TCP stream first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sends masked frames, receives unmasked ones.
    Client,
    /// Sends unmasked frames, receives masked ones.
    Server,
}

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// Goes on with the message begun by an earlier data frame.
    Continuation = 0x0,
    /// UTF-8 text.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// Starts or ends the closing handshake.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or is a one-way heartbeat.
    Pong = 0xa,
}

impl Opcode {
    fn from_bits(bits: u8) -> Result<Self, Violation> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return Err(Violation::UnknownOpcode(bits)),
        })
    }

    /// Close, ping and pong (5.5).
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a message is: text or bytes (5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Binary,
}

impl MessageKind {
    /// The opcode of the message's first frame.
    pub fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The part of a frame before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub fin: bool,
    /// RSV1: the message is compressed (RFC 7692).
    pub compressed: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// Present exactly on frames from a client.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload in bytes.
    pub len: u64,
}

impl Header {
    /// Reads the header at the front of `input` and the number of bytes it takes.
    ///
    /// `Ok(None)` asks for more bytes. `ours` is our own role: the peer has the other one.
    ///
    /// # Errors
    ///
    /// Everything that a header alone can do wrong, as soon as its bytes are here.
    #[inline]
    pub fn parse(input: &[u8], ours: Role) -> Result<Option<(Self, usize)>, Violation> {
        let [first, second, rest @ ..] = input else {
            return Ok(None);
        };
        if first & 0x30 != 0 {
            return Err(Violation::ReservedBit);
        }
        let opcode = Opcode::from_bits(first & 0x0f)?;
        let (fin, compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        let masked = second & 0x80 != 0;
        if masked != (ours == Role::Server) {
            return Err(Violation::Masking);
        }
        let short = second & 0x7f;
        if opcode.is_control() {
            control(fin, compressed, short)?;
        }
        let Some((len, used)) = length(short, rest)? else { return Ok(None) };
        let mut header = Self { fin, compressed, opcode, mask: None, len };
        if !masked {
            return Ok(Some((header, used)));
        }
        header.mask = input.get(used..).and_then(|rest| rest.first_chunk()).copied();
        Ok(header.mask.map(|_| (header, used + 4)))
    }

    /// Appends the header to `out`, with the length in as few bytes as it needs (5.2).
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "each length fits the arm it is in")]
    pub fn write(&self, out: &mut Vec<u8>) {
        let first = u8::from(self.fin) << 7 | u8::from(self.compressed) << 6 | self.opcode as u8;
        let mask_bit = u8::from(self.mask.is_some()) << 7;
        match self.len {
            len @ 0..=125 => out.extend_from_slice(&[first, mask_bit | len as u8]),
            len @ 126..=0xffff => {
                let [a, b] = (len as u16).to_be_bytes();
                out.extend_from_slice(&[first, mask_bit | 126, a, b]);
            }
            len => {
                out.extend_from_slice(&[first, mask_bit | 127]);
                out.extend_from_slice(&len.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }
}

fn control(fin: bool, compressed: bool, short: u8) -> Result<(), Violation> {
    if compressed {
        return Err(Violation::ReservedBit);
    }
    if !fin {
        return Err(Violation::FragmentedControl);
    }
    if usize::from(short) > MAX_CONTROL {
        return Err(Violation::ControlTooLong);
    }
    Ok(())
}

/// The payload length and the size of the header up to it.
fn length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (len, used, least) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 4, 126),
            None => return Ok(None),
        },
        127 => {
            if rest.first().is_some_and(|first| first & 0x80 != 0) {
                return Err(Violation::LengthOverflow);
            }
            match rest.first_chunk() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 10, 0x1_0000),
                None => return Ok(None),
            }
        }
        short => (u64::from(short), 2, 0),
    };
    if len < least { Err(Violation::NonMinimalLength) } else { Ok(Some((len, used))) }
}

/// XORs `payload` with `key`, starting at byte `phase` of the key (5.3). Doing it twice undoes it.
///
/// The compiler turns the words into vector instructions: faster than any socket by ten times.
pub fn mask(payload: &mut [u8], mut key: [u8; 4], phase: usize) {
    key.rotate_left(phase % 4);
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        if let Ok(word) = <&mut [u8; 8]>::try_from(word) {
            *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
        }
    }
    for (byte, key) in words.into_remainder().iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests;
