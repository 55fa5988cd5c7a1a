//! Limits and times of a connection, the same for clients and servers.

use std::time::Duration;

/// Limits and times of one connection. Every field has a default that suits most programs; change
/// single fields with the struct update syntax:
///
/// ```
/// use tightwire::Tuning;
/// let tuning = Tuning { max_message: 1 << 20, ..Tuning::default() };
/// # assert_eq!(tuning.max_head, 16 * 1024);
/// ```
///
/// A time of `None` switches that deadline off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Largest message that is received, in bytes. A larger one fails the connection with close
    /// code 1009 (RFC 6455 section 7.4.1). Default 16 MiB.
    pub max_message: usize,
    /// Most empty fragments of one message. More fail the connection with 1008. Default 256.
    pub max_empty_fragments: u32,
    /// Largest HTTP head of the opening handshake, in bytes. Default 16 KiB.
    pub max_head: usize,
    /// Most header fields of the opening handshake. Default 100.
    pub max_fields: usize,
    /// Bytes of queued output from which on a sender should wait for `on_drain`, which comes when
    /// the queue falls below a quarter of it. Default 64 KiB.
    pub high_water: usize,
    /// Most payload bytes that may be queued. A message that finds this much queued is refused
    /// whole. One message may overshoot, so that a message larger than the limit can be sent on an
    /// empty queue. Default 16 MiB.
    pub max_send_buffer: usize,
    /// For resolving, connecting, TLS and the opening handshake together. Default 10 s.
    pub open_timeout: Option<Duration>,
    /// From our Close frame to the peer's. Default 5 s.
    pub close_timeout: Option<Duration>,
    /// From the end of the closing handshake, or a failure, to the end of the TCP stream.
    /// Default 2 s.
    pub linger: Option<Duration>,
    /// How long queued output may make no progress at all. Default 30 s.
    pub write_timeout: Option<Duration>,
    /// After this much silence a ping is sent. Default 20 s.
    pub ping_interval: Option<Duration>,
    /// How long to wait for any byte after that ping before the peer counts as dead. Default 20 s.
    pub ping_timeout: Option<Duration>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            max_empty_fragments: 256,
            max_head: 16 << 10,
            max_fields: 100,
            high_water: 64 << 10,
            max_send_buffer: 16 << 20,
            open_timeout: Some(Duration::from_secs(10)),
            close_timeout: Some(Duration::from_secs(5)),
            linger: Some(Duration::from_secs(2)),
            write_timeout: Some(Duration::from_secs(30)),
            ping_interval: Some(Duration::from_secs(20)),
            ping_timeout: Some(Duration::from_secs(20)),
        }
    }
}
