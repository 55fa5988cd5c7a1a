//! Settings that clients and servers share, and those of a loop.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::ops::RangeInclusive;
use std::time::Duration;

use tightwire::{Deflate, DeflateMode, LogLevel, LogSink, LoopOptions, Tuning};

use crate::bridge::User;
use crate::callbacks::Text;
use crate::current;
use crate::edge::{self, SizedStruct};
use crate::status::Failure;

/// In the members of tw_tuning that end with `_ms`: no limit, and no pings for `ping_interval_ms`. Elsewhere it
/// is a number like others.
pub const TW_NEVER: u32 = 0xffff_ffff;

/// No compression: clients do not offer it, servers do not accept it.
pub const TW_DEFLATE_OFF: u32 = 1;
/// Keeps nothing: one compressor and one decompressor serve a whole loop, and every message is compressed
/// by itself (no context takeover, RFC 7692 section 7.1.1).
pub const TW_DEFLATE_SHARED: u32 = 2;
/// A compressor (161 KiB) and a decompressor (46 KiB) for each connection, made when its first compressed
/// message is sent or comes in. The fastest, and small messages become smallest.
pub const TW_DEFLATE_DEDICATED: u32 = 3;
/// The last bytes in each direction (4 KiB; 32 KiB of what comes in, if the peer cannot keep to a smaller
/// window): compresses as well as TW_DEFLATE_DEDICATED, for more time and
/// a twentieth of the memory.
pub const TW_DEFLATE_PARKED: u32 = 4;

/// Limits, times and compression of a connection. All members zero means all defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_tuning {
    /// sizeof(tw_tuning)
    pub size: usize,
    /// Largest message that is received, in bytes; 16 MiB. A larger one fails the connection with
    /// close code 1009 (RFC 6455 section 7.4.1).
    pub max_message: u64,
    /// Payload bytes that may be queued for sending; 16 MiB. tw_send gives TW_EAGAIN beyond it. Framing counts, too,
    /// and of a message from another thread 128 bytes until the loop has taken it: small ones have a limit. One
    /// message may overshoot, so that a longer one can be sent on an empty queue.
    pub max_buffered: u64,
    /// Queued bytes from which on a sender should wait for `on_drain`, which comes below a quarter
    /// of it; 64 KiB.
    pub high_water: u64,
    /// For resolving, connecting, TLS and the opening handshake together; 10000.
    pub open_timeout_ms: u32,
    /// From our Close frame to the peer's; 5000.
    pub close_timeout_ms: u32,
    /// From the end of the closing handshake, or a failure, to the end of the TCP stream; 2000.
    pub linger_ms: u32,
    /// How long queued output may make no progress at all; 30000.
    pub write_timeout_ms: u32,
    /// After this much silence a ping is sent; 20000.
    pub ping_interval_ms: u32,
    /// How long to wait for any byte after that ping; 20000.
    pub ping_timeout_ms: u32,
    /// Largest HTTP head of the opening handshake, in bytes; 16 KiB.
    pub max_head: u32,
    /// Most header fields of the opening handshake; 100.
    pub max_fields: u32,
    /// Most empty fragments of one message; 256.
    pub max_empty_fragments: u32,
    /// None are defined: 0.
    pub flags: u32,
    /// Compression of messages (permessage-deflate, RFC 7692): one of TW_DEFLATE_OFF and its
    /// relatives. 0: clients offer TW_DEFLATE_DEDICATED, servers accept none. The modes differ in what
    /// a connection keeps between two messages; memory is for the default window and memory level.
    pub deflate: u32,
    /// From 1, the fastest, to 9, the smallest output; 1 on a client, 2 on a server.
    pub deflate_level: u32,
    /// Memory of a compressor, from 1 to 9; 5.
    pub deflate_memory_level: u32,
    /// The window of our compressor, base-2 logarithm of bytes, from 9 to 15; 12. The peer may ask for
    /// a smaller one.
    pub deflate_window_bits: u32,
    /// The largest window that the peer is asked to keep to, from 9 to 15; 15, and
    /// `deflate_window_bits` with TW_DEFLATE_PARKED.
    pub deflate_peer_window_bits: u32,
    /// Messages with fewer bytes of payload are sent as they are; 128. 1 compresses every message that
    /// is not empty.
    pub deflate_threshold: u32,
    /// How long there may be no message in either direction; pings are none. Then the connection is closed with
    /// 1001 (RFC 6455 section 7.4.1) and the reason "idle timeout". 0: for ever.
    pub idle_timeout_ms: u32,
}

// SAFETY: `repr(C)`, the size first, numbers only.
unsafe impl SizedStruct for tw_tuning {
    const NAME: &'static str = "tw_tuning";
    const V1: usize = offset_of!(Self, deflate);
}

impl tw_tuning {
    /// The settings that an options structure points at; NULL means the defaults.
    ///
    /// # Safety
    ///
    /// `from` is NULL or points at a structure that is as long as its size says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Tuning, Failure> {
        let default = Tuning::default();
        // SAFETY: the caller vouches for `from`.
        let Some(given) = (unsafe { edge::sized_or_none(from) })? else { return Ok(default) };
        no_flags(given.flags, "tw_tuning.flags")?;
        Ok(Tuning {
            max_message: bytes(given.max_message, default.max_message),
            chunks: false,
            max_empty_fragments: match given.max_empty_fragments {
                0 => default.max_empty_fragments,
                count => count,
            },
            max_head: bytes(given.max_head.into(), default.max_head),
            max_fields: bytes(given.max_fields.into(), default.max_fields),
            high_water: bytes(given.high_water, default.high_water),
            max_send_buffer: bytes(given.max_buffered, default.max_send_buffer),
            open_timeout: time(given.open_timeout_ms, default.open_timeout),
            close_timeout: time(given.close_timeout_ms, default.close_timeout),
            linger: time(given.linger_ms, default.linger),
            write_timeout: time(given.write_timeout_ms, default.write_timeout),
            ping_interval: time(given.ping_interval_ms, default.ping_interval),
            ping_timeout: time(given.ping_timeout_ms, default.ping_timeout),
            idle_timeout: time(given.idle_timeout_ms, default.idle_timeout),
            deflate: given.deflate(default.deflate)?,
        })
    }

    fn deflate(&self, default: Deflate) -> Result<Deflate, Failure> {
        let mode = match self.deflate {
            0 => DeflateMode::Auto,
            TW_DEFLATE_OFF => DeflateMode::Off,
            TW_DEFLATE_SHARED => DeflateMode::Shared,
            TW_DEFLATE_DEDICATED => DeflateMode::Dedicated,
            TW_DEFLATE_PARKED => DeflateMode::Parked,
            other => {
                let cause = format_args!("tw_tuning.deflate is {other}: unknown mode");
                return Err(Failure::argument(cause));
            }
        };
        let memory_level = ranged("deflate_memory_level", self.deflate_memory_level, 1..=9)?;
        let window_bits = ranged("deflate_window_bits", self.deflate_window_bits, 9..=15)?;
        Ok(Deflate {
            mode,
            level: ranged("deflate_level", self.deflate_level, 1..=9)?,
            memory_level: memory_level.unwrap_or(default.memory_level),
            window_bits: window_bits.unwrap_or(default.window_bits),
            peer_window_bits: ranged(
                "deflate_peer_window_bits",
                self.deflate_peer_window_bits,
                9..=15,
            )?,
            threshold: bytes(self.deflate_threshold.into(), default.threshold),
        })
    }
}

/// A small number within its range; 0 is the default.
fn ranged(name: &str, given: u32, range: RangeInclusive<u8>) -> Result<Option<u8>, Failure> {
    match u8::try_from(given) {
        Ok(0) => Ok(None),
        Ok(value) if range.contains(&value) => Ok(Some(value)),
        _ => {
            let (first, last) = (range.start(), range.end());
            let cause = format_args!("tw_tuning.{name} is {given}, not from {first} to {last}");
            Err(Failure::argument(cause))
        }
    }
}

fn bytes(given: u64, default: usize) -> usize {
    match given {
        0 => default,
        // More than an address space holds is no limit.
        count => usize::try_from(count).unwrap_or(usize::MAX),
    }
}

fn time(given: u32, default: Option<Duration>) -> Option<Duration> {
    match given {
        0 => default,
        TW_NEVER => None,
        milliseconds => Some(Duration::from_millis(milliseconds.into())),
    }
}

/// Refuses flags where none are defined.
pub(crate) fn no_flags(flags: u32, name: &str) -> Result<(), Failure> {
    if flags == 0 {
        return Ok(());
    }
    Err(Failure::argument(format_args!("{name}: unknown flag in {flags:#x}")))
}

/// Settings of a loop. All members zero means all defaults.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_loop_opts {
    /// sizeof(tw_loop_opts)
    pub size: usize,
    /// TW_LOOP_WAITER, or 0.
    pub flags: u32,
    /// Reads of one connection in one turn; 16. One with more to read goes on in the next turn,
    /// after the others.
    pub reads_per_turn: u32,
    /// What `on_log` is to hear of: TW_LOG_ERROR up to TW_LOG_TRACE, each with those before it. 0:
    /// TW_LOG_WARN if there is an `on_log`.
    pub log_level: i32,
    /// Takes records, one line of UTF-8 each, NUL-ended. It runs amid the loop's work, on the thread where
    /// that is done, mostly the one that drives the loop; of tightwire it may call tw_post, tw_loop_stop and the
    /// calls on a connection that do not wait, and others give TW_EREENTRANT. NULL: there are none. The library
    /// itself never writes to standard output, and to standard error only the line that names a callback which
    /// was left by an exception or a jump, before the process ends; beside that, a bug in it (TW_EINTERNAL) has
    /// the runtime of Rust write a line there.
    pub on_log: Option<
        unsafe extern "C-unwind" fn(user: *mut c_void, level: i32, text: *const c_char, len: usize),
    >,
    /// Handed to `on_log`; never looked at.
    pub user: *mut c_void,
    /// Microseconds; 0: it sleeps at once. For this long since there was something to do, tw_loop_run, a tw_loop_poll
    /// that may wait and the thread of tw_loop_start ask for news again and again instead of sleeping. What comes
    /// meanwhile is spared the time that the system takes to wake a thread, and a core is busy instead. For whoever has
    /// a core to spare; slower than sleep where the peer shares the core. Not with TW_LOOP_WAITER, and without effect in
    /// a foreign loop, which waits by itself.
    pub spin_us: u32,
}

/// In `flags` of tw_loop_opts: a thread of the library (`tw-wait`) waits in the place of the host. The
/// descriptor of tw_loop_fd is a plain one then, and tw_loop_on_ready does without one; all work and all
/// callbacks stay on the thread that drives the loop. For hosts whose loop cannot watch an epoll
/// descriptor; it costs two switches of threads a turn.
pub const TW_LOOP_WAITER: u32 = 0x01;

/// Something stopped working.
pub const TW_LOG_ERROR: i32 = 1;
/// Something went wrong, and the loop goes on: a refused request, messages without an `on_message`.
pub const TW_LOG_WARN: i32 = 2;
/// A server begins or ends.
pub const TW_LOG_INFO: i32 = 3;
/// A connection begins or ends.
pub const TW_LOG_DEBUG: i32 = 4;
/// Each message and control frame, without its payload.
pub const TW_LOG_TRACE: i32 = 5;

/// What `tw_loop_opts` come to.
pub(crate) struct Settings {
    pub(crate) options: LoopOptions,
    pub(crate) log: Option<(LogLevel, LogSink)>,
    pub(crate) waiter: bool,
}

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_loop_opts {
    const NAME: &'static str = "tw_loop_opts";
    const V1: usize = offset_of!(Self, log_level);
}

impl tw_loop_opts {
    /// The settings that `tw_loop_new` got; NULL means the defaults.
    ///
    /// # Safety
    ///
    /// `from` is NULL or points at a structure that is as long as its size says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Settings, Failure> {
        let mut options = LoopOptions::default();
        // SAFETY: the caller vouches for `from`.
        let Some(given) = (unsafe { edge::sized_or_none(from) })? else {
            return Ok(Settings { options, log: None, waiter: false });
        };
        no_flags(given.flags & !TW_LOOP_WAITER, "tw_loop_opts.flags")?;
        if given.reads_per_turn > 0 {
            options.reads_per_turn = given.reads_per_turn;
        }
        let waiter = given.flags & TW_LOOP_WAITER != 0;
        if waiter && given.spin_us > 0 {
            let text = format_args!("tw_loop_opts.spin_us: not with TW_LOOP_WAITER");
            return Err(Failure::argument(text));
        }
        options.spin = Duration::from_micros(given.spin_us.into());
        Ok(Settings { options, log: given.log()?, waiter })
    }

    fn log(&self) -> Result<Option<(LogLevel, LogSink)>, Failure> {
        let level = match self.log_level {
            TW_LOG_ERROR => LogLevel::Error,
            0 | TW_LOG_WARN => LogLevel::Warn,
            TW_LOG_INFO => LogLevel::Info,
            TW_LOG_DEBUG => LogLevel::Debug,
            TW_LOG_TRACE => LogLevel::Trace,
            other => {
                let cause = format_args!("tw_loop_opts.log_level is {other}, not from 0 to 5");
                return Err(Failure::argument(cause));
            }
        };
        let Some(function) = self.on_log else { return Ok(None) };
        let user = User(self.user);
        let sink = move |level: LogLevel, text: &str| {
            let (user, text) = (&user, Text::new(text));
            let text = text.as_str();
            current::aside("on_log", || {
                // SAFETY: a function of the application that takes these; the text outlives it.
                unsafe { function(user.0, level as i32, text.ptr, text.len) }
            });
        };
        Ok(Some((level, Box::new(sink))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{TW_EINVAL, TW_EUNSUPPORTED};

    fn blank() -> tw_tuning {
        // SAFETY: numbers only.
        let mut made: tw_tuning = unsafe { std::mem::zeroed() };
        made.size = size_of::<tw_tuning>();
        made
    }

    fn read(given: &tw_tuning) -> Result<Tuning, Failure> {
        // SAFETY: the tests keep `size` within the structure, or the call refuses it.
        unsafe { tw_tuning::read(given) }
    }

    #[test]
    fn zero_means_the_defaults() {
        assert_eq!(read(&blank()).unwrap(), Tuning::default());
    }

    #[test]
    fn never_switches_a_time_off() {
        let given = tw_tuning { ping_interval_ms: TW_NEVER, close_timeout_ms: 7, ..blank() };
        let tuning = read(&given).unwrap();
        assert_eq!(tuning.ping_interval, None);
        assert_eq!(tuning.close_timeout, Some(Duration::from_millis(7)));
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 1, tw_tuning::V1 - 1, usize::MAX] {
            let failure = read(&tw_tuning { size, ..blank() }).unwrap_err();
            assert_eq!(failure.code(), TW_EINVAL, "size {size}");
        }
    }

    #[test]
    fn compression_is_read_and_checked() {
        let given = tw_tuning {
            deflate: TW_DEFLATE_PARKED,
            deflate_level: 9,
            deflate_memory_level: 1,
            deflate_window_bits: 15,
            deflate_peer_window_bits: 9,
            deflate_threshold: 1,
            ..blank()
        };
        let expected = Deflate {
            mode: DeflateMode::Parked,
            level: Some(9),
            memory_level: 1,
            window_bits: 15,
            peer_window_bits: Some(9),
            threshold: 1,
        };
        assert_eq!(read(&given).unwrap().deflate, expected);
        for (given, name) in [
            (tw_tuning { deflate: 5, ..blank() }, "tw_tuning.deflate is 5"),
            (tw_tuning { deflate_level: 10, ..blank() }, "deflate_level is 10, not from 1 to 9"),
            (tw_tuning { deflate_memory_level: 300, ..blank() }, "deflate_memory_level is 300"),
            (tw_tuning { deflate_window_bits: 8, ..blank() }, "deflate_window_bits is 8"),
            (tw_tuning { deflate_peer_window_bits: 16, ..blank() }, "peer_window_bits is 16"),
        ] {
            let failure = read(&given).unwrap_err();
            assert_eq!(failure.code(), TW_EINVAL);
            assert!(format!("{failure:?}").contains(name), "{failure:?}");
        }
    }

    #[test]
    fn a_structure_from_before_compression_still_does() {
        let old = tw_tuning { size: tw_tuning::V1, deflate: 77, max_fields: 3, ..blank() };
        let tuning = read(&old).unwrap();
        assert_eq!((tuning.max_fields, tuning.deflate), (3, Deflate::default()));
    }

    #[test]
    fn members_of_later_versions_may_only_be_zero() {
        #[repr(C)]
        struct Later {
            known: tw_tuning,
            later: [u32; 2],
        }
        let mut given = Later { known: blank(), later: [0, 0] };
        given.known.size = size_of::<Later>();
        let from = (&raw const given).cast();
        // SAFETY: as long as its size says.
        assert_eq!(unsafe { tw_tuning::read(from) }.unwrap(), Tuning::default());
        given.later[1] = 1;
        // SAFETY: as long as its size says.
        let failure = unsafe { tw_tuning::read((&raw const given).cast()) }.unwrap_err();
        assert_eq!(failure.code(), TW_EUNSUPPORTED);
    }
}
