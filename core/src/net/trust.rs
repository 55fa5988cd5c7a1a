//! Whom to trust and who we are: the settings of TLS for both roles.
//!
//! The cryptography is chosen here, once, and always handed to rustls explicitly. What the process
//! installed as its default is neither asked nor changed, so that other users of rustls in the same
//! process are left alone.

use std::fs;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_platform_verifier::Verifier;

use super::tls_error::TlsError;

/// The only application protocol that WebSocket over TLS uses here (RFC 6455 needs HTTP/1.1).
const ALPN: &[u8] = b"http/1.1";

/// How a client secures its connections. Cheap to clone, shared by any number of connections.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<ClientConfig>);

impl ClientTls {
    /// Trusts what the system trusts.
    ///
    /// Reading the system's certificates takes some milliseconds; that happens once in a process,
    /// and later changes of them are not seen.
    pub fn platform() -> Result<Self, TlsError> {
        static CACHED: OnceLock<ClientTls> = OnceLock::new();
        if let Some(cached) = CACHED.get() {
            return Ok(cached.clone());
        }
        let built = Self::builder().build()?;
        // Of two threads that got here together, both leave with the first one's.
        Ok(CACHED.get_or_init(|| built).clone())
    }

    /// Begins with what the system trusts and no certificate of our own.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }
}

/// Collects the settings of a [`ClientTls`].
#[derive(Default)]
pub struct ClientTlsBuilder {
    roots: Vec<CertificateDer<'static>>,
    only_these: bool,
    no_verification: bool,
    only_1_3: bool,
    identity: Option<Identity>,
}

impl ClientTlsBuilder {
    /// Trusts the certificates in a PEM file too.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let text = read(path)?;
        self.ca_pem(&text).map_err(|error| error.in_place(path.display()))
    }

    /// Trusts the certificates in a PEM text too.
    pub fn ca_pem(mut self, text: &[u8]) -> Result<Self, TlsError> {
        let mut check = RootCertStore::empty();
        for certificate in certificates(text)? {
            check.add(certificate.clone()).map_err(TlsError::from)?;
            self.roots.push(certificate);
        }
        Ok(self)
    }

    /// Leaves the system's certificates out: only those that were added count.
    pub fn only_these_cas(mut self) -> Self {
        self.only_these = true;
        self
    }

    /// Takes any certificate from anybody. The connection is encrypted, but everyone on the way can
    /// read and change it. For experiments only.
    pub fn danger_no_verification(mut self) -> Self {
        self.no_verification = true;
        self
    }

    /// Refuses TLS 1.2.
    pub fn min_version_1_3(mut self) -> Self {
        self.only_1_3 = true;
        self
    }

    /// Shows this certificate to servers that ask for one. `chain` begins with our own certificate;
    /// both are PEM texts.
    pub fn client_cert_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        self.identity = Some(Identity::from_pem(chain, key)?);
        Ok(self)
    }

    /// Reads the system's certificates, unless they are left out, and checks that all fits.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let provider = provider()?;
        let verifier = self.verifier(&provider)?;
        let versions = if self.only_1_3 { TLS_1_3 } else { rustls::ALL_VERSIONS };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity {
            Some(Identity { chain, key }) => builder.with_client_auth_cert(chain, key)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(ClientTls(Arc::new(config)))
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let provider = Arc::clone(provider);
        if self.no_verification {
            return Ok(Arc::new(NoVerification(provider)));
        }
        if !self.only_these {
            return Ok(Arc::new(Verifier::new_with_extra_roots(self.roots.clone(), provider)?));
        }
        let mut roots = RootCertStore::empty();
        for root in &self.roots {
            roots.add(root.clone())?;
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
            .map_err(|error| TlsError::new(format!("nobody to trust: {error}")))
    }
}

/// How a server secures its connections. Cheap to clone, shared by any number of connections.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<ServerConfig>);

impl ServerTls {
    /// Shows this certificate. `chain` begins with our own certificate; both are PEM texts.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::new(Identity::from_pem(chain, key)?)
    }

    /// Shows the certificate in these PEM files. They are read now and not watched.
    pub fn from_pem_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (chain, key) = (chain.as_ref(), key.as_ref());
        let certificates = certificates(&read(chain)?);
        let private_key = private_key(&read(key)?);
        let identity = Identity {
            chain: certificates.map_err(|error| error.in_place(chain.display()))?,
            key: private_key.map_err(|error| error.in_place(key.display()))?,
        };
        let place = format!("{} and {}", chain.display(), key.display());
        Self::new(identity).map_err(|error| error.in_place(place))
    }

    fn new(Identity { chain, key }: Identity) -> Result<Self, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider()?)
            .with_protocol_versions(rustls::ALL_VERSIONS)?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.0
    }
}

static TLS_1_3: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

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
}

impl Identity {
    fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self { chain: certificates(chain)?, key: private_key(key)? })
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

/// Checks that the peer owns the key of the certificate it shows, and nothing about whose it is.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
impl From<ServerConfig> for ServerTls {
    fn from(config: ServerConfig) -> Self {
        Self(Arc::new(config))
    }
}

#[cfg(test)]
impl ClientTls {
    pub(crate) fn without_alpn(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols.clear();
        Self(Arc::new(config))
    }
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
