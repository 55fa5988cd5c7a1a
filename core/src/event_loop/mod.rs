//! The event loop: connections on one thread, driven by whoever calls [`EventLoop::turn`].
//!
//! One turn is: commands of other threads; poll; the clock, once; what the poller reported; what an
//! earlier turn left over; deadlines; a flush of everything that callbacks queued elsewhere; the
//! `on_close` of what is gone. Timers are judged after reads, so that data which is already here, a
//! slow callback or a suspended machine never count as a dead peer.

mod accept;
mod again;
mod alarms;
mod clock;
mod context;
mod core;
mod counts;
mod deadlines;
mod dial;
mod dispatch;
mod endpoint;
mod flow;
mod gates;
mod guess;
mod handler;
mod handlers;
mod id;
mod inbox;
mod link;
mod log;
mod masks;
mod message;
mod opening;
mod outgoing;
mod parts;
mod places;
mod poller;
mod race;
mod remote;
mod reply;
mod request;
mod shutdown;
mod slots;
mod timer;
mod tunnel;

use std::cell::Cell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Token};

pub use self::context::{Context, Socket};
pub use self::counts::ConnectionStats;
pub use self::handler::{CloseEvent, Handler, Opening, Retry};
pub use self::id::{ConnId, ServerId, TimerId};
pub use self::log::{LogLevel, LogSink};
pub use self::message::{Chunk, Message, SharedBytes};
pub use self::remote::{LoopHandle, Remote};
pub use self::reply::Reply;

pub(crate) use self::again::Again;

use self::alarms::Alarms;
use self::core::Core;
use self::deadlines::Deadlines;
use self::dispatch::Dispatch;
use self::flow::Buffers;
use self::gates::Gates;
use self::guess::Guess;
use self::handlers::Handlers;
use self::inbox::Inbox;
use self::log::Log;
use self::masks::MaskPool;
use self::places::Places;
use self::poller::{Poller, Waker};
use self::slots::Slots;
use self::timer::Timer;
use crate::client::ClientOptions;
use crate::error::{Error, ErrorCode, Phase};
use crate::net::resolve::{Resolver, ThreadStart};
use crate::proto::deflate::Deflaters;
use crate::server::ServerOptions;

/// Events that one poll hands over; more wait for the next turn.
const EVENTS: usize = 1024;
/// Tokens that are neither a connection's (which are under 2^50 or, on 32 bits, have a generation)
/// nor a listener's.
const WAKER: Token = Token(0);
const TIMER: Token = Token(1);

/// Settings of a loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopOptions {
    /// Reads of one connection in one turn, at least 1; a connection with more to read goes on in
    /// the next turn, after the others. Default 16.
    pub reads_per_turn: u32,
    /// For this long since there was something to do, [`EventLoop::wait`] asks the poller again and again
    /// instead of sleeping, and may return with nothing: what comes meanwhile is spared the time that the
    /// system takes to wake a thread, some microseconds, and a core is busy instead. For whoever has a core
    /// to spare; slower than sleep where the peer shares the core. Default 0, which never spins.
    pub spin: Duration,
}

impl Default for LoopOptions {
    fn default() -> Self {
        Self { reads_per_turn: 16, spin: Duration::ZERO }
    }
}

/// Connections and listening sockets that live on one thread at a time.
///
/// It may move between threads, but whoever has it drives it alone. Other threads talk to it
/// through a [`LoopHandle`] and to its connections through a [`Remote`].
///
/// Three ways to drive it: [`run`](Self::run) blocks; [`turn`](Self::turn) fits into a loop of your
/// own, which watches the loop's descriptor ([`AsRawFd`]) for reading, level-triggered; and a thread
/// of your own around `run`.
pub struct EventLoop {
    core: Core,
    handlers: Handlers,
    buffers: Buffers,
    events: Events,
    guess: Guess,
    timer: Option<Timer>,
    /// The descriptor was asked for, so it must become readable whenever there is work.
    embedded: AtomicBool,
    options: LoopOptions,
    /// When a shutdown that is under way aborts what is left.
    shutdown_end: Option<Instant>,
}

impl EventLoop {
    /// A loop with default settings.
    ///
    /// # Errors
    ///
    /// The system gave no descriptors ([`ErrorCode::NoMemory`]).
    pub fn new() -> Result<Self, Error> {
        Self::with_options(LoopOptions::default())
    }

    /// A loop with settings of your own.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_options(options: LoopOptions) -> Result<Self, Error> {
        let fail = |error: io::Error| {
            Error::io(Phase::System, ErrorCode::NoMemory, "cannot make an event loop", &error)
        };
        let poller = Poller::new().map_err(fail)?;
        let waker = Waker::new(&poller, WAKER).map_err(fail)?;
        let timer = Timer::new(&poller, TIMER).map_err(fail)?;
        let descriptors = Arc::clone(poller.descriptors());
        let core = Core {
            poller,
            inbox: Arc::new(Inbox::new(waker, descriptors)),
            slots: Slots::new(),
            listeners: Slots::new(),
            deadlines: Deadlines::default(),
            ready: VecDeque::new(),
            dirty: Vec::new(),
            graveyard: VecDeque::new(),
            deferred: VecDeque::new(),
            masks: MaskPool::new(),
            deflaters: Deflaters::default(),
            scratch: Vec::new(),
            now: clock::now(),
            resolver: Resolver::new(),
            newcomers: Vec::new(),
            places: Places::default(),
            shutting_down: false,
            closed_listeners: Vec::new(),
            owed_accepts: Vec::new(),
            alarms: Alarms::new(),
            log: Log::default(),
            lookups: Cell::new(0),
            gates: Gates::default(),
        };
        Ok(Self {
            core,
            handlers: Handlers::default(),
            buffers: Buffers::new(),
            events: Events::with_capacity(EVENTS),
            guess: Guess::default(),
            timer: Some(timer),
            embedded: AtomicBool::new(false),
            options,
            shutdown_end: None,
        })
    }

    /// Has the threads that look names up started inside `start`, which may for instance block signals
    /// meanwhile: a new thread inherits that.
    pub fn set_thread_start(&mut self, start: ThreadStart) {
        self.core.resolver.thread_start = start;
    }

    /// Has records of up to this level given to `sink`, which runs on the thread that drives the loop,
    /// amid its work. With the feature `log` they also go through that crate, as ever.
    pub fn set_log(&mut self, most: LogLevel, sink: LogSink) {
        self.core.log = Log::new(most, sink);
    }

    /// The loop between two turns. Call [`flush`](Self::flush) afterwards to have what was queued
    /// leave at once; the next turn does it otherwise.
    pub fn context(&mut self) -> Context<'_> {
        self.core.now = clock::now();
        Context::new(&mut self.core, None)
    }

    /// Starts a client connection; see [`Context::connect`].
    ///
    /// # Errors
    ///
    /// An option that is not legal.
    pub fn connect(
        &mut self,
        options: &ClientOptions,
        handler: impl Handler + Send + 'static,
    ) -> Result<ConnId, Error> {
        let connected = self.context().connect(options, Box::new(handler));
        self.rest();
        connected
    }

    /// Starts to listen; see [`Context::listen`].
    ///
    /// # Errors
    ///
    /// An option that is not legal, or an address that cannot be bound.
    pub fn listen(
        &mut self,
        options: &ServerOptions,
        handler: impl Handler + Send + 'static,
    ) -> Result<ServerId, Error> {
        let listening = self.context().listen(options, Box::new(handler));
        self.rest();
        listening
    }

    /// A handle for other threads.
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.core.inbox))
    }

    /// Waits for something to do, at most `timeout` (`None`: as long as it takes; zero: not at
    /// all), and does it. All callbacks run in here.
    ///
    /// # Errors
    ///
    /// The poller failed, which only a broken system does.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        self.wait(timeout)?;
        self.dispatch();
        Ok(())
    }

    /// The first half of a [`turn`](Self::turn): waits and runs no callback, so that a host may
    /// give up a lock of its own meanwhile. Returns early when a signal came in, and at once while
    /// the second half, [`dispatch`](Self::dispatch), is owed.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<(), Error> {
        if !self.events.is_empty() || self.guess.is_due() {
            return Ok(());
        }
        if timeout == Some(Duration::ZERO) && self.can_guess() && self.guess.make() {
            return Ok(());
        }
        let pending = !self.core.inbox.park();
        let timeout = if pending || self.has_leftovers() { Some(Duration::ZERO) } else { timeout };
        let timeout = self.until_next_deadline(timeout);
        if let Err(error) = self.core.poller.wait(&mut self.events, timeout, self.options.spin) {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(Error::io(Phase::System, ErrorCode::Internal, "poll failed", &error));
            }
            self.events.clear();
        }
        Ok(())
    }

    /// The second half of a [`turn`](Self::turn): does what there is to do, without waiting. All
    /// callbacks run in here.
    pub fn dispatch(&mut self) {
        self.core.inbox.unpark();
        self.core.now = clock::now();
        let budget = self.options.reads_per_turn.max(1);
        let hosted = self.embedded.load(Ordering::Relaxed);
        let mut dispatch = Dispatch {
            core: &mut self.core,
            handlers: &mut self.handlers,
            buffers: &mut self.buffers,
            budget,
            heard: false,
        };
        dispatch.commands();
        dispatch.events(&mut self.events, &mut self.guess, hosted);
        dispatch.leftovers();
        dispatch.deadlines();
        dispatch.alarms();
        // What was queued meanwhile leaves with the rest, also through a `Remote` in a callback.
        dispatch.core.catch_up(None);
        dispatch.flush();
        dispatch.funerals();
        self.rest();
    }

    /// Turns until somebody calls `stop`.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn run(&mut self) -> Result<(), Error> {
        while !self.core.inbox.take_stop() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Turns until somebody calls `stop` or neither a connection nor a listening socket is left.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn run_until_idle(&mut self) -> Result<(), Error> {
        while !self.core.inbox.take_stop() && !self.is_idle() {
            self.turn(None)?;
        }
        Ok(())
    }

    /// Whether neither a connection nor a listening socket nor an owed callback is left.
    pub fn is_idle(&self) -> bool {
        self.core.slots.len() == 0 && self.core.listeners.len() == 0 && !self.has_leftovers()
    }

    /// Connections of all kinds and states.
    pub fn connections(&self) -> usize {
        self.core.slots.len()
    }

    /// Whether somebody called `stop` since the last `run` returned; forgets it.
    pub fn take_stop(&mut self) -> bool {
        self.core.inbox.take_stop()
    }

    /// Gives to the system what was queued through [`context`](Self::context). Runs no callback.
    pub fn flush(&mut self) {
        self.core.catch_up(None);
        self.core.flush_dirty();
        self.rest();
    }

    /// Whether there is something to do that no descriptor tells of.
    fn has_leftovers(&self) -> bool {
        let core = &self.core;
        !(core.ready.is_empty()
            && core.dirty.is_empty()
            && core.graveyard.is_empty()
            && core.deferred.is_empty()
            && core.closed_listeners.is_empty())
    }

    /// Whether a host has waited on our descriptor and it says all there is to do.
    fn can_guess(&self) -> bool {
        cfg!(target_os = "linux")
            && self.embedded.load(Ordering::Relaxed)
            && !self.core.inbox.is_pending()
            && !self.has_leftovers()
    }

    fn next_deadline(&self) -> Option<Instant> {
        let core = &self.core;
        let deadlines = [core.deadlines.next(), core.accept_deadline(), core.alarms.next()];
        deadlines.into_iter().flatten().min()
    }

    fn until_next_deadline(&self, timeout: Option<Duration>) -> Option<Duration> {
        if timeout == Some(Duration::ZERO) {
            return timeout;
        }
        let Some(deadline) = self.next_deadline() else { return timeout };
        let left = deadline.saturating_duration_since(clock::now());
        Some(timeout.map_or(left, |timeout| timeout.min(left)))
    }

    /// Leaves the descriptor readable if there is work that it does not tell of by itself.
    fn rest(&mut self) {
        if !self.embedded.load(Ordering::Relaxed) {
            return;
        }
        if self.has_leftovers() || !self.core.inbox.park() {
            self.core.inbox.wake();
        }
        let deadline = self.next_deadline();
        if let Some(timer) = &mut self.timer {
            // Fails only for times that no clock can hold.
            let _ = timer.arm(deadline, self.core.now);
        }
    }
}

impl AsRawFd for EventLoop {
    /// A descriptor that is readable exactly while `turn` has work, timers included. Watch it for
    /// reading, level-triggered; it never changes. Ask for it before the first connection, or turn
    /// once afterwards.
    fn as_raw_fd(&self) -> RawFd {
        if !self.embedded.swap(true, Ordering::Relaxed) {
            // What is due already is not known to the descriptor: the first turn tells it.
            self.core.inbox.wake();
        }
        self.core.poller.as_raw_fd()
    }
}

impl Drop for EventLoop {
    /// Closes every socket without a word; `shutdown` before it is the polite way. No callback runs.
    fn drop(&mut self) {
        self.core.inbox.retire();
        for (slot, generation) in self.core.slots.names() {
            if let Some(conn) = self.core.slots.get(slot, generation) {
                conn.link.shared.set_ready_state(crate::proto::close::ReadyState::Closed);
            }
        }
    }
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop")
            .field("connections", &self.core.slots.len())
            .field("servers", &self.core.listeners.len())
            .finish_non_exhaustive()
    }
}
