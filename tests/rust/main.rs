//! Black-box tests over real sockets, in one program: linking is what takes the time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod admission;
mod asking;
mod bad_input;
mod callbacks;
mod deadlines;
mod deflate;
mod embedding;
mod endings;
mod follow;
mod giving_up;
mod guessing;
mod hostile;
mod loopback;
mod pausing;
mod reach;
mod reconnect;
mod room;
mod serial;
mod spinning;
mod syscalls;
mod threads;
mod tls;
mod tls_options;
mod tungstenite;
