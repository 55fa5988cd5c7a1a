//! Which of a server's certificates a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use crate::net::tls_error::TlsError;

/// Certificates by the names in them.
#[derive(Debug, Default)]
pub(super) struct ByName {
    all: Vec<Arc<CertifiedKey>>,
    /// Places in `all`, by names in lower case; those of wildcards begin with `*.`.
    places: HashMap<String, Vec<usize>>,
}

impl ByName {
    pub(super) fn add(&mut self, certificate: CertifiedKey) -> Result<(), TlsError> {
        let place = self.all.len();
        let parsed = EndEntityCert::try_from(certificate.end_entity_cert()?);
        let parsed = parsed.map_err(|error| {
            let text = format!("certificate is malformed: {error}");
            TlsError::certificate("certificate_malformed", text)
        })?;
        for name in parsed.valid_dns_names() {
            self.places.entry(name.to_ascii_lowercase()).or_default().push(place);
        }
        self.all.push(Arc::new(certificate));
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Those that fit, the best one first: for the very name, for a wildcard, the default.
    fn candidates(&self, name: Option<&str>) -> impl Iterator<Item = &Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        // A wildcard stands for one label (RFC 9525 section 6.3).
        let parent = name.as_deref().and_then(|name| name.split_once('.'));
        let wildcard = parent.map(|(_, parent)| format!("*.{parent}"));
        let named = [name, wildcard].into_iter().flatten();
        let places = named.filter_map(|name| self.places.get(&name)).flatten().copied();
        places.chain([0]).filter_map(|place| self.all.get(place))
    }
}

impl ResolvesServerCert for ByName {
    /// Of two for the same name, say with RSA and with ECDSA, the first that the client can verify.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let usable = |found: &&Arc<CertifiedKey>| found.key.choose_scheme(schemes).is_some();
        let mut candidates = self.candidates(hello.server_name());
        let first = candidates.next()?;
        let chosen = if usable(&first) { first } else { candidates.find(usable).unwrap_or(first) };
        Some(Arc::clone(chosen))
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "ring"))]
#[cfg(test)]
mod tests {
    use super::super::{Identity, provider};
    use super::*;
    use crate::net::testing::Authority;

    fn of(certificates: &[&[&str]]) -> ByName {
        let authority = Authority::new();
        let mut by_name = ByName::default();
        for names in certificates {
            let issued = authority.issue(names);
            let identity =
                Identity::from_pem(issued.chain.as_bytes(), issued.key.as_bytes()).unwrap();
            by_name.add(identity.certified(&provider().unwrap()).unwrap()).unwrap();
        }
        by_name
    }

    #[test]
    fn the_very_name_beats_a_wildcard_and_the_first_is_the_default() {
        let by_name = of(&[
            &["default.example"],
            &["*.site.example"],
            &["a.site.example", "site.example"],
            &["*.SITE.example", "B.site.example"],
        ]);
        for (name, places) in [
            (None, &[0][..]),
            (Some("default.example"), &[0, 0]),
            (Some("other.example"), &[0]),
            (Some("a.site.example"), &[2, 1, 3, 0]),
            (Some("A.Site.Example"), &[2, 1, 3, 0]),
            (Some("b.site.example"), &[3, 1, 3, 0]),
            (Some("c.site.example"), &[1, 3, 0]),
            (Some("site.example"), &[2, 0]),
            (Some("deep.a.site.example"), &[0]),
            (Some("*.site.example"), &[1, 3, 1, 3, 0]),
            (Some("example"), &[0]),
            (Some(""), &[0]),
        ] {
            let place_of =
                |found| by_name.all.iter().position(|other| Arc::ptr_eq(found, other)).unwrap();
            let found: Vec<_> = by_name.candidates(name).map(place_of).collect();
            assert_eq!(found, places, "{name:?}");
        }
    }

    #[test]
    fn without_certificates_there_is_none_to_show() {
        assert_eq!(ByName::default().candidates(Some("a.example")).count(), 0);
    }
}
