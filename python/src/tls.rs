//! `tightwire.TLS`: whom to trust, and who we are.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use pyo3::exceptions::{PyOSError, PyTypeError, PyUserWarning, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use tightwire::{ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder, TlsError};

use crate::error::named;
use crate::options;
use crate::ssl_context;

/// Whom to trust and who we are, for `wss://`. Files are read now and not watched.
///
/// Args:
///     ca: The only certificates to trust: a path, or bytes in PEM. None: what the system trusts.
///     system_cas: True trusts what the system trusts besides `ca`.
///     cert: Our certificate and what leads to its root: a path, or bytes in PEM. A server needs one;
///         a client shows it to servers that ask for one.
///     key: Its private key; None if it is in `cert`.
///     verify: False takes any certificate from anybody, with a `UserWarning` unless there are `pins`.
///     server_name: The name to expect in the server's certificate instead of the URL's.
///     pins: Public keys, `sha256//` and base64 as curl writes them. One of them has to be in the
///         server's chain of certificates, besides all other verification: its own, or that of an
///         authority that vouches for it and that the server sends or `ca` has. With `verify=False`
///         only the server's own key counts, and nothing else is asked of it.
///     min_version: `"1.3"` refuses TLS 1.2.
///     resumption: False shakes hands from the beginning each time.
///     keylog: A file that the secrets of every connection are appended to, for Wireshark; whoever
///         reads it can decrypt what was recorded. True: the one that `SSLKEYLOGFILE` names, if it is
///         set; without this it is not looked at.
///     more_certs: More certificates of a server, pairs like `cert` and `key`. A client is shown the one
///         with the name that it asks for, the very name rather than a wildcard, else `cert`.
///     client_ca: Lets only clients in that show a certificate which one of these vouches for.
///     client_cert_required: False lets clients in that show none, too.
///
/// Raises:
///     TLSError: No certificate or key in what was given, they do not belong together, or `keylog`
///         cannot be written.
///     OSError: A file cannot be read.
///     ValueError: What was given does not fit together; the text names it.
#[pyclass(frozen, name = "TLS", module = "tightwire")]
pub(crate) struct Tls {
    client: OnceLock<ClientTls>,
    server: Option<ServerTls>,
    identity: Option<Identity>,
    trust: Trust,
    options: Options,
    /// As it was given.
    #[pyo3(get)]
    pub(crate) server_name: Option<String>,
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (
        *, ca = None, system_cas = false, cert = None, key = None, verify = true, server_name = None,
        pins = None, min_version = "1.2", resumption = true, keylog = None, more_certs = None,
        client_ca = None, client_cert_required = true
    ))]
    #[expect(clippy::too_many_arguments, reason = "the keywords of a constructor")]
    fn new(
        py: Python<'_>,
        ca: Option<&Bound<'_, PyAny>>,
        system_cas: bool,
        cert: Option<&Bound<'_, PyAny>>,
        key: Option<&Bound<'_, PyAny>>,
        verify: bool,
        server_name: Option<String>,
        pins: Option<&Bound<'_, PyAny>>,
        min_version: &str,
        resumption: bool,
        keylog: Option<&Bound<'_, PyAny>>,
        more_certs: Option<&Bound<'_, PyAny>>,
        client_ca: Option<&Bound<'_, PyAny>>,
        client_cert_required: bool,
    ) -> PyResult<Self> {
        let trust = Trust::of(ca.is_some(), system_cas, verify)?;
        let options = Options::read(py, pins, min_version, resumption, keylog)?;
        let identity = match (cert, key) {
            (Some(cert), key) => Some(Identity::read("cert", cert, key)?),
            (None, None) => None,
            (None, Some(_)) => {
                let text = "key: needs cert, the certificate it belongs to";
                return Err(PyValueError::new_err(text));
            }
        };
        let more = more_certs.map(identities).transpose()?.unwrap_or_default();
        let client_ca = client_ca.map(|ca| Pem::read("client_ca", ca)).transpose()?;
        let server = match &identity {
            Some(first) => {
                let all = std::iter::once(first).chain(&more);
                let required = client_cert_required;
                Some(options.server(py, all, client_ca.as_ref(), required)?)
            }
            None if client_ca.is_some() || !more.is_empty() => {
                let text = "client_ca and more_certs are for servers, which need cert";
                return Err(PyValueError::new_err(text));
            }
            None => None,
        };
        let this = Self { client: OnceLock::new(), server, identity, trust, options, server_name };
        if !verify && this.options.pins.is_empty() {
            let text = c"verify=False: anybody on the way can read and change this connection";
            PyErr::warn(py, &py.get_type::<PyUserWarning>(), text, 1)?;
        }
        if trust != Trust::System {
            let ca = ca.map(|ca| Pem::read("ca", ca)).transpose()?;
            let place = ca.as_ref().map_or("tls", |ca| &ca.place);
            let built = this.build(ca.as_ref().map(|ca| &*ca.text));
            let built = built.map_err(|error| refused(py, place, &error))?;
            let _ = this.client.set(built);
        }
        Ok(this)
    }

    fn __repr__(&self) -> String {
        let trust = if self.trust == Trust::System { "system" } else { "own" };
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
            None if self.options.is_default() => ClientTls::platform(),
            _ => self.build(None),
        };
        let built = built.map_err(|error| refused(py, "tls", &error))?;
        Ok(self.client.get_or_init(|| built).clone())
    }

    /// The settings of a server, which needs a certificate. Each call gives one of its own, which
    /// can be replaced without touching the others.
    pub(crate) fn server(&self) -> PyResult<ServerTls> {
        let missing = || PyValueError::new_err("tls: a server needs TLS(cert=..., key=...)");
        self.server.as_ref().map(ServerTls::detached).ok_or_else(missing)
    }

    fn build(&self, ca: Option<&[u8]>) -> Result<ClientTls, TlsError> {
        let mut builder = self.options.client()?;
        if let Some(ca) = ca {
            builder = builder.ca_pem(ca)?;
        }
        builder = match self.trust {
            Trust::System | Trust::SystemAndGiven => builder,
            Trust::Given => builder.only_these_cas(),
            Trust::Everybody => builder.danger_no_verification(),
        };
        if let Some(Identity { cert, key }) = &self.identity {
            builder = builder.client_cert_pem(&cert.text, &key.text)?;
        }
        builder.build()
    }
}

/// Whom a client trusts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// What the system trusts.
    System,
    /// The system's and those given.
    SystemAndGiven,
    /// Only those given.
    Given,
    Everybody,
}

impl Trust {
    fn of(has_ca: bool, system_cas: bool, verify: bool) -> PyResult<Self> {
        match (verify, has_ca, system_cas) {
            (false, true, _) | (false, _, true) => {
                let text = "verify=False trusts everybody: leave out ca and system_cas";
                Err(PyValueError::new_err(text))
            }
            (false, ..) => Ok(Self::Everybody),
            (true, false, _) => Ok(Self::System),
            (true, true, false) => Ok(Self::Given),
            (true, true, true) => Ok(Self::SystemAndGiven),
        }
    }
}

/// What both roles have, and pins.
struct Options {
    pins: Vec<String>,
    only_1_3: bool,
    resumption: bool,
    key_log: KeyLog,
}

enum KeyLog {
    Nowhere,
    /// Where `SSLKEYLOGFILE` says.
    Environment,
    File(PathBuf),
}

impl Options {
    fn read(
        py: Python<'_>,
        pins: Option<&Bound<'_, PyAny>>,
        min_version: &str,
        resumption: bool,
        keylog: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let pins = options::names("pins", pins)?;
        for pin in &pins {
            let checked = ClientTls::builder().pin(pin);
            checked.map_err(|error| PyValueError::new_err(format!("pins: {error}")))?;
        }
        let only_1_3 = match min_version {
            "1.2" => false,
            "1.3" => true,
            other => {
                let text = format!("min_version: \"1.2\" or \"1.3\" expected, not {other:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        let key_log = match keylog {
            None => KeyLog::Nowhere,
            Some(value) => match value.extract::<bool>() {
                Ok(true) => KeyLog::Environment,
                Ok(false) => KeyLog::Nowhere,
                Err(_) => KeyLog::File(value.extract().map_err(|_| {
                    PyTypeError::new_err("keylog: a path, or True for SSLKEYLOGFILE, expected")
                })?),
            },
        };
        let options = Self { pins, only_1_3, resumption, key_log };
        // A file that cannot be written is told now.
        options.client().map_err(|error| refused(py, "keylog", &error))?;
        Ok(options)
    }

    fn is_default(&self) -> bool {
        let Self { pins, only_1_3, resumption, key_log } = self;
        pins.is_empty() && !only_1_3 && *resumption && matches!(key_log, KeyLog::Nowhere)
    }

    fn client(&self) -> Result<ClientTlsBuilder, TlsError> {
        let mut builder = ClientTls::builder();
        for pin in &self.pins {
            builder = builder.pin(pin)?;
        }
        if self.only_1_3 {
            builder = builder.min_version_1_3();
        }
        if !self.resumption {
            builder = builder.no_resumption();
        }
        match &self.key_log {
            KeyLog::Nowhere => Ok(builder),
            KeyLog::Environment => builder.key_log_from_env(),
            KeyLog::File(path) => builder.key_log_file(path),
        }
    }

    fn server<'a>(
        &self,
        py: Python<'_>,
        identities: impl Iterator<Item = &'a Identity>,
        client_ca: Option<&Pem>,
        required: bool,
    ) -> PyResult<ServerTls> {
        let mut builder = ServerTls::builder();
        for Identity { cert, key } in identities {
            let place = format!("{}, {}", cert.place, key.place);
            // Each alone, so that the error can name it.
            let checked = ServerTls::from_pem(&cert.text, &key.text);
            checked.map_err(|error| refused(py, &place, &error))?;
            let added = builder.cert_pem(&cert.text, &key.text);
            builder = added.map_err(|error| refused(py, &place, &error))?;
        }
        if let Some(ca) = client_ca {
            let added = builder.client_ca_pem(&ca.text);
            builder = added.map_err(|error| refused(py, &ca.place, &error))?;
            if !required {
                builder = builder.optional_client_certs();
            }
        }
        if self.only_1_3 {
            builder = builder.min_version_1_3();
        }
        if !self.resumption {
            builder = builder.no_resumption();
        }
        let builder = match &self.key_log {
            KeyLog::Nowhere => Ok(builder),
            KeyLog::Environment => builder.key_log_from_env(),
            KeyLog::File(path) => builder.key_log_file(path),
        };
        let built = builder.and_then(ServerTlsBuilder::build);
        built.map_err(|error| refused(py, "tls", &error))
    }
}

/// A certificate and its key.
struct Identity {
    cert: Pem,
    key: Pem,
}

impl Identity {
    /// Without a key of its own, the certificate's text has it.
    fn read(
        argument: &str,
        cert: &Bound<'_, PyAny>,
        key: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let key_argument = if argument == "cert" { "key" } else { argument };
        let cert_text = Pem::read(argument, cert)?;
        let key = Pem::read(key_argument, key.unwrap_or(cert))?;
        Ok(Self { cert: cert_text, key })
    }
}

/// `more_certs`: pairs of certificate and key.
fn identities(value: &Bound<'_, PyAny>) -> PyResult<Vec<Identity>> {
    const EXPECTED: &str = "more_certs: pairs of certificate and key expected";
    let wrong = |_| PyTypeError::new_err(EXPECTED);
    if value.is_instance_of::<PyString>() || value.is_instance_of::<PyBytes>() {
        return Err(PyTypeError::new_err(EXPECTED));
    }
    let read = |pair: PyResult<Bound<'_, PyAny>>| {
        let pair = pair?;
        let (cert, key): (Bound<'_, PyAny>, Option<Bound<'_, PyAny>>) =
            pair.extract().map_err(wrong)?;
        Identity::read("more_certs", &cert, key.as_ref())
    };
    value.try_iter().map_err(wrong)?.map(read).collect()
}

/// What `tls=` of a client says.
pub(crate) struct ClientChoice {
    pub(crate) tls: ClientTls,
    pub(crate) server_name: Option<String>,
}

/// A [`Tls`] or an `ssl.SSLContext`; nothing for `None` and `True`, which mean what the system trusts.
pub(crate) fn client_choice(tls: Option<&Bound<'_, PyAny>>) -> PyResult<Option<ClientChoice>> {
    let Some(tls) = tls else { return Ok(None) };
    if let Ok(settings) = tls.cast::<Tls>() {
        let (tls, server_name) = (settings.get().client(tls.py())?, &settings.get().server_name);
        return Ok(Some(ClientChoice { tls, server_name: server_name.clone() }));
    }
    if let Some(factory) = ssl_context::factory(tls)? {
        return Ok(Some(ClientChoice { tls: ClientTls::engine(factory), server_name: None }));
    }
    match tls.extract() {
        // Whether False fits the URL is for the caller to see.
        Ok::<bool, _>(_) => Ok(None),
        Err(_) => {
            Err(PyTypeError::new_err("tls: TLS(...), an ssl.SSLContext, a bool or None expected"))
        }
    }
}

/// Whether `tls` is False: there is to be none.
pub(crate) fn is_refused(tls: Option<&Bound<'_, PyAny>>) -> bool {
    tls.and_then(|tls| tls.extract().ok()) == Some(false)
}

/// A [`Tls`] with a certificate, or an `ssl.SSLContext`.
pub(crate) fn server_choice(tls: &Bound<'_, PyAny>) -> PyResult<ServerTls> {
    if let Ok(settings) = tls.cast::<Tls>() {
        return settings.get().server();
    }
    match ssl_context::factory(tls)? {
        Some(factory) => Ok(ServerTls::engine(factory)),
        None => Err(PyTypeError::new_err("tls: TLS(...), an ssl.SSLContext or None expected")),
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
