//! A whole message, borrowed.

use crate::proto::frame::MessageKind;

/// A whole message: text or bytes (RFC 6455 section 5.6).
///
/// Received text is valid UTF-8: an invalid message never arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    kind: MessageKind,
    data: &'a [u8],
}

impl<'a> Message<'a> {
    /// A text message.
    pub fn text(text: &'a str) -> Self {
        Self { kind: MessageKind::Text, data: text.as_bytes() }
    }

    /// A binary message.
    pub fn binary(data: &'a [u8]) -> Self {
        Self { kind: MessageKind::Binary, data }
    }

    /// A message of `kind` with bytes that are known to be valid for it. Text that is not UTF-8
    /// makes the peer fail the connection with 1007.
    pub fn from_parts(kind: MessageKind, data: &'a [u8]) -> Self {
        Self { kind, data }
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
