//! Names of the standard, and how Python spells them: each is the same descriptor twice.
//!
//! `EventTarget` and `WebSocket` cannot be changed once they are made, and name theirs themselves.

use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::array_buffer::ArrayBuffer;
use crate::blob::Blob;
use crate::event::{CloseEvent, Event, MessageEvent};

type Names = [(&'static str, &'static str)];

const EVENT: &Names = &[
    ("currentTarget", "current_target"),
    ("eventPhase", "event_phase"),
    ("composedPath", "composed_path"),
    ("timeStamp", "time_stamp"),
    ("defaultPrevented", "default_prevented"),
    ("isTrusted", "is_trusted"),
    ("preventDefault", "prevent_default"),
    ("stopImmediatePropagation", "stop_immediate_propagation"),
    ("stopPropagation", "stop_propagation"),
];
const MESSAGE: &Names = &[("lastEventId", "last_event_id")];
const CLOSE: &Names = &[("wasClean", "was_clean")];
const BLOB: &Names = &[("arrayBuffer", "array_buffer")];
const BUFFER: &Names =
    &[("byteLength", "byte_length"), ("maxByteLength", "max_byte_length"), ("isView", "is_view")];

/// Gives the classes their second names.
pub(crate) fn add(py: Python<'_>) -> PyResult<()> {
    alias(&py.get_type::<Event>(), EVENT)?;
    alias(&py.get_type::<MessageEvent>(), MESSAGE)?;
    alias(&py.get_type::<CloseEvent>(), CLOSE)?;
    alias(&py.get_type::<Blob>(), BLOB)?;
    alias(&py.get_type::<ArrayBuffer>(), BUFFER)
}

fn alias(class: &Bound<'_, PyType>, names: &Names) -> PyResult<()> {
    names.iter().try_for_each(|(name, alias)| class.setattr(alias, class.getattr(name)?))
}
