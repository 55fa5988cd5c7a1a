//! What a peer may not do, and the close code for it.

use std::fmt;

/// Something that the peer was not allowed to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// A Close frame with a code that must not be sent (7.4).
    CloseCode(u16),
    /// A Close frame whose payload is one byte (5.5.1).
    CloseTooShort,
    /// A control frame over 125 bytes (5.5).
    ControlTooLong,
    /// A compressed message that is not what RFC 7692 section 7.2.2 makes one of.
    Deflate,
    /// A control frame without FIN (5.5).
    FragmentedControl,
    /// A new message before the last fragment of the one before (5.4).
    InterleavedMessage,
    /// Text, or the reason of a Close frame, that is not UTF-8 (8.1).
    InvalidUtf8,
    /// A length with its most significant bit set (5.2).
    LengthOverflow,
    /// Masked by a server or not masked by a client (5.1).
    Masking,
    /// A message over `max_message` (10.4).
    MessageTooBig,
    /// A length in more bytes than it needs (5.2).
    NonMinimalLength,
    /// No memory for a message within the limit.
    OutOfMemory,
    /// A reserved bit that no extension gave a meaning (5.2).
    ReservedBit,
    /// More empty fragments of one message than `max_empty_fragments` (10.4).
    TooManyEmptyFragments,
    /// A continuation of no message (5.4).
    UnexpectedContinuation,
    /// One of the reserved opcodes (5.2).
    UnknownOpcode(u8),
}

impl Violation {
    /// The code of the Close frame that says so (7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Self::Deflate | Self::InvalidUtf8 => 1007,
            Self::TooManyEmptyFragments => 1008,
            Self::MessageTooBig | Self::OutOfMemory => 1009,
            _ => 1002,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::CloseCode(code) => {
                return write!(f, "the peer closed with {code}, which must not be sent");
            }
            Self::UnknownOpcode(opcode) => {
                return write!(f, "the peer sent a frame with the reserved opcode {opcode:#x}");
            }
            Self::CloseTooShort => "the peer sent a Close frame of one byte",
            Self::ControlTooLong => "the peer sent a control frame over 125 bytes",
            Self::Deflate => "the peer sent a compressed message that cannot be decompressed",
            Self::FragmentedControl => "the peer sent a fragmented control frame",
            Self::InterleavedMessage => "the peer began a message within another one",
            Self::InvalidUtf8 => "the peer sent text that is not UTF-8",
            Self::LengthOverflow => "the peer sent a frame length of 64 bits",
            Self::Masking => "the peer masked a frame as only the other role may",
            Self::MessageTooBig => "the peer sent a message over the limit (option: max_message)",
            Self::NonMinimalLength => "the peer sent a frame length in too many bytes",
            Self::OutOfMemory => "there is no memory for the peer's message",
            Self::ReservedBit => "the peer set a reserved bit without a negotiated extension",
            Self::TooManyEmptyFragments => {
                "the peer sent too many empty fragments (option: max_empty_fragments)"
            }
            Self::UnexpectedContinuation => "the peer continued a message that it had not begun",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Violation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_has_the_close_code_of_its_kind() {
        for (violation, code) in [
            (Violation::CloseCode(999), 1002),
            (Violation::CloseTooShort, 1002),
            (Violation::ControlTooLong, 1002),
            (Violation::Deflate, 1007),
            (Violation::FragmentedControl, 1002),
            (Violation::InterleavedMessage, 1002),
            (Violation::InvalidUtf8, 1007),
            (Violation::LengthOverflow, 1002),
            (Violation::Masking, 1002),
            (Violation::MessageTooBig, 1009),
            (Violation::NonMinimalLength, 1002),
            (Violation::OutOfMemory, 1009),
            (Violation::ReservedBit, 1002),
            (Violation::TooManyEmptyFragments, 1008),
            (Violation::UnexpectedContinuation, 1002),
            (Violation::UnknownOpcode(3), 1002),
        ] {
            assert_eq!(violation.close_code(), code, "{violation:?}");
            let text = violation.to_string();
            assert!(text.starts_with("the") && !text.ends_with('.'), "{violation:?}: {text}");
        }
    }

    #[test]
    fn messages_name_the_number_or_the_option() {
        for (violation, word) in [
            (Violation::CloseCode(1005), "1005"),
            (Violation::UnknownOpcode(11), "0xb"),
            (Violation::MessageTooBig, "max_message"),
            (Violation::TooManyEmptyFragments, "max_empty_fragments"),
        ] {
            assert!(violation.to_string().contains(word), "{violation}");
        }
    }
}
