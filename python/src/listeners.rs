//! The event listeners of a socket, as the DOM keeps them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};

use crate::event::Name;

/// Listeners in the order of their registration. No lock is held while Python code runs.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<List>);

#[derive(Default)]
struct List {
    entries: Vec<Listener>,
    last_id: u64,
}

struct Listener {
    id: u64,
    name: Name,
    callback: Py<PyAny>,
    capture: bool,
    once: bool,
    /// It is the value of `onopen` and the like.
    attribute: bool,
}

/// Those that a dispatch calls: who comes later waits for the next event.
pub(crate) struct Snapshot {
    first: Option<u64>,
    rest: Vec<u64>,
}

impl Snapshot {
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.first.iter().chain(&self.rest).copied()
    }
}

impl Listeners {
    /// Adds a listener, unless there is one with the same name, callback and `capture`.
    pub(crate) fn add(
        &self,
        name: Name,
        callback: &Bound<'_, PyAny>,
        capture: bool,
        once: bool,
    ) -> PyResult<()> {
        if self.find(&name, callback, capture)?.is_none() {
            self.list().push(name, callback.clone().unbind(), capture, once, false);
        }
        Ok(())
    }

    /// Removes the listener with this name, callback and `capture`, if there is one.
    pub(crate) fn remove(
        &self,
        name: &Name,
        callback: &Bound<'_, PyAny>,
        capture: bool,
    ) -> PyResult<()> {
        if let Some(id) = self.find(name, callback, capture)? {
            let removed = self.list().remove(id);
            drop(removed);
        }
        Ok(())
    }

    /// The value of `onopen` and the like.
    pub(crate) fn attribute(&self, py: Python<'_>, name: &Name) -> Option<Py<PyAny>> {
        let list = self.list();
        let listener = list.entries.iter().find(|entry| entry.attribute && entry.name == *name)?;
        Some(listener.callback.clone_ref(py))
    }

    /// Sets `onopen` and the like. A new value takes the place of the old one; `None` gives the
    /// place up.
    pub(crate) fn set_attribute(&self, name: Name, callback: Option<Py<PyAny>>) {
        let mut list = self.list();
        let entry = list.entries.iter_mut().find(|entry| entry.attribute && entry.name == name);
        let old = match (entry, callback) {
            (Some(entry), Some(callback)) => Some(std::mem::replace(&mut entry.callback, callback)),
            (Some(entry), None) => {
                let id = entry.id;
                list.remove(id)
            }
            (None, Some(callback)) => {
                list.push(name, callback, false, false, true);
                None
            }
            (None, None) => None,
        };
        drop(list);
        drop(old);
    }

    pub(crate) fn snapshot(&self, name: &Name) -> Snapshot {
        let list = self.list();
        let mut ids = list.entries.iter().filter(|entry| entry.name == *name).map(|entry| entry.id);
        Snapshot { first: ids.next(), rest: ids.collect() }
    }

    /// The callback of a listener that is still there. One for a single event is removed.
    pub(crate) fn take(&self, py: Python<'_>, id: u64) -> Option<Py<PyAny>> {
        let mut list = self.list();
        let entry = list.entries.iter().find(|entry| entry.id == id)?;
        if entry.once { list.remove(id) } else { Some(entry.callback.clone_ref(py)) }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(list) = self.0.try_lock() else { return Ok(()) };
        list.entries.iter().try_for_each(|entry| visit.call(&entry.callback))
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
        let candidates: Vec<(u64, Py<PyAny>)> = self
            .list()
            .entries
            .iter()
            .filter(|entry| !entry.attribute && entry.capture == capture && entry.name == *name)
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
    fn push(
        &mut self,
        name: Name,
        callback: Py<PyAny>,
        capture: bool,
        once: bool,
        attribute: bool,
    ) {
        self.last_id += 1;
        let id = self.last_id;
        self.entries.push(Listener { id, name, callback, capture, once, attribute });
    }

    fn remove(&mut self, id: u64) -> Option<Py<PyAny>> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        Some(self.entries.remove(index).callback)
    }
}
