//! What callbacks are and what they receive.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use tightwire::{Chunk, MessageKind};

use crate::edge::{self, SizedStruct};
use crate::endings::{tw_close_ev, tw_reconnect_ev};
use crate::headers::tw_headers;
use crate::status::{Failure, tw_error};

/// A client or server connection.
pub type tw_ws = u64;
/// An event loop.
pub type tw_loop = u64;
/// A listening socket.
pub type tw_server = u64;
/// Trust and keys for TLS.
pub type tw_tls = u64;

/// A text message (RFC 6455 section 5.6).
pub const TW_TEXT: u32 = 0x01;
/// A binary message (RFC 6455 section 5.6).
pub const TW_BINARY: u32 = 0x02;
/// More of the message follows: to send it in parts, and in the chunks of `on_chunk` (RFC 6455 section
/// 5.4).
pub const TW_MORE: u32 = 0x04;
/// In `on_chunk`: a message begins.
pub const TW_FIRST: u32 = 0x08;
/// Do not compress this message.
pub const TW_NODEFLATE: u32 = 0x10;

/// A borrowed string. A NUL follows it too; it may contain NUL characters itself where a peer sent
/// them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_str {
    /// Never NULL in what the library hands out.
    pub ptr: *const c_char,
    /// Length in bytes, without the NUL.
    pub len: usize,
}

/// What the opening handshake settled. Borrowed: valid during `on_open`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_open_ev<'a> {
    /// The URL; on a server the one that the client asked for.
    pub url: tw_str,
    /// The agreed subprotocol, empty if there is none (RFC 6455 section 1.9).
    pub protocol: tw_str,
    /// The agreed extensions, empty if there are none.
    pub extensions: tw_str,
    /// The peer's address and port.
    pub remote: tw_str,
    /// Header fields of the peer's half of the handshake; see tw_header.
    pub headers: *const tw_headers<'a>,
    /// Connections that this client had before and lost; 0 unless it comes back (tw_reconnect_opts).
    /// The place to subscribe again.
    pub reconnects: u32,
}

/// A message, or what a ping or pong carried. Borrowed: valid during the callback.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_msg {
    /// The payload; no NUL follows. Never NULL.
    pub data: *const c_void,
    /// Its length in bytes.
    pub len: usize,
    /// TW_TEXT or TW_BINARY; text is valid UTF-8. In `on_chunk` also TW_FIRST and TW_MORE. 0 for pings
    /// and pongs.
    pub flags: u32,
    /// Bytes of the message before this payload: 0, but for chunks.
    pub offset: u64,
}

/// What a loop calls; one structure for a client connection or for all connections of a server. It
/// is copied: later changes have no effect. A member that is NULL is not called.
///
/// For one connection: `on_open` at most once and before any message, and again only after an
/// `on_reconnect`; `on_close` exactly once and last, unless tw_detach was called. Callbacks run only inside
/// tw_loop_run, tw_loop_poll and tw_loop_free, or on the loop's own thread after tw_loop_start; never inside
/// tw_send and the like, and never inside another callback. What they receive is borrowed and valid until they
/// return. What leaves a callback in another way ends the process with one line on standard error that names
/// the callback: an exception, pthread_exit, longjmp (found by the thread's next call), and returning in a
/// child that was forked inside it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_events {
    /// sizeof(tw_events)
    pub size: usize,
    /// The opening handshake is done: tw_send is legal from now on.
    pub on_open: Option<
        unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, opened: *const tw_open_ev<'_>),
    >,
    /// A whole message came in.
    pub on_message:
        Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, message: *const tw_msg)>,
    /// A piece of a message came in. If this is not NULL, messages come in pieces as they arrive, are not
    /// kept until they are whole, and `on_message` is not called. The first piece has TW_FIRST, all but
    /// the last TW_MORE; `max_message` is the limit of the whole, all the same. The pieces of a text are
    /// valid UTF-8 together, but each may end within a character. Of a compressed message all is kept
    /// until its end.
    pub on_chunk:
        Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, chunk: *const tw_msg)>,
    /// A ping came in; its pong is on its way already (RFC 6455 section 5.5.2).
    pub on_ping:
        Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, ping: *const tw_msg)>,
    /// A pong came in, asked for or not (RFC 6455 section 5.5.3).
    pub on_pong:
        Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, pong: *const tw_msg)>,
    /// The queue of output, which had passed `high_water` or refused a message (TW_EAGAIN), fell under a
    /// quarter of `high_water`, or of `max_buffered` if that is less.
    pub on_drain: Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, buffered: u64)>,
    /// The connection fails; `on_close` follows at once.
    pub on_error:
        Option<unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, error: *const tw_error)>,
    /// The connection is over. Exactly once, always (but for tw_detach), and last: when it returns, the id
    /// is dead and `user` is not touched again on its behalf. A server's connection that `on_request` did
    /// not tell of and that never opened has none.
    pub on_close: Option<
        unsafe extern "C-unwind" fn(ws: tw_ws, user: *mut c_void, closed: *const tw_close_ev<'_>),
    >,
    /// A client's connection that comes back (tw_reconnect_opts) was lost or could not be made.
    /// Returns the milliseconds to wait before the next attempt, for example `lost->wait_ms`, which is
    /// what the policy decided; a negative number gives up, and `on_close` follows. NULL: as the policy
    /// says. The next connection has the same id and begins with `on_open`; what was sent and did not
    /// leave is gone.
    pub on_reconnect: Option<
        unsafe extern "C-unwind" fn(
            ws: tw_ws,
            user: *mut c_void,
            lost: *const tw_reconnect_ev<'_>,
        ) -> i64,
    >,
}

// SAFETY: `repr(C)`, the size first; the other members are nullable function pointers.
unsafe impl SizedStruct for tw_events {
    const NAME: &'static str = "tw_events";
    const V1: usize = offset_of!(Self, on_reconnect);
}

impl tw_events {
    /// The events that an options structure points at.
    ///
    /// # Safety
    ///
    /// `from` is NULL or points at a structure that is as long as its size says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Self, Failure> {
        // SAFETY: the caller vouches for `from`.
        unsafe { edge::sized(from) }
    }
}

/// Text with a NUL behind it.
pub(crate) struct Text(Vec<u8>);

impl Text {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + 1);
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
        Self(bytes)
    }

    /// Valid as long as `self`, also when that is moved.
    pub(crate) fn as_str(&self) -> tw_str {
        tw_str { ptr: self.0.as_ptr().cast(), len: self.0.len() - 1 }
    }
}

impl tw_msg {
    pub(crate) fn new(data: &[u8], flags: u32) -> Self {
        Self { data: data.as_ptr().cast(), len: data.len(), flags, offset: 0 }
    }

    pub(crate) fn chunk(chunk: &Chunk<'_>) -> Self {
        let first = if chunk.first { TW_FIRST } else { 0 };
        let more = if chunk.last { 0 } else { TW_MORE };
        let whole = Self::new(chunk.data, flag(chunk.kind) | first | more);
        Self { offset: chunk.offset, ..whole }
    }
}

/// The flag of a kind of message.
#[inline]
pub(crate) fn flag(kind: MessageKind) -> u32 {
    match kind {
        MessageKind::Text => TW_TEXT,
        MessageKind::Binary => TW_BINARY,
    }
}
