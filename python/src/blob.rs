//! `tightwire.Blob`: bytes that do not change, in memory or in a file.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyBufferError, PyOSError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString, PyType};

use crate::convert::{Payload, text_of};
use crate::file::{FileSource, is_readable, is_system_file};
use crate::python;

/// Bytes that do not change, in memory or in a file (W3C File API).
///
/// Example:
///     blob = tightwire.Blob(["grüße", bytes(2)], type="application/x-mixed")
///     print(blob.size, bytes(blob.slice(-2)))
///     print(asyncio.run(blob.slice(0, 7).text()))
///
/// It has the buffer protocol, so `bytes(blob)`, `str(blob, "utf-8")` or `numpy.frombuffer(blob, "u1")` read it at once;
/// one in a file is read by `bytes(blob)` only. Two are equal, also to other objects with bytes, if their bytes
/// are. Any thread.
///
/// Args:
///     parts: `str`, which become UTF-8, bytes-like objects and blobs, put one behind the other.
///     type: A media type.
///     endings: `"native"` makes the system's own of the line endings in `str`.
#[pyclass(frozen, weakref, module = "tightwire")]
pub(crate) struct Blob {
    source: Source,
    start: usize,
    size: usize,
    media_type: Option<Py<PyString>>,
}

/// A file, and start and size of what is meant in it.
pub(crate) type Range = (Arc<FileSource>, usize, usize);

enum Source {
    Memory(Py<PyBytes>),
    File(Arc<FileSource>),
}

impl Blob {
    /// All of `bytes`.
    pub(crate) fn of(py: Python<'_>, bytes: Bound<'_, PyBytes>) -> PyResult<Py<Self>> {
        let size = bytes.as_bytes().len();
        let source = Source::Memory(bytes.unbind());
        Py::new(py, Self { source, start: 0, size, media_type: None })
    }

    /// Where the content of `data` is, if that is in a file: in that of a blob, or in an open one.
    pub(crate) fn file_of(data: &Bound<'_, PyAny>) -> PyResult<Option<Range>> {
        if let Ok(blob) = data.cast::<Self>() {
            let Source::File(file) = &blob.get().source else { return Ok(None) };
            let Self { start, size, .. } = *blob.get();
            return Ok(Some((Arc::clone(file), start, size)));
        }
        if !data.hasattr("fileno")? || is_readable(data)? && !is_system_file(data)? {
            return Ok(None);
        }
        // What is like a file, but none of the system's, has a `fileno` that raises `io.UnsupportedOperation`.
        let fileno = data.call_method0("fileno");
        if fileno.is_err_and(|error| error.is_instance_of::<PyOSError>(data.py())) {
            return Ok(None);
        }
        let (file, start, size) = FileSource::open(data)?;
        Ok(Some((Arc::new(file), start, size)))
    }

    /// The content, if it is in memory.
    pub(crate) fn memory<'a>(&'a self, py: Python<'a>) -> Option<&'a [u8]> {
        let Source::Memory(bytes) = &self.source else { return None };
        bytes.as_bytes(py).get(self.start..self.start + self.size)
    }

    /// The content, read if it is in a file.
    fn content<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        match &self.source {
            Source::Memory(bytes) if self.size == bytes.as_bytes(py).len() => {
                Ok(bytes.bind(py).clone())
            }
            Source::Memory(_) => Ok(PyBytes::new(py, self.memory(py).unwrap_or_default())),
            Source::File(file) => {
                PyBytes::new_with(py, self.size, |buffer| file.read_exact(py, buffer, self.start))
            }
        }
    }
}

/// The bytes of one of the parts that a blob is made of.
fn append(part: &Bound<'_, PyAny>, native: bool, to: &mut Vec<u8>) -> PyResult<()> {
    let py = part.py();
    if let Ok(blob) = part.cast::<Blob>() {
        to.extend_from_slice(blob.get().content(py)?.as_bytes());
    } else if let Ok(text) = part.cast::<PyString>() {
        let text = text_of(text)?;
        match native {
            true => to.extend(text.replace("\r\n", "\n").replace('\r', "\n").bytes()),
            false => to.extend_from_slice(text.as_bytes()),
        }
    } else {
        to.extend_from_slice(Payload::binary_of("parts", part)?.bytes());
    }
    Ok(())
}

/// A media type as the standard keeps it: in lower case, and empty if it is not in ASCII.
fn media_type(py: Python<'_>, given: &str) -> Option<Py<PyString>> {
    let legal = given.chars().all(|char| (' '..='~').contains(&char));
    let kept = if legal { given.to_ascii_lowercase() } else { String::new() };
    (!kept.is_empty()).then(|| PyString::new(py, &kept).unbind())
}

/// A position that counts from the end if it is negative, within 0 to `size`.
pub(crate) fn position(given: i64, size: usize) -> usize {
    let magnitude = usize::try_from(given.unsigned_abs()).unwrap_or(usize::MAX);
    if given < 0 { size.saturating_sub(magnitude) } else { magnitude.min(size) }
}

#[pymethods]
impl Blob {
    #[new]
    #[pyo3(signature = (parts = None, *, r#type = "", endings = "transparent"))]
    fn new(
        py: Python<'_>,
        parts: Option<&Bound<'_, PyAny>>,
        r#type: &str,
        endings: &str,
    ) -> PyResult<Self> {
        let native = match endings {
            "transparent" => false,
            "native" => true,
            _ => {
                let text = format!("endings: \"transparent\" or \"native\", not {endings:?}");
                return Err(PyValueError::new_err(text));
            }
        };
        let mut content = Vec::new();
        if let Some(parts) = parts {
            let is_part = parts.is_instance_of::<PyString>()
                || parts.is_instance_of::<Self>()
                || Payload::binary_of("parts", parts).is_ok();
            if is_part {
                let text =
                    "parts: an iterable of parts expected; for a single one write Blob([part])";
                return Err(PyTypeError::new_err(text));
            }
            for part in parts.try_iter()? {
                append(&part?, native, &mut content)?;
            }
        }
        let source = Source::Memory(PyBytes::new(py, &content).unbind());
        Ok(Self { source, start: 0, size: content.len(), media_type: media_type(py, r#type) })
    }

    /// The content of a file, or the rest of an open one, which is read when it is needed.
    ///
    /// The file must stay as it is; it may be closed and its name may go.
    ///
    /// Raises:
    ///     OSError: It cannot be opened.
    ///     TypeError: It is no regular file: a socket, a pipe, a device.
    #[classmethod]
    #[pyo3(signature = (file, *, r#type = ""))]
    fn from_file(
        _class: &Bound<'_, PyType>,
        file: &Bound<'_, PyAny>,
        r#type: &str,
    ) -> PyResult<Self> {
        let (source, start, size) = FileSource::open(file)?;
        let source = Source::File(Arc::new(source));
        Ok(Self { source, start, size, media_type: media_type(file.py(), r#type) })
    }

    /// Bytes in it.
    #[getter]
    fn size(&self) -> usize {
        self.size
    }

    /// The media type that it was made with, in lower case; may be empty.
    #[getter]
    fn r#type(&self, py: Python<'_>) -> Py<PyString> {
        match &self.media_type {
            Some(media_type) => media_type.clone_ref(py),
            None => PyString::new(py, "").unbind(),
        }
    }

    /// The bytes from `start` to `end`, which count from the end if they are negative. Nothing is copied.
    #[pyo3(signature = (start = 0, end = None, contentType = ""))]
    #[expect(non_snake_case, reason = "the standard's name is the keyword")]
    fn slice(&self, py: Python<'_>, start: i64, end: Option<i64>, contentType: &str) -> Self {
        let first = position(start, self.size);
        let last = end.map_or(self.size, |end| position(end, self.size));
        let source = match &self.source {
            Source::Memory(bytes) => Source::Memory(bytes.clone_ref(py)),
            Source::File(file) => Source::File(Arc::clone(file)),
        };
        let media_type = media_type(py, contentType);
        Self { source, start: self.start + first, size: last.saturating_sub(first), media_type }
    }

    #[getter]
    fn _in_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// The content, decoded as UTF-8 without its byte order mark; what is no UTF-8 becomes U+FFFD.
    ///
    /// Raises:
    ///     NotReadableError: Its file cannot be read, or changed.
    fn text<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::blob(slf.py(), "text")?.call1((slf,))
    }

    /// The content. Raises as `text`.
    fn bytes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::blob(slf.py(), "content")?.call1((slf,))
    }

    /// The content, copied. Raises as `text`.
    #[pyo3(name = "arrayBuffer")]
    fn array_buffer<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::blob(slf.py(), "array_buffer")?.call1((slf,))
    }

    /// The content in pieces of at most 64 KiB, for `async for`. Raises as `text`.
    fn stream<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        python::blob(slf.py(), "stream")?.call1((slf,))
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.content(py)
    }

    fn __len__(&self) -> usize {
        self.size
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
        compare(slf.py(), || slf.get().memory(slf.py()), slf.is(other), other, op)
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        match slf.get().memory(slf.py()) {
            Some(_) => slf.get().content(slf.py())?.hash(),
            None => Ok(slf.as_ptr() as isize >> 4),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let size = self.size;
        let bytes = if size == 1 { "byte" } else { "bytes" };
        Ok(match &self.media_type {
            Some(media_type) => format!("<Blob {size} {bytes} {}>", media_type.bind(py).to_str()?),
            None => format!("<Blob {size} {bytes}>"),
        })
    }

    /// # Safety
    ///
    /// As the protocol says: `view` is to be filled in.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        let this = slf.get();
        let Some(content) = this.memory(slf.py()) else {
            let text = "a Blob of a file has no buffer: read it with bytes(blob)";
            return Err(PyBufferError::new_err(text));
        };
        let start = content.as_ptr().cast::<c_void>().cast_mut();
        // SAFETY: the bytes stay in place as long as `slf`, which the view holds, and are read only.
        unsafe { fill(&slf, view, (start, content.len()), true, flags) }
    }
}

/// Fills in the view of an object's memory.
///
/// # Safety
///
/// `view` is writable; `memory` is valid as long as `object` lives.
pub(crate) unsafe fn fill<T>(
    object: &Bound<'_, T>,
    view: *mut ffi::Py_buffer,
    (start, length): (*mut c_void, usize),
    read_only: bool,
    flags: c_int,
) -> PyResult<()> {
    // No object is larger than `isize::MAX`.
    let length = isize::try_from(length).unwrap_or(isize::MAX);
    // SAFETY: the caller's promise.
    let filled = unsafe {
        let read_only = c_int::from(read_only);
        ffi::PyBuffer_FillInfo(view, object.as_ptr(), start, length, read_only, flags)
    };
    if filled == 0 { Ok(()) } else { Err(PyErr::fetch(object.py())) }
}

/// `==` and `!=` by content, with anything that has bytes. What is in a file is only equal to itself.
/// `content` is asked for when no Python code runs any more that could change it.
pub(crate) fn compare<'a, 'py>(
    py: Python<'py>,
    content: impl FnOnce() -> Option<&'a [u8]>,
    same: bool,
    other: &Bound<'py, PyAny>,
    op: CompareOp,
) -> PyResult<Bound<'py, PyAny>> {
    let not_implemented = || Ok(py.NotImplemented().into_bound(py));
    let bytes = match same || other.is_instance_of::<PyString>() {
        true => None,
        false => Payload::binary_of("other", other).ok(),
    };
    let equal = match (same, content(), &bytes) {
        (true, ..) => true,
        (false, None, _) => false,
        (false, Some(content), Some(bytes)) => bytes.bytes() == content,
        (false, Some(_), None) if other.is_instance_of::<Blob>() => false,
        (false, Some(_), None) => return not_implemented(),
    };
    match op {
        CompareOp::Eq => Ok(PyBool::new(py, equal).to_owned().into_any()),
        CompareOp::Ne => Ok(PyBool::new(py, !equal).to_owned().into_any()),
        _ => not_implemented(),
    }
}
