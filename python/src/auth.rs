//! `tightwire.Auth`: who a client says that it is.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tightwire::Auth as CoreAuth;

/// How a client logs in to a server. Never shown in an error, a log or its `repr`.
#[pyclass(frozen, module = "tightwire")]
pub(crate) struct Auth(CoreAuth);

#[pymethods]
impl Auth {
    /// User and password with the first request (RFC 7617). Over `ws:` everyone on the way can read
    /// them.
    #[staticmethod]
    fn basic(user: String, password: String) -> Self {
        Self(CoreAuth::basic(user, password))
    }

    /// A token with the first request (RFC 6750).
    #[staticmethod]
    fn bearer(token: String) -> Self {
        Self(CoreAuth::bearer(token))
    }

    /// A proof of the password, which is not itself sent, for a server that asks for one with 401
    /// (RFC 7616): a second request follows the first, on a new connection.
    #[staticmethod]
    fn digest(user: String, password: String) -> Self {
        Self(CoreAuth::digest(user, password))
    }

    fn __repr__(&self) -> String {
        let text = format!("{:?}", self.0).replace("::", ".");
        text.replace("..", "...")
    }
}

/// `Auth`, or user and password for Basic.
pub(crate) fn read(value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<CoreAuth>> {
    let Some(value) = value else { return Ok(None) };
    if let Ok(auth) = value.cast::<Auth>() {
        return Ok(Some(auth.get().0.clone()));
    }
    match value.extract::<(String, String)>() {
        Ok((user, password)) => Ok(Some(CoreAuth::basic(user, password))),
        Err(_) => Err(PyTypeError::new_err("auth: Auth or (user, password) expected")),
    }
}
