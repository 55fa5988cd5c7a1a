//! Status codes, the error structure and what they say.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;

use crate::guard;

/// What a call came to: 0 or one of the positive `TW_E...` numbers. They are part of the ABI and
/// never change.
pub type tw_status = c_int;

/// Done.
pub const TW_OK: c_int = 0;
/// An argument is NULL, has a bad size or an unknown flag, or is not legal otherwise.
pub const TW_EINVAL: c_int = 1;
/// The id is dead, of another kind, or never existed.
pub const TW_EHANDLE: c_int = 2;
/// Not legal in this readyState.
pub const TW_ESTATE: c_int = 3;
/// `max_buffered` payload bytes are queued: the message was not taken; wait for `on_drain`.
pub const TW_EAGAIN: c_int = 4;
/// Another thread drives the loop, or, for a whole message, one in parts is not finished.
pub const TW_EBUSY: c_int = 5;
/// Driving or freeing a loop from inside a callback, or a call that would wait for one from `on_log` or the
/// function of tw_loop_on_ready.
pub const TW_EREENTRANT: c_int = 6;
/// Too long for its place, or over a limit.
pub const TW_ETOOBIG: c_int = 7;
/// The system gave no memory, no descriptor or no thread.
pub const TW_ENOMEM: c_int = 8;
/// This library is built without it, or the structure is newer than the library.
pub const TW_EUNSUPPORTED: c_int = 9;
/// The loop, or what the id names of it, belongs to the parent process.
pub const TW_EFORKED: c_int = 10;
/// A bug in the library: a panic was caught. Any function that returns a status may give it; what the panic
/// said goes to `on_log` of the loop (TW_LOG_ERROR).
pub const TW_EINTERNAL: c_int = 11;
/// A deadline of tw_tuning passed: `open_timeout_ms`, `close_timeout_ms`, `write_timeout_ms`, or
/// `ping_timeout_ms` after a ping. Only in errors of a connection.
pub const TW_ETIMEDOUT: c_int = 12;
/// The loop is being freed, or the application gave the connection up.
pub const TW_ESHUTDOWN: c_int = 13;
/// The name could not be resolved.
pub const TW_EDNS: c_int = 20;
/// No address accepted the connection, or the address cannot be listened on.
pub const TW_ECONNECT: c_int = 21;
/// The proxy refused.
pub const TW_EPROXY: c_int = 22;
/// TLS failed.
pub const TW_ETLS: c_int = 23;
/// A certificate did not verify, the peer's here or ours there: name, trust, expiry, or none of the `pins` of
/// tw_tls_opts.
pub const TW_ECERT: c_int = 24;
/// The opening handshake failed (RFC 6455 section 4); see `http_status` of `tw_close_ev`.
pub const TW_EHANDSHAKE: c_int = 25;
/// The peer broke the protocol of frames (RFC 6455 section 5) or of compression (RFC 7692 section 7).
pub const TW_EPROTO: c_int = 26;
/// Text that is not UTF-8 (RFC 6455 section 8.1).
pub const TW_EUTF8: c_int = 27;
/// The stream ended without a closing handshake (RFC 6455 section 7.1.5).
pub const TW_ERESET: c_int = 28;

/// The length of `tw_error.text`, which the header needs as a number.
const TEXT: usize = 248;

/// Why a call failed. May be NULL wherever it is asked for; filled upon failure only. This
/// structure never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_error {
    /// One of the `TW_E...` numbers.
    pub code: c_int,
    /// The `errno` behind it, or 0.
    pub sys: c_int,
    /// What happened, for people; ends with NUL.
    pub text: [c_char; 248],
}

/// Why a call failed, on our side of the border.
#[derive(Debug)]
pub(crate) struct Failure {
    code: tw_status,
    sys: c_int,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: tw_status, text: impl fmt::Display) -> Self {
        Self { code, sys: 0, text: text.to_string() }
    }

    /// An argument that is not legal; `text` begins with its name.
    pub(crate) fn argument(text: impl fmt::Display) -> Self {
        Self::new(TW_EINVAL, text)
    }

    pub(crate) fn code(&self) -> tw_status {
        self.code
    }

    /// The same failure of a part: `place` says of what.
    pub(crate) fn within(self, place: impl fmt::Display) -> Self {
        Self { text: format!("{place}: {}", self.text), ..self }
    }
}

impl From<tw_status> for Failure {
    fn from(code: tw_status) -> Self {
        Self::new(code, describe(code).to_string_lossy())
    }
}

impl From<&tightwire::Error> for Failure {
    fn from(error: &tightwire::Error) -> Self {
        let sys = error.os_error().unwrap_or(0);
        Self { code: error.code() as c_int, sys, text: error.to_string() }
    }
}

impl From<tightwire::Error> for Failure {
    fn from(error: tightwire::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Failure> for tw_error {
    /// Text that is too long is cut between two characters.
    fn from(failure: &Failure) -> Self {
        let mut end = failure.text.len().min(TEXT - 1);
        while !failure.text.is_char_boundary(end) {
            end -= 1;
        }
        let mut text = [0; TEXT];
        for (place, byte) in text.iter_mut().zip(failure.text.bytes().take(end)) {
            *place = c_char::from_ne_bytes([byte]);
        }
        Self { code: failure.code, sys: failure.sys, text }
    }
}

/// The version of the library that runs, `0x00MMmmpp`: major, minor and patch in a byte each.
///
/// Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn tw_version() -> u32 {
    const fn number(text: &str) -> u32 {
        match u32::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => 0,
        }
    }
    const {
        number(env!("CARGO_PKG_VERSION_MAJOR")) << 16
            | number(env!("CARGO_PKG_VERSION_MINOR")) << 8
            | number(env!("CARGO_PKG_VERSION_PATCH"))
    }
}

/// A short English text for a status. Never NULL. The text is valid for ever.
///
/// Any thread, any time. The text in `tw_error` says more where there is one.
#[unsafe(no_mangle)]
pub extern "C" fn tw_strerror(status: tw_status) -> *const c_char {
    guard::value(c"".as_ptr(), || describe(status).as_ptr())
}

/// What a call says of an object of a loop that ended while it waited for it: the object is gone, too.
pub(crate) fn gone_with_its_loop(status: tw_status) -> tw_status {
    if status == TW_ESHUTDOWN { TW_EHANDLE } else { status }
}

fn describe(status: tw_status) -> &'static CStr {
    match status {
        TW_OK => c"done",
        TW_EINVAL => c"an argument is not legal",
        TW_EHANDLE => c"the id is dead, of another kind, or never existed",
        TW_ESTATE => c"not legal in this readyState",
        TW_EAGAIN => c"too much output is queued; the message was not taken",
        TW_EBUSY => c"another thread drives the loop",
        TW_EREENTRANT => c"not from inside a callback",
        TW_ETOOBIG => c"too long",
        TW_ENOMEM => c"the system gave no memory, descriptor or thread",
        TW_EUNSUPPORTED => c"not supported by this build of the library",
        TW_EFORKED => c"the loop belongs to the parent process",
        TW_EINTERNAL => c"a bug in the library",
        TW_ETIMEDOUT => c"a deadline passed",
        TW_ESHUTDOWN => c"the loop is being freed, or the connection was given up",
        TW_EDNS => c"the name could not be resolved",
        TW_ECONNECT => c"no address could be connected to or listened on",
        TW_EPROXY => c"the proxy refused",
        TW_ETLS => c"TLS failed",
        TW_ECERT => c"the certificate did not verify",
        TW_EHANDSHAKE => c"the opening handshake failed",
        TW_EPROTO => c"the peer broke the protocol",
        TW_EUTF8 => c"text that is not UTF-8",
        TW_ERESET => c"the stream ended without a closing handshake",
        _ => c"no such status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let failure = Failure::argument("é".repeat(200));
        let error = tw_error::from(&failure);
        let len = error.text.iter().position(|&byte| byte == 0);
        assert_eq!(len, Some(246));
    }

    #[test]
    fn codes_are_those_of_the_core() {
        use tightwire::ErrorCode;
        let pairs = [
            (ErrorCode::InvalidArgument, TW_EINVAL),
            (ErrorCode::Handle, TW_EHANDLE),
            (ErrorCode::State, TW_ESTATE),
            (ErrorCode::Again, TW_EAGAIN),
            (ErrorCode::Busy, TW_EBUSY),
            (ErrorCode::Reentrant, TW_EREENTRANT),
            (ErrorCode::TooBig, TW_ETOOBIG),
            (ErrorCode::NoMemory, TW_ENOMEM),
            (ErrorCode::Unsupported, TW_EUNSUPPORTED),
            (ErrorCode::Forked, TW_EFORKED),
            (ErrorCode::Internal, TW_EINTERNAL),
            (ErrorCode::TimedOut, TW_ETIMEDOUT),
            (ErrorCode::Shutdown, TW_ESHUTDOWN),
            (ErrorCode::Dns, TW_EDNS),
            (ErrorCode::Connect, TW_ECONNECT),
            (ErrorCode::Proxy, TW_EPROXY),
            (ErrorCode::Tls, TW_ETLS),
            (ErrorCode::Certificate, TW_ECERT),
            (ErrorCode::Handshake, TW_EHANDSHAKE),
            (ErrorCode::Protocol, TW_EPROTO),
            (ErrorCode::Utf8, TW_EUTF8),
            (ErrorCode::Reset, TW_ERESET),
        ];
        for (ours, number) in pairs {
            assert_eq!(ours as c_int, number, "{ours:?}");
        }
    }
}
