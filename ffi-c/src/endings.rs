//! How a connection ended, and what may come of it.

use std::ffi::{c_int, c_void};
use std::mem::offset_of;
use std::ptr;
use std::time::Duration;

use tightwire::{CloseEvent, Error, Reconnect, Retry};

use crate::callbacks::{Text, tw_str};
use crate::edge::{self, SizedStruct};
use crate::headers::tw_headers;
use crate::status::{Failure, tw_error};

/// One address that a client tried in vain. This structure never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_attempt {
    /// The address with its port, or the path of a Unix domain socket.
    pub address: tw_str,
    /// What the system said.
    pub cause: tw_str,
    /// The `errno` behind it, or 0.
    pub sys: c_int,
}

/// How a connection ended. Borrowed: valid during the callback. The library makes it, so that members
/// may be added at the end.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_close_ev<'a> {
    /// The peer's close code; 1005 if its Close frame had none, 1006 if there was no closing
    /// handshake (RFC 6455 section 7.1.5).
    pub code: c_int,
    /// 1 if the closing handshake was completed, else 0.
    pub clean: c_int,
    /// The peer's reason.
    pub reason: tw_str,
    /// What went wrong, or NULL.
    pub error: *const tw_error,
    /// The status of a server or proxy that refused the opening handshake, else 0.
    pub http_status: c_int,
    /// Where it went wrong: `dns`, `tcp`, `proxy`, `tls`, `upgrade`, `protocol`, `heartbeat`, `close`,
    /// `app` or `system`; empty if nothing did.
    pub phase: tw_str,
    /// The text of `error`, however long: `phase: cause (detail)`.
    pub error_text: tw_str,
    /// What went wrong as a word that never changes, more precise than the code of `error`: `status`,
    /// `wrong_accept`, `too_many_redirects`, `proxy_rejected`, `certificate_expired`, `alert_unknown_ca`
    /// (an alert of the peer, RFC 8446 section 6), `heartbeat_timeout`, `ended`, and many more. Empty if
    /// nothing did.
    pub error_kind: tw_str,
    /// The reason phrase that came with `http_status`.
    pub http_reason: tw_str,
    /// Header fields that came with `http_status`, or NULL; see tw_header.
    pub http_headers: *const tw_headers<'a>,
    /// The body that came with `http_status`, cut at 64 KiB. Never NULL.
    pub http_body: *const c_void,
    /// Its length in bytes.
    pub http_body_len: usize,
    /// The addresses that were tried in vain, in that order, if no connection was made.
    pub attempts: *const tw_attempt,
    /// How many there are.
    pub attempts_len: usize,
    /// Payload bytes that were sent by the application and did not leave.
    pub unsent: u64,
}

/// A connection that was lost or could not be made, before it comes back. Borrowed: valid during
/// `on_reconnect`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_reconnect_ev<'a> {
    /// What `on_close` would have said.
    pub lost: *const tw_close_ev<'a>,
    /// Which attempt in a row comes next, from 1.
    pub attempt: u32,
    /// How long the policy would wait before it, in milliseconds; -1 if it would give up.
    pub wait_ms: i64,
}

/// How a client comes back by itself. All members zero means all defaults.
///
/// The wait before the nth attempt in a row is a random time of at most `initial_ms` doubled n times
/// and of at most `max_ms`; a server's `Retry-After` is a wait of at least that long. Another try is made
/// after everything but this: tw_close or tw_abort was called; the peer closed with 1000 or without a
/// code, or with 1002, 1003, 1007 to 1010, 3000 or 3003; the server answered with a status that is neither
/// 5xx nor 408, 425 or 429; its certificate or its handshake is wrong. `on_reconnect` may decide
/// otherwise.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_reconnect_opts {
    /// sizeof(tw_reconnect_opts)
    pub size: usize,
    /// The most that the first wait may take; 250.
    pub initial_ms: u32,
    /// The most that any wait may take; 30000.
    pub max_ms: u32,
    /// A connection that was open for so long makes the next wait a first one again; 60000.
    pub reset_after_ms: u32,
    /// Attempts in a row before giving up; 0: no limit.
    pub max_attempts: u32,
}

// SAFETY: `repr(C)`, the size first, numbers only.
unsafe impl SizedStruct for tw_reconnect_opts {
    const NAME: &'static str = "tw_reconnect_opts";
    const V1: usize = offset_of!(Self, max_attempts) + size_of::<u32>();
}

impl tw_reconnect_opts {
    /// The policy that an options structure points at; NULL for none.
    ///
    /// # Safety
    ///
    /// `from` is NULL or points at a structure that is as long as its size says.
    pub(crate) unsafe fn read(from: *const Self) -> Result<Option<Reconnect>, Failure> {
        // SAFETY: the caller vouches for `from`.
        let Some(given) = (unsafe { edge::sized_or_none(from) })? else { return Ok(None) };
        let default = Reconnect::default();
        let time = |given: u32, default| match given {
            0 => default,
            given => Duration::from_millis(given.into()),
        };
        Ok(Some(Reconnect {
            initial: time(given.initial_ms, default.initial),
            max: time(given.max_ms, default.max),
            reset_after: time(given.reset_after_ms, default.reset_after),
            max_attempts: (given.max_attempts > 0).then_some(given.max_attempts),
        }))
    }
}

/// What a `tw_close_ev` points at.
pub(crate) struct Ending<'a> {
    close: &'a CloseEvent,
    error: Option<tw_error>,
    headers: Option<tw_headers<'a>>,
    reason: Text,
    phase: Text,
    error_text: Text,
    kind: Text,
    http_reason: Text,
    _texts: Vec<[Text; 2]>,
    attempts: Vec<tw_attempt>,
}

impl<'a> Ending<'a> {
    pub(crate) fn new(close: &'a CloseEvent) -> Self {
        let error = close.error.as_ref();
        let http = error.and_then(Error::http);
        let attempts = error.map(Error::attempts).unwrap_or_default();
        let texts: Vec<_> = attempts
            .iter()
            .map(|attempt| [attempt.address(), attempt.cause()].map(Text::new))
            .collect();
        let attempts = attempts.iter().zip(&texts).map(|(attempt, [address, cause])| tw_attempt {
            address: address.as_str(),
            cause: cause.as_str(),
            sys: attempt.os_error().unwrap_or(0),
        });
        Self {
            close,
            error: error.map(|error| tw_error::from(&Failure::from(error))),
            headers: http.map(|reply| tw_headers::new(&reply.headers)),
            reason: Text::new(&close.reason),
            phase: Text::new(error.map_or("", |error| error.phase().as_str())),
            error_text: Text::new(&error.map(ToString::to_string).unwrap_or_default()),
            kind: Text::new(error.map_or("", Error::kind)),
            http_reason: Text::new(http.map_or("", |reply| &reply.reason)),
            attempts: attempts.collect(),
            _texts: texts,
        }
    }

    /// What went wrong.
    pub(crate) fn error(&self) -> Option<&tw_error> {
        self.error.as_ref()
    }

    /// Valid as long as `self`.
    pub(crate) fn event(&self) -> tw_close_ev<'a> {
        let http = self.close.error.as_ref().and_then(Error::http);
        let body = http.map_or(&[][..], |reply| &reply.body);
        tw_close_ev {
            code: self.close.code.into(),
            clean: self.close.clean.into(),
            reason: self.reason.as_str(),
            error: self.error().map_or(ptr::null(), ptr::from_ref),
            http_status: http.map_or(0, |reply| reply.status.into()),
            phase: self.phase.as_str(),
            error_text: self.error_text.as_str(),
            error_kind: self.kind.as_str(),
            http_reason: self.http_reason.as_str(),
            http_headers: self.headers.as_ref().map_or(ptr::null(), ptr::from_ref),
            http_body: body.as_ptr().cast(),
            http_body_len: body.len(),
            attempts: self.attempts.as_ptr(),
            attempts_len: self.attempts.len(),
            unsent: self.close.unsent,
        }
    }
}

/// The policy's decision as C sees it, and as C changes it.
pub(crate) fn wait_ms(retry: &Retry) -> i64 {
    // Not less than the policy wants: a wait is never rounded to nothing.
    let milliseconds = |delay: Duration| delay.as_nanos().div_ceil(1_000_000);
    retry.delay.map_or(-1, |delay| i64::try_from(milliseconds(delay)).unwrap_or(i64::MAX))
}
