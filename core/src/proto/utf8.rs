//! UTF-8 that arrives in pieces, wherever it is cut.

use super::violation::Violation;

/// Checks text piece by piece and fails at the first byte that no continuation can mend (8.1).
///
/// Keeps the at most three bytes of a character that is cut by the end of a piece.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    carry: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// [`Violation::InvalidUtf8`]; the validator is of no further use then.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Violation> {
        while self.len > 0 {
            let [byte, rest @ ..] = piece else { return Ok(()) };
            piece = rest;
            self.complete(*byte)?;
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Violation::InvalidUtf8);
        }
        for byte in piece.get(error.valid_up_to()..).unwrap_or_default() {
            self.carry(*byte);
        }
        Ok(())
    }

    /// Whether the text may end here: false within a character.
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    fn carry(&mut self, byte: u8) {
        if let Some(place) = self.carry.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn complete(&mut self, byte: u8) -> Result<(), Violation> {
        self.carry(byte);
        match std::str::from_utf8(self.carry.get(..self.len).unwrap_or_default()) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
            Err(_) => {}
        }
        Ok(())
    }
}
