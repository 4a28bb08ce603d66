//! Strings.

use std::ops::RangeBounds;

use bytes::Bytes;

use super::Blob;
use super::buffer::{Buffer, LARGE};
use crate::log::Log;

/// Content that fits without an allocation.
const INLINE: usize = 22;
/// Redis's longest `embstr`, in bytes.
const EMBSTR: usize = 44;

/// A string value of 24 bytes: an integer, short content in place, or content on the heap.
///
/// A string that was changed in place stays in a growing buffer, as Redis's `raw` strings do; a large one is in one from
/// the beginning.
#[derive(Clone, Debug)]
pub struct Str(Repr);

const _: () = assert!(size_of::<Str>() == 24);

#[derive(Clone, Debug)]
enum Repr {
    Int(i64),
    Inline(u8, [u8; INLINE]),
    Fixed(Box<[u8]>),
    /// A thin pointer keeps the enum at 24 bytes.
    Grown(Box<Buffer>),
}

/// What undoes a change of a [`Str`].
#[derive(Debug)]
pub enum StrUndo {
    /// The whole string as it was.
    Whole(Str),
    /// Part of the content as it was.
    Part {
        /// Where the change began.
        offset: usize,
        /// What was there.
        before: Blob,
        /// The length before.
        len: usize,
        /// Whether it was not yet in a growing buffer.
        fixed: bool,
    },
}

impl Str {
    /// A string as SET stores it: an integer if the bytes are exactly how one is written.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        canonical_int(bytes).map_or_else(|| Self::from_text(bytes), Self::from)
    }

    /// A string that is stored as bytes even if they are an integer, as INCRBYFLOAT's result is.
    pub fn from_text(bytes: &[u8]) -> Self {
        if bytes.len() >= LARGE {
            return Self(Repr::Grown(Box::new(Buffer::copied(bytes))));
        }
        if bytes.len() > INLINE {
            return Self(Repr::Fixed(bytes.into()));
        }
        let mut inline = [0; INLINE];
        inline[..bytes.len()].copy_from_slice(bytes);
        Self(Repr::Inline(bytes.len() as u8, inline))
    }

    /// A string of encoding `raw`, as SETRANGE and APPEND leave them.
    pub fn raw(bytes: Vec<u8>) -> Self {
        Self(Repr::Grown(Box::new(Buffer::Heap(bytes))))
    }

    /// The same, to be read.
    #[inline]
    pub fn view(&self) -> StrRef<'_> {
        StrRef(match &self.0 {
            Repr::Int(value) => View::Int(*value),
            Repr::Inline(len, bytes) => View::Text(&bytes[..usize::from(*len)]),
            Repr::Fixed(bytes) => View::Fixed(bytes),
            Repr::Grown(bytes) => View::Grown(bytes),
        })
    }

    /// The content; an integer is written into `scratch`.
    pub fn as_bytes<'a>(&'a self, scratch: &'a mut itoa::Buffer) -> &'a [u8] {
        self.view().as_bytes(scratch)
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the content lies in a growing buffer.
    pub fn is_raw(&self) -> bool {
        matches!(self.0, Repr::Grown(_))
    }

    /// Replaces the whole string.
    pub fn set(&mut self, value: Self, log: &mut impl Log<StrUndo>) {
        let before = std::mem::replace(self, value);
        log.record(|| StrUndo::Whole(before));
    }

    /// Appends, and answers the new length.
    pub fn append(&mut self, bytes: &[u8], log: &mut impl Log<StrUndo>) -> usize {
        self.write(self.len(), bytes, log)
    }

    /// Overwrites from `offset` on, after zeros if that is beyond the end, and answers the new length. Nothing changes
    /// if `bytes` is empty.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8], log: &mut impl Log<StrUndo>) -> usize {
        if bytes.is_empty() { self.len() } else { self.write(offset, bytes, log) }
    }

    /// Undoes one change, and answers what has to be freed.
    pub fn undo(&mut self, undo: StrUndo) -> Option<Self> {
        match undo {
            StrUndo::Whole(before) => Some(std::mem::replace(self, before)),
            StrUndo::Part { offset, before, len, fixed } => {
                let Repr::Grown(content) = &mut self.0 else { return None };
                if offset + before.len() <= content.len() {
                    content.write(offset, &before);
                }
                if fixed {
                    let content = Repr::Fixed(content[..len].into());
                    return Some(Self(std::mem::replace(&mut self.0, content)));
                }
                content.truncate(len).map(|rest| Self(Repr::Grown(Box::new(rest))))
            }
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8], log: &mut impl Log<StrUndo>) -> usize {
        let fixed = !matches!(self.0, Repr::Grown(_));
        match &mut self.0 {
            Repr::Grown(_) => {}
            Repr::Fixed(content) => {
                *self = Self::raw(Vec::from(std::mem::take(content)));
            }
            Repr::Int(_) | Repr::Inline(..) => {
                let content = self.as_bytes(&mut itoa::Buffer::new()).to_vec();
                let before = std::mem::replace(self, Self::raw(content));
                log.record(|| StrUndo::Whole(before));
                return self.write(offset, bytes, &mut crate::log::NoLog);
            }
        }
        let Repr::Grown(content) = &mut self.0 else { unreachable!("it was made one above") };
        let (len, end) = (content.len(), offset + bytes.len());
        log.record(|| {
            let before = Blob::from(&content[offset.min(len)..end.min(len)]);
            StrUndo::Part { offset, before, len, fixed }
        });
        content.write(offset, bytes);
        content.len()
    }
}

/// A string as it is read, wherever its content lies.
#[derive(Clone, Copy, Debug)]
pub struct StrRef<'a>(View<'a>);

#[derive(Clone, Copy, Debug)]
enum View<'a> {
    Int(i64),
    /// Content without an allocation of its own.
    Text(&'a [u8]),
    Fixed(&'a [u8]),
    Grown(&'a Buffer),
}

impl<'a> StrRef<'a> {
    #[inline]
    pub(crate) fn int(value: i64) -> Self {
        Self(View::Int(value))
    }

    #[inline]
    pub(crate) fn text(bytes: &'a [u8]) -> Self {
        Self(View::Text(bytes))
    }

    /// The content; an integer is written into `scratch`.
    #[inline]
    pub fn as_bytes(self, scratch: &'a mut itoa::Buffer) -> &'a [u8] {
        match self.0 {
            View::Int(value) => scratch.format(value).as_bytes(),
            View::Text(bytes) | View::Fixed(bytes) => bytes,
            View::Grown(bytes) => bytes,
        }
    }

    /// The integer that the content is exactly the canonical text of.
    pub fn as_int(self) -> Option<i64> {
        match self.0 {
            View::Int(value) => Some(value),
            _ => canonical_int(self.as_bytes(&mut itoa::Buffer::new())),
        }
    }

    /// Part of the content, without a copy of it, where it is large enough for that to be worth it: see
    /// `docs/decisions/019-large-strings-in-pages-of-their-own.md`.
    ///
    /// # Panics
    /// If the part does not lie within the content.
    #[inline]
    pub fn share(self, part: impl RangeBounds<usize>) -> Option<Bytes> {
        if let View::Grown(bytes) = self.0 { bytes.share(part) } else { None }
    }

    /// The length in bytes.
    pub fn len(self) -> usize {
        self.as_bytes(&mut itoa::Buffer::new()).len()
    }

    /// Whether there is no content.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// What OBJECT ENCODING calls it: `int`, `embstr` or `raw`.
    pub fn encoding(self) -> &'static str {
        match self.0 {
            View::Int(_) => "int",
            View::Text(bytes) | View::Fixed(bytes) if bytes.len() <= EMBSTR => "embstr",
            _ => "raw",
        }
    }

    /// Bytes allocated on the heap, beside the key's entry.
    pub fn heap_bytes(self) -> usize {
        match self.0 {
            View::Int(_) | View::Text(_) => 0,
            View::Fixed(bytes) => bytes.len(),
            View::Grown(bytes) => size_of::<Buffer>() + bytes.capacity(),
        }
    }

    /// A copy.
    #[inline]
    pub fn to_str(self) -> Str {
        match self.0 {
            View::Int(value) => Str::from(value),
            View::Text(bytes) | View::Fixed(bytes) => Str::from_text(bytes),
            View::Grown(bytes) => Str(Repr::Grown(Box::new(bytes.clone()))),
        }
    }

    /// The integer as which it is stored.
    #[inline]
    pub(crate) fn stored_int(self) -> Option<i64> {
        if let View::Int(value) = self.0 { Some(value) } else { None }
    }

    /// Whether it need not lie in a buffer of its own, where `limit` bytes fit in place.
    pub(crate) fn is_short(self, limit: usize) -> bool {
        match self.0 {
            View::Int(_) => true,
            View::Text(bytes) | View::Fixed(bytes) => bytes.len() <= limit,
            View::Grown(_) => false,
        }
    }
}

impl From<i64> for Str {
    fn from(value: i64) -> Self {
        Self(Repr::Int(value))
    }
}

/// The integer whose only decimal spelling these bytes are: no sign but a minus, no leading zeros, no space.
pub fn canonical_int(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative { 0_i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() }
}
