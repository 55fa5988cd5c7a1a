//! The options of `tw_tls_new`: read, checked and turned into configurations.

use std::ffi::{c_char, c_void};
use std::{fmt, fs};

use tightwire::{ClientTls, ServerTls};

use super::store::Config;
use super::{
    TW_TLS_DANGER_NO_VERIFY, TW_TLS_KEYLOG_FROM_ENV, TW_TLS_NO_RESUMPTION, TW_TLS_ONLY_THESE_CAS,
    TW_TLS_OPTIONAL_CLIENT, TW_TLS_REQUIRE_CLIENT, tw_tls_cert, tw_tls_opts,
};
use crate::edge;
use crate::status::{Failure, TW_ETLS};

const TLS_1_2: u32 = 0x0303;
const TLS_1_3: u32 = 0x0304;

/// # Safety
///
/// What the options point at is valid.
pub(super) unsafe fn read(given: &tw_tls_opts) -> Result<Config, Failure> {
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
