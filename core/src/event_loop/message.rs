//! A whole message, borrowed.

use std::fmt;
use std::sync::Arc;

use crate::proto::frame::MessageKind;

/// A whole message: text or bytes (RFC 6455 section 5.6).
///
/// Received text is valid UTF-8: an invalid message never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    kind: MessageKind,
    data: &'a [u8],
    compress: Option<bool>,
}

impl<'a> Message<'a> {
    /// A text message.
    pub fn text(text: &'a str) -> Self {
        Self::from_parts(MessageKind::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(data: &'a [u8]) -> Self {
        Self::from_parts(MessageKind::Binary, data)
    }

    /// A message of `kind` with bytes that are known to be valid for it. Text that is not UTF-8
    /// makes the peer fail the connection with 1007.
    pub fn from_parts(kind: MessageKind, data: &'a [u8]) -> Self {
        Self { kind, data, compress: None }
    }

    /// Compresses this message whatever its size and even if that makes it larger, or never, on a
    /// connection that agreed upon permessage-deflate (RFC 7692). Without this, the threshold decides
    /// and what would become larger goes as it is. What is compressed already, such as images, is
    /// better sent with `false`.
    #[must_use]
    pub fn compress(self, compress: bool) -> Self {
        Self { compress: Some(compress), ..self }
    }

    /// [`compress`](Self::compress), if anything was said.
    pub(crate) fn compress_if(self, compress: Option<bool>) -> Self {
        Self { compress, ..self }
    }

    /// What [`compress`](Self::compress) said, if anything.
    pub fn compress_wish(self) -> Option<bool> {
        self.compress
    }

    /// Text or binary.
    pub fn kind(self) -> MessageKind {
        self.kind
    }

    /// The payload.
    pub fn data(self) -> &'a [u8] {
        self.data
    }

    /// The payload as text; `None` for a binary message. Costs a pass over the text.
    pub fn as_str(self) -> Option<&'a str> {
        match self.kind {
            MessageKind::Text => simdutf8::basic::from_utf8(self.data).ok(),
            MessageKind::Binary => None,
        }
    }
}

/// A piece of a message, in the order of arrival; see [`Tuning::chunks`](crate::Tuning::chunks).
///
/// The pieces of a message of text are valid UTF-8 together; each may end within a character.
pub type Chunk<'a> = crate::proto::receiver::Chunk<'a>;

/// A message of another thread on its way to the loop.
pub(crate) struct KeptMessage {
    kind: MessageKind,
    data: Kept,
    compress: Option<bool>,
}

/// Bytes that several may own, for sending them without a copy; see
/// [`Remote::send_shared`](super::Remote::send_shared).
pub type SharedBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

enum Kept {
    Copied(Box<[u8]>),
    Shared(SharedBytes),
}

impl KeptMessage {
    pub(crate) fn shared(kind: MessageKind, data: SharedBytes, compress: Option<bool>) -> Self {
        Self { kind, data: Kept::Shared(data), compress }
    }

    pub(crate) fn borrow(&self) -> Message<'_> {
        let data = match &self.data {
            Kept::Copied(data) => data,
            Kept::Shared(data) => (**data).as_ref(),
        };
        Message { kind: self.kind, data, compress: self.compress }
    }
}

impl fmt::Debug for KeptMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.borrow().fmt(f)
    }
}

impl From<Message<'_>> for KeptMessage {
    fn from(message: Message<'_>) -> Self {
        let data = Kept::Copied(message.data.into());
        Self { kind: message.kind, data, compress: message.compress }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::binary(data)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self::binary(data)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::binary(data)
    }
}
