//! A loop and what surrounds it: who drives it, and how others get at it meanwhile.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::Duration;

use tightwire::{EventLoop, LogLevel, LoopHandle};

use crate::current::{self, Inside};
use crate::ids::Names;
use crate::process;
use crate::status::{TW_EBUSY, TW_EHANDLE, TW_EINTERNAL, TW_EREENTRANT, TW_ESHUTDOWN, tw_status};
use crate::tls::Certificate;
use crate::waiter::Waiter;

/// See the module.
pub(crate) struct Home {
    names: Arc<Names>,
    handle: LoopHandle,
    pid: u32,
    /// The loop itself, locked for one turn or one call. `None` once it is gone.
    engine: Mutex<Option<EventLoop>>,
    /// A thread is inside `tw_loop_run` and its relatives.
    driven: AtomicBool,
    /// `tw_loop_free` was called.
    ending: AtomicBool,
    /// `tw_loop_free` was called in a forked child.
    abandoned: AtomicBool,
    guests: Guests,
    own_thread: Mutex<Option<JoinHandle<()>>>,
    /// The grace that the loop's own thread is to end with.
    grace: Mutex<Option<Duration>>,
    descriptor: OnceLock<RawFd>,
    /// Waits in the place of the host, if that was asked for.
    waiter: Option<Arc<Waiter>>,
    waiting_thread: Mutex<Option<JoinHandle<()>>>,
    /// The servers, by their numbers in the loop.
    servers: Mutex<BTreeMap<u64, Listening>>,
}

/// What is known of a server beside the loop.
pub(crate) struct Listening {
    pub(crate) port: u16,
    /// Its own, for `tw_server_set_tls`.
    pub(crate) tls: Option<Certificate>,
}

/// The thread that drives a loop, until this is dropped.
pub(crate) struct Driver<'a>(Option<&'a Home>);

impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if let Some(home) = self.0 {
            home.driven.store(false, Ordering::Release);
        }
    }
}

impl Driver<'_> {
    /// Leaves the wheel to another thread, which adopts it.
    pub(crate) fn hand_over(mut self) {
        self.0 = None;
    }
}

impl Home {
    pub(crate) fn new(names: Names, event_loop: EventLoop, waiter: Option<Waiter>) -> Self {
        Self {
            names: Arc::new(names),
            handle: event_loop.handle(),
            pid: process::id(),
            engine: Mutex::new(Some(event_loop)),
            driven: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            guests: Guests::default(),
            own_thread: Mutex::new(None),
            grace: Mutex::new(None),
            descriptor: OnceLock::new(),
            waiter: waiter.map(Arc::new),
            waiting_thread: Mutex::new(None),
            servers: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    pub(crate) fn handle(&self) -> &LoopHandle {
        &self.handle
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn servers(&self) -> MutexGuard<'_, BTreeMap<u64, Listening>> {
        lock(&self.servers)
    }

    /// Whether `tw_loop_free` was called.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// Becomes the only thread that drives the loop.
    pub(crate) fn take_wheel(&self) -> Result<Driver<'_>, tw_status> {
        if self.driven.swap(true, Ordering::Acquire) {
            return Err(TW_EBUSY);
        }
        Ok(Driver(Some(self)))
    }

    /// Takes over the wheel that another thread took for this one.
    pub(crate) fn adopt_wheel(&self) -> Driver<'_> {
        Driver(Some(self))
    }

    /// One call of `step` with the loop; afterwards those who waited for it.
    pub(crate) fn step<R>(
        &self,
        step: impl FnOnce(&mut EventLoop) -> Result<R, tightwire::Error>,
    ) -> Result<R, tw_status> {
        let mut engine = lock(&self.engine);
        let event_loop = engine.as_mut().ok_or(TW_EHANDLE)?;
        let result = step(event_loop).map_err(|_| TW_EINTERNAL);
        drop(engine);
        self.guests.wait_until_served();
        result
    }

    /// Turns until somebody stops the loop.
    pub(crate) fn run(&self) -> Result<(), tw_status> {
        if let Some(waiter) = &self.waiter {
            while !self.work(waiter, None)? {}
            return Ok(());
        }
        let turn = |event_loop: &mut EventLoop| match event_loop.take_stop() {
            true => Ok(true),
            false => event_loop.turn(None).map(|()| false),
        };
        while !self.step(turn)? {}
        Ok(())
    }

    /// One turn, which waits for `timeout` at most.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> Result<(), tw_status> {
        if let Some(waiter) = &self.waiter {
            return self.work(waiter, timeout).map(|_| ());
        }
        self.step(|event_loop| {
            // A stop ends this wait, be it asked for before or meanwhile.
            let stopped = event_loop.take_stop();
            let turned = event_loop.turn(if stopped { Some(Duration::ZERO) } else { timeout });
            event_loop.take_stop();
            turned
        })
    }

    /// Does what the waiting thread found, if it does so in time. True if the loop was stopped.
    fn work(&self, waiter: &Waiter, timeout: Option<Duration>) -> Result<bool, tw_status> {
        if !waiter.await_work(timeout) {
            return if waiter.is_over() { Err(TW_EHANDLE) } else { Ok(false) };
        }
        waiter.begin_work();
        let stopped = self.step(|event_loop| {
            event_loop.dispatch();
            Ok(event_loop.take_stop())
        });
        waiter.end_work();
        stopped
    }

    /// What the waiting thread does.
    pub(crate) fn wait(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.serve(|| self.step(|event_loop| event_loop.wait(None)).is_ok());
        }
    }

    pub(crate) fn waiter(&self) -> Option<&Waiter> {
        self.waiter.as_deref()
    }

    /// Remembers the waiting thread.
    pub(crate) fn set_waiting_thread(&self, thread: JoinHandle<()>) {
        *lock(&self.waiting_thread) = Some(thread);
    }

    /// From now on the loop is driven without the waiting thread.
    fn end_waiting(&self) {
        let thread = lock(&self.waiting_thread).take();
        if let (Some(waiter), Some(thread)) = (&self.waiter, thread) {
            waiter.end();
            self.handle.post(Box::new(|_| {}));
            // Its panics were caught inside.
            let _ = thread.join();
        }
    }

    /// The loop, if nobody drives or uses it at this moment. Between two turns of a driven loop it is not
    /// taken: threads that call all the time would keep it from turning.
    pub(crate) fn try_use<R>(&self, act: impl FnOnce(&mut EventLoop) -> R) -> Option<R> {
        if self.driven.load(Ordering::Acquire) {
            return None;
        }
        let mut engine = match self.engine.try_lock() {
            Ok(engine) => engine,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        engine.as_mut().map(act)
    }

    /// The loop, as soon as the turn that another thread is in has ended.
    ///
    /// Not from a callback of this loop, which would wait for itself: one that stands aside is told so.
    pub(crate) fn wait_and_use<R>(
        &self,
        act: impl FnOnce(&mut EventLoop) -> R,
    ) -> Result<R, tw_status> {
        if current::is_aside() {
            return Err(TW_EREENTRANT);
        }
        let mut engine = match self.engine.try_lock() {
            Ok(engine) => engine,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                self.guests.ring();
                // Wakes the loop if it sleeps.
                self.handle.post(Box::new(|_| {}));
                let engine = lock(&self.engine);
                self.guests.enter();
                engine
            }
        };
        let event_loop = engine.as_mut().ok_or(TW_ESHUTDOWN)?;
        Ok(act(event_loop))
    }

    /// The loop's pollable descriptor. Never changes once it was asked for.
    pub(crate) fn descriptor(&self, inside_callback: bool) -> Result<RawFd, tw_status> {
        if let Some(descriptor) = self.descriptor.get() {
            return Ok(*descriptor);
        }
        if let Some(waiter) = &self.waiter {
            return Ok(waiter.descriptor());
        }
        if inside_callback {
            return Err(TW_EREENTRANT);
        }
        let descriptor = self.wait_and_use(|event_loop| event_loop.as_raw_fd())?;
        Ok(*self.descriptor.get_or_init(|| descriptor))
    }

    /// Remembers the loop's own thread.
    pub(crate) fn set_own_thread(&self, thread: JoinHandle<()>) {
        // A thread from an earlier start has ended, or the wheel would not have been free.
        drop(lock(&self.own_thread).replace(thread));
    }

    /// What the loop's own thread does.
    pub(crate) fn serve(&self) {
        // The failure of a poller, which only a broken system has, ends the thread.
        let _ = self.run();
        if let Some(grace) = *lock(&self.grace) {
            self.shut_down(grace);
        }
    }

    /// Ends everything: every connection gets its `on_close`, own thread joined, loop dropped.
    pub(crate) fn end(&self, grace: Duration) -> Result<(), tw_status> {
        if self.ending.swap(true, Ordering::AcqRel) {
            return Err(TW_EHANDLE);
        }
        let own_thread = lock(&self.own_thread).take();
        if let Some(own_thread) = own_thread {
            *lock(&self.grace) = Some(grace);
            self.handle.stop();
            // Its panics were caught inside.
            let _ = own_thread.join();
        }
        let driver = self.take_wheel().inspect_err(|_| {
            // A thread that was started meanwhile is not to end the loop as the one before would have.
            *lock(&self.grace) = None;
            self.ending.store(false, Ordering::Release);
        });
        let _driver = driver?;
        self.shut_down(grace);
        Ok(())
    }

    fn shut_down(&self, grace: Duration) {
        self.end_waiting();
        let begun = self.step(|event_loop| {
            event_loop.begin_shutdown(grace);
            Ok(())
        });
        // A poller that fails leaves connections without their `on_close`; it is gone anyway.
        while begun.is_ok() && self.step(EventLoop::shutdown_turn) == Ok(false) {}
        let event_loop = lock(&self.engine).take();
        drop(event_loop);
        self.guests.wait_until_served();
    }

    /// In a forked child: closes the descriptors and says nothing to anybody. False the second time.
    ///
    /// Nothing but their numbers is looked at, whatever the parent's threads were doing to the rest.
    pub(crate) fn abandon(&self) -> bool {
        if self.abandoned.swap(true, Ordering::AcqRel) {
            return false;
        }
        let waiting = self.waiter.as_ref().map(|waiter| waiter.descriptor());
        for descriptor in self.handle.descriptors().into_iter().chain(waiting) {
            // SAFETY: it is this process's copy of one of the loop's, and whoever owns it is never dropped
            // here.
            unsafe { libc::close(descriptor) };
        }
        true
    }

    /// Records a panic of ours, as soon as the loop has time.
    pub(crate) fn report(&self, text: String) {
        let inside = current::inside(self.names.place(), |Inside { context, .. }| {
            context.record(LogLevel::Error, &text);
        });
        if inside.is_none() {
            self.handle.post(Box::new(move |context| context.record(LogLevel::Error, &text)));
        }
    }
}

/// Threads that wait for the loop between two turns. A mutex alone would let the driving thread
/// lock it again and again.
#[derive(Default)]
struct Guests {
    waiting: AtomicUsize,
    /// How many have been served so far.
    count: Mutex<usize>,
    served: Condvar,
}

impl Guests {
    fn ring(&self) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
    }

    /// The loop is locked for us.
    fn enter(&self) {
        let mut count = lock(&self.count);
        *count = count.wrapping_add(1);
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        drop(count);
        self.served.notify_all();
    }

    /// Waits for those who wait now. Who comes meanwhile waits for the next turn: otherwise a crowd
    /// of guests would keep the loop from turning at all.
    fn wait_until_served(&self) {
        if self.waiting.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut count = lock(&self.count);
        let (before, waiting) = (*count, self.waiting.load(Ordering::Acquire));
        while count.wrapping_sub(before) < waiting {
            count = self.served.wait(count).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What a panic could leave behind half done is the core's, which catches panics of callbacks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
