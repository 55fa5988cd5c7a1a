//! What a connection tells of itself: any thread, any callback.

use std::ffi::{c_char, c_int};
use std::mem::offset_of;

use tightwire::{ReadyState, Remote};

use crate::callbacks::tw_ws;
use crate::connections::look;
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::status::{TW_EHANDLE, TW_EINVAL, TW_ETOOBIG, tw_status};

/// The URL, for tw_get_str.
pub const TW_STR_URL: c_int = 1;
/// The agreed subprotocol, for tw_get_str; empty before the connection is open.
pub const TW_STR_PROTOCOL: c_int = 2;
/// The agreed extensions, for tw_get_str; empty before the connection is open.
pub const TW_STR_EXTENSIONS: c_int = 3;
/// The peer's address and port, for tw_get_str; empty before the connection is open.
pub const TW_STR_REMOTE: c_int = 4;
/// Version and cipher suite of TLS, such as `TLSv1.3 TLS13_AES_128_GCM_SHA256`, for tw_get_str; empty
/// before the connection is open, and over `ws://`.
pub const TW_STR_TLS: c_int = 5;
/// Our own address and port, for tw_get_str; empty before the connection is open, and for a Unix socket.
pub const TW_STR_LOCAL: c_int = 6;

/// The state as in browsers: 0 connecting, 1 open, 2 closing, 3 closed. A dead id is closed, and so is every
/// connection of the parent in a forked child.
///
/// Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_ready_state(ws: tw_ws) -> c_int {
    guard::value(ReadyState::Closed as c_int, || {
        let state = look(ws, |context, id| context.ready_state(id), Remote::ready_state);
        state.unwrap_or(ReadyState::Closed) as c_int
    })
}

/// Payload bytes that were sent and not yet given to the system, without framing, as in browsers. Does
/// not shrink while a callback runs. A dead id has none, nor has one of the parent in a forked child.
///
/// Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_buffered_amount(ws: tw_ws) -> u64 {
    guard::value(0, || {
        look(ws, |context, id| context.buffered_amount(id), Remote::buffered_amount).unwrap_or(0)
    })
}

/// Copies a text about the connection, with its NUL, to `buffer` of `capacity` bytes. `which` is one of
/// TW_STR_URL and its relatives. `needed`, unless it is NULL, receives the length with the NUL.
///
/// TW_OK, also for NULL with capacity 0, which only asks for the length; TW_ETOOBIG if the buffer is too
/// short, and nothing is copied; TW_EINVAL for another `which`, or NULL with a capacity; TW_EHANDLE for a
/// dead id, TW_EFORKED. Any thread, any callback, the connection's own `on_close` included.
///
/// # Safety
///
/// `buffer` has room for `capacity` bytes or is NULL; `needed` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_get_str(
    ws: tw_ws,
    which: c_int,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> tw_status {
    guard::status(ws, || {
        if buffer.is_null() && capacity > 0 {
            return Err(TW_EINVAL);
        }
        let text = |remote: &Remote| match which {
            TW_STR_URL => Ok(remote.url().to_owned()),
            TW_STR_PROTOCOL => Ok(remote.protocol()),
            TW_STR_EXTENSIONS => Ok(remote.extensions()),
            TW_STR_REMOTE => {
                Ok(remote.remote_addr().map(|addr| addr.to_string()).unwrap_or_default())
            }
            TW_STR_TLS => Ok(remote.tls()),
            TW_STR_LOCAL => {
                Ok(remote.local_addr().map(|addr| addr.to_string()).unwrap_or_default())
            }
            _ => Err(TW_EINVAL),
        };
        let found =
            look(ws, |context, id| context.remote(id).as_ref().map(text), |r| Some(text(r)));
        let text = found?.ok_or(TW_EHANDLE)??;
        let len = text.len() + 1;
        // SAFETY: the caller vouches for `needed`.
        unsafe { edge::store_if_wanted(needed, len) };
        if buffer.is_null() {
            return Ok(());
        }
        if len > capacity {
            return Err(TW_ETOOBIG);
        }
        // SAFETY: there is room, as was just checked.
        unsafe { edge::copy_text(&text, buffer) };
        Ok(())
    })
}

/// Counts of one connection. Those of compression (`deflate_...`) are bytes of the messages that went
/// compressed; others do not count there.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_stats {
    /// sizeof(tw_stats)
    pub size: usize,
    /// Payload of sent messages before compression.
    pub deflate_sent: u64,
    /// The same payload on the wire.
    pub deflate_sent_compressed: u64,
    /// Payload of received messages after decompression.
    pub deflate_received: u64,
    /// The same payload on the wire.
    pub deflate_received_compressed: u64,
    /// Nanoseconds that the last ping took that was answered, the keep-alive's or one of tw_ping (RFC
    /// 6455 section 5.5.3); 0 before there was one.
    pub latency_ns: u64,
    /// Messages that tw_send and its relatives took. These six count over all connections of a client
    /// that comes back.
    pub messages_sent: u64,
    /// Their payload in bytes, before compression.
    pub payload_sent: u64,
    /// Bytes that the system took: frames and the opening handshake, without TLS.
    pub bytes_sent: u64,
    /// Messages that came in whole.
    pub messages_received: u64,
    /// Their payload in bytes, after decompression.
    pub payload_received: u64,
    /// Bytes that came in: frames and the opening handshake, without TLS.
    pub bytes_received: u64,
}

// SAFETY: `repr(C)`, the size first, numbers only.
unsafe impl SizedStruct for tw_stats {
    const NAME: &'static str = "tw_stats";
    const V1: usize = offset_of!(Self, latency_ns);
}

/// Fills `stats`, whose `size` is set, with counts of the connection. Members that this library does not
/// know become zero.
///
/// TW_OK; TW_EINVAL for NULL or a bad size; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback,
/// the connection's own `on_close` included.
///
/// # Safety
///
/// `stats` is NULL or points at a structure that is as long as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_get_stats(ws: tw_ws, stats: *mut tw_stats) -> tw_status {
    guard::status(ws, || {
        // SAFETY: the caller vouches for `stats`.
        let size = unsafe { edge::size_of_output(stats) }.map_err(|error| error.code())?;
        let counts = |remote: &Remote| (remote.deflate_stats(), remote.latency(), remote.stats());
        let found =
            look(ws, |context, id| context.remote(id).as_ref().map(counts), |r| Some(counts(r)));
        let (found, latency, counts) = found?.ok_or(TW_EHANDLE)?;
        let latency = latency.map_or(0, |latency| latency.as_nanos());
        let filled = tw_stats {
            size,
            deflate_sent: found.sent,
            deflate_sent_compressed: found.sent_compressed,
            deflate_received: found.received,
            deflate_received_compressed: found.received_compressed,
            latency_ns: u64::try_from(latency).unwrap_or(u64::MAX),
            messages_sent: counts.messages_sent,
            payload_sent: counts.payload_sent,
            bytes_sent: counts.bytes_sent,
            messages_received: counts.messages_received,
            payload_received: counts.payload_received,
            bytes_received: counts.bytes_received,
        };
        // SAFETY: its size was found to be one of this structure.
        unsafe { edge::fill(stats, &filled, size) };
        Ok(())
    })
}
