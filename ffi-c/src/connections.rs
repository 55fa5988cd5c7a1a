//! Calls on a connection: any thread, any callback, any time.

use std::ffi::{c_char, c_int, c_void};
use std::mem::offset_of;

use tightwire::{CloseError, ConnId, Context, Message, MessageKind, ReadyState, Remote, SendError};

use crate::callbacks::{TW_BINARY, TW_NODEFLATE, TW_TEXT, tw_ws};
use crate::current::{self, Inside};
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::ids::{Kind, Parts};
use crate::registry;
use crate::status::{
    TW_EAGAIN, TW_EHANDLE, TW_EINTERNAL, TW_EINVAL, TW_ESTATE, TW_ETOOBIG, TW_EUNSUPPORTED,
    TW_EUTF8, tw_status,
};

/// More of the message follows. Not built yet: TW_EUNSUPPORTED.
pub const TW_MORE: u32 = 0x04;

/// The URL, for tw_get_str.
pub const TW_STR_URL: c_int = 1;
/// The agreed subprotocol, for tw_get_str; empty before the connection is open.
pub const TW_STR_PROTOCOL: c_int = 2;
/// The agreed extensions, for tw_get_str; empty before the connection is open.
pub const TW_STR_EXTENSIONS: c_int = 3;
/// The peer's address and port, for tw_get_str; empty before the connection is open.
pub const TW_STR_REMOTE: c_int = 4;

/// Compresses this message whatever its size and even if that makes it larger, where compression was
/// agreed upon (RFC 7692).
pub const TW_DEFLATE: u32 = 0x20;

/// Queues one whole message (RFC 6455 section 5.6) and returns at once. `flags` is TW_TEXT or
/// TW_BINARY, with TW_NODEFLATE or TW_DEFLATE if you like: without either, `deflate_threshold` decides, and what
/// compression would make larger goes as it is.
///
/// TW_OK: the library has a copy of all of it. Anything else: nothing of it was taken. TW_EAGAIN when
/// `max_buffered` payload bytes are queued: wait for `on_drain`; TW_ESTATE while connecting or closing;
/// TW_EHANDLE for a dead id; TW_EUTF8 for text that is not UTF-8; TW_EINVAL for other flags, or NULL with
/// a length; TW_EUNSUPPORTED for TW_MORE. Any thread, any callback; a send that returned before another
/// one began, on whatever threads, goes out first. No callback runs inside.
///
/// # Safety
///
/// `data` points at `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_send(
    ws: tw_ws,
    flags: u32,
    data: *const c_void,
    len: usize,
) -> tw_status {
    guard::status(|| {
        // SAFETY: the caller vouches for `data`.
        let data = unsafe { edge::bytes(data, len) }?;
        let message = message(flags, data)?;
        act(
            ws,
            |context, id| sent(context.send(id, message), context.ready_state(id)),
            |remote| sent(remote.send(message), remote.ready_state()),
            TW_ESTATE,
        )
    })
}

/// The message that the arguments of a send make.
pub(crate) fn message(flags: u32, data: &[u8]) -> Result<Message<'_>, tw_status> {
    let kind = match flags & !(TW_NODEFLATE | TW_DEFLATE) {
        TW_TEXT => MessageKind::Text,
        TW_BINARY => MessageKind::Binary,
        other if other & TW_MORE != 0 => return Err(TW_EUNSUPPORTED),
        _ => return Err(TW_EINVAL),
    };
    if kind == MessageKind::Text && simdutf8::basic::from_utf8(data).is_err() {
        return Err(TW_EUTF8);
    }
    let message = Message::from_parts(kind, data);
    match (flags & TW_DEFLATE != 0, flags & TW_NODEFLATE != 0) {
        (false, false) => Ok(message),
        (deflate, no_deflate) if deflate != no_deflate => Ok(message.compress(deflate)),
        _ => Err(TW_EINVAL),
    }
}

/// Sends a ping with up to 125 bytes (RFC 6455 section 5.5.2); `on_pong` tells of the answer. Pings of
/// the keep-alive (`ping_interval_ms`) need no call.
///
/// TW_OK; TW_ETOOBIG over 125 bytes; TW_ESTATE unless the connection is open; TW_EHANDLE for a dead id;
/// TW_EINVAL for NULL with a length. Any thread, any callback.
///
/// # Safety
///
/// `data` points at `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_ping(ws: tw_ws, data: *const c_void, len: usize) -> tw_status {
    guard::status(|| {
        // SAFETY: the caller vouches for `data`.
        let data = unsafe { edge::bytes(data, len) }?;
        act(
            ws,
            |context, id| sent(context.ping(id, data), context.ready_state(id)),
            |remote| sent(remote.ping(data), remote.ready_state()),
            TW_ESTATE,
        )
    })
}

/// Starts the closing handshake behind everything that is queued (RFC 6455 section 7.1.2), or gives up
/// a connection that is not open yet. Does nothing on one that is closing already. `on_close` follows,
/// later.
///
/// `code` is 0 for none, or any code that may be sent: 1000-1003, 1007-1014, 3000-4999 (RFC 6455
/// section 7.4); `reason` is NULL or at most 123 bytes of UTF-8, and needs a code. TW_OK; TW_EINVAL for
/// another code or reason; TW_EUTF8; TW_EHANDLE for a dead id. Any thread, any callback.
///
/// # Safety
///
/// `reason` is NULL or NUL-ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_close(ws: tw_ws, code: c_int, reason: *const c_char) -> tw_status {
    guard::status(|| {
        // SAFETY: the caller vouches for `reason`.
        let reason = unsafe { edge::text(reason, "reason") }.map_err(|_| TW_EUTF8)?;
        let reason = reason.unwrap_or_default();
        let code = match code {
            0 => None,
            code => Some(u16::try_from(code).map_err(|_| TW_EINVAL)?),
        };
        let checked = |closed: Result<(), CloseError>| closed.map_err(|_| TW_EINVAL);
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                checked(context.close(id, code, reason))
            },
            |remote| checked(remote.close(code, reason)),
            0,
        )
    })
}

/// Ends the TCP connection without a closing handshake; `on_close` follows, later, with code 1006.
///
/// TW_OK, or TW_EHANDLE for a dead id. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_abort(ws: tw_ws) -> tw_status {
    guard::status(|| {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.abort(id);
                Ok(())
            },
            |remote| {
                remote.abort();
                Ok(())
            },
            0,
        )
    })
}

/// Reads nothing of a connection until tw_resume: no message comes, pings are not answered, the peer's sends
/// wait in the network, and its silence is not judged. Called on the loop's thread, no `on_message` comes
/// after it returns; from another thread at most the one that is running. tw_close resumes.
///
/// TW_OK; TW_EHANDLE for a dead id. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_pause(ws: tw_ws) -> tw_status {
    guard::status(|| {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.pause(id);
                Ok(())
            },
            |remote| {
                remote.pause();
                Ok(())
            },
            0,
        )
    })
}

/// Reads again. Does nothing on a connection that is not paused.
///
/// TW_OK; TW_EHANDLE for a dead id. Any thread, any callback.
#[unsafe(no_mangle)]
pub extern "C" fn tw_resume(ws: tw_ws) -> tw_status {
    guard::status(|| {
        act(
            ws,
            |context, id| {
                alive(context, id)?;
                context.resume(id);
                Ok(())
            },
            |remote| {
                remote.resume();
                Ok(())
            },
            0,
        )
    })
}

/// The state as in browsers: 0 connecting, 1 open, 2 closing, 3 closed. A dead id is closed.
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
/// not shrink while a callback runs. A dead id has none.
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
/// dead id. Any thread, any callback except the connection's own `on_close`.
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
    guard::status(|| {
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
            _ => Err(TW_EINVAL),
        };
        let found =
            look(ws, |context, id| context.remote(id).as_ref().map(text), |r| Some(text(r)));
        let text = found.flatten().ok_or(TW_EHANDLE)??;
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

/// Counts of one connection. Those of compression are bytes of the messages that went compressed;
/// others do not count.
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
}

// SAFETY: `repr(C)`, the size first, numbers only.
unsafe impl SizedStruct for tw_stats {
    const NAME: &'static str = "tw_stats";
    const V1: usize = offset_of!(Self, latency_ns);
}

/// Fills `stats`, whose `size` is set, with counts of the connection. Members
/// that this library does not know become zero.
///
/// TW_OK; TW_EINVAL for NULL or a bad size; TW_EHANDLE for a dead id. Any thread, any callback except the
/// connection's own `on_close`.
///
/// # Safety
///
/// `stats` is NULL or points at a structure that is as long as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_get_stats(ws: tw_ws, stats: *mut tw_stats) -> tw_status {
    guard::status(|| {
        // SAFETY: the caller vouches for `stats`.
        let size = unsafe { edge::size_of_output(stats) }.map_err(|error| error.code())?;
        let counts = |remote: &Remote| (remote.deflate_stats(), remote.latency());
        let found =
            look(ws, |context, id| context.remote(id).as_ref().map(counts), |r| Some(counts(r)));
        let (found, latency) = found.flatten().ok_or(TW_EHANDLE)?;
        let latency = latency.map_or(0, |latency| latency.as_nanos());
        let filled = tw_stats {
            size,
            deflate_sent: found.sent,
            deflate_sent_compressed: found.sent_compressed,
            deflate_received: found.received,
            deflate_received_compressed: found.received_compressed,
            latency_ns: u64::try_from(latency).unwrap_or(u64::MAX),
        };
        // SAFETY: its size was found to be one of this structure.
        unsafe { edge::fill(stats, &filled, size) };
        Ok(())
    })
}

/// Acts on a connection by the shortest way: from one of its loop's callbacks on the loop itself; if
/// nobody uses the loop, by using it; else through its inbox. `at_the_end` is the answer for a
/// connection whose `on_close` is running.
fn act(
    ws: tw_ws,
    directly: impl Fn(&mut Context<'_>, ConnId) -> Result<(), tw_status>,
    remotely: impl FnOnce(&Remote) -> Result<(), tw_status>,
    at_the_end: tw_status,
) -> Result<(), tw_status> {
    let parts = Parts::of(ws, Kind::Connection).ok_or(TW_EHANDLE)?;
    let inside = current::inside(parts.place, |Inside { names, context, ending }| {
        if ending == ws {
            return if at_the_end == 0 { Ok(()) } else { Err(at_the_end) };
        }
        directly(context, names.connection_of(parts))
    });
    if let Some(result) = inside {
        return result;
    }
    let home = registry::enter_of(parts)?;
    let id = home.names().connection_of(parts);
    let used = home.try_use(|event_loop| {
        let result = directly(&mut event_loop.context(), id);
        event_loop.flush();
        result
    });
    if let Some(result) = used {
        return result;
    }
    remotely(&home.handle().remote(id).ok_or(TW_EHANDLE)?)
}

/// Looks at a connection; `None` for a dead id.
fn look<R>(
    ws: tw_ws,
    directly: impl FnOnce(&mut Context<'_>, ConnId) -> R,
    remotely: impl FnOnce(&Remote) -> R,
) -> Option<R> {
    let parts = Parts::of(ws, Kind::Connection)?;
    if current::is_inside_of(parts.place) {
        return current::inside(parts.place, |Inside { names, context, .. }| {
            directly(context, names.connection_of(parts))
        });
    }
    let home = registry::enter_of(parts).ok()?;
    let id = home.names().connection_of(parts);
    Some(remotely(&home.handle().remote(id)?))
}

fn alive(context: &Context<'_>, id: ConnId) -> Result<(), tw_status> {
    match context.ready_state(id) {
        ReadyState::Closed => Err(TW_EHANDLE),
        _ => Ok(()),
    }
}

/// What a send came to, for a connection that is in `state` now.
fn sent(result: Result<(), SendError>, state: ReadyState) -> Result<(), tw_status> {
    result.map_err(|error| match error {
        SendError::Closed if state == ReadyState::Closed => TW_EHANDLE,
        SendError::Closed => TW_ESTATE,
        SendError::Full { .. } => TW_EAGAIN,
        SendError::TooLong => TW_ETOOBIG,
        _ => TW_EINTERNAL,
    })
}
