//! Blocks of a megabyte and more, straight from the system. They grow by moving pages and not bytes, and go back on a thread of their
//! own: a general allocator copies, and purges on whichever thread calls it, for milliseconds in which nobody is served.
//!
//! A VM keeps some of the blocks that it has freed for the next ones. A fresh page costs more than what is written to it, and a
//! thread that unmaps all the time takes the workers' processors.

use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

/// Blocks from this size on are mapped.
pub(super) const LARGE: usize = 1024 * 1024;
/// Blocks from this size on are better made of huge pages: the first touch of a page takes the system a microsecond.
const HUGE: usize = 4 * LARGE;
/// Mappings are cut where a huge page may end.
const CUT: usize = 2 * LARGE;
/// The size of its mapping stands before each block, which keeps the alignment of its memory.
const HEAD: usize = 64;
const PAGE: usize = 64 * 1024;
/// Bytes that a VM keeps.
const KEPT: usize = 128 * LARGE;

/// A VM's mappings that are in no use.
#[derive(Default)]
pub(super) struct Spare {
    /// The oldest first.
    mappings: Vec<Mapping>,
    bytes: usize,
    /// One was taken or left since somebody asked.
    in_use: bool,
}

/// A whole mapping: where it begins, and its size.
#[derive(Clone, Copy)]
struct Mapping(*mut u8, usize);

// SAFETY: nobody else refers to it.
unsafe impl Send for Mapping {}

impl Spare {
    /// A block; null if there is no memory.
    pub(super) fn take(&mut self, size: usize) -> *mut u8 {
        let needed = size + HEAD;
        self.in_use = true;
        let fitting = self.mappings.iter().enumerate().filter(|(_, mapping)| mapping.1 >= needed);
        if let Some((at, _)) = fitting.min_by_key(|(_, mapping)| mapping.1) {
            let mapping = self.mappings.remove(at);
            self.bytes -= mapping.1;
            return self.cut(mapping, needed).block();
        }
        Mapping::fresh(needed).map_or(null_mut(), Mapping::block)
    }

    /// Another size for a block; null, and the block as it was, if there is no memory.
    ///
    /// # Safety
    /// The block was taken with the old size.
    pub(super) unsafe fn resize(&mut self, block: *mut u8, old: usize, new: usize) -> *mut u8 {
        // SAFETY: the caller's; a block taken has room for what it was taken for.
        unsafe {
            let mut mapping = Mapping::of(block);
            // What was cut off when it shrank may still be there.
            let behind = mapping.0.wrapping_add(mapping.1);
            if new + HEAD > mapping.1
                && let Some(at) = self.mappings.iter().position(|spare| spare.0 == behind)
            {
                let joined = self.mappings.remove(at);
                self.bytes -= joined.1;
                mapping.1 += joined.1;
                mapping.block();
            }
            if new + HEAD <= mapping.1 {
                return self.cut(mapping, new + HEAD).block();
            }
            let is_better_moved =
                old <= new / 2 && self.mappings.iter().any(|mapping| mapping.1 >= new + HEAD);
            if !is_better_moved && let Some(longer) = mapping.extended(new + HEAD) {
                return longer.block();
            }
            let moved = self.take(new);
            if !moved.is_null() {
                moved.copy_from_nonoverlapping(block, old);
                self.leave(block);
            }
            moved
        }
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// The block was taken, and nobody uses it any more.
    pub(super) unsafe fn leave(&mut self, block: *mut u8) {
        // SAFETY: the caller's.
        self.keep(unsafe { Mapping::of(block) });
    }

    /// Gives all back, unless some was used since the last call.
    pub(super) fn trim(&mut self) {
        if !std::mem::replace(&mut self.in_use, false) {
            self.bytes = 0;
            self.mappings.drain(..).for_each(unmap_later);
        }
    }

    /// Keeps what is beyond so many bytes for others, if that is much.
    fn cut(&mut self, mapping: Mapping, needed: usize) -> Mapping {
        let Mapping(start, size) = mapping;
        let kept = needed.next_multiple_of(CUT);
        if size < kept + CUT.max(needed / 4) {
            return mapping;
        }
        // SAFETY: within the mapping, as was checked; from now on the parts are told apart.
        self.keep(Mapping(unsafe { start.add(kept) }, size - kept));
        Mapping(start, kept)
    }

    fn keep(&mut self, mapping: Mapping) {
        self.in_use = true;
        self.bytes += mapping.1;
        self.mappings.push(mapping);
        while self.bytes > KEPT {
            let oldest = self.mappings.remove(0);
            self.bytes -= oldest.1;
            unmap_later(oldest);
        }
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.mappings.drain(..).for_each(unmap_later);
    }
}

impl Mapping {
    fn fresh(needed: usize) -> Option<Self> {
        let size = needed.next_multiple_of(PAGE);
        // SAFETY: a fresh private mapping.
        let start = unsafe {
            let (protection, flags) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            libc::mmap(null_mut(), size, protection, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        if size >= HUGE {
            // SAFETY: advice for the mapping just made; where it is not followed, nothing is lost.
            unsafe { libc::madvise(start, size, libc::MADV_HUGEPAGE) };
        }
        Some(Mapping(start.cast(), size))
    }

    /// The same, longer; `None`, and nothing has changed, if there is no memory, or if neighbours were joined that the system
    /// holds as several mappings, which it does not lengthen as one.
    fn extended(self, needed: usize) -> Option<Self> {
        let size = needed.next_multiple_of(PAGE);
        // SAFETY: a mapping, or a part of one, that its owner alone refers to.
        let moved = unsafe { libc::mremap(self.0.cast(), self.1, size, libc::MREMAP_MAYMOVE) };
        (moved != libc::MAP_FAILED).then_some(Mapping(moved.cast(), size))
    }

    /// The block in it.
    fn block(self) -> *mut u8 {
        // SAFETY: a mapping is larger than its head, for which it is aligned.
        unsafe {
            self.0.cast::<usize>().write(self.1);
            self.0.add(HEAD)
        }
    }

    /// The mapping of a block.
    unsafe fn of(block: *mut u8) -> Self {
        // SAFETY: the caller's; `block` has written the size.
        unsafe {
            let start = block.sub(HEAD);
            Mapping(start, start.cast::<usize>().read())
        }
    }

    /// In pieces, none of which cuts a huge page: whoever meets a fresh page anywhere in the process waits while a piece is unmapped.
    fn unmap(self) {
        let Mapping(start, size) = self;
        let (mut at, mut end) = (0, CUT - start as usize % CUT);
        while at < size {
            // SAFETY: a part of a mapping that nobody uses: see `unmap_later`.
            unsafe { libc::munmap(start.add(at).cast(), end.min(size) - at) };
            (at, end) = (end, end + CUT);
        }
    }
}

/// Gives a mapping that nobody uses back to the system, later.
fn unmap_later(mapping: Mapping) {
    static THREAD: OnceLock<Option<Sender<Mapping>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel::<Mapping>();
        let body = move || receiver.into_iter().for_each(Mapping::unmap);
        std::thread::Builder::new().name("perigee-unmap".into()).spawn(body).ok().map(|_| sender)
    });
    let refused = match thread {
        Some(sender) => sender.send(mapping).err().map(|error| error.0),
        None => Some(mapping),
    };
    refused.into_iter().for_each(Mapping::unmap);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(block: *mut u8, size: usize, with: u8) {
        // SAFETY: a test's own block.
        unsafe { block.write_bytes(with, size) }
    }

    fn holds(block: *mut u8, size: usize, byte: u8) -> bool {
        // SAFETY: as above, and filled.
        unsafe { std::slice::from_raw_parts(block, size) }.iter().all(|&other| other == byte)
    }

    #[test]
    fn what_was_left_is_taken_again_and_blocks_stay_apart() {
        let mut spare = Spare::default();
        let first = spare.take(20 * LARGE);
        fill(first, 20 * LARGE, 1);
        // SAFETY: its own block.
        unsafe { spare.leave(first) };
        let sizes = [5 * LARGE, 3 * LARGE + 1, LARGE];
        let blocks = sizes.map(|size| spare.take(size));
        assert_eq!(blocks[0], first, "the same pages");
        for (at, (block, size)) in blocks.into_iter().zip(sizes).enumerate() {
            fill(block, size, at as u8 + 2);
        }
        for (at, (block, size)) in blocks.into_iter().zip(sizes).enumerate() {
            assert!(holds(block, size, at as u8 + 2), "block {at}");
            // SAFETY: its own block.
            unsafe { spare.leave(block) };
        }
        assert!(spare.bytes >= 20 * LARGE);
    }

    #[test]
    fn content_stays_when_the_size_changes() {
        let mut spare = Spare::default();
        // SAFETY: blocks of the test's own, each with the size that it has.
        unsafe {
            let left = spare.take(40 * LARGE);
            spare.leave(left);
            let (mut block, mut size) = (spare.take(LARGE), LARGE);
            fill(block, size, 7);
            for new in [9 * LARGE, 2 * LARGE, 30 * LARGE, 31 * LARGE, 90 * LARGE, LARGE] {
                block = spare.resize(block, size, new);
                assert!(holds(block, size.min(new).min(LARGE), 7), "{size} to {new}");
                fill(block, new, 8);
                fill(block, LARGE, 7);
                size = new;
            }
            spare.leave(block);
        }
    }

    #[test]
    fn what_shrinks_and_grows_again_stays_where_it_is() {
        let mut spare = Spare::default();
        // SAFETY: a block of the test's own, with the size that it has.
        unsafe {
            let block = spare.take(40 * LARGE);
            fill(block, 40 * LARGE, 9);
            assert_eq!(spare.resize(block, 40 * LARGE, 10 * LARGE), block);
            let other = spare.take(12 * LARGE);
            fill(other, 12 * LARGE, 1);
            spare.leave(other);
            assert_eq!(spare.resize(block, 10 * LARGE, 20 * LARGE), block);
            assert!(holds(block, 10 * LARGE, 9));
            spare.leave(block);
        }
    }

    #[test]
    fn what_the_system_holds_as_several_mappings_grows_too() {
        let mut spare = Spare::default();
        let mapping = Mapping::fresh(8 * LARGE).expect("memory");
        // SAFETY: a block of the test's own, half of whose pages are told from the others by their advice.
        unsafe {
            libc::madvise(mapping.0.add(4 * LARGE).cast(), 4 * LARGE, libc::MADV_NOHUGEPAGE);
            let block = mapping.block();
            fill(block, 7 * LARGE, 3);
            let longer = spare.resize(block, 7 * LARGE, 9 * LARGE);
            assert!(!longer.is_null());
            assert!(holds(longer, 7 * LARGE, 3));
            fill(longer, 9 * LARGE, 4);
            spare.leave(longer);
        }
    }

    #[test]
    fn no_more_than_a_bound_is_kept_and_nothing_when_idle() {
        let mut spare = Spare::default();
        let blocks: Vec<_> = (0..20).map(|_| spare.take(15 * LARGE)).collect();
        // SAFETY: its own blocks.
        blocks.into_iter().for_each(|block| unsafe { spare.leave(block) });
        assert!(spare.bytes <= KEPT && spare.bytes > KEPT / 2);
        spare.trim();
        assert!(spare.bytes > 0, "used a moment ago");
        spare.trim();
        assert!(spare.bytes == 0 && spare.mappings.is_empty());
    }
}
