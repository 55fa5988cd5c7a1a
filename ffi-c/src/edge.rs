//! Pointers of C, turned into references, slices and values once, at the edge.

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::{ptr, slice};

use crate::status::{Failure, TW_EINVAL, TW_EUNSUPPORTED, tw_status};

/// A structure whose first member is its size in bytes.
///
/// # Safety
///
/// The type is `repr(C)`, begins with a `usize`, has `V1` bytes at least, and every member may be
/// all zero.
pub(crate) unsafe trait SizedStruct: Copy {
    /// Its name in C, for errors.
    const NAME: &'static str;
    /// Its size in the first version of the library that had it.
    const V1: usize;
}

/// No structure of ours gets this long: a larger size was never set.
const MAX_SIZE: usize = 4096;

/// Reads a sized structure of any version. What the caller's version lacks is zero, which always
/// means the default; what ours lacks must be zero.
///
/// # Safety
///
/// `from` is NULL or points at a structure that is as long as its size says.
pub(crate) unsafe fn sized<T: SizedStruct>(from: *const T) -> Result<T, Failure> {
    let (name, own) = (T::NAME, size_of::<T>());
    if from.is_null() {
        return Err(Failure::argument(format_args!("{name} is NULL")));
    }
    if !from.is_aligned() {
        return Err(Failure::argument(format_args!("{name} is not aligned")));
    }
    // SAFETY: it is not NULL, and the size comes first.
    let size = unsafe { from.cast::<usize>().read() };
    if !(T::V1..=MAX_SIZE).contains(&size) {
        let hint = format!("{name}.size is {size}: set it to sizeof({name})");
        return Err(Failure::argument(hint));
    }
    // SAFETY: the caller vouches for `size` bytes.
    let given = unsafe { slice::from_raw_parts(from.cast::<u8>(), size) };
    if let Some(tail) = given.get(own..) {
        if let Some(at) = tail.iter().position(|&byte| byte != 0) {
            let at = own + at;
            let hint = format!("{name}: this library does not know the member at offset {at}");
            return Err(Failure::new(TW_EUNSUPPORTED, hint));
        }
    }
    let mut made = MaybeUninit::<T>::zeroed();
    // SAFETY: both are at least as long as the shorter one, and ours is new.
    unsafe { ptr::copy_nonoverlapping(given.as_ptr(), made.as_mut_ptr().cast(), size.min(own)) };
    // SAFETY: every member may be zero, and what was copied over is of the same type.
    Ok(unsafe { made.assume_init() })
}

/// The same where NULL means all defaults.
///
/// # Safety
///
/// As for [`sized`].
pub(crate) unsafe fn sized_or_none<T: SizedStruct>(from: *const T) -> Result<Option<T>, Failure> {
    if from.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for `from`.
    unsafe { sized(from) }.map(Some)
}

/// The size of a structure that is to be filled: only that member is read.
///
/// # Safety
///
/// `to` is NULL or points at a structure that is as long as its size says.
pub(crate) unsafe fn size_of_output<T: SizedStruct>(to: *mut T) -> Result<usize, Failure> {
    let name = T::NAME;
    if to.is_null() || !to.is_aligned() {
        return Err(Failure::argument(format_args!("{name} is NULL or not aligned")));
    }
    // SAFETY: it is not NULL, and the size comes first.
    let size = unsafe { to.cast::<usize>().read() };
    if !(T::V1..=MAX_SIZE).contains(&size) {
        let hint = format!("{name}.size is {size}: set it to sizeof({name})");
        return Err(Failure::argument(hint));
    }
    Ok(size)
}

/// Fills a structure of any version: what the caller's lacks is left out, what ours lacks is zeroed.
///
/// # Safety
///
/// `to` points at `size` bytes that may be written to, and [`size_of_output`] has found that size.
pub(crate) unsafe fn fill<T: SizedStruct>(to: *mut T, made: &T, size: usize) {
    let known = size.min(size_of::<T>());
    let from: *const T = made;
    // SAFETY: both are at least that long, and they are different objects.
    unsafe { ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), known) };
    // SAFETY: the caller vouches for `size` bytes.
    let tail = unsafe { to.cast::<u8>().add(known) };
    // SAFETY: these are the rest of them.
    unsafe { ptr::write_bytes(tail, 0, size - known) };
}

/// `len` bytes at `data`; NULL is fine for none.
///
/// # Safety
///
/// `data` points at `len` bytes that nobody changes during `'a`, or `len` is 0.
#[inline]
pub(crate) unsafe fn bytes<'a>(data: *const c_void, len: usize) -> Result<&'a [u8], tw_status> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() || isize::try_from(len).is_err() {
        return Err(TW_EINVAL);
    }
    // SAFETY: not NULL, not too long, and the caller vouches for the rest.
    Ok(unsafe { slice::from_raw_parts(data.cast(), len) })
}

/// The text at `from`, which C calls `name`; `None` for NULL.
///
/// # Safety
///
/// `from` is NULL or a NUL-ended string that nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(from: *const c_char, name: &str) -> Result<Option<&'a str>, Failure> {
    if from.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller vouches for the string.
    let text = unsafe { CStr::from_ptr(from) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(Failure::argument(format_args!("{name} is not UTF-8"))),
    }
}

/// The texts of a NULL-ended list, which C calls `name`; none for NULL.
///
/// # Safety
///
/// `from` is NULL or a NULL-ended list of strings that nobody changes during `'a`.
pub(crate) unsafe fn texts<'a>(
    from: *const *const c_char,
    name: &str,
) -> Result<Vec<&'a str>, Failure> {
    let mut texts = Vec::new();
    if from.is_null() {
        return Ok(texts);
    }
    loop {
        // SAFETY: the list goes on up to its NULL.
        let place = unsafe { from.add(texts.len()) };
        // SAFETY: `place` is within the list.
        let entry = unsafe { place.read() };
        let name = format!("{name}[{}]", texts.len());
        // SAFETY: the caller vouches for the strings.
        match unsafe { text(entry, &name) }? {
            Some(text) => texts.push(text),
            None => return Ok(texts),
        }
    }
}

/// A descriptor of our own for one of the caller's, which C calls `name`.
///
/// # Safety
///
/// `fd` is open, or no descriptor at all.
pub(crate) unsafe fn duplicate(fd: isize, name: &str) -> Result<OwnedFd, Failure> {
    let fd = i32::try_from(fd).ok().filter(|fd| *fd >= 0);
    let fd = fd.ok_or_else(|| Failure::argument(format_args!("{name} is no descriptor")))?;
    // SAFETY: the caller vouches for it; it is borrowed for this call only.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed
        .try_clone_to_owned()
        .map_err(|error| Failure::argument(format_args!("{name}: {error}")))
}

/// Writes an answer.
///
/// # Safety
///
/// `to` is NULL or may be written to.
pub(crate) unsafe fn store<T>(to: *mut T, value: T) -> Result<(), tw_status> {
    if to.is_null() {
        return Err(TW_EINVAL);
    }
    // SAFETY: not NULL, and the caller vouches for it.
    unsafe { to.write(value) };
    Ok(())
}

/// Writes an answer unless nobody wants it.
///
/// # Safety
///
/// `to` is NULL or may be written to.
pub(crate) unsafe fn store_if_wanted<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not NULL, and the caller vouches for it.
        unsafe { to.write(value) };
    }
}

/// Copies a text with its NUL.
///
/// # Safety
///
/// `to` has room for `text` and the NUL.
pub(crate) unsafe fn copy_text(text: &str, to: *mut c_char) {
    // SAFETY: the caller vouches for the room; the text is ours.
    unsafe { ptr::copy_nonoverlapping(text.as_ptr().cast(), to, text.len()) };
    // SAFETY: as above.
    let end = unsafe { to.add(text.len()) };
    // SAFETY: as above.
    unsafe { end.write(0) };
}
