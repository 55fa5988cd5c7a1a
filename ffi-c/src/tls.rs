//! Trust and keys for `wss://`.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::mem::offset_of;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use tightwire::{ClientTls, ServerTls};

use crate::callbacks::tw_tls;
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::ids::{self, Kind};
use crate::status::{Failure, TW_EHANDLE, TW_ETLS, tw_error, tw_status};

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

const TLS_1_2: u32 = 0x0303;
const TLS_1_3: u32 = 0x0304;

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

/// What an id stands for.
#[derive(Clone)]
struct Config {
    /// `None` for what only a server can use.
    client: Option<ClientTls>,
    server: Option<ServerTls>,
}

/// All configurations of the process, and how many there were.
static CONFIGS: Mutex<(u64, BTreeMap<u64, Config>)> = Mutex::new((0, BTreeMap::new()));

fn configs() -> MutexGuard<'static, (u64, BTreeMap<u64, Config>)> {
    CONFIGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a TLS configuration for any number of connections and servers, of any loop. It never changes.
///
/// TW_OK and the id in `out`. TW_EINVAL for an argument that makes no sense, and TW_ETLS for a file or text
/// that cannot be read or is not what it should be; `error` names it. TW_EUNSUPPORTED for an option that
/// this library does not know. Any thread; may take some milliseconds.
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
        let config = unsafe { read(&given) }?;
        let mut configs = configs();
        let (count, table) = &mut *configs;
        *count += 1;
        let id = ids::free_standing(Kind::Tls, *count);
        table.insert(id, config);
        drop(configs);
        // SAFETY: the caller vouches for `out`.
        Ok(unsafe { edge::store(out, id) }?)
    };
    // SAFETY: the caller vouches for `error`.
    unsafe { guard::reported(error, body) }
}

/// Forgets the id. Connections and servers that use the configuration keep it as long as they live.
///
/// TW_OK, or TW_EHANDLE for a dead id. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn tw_tls_free(tls: tw_tls) -> tw_status {
    guard::status(|| {
        let removed = configs().1.remove(&tls);
        removed.map(drop).ok_or(TW_EHANDLE)
    })
}

/// The configuration for a client.
pub(crate) fn client(tls: tw_tls) -> Result<ClientTls, Failure> {
    let config = find(tls)?;
    let cause = "tls has nothing for a client";
    config.client.ok_or_else(|| Failure::argument(cause))
}

/// The configuration for a server, which can be replaced without touching others that have it.
pub(crate) fn server(tls: tw_tls) -> Result<ServerTls, Failure> {
    let cause = "tls has no certificate and key (cert_file, key_file)";
    let server = find(tls)?.server.ok_or_else(|| Failure::argument(cause))?;
    Ok(server.detached())
}

fn find(tls: tw_tls) -> Result<Config, Failure> {
    let cause = "tls is no id of a TLS configuration";
    configs().1.get(&tls).cloned().ok_or_else(|| Failure::new(TW_EHANDLE, cause))
}

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(given: &tw_tls_opts) -> Result<Config, Failure> {
    // SAFETY: the caller vouches for it.
    let given = unsafe { Given::read(given) }?;
    let server = match &*given.identities {
        [] => None,
        identities => Some(given.server(identities)?),
    };
    let client = match given.client() {
        Ok(client) => Some(client),
        // A server needs no trust, so a machine without certificates is no reason to fail.
        Err(_) if server.is_some() && given.ca.is_none() && given.pins.is_empty() => None,
        Err(failure) => return Err(failure),
    };
    Ok(Config { client, server })
}

/// The options in our terms.
struct Given<'a> {
    ca: Option<Pem>,
    /// Our certificates with their keys, the first one for both roles.
    identities: Vec<(Pem, Pem)>,
    pins: Vec<&'a str>,
    keylog_file: Option<&'a str>,
    only_1_3: bool,
    flags: u32,
}

impl<'a> Given<'a> {
    /// # Safety
    ///
    /// What the options point at is valid during `'a`.
    unsafe fn read(given: &tw_tls_opts) -> Result<Self, Failure> {
        let (flags, min_version) = (given.flags, given.min_version);
        let known = TW_TLS_DANGER_NO_VERIFY
            | TW_TLS_ONLY_THESE_CAS
            | TW_TLS_REQUIRE_CLIENT
            | TW_TLS_OPTIONAL_CLIENT
            | TW_TLS_NO_RESUMPTION
            | TW_TLS_KEYLOG_FROM_ENV;
        crate::options::no_flags(flags & !known, "tw_tls_opts.flags")?;
        let only_1_3 = match min_version {
            0 | TLS_1_2 => false,
            TLS_1_3 => true,
            other => {
                let cause = format_args!("min_version is {other:#06x}: use 0x0303 or 0x0304");
                return Err(Failure::argument(cause));
            }
        };
        // SAFETY: the caller vouches for the three of them.
        let ca = unsafe { Pem::read("ca", given.ca_file, given.ca_pem, given.ca_pem_len) }?;
        // SAFETY: the caller vouches for it.
        let identities = unsafe { identities(given) }?;
        // SAFETY: the caller vouches for it.
        let pins = unsafe { edge::texts(given.pins, "pins") }?;
        // SAFETY: the caller vouches for it.
        let keylog_file = unsafe { edge::text(given.keylog_file, "keylog_file") }?;
        let this = Self { ca, identities, pins, keylog_file, only_1_3, flags };
        this.check()?;
        Ok(this)
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// What fits together.
    fn check(&self) -> Result<(), Failure> {
        let (require, optional) =
            (self.has(TW_TLS_REQUIRE_CLIENT), self.has(TW_TLS_OPTIONAL_CLIENT));
        let cause = if require && optional {
            "TW_TLS_REQUIRE_CLIENT and TW_TLS_OPTIONAL_CLIENT exclude each other"
        } else if (require || optional) && self.identities.is_empty() {
            "TW_TLS_..._CLIENT is for servers, which need a certificate (cert_file)"
        } else if (require || optional) && self.ca.is_none() {
            "TW_TLS_..._CLIENT needs whom to trust (ca_file)"
        } else if self.keylog_file.is_some() && self.has(TW_TLS_KEYLOG_FROM_ENV) {
            "keylog_file and TW_TLS_KEYLOG_FROM_ENV exclude each other"
        } else {
            return Ok(());
        };
        Err(Failure::argument(cause))
    }

    fn server(&self, identities: &[(Pem, Pem)]) -> Result<ServerTls, Failure> {
        let mut builder = ServerTls::builder();
        for (cert, key) in identities {
            let fail = |error| unusable(format_args!("{cert} and {key}"), error);
            // Each alone, so that the error can name it.
            ServerTls::from_pem(&cert.text, &key.text).map_err(fail)?;
            builder = builder.cert_pem(&cert.text, &key.text).map_err(fail)?;
        }
        if let (Some(ca), true) =
            (&self.ca, self.has(TW_TLS_REQUIRE_CLIENT | TW_TLS_OPTIONAL_CLIENT))
        {
            builder = builder.client_ca_pem(&ca.text).map_err(|error| unusable(ca, error))?;
        }
        if self.has(TW_TLS_OPTIONAL_CLIENT) {
            builder = builder.optional_client_certs();
        }
        if self.only_1_3 {
            builder = builder.min_version_1_3();
        }
        if self.has(TW_TLS_NO_RESUMPTION) {
            builder = builder.no_resumption();
        }
        builder = match (self.keylog_file, self.has(TW_TLS_KEYLOG_FROM_ENV)) {
            (Some(path), _) => builder.key_log_file(path).map_err(unlogged)?,
            (None, true) => builder.key_log_from_env().map_err(unlogged)?,
            (None, false) => builder,
        };
        builder.build().map_err(|error| Failure::new(TW_ETLS, error))
    }

    fn client(&self) -> Result<ClientTls, Failure> {
        let mut builder = ClientTls::builder();
        if let Some(ca) = &self.ca {
            builder = builder.ca_pem(&ca.text).map_err(|error| unusable(ca, error))?;
        }
        if self.has(TW_TLS_ONLY_THESE_CAS) {
            builder = builder.only_these_cas();
        }
        if self.has(TW_TLS_DANGER_NO_VERIFY) {
            builder = builder.danger_no_verification();
        }
        for pin in &self.pins {
            let wrong = |error| Failure::argument(format_args!("pins: {error}"));
            builder = builder.pin(pin).map_err(wrong)?;
        }
        if let Some((cert, key)) = self.identities.first() {
            let added = builder.client_cert_pem(&cert.text, &key.text);
            builder = added.map_err(|error| unusable(format_args!("{cert} and {key}"), error))?;
        }
        if self.only_1_3 {
            builder = builder.min_version_1_3();
        }
        if self.has(TW_TLS_NO_RESUMPTION) {
            builder = builder.no_resumption();
        }
        builder = match (self.keylog_file, self.has(TW_TLS_KEYLOG_FROM_ENV)) {
            (Some(path), _) => builder.key_log_file(path).map_err(unlogged)?,
            (None, true) => builder.key_log_from_env().map_err(unlogged)?,
            (None, false) => builder,
        };
        builder.build().map_err(|error| Failure::new(TW_ETLS, error))
    }
}

/// All certificates with their keys, that of `cert_...` first.
///
/// # Safety
///
/// What the options point at is valid.
unsafe fn identities(given: &tw_tls_opts) -> Result<Vec<(Pem, Pem)>, Failure> {
    let first = tw_tls_cert {
        cert_file: given.cert_file,
        cert_pem: given.cert_pem,
        cert_pem_len: given.cert_pem_len,
        key_file: given.key_file,
        key_pem: given.key_pem,
        key_pem_len: given.key_pem_len,
    };
    // SAFETY: the caller vouches for it.
    let mut identities: Vec<_> = unsafe { identity(&first, "") }?.into_iter().collect();
    if given.more_certs_len == 0 {
        return Ok(identities);
    }
    if given.more_certs.is_null() {
        return Err(Failure::argument("more_certs is NULL"));
    }
    if identities.is_empty() {
        return Err(Failure::argument("more_certs without a first certificate (cert_file)"));
    }
    for at in 0..given.more_certs_len {
        // SAFETY: the caller vouches for so many.
        let place = unsafe { given.more_certs.add(at) };
        // SAFETY: as above.
        let more = unsafe { place.read_unaligned() };
        let prefix = format!("more_certs[{at}].");
        // SAFETY: the caller vouches for what it points at.
        match unsafe { identity(&more, &prefix) }? {
            Some(identity) => identities.push(identity),
            None => return Err(Failure::argument(format_args!("{prefix}cert_file is NULL"))),
        }
    }
    Ok(identities)
}

/// A certificate and its key, whose names in C begin with `prefix`.
///
/// # Safety
///
/// What it points at is valid.
unsafe fn identity(given: &tw_tls_cert, prefix: &str) -> Result<Option<(Pem, Pem)>, Failure> {
    let (cert, key) = (format!("{prefix}cert"), format!("{prefix}key"));
    // SAFETY: the caller vouches for the three of them.
    let cert = unsafe { Pem::read(&cert, given.cert_file, given.cert_pem, given.cert_pem_len) }?;
    // SAFETY: as above.
    let key = unsafe { Pem::read(&key, given.key_file, given.key_pem, given.key_pem_len) }?;
    match (cert, key) {
        (Some(cert), Some(key)) => Ok(Some((cert, key))),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(Failure::argument(format_args!("a certificate without a key ({prefix}key_file)")))
        }
        (None, Some(_)) => {
            Err(Failure::argument(format_args!("a key without a certificate ({prefix}cert_file)")))
        }
    }
}

fn unlogged(error: impl fmt::Display) -> Failure {
    Failure::new(TW_ETLS, format_args!("keylog_file: {error}"))
}

fn unusable(what: impl fmt::Display, error: impl fmt::Display) -> Failure {
    Failure::new(TW_ETLS, format_args!("{what}: {error}"))
}

/// PEM text and where it came from.
struct Pem {
    name: String,
    text: Vec<u8>,
}

impl Pem {
    /// # Safety
    ///
    /// `file` is NULL or NUL-ended; `memory` points at `len` bytes, or `len` is 0.
    unsafe fn read(
        name: &str,
        file: *const c_char,
        memory: *const c_void,
        len: usize,
    ) -> Result<Option<Self>, Failure> {
        let (file_name, memory_name) = (format!("{name}_file"), format!("{name}_pem"));
        // SAFETY: the caller vouches for it.
        let file = unsafe { edge::text(file, &file_name) }?;
        // SAFETY: the caller vouches for it.
        let memory = unsafe { edge::bytes(memory, len) };
        let memory =
            memory.map_err(|_| Failure::argument(format_args!("{memory_name} is NULL")))?;
        match (file, memory) {
            (None, []) => Ok(None),
            (None, text) => Ok(Some(Self { name: memory_name, text: text.to_owned() })),
            (Some(path), []) => match fs::read(path) {
                Ok(text) => Ok(Some(Self { name: format!("{file_name} {path}"), text })),
                Err(error) => Err(unusable(format_args!("{file_name} {path}"), error)),
            },
            (Some(_), _) => {
                let cause = format_args!("{file_name} and {memory_name} exclude each other");
                Err(Failure::argument(cause))
            }
        }
    }
}

impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
