//! The protocol without any I/O: bytes and the time in, events and bytes out.
//!
//! The laws of this layer:
//!
//! - It never panics on what a peer sends, and never allocates what a peer merely announces.
//! - It asks neither the clock nor the system for randomness: both are arguments.
//! - The same bytes, cut anywhere, give the same events.
//! - After a violation nothing more is read.
//! - An idle connection owns no buffer.
//!
//! [`receiver`] turns received bytes into events, [`session`] decides what follows from them and
//! what is sent, [`queue`] holds it until the system takes it, and [`handshake`] comes before.
#![deny(clippy::indexing_slicing)]

mod assembly;
pub mod close;
pub mod deflate;
mod failure;
pub mod frame;
pub mod handshake;
pub mod head;
pub mod queue;
pub mod receiver;
pub mod sender;
pub mod session;
#[cfg(test)]
mod tests;
mod timers;
pub mod utf8;
pub mod violation;
