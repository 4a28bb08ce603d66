//! Lists.
//!
//! A list is a deque of [chunks](chunk) of up to 8 KB, each holding its elements one after the other; an element that
//! is larger has a chunk for itself. Both ends cost O(1); a position is found by walking over the chunks from the nearer end
//! and then inside one.

mod chunk;

use self::chunk::Chunk;
use super::Blob;
use crate::log::Log;
use std::collections::VecDeque;

/// A sequence of byte strings, quick at both ends.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// None of them is empty.
    chunks: VecDeque<Chunk>,
    len: usize,
}

/// What undoes a change of a [`List`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum ListUndo {
    PushFront(Blob),
    PushBack(Blob),
    PopFront,
    PopBack,
    Set { at: usize, before: Blob },
    Insert { at: usize, element: Blob },
    Remove { at: usize },
    Replace { at: usize, count: usize, chunks: Vec<Chunk> },
}

impl List {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first element.
    pub fn front(&self) -> Option<&[u8]> {
        self.chunks.front()?.front()
    }

    /// The last element.
    pub fn back(&self) -> Option<&[u8]> {
        self.chunks.back()?.back()
    }

    /// The element at a position.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        let (chunk, at) = (at < self.len).then(|| self.locate(at))?;
        Some(self.chunks[chunk].get(at))
    }

    /// The elements from a position on.
    pub fn iter_from(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let (chunk, inside) = if at < self.len { self.locate(at) } else { (self.chunks.len(), 0) };
        let first = self.chunks.get(chunk).map(|chunk| chunk.iter_from(inside)).unwrap_or_default();
        first.chain(self.chunks.range((chunk + 1).min(self.chunks.len())..).flat_map(Chunk::iter))
    }

    /// The elements from a position backwards to the first one.
    pub fn iter_rev_from(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        let (chunk, inside) = if at < self.len { self.locate(at) } else { (0, 0) };
        let first =
            self.chunks.get(chunk).filter(|_| at < self.len).map(|chunk| chunk.iter_rev_from(inside + 1));
        first.unwrap_or_default().chain(self.chunks.range(..chunk).rev().flat_map(Chunk::iter_rev))
    }

    /// All elements.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.iter_from(0)
    }

    /// What OBJECT ENCODING calls it: `quicklist`.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }

    /// Bytes allocated on the heap, estimated from a sample.
    pub fn heap_bytes(&self) -> usize {
        const SAMPLES: usize = 32;
        let samples = self.chunks.len().min(SAMPLES);
        if samples == 0 {
            return 0;
        }
        let step = self.chunks.len() / samples;
        let sampled: usize = (0..samples).map(|sample| self.chunks[sample * step].allocated_bytes()).sum();
        sampled * self.chunks.len() / samples + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Adds an element before all others.
    pub fn push_front(&mut self, element: &[u8], log: &mut impl Log<ListUndo>) {
        if !self.chunks.front().is_some_and(|chunk| chunk.has_room(element.len())) {
            if let Some(inner) = self.chunks.front_mut() {
                inner.shrink();
            }
            self.reserve_chunk();
            self.chunks.push_front(Chunk::default());
        }
        self.chunks[0].push_front(element);
        self.len += 1;
        log.record(|| ListUndo::PopFront);
    }

    /// Adds an element behind all others.
    pub fn push_back(&mut self, element: &[u8], log: &mut impl Log<ListUndo>) {
        if !self.chunks.back().is_some_and(|chunk| chunk.has_room(element.len())) {
            if let Some(inner) = self.chunks.back_mut() {
                inner.shrink();
            }
            self.reserve_chunk();
            self.chunks.push_back(Chunk::default());
        }
        self.chunks.back_mut().expect("a chunk with room").push_back(element);
        self.len += 1;
        log.record(|| ListUndo::PopBack);
    }

    /// Removes the first element.
    pub fn pop_front(&mut self, log: &mut impl Log<ListUndo>) -> Option<Blob> {
        self.pop_front_with(|element| element.into(), log)
    }

    /// Removes the first element after showing it.
    pub fn pop_front_with<R>(
        &mut self,
        show: impl FnOnce(&[u8]) -> R,
        log: &mut impl Log<ListUndo>,
    ) -> Option<R> {
        let chunk = self.chunks.front_mut()?;
        let element = chunk.front()?;
        let shown = show(element);
        log.record(|| ListUndo::PushFront(element.into()));
        chunk.pop_front();
        if chunk.len() == 0 {
            self.chunks.pop_front();
        }
        self.len -= 1;
        Some(shown)
    }

    /// Removes the last element.
    pub fn pop_back(&mut self, log: &mut impl Log<ListUndo>) -> Option<Blob> {
        self.pop_back_with(|element| element.into(), log)
    }

    /// Removes the last element after showing it.
    pub fn pop_back_with<R>(
        &mut self,
        show: impl FnOnce(&[u8]) -> R,
        log: &mut impl Log<ListUndo>,
    ) -> Option<R> {
        let chunk = self.chunks.back_mut()?;
        let element = chunk.back()?;
        let shown = show(element);
        log.record(|| ListUndo::PushBack(element.into()));
        chunk.pop_back();
        if chunk.len() == 0 {
            self.chunks.pop_back();
        }
        self.len -= 1;
        Some(shown)
    }

    /// Replaces the element at a position and answers whether there is one.
    pub fn set(&mut self, at: usize, element: &[u8], log: &mut impl Log<ListUndo>) -> bool {
        if at >= self.len {
            return false;
        }
        let (chunk, inside) = self.locate(at);
        log.record(|| ListUndo::Set { at, before: self.chunks[chunk].get(inside).into() });
        if self.chunks[chunk].has_room(element.len()) || self.chunks[chunk].len() == 1 {
            self.chunks[chunk].set(inside, element);
        } else {
            self.remove(at, &mut crate::log::NoLog);
            self.insert_before(at, element, &mut crate::log::NoLog);
        }
        true
    }

    /// Inserts an element so that it will be at position `at`, which is at most the length.
    pub fn insert_before(&mut self, at: usize, element: &[u8], log: &mut impl Log<ListUndo>) {
        if at == 0 {
            return self.push_front(element, log);
        }
        if at >= self.len {
            return self.push_back(element, log);
        }
        let (mut chunk, mut inside) = self.locate(at);
        if inside == 0 && self.chunks[chunk - 1].has_room(element.len()) {
            (chunk, inside) = (chunk - 1, self.chunks[chunk - 1].len());
        }
        if self.chunks[chunk].has_room(element.len()) {
            self.chunks[chunk].insert(inside, element);
        } else {
            let chunk = self.boundary(at);
            if self.chunks[chunk - 1].has_room(element.len()) {
                self.chunks[chunk - 1].push_back(element);
            } else if self.chunks[chunk].has_room(element.len()) {
                self.chunks[chunk].push_front(element);
            } else {
                let mut between = Chunk::default();
                between.push_back(element);
                self.chunks.insert(chunk, between);
            }
        }
        self.len += 1;
        log.record(|| ListUndo::Remove { at });
    }

    /// Removes the element at a position and answers whether there was one.
    pub fn remove(&mut self, at: usize, log: &mut impl Log<ListUndo>) -> bool {
        if at >= self.len {
            return false;
        }
        let (chunk, inside) = self.locate(at);
        log.record(|| ListUndo::Insert { at, element: self.chunks[chunk].get(inside).into() });
        self.chunks[chunk].remove(inside);
        self.len -= 1;
        if self.chunks[chunk].len() == 0 {
            self.chunks.remove(chunk);
        } else {
            self.merge_at(chunk);
        }
        true
    }

    /// Removes up to `count` elements from a position on, and answers how many.
    pub fn remove_range(&mut self, at: usize, count: usize, log: &mut impl Log<ListUndo>) -> usize {
        let count = count.min(self.len.saturating_sub(at));
        if count == 0 {
            return 0;
        }
        let end = at + count;
        let first = self.boundary(at);
        let last = self.boundary(end);
        let removed = self.chunks.drain(first..last);
        log.record(|| ListUndo::Replace { at, count: 0, chunks: removed.collect() });
        self.len -= count;
        self.merge_at(first);
        count
    }

    /// Removes up to `limit` elements that equal `element`, from the front or from the back, and answers how many.
    pub fn remove_equal(
        &mut self,
        element: &[u8],
        limit: usize,
        from_back: bool,
        log: &mut impl Log<ListUndo>,
    ) -> usize {
        let mut removed = 0;
        let mut at = if from_back { self.len } else { 0 };
        for step in 0..self.chunks.len() {
            if removed == limit {
                break;
            }
            let chunk = if from_back { self.chunks.len() - 1 - step } else { step };
            let chunk = &mut self.chunks[chunk];
            if from_back {
                at -= chunk.len();
            }
            let matching = chunk.iter().filter(|&other| other == element).count();
            let (drop, keep) = (matching.min(limit - removed), matching.saturating_sub(limit - removed));
            if drop > 0 {
                let skip = if from_back { keep } else { 0 };
                let kept = without(chunk, element, skip, drop);
                let count = kept.len();
                let before = std::mem::replace(chunk, kept);
                log.record(|| ListUndo::Replace { at, count, chunks: vec![before] });
                removed += drop;
            }
            if !from_back {
                at += chunk.len();
            }
        }
        self.chunks.retain(|chunk| chunk.len() > 0);
        self.len -= removed;
        removed
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: ListUndo) {
        let log = &mut crate::log::NoLog;
        match undo {
            ListUndo::PushFront(element) => self.push_front(&element, log),
            ListUndo::PushBack(element) => self.push_back(&element, log),
            ListUndo::PopFront => _ = self.pop_front(log),
            ListUndo::PopBack => _ = self.pop_back(log),
            ListUndo::Set { at, before } => _ = self.set(at, &before, log),
            ListUndo::Insert { at, element } => self.insert_before(at, &element, log),
            ListUndo::Remove { at } => _ = self.remove(at, log),
            ListUndo::Replace { at, count, chunks } => {
                self.remove_range(at, count, log);
                let first = self.boundary(at);
                self.len += chunks.iter().map(Chunk::len).sum::<usize>();
                if chunks.len() == 1 {
                    chunks.into_iter().for_each(|chunk| self.chunks.insert(first, chunk));
                } else {
                    let behind = self.chunks.split_off(first);
                    self.chunks.extend(chunks);
                    self.chunks.extend(behind);
                }
            }
        }
    }

    /// The chunk of a position below the length, and the position in it.
    fn locate(&self, at: usize) -> (usize, usize) {
        if at < self.len / 2 {
            let mut before = 0;
            for (index, chunk) in self.chunks.iter().enumerate() {
                if at < before + chunk.len() {
                    return (index, at - before);
                }
                before += chunk.len();
            }
        } else {
            let mut before = self.len;
            for (index, chunk) in self.chunks.iter().enumerate().rev() {
                before -= chunk.len();
                if at >= before {
                    return (index, at - before);
                }
            }
        }
        unreachable!("position {at} of {}", self.len)
    }

    /// The chunk that begins with a position, after one was split if need be; the number of chunks for the end.
    fn boundary(&mut self, at: usize) -> usize {
        if at >= self.len {
            return self.chunks.len();
        }
        let (chunk, inside) = self.locate(at);
        if inside == 0 {
            return chunk;
        }
        let right = self.chunks[chunk].split_off(inside);
        self.chunks.insert(chunk + 1, right);
        chunk + 1
    }

    /// Joins a chunk with the one before and the one behind it if they are small.
    fn merge_at(&mut self, chunk: usize) {
        for right in [chunk + 1, chunk] {
            if right == 0 || right >= self.chunks.len() {
                continue;
            }
            if self.chunks[right - 1].has_room_for(&self.chunks[right])
                && let Some(right_chunk) = self.chunks.remove(right)
            {
                self.chunks[right - 1].append(&right_chunk);
            }
        }
    }

    /// The first chunk of a list needs room for itself alone.
    fn reserve_chunk(&mut self) {
        if self.chunks.is_empty() {
            self.chunks.reserve_exact(1);
        }
    }
}

/// The chunk without `drop` of the elements equal to `element`, after the first `skip` of them.
fn without(chunk: &Chunk, element: &[u8], skip: usize, drop: usize) -> Chunk {
    let mut kept = Chunk::default();
    let mut seen = 0;
    for other in chunk.iter() {
        if other == element {
            seen += 1;
            if seen > skip && seen <= skip + drop {
                continue;
            }
        }
        kept.push_back(other);
    }
    kept
}
