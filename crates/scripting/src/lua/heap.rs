//! A VM's memory: counted, and limited while a script's own code runs.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;

/// The allocator state of one VM.
pub(crate) struct Heap {
    used_bytes: usize,
    /// The most that was in use since [`Heap::restart_peak`].
    peak_bytes: usize,
    /// Scripts that have begun and not ended.
    runs: usize,
    /// What was in use when the first of them began.
    floor_bytes: usize,
    limit_bytes: usize,
    /// The limit does not count: a reply is being handed to Lua, and must not raise.
    unlimited: bool,
}

const ALIGNMENT: usize = 16;

impl Heap {
    pub(crate) fn new() -> Self {
        Heap {
            used_bytes: 0,
            peak_bytes: 0,
            runs: 0,
            floor_bytes: 0,
            limit_bytes: usize::MAX,
            unlimited: true,
        }
    }

    /// A script begins.
    pub(crate) fn enter(&mut self) {
        if self.runs == 0 {
            self.floor_bytes = self.used_bytes;
        }
        self.runs += 1;
    }

    /// A script has ended.
    pub(crate) fn leave(&mut self) {
        self.runs -= 1;
    }

    /// Lets each script that has begun use so many bytes; 0 for no limit. They have them in common: nobody knows whose
    /// garbage a collection frees.
    pub(crate) fn allow(&mut self, bytes: usize) {
        let all = if bytes == 0 { usize::MAX } else { bytes.saturating_mul(self.runs) };
        self.limit_bytes = self.floor_bytes.saturating_add(all);
    }

    #[inline]
    pub(crate) fn set_unlimited(&mut self, unlimited: bool) {
        self.unlimited = unlimited;
    }

    /// A slice begins, whose greatest need is to be known.
    #[inline]
    pub(crate) fn restart_peak(&mut self) {
        self.peak_bytes = self.used_bytes;
    }

    /// The most that was in use since the slice began.
    #[inline]
    pub(crate) fn peak_bytes(&self) -> usize {
        self.peak_bytes
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes
    }
}

/// The VM's allocator.
///
/// # Safety
/// As `lua_Alloc`; `heap` is a live [`Heap`].
pub(crate) unsafe extern "C" fn allocate(
    heap: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the VM passes what lua_newstate was given, on the VM's thread, and old is the block's size.
    unsafe {
        let heap = &mut *heap.cast::<Heap>();
        let old = if block.is_null() { 0 } else { old };
        if new == 0 {
            if old > 0 {
                dealloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGNMENT));
                heap.used_bytes -= old;
            }
            return std::ptr::null_mut();
        }
        let used = heap.used_bytes - old + new;
        if new > old && used > heap.limit_bytes && !heap.unlimited {
            return std::ptr::null_mut();
        }
        let Ok(layout) = Layout::from_size_align(new, ALIGNMENT) else { return std::ptr::null_mut() };
        let block = if old == 0 {
            alloc(layout)
        } else {
            realloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGNMENT), new)
        };
        if !block.is_null() {
            heap.used_bytes = used;
            heap.peak_bytes = heap.peak_bytes.max(used);
        }
        block.cast()
    }
}
