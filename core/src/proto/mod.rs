//! The sans-I/O protocol layer.

pub mod handshake;
pub mod head;
