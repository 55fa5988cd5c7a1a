//! The Python object that owns a core loop and is driven by another loop, by `run`, or by hand.

use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyTuple};
use pyo3::{PyTraverseError, PyVisit};
use tightwire::{Context, EventLoop, LoopOptions};

use crate::current::{self, lend};
use crate::driver::Driver;
use crate::driving;
use crate::error::raise;
use crate::options::duration;
use crate::python;
use crate::timer::Timer;

/// The base of `tightwire.Loop`, and what an asyncio loop or a thread has of its own.
#[pyclass(frozen, subclass, weakref, module = "tightwire._native")]
pub(crate) struct BaseLoop {
    driver: Arc<Driver>,
    /// The descriptor, once somebody asked for it.
    fd: OnceLock<i32>,
    /// What is to live as long as this.
    kept: Mutex<Option<Py<PyAny>>>,
}

impl BaseLoop {
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
            let text = if self.driver.is_gone() {
                "loop: it is closed"
            } else if self.driver.is_own_thread() {
                "the loop of this thread cannot take new sockets here"
            } else if self.driver.is_running() {
                "loop: it belongs to another thread; make the socket there, with Loop.call"
            } else {
                "loop: it belongs to another thread; make the socket there, with call_soon_threadsafe"
            };
            PyRuntimeError::new_err(text)
        })
    }

    /// One turn without waiting: whether nothing is left afterwards, and what went wrong.
    fn turn_once(
        &self,
        py: Python<'_>,
        event_loop: Option<Box<EventLoop>>,
    ) -> (bool, PyResult<()>) {
        let Some(mut event_loop) = event_loop else { return (false, Ok(())) };
        if self.driver.take_goodbye() {
            event_loop.go_away();
        }
        let turned = event_loop.turn(Some(Duration::ZERO));
        let idle = event_loop.is_idle();
        self.driver.checkin(event_loop);
        let turned = turned.map_err(|error| raise(py, &error));
        (idle, self.driver.take_interrupt().and(turned))
    }

    /// Calls a function of the application in the loop; what it raises is reported.
    fn job(
        &self,
        function: Py<PyAny>,
        args: Py<PyTuple>,
    ) -> impl Fn(&mut Context<'_>) + Send + 'static {
        // Weak, as the loop itself will own the job.
        let weak = Arc::downgrade(&self.driver);
        move |context: &mut Context<'_>| {
            let Some(driver) = weak.upgrade() else { return };
            Python::attach(|py| {
                let function = function.bind(py);
                if let Err(error) = lend(&driver, context, || function.call1(args.bind(py))) {
                    driver.report(py, error, py.None().bind(py), function);
                }
            });
        }
    }
}

#[pymethods]
impl BaseLoop {
    /// `_host`: the asyncio loop, or what is like one, that will call `_turn`.
    #[new]
    #[pyo3(signature = (_host = None, *, spin = 0.0))]
    fn new(py: Python<'_>, _host: Option<Py<PyAny>>, spin: f64) -> PyResult<Self> {
        let mut options = LoopOptions::default();
        if spin != 0.0 {
            options.spin = duration("spin", Some(spin))?.unwrap_or_default();
        }
        let event_loop = EventLoop::with_options(options).map_err(|error| raise(py, &error))?;
        let driver = Arc::new(Driver::new(event_loop));
        if let Some(host) = _host {
            // Weak, so that nothing but the host's own reference keeps this object alive.
            let weak = Arc::downgrade(&driver);
            let flush = PyCFunction::new_closure(py, Some(c"flush"), None, move |_, _| {
                if let Some(driver) = weak.upgrade() {
                    driver.flush();
                }
            })?;
            driver.set_host(host, flush.into_any().unbind());
        }
        Ok(Self { driver, fd: OnceLock::new(), kept: Mutex::new(None) })
    }

    /// The descriptor that is readable whenever `dispatch` has work, timers included.
    ///
    /// Raises:
    ///     RuntimeError: The loop is closed; or the first call comes from another thread or a handler.
    fn fileno(&self) -> PyResult<i32> {
        if self.driver.is_gone() {
            return Err(PyRuntimeError::new_err("the loop is closed"));
        }
        if let Some(fd) = self.fd.get() {
            return Ok(*fd);
        }
        let Some(event_loop) = self.driver.checkout() else {
            return Err(PyRuntimeError::new_err("fileno: ask first while no handler runs"));
        };
        let fd = event_loop.as_raw_fd();
        self.driver.checkin(event_loop);
        Ok(*self.fd.get_or_init(|| fd))
    }

    /// Does what there is to do, without waiting. All handlers run in here.
    ///
    /// Does nothing in a handler, and on another thread while one runs the loop. Raises what a handler
    /// raised to end the program, such as `SystemExit`.
    fn dispatch(&self, py: Python<'_>) -> PyResult<()> {
        if !self.driver.is_running() {
            self.driver.own();
        }
        self.turn_once(py, self.driver.checkout()).1
    }

    /// Drives the loop on this thread until neither a socket nor a server is left, or `stop` is called.
    ///
    /// Ctrl-C ends it with `KeyboardInterrupt`, and it may be called again.
    ///
    /// Raises:
    ///     RuntimeError: It is run already, for instance in a handler.
    fn run(&self, py: Python<'_>) -> PyResult<()> {
        driving::run_until(&self.driver, py, EventLoop::is_idle)
    }

    /// Has `run` return, or the next `run` at once. Any thread.
    fn stop(&self) {
        self.driver.handle().stop();
    }

    /// Has `callback(*args)` called on the thread that drives the loop. Any thread.
    ///
    /// Raises:
    ///     RuntimeError: The loop is closed.
    #[pyo3(signature = (callback, *args))]
    fn call_soon_threadsafe(&self, callback: Py<PyAny>, args: Py<PyTuple>) -> PyResult<()> {
        let job = self.job(callback, args);
        match self.driver.handle().post(Box::new(job)) {
            true => Ok(()),
            false => Err(PyRuntimeError::new_err("the loop is closed")),
        }
    }

    /// Has `callback(*args)` called by the loop after `seconds`. A timer does not keep `run` from
    /// returning.
    ///
    /// Raises:
    ///     RuntimeError: The loop is closed, or another thread drives it.
    ///     ValueError: A negative time.
    #[pyo3(signature = (seconds, callback, *args))]
    fn call_later(
        &self,
        py: Python<'_>,
        seconds: f64,
        callback: Py<PyAny>,
        args: Py<PyTuple>,
    ) -> PyResult<Timer> {
        let after = match seconds {
            0.0 => Duration::ZERO,
            _ => duration("seconds", Some(seconds))?.unwrap_or_default(),
        };
        let job = Box::new(self.job(callback, args));
        let id = self.with(py, |context| context.set_timer(after, None, job))?;
        Ok(Timer::new(&self.driver, id))
    }

    /// Called with `message`, `exception`, `websocket` and `handler` for each exception that a handler raises; None:
    /// `sys.unraisablehook` is.
    #[getter]
    fn exception_handler(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.driver.exception_handler(py)
    }

    #[setter]
    fn set_exception_handler(&self, handler: Option<Py<PyAny>>) {
        self.driver.set_exception_handler(handler);
    }

    /// Whether neither a socket nor a server is left. False on another thread than the one that drives it.
    #[getter]
    fn idle(&self) -> bool {
        if let Some(idle) = current::borrow(&self.driver, |context| context.is_idle()) {
            return idle;
        }
        let Some(event_loop) = self.driver.checkout() else { return self.driver.is_gone() };
        let idle = event_loop.is_idle();
        self.driver.checkin(event_loop);
        idle
    }

    /// Whether `run` or a thread of its own is at work.
    #[getter]
    fn running(&self) -> bool {
        self.driver.is_running()
    }

    /// A turn for a host, which lets the loop go when nothing is left.
    fn _turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get().driver.own_and_checkout();
        let (idle, turned) = slf.get().turn_once(py, event_loop);
        if idle {
            python::release_loop(py)?.call1((slf,))?;
        }
        turned
    }

    /// `run`, also while there is nothing to do.
    fn _run_until_stopped(&self, py: Python<'_>) -> PyResult<()> {
        driving::run_until(&self.driver, py, |_| false)
    }

    /// Stops listening and closes every connection with 1001; the turns that follow wait for it.
    fn _go_away(&self) {
        if let Some(mut event_loop) = self.driver.checkout() {
            event_loop.go_away();
            self.driver.checkin(event_loop);
        }
    }

    /// `_go_away` by the thread that drives the loop, as soon as it can. Any thread.
    fn _go_away_soon(&self) {
        self.driver.go_away_soon();
    }

    /// `_go_away`, and turns for up to `grace` seconds. The interpreter lock is given up while there is
    /// nothing to do. Raises what a handler raised to end the program, but goes on until then.
    fn _shutdown(&self, py: Python<'_>, grace: f64) -> PyResult<()> {
        let grace = Duration::try_from_secs_f64(grace).unwrap_or_default();
        driving::shut_down(&self.driver, py, grace)
    }

    /// Closes every socket without a word. No handler runs.
    fn _abandon(&self) {
        self.driver.tear_down();
    }

    /// Whether this is the thread that drives it.
    #[getter]
    fn _own_thread(&self) -> bool {
        self.driver.is_own_thread()
    }

    /// Whether it is in a turn, for instance in a handler, whoever drives it.
    #[getter]
    fn _at_work(&self) -> bool {
        self.driver.is_at_work()
    }

    /// Whether anybody ever drove it.
    #[getter]
    fn _driven(&self) -> bool {
        self.driver.is_driven()
    }

    /// Has `object` live as long as this.
    fn _keep(&self, object: Py<PyAny>) {
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

impl Drop for BaseLoop {
    fn drop(&mut self) {
        self.driver.tear_down();
    }
}
