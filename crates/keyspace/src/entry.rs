//! A key with its value, in one allocation. Unsafe: see `docs/decisions/014-one-allocation-for-a-key.md` for why.
//!
//! An [`Entry`] is a pointer of eight bytes to a header of eight bytes. Behind that lie the key and the text of a short
//! string, before it, each only if it is there and in this order: the deadline, the length of a long key, the value's
//! own part. That is an integer, or a collection's root, or a string that is long or grows; text of up to 255 bytes is a
//! value by itself. So a string of 32 bytes under a key of 16 takes 64 bytes with a deadline or without, an integer 32.
//!
//! Sizes are rounded to those in which allocators serve requests, so that a value is overwritten in place by one of
//! about its size.
#![allow(unsafe_code, reason = "a key and its value in one allocation")]

mod part;
#[cfg(test)]
mod tests;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

use self::part::Part;
use crate::access::{self, Chances, Lfu};
use crate::sizes::served;
use crate::table::Keyed;
use crate::types::{Hash, List, Set, Str, StrRef, Stream, VectorSet, ZSet};
use crate::value::{Content, Value, ValueMut, ValueRef};

/// A key with its value, its deadline and the traces of its use.
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns what it points to, and all that it can hold may move between threads (checked below).
unsafe impl Send for Entry {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<Value>();
    assert!(size_of::<Header>() == 8 && size_of::<Option<Entry>>() == 8);
    assert!(size_of::<Str>().is_multiple_of(8) && size_of::<Hash>().is_multiple_of(8));
};

#[repr(C, align(8))]
struct Header {
    accessed_s: Cell<u32>,
    uses: Cell<u8>,
    /// A kind and the flags below.
    form: u8,
    /// Of a key that is not long.
    key_len: u8,
    text_len: u8,
}

const HEADER: usize = size_of::<Header>();

const INT: u8 = 0;
const TEXT: u8 = 1;
const STR: u8 = 2;
const LIST: u8 = 3;
const HASH: u8 = 4;
const SET: u8 = 5;
const ZSET: u8 = 6;
const STREAM: u8 = 7;
const VECTORS: u8 = 8;
const KIND: u8 = 15;
/// There is a place for a deadline, 0 if there is none.
const DEADLINE: u8 = 16;
/// The key's length takes eight bytes of its own.
const LONG_KEY: u8 = 32;
const FORMS: usize = 64;

/// The longest text and the longest key whose length the header holds.
const SHORT: usize = u8::MAX as usize;

/// The bytes that lie before the header, by form.
const BEFORE: [u8; FORMS] = {
    let mut table = [0; FORMS];
    let mut form = 0;
    while form < FORMS {
        let fields = (form as u8 & DEADLINE != 0) as u8 + (form as u8 & LONG_KEY != 0) as u8;
        let part = match form as u8 & KIND {
            TEXT => 0,
            STR => size_of::<Str>() as u8,
            HASH => size_of::<Hash>() as u8,
            _ => 8,
        };
        table[form] = 8 * fields + part;
        form += 1;
    }
    table
};

impl Entry {
    pub(crate) fn new(key: &[u8], content: Content<'_>, deadline: Option<u64>, now_ms: u64) -> Self {
        Part::with(content, |part| Self::build(key, part, deadline, access::first(now_ms)))
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &[u8] {
        // SAFETY: the key lies there, is that long, and changes only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(HEADER), self.key_len()) }
    }

    /// The value.
    #[inline]
    pub fn value(&self) -> ValueRef<'_> {
        // SAFETY: a form tells what lies in the value's own part; it changes only through `&mut self`.
        unsafe {
            match self.kind() {
                INT => ValueRef::Str(StrRef::int(self.part::<i64>().read())),
                TEXT => ValueRef::Str(StrRef::text(self.text())),
                STR => ValueRef::Str((*self.part::<Str>()).view()),
                LIST => ValueRef::List(&*self.part::<Box<List>>()),
                HASH => ValueRef::Hash(&*self.part::<Hash>()),
                SET => ValueRef::Set(&*self.part::<Box<Set>>()),
                ZSET => ValueRef::ZSet(&*self.part::<Box<ZSet>>()),
                STREAM => ValueRef::Stream(&*self.part::<Box<Stream>>()),
                _ => ValueRef::VectorSet(&*self.part::<Box<VectorSet>>()),
            }
        }
    }

    /// The value if it is a string.
    #[inline]
    pub fn string(&self) -> Option<StrRef<'_>> {
        // SAFETY: as in `value`.
        unsafe {
            match self.kind() {
                TEXT => Some(StrRef::text(self.text())),
                INT => Some(StrRef::int(self.part::<i64>().read())),
                STR => Some((*self.part::<Str>()).view()),
                _ => None,
            }
        }
    }

    /// Whether the value is a string.
    #[inline]
    pub(crate) fn is_string(&self) -> bool {
        self.kind() <= STR
    }

    /// Whether the value lies in the entry itself.
    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        self.kind() <= TEXT
    }

    /// Whether the value is a hash.
    #[inline]
    pub(crate) fn has_fields(&self) -> bool {
        self.kind() == HASH
    }

    /// The moment from which the key is no more, in milliseconds since the epoch.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        if self.header().form & DEADLINE == 0 {
            return None;
        }
        // SAFETY: the form says that it is there.
        let deadline = unsafe { self.start().cast::<u64>().read() };
        (deadline != 0).then_some(deadline)
    }

    /// Seconds since the key was last read or written.
    pub fn idle_s(&self, now_ms: u64) -> u32 {
        access::seconds(now_ms).wrapping_sub(self.header().accessed_s.get())
    }

    /// How often the key was used of late, on a logarithmic scale to 255. Only counted on demand: see
    /// [`Txn::count_accesses`](crate::Txn::count_accesses).
    pub fn frequency(&self, now_ms: u64, scale: Lfu) -> u8 {
        access::decayed(self.uses(), now_ms, scale)
    }

    /// Bytes allocated for the entry itself, key and short value included.
    pub fn allocated_bytes(&self) -> usize {
        self.layout().size()
    }

    #[inline]
    pub(crate) fn is_live(&self, now_ms: u64) -> bool {
        self.deadline().is_none_or(|deadline| deadline > now_ms)
    }

    pub(crate) fn set_idle_s(&self, idle_s: u32, now_ms: u64) {
        self.header().accessed_s.set(access::seconds(now_ms).wrapping_sub(idle_s));
    }

    pub(crate) fn set_frequency(&self, count: u8, now_ms: u64) {
        self.header().accessed_s.set(access::seconds(now_ms));
        self.header().uses.set(count);
    }

    /// Writes only when the second has changed: a key that all workers read stays in all their caches.
    #[inline]
    pub(crate) fn touch(&self, now_ms: u64) {
        let (accessed_s, now_s) = (&self.header().accessed_s, access::seconds(now_ms));
        if accessed_s.get() != now_s {
            accessed_s.set(now_s);
        }
    }

    /// Counts a use.
    pub(crate) fn count_use(&self, now_ms: u64, scale: Lfu, chances: &Chances) {
        self.header().uses.set(access::counted(self.uses(), now_ms, scale, chances));
        self.touch(now_ms);
    }

    /// The value, if it is a collection or a stream.
    #[inline]
    pub(crate) fn value_mut(&mut self) -> ValueMut<'_> {
        // SAFETY: as in `value`, and nobody else looks at it while `self` is borrowed.
        unsafe {
            match self.kind() {
                INT | TEXT | STR => ValueMut::Str,
                LIST => ValueMut::List(&mut *self.part::<Box<List>>()),
                HASH => ValueMut::Hash(&mut *self.part::<Hash>()),
                SET => ValueMut::Set(&mut *self.part::<Box<Set>>()),
                ZSET => ValueMut::ZSet(&mut *self.part::<Box<ZSet>>()),
                STREAM => ValueMut::Stream(&mut *self.part::<Box<Stream>>()),
                _ => ValueMut::VectorSet(&mut *self.part::<Box<VectorSet>>()),
            }
        }
    }

    /// Changes the string that is the value; `None` if it is none.
    #[inline]
    pub(crate) fn change_string<R>(&mut self, change: impl FnOnce(&mut Str) -> R) -> Option<R> {
        if self.kind() == STR {
            // SAFETY: as in `value_mut`.
            let result = change(unsafe { &mut *self.part::<Str>() });
            self.take_in();
            return Some(result);
        }
        let mut string = self.string()?.to_str();
        let result = change(&mut string);
        match string.view().stored_int() {
            // SAFETY: the form says that an integer lies there.
            Some(int) if self.kind() == INT => unsafe { self.part::<i64>().write(int) },
            _ => drop(self.replace_part(Content::Value(Value::Str(string)))),
        }
        Some(result)
    }

    /// A string in a part of its own moves into the entry if it has become short.
    fn take_in(&mut self) {
        // SAFETY: the caller has found a string there.
        if unsafe { (*self.part::<Str>()).view() }.is_short(SHORT) {
            // SAFETY: as above; another is left in its place.
            let string = unsafe { self.part::<Str>().replace(Str::from(0)) };
            self.replace(Content::Value(Value::Str(string)), false);
        }
    }

    /// Replaces the value. Answers the old one if the caller wants to `keep` it or if it has to be freed.
    #[inline]
    pub(crate) fn replace(&mut self, content: Content<'_>, keep: bool) -> Option<Value> {
        let old = if keep { self.short_value() } else { None };
        if self.overwrite(&content) { old } else { old.or(self.replace_part(content)) }
    }

    /// Takes the content in where the old one lies, if it fits and nothing has to be freed.
    #[inline]
    pub(crate) fn overwrite(&mut self, content: &Content<'_>) -> bool {
        match (self.kind(), content) {
            (INT, Content::Int(int)) => {
                // SAFETY: the form says that an integer lies there.
                unsafe { self.part::<i64>().write(*int) };
                true
            }
            (TEXT, Content::Text(text)) if self.has_room_for(text) => {
                // SAFETY: there is room, and nobody looks at it while `self` is borrowed.
                unsafe {
                    self.text_ptr().copy_from_nonoverlapping(text.as_ptr(), text.len());
                    (*self.0.cast::<Header>().as_ptr()).text_len = text.len() as u8;
                }
                true
            }
            _ => false,
        }
    }

    /// Answers the old value if it has to be freed.
    #[inline(never)]
    fn replace_part(&mut self, content: Content<'_>) -> Option<Value> {
        Part::with(content, |part| match part {
            Part::Str(string) if self.kind() == STR => {
                // SAFETY: the form says that a string lies there.
                Some(Value::Str(unsafe { self.part::<Str>().replace(string) }))
            }
            part => self.rebuild_with(part),
        })
    }

    /// Sets or clears the deadline and answers what it was. Its place stays once it is there.
    pub(crate) fn set_deadline(&mut self, deadline: Option<u64>) -> Option<u64> {
        let before = self.deadline();
        if self.header().form & DEADLINE != 0 {
            // SAFETY: the form says that its place is there.
            unsafe { self.start().cast::<u64>().write(deadline.unwrap_or(0)) };
        } else if deadline.is_some() {
            // SAFETY: the part moves into the new allocation, and the old one is freed without it.
            unsafe {
                let new = Self::build(self.key(), self.read_part(), deadline, self.uses());
                self.become_without_dropping(new);
            }
        }
        before
    }

    /// Gives it another key.
    pub(crate) fn rename(&mut self, key: &[u8]) {
        // SAFETY: as in `set_deadline`.
        unsafe {
            let new = Self::build(key, self.read_part(), self.deadline(), self.uses());
            self.become_without_dropping(new);
        }
    }

    // ---- the allocation ----

    fn build(key: &[u8], part: Part<'_>, deadline: Option<u64>, (accessed_s, uses): (u32, u8)) -> Self {
        let mut form = part.kind();
        form |= if deadline.is_some() { DEADLINE } else { 0 };
        form |= if key.len() > SHORT { LONG_KEY } else { 0 };
        let text = if let Part::Text(text) = part { text } else { &[] };
        let before = usize::from(BEFORE[usize::from(form)]);
        let layout = layout(served(before + HEADER + key.len() + text.len()));
        let (key_len, text_len) = (key.len() as u8, text.len() as u8);
        let header =
            Header { accessed_s: Cell::new(accessed_s), uses: Cell::new(uses), form, key_len, text_len };
        // SAFETY: all that is written lies within the layout, one behind the other, and what needs it at a multiple of
        // eight.
        unsafe {
            let Some(start) = NonNull::new(alloc(layout)) else { handle_alloc_error(layout) };
            let at = start.add(before);
            if let Some(deadline) = deadline {
                start.cast::<u64>().write(deadline);
            }
            if key.len() > SHORT {
                start.cast::<usize>().add(usize::from(deadline.is_some())).write(key.len());
            }
            part.write_before(at);
            at.cast::<Header>().write(header);
            let key_place = at.add(HEADER).as_ptr();
            key_place.copy_from_nonoverlapping(key.as_ptr(), key.len());
            key_place.add(key.len()).copy_from_nonoverlapping(text.as_ptr(), text.len());
            Entry(at)
        }
    }

    /// Takes the part in, in a new allocation, and answers what was there if it has to be freed.
    fn rebuild_with(&mut self, part: Part<'_>) -> Option<Value> {
        let new = Self::build(self.key(), part, self.deadline(), self.uses());
        // SAFETY: what it was made of moves out, or goes with the allocation.
        unsafe {
            let old = match self.read_part() {
                Part::Int(_) | Part::Text(_) => None,
                part => Some(part.into_value()),
            };
            self.become_without_dropping(new);
            old
        }
    }

    /// # Safety
    /// The value's part must have been moved out.
    unsafe fn become_without_dropping(&mut self, new: Self) {
        // SAFETY: the allocation has this layout, and nothing refers to it.
        unsafe { dealloc(self.start(), self.layout()) };
        self.0 = ManuallyDrop::new(new).0;
    }

    /// # Safety
    /// The part must not be used or dropped in its old place after that, unless it is an integer or text.
    unsafe fn read_part(&self) -> Part<'_> {
        // SAFETY: a form tells what lies in the value's own part; it is the caller's now.
        unsafe {
            match self.kind() {
                INT => Part::Int(self.part::<i64>().read()),
                TEXT => Part::Text(self.text()),
                STR => Part::Str(self.part::<Str>().read()),
                LIST => Part::List(self.part::<Box<List>>().read()),
                HASH => Part::Hash(self.part::<Hash>().read()),
                SET => Part::Set(self.part::<Box<Set>>().read()),
                ZSET => Part::ZSet(self.part::<Box<ZSet>>().read()),
                STREAM => Part::Stream(self.part::<Box<Stream>>().read()),
                _ => Part::VectorSet(self.part::<Box<VectorSet>>().read()),
            }
        }
    }

    /// A copy of the value if it is an integer or text.
    fn short_value(&self) -> Option<Value> {
        if self.kind() == STR { None } else { self.string().map(|string| Value::Str(string.to_str())) }
    }

    /// Whether the allocation serves for this text as well, the layout staying what it is.
    #[inline]
    fn has_room_for(&self, text: &[u8]) -> bool {
        text.len() == usize::from(self.header().text_len)
            || text.len() <= SHORT && served(self.size_without_text() + text.len()) == self.size()
    }

    #[inline]
    fn layout(&self) -> Layout {
        layout(self.size())
    }

    #[inline]
    fn size(&self) -> usize {
        served(self.size_without_text() + usize::from(self.header().text_len))
    }

    #[inline]
    fn size_without_text(&self) -> usize {
        self.before() + HEADER + self.key_len()
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: it lies there as long as the entry does; what is no cell changes only through `&mut self`.
        unsafe { self.0.cast().as_ref() }
    }

    #[inline]
    fn kind(&self) -> u8 {
        self.header().form & KIND
    }

    fn uses(&self) -> (u32, u8) {
        (self.header().accessed_s.get(), self.header().uses.get())
    }

    #[inline]
    fn key_len(&self) -> usize {
        if self.header().form & LONG_KEY == 0 {
            usize::from(self.header().key_len)
        } else {
            self.long_key_len()
        }
    }

    #[cold]
    fn long_key_len(&self) -> usize {
        let deadlines = usize::from(self.header().form & DEADLINE != 0);
        // SAFETY: the form says that the length lies there.
        unsafe { self.start().cast::<usize>().add(deadlines).read() }
    }

    #[inline]
    fn text_ptr(&self) -> *mut u8 {
        // SAFETY: text lies behind the key.
        unsafe { self.0.as_ptr().add(HEADER + self.key_len()) }
    }

    #[inline]
    fn text(&self) -> &[u8] {
        // SAFETY: it is that long, and changes only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.text_ptr(), usize::from(self.header().text_len)) }
    }

    /// The value's own part, if it is of this type.
    #[inline]
    fn part<T>(&self) -> *mut T {
        // SAFETY: it lies right before the header.
        unsafe { self.0.as_ptr().cast::<T>().sub(1) }
    }

    /// Where the allocation begins.
    #[inline]
    fn start(&self) -> *mut u8 {
        // SAFETY: the form tells how much lies before the header.
        unsafe { self.0.as_ptr().sub(self.before()) }
    }

    #[inline]
    fn before(&self) -> usize {
        usize::from(BEFORE[usize::from(self.header().form) % FORMS])
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: the part is dropped once, then the allocation that it lies in is freed.
        unsafe {
            drop(self.read_part());
            dealloc(self.start(), self.layout());
        }
    }
}

#[inline]
fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("a size that can be allocated")
}

impl Keyed for Entry {
    #[inline]
    fn key(&self) -> &[u8] {
        self.key()
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" {:?} {:?}", self.key().escape_ascii(), self.value(), self.deadline())
    }
}
