//! WebSocket client and server (RFC 6455) on a mio event loop with rustls: full protocol, both
//! roles, callbacks, no runtime.
//!
#![cfg_attr(feature = "net", doc = "```no_run")]
#![cfg_attr(not(feature = "net"), doc = "```text")]
//! use tightwire::{Handler, Message, Server, Socket};
//!
//! struct Echo;
//!
//! impl Handler for Echo {
//!     fn on_message(&mut self, ws: &mut Socket<'_>, message: Message<'_>) {
//!         ws.send(message).ok();
//!     }
//! }
//!
//! # fn main() -> Result<(), tightwire::Error> {
//! Server::bind("127.0.0.1:9001")?.run(Echo)
//! # }
//! ```
//!
//! The layers, each of which only knows those below it: [`Client`] and [`Server`], the shortest way;
//! [`EventLoop`], many connections on one thread, also inside a loop of your own; `net`, sockets and
//! TLS; and [`proto`], the protocol itself without any I/O, which builds alone with
//! `default-features = false`.
#![forbid(unsafe_code)]

mod config;
pub mod proto;

#[cfg(feature = "net")]
mod auth;
#[cfg(feature = "net")]
mod client;
#[cfg(feature = "net")]
mod error;
#[cfg(feature = "net")]
mod event_loop;
#[cfg(feature = "net")]
mod net;
#[cfg(feature = "net")]
mod proxy;
#[cfg(feature = "net")]
mod reconnect;
#[cfg(feature = "net")]
mod server;
#[cfg(feature = "net")]
mod target;

pub use config::{Deflate, DeflateMode, Tuning};
pub use proto::close::{CloseError, ReadyState};
pub use proto::deflate::DeflateStats;
pub use proto::frame::{MessageKind, Role};
pub use proto::handshake::{HttpReply, Request};
pub use proto::head::Headers;
pub use proto::sender::SendError;

#[cfg(feature = "net")]
pub use auth::Auth;
#[cfg(feature = "net")]
pub use client::{Client, ClientOptions, connect};
#[cfg(feature = "net")]
pub use error::{Attempt, Error, ErrorCode, Phase};
#[cfg(feature = "net")]
pub use event_loop::{
    Chunk, CloseEvent, ConnId, ConnectionStats, Context, EventLoop, Handler, LogLevel, LogSink,
    LoopHandle, LoopOptions, Message, Opening, Remote, Reply, Retry, ServerId, SharedBytes, Socket,
    TimerId,
};
#[cfg(feature = "net")]
pub use net::resolve::ThreadStart;
#[cfg(feature = "tls")]
pub use net::tls_engine::{TlsEngine, TlsFactory};
#[cfg(feature = "tls")]
pub use net::tls_error::TlsError;
#[cfg(feature = "tls")]
pub use net::trust::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder};
#[cfg(feature = "net")]
pub use proxy::Proxy;
#[cfg(feature = "net")]
pub use reconnect::{Backoff, Loss, Reconnect};
#[cfg(feature = "net")]
pub use server::{Server, ServerOptions};
