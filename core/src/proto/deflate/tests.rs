//! Both directions together, in every mode, and what only an odd peer sends.

use std::sync::Arc;

use super::*;
use crate::config::Deflate;
use crate::proto::assembly::Assembly;
use crate::proto::frame::Role;
use crate::proto::violation::Violation;

const MODES: [DeflateMode; 3] = [DeflateMode::Shared, DeflateMode::Dedicated, DeflateMode::Parked];

/// A connection's two halves and the loop around them.
struct Pair {
    deflation: Deflation,
    deflaters: Deflaters,
    receiving: Receiving,
    traffic: Arc<Traffic>,
}

struct Receiving {
    inflation: Inflation,
    spare: SpareInflater,
    limit: u64,
}

impl Receiving {
    fn new(mode: DeflateMode, window_bits: u8) -> Self {
        let peer = Direction { takeover: mode != DeflateMode::Shared, window_bits };
        let inflation = Inflation::new(peer, mode, Arc::default());
        Self { inflation, spare: SpareInflater::default(), limit: 1 << 20 }
    }

    /// One message that comes in `pieces`.
    fn message(&mut self, pieces: &[&[u8]]) -> Result<Vec<u8>, Violation> {
        let mut out = Assembly::default();
        self.inflation.lend(&mut self.spare);
        self.inflation.begin()?;
        for piece in pieces {
            self.inflation.push(piece, &mut out, self.limit)?;
        }
        self.inflation.finish(&out)?;
        self.inflation.reclaim(&mut self.spare);
        Ok(out.bytes().to_vec())
    }
}

impl Pair {
    fn new(mode: DeflateMode, window_bits: u8) -> Self {
        let own = Direction { takeover: mode != DeflateMode::Shared, window_bits };
        let traffic = Arc::<Traffic>::default();
        let deflate = Deflate { mode, ..Deflate::default() };
        Self {
            deflation: Deflation::new(own, &deflate, Role::Server, Arc::clone(&traffic)),
            deflaters: Deflaters::default(),
            receiving: Receiving::new(mode, window_bits),
            traffic,
        }
    }

    /// What goes over the wire; `None` for a message that is better sent as it is.
    fn compress(&mut self, message: &[u8]) -> Option<Vec<u8>> {
        match self.deflation.message(message, false, &mut self.deflaters) {
            Deflated::Smaller(bytes) => Some(bytes.to_vec()),
            Deflated::Larger => None,
        }
    }

    fn round_trip(&mut self, message: &[u8]) {
        if let Some(bytes) = self.compress(message) {
            assert_eq!(self.receiving.message(&[&bytes]).as_deref(), Ok(message));
        }
    }
}

#[test]
fn messages_come_back_in_every_mode_and_window() {
    for mode in MODES {
        for bits in 9..=15 {
            let mut pair = Pair::new(mode, bits);
            for size in [0, 1, 10, 200, 3000, 70_000, 1, 0, 0, 200] {
                let message: Vec<u8> =
                    (0..size).map(|at: u32| b"abcdefgh"[(at * at / 7) as usize % 8]).collect();
                pair.round_trip(&message);
            }
            assert!(pair.traffic.stats().sent_compressed < pair.traffic.stats().sent, "{mode:?}");
        }
    }
}
