//! The event listeners of a target, as the DOM keeps them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::event::Name;
use crate::following::Following;

/// Listeners in the order of their registration. No lock is held while Python code runs.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<List>);

#[derive(Default)]
struct List {
    entries: Vec<Listener>,
    last_id: u64,
}

/// How a listener is registered.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner {
    pub(crate) capture: bool,
    pub(crate) once: bool,
    pub(crate) passive: bool,
    /// It is the value of `onopen` and the like.
    attribute: bool,
}

struct Listener {
    id: u64,
    name: Name,
    callback: Py<PyAny>,
    manner: Manner,
    /// Has it removed when a signal is aborted.
    following: Option<Following>,
}

/// Those that a pass of a dispatch calls: who comes later waits for the next one.
pub(crate) struct Snapshot {
    /// To be called at once; by the time of the others it may have removed them.
    pub(crate) first: Option<Call>,
    pub(crate) rest: Vec<u64>,
}

/// What is called for an event.
pub(crate) struct Call {
    pub(crate) callback: Py<PyAny>,
    pub(crate) passive: bool,
    /// It was for one event, and is gone now.
    pub(crate) once: bool,
    /// Of such a listener.
    _following: Option<Following>,
}

impl Listeners {
    /// Adds a listener and names it, unless there is one with the same name, callback and `capture`.
    pub(crate) fn add(
        &self,
        name: Name,
        callback: &Bound<'_, PyAny>,
        manner: Manner,
    ) -> PyResult<Option<u64>> {
        if self.find(&name, callback, manner.capture)?.is_some() {
            return Ok(None);
        }
        Ok(Some(self.list().push(name, callback.clone().unbind(), manner)))
    }

    /// Adds what is to be done at an abort (DOM, "Aborting ongoing activities").
    pub(crate) fn add_algorithm(&self, callback: Py<PyAny>) -> u64 {
        self.list().push(Name::Aborting, callback, Manner::default())
    }

    /// Takes the first of those away.
    pub(crate) fn take_algorithm(&self) -> Option<Py<PyAny>> {
        let mut list = self.list();
        let first = list.entries.iter().find(|entry| entry.name == Name::Aborting)?.id;
        list.remove(first).map(|algorithm| algorithm.callback)
    }

    /// Ties a listener to a signal. If it is gone already, so is what ties it.
    pub(crate) fn tie(&self, id: u64, following: Following) {
        let mut list = self.list();
        let entry = list.entries.iter_mut().find(|entry| entry.id == id);
        let left = match entry {
            Some(entry) => entry.following.replace(following),
            None => Some(following),
        };
        drop(list);
        drop(left);
    }

    /// Removes the listener with this name, callback and `capture`, if there is one.
    pub(crate) fn remove(
        &self,
        name: &Name,
        callback: &Bound<'_, PyAny>,
        capture: bool,
    ) -> PyResult<()> {
        if let Some(id) = self.find(name, callback, capture)? {
            self.remove_id(id);
        }
        Ok(())
    }

    pub(crate) fn remove_id(&self, id: u64) {
        let removed = self.list().remove(id);
        drop(removed);
    }

    /// The value of `onopen` and the like.
    pub(crate) fn attribute(&self, py: Python<'_>, name: &Name) -> Option<Py<PyAny>> {
        let list = self.list();
        let mut entries = list.entries.iter();
        let listener = entries.find(|entry| entry.manner.attribute && entry.name == *name)?;
        Some(listener.callback.clone_ref(py))
    }

    /// Sets `onopen` and the like. A new value takes the place of the old one; `None` gives the
    /// place up.
    pub(crate) fn set_attribute(&self, name: Name, callback: Option<Py<PyAny>>) {
        let mut list = self.list();
        let mut entries = list.entries.iter_mut();
        let entry = entries.find(|entry| entry.manner.attribute && entry.name == name);
        let old = match (entry, callback) {
            (Some(entry), Some(callback)) => {
                (Some(std::mem::replace(&mut entry.callback, callback)), None)
            }
            (Some(entry), None) => {
                let id = entry.id;
                (None, list.remove(id))
            }
            (None, Some(callback)) => {
                let manner = Manner { attribute: true, ..Manner::default() };
                list.push(name, callback, manner);
                (None, None)
            }
            (None, None) => (None, None),
        };
        drop(list);
        drop(old);
    }

    /// Whether there is a listener with `capture`.
    pub(crate) fn any_captures(&self) -> bool {
        self.list().entries.iter().any(|entry| entry.manner.capture)
    }

    /// Those for the pass that is for `capture`.
    pub(crate) fn snapshot(&self, py: Python<'_>, name: &Name, capture: bool) -> Snapshot {
        let mut list = self.list();
        let fitting = |entry: &&Listener| entry.manner.capture == capture && entry.name == *name;
        let mut ids = list.entries.iter().filter(fitting).map(|entry| entry.id);
        let (first, rest) = (ids.next(), ids.collect());
        Snapshot { first: first.and_then(|id| list.take(py, id)), rest }
    }

    /// Whether there is one for any of these events.
    pub(crate) fn listen_to(&self, names: &[Name]) -> bool {
        self.list().entries.iter().any(|entry| names.contains(&entry.name))
    }

    /// What to call for a listener that is still there. One for a single event is removed.
    pub(crate) fn take(&self, py: Python<'_>, id: u64) -> Option<Call> {
        self.list().take(py, id)
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(list) = self.0.try_lock() else { return Ok(()) };
        list.entries.iter().try_for_each(|entry| {
            visit.call(&entry.callback)?;
            entry.following.iter().try_for_each(|following| following.traverse(&visit))
        })
    }

    pub(crate) fn clear(&self) {
        let entries = std::mem::take(&mut self.list().entries);
        drop(entries);
    }

    /// Compares as Python does, so that a bound method is found again; that may run any code.
    fn find(
        &self,
        name: &Name,
        callback: &Bound<'_, PyAny>,
        capture: bool,
    ) -> PyResult<Option<u64>> {
        let py = callback.py();
        let alike = |entry: &&Listener| {
            !entry.manner.attribute && entry.manner.capture == capture && entry.name == *name
        };
        let candidates: Vec<(u64, Py<PyAny>)> = self
            .list()
            .entries
            .iter()
            .filter(alike)
            .map(|entry| (entry.id, entry.callback.clone_ref(py)))
            .collect();
        for (id, candidate) in candidates {
            if candidate.is(callback) || candidate.bind(py).eq(callback)? {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn push(&mut self, name: Name, callback: Py<PyAny>, manner: Manner) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        // Most targets have one or two, and there may be many targets.
        if self.entries.len() < 4 {
            self.entries.reserve_exact(1);
        }
        self.entries.push(Listener { id, name, callback, manner, following: None });
        id
    }

    fn take(&mut self, py: Python<'_>, id: u64) -> Option<Call> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        let passive = entry.manner.passive;
        if !entry.manner.once {
            let callback = entry.callback.clone_ref(py);
            return Some(Call { callback, passive, once: false, _following: None });
        }
        let Listener { callback, following, .. } = self.remove(id)?;
        Some(Call { callback, passive, once: true, _following: following })
    }

    fn remove(&mut self, id: u64) -> Option<Listener> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.entries.remove(index))
    }
}
