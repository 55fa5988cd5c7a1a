//! How long `reconnect` waits: the core's policy.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use tightwire::{Backoff as CoreBackoff, Loss, Reconnect};

use crate::error::raise;
use crate::options::duration;
use crate::socket::WebSocket;

/// The attempts of one client. Internal; `tightwire.reconnect` has one.
#[pyclass(frozen, module = "tightwire._native")]
pub(crate) struct Backoff(Mutex<CoreBackoff>);

#[pymethods]
impl Backoff {
    #[new]
    fn new(
        py: Python<'_>,
        initial: f64,
        max: f64,
        reset_after: f64,
        max_attempts: Option<u32>,
    ) -> PyResult<Self> {
        let policy = Reconnect {
            initial: duration("initial", Some(initial))?.unwrap_or_default(),
            max: duration("max", Some(max))?.unwrap_or_default(),
            reset_after: duration("reset_after", Some(reset_after))?.unwrap_or_default(),
            max_attempts,
        };
        let backoff = CoreBackoff::new(policy).map_err(|error| raise(py, &error))?;
        Ok(Self(Mutex::new(backoff)))
    }

    /// Seconds to wait after `ws`, which is closed, or None to give up. `wanted`: whatever it was
    /// closed with, the application wants another.
    #[pyo3(signature = (ws, wanted = false))]
    fn after(&self, ws: &Bound<'_, WebSocket>, wanted: bool) -> Option<f64> {
        let mut loss = ws.get().loss();
        if wanted {
            loss = Loss { close_code: 1006, error: None, status: None, ..loss };
        }
        let mut backoff = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        backoff.after(&loss).map(|wait| wait.as_secs_f64())
    }
}
