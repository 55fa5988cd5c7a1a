//! A certificate authority for one run, and a certificate for `localhost`.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// Keys and certificates; the file of the authority lives as long as this value.
pub(crate) struct Certificates {
    folder: PathBuf,
    ca_file: PathBuf,
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Certificates {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "tightwire demo authority");
        let authority_key = KeyPair::generate()?;
        let authority_cert = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let chain = params.signed_by(&key, &issuer)?.pem();
        let folder = std::env::temp_dir().join(format!("tightwire-demo-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let ca_file = folder.join("ca.pem");
        fs::write(&ca_file, authority_cert.pem())?;
        Ok(Self { folder, ca_file, chain, key: key.serialize_pem() })
    }

    pub(crate) fn ca_file(&self) -> &Path {
        &self.ca_file
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // What is left behind is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
