//! Trust and keys for `wss://`.

use std::collections::BTreeMap;
use std::ffi::{c_char, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fmt, fs};

use tightwire::{ClientTls, ServerTls};

use crate::callbacks::tw_tls;
use crate::edge::{self, SizedStruct};
use crate::guard;
use crate::ids::{self, Kind};
use crate::status::{Failure, TW_EHANDLE, TW_ETLS, TW_EUNSUPPORTED, tw_error, tw_status};

/// Takes any certificate from anybody: encrypted, but everyone on the way can read and change it.
pub const TW_TLS_DANGER_NO_VERIFY: u32 = 0x01;
/// Trusts the given certificates only, not those of the platform.
pub const TW_TLS_ONLY_THESE_CAS: u32 = 0x02;

const TLS_1_2: u32 = 0x0303;
const TLS_1_3: u32 = 0x0304;

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
}

// SAFETY: `repr(C)`, the size first; the other members are numbers and pointers.
unsafe impl SizedStruct for tw_tls_opts {
    const NAME: &'static str = "tw_tls_opts";
    const V1: usize = size_of::<Self>();
}

/// What an id stands for.
#[derive(Clone)]
struct Config {
    /// `None` for what only a server can use.
    client: Option<ClientTls>,
    server: Option<ServerTls>,
    only_1_3: bool,
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

/// The configuration for a server.
pub(crate) fn server(tls: tw_tls) -> Result<ServerTls, Failure> {
    let config = find(tls)?;
    if config.only_1_3 {
        let cause = "tls: min_version 0x0304 is not built yet for servers";
        return Err(Failure::new(TW_EUNSUPPORTED, cause));
    }
    let cause = "tls has no certificate and key (cert_file, key_file)";
    config.server.ok_or_else(|| Failure::argument(cause))
}

fn find(tls: tw_tls) -> Result<Config, Failure> {
    let cause = "tls is no id of a TLS configuration";
    configs().1.get(&tls).cloned().ok_or_else(|| Failure::new(TW_EHANDLE, cause))
}

/// # Safety
///
/// What the options point at is valid.
unsafe fn read(given: &tw_tls_opts) -> Result<Config, Failure> {
    let known = TW_TLS_DANGER_NO_VERIFY | TW_TLS_ONLY_THESE_CAS;
    crate::options::no_flags(given.flags & !known, "tw_tls_opts.flags")?;
    let only_1_3 = match given.min_version {
        0 | TLS_1_2 => false,
        TLS_1_3 => true,
        other => {
            let cause = format_args!("min_version is {other:#06x}: use 0x0303 or 0x0304");
            return Err(Failure::argument(cause));
        }
    };
    // SAFETY: the caller vouches for the three of them.
    let ca = unsafe { Pem::read("ca", given.ca_file, given.ca_pem, given.ca_pem_len) }?;
    // SAFETY: as above.
    let cert = unsafe { Pem::read("cert", given.cert_file, given.cert_pem, given.cert_pem_len) }?;
    // SAFETY: as above.
    let key = unsafe { Pem::read("key", given.key_file, given.key_pem, given.key_pem_len) }?;
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(Failure::argument("a certificate without a key (key_file)")),
        (None, Some(_)) => {
            return Err(Failure::argument("a key without a certificate (cert_file)"));
        }
    };
    let server = match &identity {
        Some((cert, key)) => {
            let made = ServerTls::from_pem(&cert.text, &key.text);
            Some(made.map_err(|error| unusable(format_args!("{cert} and {key}"), error))?)
        }
        None => None,
    };
    let mut builder = ClientTls::builder();
    if let Some(ca) = &ca {
        builder = builder.ca_pem(&ca.text).map_err(|error| unusable(ca, error))?;
    }
    if given.flags & TW_TLS_ONLY_THESE_CAS != 0 {
        builder = builder.only_these_cas();
    }
    if given.flags & TW_TLS_DANGER_NO_VERIFY != 0 {
        builder = builder.danger_no_verification();
    }
    if only_1_3 {
        builder = builder.min_version_1_3();
    }
    if let Some((cert, key)) = &identity {
        let added = builder.client_cert_pem(&cert.text, &key.text);
        builder = added.map_err(|error| unusable(format_args!("{cert} and {key}"), error))?;
    }
    let client = match builder.build() {
        Ok(client) => Some(client),
        // A server needs no trust, so a machine without certificates is no reason to fail.
        Err(_) if server.is_some() && ca.is_none() => None,
        Err(error) => return Err(Failure::new(TW_ETLS, error)),
    };
    Ok(Config { client, server, only_1_3 })
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
