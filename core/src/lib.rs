//! WebSocket client and server (RFC 6455) on a mio event loop with rustls.
#![forbid(unsafe_code)]

mod config;
#[cfg(feature = "net")]
mod net;
pub mod proto;

pub use config::Tuning;
#[cfg(feature = "tls")]
pub use net::{
    tls_error::TlsError,
    trust::{ClientTls, ClientTlsBuilder, ServerTls},
};
