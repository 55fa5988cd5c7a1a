//! Bytes with a count of their owners: to keep a payload, and to send one, without a copy.

use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr;
use std::sync::{Arc, OnceLock};

use tightwire::Socket;

use crate::callbacks::tw_msg;
use crate::edge;
use crate::guard;

/// Bytes with a count of their owners. The one object that is a pointer: it stays valid until the last
/// reference is given up, whatever becomes of connections and loops.
pub struct tw_buf {
    data: *mut u8,
    len: usize,
    /// What `data` points into; empty until the callback ends in which the message was kept.
    memory: OnceLock<Vec<u8>>,
}

// SAFETY: the bytes belong to the buffer alone; who writes to them from several threads is asked to
// take turns, as with all memory.
unsafe impl Send for tw_buf {}
// SAFETY: as above.
unsafe impl Sync for tw_buf {}

impl tw_buf {
    fn of(mut memory: Vec<u8>) -> Arc<Self> {
        let (data, len) = (memory.as_mut_ptr(), memory.len());
        Arc::new(Self { data, len, memory: OnceLock::from(memory) })
    }
}

impl AsRef<[u8]> for tw_buf {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: so many bytes, which live as long as `self`; nobody writes while they are sent.
        unsafe { std::slice::from_raw_parts(self.data, self.len) }
    }
}

thread_local! {
    static RECEIVED: RefCell<Option<Received>> = const { RefCell::new(None) };
}

/// The message whose callback runs on this thread, if its memory may be given away.
struct Received {
    message: *const tw_msg,
    kept: Option<Arc<tw_buf>>,
}

/// Calls back with a message of `ws`, of which `tw_buf_keep` may take the memory. Yields the buffer that
/// waits for it.
pub(crate) fn with_message(
    ws: &mut Socket<'_>,
    message: &tw_msg,
    callback: impl FnOnce(&mut Socket<'_>),
) -> Option<Arc<tw_buf>> {
    let outer = RECEIVED.replace(Some(Received { message, kept: None }));
    callback(ws);
    let received = RECEIVED.replace(outer);
    let kept = received.and_then(|received| received.kept);
    if kept.is_some() {
        ws.keep_message();
    }
    kept
}

/// The memory of a message that was kept.
pub(crate) fn settle(kept: &Arc<tw_buf>, memory: Vec<u8>) {
    // Nobody else sets it.
    let _ = kept.memory.set(memory);
}

/// Makes a buffer of `len` zero bytes, to be filled through tw_buf_data, with one reference.
///
/// Returns NULL if there is no memory. Any thread. The buffer lives until its last reference is given up
/// by tw_buf_unref, whatever becomes of loops.
#[unsafe(no_mangle)]
pub extern "C" fn tw_buf_new(len: usize) -> *mut tw_buf {
    guard::value(ptr::null_mut(), || {
        let mut memory = Vec::new();
        if isize::try_from(len).is_err() || memory.try_reserve_exact(len).is_err() {
            return ptr::null_mut();
        }
        memory.resize(len, 0);
        Arc::into_raw(tw_buf::of(memory)).cast_mut()
    })
}

/// Keeps the payload of a message, chunk, ping or pong beyond its callback, with one reference. From
/// 16 KiB on a whole message is not copied, unless it would hold on to far more memory than it
/// needs; its bytes are read-only until the callback returns.
///
/// Returns NULL if there is no memory or `message` is NULL. Inside the callback that got `message`, on
/// its thread. The buffer lives until its last reference is given up by tw_buf_unref.
///
/// # Safety
///
/// `message` is NULL or came with the callback that runs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_buf_keep(message: *const tw_msg) -> *mut tw_buf {
    guard::value(ptr::null_mut(), || {
        // SAFETY: NULL or valid, as the caller vouches.
        let Some(given) = (unsafe { message.as_ref() }) else { return ptr::null_mut() };
        let kept = RECEIVED.with_borrow_mut(|received| {
            let received = received.as_mut().filter(|received| received.message == message)?;
            let data = given.data.cast_mut().cast();
            let made = || Arc::new(tw_buf { data, len: given.len, memory: OnceLock::new() });
            Some(Arc::clone(received.kept.get_or_insert_with(made)))
        });
        if let Some(kept) = kept {
            return Arc::into_raw(kept).cast_mut();
        }
        // SAFETY: the callback's message is valid.
        let Ok(bytes) = (unsafe { edge::bytes(given.data, given.len) }) else {
            return ptr::null_mut();
        };
        let mut memory = Vec::new();
        if memory.try_reserve_exact(bytes.len()).is_err() {
            return ptr::null_mut();
        }
        memory.extend_from_slice(bytes);
        Arc::into_raw(tw_buf::of(memory)).cast_mut()
    })
}

/// The bytes of a buffer, and their number in `len` unless that is NULL. The bytes stay where they are
/// as long as there is a reference. Do not write while the buffer is being sent or another thread reads it.
///
/// Returns NULL for NULL. Any thread that has a reference.
///
/// # Safety
///
/// `buffer` is NULL or the caller has a reference; `len` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_buf_data(buffer: *mut tw_buf, len: *mut usize) -> *mut c_void {
    guard::value(ptr::null_mut(), || {
        // SAFETY: NULL or valid, as the caller vouches.
        let Some(own) = (unsafe { buffer.as_ref() }) else { return ptr::null_mut() };
        // SAFETY: the caller vouches for `len`.
        unsafe { edge::store_if_wanted(len, own.len) };
        own.data.cast()
    })
}

/// Adds a reference and returns the same buffer; NULL for NULL.
///
/// Any thread that has a reference. The buffer lives until each reference is given up by tw_buf_unref.
///
/// # Safety
///
/// `buffer` is NULL or the caller has a reference.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_buf_ref(buffer: *mut tw_buf) -> *mut tw_buf {
    guard::value(ptr::null_mut(), || {
        if !buffer.is_null() {
            // SAFETY: it came from `Arc::into_raw`, and the caller has a reference.
            unsafe { Arc::increment_strong_count(buffer.cast_const()) };
        }
        buffer
    })
}

/// Gives up a reference; the last one frees the buffer. Does nothing for NULL.
///
/// Any thread that has a reference, any time, also after the loop is gone.
///
/// # Safety
///
/// `buffer` is NULL or the caller has a reference, which is gone afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tw_buf_unref(buffer: *mut tw_buf) {
    guard::value((), || {
        if !buffer.is_null() {
            // SAFETY: it came from `Arc::into_raw`, and the caller gives a reference up.
            drop(unsafe { Arc::from_raw(buffer.cast_const()) });
        }
    });
}

/// A reference that the caller keeps.
///
/// # Safety
///
/// `buffer` is NULL or the caller has a reference, as long as this lives.
pub(crate) unsafe fn borrowed(buffer: *mut tw_buf) -> Option<ManuallyDrop<Arc<tw_buf>>> {
    if buffer.is_null() {
        return None;
    }
    // SAFETY: it came from `Arc::into_raw`, and is not dropped here.
    Some(ManuallyDrop::new(unsafe { Arc::from_raw(buffer.cast_const()) }))
}
