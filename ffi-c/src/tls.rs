//! Trust and keys for `wss://`.

#[cfg(feature = "tls")]
mod given;
#[cfg(feature = "tls")]
mod store;
#[cfg(not(feature = "tls"))]
#[path = "tls/without.rs"]
mod store;

use std::ffi::{c_char, c_void};
use std::mem::offset_of;

use crate::callbacks::tw_tls;
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::status::{Failure, tw_error, tw_status};

pub(crate) use self::store::{Certificate, secure_client, secure_proxy, secure_server};

/// Takes any certificate from anybody: encrypted, but everyone on the way can read and change it.
pub const TW_TLS_DANGER_NO_VERIFY: u32 = 0x01;
/// Trusts the given certificates only, not those of the platform.
pub const TW_TLS_ONLY_THESE_CAS: u32 = 0x02;
/// Servers: lets only clients in that show a certificate which those of `ca_...` vouch for. The
/// platform's do not count here.
pub const TW_TLS_REQUIRE_CLIENT: u32 = 0x04;
/// Servers: the same, but clients that show no certificate are let in, too.
pub const TW_TLS_OPTIONAL_CLIENT: u32 = 0x08;
/// Shakes hands from the beginning each time. Otherwise a client resumes its sessions, and a server
/// remembers the last 256.
pub const TW_TLS_NO_RESUMPTION: u32 = 0x10;
/// Like `keylog_file` with the file that the environment variable SSLKEYLOGFILE names, if it is set.
/// Without this flag it is not looked at.
pub const TW_TLS_KEYLOG_FROM_ENV: u32 = 0x20;

/// One more certificate of a server, with its key. This structure never grows.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_tls_cert {
    /// The certificate and what it is signed with, a PEM file.
    pub cert_file: *const c_char,
    /// The same as PEM text in memory.
    pub cert_pem: *const c_void,
    /// Its length in bytes.
    pub cert_pem_len: usize,
    /// The private key of the certificate, a PEM file.
    pub key_file: *const c_char,
    /// The same as PEM text in memory.
    pub key_pem: *const c_void,
    /// Its length in bytes.
    pub key_pem_len: usize,
}

/// Trust and keys. A client uses `ca_...`, the flags, and a certificate of its own if servers ask for
/// one; a server needs `cert_...` and `key_...`. Each comes from a file or from memory, not both. Files
/// are read during the call and not watched.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct tw_tls_opts {
    /// sizeof(tw_tls_opts)
    pub size: usize,
    /// Certificates to trust besides the platform's, a PEM file.
    pub ca_file: *const c_char,
    /// The same as PEM text in memory.
    pub ca_pem: *const c_void,
    /// Its length in bytes.
    pub ca_pem_len: usize,
    /// Our certificate and what it is signed with, a PEM file.
    pub cert_file: *const c_char,
    /// The same as PEM text in memory.
    pub cert_pem: *const c_void,
    /// Its length in bytes.
    pub cert_pem_len: usize,
    /// The private key of our certificate, a PEM file.
    pub key_file: *const c_char,
    /// The same as PEM text in memory.
    pub key_pem: *const c_void,
    /// Its length in bytes.
    pub key_pem_len: usize,
    /// 0x0303 for TLS 1.2, which is the default, or 0x0304 for TLS 1.3.
    pub min_version: u32,
    /// TW_TLS_...
    pub flags: u32,
    /// Clients: public keys of which one has to be in the server's chain of certificates, besides all
    /// other verification; NULL-ended. Each is `sha256//` and the base64 of the SHA-256 of a
    /// SubjectPublicKeyInfo, as curl writes them. It may be of the server's own key or of an authority
    /// that vouches for it and that the server sends or `ca_...` has. With TW_TLS_DANGER_NO_VERIFY
    /// only the server's own key counts, and nothing else is asked of it.
    pub pins: *const *const c_char,
    /// Appends the secrets of every connection to this file, in the format of SSLKEYLOGFILE. Whoever
    /// reads it can decrypt what was recorded; a new one is readable for its owner only.
    pub keylog_file: *const c_char,
    /// Servers: more certificates. A client is shown the one with the name that it asks for (SNI, RFC
    /// 6066 section 3), the very name rather than a wildcard; any other client that of `cert_...`.
    pub more_certs: *const tw_tls_cert,
    /// How many there are.
    pub more_certs_len: usize,
}

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_tls_opts {
    const NAME: &'static str = "tw_tls_opts";
    const V1: usize = offset_of!(Self, pins);
}

/// Makes a TLS configuration for any number of connections and servers, of any loop. It never changes.
///
/// TW_OK and the id in `out`. TW_EINVAL for an argument that makes no sense, and TW_ETLS for a file or text
/// that cannot be read or is not what it should be; `error` names it. TW_EUNSUPPORTED for an option that
/// this library does not know, and from a library that is built without TLS. Any thread; may take some
/// milliseconds. The id lives until tw_tls_free; connections and servers that use it keep the configuration.
///
/// # Safety
///
/// The pointers are NULL or valid, and `options` is as long as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_tls_new(
    options: *const tw_tls_opts,
    out: *mut tw_tls,
    error: *mut tw_error,
) -> tw_status {
    let body = || {
        if out.is_null() {
            return Err(Failure::argument("out is NULL"));
        }
        // SAFETY: the caller vouches for `options`.
        let given = unsafe { edge::sized(options) }?;
        // SAFETY: the caller vouches for what it points at.
        let id = unsafe { store::keep(&given) }?;
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, id) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(0, error, body) }
}

/// Forgets the id. Connections and servers that use the configuration keep it as long as they live.
///
/// TW_OK, or TW_EHANDLE for a dead id. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn tw_tls_free(tls: tw_tls) -> tw_status {
    guard::status(0, || store::forget(tls))
}
