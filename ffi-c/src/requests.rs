//! Requests to a server, and the application's word on them.

use std::ffi::{c_char, c_int, c_void};

use tightwire::{ConnId, Context, Error, Reply, Request};

use crate::bridge::User;
use crate::callbacks::{Text, tw_events, tw_server, tw_str, tw_ws};
use crate::current::{self, Inside};
use crate::edge;
use crate::guard;
use crate::headers::tw_headers;
use crate::ids::{Kind, Parts};
use crate::registry;
use crate::status::{Failure, TW_EHANDLE, TW_EINVAL, TW_EUTF8, gone_with_its_loop, tw_status};

/// A client's opening handshake (RFC 6455 section 4.2.1). Borrowed: valid during `on_request`. The
/// library makes it, so that members may be added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_request<'a> {
    /// The method, `GET`.
    pub method: tw_str,
    /// Path and query as they came: neither decoded nor normalised.
    pub target: tw_str,
    /// The field `Host`.
    pub host: tw_str,
    /// The field `Origin`; empty if there is none, as from clients that are no browsers.
    pub origin: tw_str,
    /// The client's address and port.
    pub remote: tw_str,
    /// All header fields; see tw_header.
    pub headers: *const tw_headers<'a>,
    /// The subprotocols that the client offers, the preferred one first; see `protocols_len`.
    pub protocols: *const tw_str,
    /// How many there are.
    pub protocols_len: usize,
}

/// What a server calls for each client that asks to be accepted.
pub(crate) type RequestFn = unsafe extern "C-unwind" fn(
    server: tw_server,
    user: *mut c_void,
    ws: tw_ws,
    request: *const tw_request<'_>,
);

/// The texts of a request, for the time of a callback.
pub(crate) struct Asked<'a> {
    texts: [Text; 5],
    headers: tw_headers<'a>,
    protocols: Vec<Text>,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(request: &'a Request, remote: &str) -> Self {
        let origin = request.origin().unwrap_or_default();
        let texts = [request.method(), request.target(), request.host(), origin, remote];
        Self {
            texts: texts.map(Text::new),
            headers: tw_headers::new(request.headers()),
            protocols: request.protocols().map(Text::new).collect(),
        }
    }

    /// Calls back with the whole.
    pub(crate) fn lend(&self, callback: impl FnOnce(*const tw_request<'_>)) {
        let protocols: Vec<_> = self.protocols.iter().map(Text::as_str).collect();
        let [method, target, host, origin, remote] = self.texts.each_ref().map(Text::as_str);
        let request = tw_request {
            method,
            target,
            host,
            origin,
            remote,
            headers: &raw const self.headers,
            protocols: protocols.as_ptr(),
            protocols_len: protocols.len(),
        };
        callback(&raw const request);
    }
}

/// The events of one connection, where they are not those of its server. Its address is the
/// connection's tag.
pub(crate) struct Own {
    pub(crate) events: tw_events,
    pub(crate) user: User,
}

impl Own {
    fn into_tag(self) -> u64 {
        Box::into_raw(Box::new(self)) as u64
    }

    #[inline]
    fn from_tag(tag: u64) -> Option<*mut Self> {
        let address = usize::try_from(tag).ok().filter(|address| *address != 0)?;
        Some(address as *mut Self)
    }

    /// What a tag stands for.
    ///
    /// # Safety
    ///
    /// The tag is that of a connection of ours whose end was not told yet.
    #[inline]
    pub(crate) unsafe fn of<'a>(tag: u64) -> Option<&'a Self> {
        // SAFETY: it came from `into_tag`, and is freed with the connection only.
        Self::from_tag(tag).map(|own| unsafe { &*own })
    }

    /// Frees what a tag stands for.
    ///
    /// # Safety
    ///
    /// As for [`of`](Self::of), and this is the end.
    pub(crate) unsafe fn free(tag: u64) {
        if let Some(own) = Self::from_tag(tag) {
            // SAFETY: it came from `into_tag`, and nobody uses it any more.
            drop(unsafe { Box::from_raw(own) });
        }
    }
}

/// Accepts a client that `on_request` told of, there or later (RFC 6455 section 4.2.2). `on_open` follows,
/// in a later turn unless this is called from `on_request`.
///
/// `protocol` is one of the subprotocols that the client offers, empty for none, or NULL for the one that
/// `protocols` of the server's options prefers. `headers` are fields to add to the answer, `Name: value`
/// each, NULL-ended; or NULL. `events` are called for this connection, with `user`, instead of the
/// server's; NULL: the server's, with its `user`.
///
/// TW_OK; TW_EINVAL for a protocol that the client did not offer or a header that cannot be sent, and then
/// nothing was answered, nor for bad `events` (TW_EINVAL, TW_EUNSUPPORTED); TW_ESTATE if it was answered
/// before, or never asked; TW_EHANDLE for a dead id, as when the client is gone, TW_EFORKED; TW_EREENTRANT from
/// `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any
/// callback. While another thread drives the loop it waits for the end of that turn, so hold no lock that a
/// callback takes. What `events` points at may go when this returns. What `user` points at has to live until
/// `on_close` of the connection.
///
/// # Safety
///
/// The pointers are NULL or valid, and `events` is as long as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_accept(
    ws: tw_ws,
    protocol: *const c_char,
    headers: *const *const c_char,
    events: *const tw_events,
    user: *mut c_void,
) -> tw_status {
    guard::status(ws, || {
        let mut reply = Reply::accept();
        // SAFETY: the caller vouches for it.
        let protocol = unsafe { edge::text(protocol, "protocol") }.map_err(code)?;
        if let Some(protocol) = protocol {
            reply.protocol((!protocol.is_empty()).then_some(protocol));
        }
        // SAFETY: the caller vouches for it.
        add_headers(&mut reply, &unsafe { edge::texts(headers, "headers") }.map_err(code)?)?;
        let mut own = None;
        if !events.is_null() {
            // SAFETY: the caller vouches for it.
            let events = unsafe { tw_events::read(events) }.map_err(code)?;
            reply.chunks(events.on_chunk.is_some());
            own = Some(Own { events, user: User(user) });
        }
        answer(ws, reply, own)
    })
}

/// Refuses a client that `on_request` told of, there or later, with an HTTP status from 300 to 599 (RFC
/// 6455 section 4.2.2). `on_close` follows when the answer is out.
///
/// `headers` are fields of the answer, `Name: value` each, NULL-ended; or NULL. `body` is text of `len`
/// bytes, of the type text/plain unless `headers` say otherwise.
///
/// TW_OK; TW_EINVAL for another status, a header that cannot be sent, or NULL with a length, TW_EUTF8 for a
/// body that is not UTF-8, and then nothing was answered; TW_ESTATE if it was answered before, or never
/// asked; TW_EHANDLE for a dead id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of
/// tw_loop_on_ready; TW_ESHUTDOWN while the loop is being freed. Any thread, any callback. While another
/// thread drives the loop it waits for the end of that turn, so hold no lock that a callback takes.
///
/// # Safety
///
/// The pointers are NULL or valid; `body` points at `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_reject(
    ws: tw_ws,
    http_status: c_int,
    headers: *const *const c_char,
    body: *const c_void,
    len: usize,
) -> tw_status {
    guard::status(ws, || {
        let status = u16::try_from(http_status).map_err(|_| TW_EINVAL)?;
        if !(300..=599).contains(&status) {
            return Err(TW_EINVAL);
        }
        // SAFETY: the caller vouches for it.
        let body = unsafe { edge::bytes(body, len) }?;
        let body = simdutf8::basic::from_utf8(body).map_err(|_| TW_EUTF8)?;
        let mut reply = Reply::accept();
        reply.refuse(status, body);
        // SAFETY: the caller vouches for it.
        add_headers(&mut reply, &unsafe { edge::texts(headers, "headers") }.map_err(code)?)?;
        answer(ws, reply, None)
    })
}

fn code(failure: Failure) -> tw_status {
    failure.code()
}

fn add_headers(reply: &mut Reply, headers: &[&str]) -> Result<(), tw_status> {
    for header in headers {
        let (name, value) = header.split_once(':').ok_or(TW_EINVAL)?;
        reply.header(name, value.trim());
    }
    Ok(())
}

fn answer(ws: tw_ws, reply: Reply, own: Option<Own>) -> Result<(), tw_status> {
    let parts = Parts::of(ws, Kind::Connection).ok_or(TW_EHANDLE)?;
    if current::is_inside_of(parts.place) {
        let give = |Inside { names, context, .. }: Inside<'_>| {
            give(context, names.connection_of(parts), reply, own)
        };
        return current::inside(parts.place, give).unwrap_or(Err(TW_EHANDLE));
    }
    let home = registry::enter_of(parts)?;
    let id = home.names().connection_of(parts);
    let given = home.wait_and_use(|event_loop| {
        let given = give(&mut event_loop.context(), id, reply, own);
        event_loop.flush();
        given
    });
    given.map_err(gone_with_its_loop)?
}

fn give(
    context: &mut Context<'_>,
    id: ConnId,
    reply: Reply,
    own: Option<Own>,
) -> Result<(), tw_status> {
    context.answer(id, reply).map_err(|error: Error| error.code() as c_int)?;
    if let Some(own) = own {
        context.set_tag(id, own.into_tag());
    }
    Ok(())
}
