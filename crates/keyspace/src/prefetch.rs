//! Hints to the processor. Unsafe.
#![allow(unsafe_code, reason = "instructions of the processor")]

/// A cache line of all processors that have the hint.
const LINE: usize = 64;
/// Lines of an object that are fetched: of a shard these are its lock and where the keys of its first database are.
const LINES: usize = 3;

/// Fetches the beginning of an object into the cache, without waiting for it.
#[inline(always)]
pub(crate) fn object<T>(object: &T) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..LINES.min(size_of::<T>().div_ceil(LINE)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at = std::ptr::from_ref(object).cast::<i8>().wrapping_add(line * LINE);
        // SAFETY: a hint reads nothing that the program can see and never faults, whatever the address; the instruction
        // is part of the architecture's baseline (SSE).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (object, LINE, LINES);
}
