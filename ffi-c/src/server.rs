//! Listening sockets.

use std::ffi::{c_char, c_void};

use tightwire::{ServerOptions, ServerTls};

use crate::bridge::Bridge;
use crate::callbacks::{tw_events, tw_loop, tw_server, tw_tls};
use crate::connections::message;
use crate::current::{self, Inside};
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::home::Listening;
use crate::ids::{Kind, Parts};
use crate::options::{no_flags, tw_tuning};
use crate::registry;
use crate::status::{
    Failure, TW_EHANDLE, TW_EINVAL, TW_ESHUTDOWN, TW_EUNSUPPORTED, tw_error, tw_status,
};
use crate::tls;

/// Where to listen, and whom to accept. All that is zero means its default. Everything is read during
/// the call and not kept, except for `user`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_server_opts {
    /// sizeof(tw_server_opts)
    pub size: usize,
    /// `ws://host:port`, `wss://host:port` with `tls`, or `host:port`; port 0 lets the system choose.
    /// Required.
    pub listen: *const c_char,
    /// Certificate and key, for `wss://`.
    pub tls: tw_tls,
    /// Clients that may wait to be accepted; 1024.
    pub backlog: u32,
    /// Connections at one time; 0: no limit. More are refused with 503.
    pub max_conns: u32,
    /// None are defined: 0.
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
}

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_server_opts {
    const NAME: &'static str = "tw_server_opts";
    const V1: usize = size_of::<Self>();
}

/// Starts to listen (RFC 6455 section 4.2). Every accepted connection has an id of its own, which
/// `on_open` brings.
///
/// TW_OK and the id in `out`. TW_EINVAL for an argument, which `error` names; TW_ECONNECT if the address
/// cannot be listened on; TW_EUNSUPPORTED for an option that this library does not know; TW_EHANDLE,
/// TW_EFORKED; TW_ESHUTDOWN while the loop is being freed.
///
/// Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
/// hold no lock that a callback takes.
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
        let (options, events, tls) = unsafe { read(&given) }?;
        let server = listen(id, &options, events, given.user, tls)?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, server) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(error, body) }
}

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(
    given: &tw_server_opts,
) -> Result<(ServerOptions, tw_events, Option<ServerTls>), Failure> {
    no_flags(given.flags, "tw_server_opts.flags")?;
    // SAFETY: the caller vouches for it.
    let listen = unsafe { edge::text(given.listen, "listen") }?;
    // SAFETY: the caller vouches for it.
    let protocols = unsafe { edge::texts(given.protocols, "protocols") }?;
    // SAFETY: the caller vouches for it.
    let origins = unsafe { edge::texts(given.origins, "origins") }?;
    // SAFETY: the caller vouches for it.
    let hosts = unsafe { edge::texts(given.hosts, "hosts") }?;
    // SAFETY: the caller vouches for it.
    let tuning = unsafe { tw_tuning::read(given.tuning) }?;
    // SAFETY: the caller vouches for it.
    let events = unsafe { tw_events::read(given.events) }?;

    let listen = listen.ok_or_else(|| Failure::argument("listen is NULL"))?;
    let mut options = ServerOptions::new(listen)?
        .protocols(protocols)
        .origins(origins)
        .hosts(hosts)
        .tuning(tuning);
    if given.backlog > 0 {
        options = options.backlog(given.backlog);
    }
    if given.max_conns > 0 {
        options = options.max_connections(given.max_conns as usize);
    }
    let mut tls = None;
    if given.tls != 0 {
        if listen.starts_with("ws://") {
            return Err(Failure::argument("listen is ws:// although tls is given: use wss://"));
        }
        let own = tls.insert(tls::server(given.tls)?);
        options = options.tls(own.clone());
    }
    Ok((options, events, tls))
}

fn listen(
    id: tw_loop,
    options: &ServerOptions,
    events: tw_events,
    user: *mut c_void,
    tls: Option<ServerTls>,
) -> Result<tw_server, Failure> {
    let home = registry::enter(id)?;
    if home.is_ending() {
        return Err(TW_ESHUTDOWN.into());
    }
    let parts = Parts::of(id, Kind::Loop).ok_or(TW_EHANDLE)?;
    let bridge = Box::new(Bridge::new(home.names(), events, user));
    let (server, port) = if current::is_inside_of(parts.place) {
        let listen = |Inside { context, .. }: Inside<'_>| {
            let server = context.listen(options, bridge)?;
            Ok::<_, Failure>((server, context.server_port(server)))
        };
        current::inside(parts.place, listen).ok_or(TW_EHANDLE)??
    } else {
        home.wait_and_use(|event_loop| {
            let mut context = event_loop.context();
            let server = context.listen(options, bridge)?;
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
    guard::status(|| {
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
/// a dead id of either, TW_EFORKED. Any thread, any callback; it waits for nobody.
#[unsafe(no_mangle)]
pub extern "C" fn tw_server_set_tls(server: tw_server, tls: tw_tls) -> tw_status {
    guard::status(|| {
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        let id = home.names().server_of(parts);
        let own = home.servers().get(&id.to_u64()).ok_or(TW_EHANDLE)?.tls.clone();
        let new = tls::server(tls).map_err(|failure| failure.code())?;
        own.ok_or(TW_EINVAL)?.replace_with(&new);
        Ok(())
    })
}

/// Queues one message, as tw_send does, on every connection of a server that is open. Those with
/// `max_buffered` payload bytes queued do not get it. `count`, unless it is NULL, receives how many do.
///
/// TW_OK; TW_EINVAL, TW_EUTF8 and TW_EUNSUPPORTED as for tw_send; TW_EHANDLE for a dead id, TW_EFORKED. Any
/// thread, any callback. While another thread drives the loop it waits for the end of that turn, so hold
/// no lock that a callback takes.
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
    guard::status(|| {
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
            None => home.wait_and_use(|event_loop| {
                let taken = event_loop.context().broadcast(id, message);
                event_loop.flush();
                taken
            })?,
        };
        // SAFETY: the caller vouches for `count`.
        unsafe { edge::store_if_wanted(count, taken) };
        Ok(())
    })
}

/// Stops listening. The server's connections stay; close them as you see fit. Nothing is called for
/// the server itself, and its id is dead.
///
/// `grace_ms` must be 0: to close the connections too is not built yet (TW_EUNSUPPORTED). TW_OK;
/// TW_EHANDLE for a dead id, TW_EFORKED. Any thread, any callback. While another thread drives the loop
/// the socket is closed by that thread, soon.
#[unsafe(no_mangle)]
pub extern "C" fn tw_server_close(server: tw_server, grace_ms: u32) -> tw_status {
    guard::status(|| {
        let parts = Parts::of(server, Kind::Server).ok_or(TW_EHANDLE)?;
        let home = registry::enter_of(parts)?;
        if grace_ms != 0 {
            return Err(TW_EUNSUPPORTED);
        }
        let id = home.names().server_of(parts);
        home.servers().remove(&id.to_u64()).ok_or(TW_EHANDLE)?;
        let inside = current::inside(parts.place, |Inside { context, .. }| {
            context.close_server(id);
        });
        if inside.is_some() {
            return Ok(());
        }
        let used = home.try_use(|event_loop| {
            event_loop.context().close_server(id);
            event_loop.flush();
        });
        if used.is_none() {
            // If the loop is gone meanwhile, the socket is too.
            home.handle().post(Box::new(move |context| {
                context.close_server(id);
            }));
        }
        Ok(())
    })
}
