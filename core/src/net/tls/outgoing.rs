//! Ciphertext that the socket has not taken yet.

use rustls::unbuffered::EncodeError;

/// Ciphertext that waits for the socket. Owns nothing when it is empty.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    sent: usize,
}

impl Outgoing {
    pub(super) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Lets `encode` write behind the last byte, with as much space as it asks for.
    pub(super) fn push_with(
        &mut self,
        mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<(), EncodeError> {
        let len = self.bytes.len();
        let mut encoded = encode(&mut []);
        if let Err(EncodeError::InsufficientSize(size)) = &encoded {
            self.bytes.resize(len + size.required_size, 0);
            encoded = encode(self.bytes.get_mut(len..).unwrap_or_default());
        }
        self.bytes.truncate(len + *encoded.as_ref().unwrap_or(&0));
        encoded.map(drop)
    }

    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.bytes.len() {
            *self = Self::default();
        }
    }
}
