//! The C ABI of tightwire: `include/tightwire.h`, function by function.
//!
//! Every object is a 64-bit id ([`ids`]), so that no pointer of ours can be stale in C. A call finds
//! its loop in one of three ways: inside a callback of that loop through the thread's current
//! [`Context`](tightwire::Context) ([`current`]), without a lock; else, while nobody drives the loop,
//! by locking it ([`home`]); else through the loop's inbox.
//!
//! Pointers of C become references and slices in [`edge`], panics become `TW_EINTERNAL` in
//! [`guard`], and what leaves a callback other than by returning ends the process.
#![expect(non_camel_case_types, reason = "the names of the C ABI")]

pub mod buffers;
pub mod callbacks;
pub mod client;
pub mod connections;
pub mod endings;
pub mod headers;
pub mod looking;
pub mod loops;
pub mod options;
pub mod requests;
pub mod sending;
pub mod server;
pub mod status;
pub mod timers;
pub mod tls;

mod bridge;
mod current;
mod detached;
mod edge;
mod guard;
mod home;
mod ids;
mod process;
mod registry;
mod signals;
mod stack;
mod waiter;
