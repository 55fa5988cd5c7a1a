//! One core loop, and who drives it: a running asyncio loop, or `run()` on its own thread.
//!
//! The loop is either here or checked out by whoever works with it at the moment; no lock is held
//! meanwhile, so that Python code may call back at any depth. Only the thread that owns the loop
//! checks it out. Everybody else goes through the core's handles for other threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::{PyTraverseError, PyVisit, intern};
use tightwire::{Context, EventLoop, LoopHandle};

use crate::current;

/// See the module.
pub(crate) struct Driver {
    handle: LoopHandle,
    /// Somebody drives the loop, or did.
    driven: AtomicBool,
    /// Somebody is in `run`.
    running: AtomicBool,
    /// The next turn is to say goodbye to the peers.
    goodbye_due: AtomicBool,
    /// Torn down: a loop that comes back is dropped. Changes under the lock.
    gone: AtomicBool,
    /// There is an `interrupt`. Changes under the lock.
    interrupted: AtomicBool,
    state: Mutex<State>,
}

struct State {
    event_loop: Option<Box<EventLoop>>,
    owner: ThreadId,
    host: Option<Host>,
    /// The host will call `flush` in its next iteration.
    flush_due: bool,
    /// What a handler raised to end the program.
    interrupt: Option<PyErr>,
    /// The application's, for what else a handler raises.
    exception_handler: Option<Py<PyAny>>,
}

/// A running asyncio loop.
struct Host {
    event_loop: Py<PyAny>,
    /// Calls [`Driver::flush`].
    flush: Py<PyAny>,
}

impl Driver {
    pub(crate) fn new(event_loop: EventLoop) -> Self {
        Self {
            handle: event_loop.handle(),
            driven: AtomicBool::new(false),
            running: AtomicBool::new(false),
            goodbye_due: AtomicBool::new(false),
            gone: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
            state: Mutex::new(State {
                event_loop: Some(Box::new(event_loop)),
                owner: thread::current().id(),
                host: None,
                flush_due: false,
                interrupt: None,
                exception_handler: None,
            }),
        }
    }

    /// From now on an asyncio loop drives this one; its `call_soon(flush)` has what was sent
    /// outside of callbacks leave together.
    pub(crate) fn set_host(&self, event_loop: Py<PyAny>, flush: Py<PyAny>) {
        self.state().host = Some(Host { event_loop, flush });
        self.set_driven();
    }

    pub(crate) fn set_driven(&self) {
        self.driven.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_driven(&self) -> bool {
        self.driven.load(Ordering::Relaxed)
    }

    /// The asyncio loop that drives this one.
    pub(crate) fn host(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().host.as_ref().map(|host| host.event_loop.clone_ref(py))
    }

    /// A handle for other threads.
    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.handle
    }

    /// The calling thread is the one that drives the loop.
    pub(crate) fn own(&self) {
        self.state().owner = thread::current().id();
        self.set_driven();
    }

    /// `run` begins. False if it is at work already.
    pub(crate) fn start_running(&self) -> bool {
        !self.running.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn end_running(&self) {
        self.running.store(false, Ordering::Release);
    }

    /// In a forked child the thread that ran it is not there any more, and the loop is torn down.
    pub(crate) fn is_running(&self) -> bool {
        self.running.load(Ordering::Acquire) && !self.is_gone()
    }

    /// Has whoever drives the loop call `EventLoop::go_away` in its next turn, which begins at once.
    pub(crate) fn go_away_soon(&self) {
        self.goodbye_due.store(true, Ordering::Release);
        // A loop that is closed has no peers left.
        let _ = self.handle.post(Box::new(|_| {}));
    }

    /// Whether `go_away_soon` was called, once.
    pub(crate) fn take_goodbye(&self) -> bool {
        self.goodbye_due.load(Ordering::Relaxed) && self.goodbye_due.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_own_thread(&self) -> bool {
        self.state().owner == thread::current().id()
    }

    /// Somebody has the loop: it is in a turn, or waits for one.
    pub(crate) fn is_at_work(&self) -> bool {
        self.state().event_loop.is_none() && !self.is_gone()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// The same as [`own`](Self::own) and [`checkout`](Self::checkout), for a turn of the host.
    pub(crate) fn own_and_checkout(&self) -> Option<Box<EventLoop>> {
        self.set_driven();
        let mut state = self.state();
        state.owner = thread::current().id();
        state.event_loop.take()
    }

    /// The loop, unless this is not its thread or it is checked out already.
    pub(crate) fn checkout(&self) -> Option<Box<EventLoop>> {
        let mut state = self.state();
        if state.owner != thread::current().id() {
            return None;
        }
        state.event_loop.take()
    }

    pub(crate) fn checkin(&self, event_loop: Box<EventLoop>) {
        let mut state = self.state();
        if !self.is_gone() {
            state.event_loop = Some(event_loop);
            return;
        }
        drop(state);
        drop(event_loop);
    }

    /// Calls `act` with the loop, if this thread can have it now. What it queues leaves at the end
    /// of the callback that runs, or else with the asyncio loop's next iteration, or at once.
    pub(crate) fn with<R>(
        &self,
        py: Python<'_>,
        act: impl FnOnce(&mut Context<'_>) -> R,
    ) -> Option<R> {
        if current::is_lent(self) {
            return current::borrow(self, act);
        }
        let mut event_loop = self.checkout()?;
        let result = act(&mut event_loop.context());
        let hosted = self.state().host.is_some();
        if !hosted {
            event_loop.flush();
        }
        self.checkin(event_loop);
        if hosted {
            self.flush_soon(py);
        }
        Some(result)
    }

    fn flush_soon(&self, py: Python<'_>) {
        let (host, flush) = {
            let mut state = self.state();
            if state.flush_due {
                return;
            }
            let Some(host) = &state.host else { return };
            let host = (host.event_loop.clone_ref(py), host.flush.clone_ref(py));
            state.flush_due = true;
            host
        };
        // Refused by a loop that is closed: then nobody waits for an iteration either.
        if host.call_method1(py, intern!(py, "call_soon"), (flush,)).is_err() {
            self.flush();
        }
    }

    /// Gives to the system what was queued outside of callbacks.
    pub(crate) fn flush(&self) {
        self.state().flush_due = false;
        if let Some(mut event_loop) = self.checkout() {
            event_loop.flush();
            self.checkin(event_loop);
        }
    }

    /// Closes all sockets without a word. No callback runs.
    pub(crate) fn tear_down(&self) {
        // In a forked child nobody is left who would.
        self.end_running();
        let mut state = self.state();
        self.gone.store(true, Ordering::Release);
        let dropped = (
            state.event_loop.take(),
            state.host.take(),
            state.interrupt.take(),
            state.exception_handler.take(),
        );
        drop(state);
        drop(dropped);
    }

    /// What a handler raised to end the program, once.
    pub(crate) fn take_interrupt(&self) -> PyResult<()> {
        if !self.interrupted.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut state = self.state();
        self.interrupted.store(false, Ordering::Release);
        state.interrupt.take().map_or(Ok(()), Err)
    }

    /// Reports what a handler raised. The loop goes on, unless the program is to end.
    pub(crate) fn report(
        &self,
        py: Python<'_>,
        error: PyErr,
        ws: &Bound<'_, PyAny>,
        handler: &Bound<'_, PyAny>,
    ) {
        if error.is_instance_of::<PyKeyboardInterrupt>(py)
            || error.is_instance_of::<PySystemExit>(py)
        {
            let mut state = self.state();
            let second = match &state.interrupt {
                None => {
                    self.interrupted.store(true, Ordering::Release);
                    state.interrupt.replace(error)
                }
                Some(_) => Some(error),
            };
            drop(state);
            drop(second);
            return;
        }
        let chosen = match self.host(py) {
            Some(host) => host.getattr(py, intern!(py, "call_exception_handler")).ok(),
            None => self.exception_handler(py),
        };
        let Some(chosen) = chosen else {
            return error.write_unraisable(py, Some(handler));
        };
        let context = PyDict::new(py);
        let told = context
            .set_item("message", "exception in a WebSocket event handler")
            .and_then(|()| context.set_item("exception", error.value(py)))
            .and_then(|()| context.set_item("websocket", ws))
            .and_then(|()| context.set_item("handler", handler))
            .and_then(|()| chosen.call1(py, (context,)));
        if let Err(another) = told {
            error.write_unraisable(py, Some(handler));
            another.write_unraisable(py, Some(chosen.bind(py)));
        }
    }

    /// What is called instead of `sys.unraisablehook`.
    pub(crate) fn exception_handler(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state().exception_handler.as_ref().map(|handler| handler.clone_ref(py))
    }

    pub(crate) fn set_exception_handler(&self, handler: Option<Py<PyAny>>) {
        let old = std::mem::replace(&mut self.state().exception_handler, handler);
        drop(old);
    }

    /// For the garbage collector: what the loop's owner refers to through this.
    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        if let Some(host) = &state.host {
            visit.call(&host.event_loop)?;
            visit.call(&host.flush)?;
        }
        visit.call(&state.exception_handler)
    }

    /// A panic cannot leave half a state behind: each hold is a few moves.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
