//! What touches the system: sockets, TLS and names.
//!
//! Nothing here knows the protocol or the event loop. Nothing waits: a socket that is not ready
//! says so, and names are resolved on threads of their own. Time comes as an argument.

pub(crate) mod descriptors;
pub(crate) mod listen;
pub(crate) mod login;
pub(crate) mod ports;
pub(crate) mod proxy;
pub(crate) mod resolve;
pub(crate) mod socket;
pub(crate) mod stream;
#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
#[cfg(test)]
mod testing;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(feature = "tls")]
pub(crate) mod tls_engine;
#[cfg(feature = "tls")]
pub(crate) mod tls_error;
#[cfg(feature = "tls")]
mod tls_session;
#[cfg(feature = "tls")]
mod tls_stream;
#[cfg(feature = "tls")]
pub(crate) mod trust;
