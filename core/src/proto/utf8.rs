//! UTF-8 that arrives in pieces, wherever it is cut.

use super::violation::Violation;

/// Checks text piece by piece and fails at the first byte that no continuation can mend (8.1).
///
/// Keeps the at most three bytes of a character that is cut by the end of a piece.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    carry: [u8; 4],
    len: u8,
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
        if let Some(place) = self.carry.get_mut(usize::from(self.len)) {
            *place = byte;
            self.len += 1;
        }
    }

    fn complete(&mut self, byte: u8) -> Result<(), Violation> {
        self.carry(byte);
        match std::str::from_utf8(self.carry.get(..usize::from(self.len)).unwrap_or_default()) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_some() => return Err(Violation::InvalidUtf8),
            Err(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    use super::*;

    /// The index of the byte with which pieces of one byte fail.
    fn fails_at(bytes: &[u8]) -> Option<usize> {
        let mut text = Utf8::default();
        bytes.iter().position(|byte| text.push(&[*byte]).is_err())
    }

    /// The index of the first byte behind which the standard library sees no hope.
    fn hopeless_at(bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|at| {
            std::str::from_utf8(&bytes[..=*at]).is_err_and(|error| error.error_len().is_some())
        })
    }

    #[test]
    fn every_character_may_be_cut_anywhere() {
        let mut buffer = [0; 4];
        for scalar in '\0'..=char::MAX {
            let bytes = scalar.encode_utf8(&mut buffer).as_bytes();
            for cut in 0..=bytes.len() {
                let (front, back) = bytes.split_at(cut);
                let mut text = Utf8::default();
                let front = text.push(front).map(|()| text.is_complete());
                let between = cut == 0 || cut == bytes.len();
                assert_eq!(front, Ok(between), "{scalar:?} cut at {cut}");
                let back = text.push(back).map(|()| text.is_complete());
                assert_eq!(back, Ok(true), "{scalar:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_byte_is_taken_if_and_only_if_some_character_goes_on_with_it() {
        let mut starts = HashSet::new();
        let mut buffer = [0; 4];
        // Characters that differ in the last byte only begin alike.
        for scalar in ('\0'..=char::MAX).step_by(64) {
            let bytes = scalar.encode_utf8(&mut buffer).as_bytes();
            starts.extend((0..bytes.len()).map(|end| bytes[..end].to_vec()));
        }
        for start in &starts {
            let mut text = Utf8::default();
            for byte in start {
                assert_eq!(text.push(&[*byte]), Ok(()), "{start:02x?}");
            }
            for byte in 0..=u8::MAX {
                let bytes = [start.as_slice(), &[byte]].concat();
                let mut text = text;
                let ends = std::str::from_utf8(&bytes).is_ok();
                let goes_on = starts.contains(&bytes);
                assert_eq!(text.push(&[byte]).is_ok(), ends || goes_on, "{bytes:02x?}");
                if ends || goes_on {
                    assert_eq!(text.is_complete(), ends, "{bytes:02x?}");
                }
            }
        }
    }

    #[test]
    fn surrogates_overlongs_and_what_lies_beyond_fail_at_the_earliest_byte() {
        for (name, bytes, at) in [
            ("first surrogate", &[b'a', 0xed, 0xa0, 0x80][..], 2),
            ("last surrogate", &[0xed, 0xbf, 0xbf], 1),
            ("slash in two bytes", &[0xc0, 0xaf], 0),
            ("largest overlong of two bytes", &[0xc1, 0xbf], 0),
            ("overlong of three bytes", &[0xe0, 0x9f, 0xbf], 1),
            ("overlong of four bytes", &[0xf0, 0x8f, 0xbf, 0xbf], 1),
            ("beyond the last plane", &[0xf4, 0x90, 0x80, 0x80], 1),
            ("five bytes", &[0xf8, 0x88, 0x80, 0x80, 0x80], 0),
            ("continuation first", &[b'a', b'b', 0x80], 2),
            ("0xff", &[0xff], 0),
            ("new character within one", &[0xe2, 0x82, b'x'], 2),
            ("Autobahn 6.4.1", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80", 12),
        ] {
            assert_eq!(fails_at(bytes), Some(at), "{name}");
            assert_eq!(hopeless_at(bytes), Some(at), "{name}");
            for cut in 0..bytes.len() {
                let mut text = Utf8::default();
                let front = text.push(&bytes[..cut]);
                assert_eq!(front.is_err(), cut > at, "{name}, cut at {cut}");
                assert!(front.is_err() || text.push(&bytes[cut..]).is_err(), "{name}, {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn mutated_text_is_judged_as_by_the_standard_library(
            text in "\\PC{0,40}",
            mutations in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
            cuts in prop::collection::vec(0_usize..160, 0..6),
        ) {
            let mut bytes = text.into_bytes();
            for (at, byte) in mutations {
                let len = bytes.len();
                if len > 0 {
                    bytes[at % len] = byte;
                }
            }
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut text = Utf8::default();
            let failed = cuts
                .windows(2)
                .find(|cut| text.push(&bytes[cut[0]..cut[1]]).is_err())
                .map(|cut| cut[0]..cut[1]);
            let expected = hopeless_at(&bytes);
            prop_assert_eq!(fails_at(&bytes), expected);
            prop_assert_eq!(failed.is_some(), expected.is_some());
            if let (Some(piece), Some(at)) = (failed, expected) {
                assert!(piece.contains(&at), "byte {at} fails the piece {piece:?}");
            } else {
                prop_assert_eq!(text.is_complete(), std::str::from_utf8(&bytes).is_ok());
            }
        }
    }
}
