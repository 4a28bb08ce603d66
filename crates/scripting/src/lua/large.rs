//! Blocks of a megabyte and more, straight from the system. They grow by moving pages and not bytes, and go back on a thread of their
//! own: a general allocator copies, and purges on whichever thread calls it, for milliseconds in which nobody is served.

use std::ptr::null_mut;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

/// Blocks from this size on are mapped.
pub(super) const LARGE: usize = 1024 * 1024;
/// Blocks from this size on are better made of huge pages: the first touch of a page takes the system a microsecond.
const HUGE: usize = 4 * LARGE;

/// Maps a block; null if there is no memory.
pub(super) fn map(size: usize) -> *mut u8 {
    // SAFETY: a fresh private mapping.
    let block = unsafe {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        libc::mmap(null_mut(), size, protection, flags, -1, 0)
    };
    if block == libc::MAP_FAILED {
        return null_mut();
    }
    if size >= HUGE {
        // SAFETY: advice for the mapping just made; where it is not followed, nothing is lost.
        unsafe { libc::madvise(block, size, libc::MADV_HUGEPAGE) };
    }
    block.cast()
}

/// Another size for a block; null, and the block as it was, if there is no memory.
///
/// # Safety
/// The block is mapped with the old size.
pub(super) unsafe fn remap(block: *mut u8, old: usize, new: usize) -> *mut u8 {
    // SAFETY: the caller's.
    let moved = unsafe { libc::mremap(block.cast(), old, new, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED { null_mut() } else { moved.cast() }
}

/// Gives a block back, later.
///
/// # Safety
/// It is mapped with this size, and nobody uses it any more.
pub(super) unsafe fn unmap_later(block: *mut u8, size: usize) {
    static THREAD: OnceLock<Option<Sender<Block>>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel::<Block>();
        let body = move || receiver.into_iter().for_each(unmap);
        std::thread::Builder::new().name("perigee-unmap".into()).spawn(body).ok().map(|_| sender)
    });
    let block = Block(block, size);
    let refused = match thread {
        Some(sender) => sender.send(block).err().map(|error| error.0),
        None => Some(block),
    };
    refused.into_iter().for_each(unmap);
}

struct Block(*mut u8, usize);

// SAFETY: nobody else refers to it.
unsafe impl Send for Block {}

/// In pieces: whoever meets a fresh page anywhere in the process waits while a piece is unmapped.
fn unmap(block: Block) {
    for at in (0..block.1).step_by(LARGE) {
        // SAFETY: a part of a mapped block that nobody uses: see `unmap_later`.
        unsafe { libc::munmap(block.0.add(at).cast(), LARGE.min(block.1 - at)) };
    }
}
