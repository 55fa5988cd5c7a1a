//! Listening sockets.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tightwire::{Context, ServerOptions};

use crate::bridge::{Asks, Bridge};
use crate::callbacks::{tw_events, tw_loop, tw_server, tw_tls, tw_ws};
use crate::current::{self, Inside};
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::home::Listening;
use crate::ids::{Kind, Parts};
use crate::options::{no_flags, tw_tuning};
use crate::registry;
use crate::requests::{RequestFn, tw_request};
use crate::sending::message;
use crate::status::{
    Failure, TW_EHANDLE, TW_EINVAL, TW_ESHUTDOWN, gone_with_its_loop, tw_error, tw_status,
};
use crate::tls::{self, Certificate};

/// Where to listen, and whom to accept. All that is zero means its default. Everything is read during
/// the call and not kept, except for `user`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_server_opts {
    /// sizeof(tw_server_opts)
    pub size: usize,
    /// `ws://host:port`, `wss://host:port` with `tls`, or `host:port`; port 0 lets the system choose.
    /// Required, but with TW_SERVER_FD.
    pub listen: *const c_char,
    /// Certificate and key, for `wss://`.
    pub tls: tw_tls,
    /// Clients that may wait to be accepted; 1024.
    pub backlog: u32,
    /// Connections at one time; 0: no limit. More are refused with 503.
    pub max_conns: u32,
    /// TW_SERVER_FD, or 0.
    pub flags: u32,
    /// Subprotocols that the server speaks, the preferred one first; NULL-ended. A client that offers
    /// none of them is accepted without one (RFC 6455 section 4.2.2).
    pub protocols: *const *const c_char,
    /// Origins of web pages that may connect, besides those of the same host, for example
    /// `https://example.com`, or `*` for all; NULL-ended (RFC 6455 section 10.2).
    pub origins: *const *const c_char,
    /// Names that requests may have as `Host` on a loopback address, besides those of the machine
    /// itself, or `*` for all; NULL-ended. Others are refused with 403 there, against DNS rebinding.
    pub hosts: *const *const c_char,
    /// Limits and times of each connection; NULL: the defaults.
    pub tuning: *const tw_tuning,
    /// What is called for every accepted connection. Required.
    pub events: *const tw_events,
    /// Handed to every callback; never looked at.
    pub user: *mut c_void,
    /// Called for every client that asks to be accepted and that `origins`, `hosts` and `max_conns` let
    /// through. Answer with tw_accept or tw_reject, there or later, from any thread, within
    /// `open_timeout_ms`: afterwards the library refuses with 503. `ws` is the connection's id from now
    /// on, and `on_close` comes for it in any case. NULL: everyone is accepted.
    pub on_request: Option<
        unsafe extern "C-unwind" fn(
            server: tw_server,
            user: *mut c_void,
            ws: tw_ws,
            request: *const tw_request<'_>,
        ),
    >,
    /// With TW_SERVER_FD: a listening stream socket to accept from, instead of `listen`. The library has
    /// a descriptor of its own afterwards; close yours whenever you like. The socket becomes
    /// non-blocking.
    pub listen_fd: libc::intptr_t,
}

/// In `flags` of tw_server_opts: accept from the listening socket `listen_fd`.
pub const TW_SERVER_FD: u32 = 0x01;

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_server_opts {
    const NAME: &'static str = "tw_server_opts";
    const V1: usize = offset_of!(Self, on_request);
}

/// Starts to listen (RFC 6455 section 4.2). Every accepted connection has an id of its own, which
/// `on_open` brings.
///
/// TW_OK and the id in `out`. TW_EINVAL for an argument, which `error` names; TW_ECONNECT if the address
/// cannot be listened on; TW_EUNSUPPORTED for an option that this library does not know; TW_EHANDLE for a dead
/// `loop` or `tls`, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN
/// while the loop is being freed; TW_ENOMEM with 16777216 servers.
///
/// Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
/// hold no lock that a callback takes; callbacks may come before this returns.
///
/// The id lives until tw_server_close, or until the loop is freed. What `options` points at may go when
/// this returns. What its `user` points at has to live until the server is closed and each of its
/// connections has had its `on_close`.
///
/// # Safety
///
/// The pointers are NULL or valid, and the structures are as long as their sizes say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_listen(
    id: tw_loop,
    options: *const tw_server_opts,
    out: *mut tw_server,
    error: *mut tw_error,
) -> tw_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::argument("out is NULL"));
        }
        // SAFETY: the caller vouches for `options`.
        let given = unsafe { edge::sized(options) }?;
        // SAFETY: the caller vouches for what it points at.
        let (options, bridge, tls) = unsafe { read(&given) }?;
        let server = listen(id, &options, bridge, given.on_request, tls)?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, server) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(id, error, body) }
}

/// What is called, and with what.
type Called = (tw_events, *mut c_void);

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(
    given: &tw_server_opts,
) -> Result<(ServerOptions, Called, Option<Certificate>), Failure> {
    no_flags(given.flags & !TW_SERVER_FD, "tw_server_opts.flags")?;
    // SAFETY: the caller vouches for it.
    let listen = unsafe { edge::text(given.listen, "listen") }?;
    // SAFETY: the caller vouches for it.
    let protocols = unsafe { edge::texts(given.protocols, "protocols") }?;
    // SAFETY: the caller vouches for it.
    let origins = unsafe { edge::texts(given.origins, "origins") }?;
    // SAFETY: the caller vouches for it.
    let hosts = unsafe { edge::texts(given.hosts, "hosts") }?;
    // SAFETY: the caller vouches for it.
    let mut tuning = unsafe { tw_tuning::read(given.tuning) }?;
    // SAFETY: the caller vouches for it.
    let events = unsafe { tw_events::read(given.events) }?;

    tuning.chunks = events.on_chunk.is_some();
    let options = match listen {
        _ if given.flags & TW_SERVER_FD != 0 => {
            // SAFETY: the caller vouches for it.
            ServerOptions::listener(
                unsafe { edge::duplicate(given.listen_fd, "listen_fd") }?.into(),
            )
        }
        Some(listen) => ServerOptions::new(listen)?,
        None => return Err(Failure::argument("listen is NULL")),
    };
    let mut options = options.protocols(protocols).origins(origins).hosts(hosts).tuning(tuning);
    if given.backlog > 0 {
        options = options.backlog(given.backlog);
    }
    if given.max_conns > 0 {
        options = options.max_connections(given.max_conns as usize);
    }
    let mut tls = None;
    if given.tls != 0 {
        if listen.is_some_and(|listen| listen.starts_with("ws://")) {
            return Err(Failure::argument("listen is ws:// although tls is given: use wss://"));
        }
        let (secured, certificate) = tls::secure_server(options, given.tls)?;
        options = secured;
        tls = Some(certificate);
    }
    Ok((options, (events, given.user), tls))
}

fn listen(
    id: tw_loop,
    options: &ServerOptions,
    (events, user): Called,
    on_request: Option<RequestFn>,
    tls: Option<Certificate>,
) -> Result<tw_server, Failure> {
    let home = registry::enter(id)?;
    if home.is_ending() {
        return Err(TW_ESHUTDOWN.into());
    }
    let parts = Parts::of(id, Kind::Loop).ok_or(TW_EHANDLE)?;
    let name = Arc::new(AtomicU64::new(0));
    let server = Arc::clone(&name);
    let asks = on_request.map(|on_request| Asks { on_request, server });
    let bridge = Box::new(Bridge::new(home.names(), events, user).asking(asks));
    let names = Arc::clone(home.names());
    let (server, port) = if current::is_inside_of(parts.place) {
        let listen = |Inside { context, .. }: Inside<'_>| {
            let server = context.listen(options, bridge)?;
            name.store(names.server(server), Ordering::Release);
            Ok::<_, Failure>((server, context.server_port(server)))
        };
        current::inside(parts.place, listen).ok_or(TW_EHANDLE)??
    } else {
        home.wait_and_use(|event_loop| {
            let mut context = event_loop.context();
            let server = context.listen(options, bridge)?;
            name.store(names.server(server), Ordering::Release);
            let port = context.server_port(server);
            event_loop.flush();
            Ok::<_, Failure>((server, port))
        })??
    };
    home.servers().insert(server.to_u64(), Listening { port: port.unwrap_or(0), tls });
    Ok(home.names().server(server))
}

/// Stores the port that a server listens on in `out`.
///
/// TW_OK; TW_EINVAL if `out` is NULL; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback.
///
/// # Safety
///
/// `out` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_server_port(server: tw_server, out: *mut u16) -> tw_status {
    guard::status(server, || {
        if out.is_null() {
            return Err(TW_EINVAL);
        }
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id = home.names().server_of(parts);
        let port = home.servers().get(&id.to_u64()).ok_or(TW_EHANDLE)?.port;
        // SAFETY: the caller vouches for `out`.
        unsafe { edge::store(out, port) }
    })
}

/// Gives a server of `wss://` another certificate, key and rules for clients, for instance since the
/// certificate was renewed. Connections that it accepts from now on use them; those that are open, or in
/// their handshake, go on undisturbed. Other servers with the same configuration keep it.
///
/// TW_OK; TW_EINVAL if `tls` has no certificate and key, or the server is one of `ws://`; TW_EHANDLE for
/// a dead id of either, TW_EFORKED; TW_EUNSUPPORTED from a library that is built without TLS. Any thread, any
/// callback; it waits for nobody.
#[unsafe(no_mangle)]
pub extern "C" fn tw_server_set_tls(server: tw_server, tls: tw_tls) -> tw_status {
    guard::status(server, || {
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id = home.names().server_of(parts);
        let own = home.servers().get(&id.to_u64()).ok_or(TW_EHANDLE)?.tls.clone();
        own.ok_or(TW_EINVAL)?.replace_with(tls).map_err(|failure| failure.code())
    })
}

/// Queues one message, as tw_send does, on every connection of a server that is open; where a message in parts is
/// under way, behind its end. Those with `max_buffered` payload bytes queued do not get it. `count`, unless it is
/// NULL, receives how many do.
///
/// TW_OK; TW_EINVAL and TW_EUTF8 as for tw_send, and TW_EINVAL for a part of a message; TW_EHANDLE for a dead
/// id, TW_EFORKED; TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the
/// loop is being freed. Any thread, any callback. While another thread drives the loop it waits for the end
/// of that turn, so hold no lock that a callback takes.
///
/// # Safety
///
/// `data` points at `len` bytes, or `len` is 0; `count` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_broadcast(
    server: tw_server,
    flags: u32,
    data: *const c_void,
    len: usize,
    count: *mut usize,
) -> tw_status {
    guard::status(server, || {
        // SAFETY: the caller vouches for `data`.
        let message = message(flags, unsafe { edge::bytes(data, len) }?)?;
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id = home.names().server_of(parts);
        if !home.servers().contains_key(&id.to_u64()) {
            return Err(TW_EHANDLE);
        }
        let inside =
            current::inside(parts.place, |Inside { context, .. }| context.broadcast(id, message));
        let taken = match inside {
            Some(taken) => taken,
            None => home
                .wait_and_use(|event_loop| {
                    let taken = event_loop.context().broadcast(id, message);
                    event_loop.flush();
                    taken
                })
                .map_err(gone_with_its_loop)?,
        };
        // SAFETY: the caller vouches for `count`.
        unsafe { edge::store_if_wanted(count, taken) };
        Ok(())
    })
}

/// Stops listening. With 0 the server's connections stay; close them as you see fit. Otherwise they are
/// closed with 1001 (RFC 6455 section 7.4.1), those whose request waits for an answer are refused with
/// 503, and what is left after `grace_ms` is aborted; each gets its `on_close`. Nothing is called for the
/// server itself. The id is dead when this returns, which is at once.
///
/// TW_OK; TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback. While another thread drives the loop,
/// and from `on_log` and the function of tw_loop_on_ready, the socket is closed by the thread that drives it,
/// soon.
#[unsafe(no_mangle)]
pub extern "C" fn tw_server_close(server: tw_server, grace_ms: u32) -> tw_status {
    guard::status(server, || {
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id = home.names().server_of(parts);
        home.servers().remove(&id.to_u64()).ok_or(TW_EHANDLE)?;
        let close = move |context: &mut Context<'_>| match grace_ms {
            0 => context.close_server(id),
            _ => context.end_server(id, Duration::from_millis(grace_ms.into())),
        };
        let inside = current::inside(parts.place, |Inside { context, .. }| close(context));
        if inside.is_some() {
            return Ok(());
        }
        let used = home.try_use(|event_loop| {
            close(&mut event_loop.context());
            event_loop.flush();
        });
        if used.is_none() {
            // If the loop is gone meanwhile, the socket is too.
            home.handle().post(Box::new(move |context| {
                close(context);
            }));
        }
        Ok(())
    })
}
