//! Limits, times and compression of a connection, the same for clients and servers.

use std::time::Duration;

use crate::proto::frame::Role;

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
    /// Messages are handed over in chunks as they arrive (`Handler::on_chunk`) and not kept until they
    /// are whole; `max_message` is the limit of the whole, all the same. Of a compressed message all
    /// is kept until its end. Default false.
    pub chunks: bool,
    /// Most empty fragments of one message. More fail the connection with 1008. Default 256.
    pub max_empty_fragments: u32,
    /// Largest HTTP head of the opening handshake, in bytes. Default 16 KiB.
    pub max_head: usize,
    /// Most header fields of the opening handshake. Default 100.
    pub max_fields: usize,
    /// Bytes of queued output from which on a sender should wait for `on_drain`, which comes when
    /// the queue falls below a quarter of it. Default 64 KiB.
    pub high_water: usize,
    /// Most payload bytes that may be queued. Framing counts, too, and of a message from another thread 128
    /// bytes until the loop has taken it: small ones have a limit. A message that finds this much queued is
    /// refused whole. One message may overshoot, so that a message larger than the limit can be sent on an
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
    /// How long there may be no message in either direction; pings are none. Then the connection is
    /// closed with 1001 and the reason "idle timeout" (RFC 6455 section 7.4.1). Default never.
    pub idle_timeout: Option<Duration>,
    /// Compression. By default clients offer it, and servers do not accept it.
    pub deflate: Deflate,
}

/// permessage-deflate (RFC 7692): whether messages are compressed, and what that may cost.
///
/// Every field is in force for both directions of a connection unless it says otherwise.
///
/// ```
/// use tightwire::{Deflate, DeflateMode, ServerOptions, Tuning};
/// # fn main() -> Result<(), tightwire::Error> {
/// let deflate = Deflate { mode: DeflateMode::Shared, ..Deflate::default() };
/// let options = ServerOptions::new("127.0.0.1:9001")?
///     .tuning(Tuning { deflate, ..Tuning::default() });
/// # let _ = options;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// Whether to compress, and what stays in memory between two messages. Default: clients
    /// `Dedicated`, servers `Off`.
    pub mode: DeflateMode,
    /// From 1, the fastest, to 9, the smallest output. Default: 1 on a client, where nobody asked for
    /// compression, and 2 on a server, whose messages become a quarter smaller for that.
    pub level: Option<u8>,
    /// Memory of a compressor, from 1 to 9. Default 5.
    pub memory_level: u8,
    /// The window of our compressor, base-2 logarithm of bytes, from 9 to 15. Default 12. The peer
    /// may ask for a smaller one.
    pub window_bits: u8,
    /// The largest window that the peer is asked to keep to, from 9 to 15. Default: 15, and
    /// `window_bits` in mode `Parked`, where it takes memory.
    pub peer_window_bits: Option<u8>,
    /// Messages with fewer bytes of payload are sent as they are. Default 128.
    pub threshold: usize,
}

/// What permessage-deflate keeps of a connection between two of its messages (RFC 7692 section
/// 7.1.1, "context takeover"). Memory is for the default window and memory level; ARCHITECTURE.md
/// has the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeflateMode {
    /// `Dedicated` on a client, `Off` on a server.
    #[default]
    Auto,
    /// No compression: clients do not offer it, servers do not accept it.
    Off,
    /// Nothing: one compressor and one decompressor serve a whole loop, and every message is
    /// compressed by itself.
    Shared,
    /// A compressor (161 KiB) and a decompressor (46 KiB) for each connection, made when its first
    /// compressed message is sent or comes in. The fastest, and small messages become smallest.
    Dedicated,
    /// The last bytes in each direction (4 KiB; 32 KiB of what comes in, if the peer cannot keep to a
    /// smaller window), with which the loop's compressor and decompressor are primed: compresses as
    /// well as `Dedicated`, for more time and a twentieth of the memory.
    Parked,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            mode: DeflateMode::Auto,
            level: None,
            memory_level: 5,
            window_bits: 12,
            peer_window_bits: None,
            threshold: 128,
        }
    }
}

impl Deflate {
    /// Names the first field that is out of its range.
    #[cfg(feature = "net")]
    pub(crate) fn check(&self) -> Result<(), String> {
        let fields = [
            ("level", self.level.unwrap_or(1), 1..=9),
            ("memory_level", self.memory_level, 1..=9),
            ("window_bits", self.window_bits, 9..=15),
            ("peer_window_bits", self.peer_window_bits.unwrap_or(15), 9..=15),
        ];
        for (name, value, range) in fields {
            if !range.contains(&value) {
                let (first, last) = (range.start(), range.end());
                return Err(format!("deflate: {name} is {value}, not from {first} to {last}"));
            }
        }
        Ok(())
    }

    /// The mode for `role`; `None` for no compression.
    pub(crate) fn mode_for(&self, role: Role) -> Option<DeflateMode> {
        match (self.mode, role) {
            (DeflateMode::Off, _) | (DeflateMode::Auto, Role::Server) => None,
            (DeflateMode::Auto, Role::Client) => Some(DeflateMode::Dedicated),
            (mode, _) => Some(mode),
        }
    }

    /// The level for `role`.
    pub(crate) fn level_for(&self, role: Role) -> u8 {
        self.level.unwrap_or(match role {
            Role::Client => 1,
            Role::Server => 2,
        })
    }

    /// The largest window that we want to keep for what the peer sends.
    pub(crate) fn peer_limit(&self) -> u8 {
        let parked = self.mode == DeflateMode::Parked;
        self.peer_window_bits.unwrap_or(if parked { self.window_bits } else { 15 })
    }
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            chunks: false,
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
            idle_timeout: None,
            deflate: Deflate::default(),
        }
    }
}
