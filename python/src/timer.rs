//! What `Loop.call_later` returns.

use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use tightwire::TimerId;

use crate::driver::Driver;

/// A call that is to come; `Loop.call_later` returns it.
#[pyclass(frozen, module = "tightwire")]
pub(crate) struct Timer {
    driver: Weak<Driver>,
    /// `None` for a time that no clock can hold.
    id: Option<TimerId>,
}

impl Timer {
    pub(crate) fn new(driver: &Arc<Driver>, id: Option<TimerId>) -> Self {
        Self { driver: Arc::downgrade(driver), id }
    }
}

#[pymethods]
impl Timer {
    /// The call does not come. Does nothing if it has. Any thread.
    fn cancel(&self, py: Python<'_>) {
        let (Some(driver), Some(id)) = (self.driver.upgrade(), self.id) else { return };
        if driver.with(py, |context| context.cancel_timer(id)).is_none() {
            let job = move |context: &mut tightwire::Context<'_>| {
                context.cancel_timer(id);
            };
            driver.handle().post(Box::new(job));
        }
    }
}
