//! One lazy heap of deadlines for the whole loop.
//!
//! A connection has at most one live entry. Moving its deadline later costs nothing: the entry is
//! corrected when it comes up. Moving it earlier adds a second entry, and the stale one is
//! recognised because the connection no longer expects it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::id::ConnId;

/// When which connection wants to be asked.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnId)>>,
}

impl Deadlines {
    /// Makes sure that `id` comes up no later than `deadline`; `scheduled` is the connection's note
    /// of its live entry.
    pub(crate) fn schedule(
        &mut self,
        id: ConnId,
        deadline: Option<Instant>,
        scheduled: &mut Option<Instant>,
    ) {
        let Some(deadline) = deadline else { return };
        if scheduled.is_none_or(|at| deadline < at) {
            *scheduled = Some(deadline);
            self.heap.push(Reverse((deadline, id)));
        }
    }

    /// The next entry that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, ConnId)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// When the next entry comes up, stale or not.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::clock;
    use super::*;

    #[test]
    fn later_deadlines_add_no_entry_and_earlier_ones_do() {
        let start = clock::now();
        let after = |seconds| Some(start + Duration::from_secs(seconds));
        let (id, mut scheduled) = (ConnId::new(1, 1), None);
        let mut deadlines = Deadlines::default();
        deadlines.schedule(id, after(5), &mut scheduled);
        deadlines.schedule(id, after(9), &mut scheduled);
        assert_eq!((deadlines.heap.len(), scheduled), (1, after(5)));
        deadlines.schedule(id, after(2), &mut scheduled);
        assert_eq!((deadlines.heap.len(), deadlines.next()), (2, after(2)));
        assert_eq!(deadlines.pop_due(start + Duration::from_secs(1)), None);
        assert_eq!(
            deadlines.pop_due(start + Duration::from_secs(2)),
            Some((after(2).unwrap(), id))
        );
    }
}
