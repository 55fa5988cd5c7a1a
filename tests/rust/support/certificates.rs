//! Certificates for one test.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData};
use tightwire::{ClientTls, ClientTlsBuilder, ServerTls};

/// Issues certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
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
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Issues for names, which may be IP addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(names);
        change(&mut params);
        let chain = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Issued { chain, key: key.serialize_pem() }
    }

    /// The pin of its key.
    pub(crate) fn pin(&self) -> String {
        pin(self.issuer.key())
    }

    /// A client's settings so far: trusts this authority and nobody else.
    pub(crate) fn trusting(&self) -> ClientTlsBuilder {
        let builder = ClientTls::builder().ca_pem(self.pem.as_bytes()).expect("a certificate");
        builder.only_these_cas()
    }

    /// A client's settings: trusts this authority and nobody else.
    pub(crate) fn client(&self) -> ClientTls {
        self.trusting().build().expect("somebody to trust")
    }
}

impl Issued {
    /// A certificate that nobody vouches for.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let chain = params(names).self_signed(&key).expect("a certificate").pem();
        Self { chain, key: key.serialize_pem() }
    }

    /// The pin of its key.
    pub(crate) fn pin(&self) -> String {
        pin(&KeyPair::from_pem(&self.key).expect("a key"))
    }

    pub(crate) fn server(&self) -> ServerTls {
        ServerTls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).expect("they match")
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    CertificateParams::new(names).expect("legal names")
}

fn pin(key: &KeyPair) -> String {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let suite = suite.tls13().expect("a suite of TLS 1.3");
    let digest = suite.common.hash_provider.hash(&key.subject_public_key_info());
    format!("sha256//{}", STANDARD.encode(digest))
}
