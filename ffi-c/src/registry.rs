//! Which loops there are, for any thread at any time, a signal handler included.
//!
//! A table of fixed size with one word a place: how many calls are inside, whether a loop lives
//! there, and its generation. Entering and leaving is one atomic addition each, no lock, so that
//! `tw_loop_stop` may run in a signal handler; who frees a loop waits until the others have left.

use std::collections::VecDeque;
use std::ops::Deref;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::current;
use crate::home::Home;
use crate::ids::{self, GENERATION_MASK, Kind, LOOPS, Parts};
use crate::process;
use crate::status::{TW_EFORKED, TW_EHANDLE, TW_ENOMEM, tw_status};

/// Set while a loop lives at the place; the calls inside are counted below it.
const ALIVE: u64 = 1 << 32;
const INSIDE: u64 = ALIVE - 1;
const GENERATION_SHIFT: u32 = 33;

struct Place {
    word: AtomicU64,
    home: AtomicPtr<Home>,
    /// Where the next loop counts its generations from, see [`ids::Names`].
    base: AtomicU64,
}

static PLACES: [Place; LOOPS] = [const {
    Place {
        word: AtomicU64::new(0),
        home: AtomicPtr::new(ptr::null_mut()),
        base: AtomicU64::new(0),
    }
}; LOOPS];

/// Places without a loop: those that had one are used again as late as possible.
static FREE: Mutex<Free> = Mutex::new(Free { untouched: 1, used: VecDeque::new() });

struct Free {
    untouched: usize,
    used: VecDeque<usize>,
}

/// A call inside a loop's place: the loop stays until this is dropped.
pub(crate) struct Entered {
    place: &'static Place,
    home: *const Home,
}

impl Deref for Entered {
    type Target = Home;

    fn deref(&self) -> &Home {
        // SAFETY: the home is freed by `retire` only, which waits until we are dropped.
        unsafe { &*self.home }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.place.word.fetch_sub(1, Ordering::Release);
    }
}

fn free() -> std::sync::MutexGuard<'static, Free> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers a loop and returns its id. `make` gets the place and base for its names.
pub(crate) fn settle<E: From<tw_status>>(
    make: impl FnOnce(usize, u64) -> Result<Home, E>,
) -> Result<u64, E> {
    let mut places = free();
    let index = match places.untouched {
        index if index < LOOPS => {
            places.untouched += 1;
            index
        }
        _ => places.used.pop_front().ok_or(TW_ENOMEM)?,
    };
    drop(places);
    let Some(place) = PLACES.get(index) else { return Err(TW_ENOMEM.into()) };
    let generation = (place.word.load(Ordering::Relaxed) >> GENERATION_SHIFT) + 1;
    match make(index, place.base.load(Ordering::Relaxed)) {
        Ok(home) => {
            place.home.store(Box::into_raw(Box::new(home)), Ordering::Relaxed);
            // Added, not stored: calls with dead ids may be on their way in or out.
            place.word.fetch_add((1 << GENERATION_SHIFT) + ALIVE, Ordering::Release);
            Ok(ids::loop_id(index, generation))
        }
        Err(error) => {
            free().used.push_back(index);
            Err(error)
        }
    }
}

/// Enters the loop of this id.
pub(crate) fn enter(id: u64) -> Result<Entered, tw_status> {
    current::check();
    enter_from_a_signal(id)
}

/// The same within a handler of a signal, which may have a stack of its own above a callback's.
pub(crate) fn enter_from_a_signal(id: u64) -> Result<Entered, tw_status> {
    let entered = enter_any_process(id)?;
    entered.check_process()?;
    Ok(entered)
}

/// The same for a call that is legal in a forked child too.
pub(crate) fn enter_any_process(id: u64) -> Result<Entered, tw_status> {
    let parts = Parts::of(id, Kind::Loop).ok_or(TW_EHANDLE)?;
    enter_place(parts.place, Some(parts.generation()))
}

/// Enters the loop that an object of another kind belongs to.
pub(crate) fn enter_of(parts: Parts) -> Result<Entered, tw_status> {
    current::check();
    let entered = enter_place(parts.place, None)?;
    entered.check_process()?;
    Ok(entered)
}

/// Has the loop that an object of any kind belongs to, if there is one, record a panic of ours.
pub(crate) fn report(id: u64, text: String) {
    let entered = enter_place(Parts::place_of(id), None);
    if let Some(home) = entered.ok().filter(|home| home.check_process().is_ok()) {
        home.report(text);
    }
}

fn enter_place(index: usize, generation: Option<u64>) -> Result<Entered, tw_status> {
    let place = PLACES.get(index).ok_or(TW_EHANDLE)?;
    let word = place.word.fetch_add(1, Ordering::Acquire);
    let entered = Entered { place, home: place.home.load(Ordering::Relaxed) };
    let current = (word >> GENERATION_SHIFT) & GENERATION_MASK;
    let alive = word & ALIVE != 0 && generation.is_none_or(|generation| generation == current);
    // A dead loop's pointer is never followed: leaving looks at the place only.
    if alive { Ok(entered) } else { Err(TW_EHANDLE) }
}

impl Entered {
    fn check_process(&self) -> Result<(), tw_status> {
        if self.pid() == process::id() { Ok(()) } else { Err(TW_EFORKED) }
    }

    /// Makes the id dead, waits until no other call is inside, and returns the loop.
    ///
    /// The caller is the only one to call this for this loop.
    pub(crate) fn retire(self) -> Box<Home> {
        let (place, home) = (self.place, self.home.cast_mut());
        let index = self.kill();
        while place.word.load(Ordering::Acquire) & INSIDE > 1 {
            thread::yield_now();
        }
        drop(self);
        free().used.push_back(index);
        // SAFETY: it came from `Box::into_raw`, the place is dead, and nobody is inside.
        unsafe { Box::from_raw(home) }
    }

    /// Makes the id dead in a forked child, and lets the loop be: its memory is as the parent's threads left
    /// it, with locks held and work half done, and what it owns is closed already. The place is lost if
    /// threads were inside, which do not exist here, or if one was at the list of places.
    pub(crate) fn leave_behind(self) {
        let place = self.place;
        let index = self.kill();
        drop(self);
        if place.word.load(Ordering::Acquire) & INSIDE > 0 {
            return;
        }
        if let Ok(mut free) = FREE.try_lock() {
            free.used.push_back(index);
        }
    }

    /// Makes the id dead, and returns the place.
    fn kill(&self) -> usize {
        self.place.base.store(self.names().next_base(), Ordering::Relaxed);
        self.place.word.fetch_sub(ALIVE, Ordering::AcqRel);
        self.names().place()
    }
}
