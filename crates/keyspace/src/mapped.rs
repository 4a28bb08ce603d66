//! Memory of whole pages straight from the system, which grows without being copied. Unsafe: see
//! `docs/decisions/019-large-strings-in-pages-of-their-own.md` for why.
//!
//! A `Mapping` is a growing byte string of its own pages: the system moves them to other addresses where they lack room
//! (`mremap(2)`), and hands them out when they are first written. What lies beyond the content is zeros, so that content
//! grows over a gap of any size without touching it. Where the system has no such thing, there are no mappings.
//!
//! The allocator knows nothing of them: [`bytes()`] and [`thread_bytes`] tell what it cannot.
#![allow(unsafe_code, reason = "pages from the system")]

use std::cell::Cell;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What mappings are measured in: a multiple of every size of pages.
const GRAIN: usize = 64 << 10;
/// Freed at once; a moment's work for the system.
const PIECE: usize = 2 << 20;

/// From so many bytes on, huge pages waste little, and their first touch costs the system a fifth.
const HUGE: usize = 8 << 20;

static BYTES: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD_BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Bytes in mappings of the process, whether they were touched or not.
pub fn bytes() -> usize {
    BYTES.load(Ordering::Relaxed)
}

/// Bytes of mappings that the calling thread has made, less those that it has freed.
pub fn thread_bytes() -> i64 {
    THREAD_BYTES.get()
}

fn count(before: usize, after: usize) {
    BYTES.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    THREAD_BYTES.set(THREAD_BYTES.get() + after as i64 - before as i64);
}

/// Bytes in pages of their own. What lies between the length and the capacity is zeros.
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
    /// A multiple of `GRAIN`, not 0.
    capacity: usize,
}

// SAFETY: a mapping owns its pages, and bytes may move between threads and be read by several.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// An empty one with room for so many bytes; `None` if the system refuses.
    pub(crate) fn with_capacity(bytes: usize) -> Option<Self> {
        let capacity = bytes.max(1).checked_next_multiple_of(GRAIN)?;
        let start = system::map(capacity)?;
        count(0, capacity);
        Some(Mapping { start, len: 0, capacity })
    }

    /// A copy of this content.
    pub(crate) fn copied(content: &[u8]) -> Option<Self> {
        let mut mapping = Self::with_capacity(content.len())?;
        mapping.expect_writes();
        mapping.extend_to(content.len());
        mapping.copy_from_slice(content);
        Some(mapping)
    }

    /// All of it will be written soon.
    pub(crate) fn expect_writes(&self) {
        if self.capacity >= HUGE {
            // SAFETY: the pages are this mapping's alone.
            unsafe { system::prefer_huge_pages(self.start, self.capacity) };
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Has room for so many bytes from now on, if that is more. `false` if the system refuses.
    pub(crate) fn grow(&mut self, bytes: usize) -> bool {
        if bytes <= self.capacity {
            return true;
        }
        let Some(capacity) = bytes.checked_next_multiple_of(GRAIN) else { return false };
        // SAFETY: the pages are this mapping's alone, and `&mut self` keeps all references to them away.
        let Some(start) = (unsafe { system::extend(self.start, self.capacity, capacity) }) else {
            return false;
        };
        count(self.capacity, capacity);
        (self.start, self.capacity) = (start, capacity);
        true
    }

    /// Makes it longer, by zeros.
    ///
    /// # Panics
    /// If there is no room.
    pub(crate) fn extend_to(&mut self, len: usize) {
        assert!(len <= self.capacity, "there is room");
        self.len = self.len.max(len);
    }

    /// Cuts off what lies from `len` on, and answers the pages that it lay in alone.
    pub(crate) fn truncate(&mut self, len: usize) -> Option<Self> {
        let end = self.len;
        if len >= end {
            return None;
        }
        let kept = len.max(1).next_multiple_of(GRAIN);
        self[len..kept.min(end)].fill(0);
        self.len = len;
        if end <= kept {
            return None;
        }
        let capacity = self.capacity - kept;
        self.capacity = kept;
        // SAFETY: the capacity was greater than what is kept. From now on each owns its part of the pages.
        let start = unsafe { self.start.add(kept) };
        Some(Mapping { start, len: 0, capacity })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: all of the mapping can be read, and has been initialised by the system; nobody changes it while
        // `self` is borrowed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl DerefMut for Mapping {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else looks at it while `self` is borrowed.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

/// In pieces, from the end: the system holds up those who ask it for memory while it takes some back.
impl Drop for Mapping {
    fn drop(&mut self) {
        let mut end = self.capacity;
        while end > 0 {
            // None of them cuts a huge page.
            let from = end.saturating_sub(1 + (self.start.as_ptr() as usize + end - 1) % PIECE);
            // SAFETY: the range lies within the mapping, and nothing refers to it any more.
            unsafe { system::unmap(self.start.add(from), end - from) };
            end = from;
        }
        count(self.capacity, 0);
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes in pages for {}", self.len, self.capacity)
    }
}

// Miri knows no part of a mapping that is moved or unmapped: there, large strings lie where all others do.
#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::ptr::{NonNull, null_mut};

    use rustix::mm::{Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap, munmap};

    pub(super) fn map(len: usize) -> Option<NonNull<u8>> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the system chooses where; nothing that is there is touched.
        let start = unsafe { mmap_anonymous(null_mut(), len, access, MapFlags::PRIVATE) }.ok()?;
        NonNull::new(start.cast())
    }

    /// # Safety
    /// The range must be a mapping, or the first part of one, that nothing refers to.
    pub(super) unsafe fn extend(start: NonNull<u8>, len: usize, to: usize) -> Option<NonNull<u8>> {
        // SAFETY: the caller's; the system finds a place where nothing is.
        let start = unsafe { mremap(start.as_ptr().cast(), len, to, MremapFlags::MAYMOVE) }.ok()?;
        NonNull::new(start.cast())
    }

    /// # Safety
    /// The range must be a mapping.
    pub(super) unsafe fn prefer_huge_pages(start: NonNull<u8>, len: usize) {
        // SAFETY: the caller's; the content stays. Where the advice is not followed, nothing is lost.
        let _ = unsafe { madvise(start.as_ptr().cast(), len, Advice::LinuxHugepage) };
    }

    /// # Safety
    /// The range must be part of a mapping that nothing refers to.
    pub(super) unsafe fn unmap(start: NonNull<u8>, len: usize) {
        // SAFETY: the caller's.
        let unmapped = unsafe { munmap(start.as_ptr().cast(), len) };
        debug_assert!(unmapped.is_ok(), "a range of whole pages: {unmapped:?}");
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    use std::ptr::NonNull;

    pub(super) fn map(_: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) unsafe fn extend(_: NonNull<u8>, _: usize, _: usize) -> Option<NonNull<u8>> {
        None
    }

    pub(super) unsafe fn prefer_huge_pages(_: NonNull<u8>, _: usize) {}

    pub(super) unsafe fn unmap(_: NonNull<u8>, _: usize) {}
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    /// Against a vector, over random growth and truncation; what was cut off stays apart.
    #[test]
    fn content_survives_growth_and_truncation() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut mapping = Mapping::with_capacity(1).unwrap();
        let (mut model, mut cuts) = (Vec::new(), Vec::new());
        for step in 1..=200_u8 {
            let to = rng.random_range(0..8 * GRAIN);
            if to < model.len() {
                model.truncate(to);
                cuts.extend(mapping.truncate(to));
            } else {
                assert!(mapping.grow(to));
                mapping.extend_to(to);
                assert!(mapping[model.len()..].iter().all(|&byte| byte == 0), "grown by zeros");
                model.resize(to, 0);
                // Not everything is written.
                let written = model.len() - model.len() / 3;
                model[written..].fill(step);
                mapping[written..].fill(step);
            }
            assert!(*mapping == *model, "step {step}");
            if step % 16 == 0 {
                cuts.clear();
            }
        }
    }

    #[test]
    fn what_is_mapped_is_counted() {
        let before = thread_bytes();
        let mut mapping = Mapping::with_capacity(5 * GRAIN - 1).unwrap();
        assert_eq!(thread_bytes() - before, 5 * GRAIN as i64);
        assert!(mapping.grow(512 << 20) && bytes() >= 512 << 20);
        mapping.extend_to(512 << 20);
        *mapping.last_mut().unwrap() = 1;
        let cut = mapping.truncate(GRAIN + 1).expect("pages of their own");
        assert_eq!((mapping.capacity(), cut.capacity()), (2 * GRAIN, (512 << 20) - 2 * GRAIN));
        drop(mapping);
        assert_eq!(thread_bytes() - before, cut.capacity() as i64);
        drop(cut);
        assert_eq!(thread_bytes(), before);
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        assert!(Mapping::with_capacity(usize::MAX).is_none() && Mapping::with_capacity(1 << 60).is_none());
        let mut mapping = Mapping::with_capacity(1).unwrap();
        mapping.extend_to(1);
        assert!(!mapping.grow(usize::MAX) && !mapping.grow(1 << 60));
        mapping[0] = 1;
        assert_eq!((&*mapping, mapping.capacity()), (&[1_u8][..], GRAIN));
    }
}
