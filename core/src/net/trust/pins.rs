//! Public keys that have to be in a server's chain of certificates, as curl writes them.
//!
//! A key counts where it proves something: the server's own, which signs the handshake, and that
//! of an authority from which signatures lead to it. One that merely lies in the chain does not,
//! since anybody can put the certificate of another there.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::crypto::hash::{Hash, HashAlgorithm};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    SupportedCipherSuite,
};

use crate::net::tls_error::TlsError;

const SHA256: usize = 32;

/// The SHA-256 of a public key, as it stands in a certificate (SubjectPublicKeyInfo, DER).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Pin([u8; SHA256]);

impl FromStr for Pin {
    type Err = TlsError;

    fn from_str(text: &str) -> Result<Self, TlsError> {
        let wrong =
            || TlsError::new(format!("pin {text:?} is not sha256// and 32 bytes in base64"));
        let encoded = text.strip_prefix("sha256//").ok_or_else(wrong)?;
        // The decoder wants room for the padding, too.
        let mut bytes = [0; SHA256 + 1];
        match STANDARD.decode_slice(encoded, &mut bytes) {
            Ok(SHA256) => {}
            _ => return Err(wrong()),
        }
        bytes.first_chunk().map(|digest| Self(*digest)).ok_or_else(wrong)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256//{}", Base64Display::new(&self.0, &STANDARD))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which keys are pinned, and what it takes to look for them.
#[derive(Debug)]
pub(super) struct Pinned {
    /// What has to be content first.
    pub(super) inner: Arc<dyn ServerCertVerifier>,
    pub(super) pins: Vec<Pin>,
    /// Certificates that the application trusts. A server does not send its root.
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// Nothing else is verified, so only the server's own key proves anything.
    pub(super) own_key_only: bool,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Pinned {
    /// The pin that would fit this certificate.
    fn pin_of(&self, certificate: &CertificateDer<'_>) -> Result<Pin, rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let missing = || rustls::Error::General("built without SHA-256".into());
        let digest = sha256(&self.provider).ok_or_else(missing)?.hash(&key);
        digest.as_ref().first_chunk().map(|digest| Pin(*digest)).ok_or_else(missing)
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        self.pin_of(certificate).is_ok_and(|pin| self.pins.contains(&pin))
    }

    /// Whether signatures lead from an authority with a pinned key to the server's certificate.
    fn is_below_a_pin(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<bool, rustls::Error> {
        let mut anchors = RootCertStore::empty();
        for certificate in intermediates.iter().chain(&self.roots) {
            if self.is_pinned(certificate) {
                // What cannot be an authority leads nowhere.
                let _ = anchors.add(certificate.clone().into_owned());
            }
        }
        if anchors.is_empty() {
            return Ok(false);
        }
        let end_entity = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let verify = verify_server_cert_signed_by_trust_anchor;
        Ok(verify(&end_entity, &anchors, intermediates, now, algorithms).is_ok())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        )?;
        let own = self.pin_of(end_entity)?;
        if self.pins.contains(&own)
            || !self.own_key_only && self.is_below_a_pin(end_entity, intermediates, now)?
        {
            return Ok(verified);
        }
        let mismatch = OtherError(Arc::new(PinMismatch { own }));
        Err(CertificateError::Other(mismatch).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The hash that every provider has for its cipher suites.
fn sha256(provider: &CryptoProvider) -> Option<&'static dyn Hash> {
    let hashes = provider.cipher_suites.iter().map(|suite| match suite {
        SupportedCipherSuite::Tls12(suite) => suite.common.hash_provider,
        SupportedCipherSuite::Tls13(suite) => suite.common.hash_provider,
    });
    hashes.into_iter().find(|hash| hash.algorithm() == HashAlgorithm::SHA256)
}

/// All is well with the certificate, but it is not one of those that were expected.
#[derive(Debug)]
pub(crate) struct PinMismatch {
    own: Pin,
}

impl fmt::Display for PinMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no pin matches the certificate (its key is {})", self.own)
    }
}

impl Error for PinMismatch {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_read_as_curl_writes_it() {
        let text = "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(text.parse::<Pin>().unwrap().to_string(), text);
        for wrong in [
            "",
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha1//47DEQpj8HBSa+/TImW+5JCeuQeQ=",
            "sha256//",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha256//47DEQpj8HBSa+_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuA==",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA",
            "sha256//47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;",
        ] {
            let error = wrong.parse::<Pin>().unwrap_err().to_string();
            assert!(error.starts_with("pin \"") && error.contains("sha256//"), "{wrong}: {error}");
        }
    }
}
