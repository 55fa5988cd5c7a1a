//! `tightwire.ArrayBuffer`: bytes that may be written, of a fixed number.

use std::alloc::{self, Layout};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ptr;

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyMemoryError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt, PyMemoryView};

use crate::blob::{compare, fill, position};
use crate::convert::Payload;

/// A fixed number of bytes that may be written through the buffer protocol.
///
/// Example:
///     buffer = tightwire.ArrayBuffer(4)
///     memoryview(buffer)[0] = 1
///     print(bytes(buffer))
///
/// Two are equal, also to other objects with bytes, if their bytes are.
///
/// Args:
///     length: How many bytes, which are 0 at first; or a bytes-like object to copy.
#[pyclass(frozen, weakref, module = "tightwire")]
pub(crate) struct ArrayBuffer {
    memory: Memory,
}

struct Memory(Box<[UnsafeCell<u8>]>);

// SAFETY: like any writable buffer of Python it is read and written under the interpreter lock, or by
// extensions that share it among threads on their own account.
unsafe impl Sync for Memory {}

impl Memory {
    fn start(&self) -> *mut u8 {
        UnsafeCell::raw_get(self.0.as_ptr())
    }
}

impl ArrayBuffer {
    /// A copy of these bytes.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub(crate) fn of(bytes: &[u8]) -> PyResult<Self> {
        let mut memory = Vec::new();
        memory.try_reserve_exact(bytes.len()).map_err(|_| too_large(bytes.len()))?;
        memory.extend(bytes.iter().map(|byte| UnsafeCell::new(*byte)));
        Ok(Self { memory: Memory(memory.into_boxed_slice()) })
    }

    /// So many zeros, which take no memory before they are written to.
    fn zeros(length: usize) -> PyResult<Self> {
        if length == 0 {
            return Self::of(&[]);
        }
        let layout = Layout::array::<UnsafeCell<u8>>(length).map_err(|_| too_large(length))?;
        // SAFETY: the layout has a size other than 0.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        if start.is_null() {
            return Err(too_large(length));
        }
        let memory = ptr::slice_from_raw_parts_mut(start.cast::<UnsafeCell<u8>>(), length);
        // SAFETY: this memory is of the global allocator, with the layout of the slice, initialised, and
        // nobody else's.
        Ok(Self { memory: Memory(unsafe { Box::from_raw(memory) }) })
    }

    /// The content, to be read before other Python code runs.
    fn content(&self) -> &[u8] {
        // SAFETY: the memory lives as long as `self`, and nobody writes while the interpreter lock is
        // held here and no other Python code runs.
        unsafe { std::slice::from_raw_parts(self.memory.start(), self.memory.0.len()) }
    }
}

fn too_large(length: usize) -> PyErr {
    PyMemoryError::new_err(format!("no memory for an ArrayBuffer of {length} bytes"))
}

#[pymethods]
impl ArrayBuffer {
    #[new]
    #[pyo3(signature = (length = None, /))]
    fn new(length: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(length) = length else { return Self::of(&[]) };
        if length.is_instance_of::<PyInt>() && !length.is_instance_of::<PyBool>() {
            let Ok(length) = length.extract::<u32>() else {
                let text = format!("length: a number from 0 to 4294967295 expected, not {length}");
                return Err(PyValueError::new_err(text));
            };
            return Self::zeros(length as usize);
        }
        match Payload::binary_of("length", length) {
            Ok(payload) => Self::of(payload.bytes()),
            Err(_) => Err(PyTypeError::new_err("length: an int or a bytes-like object expected")),
        }
    }

    /// Bytes in it.
    #[getter(byteLength)]
    fn byte_length(&self) -> usize {
        self.memory.0.len()
    }

    /// The same.
    #[getter(maxByteLength)]
    fn max_byte_length(&self) -> usize {
        self.memory.0.len()
    }

    /// Always false.
    #[getter]
    fn resizable(&self) -> bool {
        false
    }

    /// Always false.
    #[getter]
    fn detached(&self) -> bool {
        false
    }

    /// A copy of the bytes from `begin` to `end`, which count from the end if they are negative.
    #[pyo3(signature = (begin = 0, end = None))]
    fn slice(&self, begin: i64, end: Option<i64>) -> PyResult<Self> {
        let content = self.content();
        let first = position(begin, content.len());
        let last = end.map_or(content.len(), |end| position(end, content.len()));
        Self::of(content.get(first..last).unwrap_or_default())
    }

    /// Whether `value` is a `memoryview`.
    #[staticmethod]
    #[pyo3(name = "isView")]
    fn is_view(value: &Bound<'_, PyAny>) -> bool {
        value.is_instance_of::<PyMemoryView>()
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.content())
    }

    fn __len__(&self) -> usize {
        self.memory.0.len()
    }

    /// As in a browser an empty one is true, too.
    fn __bool__(&self) -> bool {
        true
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        let content = || Some(slf.get().content());
        compare(slf.py(), content, slf.is(other), other, op)
    }

    fn __repr__(&self) -> String {
        format!("<ArrayBuffer {} bytes>", self.memory.0.len())
    }

    /// # Safety
    ///
    /// As the protocol says: `view` is to be filled in.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let memory = &slf.get().memory;
        let start = memory.start().cast::<c_void>();
        // SAFETY: the memory stays in place as long as `slf`, which the view holds, and may be written
        // through a shared reference.
        unsafe { fill(&slf, view, (start, memory.0.len()), false, flags) }
    }
}
