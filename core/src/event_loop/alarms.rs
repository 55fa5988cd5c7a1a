//! Timers of the application: functions that a loop calls when it is time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::context::Context;
use super::dispatch::Dispatch;
use super::id::TimerId;
use super::log::{panic_text, record};
use super::slots::Slots;

/// What is called when it is time.
pub(crate) type AlarmJob = Box<dyn FnMut(&mut Context<'_>) + Send>;

/// One timer.
pub(crate) struct Alarm {
    at: Instant,
    every: Option<Duration>,
    job: AlarmJob,
}

/// All timers of a loop, by their time.
pub(crate) struct Alarms {
    alarms: Slots<Alarm>,
    /// Entries of timers that are gone stay until they come up.
    heap: BinaryHeap<Reverse<(Instant, TimerId)>>,
}

impl Alarms {
    pub(crate) fn new() -> Self {
        Self { alarms: Slots::new(), heap: BinaryHeap::new() }
    }

    /// `None` for a time that no clock can hold, and when all ids are taken.
    pub(crate) fn set(
        &mut self,
        at: Option<Instant>,
        every: Option<Duration>,
        job: AlarmJob,
    ) -> Option<TimerId> {
        let at = at?;
        let (slot, generation) = self.alarms.reserve()?;
        let id = TimerId::new(slot, generation);
        self.put(id, Alarm { at, every: every.filter(|every| !every.is_zero()), job });
        Some(id)
    }

    /// False if it is gone already.
    pub(crate) fn cancel(&mut self, id: TimerId) -> bool {
        let live = self.alarms.contains(id.slot(), id.generation());
        self.alarms.remove(id.slot(), id.generation());
        live
    }

    /// When the next one comes up, gone or not.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes those out that are due, in their order.
    fn take_due(&mut self, now: Instant) -> Vec<TimerId> {
        let mut due = Vec::new();
        while let Some(Reverse((at, id))) = self.heap.peek().copied() {
            if at > now {
                break;
            }
            self.heap.pop();
            let live = self.alarms.get(id.slot(), id.generation());
            if live.is_some_and(|alarm| alarm.at == at) {
                due.push(id);
            }
        }
        due
    }

    /// Lets nothing happen if it was cancelled meanwhile.
    fn put(&mut self, id: TimerId, alarm: Alarm) {
        self.heap.push(Reverse((alarm.at, id)));
        self.alarms.put(id.slot(), id.generation(), alarm);
    }
}

impl Alarm {
    /// The same timer, the next time. What was missed is left out.
    fn again(self, now: Instant) -> Option<Self> {
        let every = self.every?;
        let next = self.at.checked_add(every).filter(|next| *next > now);
        let at = next.or_else(|| now.checked_add(every))?;
        Some(Self { at, ..self })
    }
}

impl Dispatch<'_> {
    /// Timers that are due. One that is set meanwhile waits for the next turn.
    pub(crate) fn alarms(&mut self) {
        for id in self.core.alarms.take_due(self.core.now) {
            // An earlier one may have cancelled it.
            let Some(mut alarm) = self.core.alarms.alarms.take(id.slot(), id.generation()) else {
                continue;
            };
            let mut context = Context::new(self.core, None);
            let job = AssertUnwindSafe(|| (alarm.job)(&mut context));
            if let Err(panic) = catch_unwind(job) {
                let text = panic_text(&*panic);
                record!(self.core.log, Warn, "the function of a timer panicked: {text}");
            }
            self.core.refresh_now();
            match alarm.again(self.core.now) {
                Some(alarm) => self.core.alarms.put(id, alarm),
                None => {
                    self.core.alarms.alarms.remove(id.slot(), id.generation());
                }
            }
        }
    }
}
