//! Whom to trust and who we are: the settings of TLS for both roles.
//!
//! The cryptography is chosen here, once, and always handed to rustls explicitly. What the process
//! installed as its default is neither asked nor changed, so that other users of rustls in the same
//! process are left alone.

mod by_name;
mod client;
mod key_log;
mod pins;
mod server;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, SupportedProtocolVersion};

pub(crate) use self::client::ClientSettings;
pub use self::client::{ClientTls, ClientTlsBuilder};
pub(crate) use self::pins::PinMismatch;
pub(crate) use self::server::ServerSettings;
pub use self::server::{ServerTls, ServerTlsBuilder};
use super::tls_error::TlsError;

/// The only application protocol that WebSocket over TLS uses here (RFC 6455 needs HTTP/1.1).
const ALPN: &[u8] = b"http/1.1";

static TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

fn versions(only_1_3: bool) -> &'static [&'static SupportedProtocolVersion] {
    if only_1_3 { TLS_1_3 } else { rustls::ALL_VERSIONS }
}

/// The cryptography we were built with.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
    Err(TlsError::new("built without cryptography: enable the feature aws-lc-rs or ring"))
}

/// Our certificate with what leads to its root, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    /// The files that they are from.
    place: Option<String>,
}

impl Identity {
    fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { chain: certificates(chain)?, key: private_key(key)?, place: None })
    }

    fn from_files(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let certificates = certificates(&read(chain)?);
        let private_key = private_key(&read(key)?);
        Ok(Self {
            chain: certificates.map_err(|error| error.in_place(chain.display()))?,
            key: private_key.map_err(|error| error.in_place(key.display()))?,
            place: Some(format!("{} and {}", chain.display(), key.display())),
        })
    }

    /// Checks that the key belongs to the certificate.
    fn certified(self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let Self { chain, key, place } = self;
        let certified = CertifiedKey::from_der(chain, key, provider).map_err(TlsError::from);
        certified.map_err(|error| match place {
            Some(place) => error.in_place(place),
            None => error,
        })
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => {
            Err(TlsError::new("no certificate in it (PEM, \"BEGIN CERTIFICATE\")"))
        }
        Ok(found) => Ok(found),
        Err(error) => Err(TlsError::new(format!("broken PEM: {error}"))),
    }
}

/// Certificates that can vouch for others.
fn authorities(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = certificates(text)?;
    let mut check = RootCertStore::empty();
    for certificate in &found {
        check.add(certificate.clone())?;
    }
    Ok(found)
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_encrypted(text) => {
            TlsError::new("the private key is encrypted; decrypt it first")
        }
        pem::Error::NoItemsFound => {
            TlsError::new("no private key in it (PEM, \"BEGIN PRIVATE KEY\")")
        }
        error => TlsError::new(format!("broken PEM: {error}")),
    })
}

fn is_encrypted(text: &[u8]) -> bool {
    const MARK: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
    text.windows(MARK.len()).any(|window| window == MARK)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|error| TlsError::new(error.to_string()).in_place(path.display()))
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
#[cfg(test)]
mod tests {
    use super::super::testing::Authority;
    use super::*;

    #[test]
    fn a_pem_without_what_is_needed_says_so() {
        let issued = Authority::new().issue(&["a.example"]);
        let (chain, key) = (issued.chain.as_bytes(), issued.key.as_bytes());
        let other = Authority::new().issue(&["a.example"]);
        let encrypted: &[u8] =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let broken: &[u8] = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        for (name, chain, key, text) in [
            ("no certificate", key, key, "no certificate in it"),
            ("no key", chain, chain, "no private key in it"),
            ("empty", &b""[..], key, "no certificate in it"),
            ("encrypted", chain, encrypted, "encrypted"),
            ("another's key", chain, other.key.as_bytes(), "does not belong"),
            ("broken", broken, key, "broken PEM"),
        ] {
            let error = ServerTls::from_pem(chain, key).unwrap_err().to_string();
            assert!(error.contains(text), "{name}: {error}");
        }
    }

    #[test]
    fn an_unreadable_file_is_named() {
        let error = ServerTls::from_pem_files("/no/such.pem", "/no/such.key").unwrap_err();
        assert!(error.to_string().starts_with("/no/such.pem: "), "{error}");
        let error = ClientTls::builder().ca_file("/no/ca.pem").err().unwrap();
        assert!(error.to_string().starts_with("/no/ca.pem: "), "{error}");
    }

    #[test]
    fn files_are_read_for_both_roles_and_named_in_errors() {
        let authority = Authority::new();
        let (own, other) = (authority.issue(&["a.example"]), authority.issue(&["a.example"]));
        // Its pin is of this test alone.
        let unique: String = own.pin().chars().filter(char::is_ascii_alphanumeric).collect();
        let folder = std::env::temp_dir().join(format!("tightwire-{unique}"));
        fs::create_dir(&folder).unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let (ca, chain) = (write("ca.pem", authority.pem()), write("own.pem", &own.chain));
        let (key, wrong) = (write("own.key", &own.key), write("other.key", &other.key));
        let server = ServerTls::builder().cert_files(&chain, &key).unwrap();
        server.client_ca_file(&ca).unwrap().optional_client_certs().build().unwrap();
        let client = ClientTls::builder().ca_file(&ca).unwrap().only_these_cas();
        client.client_cert_files(&chain, &key).unwrap().build().unwrap();
        let both = format!("{} and {}: ", chain.display(), wrong.display());
        let mismatch = both + "the private key does not belong to the certificate";
        let error = ServerTls::from_pem_files(&chain, &wrong).unwrap_err();
        assert_eq!(error.to_string(), mismatch);
        let client = ClientTls::builder().ca_file(&ca).unwrap().only_these_cas();
        let error = client.client_cert_files(&chain, &wrong).unwrap().build().unwrap_err();
        assert_eq!(error.to_string(), mismatch);
        let error = ServerTls::builder().client_ca_file(&key).err().unwrap();
        assert_eq!(error.to_string().split(": ").next(), key.to_str());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_server_without_a_certificate_is_refused() {
        let error = ServerTls::builder().build().unwrap_err();
        assert!(error.to_string().contains("needs a certificate"), "{error}");
    }

    #[test]
    fn to_trust_nobody_is_refused() {
        let error = ClientTls::builder().only_these_cas().build().unwrap_err();
        assert!(error.to_string().contains("nobody to trust"), "{error}");
    }

    #[test]
    fn the_platform_is_read_once() {
        // A machine without certificates says so, each time.
        if let (Ok(first), Ok(second)) = (ClientTls::platform(), ClientTls::platform()) {
            assert!(Arc::ptr_eq(first.config(), second.config()));
        }
    }
}
