//! WebSocket client and server (RFC 6455) on a mio event loop with rustls.
#![forbid(unsafe_code)]

mod config;
pub mod proto;
#[cfg(feature = "net")]
pub mod target;

pub use config::Tuning;
