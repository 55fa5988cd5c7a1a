//! What a server shows of itself, and whom it lets in.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{KeyLog, RootCertStore, ServerConfig};

use super::by_name::ByName;
use super::key_log::KeyLogFile;
use super::{ALPN, Identity, authorities, provider, read, versions};
use crate::net::tls_engine::TlsFactory;
use crate::net::tls_error::TlsError;

/// How a server secures its connections. Cheap to clone, shared by any number of servers.
///
/// Clones stay one and the same: [`replace_with`](Self::replace_with) changes the settings of all
/// of them, and of the servers that got one.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<RwLock<ServerSettings>>);

/// Who does it.
#[derive(Clone, Debug)]
pub(crate) enum ServerSettings {
    Own(Arc<ServerConfig>),
    Engine(Arc<dyn TlsFactory>),
}

impl ServerTls {
    /// Shows this certificate. `chain` begins with our own certificate; both are PEM texts.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::builder().cert_pem(chain, key)?.build()
    }

    /// Shows the certificate in these PEM files. They are read now and not watched.
    pub fn from_pem_files(
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        Self::builder().cert_files(chain, key)?.build()
    }

    /// Begins without a certificate, of which there has to be one.
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    /// Takes over the present settings of `new`, for instance since a certificate was renewed.
    ///
    /// Connections that are accepted from now on use them; those that are open, or in their
    /// handshake, go on undisturbed with what they began with. Sessions of before are not resumed.
    /// Any thread, at any time; it waits for nobody.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tightwire::{ServerOptions, ServerTls};
    ///
    /// let tls = ServerTls::from_pem_files("chain.pem", "key.pem")?;
    /// let options = ServerOptions::new("wss://0.0.0.0:443")?.tls(tls.clone());
    /// // Later, wherever it is noticed that the files have changed. If they are no good, the old
    /// // certificate stays.
    /// tls.replace_with(&ServerTls::from_pem_files("chain.pem", "key.pem")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replace_with(&self, new: &Self) {
        let settings = new.settings();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// The same settings, which are replaced apart from those of this one.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::of(self.settings())
    }

    /// Has another library do it, with settings of its own: nothing of the builder's counts.
    pub fn engine(factory: Arc<dyn TlsFactory>) -> Self {
        Self::of(ServerSettings::Engine(factory))
    }

    fn of(settings: ServerSettings) -> Self {
        Self(Arc::new(RwLock::new(settings)))
    }

    /// The settings of now. The lock is only held to copy a pointer.
    pub(crate) fn settings(&self) -> ServerSettings {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[cfg(test)]
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        match self.settings() {
            ServerSettings::Own(config) => config,
            ServerSettings::Engine(_) => panic!("not rustls"),
        }
    }
}

/// Collects the settings of a [`ServerTls`].
#[derive(Default)]
pub struct ServerTlsBuilder {
    identities: Vec<Identity>,
    client_roots: Vec<CertificateDer<'static>>,
    clients_optional: bool,
    only_1_3: bool,
    no_resumption: bool,
    key_log: Option<Arc<dyn KeyLog>>,
}

impl ServerTlsBuilder {
    /// Shows this certificate, or one more. `chain` begins with our own certificate; both are PEM
    /// texts.
    ///
    /// Of several, a client is shown the one with the name that it asks for (SNI, RFC 6066 section
    /// 3); the very name beats a wildcard. One that asks for no name, or for another, is shown the
    /// first.
    pub fn cert_pem(mut self, chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        self.identities.push(Identity::from_pem(chain, key)?);
        Ok(self)
    }

    /// The same with PEM files. They are read now and not watched.
    pub fn cert_files(
        mut self,
        chain: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        self.identities.push(Identity::from_files(chain.as_ref(), key.as_ref())?);
        Ok(self)
    }

    /// Demands of clients a certificate that these authorities vouch for: a PEM text. The system's
    /// do not count here.
    pub fn client_ca_pem(mut self, text: &[u8]) -> Result<Self, TlsError> {
        self.client_roots.extend(authorities(text)?);
        Ok(self)
    }

    /// The same with a PEM file.
    pub fn client_ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let text = read(path)?;
        self.client_ca_pem(&text).map_err(|error| error.in_place(path.display()))
    }

    /// Lets clients without a certificate in, too. One that is shown still has to be good.
    pub fn optional_client_certs(mut self) -> Self {
        self.clients_optional = true;
        self
    }

    /// Refuses TLS 1.2.
    pub fn min_version_1_3(mut self) -> Self {
        self.only_1_3 = true;
        self
    }

    /// Shakes hands from the beginning each time. Otherwise the last 256 sessions are remembered.
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

    /// Checks that all fits.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let provider = provider()?;
        let mut certificates = ByName::default();
        for identity in self.identities {
            certificates.add(identity.certified(&provider)?)?;
        }
        if certificates.is_empty() {
            return Err(TlsError::new("a server needs a certificate and its key"));
        }
        let clients = clients(&self.client_roots, self.clients_optional, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(self.only_1_3))?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(certificates));
        config.alpn_protocols = vec![ALPN.to_vec()];
        if self.no_resumption {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        if let Some(key_log) = self.key_log {
            config.key_log = key_log;
        }
        Ok(ServerTls::of(ServerSettings::Own(Arc::new(config))))
    }
}

/// Asks clients for what these authorities vouch for, or, without any, for nothing.
fn clients(
    given: &[CertificateDer<'static>],
    optional: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    if given.is_empty() {
        return match optional {
            false => Ok(WebPkiClientVerifier::no_client_auth()),
            true => Err(TlsError::new("no authority for the certificates of clients")),
        };
    }
    let mut roots = RootCertStore::empty();
    for root in given {
        roots.add(root.clone())?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|error| TlsError::new(format!("nobody to let in: {error}")))
}

#[cfg(test)]
impl From<ServerConfig> for ServerTls {
    fn from(config: ServerConfig) -> Self {
        Self::of(ServerSettings::Own(Arc::new(config)))
    }
}
