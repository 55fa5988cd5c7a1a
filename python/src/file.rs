//! Files as the content of a `Blob`.

use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use crate::error::named;

/// A file that is read when it is needed, and that must not change meanwhile (W3C File API, section
/// "Snapshot state").
pub(crate) struct FileSource {
    file: File,
    /// Size, and seconds and nanoseconds of the last change.
    state: (u64, i64, i64),
}

impl FileSource {
    /// A path, or an open file, whose rest is meant; also the range in it.
    ///
    /// # Errors
    ///
    /// `TypeError` for what is no regular file, such as a socket or a pipe; `io.UnsupportedOperation` for
    /// what is like a file, but none of the system's.
    pub(crate) fn open(given: &Bound<'_, PyAny>) -> PyResult<(Self, usize, usize)> {
        let by_name = !given.hasattr("fileno")?;
        let file = match by_name {
            true => open_path(given.py(), given.extract()?)?,
            false => duplicate(given.call_method0("fileno")?.extract()?)?,
        };
        let file = file.filter(|file| file.metadata().is_ok_and(|found| found.is_file()));
        let Some(file) = file else {
            let class = given.get_type().qualname()?;
            let text = format!("file: a regular file expected, and this {class} is none");
            return Err(PyTypeError::new_err(text));
        };
        let start: u64 = if by_name { 0 } else { given.call_method0("tell")?.extract()? };
        let state = state(&file)?;
        let start = start.min(state.0);
        let fit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok((Self { file, state }, fit(start), fit(state.0 - start)))
    }

    /// Fills `buffer` from `offset` on; the interpreter lock is given up meanwhile.
    ///
    /// # Errors
    ///
    /// `NotReadableError`: the file changed, or the system says no.
    pub(crate) fn read_exact(
        &self,
        py: Python<'_>,
        buffer: &mut [u8],
        offset: usize,
    ) -> PyResult<()> {
        let read = py.detach(|| {
            self.file.read_exact_at(buffer, offset as u64)?;
            state(&self.file)
        });
        match read {
            Ok(state) if state == self.state => Ok(()),
            Ok(_) => Err(unreadable(py, "it changed")),
            Err(error) => Err(unreadable(py, &error.to_string())),
        }
    }
}

/// A file by its name, unless it is none that can be read from any place. The interpreter lock is given
/// up meanwhile.
fn open_path(py: Python<'_>, path: PathBuf) -> PyResult<Option<File>> {
    // To open a pipe would wait for somebody who writes.
    let opened = py.detach(|| match fs::metadata(&path)?.is_file() {
        true => File::open(&path).map(Some),
        false => Ok(None),
    });
    Ok(opened?)
}

/// The file of a descriptor.
fn duplicate(fd: i32) -> PyResult<Option<File>> {
    if fd < 0 {
        return Err(PyValueError::new_err("file: it is closed"));
    }
    // SAFETY: it is not -1, and whoever named it keeps it open during this call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(Some(File::from(borrowed.try_clone_to_owned()?)))
}

/// Whether it has a method `read`.
pub(crate) fn is_readable(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    data.hasattr("read")
}

/// Whether it is an open file of the system, in binary mode. What only reads like one may have a
/// descriptor, too, but one of other content: that of a `GzipFile` is compressed.
pub(crate) fn is_system_file(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    let file = data.py().import("io")?.getattr("FileIO")?;
    if data.is_instance(&file)? {
        return Ok(true);
    }
    match data.getattr_opt("raw")? {
        Some(raw) => raw.is_instance(&file),
        None => Ok(false),
    }
}

fn unreadable(py: Python<'_>, why: &str) -> PyErr {
    named(py, "NotReadableError", format!("the file of a Blob cannot be read: {why}"))
}

fn state(file: &File) -> std::io::Result<(u64, i64, i64)> {
    let found = file.metadata()?;
    Ok((found.len(), found.mtime(), found.mtime_nsec()))
}
