//! Header fields that callbacks receive.

use std::cell::RefCell;
use std::ffi::c_char;

use tightwire::Headers;

use crate::callbacks::{Text, tw_str};
use crate::edge;
use crate::guard;
use crate::status::{TW_EINVAL, tw_status};

/// Header fields of a handshake. Borrowed: valid during the callback that got them.
pub struct tw_headers<'a> {
    headers: &'a Headers,
    /// What was handed out, with a NUL behind each.
    given: RefCell<Vec<Text>>,
}

impl<'a> tw_headers<'a> {
    pub(crate) fn new(headers: &'a Headers) -> Self {
        Self { headers, given: RefCell::default() }
    }

    /// The same text for C, valid as long as `self`.
    fn give(&self, text: &str) -> tw_str {
        let text = Text::new(text);
        let str = text.as_str();
        self.given.borrow_mut().push(text);
        str
    }
}

/// Looks up a header field by its name, in whatever case; the first one of that name.
///
/// Returns its value, NUL-ended, and stores its length in `len` unless that is NULL; returns NULL if
/// there is none or an argument is NULL. Inside the callback that got `headers`, on its thread. The
/// value is valid as long as `headers`, until the callback returns.
///
/// # Safety
///
/// `headers` is NULL or came with the callback that runs; `name` is NULL or NUL-ended.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_header(
    headers: *const tw_headers<'_>,
    name: *const c_char,
    len: *mut usize,
) -> *const c_char {
    guard::value(std::ptr::null(), || {
        // SAFETY: NULL or valid, as the caller vouches.
        let headers = unsafe { headers.as_ref() };
        // SAFETY: NULL or NUL-ended, as the caller vouches.
        let name = unsafe { edge::text(name, "name") };
        let (Some(headers), Ok(Some(name))) = (headers, name) else { return std::ptr::null() };
        let Some(value) = headers.headers.get(name) else { return std::ptr::null() };
        let str = headers.give(value);
        // SAFETY: NULL or writable, as the caller vouches.
        unsafe { edge::store_if_wanted(len, str.len) };
        str.ptr
    })
}

/// How many header fields there are; 0 for NULL.
///
/// Inside the callback that got `headers`, on its thread.
///
/// # Safety
///
/// `headers` is NULL or came with the callback that runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_header_count(headers: *const tw_headers<'_>) -> usize {
    // SAFETY: NULL or valid, as the caller vouches.
    guard::value(0, || unsafe { headers.as_ref() }.map_or(0, |headers| headers.headers.len()))
}

/// Stores name and value of the field at `index`, from 0, in the order in which they came. Fields of one
/// name may come more than once.
///
/// TW_OK; TW_EINVAL if there is no such field or an argument is NULL. Inside the callback that got
/// `headers`, on its thread. The texts are valid as long as `headers`, until the callback returns.
///
/// # Safety
///
/// `headers` is NULL or came with the callback that runs; the others are NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_header_at(
    headers: *const tw_headers<'_>,
    index: usize,
    name: *mut tw_str,
    value: *mut tw_str,
) -> tw_status {
    guard::status(0, || {
        // SAFETY: NULL or valid, as the caller vouches.
        let headers = unsafe { headers.as_ref() }.ok_or(TW_EINVAL)?;
        let (own_name, own_value) = headers.headers.iter().nth(index).ok_or(TW_EINVAL)?;
        if name.is_null() || value.is_null() {
            return Err(TW_EINVAL);
        }
        // SAFETY: the caller vouches for `name`.
        unsafe { edge::store(name, headers.give(own_name)) }?;
        // SAFETY: the caller vouches for `value`.
        unsafe { edge::store(value, headers.give(own_value)) }
    })
}
