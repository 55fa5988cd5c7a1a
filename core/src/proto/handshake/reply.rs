//! A server's ordinary HTTP response to our request, kept for the error (RFC 9112 section 6).

use crate::proto::head::{Headers, ResponseHead};

/// Most bytes of a body that are kept.
const MAX_BODY: usize = 64 << 10;

/// An HTTP response that is not 101.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code, 200 to 999.
    pub status: u16,
    /// The reason phrase, which may be empty.
    pub reason: String,
    /// Its header fields.
    pub headers: Headers,
    /// What came of the body, without chunk framing, cut at 64 KiB.
    pub body: Vec<u8>,
}

/// Gathers the body of a reply.
#[derive(Debug)]
pub(super) struct ReplyReader {
    reply: Box<HttpReply>,
    framing: Framing,
}

/// What ends the body.
#[derive(Debug)]
enum Framing {
    Chunked(Chunk),
    /// So many bytes are missing.
    Length(u64),
    UntilEnd,
}

/// Where in the chunked coding the next byte is (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In the hexadecimal size.
    Size { value: u64, digits: u8 },
    /// After it, in what may be an extension.
    SizeEnd { value: u64 },
    /// In the data, of which so many bytes are missing.
    Data { missing: u64 },
    /// In the line break after the data.
    DataEnd,
    /// After the last chunk, or after one that makes no sense. Trailers are of no use to anybody.
    Done,
}

impl ReplyReader {
    pub(super) fn new(head: ResponseHead<'_>) -> Self {
        let framing = Framing::of(&head);
        let reply = Box::new(HttpReply {
            status: head.status,
            reason: head.reason.to_owned(),
            headers: head.headers,
            body: Vec::new(),
        });
        Self { reply, framing }
    }

    /// Takes what belongs to the body from the front of `input`, and says how much that was.
    pub(super) fn advance(&mut self, input: &[u8]) -> usize {
        let mut used = 0;
        while !self.is_complete() {
            let rest = input.get(used..).unwrap_or_default();
            let Some(first) = rest.first() else { break };
            used += match &mut self.framing {
                Framing::Chunked(Chunk::Data { missing }) | Framing::Length(missing) => {
                    let taken = append(&mut self.reply.body, rest, *missing);
                    *missing -= taken as u64;
                    taken
                }
                Framing::UntilEnd => append(&mut self.reply.body, rest, u64::MAX),
                Framing::Chunked(chunk) => {
                    *chunk = chunk.step(*first);
                    1
                }
            };
            if let Framing::Chunked(chunk @ Chunk::Data { missing: 0 }) = &mut self.framing {
                *chunk = Chunk::DataEnd;
            }
        }
        used
    }

    /// Whether nothing more is wanted.
    pub(super) fn is_complete(&self) -> bool {
        self.reply.body.len() >= MAX_BODY
            || matches!(self.framing, Framing::Length(0) | Framing::Chunked(Chunk::Done))
    }

    pub(super) fn into_reply(self) -> Box<HttpReply> {
        self.reply
    }
}

/// Appends the front of `input`, at most `limit` bytes and within the room there is.
fn append(body: &mut Vec<u8>, input: &[u8], limit: u64) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let room = MAX_BODY.saturating_sub(body.len());
    let taken = input.len().min(limit).min(room);
    body.extend_from_slice(input.get(..taken).unwrap_or_default());
    taken
}

impl Framing {
    /// RFC 9112 section 6.3. A length that makes no sense counts as none.
    fn of(head: &ResponseHead<'_>) -> Self {
        if matches!(head.status, 204 | 304) {
            return Self::Length(0);
        }
        if let Some(coding) = head.headers.get("transfer-encoding") {
            return if coding.eq_ignore_ascii_case("chunked") {
                Self::Chunked(Chunk::Size { value: 0, digits: 0 })
            } else {
                Self::UntilEnd
            };
        }
        head.headers
            .get("content-length")
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .map_or(Self::UntilEnd, Self::Length)
    }
}

impl Chunk {
    /// The state after one byte outside of the data.
    fn step(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { digits: 0, .. }, byte) if !byte.is_ascii_hexdigit() => Self::Done,
            (Self::Size { value, .. } | Self::SizeEnd { value }, b'\n') => match value {
                0 => Self::Done,
                missing => Self::Data { missing },
            },
            (Self::Size { value, digits }, byte) => match char::from(byte).to_digit(16) {
                // A size that does not fit into 64 bits.
                Some(_) if digits == 16 => Self::Done,
                Some(digit) => {
                    Self::Size { value: value << 4 | u64::from(digit), digits: digits + 1 }
                }
                None => Self::SizeEnd { value },
            },
            (Self::DataEnd, b'\n') => Self::Size { value: 0, digits: 0 },
            (Self::DataEnd, b'\r') => Self::DataEnd,
            (Self::DataEnd, _) => Self::Done,
            (other, _) => other,
        }
    }
}
