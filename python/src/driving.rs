//! Driving a loop on the thread at hand: until it is over, or to its end.

use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tightwire::EventLoop;

use crate::driver::Driver;
use crate::error::raise;

/// `run` is at work, until this goes.
struct Running<'a>(&'a Driver);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.end_running();
    }
}

/// Turns until `is_over`, or somebody stops it. The interpreter lock is given up while there is nothing
/// to do.
pub(crate) fn run_until(
    driver: &Driver,
    py: Python<'_>,
    is_over: impl Fn(&EventLoop) -> bool,
) -> PyResult<()> {
    let _running = start(driver)?;
    loop {
        let Some(mut event_loop) = driver.checkout() else {
            return if driver.is_gone() { Ok(()) } else { Err(is_at_work()) };
        };
        if driver.take_goodbye() {
            event_loop.go_away();
        }
        // Both in any case: a word to stop is good for one run.
        let stopped = event_loop.take_stop();
        if stopped || is_over(&event_loop) {
            driver.checkin(event_loop);
            return Ok(());
        }
        let waited = py.detach(|| event_loop.wait(None));
        driver.checkin(event_loop);
        py.check_signals()?;
        waited.map_err(|error| raise(py, &error))?;
        // The handler of a signal may have ended it all.
        if let Some(mut event_loop) = driver.checkout() {
            event_loop.dispatch();
            driver.checkin(event_loop);
        }
        driver.take_interrupt()?;
    }
}

/// Closes every connection with 1001, and turns until all are gone or the grace is over. Raises what a
/// handler raised to end the program, but goes on until then.
pub(crate) fn shut_down(driver: &Driver, py: Python<'_>, grace: Duration) -> PyResult<()> {
    let _running = start(driver)?;
    if let Some(mut event_loop) = driver.checkout() {
        event_loop.begin_shutdown(grace);
        driver.checkin(event_loop);
    }
    // None is left when the handler of a signal tore it down.
    while let Some(mut event_loop) = driver.checkout() {
        let waited = py.detach(|| event_loop.shutdown_wait());
        driver.checkin(event_loop);
        py.check_signals()?;
        waited.map_err(|error| raise(py, &error))?;
        let Some(mut event_loop) = driver.checkout() else { break };
        let over = event_loop.shutdown_dispatch();
        driver.checkin(event_loop);
        if over {
            break;
        }
    }
    driver.take_interrupt()
}

/// This thread drives the loop from now on, and nobody else does.
fn start(driver: &Driver) -> PyResult<Running<'_>> {
    if !driver.start_running() {
        return Err(is_at_work());
    }
    driver.own();
    Ok(Running(driver))
}

/// The error of whoever would drive a loop that is being driven.
fn is_at_work() -> PyErr {
    PyRuntimeError::new_err("run() is at work already: do not call it in an event handler")
}
