//! Where on the stack we are.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

/// The stack pointer, which is smaller the deeper a call is. The address of a variable would not do: checking
/// tools keep variables elsewhere. 0 on processors that nobody has taught us.
#[inline(always)]
pub(crate) fn pointer() -> usize {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    {
        let pointer: usize;
        // SAFETY: reads one register.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            std::arch::asm!("mov {}, rsp", out(reg) pointer, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "aarch64")]
            std::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "riscv64")]
            std::arch::asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        }
        pointer
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    0
}

/// Whether `depth`, which is below the stack pointer, is on the stack that this call runs on, too. Coroutines
/// and handlers of signals may have stacks of their own.
#[cold]
pub(crate) fn is_below_us(depth: usize) -> bool {
    let stack = bounds();
    stack.contains(&depth) && stack.contains(&pointer())
}

thread_local! {
    static BOUNDS: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
}

/// The stack that the system gave this thread.
fn bounds() -> Range<usize> {
    let (start, end) = BOUNDS.get().unwrap_or_else(|| {
        let found = ask();
        BOUNDS.set(Some(found));
        found
    });
    start..end
}

/// The first address of this thread's stack and the first behind it; the same if the system does not tell.
fn ask() -> (usize, usize) {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: takes no pointer.
    let this = unsafe { libc::pthread_self() };
    // SAFETY: this thread lives, and the attributes are ours.
    if unsafe { libc::pthread_getattr_np(this, attributes.as_mut_ptr()) } != 0 {
        return (0, 0);
    }
    let (mut start, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the attributes were filled above.
    let found =
        unsafe { libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) };
    // SAFETY: as above, and nobody uses them any more.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if found == 0 { (start as usize, start as usize + size) } else { (0, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn deeper() -> usize {
        std::hint::black_box(pointer())
    }

    #[test]
    fn the_pointer_falls_with_each_call() {
        let (here, below) = (pointer(), deeper());
        assert!(below < here);
        assert!(is_below_us(below));
    }

    #[test]
    fn other_memory_is_not_our_stack() {
        let heap = Box::new(0_u64);
        assert!(!is_below_us(&raw const *heap as usize));
        let other = std::thread::spawn(pointer).join().unwrap();
        assert!(!is_below_us(other));
    }
}
