//! The Python object that owns a core loop and is driven by an asyncio loop or by `run()`.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyCFunction;
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{Context, EventLoop};

use crate::driver::Driver;
use crate::error::raise;
use crate::python;
use crate::socket::WebSocket;

/// Owns a core loop: when this object goes, its sockets are closed. Internal; `tightwire._loops`
/// keeps one for each asyncio loop and for each thread that calls `run()`.
#[pyclass(frozen, weakref, module = "tightwire._native")]
pub(crate) struct Loop {
    driver: Arc<Driver>,
    /// `run` was called.
    driven: AtomicBool,
    /// What is to live as long as this.
    kept: Mutex<Option<Py<PyAny>>>,
}

impl Loop {
    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Calls `act` with the loop, or raises if it is at work in a place that cannot share it.
    pub(crate) fn with<R>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut Context<'_>) -> R,
    ) -> PyResult<R> {
        self.driver.with(py, act).ok_or_else(|| {
            PyRuntimeError::new_err("the loop of this thread cannot take new sockets here")
        })
    }

    /// One turn without waiting: whether nothing is left afterwards, and what went wrong.
    fn turn_once(&self, py: Python<'_>) -> (bool, PyResult<()>) {
        self.driver.own();
        let Some(mut event_loop) = self.driver.checkout() else { return (false, Ok(())) };
        let turned = event_loop.turn(Some(Duration::ZERO));
        let idle = event_loop.is_idle();
        self.driver.checkin(event_loop);
        let turned = turned.map_err(|error| raise(py, &error));
        (idle, self.driver.take_interrupt().and(turned))
    }
}

#[pymethods]
impl Loop {
    /// `host`: the asyncio loop that will call `turn`; `None` for `run`.
    #[new]
    #[pyo3(signature = (host = None))]
    fn new(py: Python<'_>, host: Option<Py<PyAny>>) -> PyResult<Self> {
        let event_loop = EventLoop::new().map_err(|error| raise(py, &error))?;
        let driver = Arc::new(Driver::new(event_loop));
        if let Some(host) = host {
            // Weak, so that nothing but the host's own reference keeps this object alive.
            let weak = Arc::downgrade(&driver);
            let flush = PyCFunction::new_closure(py, Some(c"flush"), None, move |_, _| {
                if let Some(driver) = weak.upgrade() {
                    driver.flush();
                }
            })?;
            driver.set_host(host, flush.into_any().unbind());
        }
        Ok(Self { driver, driven: AtomicBool::new(false), kept: Mutex::new(None) })
    }

    /// The descriptor that is readable whenever `turn` has work.
    fn fileno(&self) -> PyResult<i32> {
        let Some(event_loop) = self.driver.checkout() else {
            return Err(PyRuntimeError::new_err("the loop is at work"));
        };
        let fd = event_loop.as_raw_fd();
        self.driver.checkin(event_loop);
        Ok(fd)
    }

    /// Does what there is to do, without waiting. All handlers run in here.
    fn turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let (idle, turned) = slf.get().turn_once(py);
        if idle {
            python::release_loop(py)?.call1((slf,))?;
        }
        turned
    }

    /// Turns until nothing is left or, if given, `ws` is closed or, with `opening`, not connecting any
    /// more. The interpreter lock is given up while there is nothing to do.
    #[pyo3(signature = (ws = None, opening = false))]
    fn run(
        &self,
        py: Python<'_>,
        ws: Option<&Bound<'_, WebSocket>>,
        opening: bool,
    ) -> PyResult<()> {
        let is_over = |ws: &WebSocket| ws.is_closed() || opening && !ws.is_connecting();
        self.driven.store(true, Ordering::Relaxed);
        loop {
            let Some(mut event_loop) = self.driver.checkout() else {
                let text = "run() is at work already: do not call it in an event handler";
                return Err(PyRuntimeError::new_err(text));
            };
            if event_loop.is_idle() || ws.is_some_and(|ws| is_over(ws.get())) {
                self.driver.checkin(event_loop);
                return Ok(());
            }
            let waited = py.detach(|| event_loop.wait(None));
            self.driver.checkin(event_loop);
            py.check_signals()?;
            waited.map_err(|error| raise(py, &error))?;
            // The handler of a signal may have ended it all.
            if let Some(mut event_loop) = self.driver.checkout() {
                event_loop.dispatch();
                self.driver.checkin(event_loop);
            }
            self.driver.take_interrupt()?;
        }
    }

    /// Stops listening and closes every connection with 1001; the turns that follow wait for it.
    fn go_away(&self) {
        if let Some(mut event_loop) = self.driver.checkout() {
            event_loop.go_away();
            self.driver.checkin(event_loop);
        }
    }

    /// `go_away`, and turns for up to `grace` seconds; then every socket is closed.
    fn shutdown(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let Some(mut event_loop) = self.driver.checkout() else { return Ok(()) };
        let ended = event_loop.shutdown(Duration::try_from_secs_f64(grace).unwrap_or_default());
        self.driver.checkin(event_loop);
        ended.map_err(|error| raise(py, &error))
    }

    /// Closes every socket without a word. No handler runs.
    fn abandon(&self) {
        self.driver.tear_down();
    }

    /// Whether there is neither a socket nor a server nor an event that is owed.
    #[getter]
    fn idle(&self) -> bool {
        let Some(event_loop) = self.driver.checkout() else { return self.driver.is_gone() };
        let idle = event_loop.is_idle();
        self.driver.checkin(event_loop);
        idle
    }

    /// Whether `run` was ever called.
    #[getter]
    fn driven(&self) -> bool {
        self.driven.load(Ordering::Relaxed)
    }

    /// Has `object` live as long as this.
    fn keep(&self, object: Py<PyAny>) {
        let old = self.kept.lock().unwrap_or_else(PoisonError::into_inner).replace(object);
        drop(old);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(kept) = self.kept.try_lock() {
            visit.call(&*kept)?;
        }
        self.driver.traverse(visit)
    }

    fn __clear__(&self) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(kept);
        self.driver.tear_down();
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.driver.tear_down();
    }
}
