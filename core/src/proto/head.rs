//! HTTP/1.1 heads: the bytes up to the blank line, and the header fields in them (RFC 9112).
//!
//! [`HeadReader`] finds the end of a head in a stream that is cut anywhere, within limits, and
//! refuses what HTTP parsers disagree about (bare CR or LF, folded lines, control characters)
//! before anything is interpreted. Only a complete head is parsed, once. Which fields a handshake
//! needs is not known here: see `handshake`.

use std::error::Error;
use std::fmt;

use crate::config::Tuning;

/// Header fields in the order they came, names with the case they had.
///
/// All text is in one allocation. A value that is not UTF-8 has U+FFFD where it is not.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Name, value, name, value... without separators.
    text: String,
    fields: Vec<Field>,
}

/// Where the name and the value of one field end in the text. It starts where the last one ended.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Field {
    name_end: usize,
    value_end: usize,
}

impl Headers {
    fn new(parsed: &[httparse::Header<'_>]) -> Self {
        let size = parsed.iter().map(|field| field.name.len() + field.value.len()).sum();
        let mut headers =
            Self { text: String::with_capacity(size), fields: Vec::with_capacity(parsed.len()) };
        for field in parsed {
            headers.text.push_str(field.name);
            let name_end = headers.text.len();
            headers.text.push_str(&String::from_utf8_lossy(field.value));
            headers.fields.push(Field { name_end, value_end: headers.text.len() });
        }
        headers
    }

    /// The value of the first field called `name`, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.get_all(name).next()
    }

    /// The values of all fields called `name`, in any case, in order.
    pub fn get_all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut start = 0;
        self.fields.iter().map(move |field| {
            let name = self.text.get(start..field.name_end).unwrap_or_default();
            let value = self.text.get(field.name_end..field.value_end).unwrap_or_default();
            start = field.value_end;
            (name, value)
        })
    }

    /// The number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is no field.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Gathers one head after the other, up to and including the blank line.
///
/// Every byte is looked at once; a head that comes in one piece is not copied. A reader between
/// two heads owns no buffer unless the last one came in pieces.
#[derive(Debug)]
pub struct HeadReader {
    scan: Scan,
    /// What has come of an incomplete head.
    kept: Vec<u8>,
    max_head: usize,
    max_fields: usize,
}

impl HeadReader {
    /// A reader with the limits `max_head` and `max_fields` of `tuning`.
    #[must_use]
    pub fn new(tuning: &Tuning) -> Self {
        Self {
            scan: Scan::default(),
            kept: Vec::new(),
            max_head: tuning.max_head,
            max_fields: tuning.max_fields,
        }
    }

    /// Takes what belongs to the head from the front of `input`: how many bytes that were, and the
    /// head once it is complete. The next call begins another head.
    ///
    /// # Errors
    ///
    /// The first rule that the bytes break, wherever they were cut. The reader must not be used
    /// after that.
    pub fn advance<'a>(
        &'a mut self,
        input: &'a [u8],
    ) -> Result<(usize, Option<Head<'a>>), HeadError> {
        if self.scan.position == Position::End {
            self.scan = Scan::default();
            self.kept.clear();
        }
        let used = self.scan.run(input, self.max_head, self.max_fields)?;
        let part = input.get(..used).unwrap_or_default();
        let fields = self.scan.lines.saturating_sub(1);
        match (self.scan.position, self.kept.is_empty()) {
            (Position::End, true) => Ok((used, Some(Head { bytes: part, fields }))),
            (Position::End, false) => {
                self.kept.extend_from_slice(part);
                Ok((used, Some(Head { bytes: &self.kept, fields })))
            }
            _ => {
                self.kept.extend_from_slice(part);
                Ok((used, None))
            }
        }
    }

    /// Whether no byte of the next head has come.
    #[must_use]
    pub fn is_at_start(&self) -> bool {
        self.scan.seen == 0 || self.scan.position == Position::End
    }
}

/// A complete head that kept the rules of [`HeadReader`] but is not parsed yet.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    fields: usize,
}

/// The first line and the fields of a request.
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    /// HTTP/1.0 rather than HTTP/1.1.
    pub(crate) is_old: bool,
    pub(crate) headers: Headers,
}

/// The first line and the fields of a response.
pub(crate) struct ResponseHead<'a> {
    pub(crate) status: u16,
    pub(crate) reason: &'a str,
    /// HTTP/1.0 rather than HTTP/1.1.
    pub(crate) is_old: bool,
    pub(crate) headers: Headers,
}

impl<'a> Head<'a> {
    /// Every byte of the head, with the blank line.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads the head as a request (RFC 9112 section 3).
    pub(crate) fn request(&self) -> Result<RequestHead<'a>, HeadError> {
        let mut fields = vec![httparse::EMPTY_HEADER; self.fields];
        let mut request = httparse::Request::new(&mut fields);
        let parsed = request.parse(self.bytes).map_err(|error| self.explain(error))?;
        let (httparse::Status::Complete(_), Some(method), Some(target), Some(minor)) =
            (parsed, request.method, request.path, request.version)
        else {
            return Err(Malformed::FirstLine.into());
        };
        let headers = Headers::new(request.headers);
        Ok(RequestHead { method, target, is_old: minor == 0, headers })
    }

    /// Reads the head as a response (RFC 9112 section 4).
    pub(crate) fn response(&self) -> Result<ResponseHead<'a>, HeadError> {
        let mut fields = vec![httparse::EMPTY_HEADER; self.fields];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(self.bytes).map_err(|error| self.explain(error))?;
        let (httparse::Status::Complete(_), Some(status), Some(minor)) =
            (parsed, response.code, response.version)
        else {
            return Err(Malformed::FirstLine.into());
        };
        let reason = response.reason.unwrap_or_default();
        let headers = Headers::new(response.headers);
        Ok(ResponseHead { status, reason, is_old: minor == 0, headers })
    }

    fn explain(&self, error: httparse::Error) -> HeadError {
        match error {
            httparse::Error::HeaderName => Malformed::FieldName.into(),
            httparse::Error::HeaderValue => Malformed::FieldValue.into(),
            httparse::Error::TooManyHeaders => HeadError::TooManyFields,
            httparse::Error::Version if self.names_a_version() => HeadError::Version,
            _ => Malformed::FirstLine.into(),
        }
    }

    /// Whether the first line is right but for a version of HTTP that is not ours: at its end in
    /// a request, at its front in a response.
    fn names_a_version(&self) -> bool {
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        words.next().is_some_and(is_version)
            || words.nth(1).is_some_and(is_version) && words.next().is_none()
    }
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

/// How far the search for the blank line has come.
#[derive(Debug, Default)]
struct Scan {
    position: Position,
    /// Complete lines, without the blank one.
    lines: usize,
    /// Bytes looked at, which is also the length of the head so far.
    seen: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Position {
    #[default]
    LineStart,
    Inside,
    AfterReturn {
        empty: bool,
    },
    End,
}

impl Scan {
    /// Looks at the bytes of `input` up to the end of the head, and says how many they were.
    fn run(
        &mut self,
        input: &[u8],
        max_head: usize,
        max_fields: usize,
    ) -> Result<usize, HeadError> {
        for (used, byte) in (1..).zip(input) {
            self.position = self.step(*byte)?;
            self.seen += 1;
            if self.position == Position::End {
                return Ok(used);
            }
            if self.lines > max_fields.saturating_add(1) {
                return Err(HeadError::TooManyFields);
            }
            if self.seen >= max_head {
                let first = self.lines == 0;
                return Err(if first { HeadError::FirstLineTooLong } else { HeadError::TooLarge });
            }
        }
        Ok(input.len())
    }

    fn step(&mut self, byte: u8) -> Result<Position, Malformed> {
        match (self.position, byte) {
            (Position::AfterReturn { empty: true }, b'\n') if self.lines == 0 => {
                Err(Malformed::FirstLine)
            }
            (Position::AfterReturn { empty: true }, b'\n') => Ok(Position::End),
            (Position::AfterReturn { empty: false }, b'\n') => {
                self.lines += 1;
                Ok(Position::LineStart)
            }
            (Position::AfterReturn { .. }, _) => Err(Malformed::BareReturn),
            (position, b'\r') => {
                Ok(Position::AfterReturn { empty: position == Position::LineStart })
            }
            (_, b'\n') => Err(Malformed::BareLineFeed),
            (Position::LineStart, b' ' | b'\t') => Err(Malformed::FoldedLine),
            // The first byte of every TLS connection: a handshake record.
            (Position::LineStart, 0x16) if self.lines == 0 => Err(Malformed::Tls),
            (_, byte) if byte.is_ascii_control() && byte != b'\t' => {
                Err(Malformed::ControlCharacter(byte))
            }
            _ => Ok(Position::Inside),
        }
    }
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// The first line alone is over `max_head`.
    FirstLineTooLong,
    /// Not HTTP/1.1 as RFC 9112 writes it.
    Malformed(Malformed),
    /// More bytes than `max_head`.
    TooLarge,
    /// More fields than `max_fields`.
    TooManyFields,
    /// A version of HTTP other than 1.0 and 1.1.
    Version,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstLineTooLong => "the first line of the HTTP head is longer than max_head",
            Self::Malformed(malformed) => return malformed.fmt(f),
            Self::TooLarge => "the HTTP head is larger than max_head",
            Self::TooManyFields => "the HTTP head has more fields than max_fields",
            Self::Version => "the HTTP version is not 1.1",
        })
    }
}

impl Error for HeadError {}

impl From<Malformed> for HeadError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// How a head breaks the syntax of RFC 9112.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Malformed {
    /// A line that ends in LF alone (2.2).
    BareLineFeed,
    /// A CR that no LF follows (2.2).
    BareReturn,
    /// NUL or another control character than HTAB (RFC 9110 section 5.5).
    ControlCharacter(u8),
    /// A field name that is empty, not a token, or followed by white space (5.1).
    FieldName,
    /// A field value with a byte that has no place there (5.5).
    FieldValue,
    /// Neither a request line (3) nor a status line (4).
    FirstLine,
    /// A line that continues the one before, or white space before the first one (5.2).
    FoldedLine,
    /// The peer speaks TLS.
    Tls,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareLineFeed => "a line of the HTTP head ends in LF without CR",
            Self::BareReturn => "the HTTP head has a CR without LF",
            Self::ControlCharacter(byte) => {
                return write!(f, "the HTTP head has the control character 0x{byte:02x}");
            }
            Self::FieldName => "a header name is not a token",
            Self::FieldValue => "a header value has an illegal byte",
            Self::FirstLine => "the first line is not HTTP/1.1",
            Self::FoldedLine => "a line of the HTTP head begins with white space",
            Self::Tls => "the peer speaks TLS, this end does not",
        })
    }
}

impl Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /a?b HTTP/1.1\r\nHost: h\r\nx-Y:  caf\xc3\xa9 \t\r\nX-y:\xff\r\nZ:\r\n\r\n";

    fn reader(max_head: usize, max_fields: usize) -> HeadReader {
        HeadReader::new(&Tuning { max_head, max_fields, ..Tuning::default() })
    }

    #[test]
    fn headers_keep_order_and_case_and_are_found_in_any_case() {
        let mut reader = reader(1000, 10);
        let head = reader.advance(HEAD).unwrap().1.unwrap().request().unwrap();
        assert_eq!((head.method, head.target, head.is_old), ("GET", "/a?b", false));
        let headers = head.headers;
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("Host", "h"), ("x-Y", "café"), ("X-y", "\u{fffd}"), ("Z", "")]);
        assert_eq!(headers.get("HOST"), Some("h"));
        assert_eq!(headers.get_all("X-Y").collect::<Vec<_>>(), ["café", "\u{fffd}"]);
        assert_eq!((headers.get("y"), headers.len(), headers.is_empty()), (None, 4, false));
        assert!(format!("{headers:?}").starts_with(r#"{"Host": "h", "x-Y": "café""#));
    }

    #[test]
    fn a_head_is_the_same_however_it_is_cut() {
        for cut in 0..HEAD.len() {
            let mut reader = reader(HEAD.len(), 4);
            let (used, head) = reader.advance(&HEAD[..cut]).unwrap();
            assert!(used == cut && head.is_none(), "cut at {cut}");
            let rest = [&HEAD[cut..], b"next"].concat();
            let (used, head) = reader.advance(&rest).unwrap();
            assert_eq!(used, HEAD.len() - cut, "cut at {cut}");
            assert_eq!(head.unwrap().bytes(), HEAD, "cut at {cut}");
        }
    }

    #[test]
    fn a_reader_goes_on_to_the_next_head() {
        let mut reader = reader(HEAD.len(), 4);
        for round in 0..3 {
            assert!(reader.is_at_start());
            let (used, _) = reader.advance(&HEAD[..9]).unwrap();
            assert!(used == 9 && !reader.is_at_start());
            let (_, head) = reader.advance(&HEAD[9..]).unwrap();
            assert_eq!(head.unwrap().bytes(), HEAD, "round {round}");
            let (_, head) = reader.advance(HEAD).unwrap();
            assert_eq!(head.unwrap().bytes(), HEAD, "round {round}");
        }
    }

    #[test]
    fn a_head_in_one_piece_is_not_copied() {
        let mut reader = reader(1000, 10);
        let (_, head) = reader.advance(HEAD).unwrap();
        assert_eq!(head.unwrap().bytes().as_ptr(), HEAD.as_ptr());
        assert_eq!(reader.kept.capacity(), 0);
    }

    #[test]
    fn every_byte_is_looked_at_once() {
        let endless = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b' '; 20_000]].concat();
        for step in [1, 7, 16 << 10] {
            let mut reader = reader(16 << 10, 100);
            let mut fed = 0;
            let error = endless.chunks(step).find_map(|piece| {
                fed += piece.len();
                let error = reader.advance(piece).err();
                assert_eq!(reader.scan.seen, fed.min(16 << 10), "step {step}");
                error
            });
            assert_eq!(error, Some(HeadError::TooLarge), "step {step}");
            assert!(fed < (16 << 10) + step && reader.kept.len() <= 16 << 10, "step {step}");
        }
    }

    #[test]
    fn limits_are_exact() {
        assert!(reader(HEAD.len(), 4).advance(HEAD).unwrap().1.is_some());
        assert_eq!(reader(HEAD.len() - 1, 4).advance(HEAD).unwrap_err(), HeadError::TooLarge);
        assert_eq!(reader(HEAD.len(), 3).advance(HEAD).unwrap_err(), HeadError::TooManyFields);
        assert_eq!(reader(18, 4).advance(HEAD).unwrap_err(), HeadError::FirstLineTooLong);
        assert_eq!(reader(19, 4).advance(HEAD).unwrap_err(), HeadError::TooLarge);
    }
}
