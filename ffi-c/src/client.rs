//! Client connections.

use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::net::SocketAddr;
use std::time::Duration;

use tightwire::{Auth, ClientOptions, Proxy};

use crate::bridge::Bridge;
use crate::callbacks::{tw_events, tw_loop, tw_tls, tw_ws};
use crate::current::{self, Inside};
use crate::edge::{self, SizedStruct};
use crate::endings::tw_reconnect_opts;
use crate::guard;
use crate::ids::{Kind, Parts};
use crate::options::{no_flags, tw_tuning};
use crate::registry;
use crate::status::{Failure, TW_EHANDLE, TW_ESHUTDOWN, tw_error, tw_status};
use crate::tls;

/// Where to connect, and how. All that is zero means its default. Everything is read during the call
/// and not kept, except for `user`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_client_opts {
    /// sizeof(tw_client_opts)
    pub size: usize,
    /// `ws://host:port/path?query` or `wss://...`, parsed as browsers do, or
    /// `ws+unix:/path/of/socket:/resource`. Required.
    pub url: *const c_char,
    /// Subprotocols to offer, the preferred one first (RFC 6455 section 1.9); NULL-ended.
    pub protocols: *const *const c_char,
    /// Header fields to add to the request, `Name: value` each; NULL-ended.
    pub headers: *const *const c_char,
    /// An `Origin` to send, as browsers do (RFC 6455 section 10.2, RFC 6454 section 7). NULL: none.
    pub origin: *const c_char,
    /// Connect to this `host:port`, or to the Unix domain socket `unix:/path`, instead; name, certificate
    /// and `Host` stay those of the URL.
    pub connect_to: *const c_char,
    /// The name that the certificate must be for, and that is asked for (SNI), instead of the URL's.
    pub tls_name: *const c_char,
    /// Trust and keys; 0: what the platform trusts.
    pub tls: tw_tls,
    /// TW_CLIENT_FD, TW_CLIENT_PROXY_FROM_ENV, TW_CLIENT_BLOCK_BAD_PORTS and
    /// TW_CLIENT_SERIALIZE_CONNECTS, or 0.
    pub flags: u32,
    /// Limits and times; NULL: the defaults.
    pub tuning: *const tw_tuning,
    /// What is called. Required.
    pub events: *const tw_events,
    /// Handed to every callback; never looked at.
    pub user: *mut c_void,
    /// Go through this proxy, for `ws://` and `wss://` alike: `http://user:password@host:port` or
    /// `https://` (CONNECT, RFC 9110 section 9.3.6, with Basic or Digest login), `socks5://`, or
    /// `socks5h://`, which resolves the name (RFC 1928, RFC 1929). NULL: none.
    pub proxy: *const c_char,
    /// Trust and keys for an `https://` proxy; 0: what the platform trusts.
    pub proxy_tls: tw_tls,
    /// The local address that the connection comes from, `address` or `address:port`; NULL: any.
    pub bind_address: *const c_char,
    /// Have the system probe an idle connection after this time (SO_KEEPALIVE); 0: no probes.
    pub tcp_keepalive_ms: u32,
    /// With TW_CLIENT_FD: a connected stream socket, TCP or Unix, to use instead of connecting. The
    /// library has a descriptor of its own afterwards; close yours whenever you like, and do not read or
    /// write it meanwhile.
    pub fd: isize,
    /// How to log in to the server: TW_AUTH_BASIC and its relatives, or 0. A header `Authorization`
    /// comes before it, and both before user and password in the URL.
    pub auth: u32,
    /// Redirects to follow (RFC 9110 section 15.4), all within `open_timeout_ms`; 0: none, so that one is
    /// an error with its `Location`. Never from `wss` to `ws`. To another scheme, host or port go
    /// neither the login nor the fields `Authorization`, `Cookie` and `Host`, and `connect_to` and
    /// `tls_name` do not count there.
    pub max_redirects: u32,
    /// The user for TW_AUTH_BASIC and TW_AUTH_DIGEST.
    pub auth_user: *const c_char,
    /// The password, or the token for TW_AUTH_BEARER. Never shown in an error or a log.
    pub auth_secret: *const c_char,
    /// How to come back when the connection is lost or cannot be made; NULL: not at all.
    pub reconnect: *const tw_reconnect_opts,
}

/// Sends user and password with the first request (RFC 7617). Over `ws://` everyone on the way can read
/// them.
pub const TW_AUTH_BASIC: u32 = 1;
/// Sends a token with the first request (RFC 6750).
pub const TW_AUTH_BEARER: u32 = 2;
/// Proves the password, which is not itself sent, to a server that asks for it with 401 (RFC 7616): a
/// second request follows the first, on a new connection. TW_EUNSUPPORTED from a library that is built without it.
pub const TW_AUTH_DIGEST: u32 = 3;

/// The connected socket `fd` of tw_client_opts is to be used.
pub const TW_CLIENT_FD: u32 = 0x01;
/// Without `proxy`: go through the one that the environment names, as curl does (`https_proxy`,
/// `http_proxy`, `all_proxy`, `no_proxy`). Reads the environment during tw_connect only.
pub const TW_CLIENT_PROXY_FROM_ENV: u32 = 0x02;
/// Refuses to connect to ports of other protocols, such as 25, as browsers do (Fetch, section "Port
/// blocking").
pub const TW_CLIENT_BLOCK_BAD_PORTS: u32 = 0x04;
/// Connects to one host one after the other (RFC 6455 section 4.1): waits while another connection of the
/// same loop, also with this flag, is on its way to the same host and port, until that one has opened or
/// failed. The host is the one of the URL, whatever its addresses, `connect_to` and `proxy` are.
/// `open_timeout_ms` goes on only while it is this connection's turn. A redirect to another host waits
/// for its turn there, and each attempt of `reconnect` anew.
pub const TW_CLIENT_SERIALIZE_CONNECTS: u32 = 0x08;

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_client_opts {
    const NAME: &'static str = "tw_client_opts";
    const V1: usize = offset_of!(Self, proxy);
}

/// Starts a client connection (RFC 6455 section 4.1). Returns at once; `on_open`, or `on_close` if it
/// fails, comes later, from whoever drives the loop.
///
/// TW_OK and the id in `out`, which may be sent to once it is open. Anything else means that nothing was
/// started and nothing will be called: TW_EINVAL for an argument, which `error` names; TW_EUNSUPPORTED for
/// an option that this library does not know; TW_EHANDLE for a dead `loop`, `tls` or `proxy_tls`, TW_EFORKED;
/// TW_EREENTRANT from `on_log` and the function of tw_loop_on_ready; TW_ESHUTDOWN while the loop is being
/// freed; TW_ENOMEM with 16777216 connections. The id needs no freeing: it dies after its `on_close`.
///
/// Any thread, any callback. While another thread drives the loop it waits for the end of that turn, so
/// hold no lock that a callback takes; callbacks may come before this returns.
///
/// The id needs no freeing: it dies after its `on_close`. What `options` points at may go when this returns.
/// What its `user` points at has to live as long as the id.
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
        let ws = connect(id, &options, events, given.user)?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, ws) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(id, error, body) }
}

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(given: &tw_client_opts) -> Result<(ClientOptions, tw_events), Failure> {
    let known = TW_CLIENT_FD
        | TW_CLIENT_PROXY_FROM_ENV
        | TW_CLIENT_BLOCK_BAD_PORTS
        | TW_CLIENT_SERIALIZE_CONNECTS;
    no_flags(given.flags & !known, "tw_client_opts.flags")?;
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
    let mut tuning = unsafe { tw_tuning::read(given.tuning) }?;
    // SAFETY: the caller vouches for it.
    let events = unsafe { tw_events::read(given.events) }?;

    tuning.chunks = events.on_chunk.is_some();
    let url = url.ok_or_else(|| Failure::argument("url is NULL"))?;
    let named = |error: tightwire::Error| Failure::from(error).within("url");
    let mut options = ClientOptions::new(url)
        .map_err(named)?
        .tuning(tuning)
        .block_bad_ports(given.flags & TW_CLIENT_BLOCK_BAD_PORTS != 0)
        .serialize_connects(given.flags & TW_CLIENT_SERIALIZE_CONNECTS != 0);
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
        options = tls::secure_client(options, given.tls)?;
    }
    // SAFETY: the caller vouches for it.
    let options = unsafe { persistence(options, given) }?;
    // SAFETY: the caller vouches for it.
    Ok((unsafe { way(options, given, url) }?, events))
}

/// Adds what to do when the first request is not enough: login, redirects, reconnecting.
///
/// # Safety
///
/// What the options point at is valid.
unsafe fn persistence(
    mut options: ClientOptions,
    given: &tw_client_opts,
) -> Result<ClientOptions, Failure> {
    // SAFETY: the caller vouches for it.
    let user = unsafe { edge::text(given.auth_user, "auth_user") }?.unwrap_or_default();
    // SAFETY: the caller vouches for it.
    let secret = unsafe { edge::text(given.auth_secret, "auth_secret") }?.unwrap_or_default();
    // SAFETY: the caller vouches for it.
    if let Some(policy) = unsafe { tw_reconnect_opts::read(given.reconnect) }? {
        options = options.reconnect(policy);
    }
    let auth = match given.auth {
        0 => None,
        TW_AUTH_BASIC => Some(Auth::basic(user, secret)),
        TW_AUTH_BEARER => Some(Auth::bearer(secret)),
        TW_AUTH_DIGEST => Some(Auth::digest(user, secret)),
        other => return Err(Failure::argument(format_args!("auth is {other}, not TW_AUTH_..."))),
    };
    if let Some(auth) = auth {
        options = options.auth(auth);
    }
    Ok(options.max_redirects(given.max_redirects))
}

/// Adds the way to the server: proxy, local address, keep-alive and a socket that is there already.
///
/// # Safety
///
/// What the options point at is valid.
unsafe fn way(
    mut options: ClientOptions,
    given: &tw_client_opts,
    url: &str,
) -> Result<ClientOptions, Failure> {
    // SAFETY: the caller vouches for it.
    let proxy = unsafe { edge::text(given.proxy, "proxy") }?;
    // SAFETY: the caller vouches for it.
    let bind_address = unsafe { edge::text(given.bind_address, "bind_address") }?;
    let proxy = match proxy {
        Some(proxy) => Some(Proxy::new(proxy)?),
        None if given.flags & TW_CLIENT_PROXY_FROM_ENV != 0 => Proxy::from_env(url)?,
        None => None,
    };
    if let Some(mut proxy) = proxy {
        if given.proxy_tls != 0 {
            proxy = tls::secure_proxy(proxy, given.proxy_tls)?;
        }
        options = options.proxy(proxy);
    }
    if let Some(address) = bind_address {
        options = options.bind_address(local_address(address)?);
    }
    if given.tcp_keepalive_ms != 0 {
        options = options.tcp_keepalive(Duration::from_millis(given.tcp_keepalive_ms.into()));
    }
    if given.flags & TW_CLIENT_FD != 0 {
        // SAFETY: the caller vouches for it.
        options = options.socket(unsafe { edge::duplicate(given.fd, "fd") }?);
    }
    Ok(options)
}

/// An IP address with or without a port.
fn local_address(text: &str) -> Result<SocketAddr, Failure> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address = text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse().ok()?, 0)));
    address.ok_or_else(|| {
        Failure::argument(format_args!(
            "bind_address {text:?} is neither an address nor address:port"
        ))
    })
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
