//! Messages and pings: any thread, any callback, any time.

use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::sync::Arc;

use tightwire::{Message, MessageKind, ReadyState, SendError, SharedBytes};

use crate::buffers::{self, tw_buf};
use crate::callbacks::{TW_BINARY, TW_MORE, TW_NODEFLATE, TW_TEXT, tw_ws};
use crate::connections::act;
use crate::edge;
use crate::guard;
use crate::status::{
    TW_EAGAIN, TW_EBUSY, TW_EHANDLE, TW_EINTERNAL, TW_EINVAL, TW_ESTATE, TW_ETOOBIG, TW_EUTF8,
    tw_status,
};

/// Compresses this message whatever its size and even if that makes it larger, where compression was
/// agreed upon (RFC 7692).
pub const TW_DEFLATE: u32 = 0x20;

/// Queues one whole message (RFC 6455 section 5.6) and returns at once. `flags` is TW_TEXT or
/// TW_BINARY, with TW_NODEFLATE or TW_DEFLATE if you like: without either, `deflate_threshold` decides, and what
/// compression would make larger goes as it is.
///
/// In parts (RFC 6455 section 5.4): TW_TEXT or TW_BINARY with TW_MORE begins a message, TW_MORE alone
/// continues it, and 0 ends it, as the frames on the wire do. Text may be cut within a character. Until
/// the end whole messages, on whatever threads, get TW_EBUSY; tw_ping and tw_close do not wait. TW_NODEFLATE or
/// TW_DEFLATE go with the first part and decide about the whole; without either it is compressed, whatever its size.
///
/// TW_OK: the library has a copy of all of it. Anything else: nothing of it was taken. TW_EAGAIN when
/// `max_buffered` payload bytes are queued: wait for `on_drain`; TW_ESTATE while connecting or closing,
/// and for a part without a beginning; TW_EBUSY amid a message in parts; TW_EHANDLE for a dead id, TW_EFORKED;
/// TW_EUTF8 for text that is not UTF-8; TW_EINVAL for other flags, or NULL with a length. There is no
/// length that is too long by itself. Any thread, any callback; a send that returned before another one began, on whatever threads, goes out first. No
/// callback runs inside.
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
    guard::status(ws, || {
        // SAFETY: the caller vouches for `data`.
        let data = unsafe { edge::bytes(data, len) }?;
        send(ws, flags, data, None)
    })
}

/// As tw_send, for the bytes of a buffer, which are not copied where that can be avoided: on the way
/// to the loop's thread. TW_OK takes one reference; anything else takes none. Do not write to the
/// buffer before the last reference is yours.
///
/// TW_OK and the rest as for tw_send, TW_EFORKED among them, and TW_EINVAL for NULL. Any thread, any callback.
///
/// # Safety
///
/// `buffer` is NULL or the caller has a reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_send_buf(ws: tw_ws, flags: u32, buffer: *mut tw_buf) -> tw_status {
    guard::status(ws, || {
        // SAFETY: the caller vouches for `buffer`.
        let own = unsafe { buffers::borrowed(buffer) }.ok_or(TW_EINVAL)?;
        send(ws, flags, (**own).as_ref(), Some(&own))?;
        drop(ManuallyDrop::into_inner(own));
        Ok(())
    })
}

fn send(ws: tw_ws, flags: u32, data: &[u8], shared: Option<&Arc<tw_buf>>) -> Result<(), tw_status> {
    if flags & TW_MORE != 0 || flags == 0 {
        return send_part(ws, flags, data);
    }
    let message = message(flags, data)?;
    act(
        ws,
        |context, id| sent(context.send(id, message), || context.ready_state(id)),
        |remote| {
            let result = match shared {
                _ if remote.is_in_parts() => Err(SendError::InParts),
                Some(shared) => {
                    let data: SharedBytes = Arc::<tw_buf>::clone(shared);
                    remote.send_shared(message.kind(), data, message.compress_wish())
                }
                None => remote.send(message),
            };
            sent(result, || remote.ready_state())
        },
        TW_ESTATE,
    )
}

fn send_part(ws: tw_ws, flags: u32, data: &[u8]) -> Result<(), tw_status> {
    let (kind, compress) = match flags & !TW_MORE {
        0 => (None, None),
        first => (Some(kind_of(first)?), compress_wish(first)?),
    };
    let last = flags & TW_MORE == 0;
    act(
        ws,
        |context, id| {
            let result = context.send_part_as(id, kind, data, last, compress);
            sent(result, || context.ready_state(id))
        },
        |remote| sent(remote.send_part_as(kind, data, last, compress), || remote.ready_state()),
        TW_ESTATE,
    )
}

fn kind_of(flags: u32) -> Result<MessageKind, tw_status> {
    match flags & !(TW_NODEFLATE | TW_DEFLATE) {
        TW_TEXT => Ok(MessageKind::Text),
        TW_BINARY => Ok(MessageKind::Binary),
        _ => Err(TW_EINVAL),
    }
}

fn compress_wish(flags: u32) -> Result<Option<bool>, tw_status> {
    match (flags & TW_DEFLATE != 0, flags & TW_NODEFLATE != 0) {
        (false, false) => Ok(None),
        (deflate, no_deflate) if deflate != no_deflate => Ok(Some(deflate)),
        _ => Err(TW_EINVAL),
    }
}

/// The whole message that the arguments of a send make.
pub(crate) fn message(flags: u32, data: &[u8]) -> Result<Message<'_>, tw_status> {
    let (kind, compress) = (kind_of(flags)?, compress_wish(flags)?);
    if kind == MessageKind::Text && simdutf8::basic::from_utf8(data).is_err() {
        return Err(TW_EUTF8);
    }
    let message = Message::from_parts(kind, data);
    Ok(compress.map_or(message, |compress| message.compress(compress)))
}

/// Sends a ping with up to 125 bytes (RFC 6455 section 5.5.2); `on_pong` tells of the answer. Pings of
/// the keep-alive (`ping_interval_ms`) need no call.
///
/// TW_OK; TW_ETOOBIG over 125 bytes; TW_ESTATE unless the connection is open; TW_EHANDLE for a dead id,
/// TW_EFORKED; TW_EINVAL for NULL with a length. Any thread, any callback.
///
/// # Safety
///
/// `data` points at `len` bytes, or `len` is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_ping(ws: tw_ws, data: *const c_void, len: usize) -> tw_status {
    guard::status(ws, || {
        // SAFETY: the caller vouches for `data`.
        let data = unsafe { edge::bytes(data, len) }?;
        act(
            ws,
            |context, id| sent(context.ping(id, data), || context.ready_state(id)),
            |remote| sent(remote.ping(data), || remote.ready_state()),
            TW_ESTATE,
        )
    })
}

/// What a send came to; `state` tells the connection's state now.
#[inline]
fn sent(
    result: Result<(), SendError>,
    state: impl FnOnce() -> ReadyState,
) -> Result<(), tw_status> {
    result.map_err(|error| match error {
        SendError::Closed if state() == ReadyState::Closed => TW_EHANDLE,
        SendError::Closed | SendError::NotInParts => TW_ESTATE,
        SendError::Full { .. } => TW_EAGAIN,
        SendError::InParts => TW_EBUSY,
        SendError::InvalidUtf8 => TW_EUTF8,
        SendError::TooLong => TW_ETOOBIG,
        _ => TW_EINTERNAL,
    })
}
