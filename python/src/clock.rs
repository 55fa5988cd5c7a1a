//! The clock of `timeStamp`: that of `time.monotonic`.

use std::sync::OnceLock;
use std::time::Instant;

use pyo3::prelude::*;

/// The same moment in milliseconds of Python's clock and in Rust's.
static START: OnceLock<(f64, Instant)> = OnceLock::new();

/// Reads both clocks, once.
#[expect(clippy::disallowed_methods, reason = "events are stamped when they are made")]
pub(crate) fn start(py: Python<'_>) -> PyResult<()> {
    let seconds: f64 = py.import("time")?.call_method0("monotonic")?.extract()?;
    START.get_or_init(|| (seconds * 1e3, Instant::now()));
    Ok(())
}

/// Milliseconds of Python's clock.
pub(crate) fn now() -> f64 {
    START
        .get()
        .map_or(0.0, |(milliseconds, start)| milliseconds + start.elapsed().as_secs_f64() * 1e3)
}
