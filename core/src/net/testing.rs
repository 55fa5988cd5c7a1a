//! Certificates and settings for the tests of this layer.

use std::sync::Arc;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    CipherSuite, ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use super::trust::{ClientTls, ServerTls, provider};

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("tightwire test authority")
    }

    pub(crate) fn named(name: &str) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), authority(name));
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// An authority that this one vouches for.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let (key, params) = (KeyPair::generate().unwrap(), authority(name));
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    /// Issues for `names`, which may be IP addresses, after `change`.
    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let key = KeyPair::generate().unwrap();
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let chain = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { chain, key: key.serialize_pem() }
    }

    /// A client that trusts this authority and nobody else.
    pub(crate) fn client(&self) -> ClientTls {
        let builder = ClientTls::builder().ca_pem(self.pem.as_bytes()).unwrap();
        builder.only_these_cas().build().unwrap()
    }

    /// The same that is not as ours are.
    pub(crate) fn client_with(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientTls {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        ClientTls::from(config)
    }

    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// The pin of its key.
    pub(crate) fn pin(&self) -> String {
        pin(self.issuer.key())
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn pin(key: &KeyPair) -> String {
    let provider = provider().unwrap();
    let suite = provider.cipher_suites.iter().find_map(|suite| match suite {
        SupportedCipherSuite::Tls13(suite) if suite.common.suite == SUITE => Some(suite),
        _ => None,
    });
    let digest = suite.unwrap().common.hash_provider.hash(&key.subject_public_key_info());
    format!("sha256//{}", Base64Display::new(digest.as_ref(), &STANDARD))
}

/// One that comes with SHA-256.
const SUITE: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;

impl Issued {
    /// The pin of its key.
    pub(crate) fn pin(&self) -> String {
        pin(&KeyPair::from_pem(&self.key).unwrap())
    }

    /// The same with more certificates behind it.
    pub(crate) fn with(&self, more: &[&Authority]) -> Self {
        let more: String = more.iter().map(|authority| authority.pem()).collect();
        Self { chain: format!("{}{more}", self.chain), key: self.key.clone() }
    }

    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A server that is not as ours are.
    pub(crate) fn server_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        change: impl FnOnce(&mut ServerConfig),
    ) -> ServerTls {
        let chain = CertificateDer::pem_slice_iter(self.chain.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider: Arc<CryptoProvider> = provider().unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        change(&mut config);
        ServerTls::from(config)
    }
}
