//! Commands from other threads to the loop.
//!
//! One mutex guards the commands and the fact that the loop is about to sleep, so a wake-up can be
//! neither lost nor doubled: whoever puts the first command in front of a parked loop wakes it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::context::Context;
use super::id::ConnId;
use super::message::KeptMessage;
use super::poller::Waker;
use super::remote::{LoopHandle, Shared};
use crate::net::descriptors::Descriptors;

/// A function that another thread gives to the loop's thread.
pub(crate) type Job = Box<dyn FnOnce(&mut Context<'_>) + Send>;

/// What another thread asks of the loop.
pub(crate) enum Command {
    Abort { id: ConnId },
    Look { id: ConnId },
    Close { id: ConnId, code: Option<u16>, reason: Box<str> },
    Pause { id: ConnId, paused: bool },
    Ping { id: ConnId, payload: Box<[u8]> },
    Post(Job),
    Resolved { id: ConnId, lookup: u64, addrs: io::Result<Vec<SocketAddr>> },
    Send { id: ConnId, message: KeptMessage },
    SendPart { id: ConnId, message: KeptMessage, fin: bool },
}

/// What a loop and the threads around it share.
pub(crate) struct Inbox {
    state: Mutex<State>,
    /// Whether there are commands, for a look without the lock.
    pending: AtomicBool,
    stop: AtomicBool,
    waker: Waker,
    directory: Mutex<Vec<Option<Arc<Shared>>>>,
    descriptors: Arc<Descriptors>,
}

struct State {
    commands: VecDeque<Command>,
    parked: bool,
    gone: bool,
}

impl Inbox {
    pub(crate) fn new(waker: Waker, descriptors: Arc<Descriptors>) -> Self {
        Self {
            state: Mutex::new(State { commands: VecDeque::new(), parked: false, gone: false }),
            pending: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            waker,
            descriptors,
            directory: Mutex::new(Vec::new()),
        }
    }

    /// Never blocks on the loop: the lock is held for one push. False when the loop is gone.
    pub(crate) fn push(&self, command: Command) -> bool {
        let mut state = lock(&self.state);
        if state.gone {
            return false;
        }
        state.commands.push_back(command);
        self.pending.store(true, Ordering::Release);
        let parked = std::mem::take(&mut state.parked);
        drop(state);
        if parked {
            self.wake();
        }
        true
    }

    /// Whether there is anything to take. May be behind by what other threads do at this moment,
    /// never by what they did before.
    pub(crate) fn is_pending(&self) -> bool {
        self.pending.load(Ordering::Acquire)
    }

    /// Takes all commands.
    pub(crate) fn take(&self) -> VecDeque<Command> {
        let mut state = lock(&self.state);
        self.pending.store(false, Ordering::Release);
        std::mem::take(&mut state.commands)
    }

    /// Declares that the loop is about to sleep: the next command wakes it. False if there are
    /// commands already, so that it must not sleep.
    pub(crate) fn park(&self) -> bool {
        let mut state = lock(&self.state);
        state.parked = state.commands.is_empty();
        state.parked
    }

    /// Declares that the loop is awake: it looks for commands by itself before it sleeps.
    pub(crate) fn unpark(&self) {
        lock(&self.state).parked = false;
    }

    /// Makes the loop's descriptor readable. A failure is impossible short of a broken system; the
    /// next deadline turns the loop then.
    pub(crate) fn wake(&self) {
        let _ = self.waker.wake();
    }

    /// Async-signal-safe: an atomic store and one `write` to an eventfd.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn take_stop(&self) -> bool {
        self.stop.swap(false, Ordering::AcqRel)
    }

    /// The loop ends: commands are refused from now on and those that wait are dropped.
    pub(crate) fn retire(&self) {
        let mut state = lock(&self.state);
        state.gone = true;
        let commands = std::mem::take(&mut state.commands);
        drop(state);
        drop(commands);
        lock(&self.directory).clear();
    }

    /// Makes a connection known to other threads.
    pub(crate) fn enter(&self, shared: Arc<Shared>) {
        let slot = shared.id().slot();
        let mut directory = lock(&self.directory);
        if directory.len() <= slot {
            directory.resize(slot + 1, None);
        }
        if let Some(place) = directory.get_mut(slot) {
            *place = Some(shared);
        }
    }

    pub(crate) fn leave(&self, id: ConnId) {
        if let Some(place) = lock(&self.directory).get_mut(id.slot()) {
            *place = None;
        }
    }

    /// The descriptors that the loop has open. Takes no lock.
    pub(crate) fn descriptors(&self) -> Vec<RawFd> {
        self.descriptors.list()
    }

    pub(crate) fn find(&self, id: ConnId) -> Option<Arc<Shared>> {
        let directory = lock(&self.directory);
        directory.get(id.slot())?.as_ref().filter(|shared| shared.id() == id).cloned()
    }
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("pending", &self.is_pending()).finish_non_exhaustive()
    }
}

impl From<Arc<Inbox>> for LoopHandle {
    fn from(inbox: Arc<Inbox>) -> Self {
        Self::new(inbox)
    }
}

/// A panic while a lock is held cannot leave half a state behind here: each hold is one push,
/// swap or look-up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
