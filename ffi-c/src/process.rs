//! Which process this is: a fork leaves ids behind that belong to the parent.

use std::process;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that looked last, in a page that the system empties in a child: asking the system itself
/// would cost every call from another thread a system call.
static PAGE: OnceLock<Option<&'static AtomicU32>> = OnceLock::new();

/// The number of this process.
#[inline]
pub(crate) fn id() -> u32 {
    let Some(page) = *PAGE.get_or_init(page) else { return process::id() };
    match page.load(Ordering::Relaxed) {
        0 => {
            let id = process::id();
            page.store(id, Ordering::Relaxed);
            id
        }
        id => id,
    }
}

/// A page that is empty after a fork; `None` on a system that has no such thing.
fn page() -> Option<&'static AtomicU32> {
    // SAFETY: takes numbers only.
    let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new memory, of which nobody else knows.
    let made = unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) };
    if made == libc::MAP_FAILED {
        return None;
    }
    // SAFETY: the whole of what was mapped above.
    if unsafe { libc::madvise(made, size, libc::MADV_WIPEONFORK) } != 0 {
        // SAFETY: as above, and it was not used.
        unsafe { libc::munmap(made, size) };
        return None;
    }
    // SAFETY: it is zero, aligned to a page, never unmapped, and used as this alone.
    Some(unsafe { &*made.cast::<AtomicU32>() })
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_what_the_system_says() {
        assert_eq!([super::id(), super::id()], [std::process::id(); 2]);
    }
}
