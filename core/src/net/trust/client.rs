//! What a client trusts, and what it shows of itself.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, KeyLog, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::key_log::KeyLogFile;
use super::pins::{Pin, Pinned};
use super::{ALPN, Identity, authorities, provider, read, versions};
use crate::net::tls_engine::TlsFactory;
use crate::net::tls_error::TlsError;

/// How a client secures its connections. Cheap to clone, shared by any number of connections.
///
/// Connections to the same host that share one resume each other's sessions, which saves the
/// verification and a part of the handshake.
#[derive(Clone, Debug)]
pub struct ClientTls(ClientSettings);

/// Who does it.
#[derive(Clone, Debug)]
pub(crate) enum ClientSettings {
    Own(Arc<ClientConfig>),
    Engine(Arc<dyn TlsFactory>),
}

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

    /// Has another library do it, with settings of its own: nothing of the builder's counts.
    pub fn engine(factory: Arc<dyn TlsFactory>) -> Self {
        Self(ClientSettings::Engine(factory))
    }

    pub(crate) fn settings(&self) -> &ClientSettings {
        &self.0
    }
}

/// Collects the settings of a [`ClientTls`].
#[derive(Default)]
pub struct ClientTlsBuilder {
    roots: Vec<CertificateDer<'static>>,
    pins: Vec<Pin>,
    only_these: bool,
    no_verification: bool,
    only_1_3: bool,
    no_resumption: bool,
    identity: Option<Identity>,
    key_log: Option<Arc<dyn KeyLog>>,
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
        self.roots.extend(authorities(text)?);
        Ok(self)
    }

    /// Leaves the system's certificates out: only those that were added count.
    pub fn only_these_cas(mut self) -> Self {
        self.only_these = true;
        self
    }

    /// Demands, besides all other verification, that this public key is in the server's chain of
    /// certificates: `sha256//` and the base64 of the SHA-256 of a SubjectPublicKeyInfo, as in
    /// curl's `--pinnedpubkey`. Of several pins one has to fit; give a spare one for the day on
    /// which the key changes.
    ///
    /// The key may be the server's own, or that of an authority that vouches for it. The authority's
    /// certificate has to be known: either the server sends it, or it was added with
    /// [`ca_pem`](Self::ca_pem). One that merely lies in the chain, without having signed anything
    /// there, does not count. With [`danger_no_verification`](Self::danger_no_verification) only
    /// the server's own key counts, and nothing else is asked of it.
    pub fn pin(mut self, pin: &str) -> Result<Self, TlsError> {
        self.pins.push(pin.parse()?);
        Ok(self)
    }

    /// Takes any certificate from anybody. The connection is encrypted, but everyone on the way can
    /// read and change it, unless there is a [`pin`](Self::pin). For experiments only.
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

    /// Shows the certificate in these PEM files to servers that ask for one. They are read now and
    /// not watched.
    pub fn client_cert_files(
        mut self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        self.identity = Some(Identity::from_files(chain.as_ref(), key.as_ref())?);
        Ok(self)
    }

    /// Shakes hands from the beginning each time, so that a server cannot tell by the session that
    /// two connections are of one client.
    pub fn no_resumption(mut self) -> Self {
        self.no_resumption = true;
        self
    }

    /// Appends the secrets of every connection to this file, which lets Wireshark and whoever else
    /// reads it decrypt what was recorded. A new file is readable for its owner only.
    pub fn key_log_file(mut self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        self.key_log = Some(KeyLogFile::open(path.as_ref())?);
        Ok(self)
    }

    /// The same with the file that the environment variable `SSLKEYLOGFILE` names, if it is set.
    /// Without this it is not looked at.
    pub fn key_log_from_env(mut self) -> Result<Self, TlsError> {
        self.key_log = Some(KeyLogFile::from_env()?);
        Ok(self)
    }

    /// Reads the system's certificates, unless they are left out, and checks that all fits.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let provider = provider()?;
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(self.only_1_3))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match self.identity {
            Some(identity) => {
                let certified = identity.certified(&provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        if self.no_resumption {
            config.resumption = Resumption::disabled();
        }
        if let Some(key_log) = self.key_log {
            config.key_log = key_log;
        }
        Ok(ClientTls(ClientSettings::Own(Arc::new(config))))
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        let inner = self.verifier_without_pins(Arc::clone(provider))?;
        if self.pins.is_empty() {
            return Ok(inner);
        }
        Ok(Arc::new(Pinned {
            inner,
            pins: self.pins.clone(),
            roots: self.roots.clone(),
            own_key_only: self.no_verification,
            provider: Arc::clone(provider),
        }))
    }

    fn verifier_without_pins(
        &self,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
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
impl ClientTls {
    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        match &self.0 {
            ClientSettings::Own(config) => config,
            ClientSettings::Engine(_) => panic!("not rustls"),
        }
    }

    pub(crate) fn without_alpn(&self) -> Self {
        let mut config = ClientConfig::clone(self.config());
        config.alpn_protocols.clear();
        config.into()
    }
}

#[cfg(test)]
impl From<ClientConfig> for ClientTls {
    fn from(config: ClientConfig) -> Self {
        Self(ClientSettings::Own(Arc::new(config)))
    }
}
