//! One opening at a time for each remote host (RFC 6455 section 4.1), among clients that ask for it.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::id::ConnId;
use super::link::{Link, Phase};
use super::log::record;
use crate::client::Prepared;

/// The openings of one loop that take turns.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    /// For each host the connection whose turn it is, and those that wait behind it.
    queues: HashMap<Arc<str>, VecDeque<ConnId>>,
    /// The host in whose queue a connection is.
    hosts: HashMap<ConnId, Arc<str>>,
}

/// A connection that waits for its turn.
pub(crate) struct Queued {
    prepared: Prepared,
    /// What is left of its `open_timeout`, which the waiting does not use up.
    left: Option<Duration>,
}

impl Gates {
    fn is_at(&self, id: ConnId, host: &str) -> bool {
        self.hosts.get(&id).is_some_and(|at| **at == *host)
    }

    /// Joins the queue for `host`; whether it is this connection's turn at once.
    fn enter(&mut self, id: ConnId, host: &Arc<str>) -> bool {
        self.hosts.insert(id, Arc::clone(host));
        let queue = self.queues.entry(Arc::clone(host)).or_default();
        queue.push_back(id);
        queue.len() == 1
    }

    /// Leaves its queue; whose turn begins by that.
    fn leave(&mut self, id: ConnId) -> Option<ConnId> {
        let host = self.hosts.remove(&id)?;
        let queue = self.queues.get_mut(&host)?;
        let was_first = queue.front() == Some(&id);
        queue.retain(|other| *other != id);
        if queue.is_empty() {
            self.queues.remove(&host);
            return None;
        }
        queue.front().filter(|_| was_first).copied()
    }
}

impl Core {
    /// Sets out for where `prepared` leads, as soon as it is this connection's turn.
    pub(crate) fn dial(&mut self, link: &mut Link, prepared: Prepared) {
        let Some(host) = prepared.gate.clone() else { return self.set_out(link, prepared) };
        // A redirect or a login on the same host belongs to the same opening.
        if !self.gates.is_at(link.id, &host) {
            self.leave_gate(link);
            link.flags.gated = true;
            if !self.gates.enter(link.id, &host) {
                record!(self.log, Debug, "{}: waits for its turn at {host}", link.label());
                let deadline = link.opening_deadline.take();
                let left = deadline.map(|at| at.saturating_duration_since(self.now));
                link.phase = Phase::Queued(Box::new(Queued { prepared, left }));
                return;
            }
        }
        self.set_out(link, prepared);
    }

    /// Makes way for the next one, if the connection is in a queue.
    pub(crate) fn leave_gate(&mut self, link: &mut Link) {
        if !mem::take(&mut link.flags.gated) {
            return;
        }
        let mut next = self.gates.leave(link.id);
        while let Some(id) = next {
            if self.with_link(None, id, Self::admit) == Some(true) {
                return;
            }
            next = self.gates.leave(id);
        }
    }

    /// It is the connection's turn. False if it was given up while it waited.
    fn admit(&mut self, link: &mut Link) -> bool {
        if link.flags.gone {
            return false;
        }
        match mem::replace(&mut link.phase, Phase::Refusing) {
            Phase::Queued(queued) => {
                let Queued { prepared, left } = *queued;
                self.refresh_now();
                link.opening_deadline = left.and_then(|left| self.now.checked_add(left));
                self.set_out(link, prepared);
                true
            }
            other => {
                link.phase = other;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> [ConnId; 4] {
        [1, 2, 3, 4].map(|slot| ConnId::new(slot, 1))
    }

    #[test]
    fn each_host_has_a_queue_of_its_own() {
        let [one, two, three, other] = ids();
        let (mut gates, host) = (Gates::default(), Arc::from("h:80"));
        assert!(gates.enter(one, &host));
        assert!(!gates.enter(two, &host) && !gates.enter(three, &host));
        assert!(gates.enter(other, &Arc::from("h:81")));
        assert!(gates.is_at(two, "h:80") && !gates.is_at(two, "h:81"));
        assert_eq!(gates.leave(one), Some(two));
        assert_eq!(gates.leave(two), Some(three));
        assert_eq!(gates.leave(three), None);
        assert!(gates.enter(one, &host));
    }

    #[test]
    fn who_leaves_while_waiting_lets_nobody_begin() {
        let [one, two, three, _] = ids();
        let (mut gates, host) = (Gates::default(), Arc::from("h:80"));
        for id in [one, two, three] {
            gates.enter(id, &host);
        }
        assert_eq!(gates.leave(two), None);
        assert_eq!(gates.leave(two), None);
        assert_eq!(gates.leave(one), Some(three));
    }

    #[test]
    fn nothing_is_left_of_those_that_left() {
        let [one, two, ..] = ids();
        let (mut gates, host) = (Gates::default(), Arc::from("h:80"));
        gates.enter(one, &host);
        gates.enter(two, &host);
        gates.leave(one);
        gates.leave(two);
        assert!(gates.queues.is_empty() && gates.hosts.is_empty());
    }
}
