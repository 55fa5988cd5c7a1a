//! TLS by an `ssl.SSLContext`, which is honoured to the letter since OpenSSL does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use tightwire::{Role, TlsEngine, TlsError, TlsFactory};

use crate::python;

/// Whether any connection has had TLS of this kind.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// Whether to send a message may run Python code, which encrypts it.
pub(crate) fn is_in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// A context, for any number of connections.
struct Factory(Py<PyAny>);

/// TLS of one connection: `tightwire._tls.Engine`.
struct Engine {
    object: Py<PyAny>,
    handshaking: bool,
}

/// What makes the TLS of connections of `value`, if that is a context.
pub(crate) fn factory(value: &Bound<'_, PyAny>) -> PyResult<Option<Arc<dyn TlsFactory>>> {
    let py = value.py();
    // Whoever has a context has imported its module.
    let modules = py.import("sys")?.getattr("modules")?;
    let Ok(module) = modules.get_item("ssl") else { return Ok(None) };
    if !value.is_instance(&module.getattr("SSLContext")?)? {
        return Ok(None);
    }
    Ok(Some(Arc::new(Factory(value.clone().unbind()))))
}

impl TlsFactory for Factory {
    fn start(&self, role: Role, server_name: &str) -> Result<Box<dyn TlsEngine>, TlsError> {
        Python::attach(|py| {
            IN_USE.store(true, Ordering::Relaxed);
            let made = python::tls_engine(py)
                .and_then(|class| class.call1((&self.0, role == Role::Server, server_name)));
            let object = made.map_err(|error| described(py, &error))?.unbind();
            Ok(Box::new(Engine { object, handshaking: true }) as Box<dyn TlsEngine>)
        })
    }
}

impl Engine {
    fn take(
        &mut self,
        py: Python<'_>,
        cipher: &[u8],
        plain: &mut Vec<u8>,
    ) -> PyResult<(bool, Option<PyErr>)> {
        let object = self.object.bind(py);
        let taken = object.call_method1("receive", (PyBytes::new(py, cipher),))?;
        let (pieces, closed, error): (Bound<'_, PyList>, bool, Bound<'_, PyAny>) =
            taken.extract()?;
        for piece in pieces {
            plain.extend_from_slice(piece.cast::<PyBytes>()?.as_bytes());
        }
        self.handshaking = object.getattr("handshaking")?.extract()?;
        Ok((closed, (!error.is_none()).then(|| PyErr::from_value(error))))
    }
}

impl TlsEngine for Engine {
    fn receive(&mut self, cipher: &[u8], plain: &mut Vec<u8>) -> Result<bool, TlsError> {
        Python::attach(|py| match self.take(py, cipher, plain) {
            Ok((closed, None)) => Ok(closed),
            Ok((_, Some(error))) | Err(error) => Err(described(py, &error)),
        })
    }

    fn encrypt(&mut self, plain: &[u8]) -> Result<usize, TlsError> {
        Python::attach(|py| {
            let taken = self.object.bind(py).call_method1("encrypt", (PyBytes::new(py, plain),));
            taken.and_then(|taken| taken.extract()).map_err(|error| described(py, &error))
        })
    }

    fn output(&mut self, cipher: &mut Vec<u8>) {
        Python::attach(|py| {
            // Reading from memory does not fail.
            let Ok(output) = self.object.bind(py).call_method0("output") else { return };
            if let Ok(output) = output.cast::<PyBytes>() {
                cipher.extend_from_slice(output.as_bytes());
            }
        });
    }

    fn is_handshaking(&self) -> bool {
        self.handshaking
    }

    fn close_notify(&mut self) {
        // A courtesy: that it failed is of no consequence.
        Python::attach(|py| self.object.bind(py).call_method0("close_notify").is_ok());
    }
}

fn described(py: Python<'_>, error: &PyErr) -> TlsError {
    let described =
        python::tls_describe(py).and_then(|describe| describe.call1((error.value(py),)));
    match described.and_then(|described| described.extract()) {
        Ok((kind, text, is_certificate)) => TlsError::of_engine(kind, text, is_certificate),
        Err(_) => TlsError::of_engine("tls".to_owned(), error.to_string(), false),
    }
}
