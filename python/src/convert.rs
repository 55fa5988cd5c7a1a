//! Payloads, between Python objects and bytes.

use std::borrow::Cow;
use std::slice;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyMemoryView, PyString};
use tightwire::{Message, MessageKind};

use crate::array_buffer::ArrayBuffer;
use crate::blob::Blob;
use crate::ssl_context;

/// What `send` was given, readable as bytes for as long as this lives.
pub(crate) enum Payload<'a> {
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Buffer(PyUntypedBuffer),
}

impl<'a> Payload<'a> {
    /// A `str`, or any object with the buffer protocol.
    pub(crate) fn of(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = data.cast::<PyString>() {
            return Ok(Self::Text(text_of(text)?));
        }
        Self::binary(data).map_err(|error| {
            if error.is_instance_of::<PyBufferError>(data.py()) {
                return error;
            }
            let class = data.get_type().qualname().map_or_else(|_| "?".into(), |n| n.to_string());
            let text = format!("data: str, Blob or a bytes-like object expected, not {class}");
            PyTypeError::new_err(text)
        })
    }

    /// What `read` of something like a file returned.
    pub(crate) fn read_from(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        Self::binary(data).map_err(|_| {
            let class = data.get_type().qualname().map_or_else(|_| "?".into(), |n| n.to_string());
            let text =
                format!("data: its read() gave {class} and not bytes; open it in binary mode");
            PyTypeError::new_err(text)
        })
    }

    /// What has bytes: any object with the buffer protocol.
    pub(crate) fn binary_of(argument: &str, data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        Self::binary(data).map_err(|error| {
            if error.is_instance_of::<PyBufferError>(data.py()) {
                return error;
            }
            let class = data.get_type().qualname().map_or_else(|_| "?".into(), |n| n.to_string());
            PyTypeError::new_err(format!("{argument}: a bytes-like object expected, not {class}"))
        })
    }

    /// Any object with the buffer protocol.
    fn binary(data: &'a Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = data.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.as_bytes().into()));
        }
        if let Ok(blob) = data.cast::<Blob>() {
            if let Some(content) = blob.get().memory(data.py()) {
                return Ok(Self::Bytes(content.into()));
            }
        }
        match PyUntypedBuffer::get(data) {
            Ok(buffer) if buffer.is_c_contiguous() => {
                let payload = Self::Buffer(buffer);
                return Ok(match ssl_context::is_in_use() {
                    true => Self::Bytes(payload.bytes().to_vec().into()),
                    false => payload,
                });
            }
            Ok(_) => {}
            // A buffer without strides, as `ctypes` has, or without dimensions.
            Err(error) if error.is_instance_of::<PyBufferError>(data.py()) => {}
            Err(error) => return Err(error),
        }
        // In the order of the elements, whatever their places in memory are.
        let bytes = PyMemoryView::from(data)?.call_method0("tobytes")?;
        Ok(Self::Bytes(bytes.cast::<PyBytes>()?.as_bytes().to_vec().into()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
            // An empty buffer may have no address.
            Self::Buffer(buffer) if buffer.len_bytes() == 0 => &[],
            Self::Buffer(buffer) => {
                let start = buffer.buf_ptr().cast::<u8>().cast_const();
                // SAFETY: a C-contiguous buffer has `len_bytes` bytes from `buf_ptr` on, which its
                // exporter keeps in place until `buffer` is released. No Python code runs on this
                // thread while the slice lives, and the interpreter lock keeps others from writing:
                // where TLS is Python code, which runs while a message is sent, a copy is sent.
                unsafe { slice::from_raw_parts(start, buffer.len_bytes()) }
            }
        }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        let kind = match self {
            Self::Text(_) => MessageKind::Text,
            Self::Bytes(_) | Self::Buffer(_) => MessageKind::Binary,
        };
        Message::from_parts(kind, self.bytes())
    }
}

/// A `str` as UTF-8. Surrogates in pairs become the character they stand for, others U+FFFD.
pub(crate) fn text_of<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, str>> {
    if let Ok(text) = text.to_str() {
        return Ok(text.into());
    }
    let units = text.call_method1("encode", ("utf-16-le", "surrogatepass"))?;
    let units = units.cast::<PyBytes>()?.as_bytes().chunks_exact(2);
    let units = units.filter_map(|unit| unit.try_into().ok()).map(u16::from_le_bytes);
    let text: String =
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    Ok(text.into())
}

/// What `event.data` of a binary message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Form {
    Blob,
    ArrayBuffer,
    Bytes,
    MemoryView,
}

impl Form {
    const ALL: [Self; 4] = [Self::Blob, Self::ArrayBuffer, Self::Bytes, Self::MemoryView];

    pub(crate) fn from_u8(number: u8) -> Self {
        Self::ALL.into_iter().find(|form| *form as u8 == number).unwrap_or(Self::Blob)
    }

    /// A value of `binaryType`.
    pub(crate) fn from_binary_type(value: &Bound<'_, PyAny>) -> Option<Self> {
        let is = |name: &str| value.eq(name).unwrap_or(false);
        match () {
            () if is("blob") => Some(Self::Blob),
            () if is("arraybuffer") => Some(Self::ArrayBuffer),
            () => None,
        }
    }

    /// A value of the keyword `binary`.
    pub(crate) fn from_keyword(value: &str) -> PyResult<Self> {
        match value {
            "mirror" => Ok(Self::Blob),
            "bytes" => Ok(Self::Bytes),
            "memoryview" => Ok(Self::MemoryView),
            _ => {
                let text = format!(
                    "binary: \"mirror\", \"bytes\" or \"memoryview\" expected, not {value:?}"
                );
                Err(PyValueError::new_err(text))
            }
        }
    }
}

/// A received message as the Python object that `event.data` is.
pub(crate) fn to_python(py: Python<'_>, message: Message<'_>, form: Form) -> PyResult<Py<PyAny>> {
    if message.kind() == MessageKind::Text {
        // The core never delivers text that is not UTF-8, so this is the only pass over it here.
        return Ok(PyString::from_bytes(py, message.data())?.into_any().unbind());
    }
    if form == Form::ArrayBuffer {
        return Ok(Py::new(py, ArrayBuffer::of(message.data())?)?.into_any());
    }
    let bytes = PyBytes::new(py, message.data());
    match form {
        Form::Blob | Form::ArrayBuffer => Ok(Blob::of(py, bytes)?.into_any()),
        Form::Bytes => Ok(bytes.into_any().unbind()),
        Form::MemoryView => Ok(PyMemoryView::from(&bytes)?.into_any().unbind()),
    }
}
