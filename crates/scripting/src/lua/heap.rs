//! A VM's memory: counted, and limited while a script's own code runs.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;
use std::ptr::{copy_nonoverlapping, null_mut};

use mlua::ffi::{self, lua_State};

use super::large::{LARGE, Spare};
use super::preempt;

/// The allocator state of one VM.
pub(crate) struct Heap {
    used_bytes: usize,
    /// The most that was in use since [`Heap::restart_peak`].
    peak_bytes: usize,
    /// Scripts that have begun and not ended.
    runs: usize,
    /// What was in use when the first of them began.
    floor_bytes: usize,
    /// What of that is charged to them nevertheless.
    charged_bytes: usize,
    limit_bytes: usize,
    /// Large blocks that were made since the collector was last told of them.
    large_bytes: usize,
    /// Large blocks for the next ones.
    spare: Spare,
    /// The limit does not count: a reply is being handed to Lua, and must not raise.
    unlimited: bool,
    /// The limit was met. Set until somebody asks.
    exceeded: bool,
    /// Whose hook ends a script that has met the limit.
    main: *mut lua_State,
    /// Set while a string of this length is being made from a donated block.
    donated_length: usize,
    donated_block: *mut u8,
    /// Bytes of a string's block before its text.
    string_header: usize,
}

const ALIGNMENT: usize = 16;
/// A VM without a limit is treated, when it is full, as one that may use this much.
const TIGHT: usize = 256 << 20;
/// What a slice may make in large blocks. The collector is told of them between slices; and if the watchdog gets no
/// processor, a slice may last for hundreds of them.
const LARGE_BYTES_PER_SLICE: usize = 64 << 20;

impl Heap {
    pub(crate) fn new() -> Self {
        Heap {
            used_bytes: 0,
            peak_bytes: 0,
            runs: 0,
            floor_bytes: 0,
            charged_bytes: 0,
            limit_bytes: usize::MAX,
            large_bytes: 0,
            spare: Spare::default(),
            unlimited: true,
            exceeded: false,
            main: null_mut(),
            donated_length: 0,
            donated_block: null_mut(),
            string_header: 0,
        }
    }

    /// Learns whose heap it is, and how the VM lays out its strings.
    ///
    /// # Safety
    /// `main` is a fresh VM that allocates from this heap, whose address is fixed.
    pub(super) unsafe fn belong_to(heap: *mut Heap, main: *mut lua_State) {
        // SAFETY: the caller's.
        unsafe {
            (*heap).main = main;
            // A string's block holds a header, the text, and a NUL with what rounds the text up to words.
            let used = (*heap).used_bytes;
            let text = [b'?'; 1000];
            ffi::lua_gc(main, ffi::LUA_GCSTOP, 0);
            ffi::lua_pushlstring_(main, text.as_ptr().cast(), text.len());
            (*heap).string_header = (*heap).used_bytes - used - (text.len() + 4);
            ffi::lua_gc(main, ffi::LUA_GCRESTART, 0);
            ffi::lua_settop(main, -2);
        }
    }

    /// A script begins, to which so many bytes that are in use already are charged.
    pub(crate) fn enter(&mut self, charged_bytes: usize) {
        if self.runs == 0 {
            self.floor_bytes = self.used_bytes;
        }
        self.charged_bytes += charged_bytes;
        self.runs += 1;
    }

    /// Whether scripts have begun and not ended.
    pub(crate) fn is_in_use(&self) -> bool {
        self.runs > 0
    }

    /// A script to which so much was charged has ended.
    pub(crate) fn leave(&mut self, charged_bytes: usize) {
        self.charged_bytes -= charged_bytes;
        self.runs -= 1;
    }

    /// Lets each script that has begun use so many bytes; 0 for no limit. They have them in common: nobody knows whose
    /// garbage a collection frees.
    pub(crate) fn allow(&mut self, bytes: usize) {
        let all = if bytes == 0 { usize::MAX } else { bytes.saturating_mul(self.runs) };
        self.limit_bytes = self.floor_bytes.saturating_sub(self.charged_bytes).saturating_add(all);
    }

    #[inline]
    pub(crate) fn set_unlimited(&mut self, unlimited: bool) -> bool {
        std::mem::replace(&mut self.unlimited, unlimited)
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

    /// Whether so much is in use that the collector must not fall behind.
    pub(crate) fn is_tight(&self) -> bool {
        self.used_bytes > self.limit_bytes.min(TIGHT) / 4
    }

    /// Whether so much has been made in large blocks that the collector is to be told of them first.
    #[inline]
    pub(crate) fn is_ahead(&self) -> bool {
        self.large_bytes > LARGE_BYTES_PER_SLICE
    }

    /// What has been made in large blocks since somebody asked.
    #[inline]
    pub(crate) fn take_large_bytes(&mut self) -> usize {
        std::mem::take(&mut self.large_bytes)
    }

    /// Gives back large blocks that were kept and not used since the last call.
    pub(super) fn trim(&mut self) {
        self.spare.trim();
    }

    /// Whether a script has met the limit since somebody asked.
    pub(crate) fn take_exceeded(&mut self) -> bool {
        std::mem::take(&mut self.exceeded)
    }

    /// Whether a script has met the limit and nobody has asked yet.
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// Whether so many bytes more stay within the limit.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.used_bytes.saturating_add(bytes) <= self.limit_bytes
    }

    /// The limit is met: no `pcall` is to survive that.
    #[cold]
    pub(crate) fn exceed(&mut self) {
        self.exceeded = true;
        preempt::interrupt(self.main);
    }
}

/// Memory for a string that is made piece by piece, counted as the VM's, which becomes the string without being copied:
/// making a string of a hundred megabytes in one piece takes tens of milliseconds, in which nobody else is served.
pub(crate) struct Donation {
    heap: *mut Heap,
    block: *mut u8,
    length: usize,
}

impl Donation {
    /// Room for a string of `length` bytes. The caller has made sure that the limit allows it.
    ///
    /// # Safety
    /// The heap outlives the donation.
    pub(crate) unsafe fn new(heap: *mut Heap, length: usize) -> Option<Self> {
        // SAFETY: the caller's.
        unsafe {
            let unlimited = std::mem::replace(&mut (*heap).unlimited, true);
            let block = allocate(heap.cast(), null_mut(), 0, block_size(&*heap, length)).cast::<u8>();
            (*heap).unlimited = unlimited;
            (!block.is_null()).then_some(Donation { heap, block, length })
        }
    }

    /// What it takes in the heap.
    pub(crate) fn cost(heap: &Heap, length: usize) -> usize {
        block_size(heap, length)
    }

    fn text(&self) -> *mut u8 {
        // SAFETY: the header is part of the block.
        unsafe { self.block.add((*self.heap).string_header) }
    }

    /// Writes a part of the text.
    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at <= self.length && bytes.len() <= self.length - at, "a part of the text");
        // SAFETY: within the block, as was checked.
        unsafe { copy_nonoverlapping(bytes.as_ptr(), self.text().add(at), bytes.len()) }
    }

    /// Repeats, at `at`, what is already written at the beginning.
    pub(crate) fn repeat_beginning(&mut self, at: usize, count: usize) {
        assert!(count <= at && at <= self.length && count <= self.length - at, "written, and apart");
        // SAFETY: as in `write`; the parts do not overlap.
        unsafe { copy_nonoverlapping(self.text(), self.text().add(at), count) }
    }

    /// Pushes the string, all of whose text is written.
    ///
    /// # Safety
    /// `state` is the heap's VM and has a free slot.
    pub(crate) unsafe fn push(mut self, state: *mut lua_State) {
        let heap = self.heap;
        // SAFETY: the caller's. The VM finds an equal string or allocates one block, copies the text (onto itself) and ends
        // it with zeros in the last word, for which the text's tail is put back. Nothing raises, the limit being lifted.
        unsafe {
            let mut tail = [0; 3];
            let tail = &mut tail[..self.length % 4];
            let tail_at = self.text().add(self.length - tail.len());
            copy_nonoverlapping(tail_at, tail.as_mut_ptr(), tail.len());
            let unlimited = std::mem::replace(&mut (*heap).unlimited, true);
            (*heap).donated_length = self.length;
            (*heap).donated_block = self.block;
            ffi::lua_pushlstring_(state, self.text().cast(), self.length);
            let taken = std::mem::replace(&mut (*heap).donated_length, 0) == 0;
            (*heap).unlimited = unlimited;
            if taken {
                copy_nonoverlapping(tail.as_ptr(), tail_at, tail.len());
                self.block = null_mut();
            }
        }
    }
}

impl Drop for Donation {
    fn drop(&mut self) {
        if !self.block.is_null() {
            // SAFETY: allocated in `new`, and not taken.
            unsafe {
                let size = block_size(&*self.heap, self.length);
                allocate(self.heap.cast(), self.block.cast(), size, 0);
            }
        }
    }
}

/// The text, a NUL, and the VM's rounding up to words of four bytes.
fn block_size(heap: &Heap, length: usize) -> usize {
    heap.string_header + ((length + 4) & !3)
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
        let state = &mut *heap.cast::<Heap>();
        if new == 0 && old < LARGE && !block.is_null() && old > 0 {
            state.used_bytes -= old;
            dealloc(block.cast(), Layout::from_size_align_unchecked(old, ALIGNMENT));
            return null_mut();
        }
        let used = state.used_bytes + new;
        let is_usual =
            block.is_null() && new < LARGE && state.donated_length == 0 && used <= state.limit_bytes;
        if !is_usual || new == 0 {
            return reallocate(state, block, old, new);
        }
        let block = alloc(Layout::from_size_align_unchecked(new, ALIGNMENT));
        if !block.is_null() {
            state.used_bytes = used;
            state.peak_bytes = state.peak_bytes.max(used);
        }
        block.cast()
    }
}

/// What is not as simple as a small block that is made or freed.
#[inline(never)]
unsafe fn reallocate(heap: &mut Heap, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: the caller's.
    unsafe {
        let old = if block.is_null() { 0 } else { old };
        if new == 0 {
            if old > 0 {
                release(&mut heap.spare, block.cast(), old);
                heap.used_bytes -= old;
            }
            return null_mut();
        }
        if heap.donated_length != 0 && old == 0 && new == block_size(heap, heap.donated_length) {
            heap.donated_length = 0;
            return heap.donated_block.cast();
        }
        let used = heap.used_bytes - old + new;
        if new > old && used > heap.limit_bytes && !heap.unlimited {
            heap.exceed();
            return null_mut();
        }
        let block = resize(&mut heap.spare, block.cast(), old, new);
        if block.is_null() && !heap.unlimited {
            heap.exceed();
        }
        if !block.is_null() {
            if new >= LARGE && new > old {
                let was_ahead = heap.is_ahead();
                heap.large_bytes += new - old;
                if heap.is_ahead() && !was_ahead {
                    preempt::interrupt(heap.main);
                }
            }
            heap.used_bytes = used;
            heap.peak_bytes = heap.peak_bytes.max(used);
        }
        block.cast()
    }
}

/// A block of `new` bytes that begins with what is in the old one, which is empty if `old` is 0.
unsafe fn resize(spare: &mut Spare, block: *mut u8, old: usize, new: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(new, ALIGNMENT) else { return null_mut() };
    // SAFETY: the caller's; each block is as large as it says.
    unsafe {
        match (old, old >= LARGE, new >= LARGE) {
            (0, _, false) => alloc(layout),
            (0, _, true) => spare.take(new),
            (_, false, false) => realloc(block, Layout::from_size_align_unchecked(old, ALIGNMENT), new),
            (_, true, true) => spare.resize(block, old, new),
            _ => {
                let moved = resize(spare, null_mut(), 0, new);
                if !moved.is_null() {
                    copy_nonoverlapping(block, moved, old.min(new));
                    release(spare, block, old);
                }
                moved
            }
        }
    }
}

unsafe fn release(spare: &mut Spare, block: *mut u8, size: usize) {
    // SAFETY: the caller's.
    unsafe {
        if size >= LARGE {
            spare.leave(block);
        } else {
            dealloc(block, Layout::from_size_align_unchecked(size, ALIGNMENT));
        }
    }
}
