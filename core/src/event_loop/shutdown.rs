//! The end of a loop that says goodbye to its peers.

use std::time::Duration;

use super::core::Core;
use super::id::{ConnId, ServerId};
use super::{EventLoop, clock, link};
use crate::error::Error;

impl EventLoop {
    /// Stops listening and closes every connection with 1001 (RFC 6455 section 7.4.1). Runs no
    /// callback; the turns that follow do. [`shutdown`](Self::shutdown) also waits.
    pub fn go_away(&mut self) {
        for (slot, generation) in self.core.listeners.names() {
            self.core.close_listener(ServerId::new(slot, generation));
        }
        self.each_connection(|core, link| {
            // The code is legal, so that the only error is out of reach.
            let _ = core.close(link, Some(1001), "");
        });
        self.flush();
    }

    /// Stops listening, closes every connection with 1001, turns for up to `grace`, aborts what is
    /// left and delivers every `on_close`. Meanwhile nothing new can be begun
    /// ([`ErrorCode::Shutdown`](crate::ErrorCode::Shutdown)); afterwards the loop may be used again.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn).
    pub fn shutdown(&mut self, grace: Duration) -> Result<(), Error> {
        self.begin_shutdown(grace);
        while !self.shutdown_turn()? {}
        Ok(())
    }

    /// The beginning of [`shutdown`](Self::shutdown), for a host that does something between its
    /// turns.
    pub fn begin_shutdown(&mut self, grace: Duration) {
        self.core.shutting_down = true;
        // A grace too long to add to the clock is for ever.
        self.shutdown_end = clock::now().checked_add(grace);
        self.go_away();
    }

    /// The next turn of a shutdown, which aborts what is left when the grace is over. True when it
    /// was the last one.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn); the shutdown is over then.
    pub fn shutdown_turn(&mut self) -> Result<bool, Error> {
        self.shutdown_wait()?;
        Ok(self.shutdown_dispatch())
    }

    /// The first half of a [`shutdown_turn`](Self::shutdown_turn): waits and runs no callback, so
    /// that a host may give up a lock of its own meanwhile. Returns early when a signal came in.
    ///
    /// # Errors
    ///
    /// As [`turn`](Self::turn); the shutdown is over then.
    pub fn shutdown_wait(&mut self) -> Result<(), Error> {
        let timeout = if self.is_idle() { Some(Duration::ZERO) } else { self.grace_left() };
        let waited = self.wait(timeout);
        if waited.is_err() {
            self.core.shutting_down = false;
        }
        waited
    }

    /// The second half of a [`shutdown_turn`](Self::shutdown_turn): does what there is to do, without
    /// waiting. True when it was the last one.
    pub fn shutdown_dispatch(&mut self) -> bool {
        let last = self.is_idle() || self.grace_left().is_some_and(|left| left.is_zero());
        // An answer that is here already counts.
        self.dispatch();
        if last {
            self.each_connection(Core::abort);
            self.dispatch();
            self.core.shutting_down = false;
        }
        last
    }

    /// What is left of the grace; `None`: it is for ever.
    fn grace_left(&self) -> Option<Duration> {
        self.shutdown_end.map(|end| end.saturating_duration_since(clock::now()))
    }

    fn each_connection(&mut self, mut act: impl FnMut(&mut Core, &mut link::Link)) {
        self.core.now = clock::now();
        for (slot, generation) in self.core.slots.names() {
            self.core.with_link(None, ConnId::new(slot, generation), &mut act);
        }
    }
}
