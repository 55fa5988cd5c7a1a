//! A server's ordinary HTTP response to our request, kept for the error (RFC 9112 section 6).

use super::field;
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
pub(crate) struct ReplyReader {
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
    pub(crate) fn new(head: ResponseHead<'_>) -> Self {
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
    pub(crate) fn advance(&mut self, input: &[u8]) -> usize {
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
    pub(crate) fn is_complete(&self) -> bool {
        self.reply.body.len() >= MAX_BODY
            || matches!(self.framing, Framing::Length(0) | Framing::Chunked(Chunk::Done))
    }

    pub(crate) fn into_reply(self) -> Box<HttpReply> {
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
        let codings = head.headers.get_all("transfer-encoding").flat_map(field::elements);
        if let Some(coding) = codings.last() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Tuning;
    use crate::proto::head::HeadReader;

    /// What is kept of a response whose bytes come in pieces of `step`, and whether it is complete.
    fn read(response: &[u8], step: usize) -> (Vec<u8>, bool) {
        let mut reader = HeadReader::new(&Tuning::default());
        let (used, head) = reader.advance(response).unwrap();
        let mut body = ReplyReader::new(head.unwrap().response().unwrap());
        for piece in response[used..].chunks(step) {
            let used = body.advance(piece);
            assert!(used == piece.len() || body.is_complete());
        }
        (body.reply.body.clone(), body.is_complete())
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let table: &[(&str, &str, &str, &str, bool)] = &[
            ("length", "404 x", "Content-Length: 5", "helloworld", true),
            ("length zero", "404 x", "Content-Length: 0", "hello", true),
            ("length, cut", "404 x", "Content-Length: 9", "hello", false),
            ("length that is no number", "404 x", "Content-Length: +5", "hello", false),
            (
                "length over 64 bits",
                "404 x",
                "Content-Length: 99999999999999999999",
                "hello",
                false,
            ),
            ("none", "404 x", "X: y", "hello", false),
            ("status without a body", "304 x", "X: y", "hello", true),
            (
                "chunks",
                "404 x",
                "Transfer-Encoding: chunked",
                "3\r\nhel\r\n2;a=b\r\nlo\r\n0\r\n\r\n",
                true,
            ),
            (
                "chunks after a list",
                "404 x",
                "Transfer-Encoding: gzip, Chunked",
                "5\r\nhello\r\n0\r\n",
                true,
            ),
            (
                "chunks beat the length",
                "404 x",
                "Content-Length: 1\r\nTransfer-Encoding: chunked",
                "005\r\nhello\r\n0\r\n",
                true,
            ),
            ("chunks, cut", "404 x", "Transfer-Encoding: chunked", "A\r\nhello", false),
            (
                "chunk without size",
                "404 x",
                "Transfer-Encoding: chunked",
                "5\r\nhello\r\n\r\n",
                true,
            ),
            (
                "chunk with more data than it says",
                "404 x",
                "Transfer-Encoding: chunked",
                "5\r\nhello!!",
                true,
            ),
            ("unknown coding", "404 x", "Transfer-Encoding: gzip", "hello", false),
        ];
        for (name, status, field, bytes, complete) in table {
            let response = format!("HTTP/1.1 {status}\r\n{field}\r\n\r\n{bytes}");
            let expected: &[u8] = match *name {
                "length zero" | "status without a body" => b"",
                _ => b"hello",
            };
            for step in [1, 2, 3, 1000] {
                let (body, is_complete) = read(response.as_bytes(), step);
                assert_eq!(body, expected, "{name} in steps of {step}");
                assert_eq!(is_complete, *complete, "{name} in steps of {step}");
            }
        }
    }

    #[test]
    fn a_body_is_cut_at_64_kib() {
        let data = "x".repeat(MAX_BODY + 1);
        let size = data.len();
        for head in [
            format!("Content-Length: {size}\r\n\r\n"),
            "X: y\r\n\r\n".to_owned(),
            format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n"),
        ] {
            let response = format!("HTTP/1.1 500 x\r\n{head}{data}");
            for step in [1000, 1 << 20] {
                let (body, is_complete) = read(response.as_bytes(), step);
                assert_eq!((body.len(), is_complete), (MAX_BODY, true), "{head:?}");
            }
        }
    }

    #[test]
    fn a_chunk_size_over_64_bits_ends_the_body() {
        let response =
            b"HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n";
        assert_eq!(read(response, 1), (Vec::new(), true));
        let largest =
            b"HTTP/1.1 404 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc";
        assert_eq!(read(largest, 1), (b"abc".to_vec(), false));
    }
}
