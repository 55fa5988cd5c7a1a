//! Whom a readable descriptor speaks for, without asking the poller.
//!
//! A host that watches the loop's descriptor has waited already. To ask the poller again, only to learn that it is the
//! same connection as before, costs a system call for each message. So if the poller told of one connection alone for some
//! turns, that one is read first, and the poller is asked only if nothing was there.
//!
//! What the poller was not asked about it goes on to tell: its descriptor stays readable as long as an event on its
//! list is still true. Of a socket that can be written to, one always is, so a connection that is read in this way is
//! watched for reading alone, until a write does not fit.

use std::io;
use std::time::Duration;

use mio::{Events, Interest};

use super::core::Core;
use super::dial::token;
use super::dispatch::Dispatch;
use super::id::ConnId;
use super::link::Link;

/// Turns in a row with one connection alone before it is taken to be the next one, too.
const SURE: u8 = 16;
/// Right guesses between two questions to the poller: nobody else waits longer.
const MOST: u8 = 64;

/// What the poller told lately.
#[derive(Debug, Default)]
pub(crate) struct Guess {
    only: Option<ConnId>,
    turns: u8,
    right: u8,
    /// The next dispatch begins with this connection; the poller was not asked.
    due: Option<ConnId>,
}

impl Guess {
    /// Whether the next dispatch begins with a guess.
    pub(crate) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Has the next dispatch begin with a guess, if there is one to make.
    pub(crate) fn make(&mut self) -> bool {
        if self.turns == SURE && self.right < MOST {
            self.due = self.only;
        }
        self.is_due()
    }

    /// The poller told of `only` and of nothing else. Returns it once that was so often enough.
    fn learn(&mut self, only: Option<ConnId>) -> Option<ConnId> {
        self.right = 0;
        if only != self.only {
            (self.only, self.turns) = (only, 0);
        }
        self.turns = SURE.min(self.turns + 1);
        self.only.filter(|_| self.turns == SURE)
    }
}

impl Dispatch<'_> {
    /// Deals with what the poller reported, or would report if `guess` is right. Without a host, which waits on
    /// the poller from outside, there is nothing to guess.
    pub(crate) fn events(&mut self, events: &mut Events, guess: &mut Guess, hosted: bool) {
        if let Some(id) = guess.due.take() {
            if self.read_first(id) {
                guess.right += 1;
                return;
            }
            // An error is met again when the loop waits.
            if self.core.poller.wait(events, Some(Duration::ZERO), Duration::ZERO).is_err() {
                events.clear();
            }
        }
        self.heard = false;
        for event in &*events {
            self.event(event);
        }
        if !hosted {
            return events.clear();
        }
        let mut told = events.iter();
        let alone = told.next().filter(|_| self.heard && told.next().is_none());
        let only = alone.map(|event| ConnId::from_u64(event.token().0 as u64));
        events.clear();
        if let Some(id) = guess.learn(only) {
            self.core.watch_reads(id);
        }
    }

    /// Reads a connection that the poller was not asked about. Whether anything came in.
    fn read_first(&mut self, id: ConnId) -> bool {
        let Some(mut conn) = self.core.slots.take(id.slot(), id.generation()) else { return false };
        if !conn.link.flags.reads_only {
            self.core.slots.put(id.slot(), id.generation(), conn);
            return false;
        }
        conn.link.flags.readable = true;
        self.heard = false;
        self.dispatch(conn);
        self.heard
    }
}

impl Core {
    /// Has the poller tell when a connection can be read, and no more that it can be written to.
    fn watch_reads(&mut self, id: ConnId) {
        let Some(mut conn) = self.slots.take(id.slot(), id.generation()) else { return };
        let link = &mut conn.link;
        if link.is_open() && link.flags.writable && !link.flags.reads_only {
            // If that fails all stays as it is.
            let _ = self.watch(link, Interest::READABLE);
        }
        self.slots.put(id.slot(), id.generation(), conn);
    }

    /// Has the poller tell when a write will fit again, if one did not.
    pub(crate) fn watch_writes(&self, link: &mut Link) {
        if !link.flags.reads_only || link.flags.writable || link.flags.gone {
            return;
        }
        if let Err(error) = self.watch(link, Interest::READABLE | Interest::WRITABLE) {
            link.fail_stream(error.into(), self.now);
        }
    }

    fn watch(&self, link: &mut Link, interest: Interest) -> io::Result<()> {
        let Some(stream) = &mut link.stream else { return Ok(()) };
        self.poller.registry().reregister(stream.source(), token(link.id), interest)?;
        link.flags.reads_only = !interest.is_writable();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(guess: &mut Guess, id: usize, times: u8) -> Option<ConnId> {
        (0..times).map(|_| guess.learn(Some(ConnId::new(id, 1)))).last().flatten()
    }

    #[test]
    fn one_alone_is_guessed_after_a_while() {
        let mut guess = Guess::default();
        assert_eq!(told(&mut guess, 7, SURE - 1), None);
        assert!(!guess.make());
        assert_eq!(told(&mut guess, 7, 1), Some(ConnId::new(7, 1)));
        assert!(guess.make());
        assert_eq!(guess.due, Some(ConnId::new(7, 1)));
    }

    #[test]
    fn another_one_or_none_begins_anew() {
        for other in [Some(ConnId::new(8, 1)), Some(ConnId::new(7, 2)), None] {
            let mut guess = Guess::default();
            told(&mut guess, 7, SURE);
            assert_eq!(guess.learn(other), None);
            assert!(!guess.make());
            assert_eq!(told(&mut guess, 7, SURE - 1), None);
        }
    }

    #[test]
    fn the_poller_is_asked_after_some_guesses() {
        let mut guess = Guess::default();
        told(&mut guess, 7, SURE);
        guess.right = MOST;
        assert!(!guess.make());
        told(&mut guess, 7, 1);
        assert!(guess.make());
    }

    #[test]
    fn nothing_is_never_guessed() {
        let mut guess = Guess::default();
        for _ in 0..SURE {
            assert_eq!(guess.learn(None), None);
        }
        assert!(!guess.make());
    }
}
