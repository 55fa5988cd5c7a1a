//! The handlers of a loop, one for each client and server.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::core::Core;
use super::handler::Handler;
use super::log::{panic_text, record};

/// Handlers by the place that [`Core`] gave them.
#[derive(Default)]
pub(crate) struct Handlers {
    places: Vec<Option<Box<dyn Handler + Send>>>,
}

impl Handlers {
    /// Calls the handler at `index`, with the core beside it. False if it panicked.
    pub(crate) fn call(
        &mut self,
        core: &mut Core,
        index: usize,
        callback: impl FnOnce(&mut (dyn Handler + Send), &mut Core),
    ) -> bool {
        if !core.newcomers.is_empty() {
            self.welcome(core);
        }
        let Some(Some(handler)) = self.places.get_mut(index) else { return true };
        let called = catch_unwind(AssertUnwindSafe(|| callback(handler.as_mut(), core)));
        if let Err(panic) = &called {
            record!(core.log, Warn, "a callback panicked: {}", panic_text(&**panic));
        }
        called.is_ok()
    }

    /// One user of the place left; the handler goes with the last one.
    pub(crate) fn leave(&mut self, core: &mut Core, index: usize) {
        if !core.newcomers.is_empty() {
            self.welcome(core);
        }
        if core.places.leave(index) {
            if let Some(place) = self.places.get_mut(index) {
                *place = None;
            }
        }
    }

    fn welcome(&mut self, core: &mut Core) {
        for (index, handler) in core.newcomers.drain(..) {
            if self.places.len() <= index {
                self.places.resize_with(index + 1, || None);
            }
            if let Some(place) = self.places.get_mut(index) {
                *place = Some(handler);
            }
        }
    }
}
