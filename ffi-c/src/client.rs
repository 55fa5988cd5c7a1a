//! Client connections.

use std::ffi::{c_char, c_void};

use tightwire::ClientOptions;

use crate::bridge::Bridge;
use crate::callbacks::{tw_events, tw_loop, tw_tls, tw_ws};
use crate::current::{self, Inside};
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::ids::{Kind, Parts};
use crate::options::{no_flags, tw_tuning};
use crate::registry;
use crate::signals;
use crate::status::{Failure, TW_EHANDLE, TW_ESHUTDOWN, tw_error, tw_status};
use crate::tls;

/// Where to connect, and how. All that is zero means its default. Everything is read during the call
/// and not kept, except for `user`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_client_opts {
    /// sizeof(tw_client_opts)
    pub size: usize,
    /// `ws://host:port/path?query` or `wss://...`, parsed as browsers do. Required.
    pub url: *const c_char,
    /// Subprotocols to offer, the preferred one first (RFC 6455 section 1.9); NULL-ended.
    pub protocols: *const *const c_char,
    /// Header fields to add to the request, `Name: value` each; NULL-ended.
    pub headers: *const *const c_char,
    /// An `Origin` to send, as browsers do.
    pub origin: *const c_char,
    /// Connect to this `host:port` instead; name, certificate and `Host` stay those of the URL.
    pub connect_to: *const c_char,
    /// The name that the certificate must be for, and that is asked for (SNI), instead of the URL's.
    pub tls_name: *const c_char,
    /// Trust and keys; 0: what the platform trusts.
    pub tls: tw_tls,
    /// None are defined: 0.
    pub flags: u32,
    /// Limits and times; NULL: the defaults.
    pub tuning: *const tw_tuning,
    /// What is called. Required.
    pub events: *const tw_events,
    /// Handed to every callback; never looked at.
    pub user: *mut c_void,
}

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_client_opts {
    const NAME: &'static str = "tw_client_opts";
    const V1: usize = size_of::<Self>();
}

/// Starts a client connection (RFC 6455 section 4.1). Returns at once; `on_open`, or `on_close` if it
/// fails, comes later, from whoever drives the loop.
///
/// TW_OK and the id in `out`, which may be sent to once it is open. Anything else means that nothing was
/// started and nothing will be called: TW_EINVAL for an argument, which `error` names; TW_EUNSUPPORTED for
/// an option that this library does not know; TW_EHANDLE, TW_EFORKED; TW_ESHUTDOWN while the loop is being
/// freed. The id needs no freeing: it dies after its `on_close`.
///
/// Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
/// hold no lock that a callback takes.
///
/// # Safety
///
/// The pointers are NULL or valid, and the structures are as long as their sizes say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_connect(
    id: tw_loop,
    options: *const tw_client_opts,
    out: *mut tw_ws,
    error: *mut tw_error,
) -> tw_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::argument("out is NULL"));
        }
        // SAFETY: the caller vouches for `options`.
        let given = unsafe { edge::sized(options) }?;
        // SAFETY: the caller vouches for what it points at.
        let (options, events) = unsafe { read(&given) }?;
        let ws = signals::blocked(|| connect(id, &options, events, given.user))?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, ws) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(error, body) }
}

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(given: &tw_client_opts) -> Result<(ClientOptions, tw_events), Failure> {
    no_flags(given.flags, "tw_client_opts.flags")?;
    // SAFETY: the caller vouches for it.
    let url = unsafe { edge::text(given.url, "url") }?;
    // SAFETY: the caller vouches for it.
    let protocols = unsafe { edge::texts(given.protocols, "protocols") }?;
    // SAFETY: the caller vouches for it.
    let headers = unsafe { edge::texts(given.headers, "headers") }?;
    // SAFETY: the caller vouches for it.
    let origin = unsafe { edge::text(given.origin, "origin") }?;
    // SAFETY: the caller vouches for it.
    let connect_to = unsafe { edge::text(given.connect_to, "connect_to") }?;
    // SAFETY: the caller vouches for it.
    let tls_name = unsafe { edge::text(given.tls_name, "tls_name") }?;
    // SAFETY: the caller vouches for it.
    let tuning = unsafe { tw_tuning::read(given.tuning) }?;
    // SAFETY: the caller vouches for it.
    let events = unsafe { tw_events::read(given.events) }?;

    let url = url.ok_or_else(|| Failure::argument("url is NULL"))?;
    let named = |error: tightwire::Error| Failure::from(error).within("url");
    let mut options = ClientOptions::new(url).map_err(named)?.tuning(tuning);
    for protocol in protocols {
        options = options.protocol(protocol);
    }
    for (index, field) in headers.into_iter().enumerate() {
        let Some((name, value)) = field.split_once(':') else {
            let cause = format_args!("headers[{index}] is not \"Name: value\"");
            return Err(Failure::argument(cause));
        };
        options = options.header(name, value.trim_matches([' ', '\t']));
    }
    if let Some(origin) = origin {
        options = options.origin(origin);
    }
    if let Some(address) = connect_to {
        options = options.connect_to(address);
    }
    if let Some(name) = tls_name {
        options = options.tls_name(name);
    }
    if given.tls != 0 {
        options = options.tls(tls::client(given.tls)?);
    }
    Ok((options, events))
}

fn connect(
    id: tw_loop,
    options: &ClientOptions,
    events: tw_events,
    user: *mut c_void,
) -> Result<tw_ws, Failure> {
    let home = registry::enter(id)?;
    if home.is_ending() {
        return Err(TW_ESHUTDOWN.into());
    }
    let parts = Parts::of(id, Kind::Loop).ok_or(TW_EHANDLE)?;
    let bridge = Box::new(Bridge::new(home.names(), events, user));
    let connected = if current::is_inside_of(parts.place) {
        let connect = |Inside { context, .. }: Inside<'_>| context.connect(options, bridge);
        current::inside(parts.place, connect).ok_or(TW_EHANDLE)?
    } else {
        home.wait_and_use(|event_loop| {
            let connected = event_loop.context().connect(options, bridge);
            event_loop.flush();
            connected
        })?
    };
    Ok(home.names().connection(connected?))
}
