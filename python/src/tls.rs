//! `tightwire.TLS`: whom to trust, and who we are.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use pyo3::exceptions::{PyOSError, PyTypeError, PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tightwire::{ClientTls, ServerTls, TlsError};

use crate::error::named;

/// Settings of TLS for `wss://`, for clients and servers.
#[pyclass(frozen, name = "TLS", module = "tightwire")]
pub(crate) struct Tls {
    client: OnceLock<ClientTls>,
    server: Option<ServerTls>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Other than what the system trusts.
    own_trust: bool,
    #[pyo3(get)]
    pub(crate) server_name: Option<String>,
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (*, ca = None, cert = None, key = None, verify = true, server_name = None))]
    fn new(
        py: Python<'_>,
        ca: Option<&Bound<'_, PyAny>>,
        cert: Option<&Bound<'_, PyAny>>,
        key: Option<&Bound<'_, PyAny>>,
        verify: bool,
        server_name: Option<String>,
    ) -> PyResult<Self> {
        if key.is_some() && cert.is_none() {
            return Err(PyValueError::new_err("key: needs cert, the certificate it belongs to"));
        }
        if !verify && ca.is_some() {
            return Err(PyValueError::new_err("verify=False trusts everybody: leave out ca"));
        }
        let (mut identity, mut server) = (None, None);
        if let Some(cert) = cert {
            let (cert, key) = (Pem::read("cert", cert)?, Pem::read("key", key.unwrap_or(cert))?);
            let place = format!("{}, {}", cert.place, key.place);
            let built = ServerTls::from_pem(&cert.text, &key.text);
            server = Some(built.map_err(|error| refused(py, &place, &error))?);
            identity = Some((cert.text, key.text));
        }
        let this = Self {
            client: OnceLock::new(),
            server,
            identity,
            own_trust: ca.is_some() || !verify,
            server_name,
        };
        if !verify {
            let text = c"verify=False: anybody on the way can read and change this connection";
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), text, 1)?;
        }
        if this.own_trust {
            let ca = ca.map(|ca| Pem::read("ca", ca)).transpose()?;
            let place = ca.as_ref().map_or("tls", |ca| &ca.place);
            let built = this.build(ca.as_ref().map(|ca| &*ca.text));
            let built = built.map_err(|error| refused(py, place, &error))?;
            let _ = this.client.set(built);
        }
        Ok(this)
    }

    fn __repr__(&self) -> String {
        let trust = if self.own_trust { "own" } else { "system" };
        let identity = if self.identity.is_some() { "yes" } else { "no" };
        format!("TLS(trust={trust}, certificate={identity})")
    }
}

impl Tls {
    /// The settings of a client. Reads the system's certificates if those count.
    pub(crate) fn client(&self, py: Python<'_>) -> PyResult<ClientTls> {
        if let Some(built) = self.client.get() {
            return Ok(built.clone());
        }
        let built = match self.identity {
            None => ClientTls::platform(),
            Some(_) => self.build(None),
        };
        let built = built.map_err(|error| refused(py, "tls", &error))?;
        Ok(self.client.get_or_init(|| built).clone())
    }

    /// The settings of a server, which needs a certificate.
    pub(crate) fn server(&self) -> PyResult<ServerTls> {
        self.server
            .clone()
            .ok_or_else(|| PyValueError::new_err("tls: a server needs TLS(cert=..., key=...)"))
    }

    fn build(&self, ca: Option<&[u8]>) -> Result<ClientTls, TlsError> {
        let mut builder = ClientTls::builder();
        if self.own_trust {
            builder = match ca {
                Some(ca) => builder.ca_pem(ca)?.only_these_cas(),
                None => builder.danger_no_verification(),
            };
        }
        if let Some((chain, key)) = &self.identity {
            builder = builder.client_cert_pem(chain, key)?;
        }
        builder.build()
    }
}

/// What `tls=` of a client says.
pub(crate) enum ClientChoice<'a, 'py> {
    /// `None` or `True`: what the system trusts.
    Default,
    Settings(&'a Bound<'py, Tls>),
}

/// `None`, `True` or a [`Tls`].
pub(crate) fn client_choice<'a, 'py>(
    tls: Option<&'a Bound<'py, PyAny>>,
) -> PyResult<ClientChoice<'a, 'py>> {
    let Some(tls) = tls else { return Ok(ClientChoice::Default) };
    if let Ok(settings) = tls.cast::<Tls>() {
        return Ok(ClientChoice::Settings(settings));
    }
    match tls.extract() {
        Ok(true) => Ok(ClientChoice::Default),
        _ => Err(PyTypeError::new_err("tls: TLS(...), True or None expected")),
    }
}

/// A PEM text, and where it came from: the argument, and the file if it was one.
struct Pem {
    text: Vec<u8>,
    place: String,
}

impl Pem {
    fn read(argument: &str, value: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = value.cast::<PyBytes>() {
            return Ok(Self { text: text.as_bytes().to_vec(), place: argument.to_owned() });
        }
        let path: PathBuf = value.extract().map_err(|_| {
            PyTypeError::new_err(format!("{argument}: a path, or bytes in PEM, expected"))
        })?;
        match fs::read(&path) {
            Ok(text) => Ok(Self { text, place: format!("{argument}: {}", path.display()) }),
            Err(error) => {
                let text = format!("{argument}: {error}");
                Err(match error.raw_os_error() {
                    // With its three arguments OSError becomes FileNotFoundError and the like.
                    Some(number) => PyOSError::new_err((number, text, path)),
                    None => PyOSError::new_err(text),
                })
            }
        }
    }
}

fn refused(py: Python<'_>, argument: &str, error: &TlsError) -> PyErr {
    named(py, "TLSError", format!("{argument}: {error}"))
}
