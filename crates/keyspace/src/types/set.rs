//! Sets.

mod intset;

use self::intset::IntSet;
use super::{Blob, Limits, canonical_int};
use crate::{
    log::{Log, NoLog},
    table::{Keyed, Table, hash_of},
};
use std::{borrow::Cow, fmt, ops::Deref};

/// Distinct members. A small set of integers is a sorted array; any other lives in a [`Table`], for good.
#[derive(Clone, Debug)]
pub struct Set(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Ints(IntSet),
    Table(Box<Table<Blob>>),
}

impl Keyed for Blob {
    fn key(&self) -> &[u8] {
        self
    }
}

/// What undoes a change of a [`Set`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum SetUndo {
    InsertInt(i64),
    RemoveInt(i64),
    Unconvert(IntSet),
    RemoveLast,
    Insert { at: usize, member: Blob },
}

impl Default for Set {
    fn default() -> Self {
        Self(Repr::Ints(IntSet::default()))
    }
}

impl Set {
    /// The number of members.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Ints(ints) => ints.len(),
            Repr::Table(table) => table.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a member.
    pub fn contains(&self, member: &[u8]) -> bool {
        match &self.0 {
            Repr::Ints(ints) => canonical_int(member).is_some_and(|value| ints.position(value).is_ok()),
            Repr::Table(table) => table.get(member).is_some(),
        }
    }

    /// Whether this integer, in its canonical spelling, is a member.
    pub fn contains_int(&self, value: i64) -> bool {
        match &self.0 {
            Repr::Ints(ints) => ints.position(value).is_ok(),
            Repr::Table(table) => table.get(itoa::Buffer::new().format(value).as_bytes()).is_some(),
        }
    }

    /// The member at a position of the iteration order, in O(1).
    pub fn get_at(&self, at: usize) -> Option<Member<'_>> {
        match &self.0 {
            Repr::Ints(ints) => (at < ints.len()).then(|| Member::int(ints.value(at))),
            Repr::Table(table) => table.get_at(at).map(|member| Member::bytes(member)),
        }
    }

    /// The members: integers of a small set ascending, others in an order that depends only on the operations.
    pub fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        let (ints, table) = match &self.0 {
            Repr::Ints(ints) => (Some(ints), None),
            Repr::Table(table) => (None, Some(table)),
        };
        let ints = ints.into_iter().flat_map(|ints| ints.iter().map(Member::int));
        ints.chain(table.into_iter().flat_map(|table| table.iter().map(|member| Member::bytes(member))))
    }

    /// The members as integers, ascending, if that is how they are stored.
    pub fn ints(&self) -> Option<impl Iterator<Item = i64>> {
        match &self.0 {
            Repr::Ints(ints) => Some(ints.iter()),
            Repr::Table(_) => None,
        }
    }

    /// One step of an iteration that survives changes in between; see [`Table::scan`]. A small set of integers is
    /// visited whole.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(Member<'a>)) -> u64 {
        match &self.0 {
            Repr::Ints(ints) => {
                ints.iter().map(Member::int).for_each(visit);
                0
            }
            Repr::Table(table) => table.scan(cursor, |member| visit(Member::bytes(member))),
        }
    }

    /// What OBJECT ENCODING calls it: `intset` or `hashtable`.
    pub fn encoding(&self) -> &'static str {
        match &self.0 {
            Repr::Ints(_) => "intset",
            Repr::Table(_) => "hashtable",
        }
    }

    /// Bytes allocated on the heap, estimated from so many elements; from all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        match &self.0 {
            Repr::Ints(ints) => ints.heap_bytes(),
            Repr::Table(table) => {
                size_of::<Table<Blob>>()
                    + table.allocated_bytes()
                    + table.sampled_bytes(samples, Blob::heap_bytes)
            }
        }
    }

    /// Adds a member and answers whether it is new.
    pub fn insert(&mut self, member: &[u8], limits: &Limits, log: &mut impl Log<SetUndo>) -> bool {
        match &mut self.0 {
            Repr::Ints(ints) => {
                let value = canonical_int(member);
                if let Some(value) = value {
                    let Err(at) = ints.position(value) else { return false };
                    if ints.len() < limits.set_max_intset_entries {
                        ints.insert(at, value);
                        log.record(|| SetUndo::RemoveInt(value));
                        return true;
                    }
                }
                let ints = std::mem::take(ints);
                let mut table = Table::default();
                for member in ints.iter().map(Member::int) {
                    table.insert_unique(Blob::from(&*member));
                }
                self.0 = Repr::Table(Box::new(table));
                log.record(|| SetUndo::Unconvert(ints));
                self.insert(member, limits, &mut NoLog)
            }
            Repr::Table(table) => {
                let hash = hash_of(member);
                if table.get_hashed(hash, member).is_some() {
                    return false;
                }
                table.insert_unique_hashed(hash, member.into());
                log.record(|| SetUndo::RemoveLast);
                true
            }
        }
    }

    /// Removes a member and answers whether it was there. In a big set the last member takes its position.
    pub fn remove(&mut self, member: &[u8], log: &mut impl Log<SetUndo>) -> bool {
        let at = match &self.0 {
            Repr::Ints(ints) => canonical_int(member).and_then(|value| ints.position(value).ok()),
            Repr::Table(table) => table.get_index_of(member),
        };
        at.is_some_and(|at| self.remove_at(at, log))
    }

    /// Removes the member at a position and answers whether there was one.
    pub fn remove_at(&mut self, at: usize, log: &mut impl Log<SetUndo>) -> bool {
        if at >= self.len() {
            return false;
        }
        match &mut self.0 {
            Repr::Ints(ints) => {
                let value = ints.remove(at);
                log.record(|| SetUndo::InsertInt(value));
            }
            Repr::Table(table) => {
                let member = table.swap_remove_at(at);
                log.record(|| SetUndo::Insert { at, member });
            }
        }
        true
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: SetUndo) {
        match (&mut self.0, undo) {
            (_, SetUndo::Unconvert(ints)) => self.0 = Repr::Ints(ints),
            (Repr::Ints(ints), SetUndo::InsertInt(value)) => {
                let (Ok(at) | Err(at)) = ints.position(value);
                ints.insert(at, value);
            }
            (Repr::Ints(ints), SetUndo::RemoveInt(value)) => {
                let (Ok(at) | Err(at)) = ints.position(value);
                ints.remove(at);
            }
            (Repr::Table(table), SetUndo::RemoveLast) => drop(table.swap_remove_at(table.len() - 1)),
            (Repr::Table(table), SetUndo::Insert { at, member }) => table.insert_at(at, member),
            (_, undo) => unreachable!("{undo:?} was not recorded by this encoding"),
        }
    }
}

/// A member of a set as bytes.
#[derive(Clone)]
pub struct Member<'a>(Text<'a>);

#[derive(Clone)]
enum Text<'a> {
    Int { value: i64, len: u8, text: [u8; 20] },
    Bytes(&'a [u8]),
}

impl<'a> Member<'a> {
    /// The integer, if the set stores it as one.
    pub fn as_int(&self) -> Option<i64> {
        match self.0 {
            Text::Int { value, .. } => Some(value),
            Text::Bytes(_) => None,
        }
    }

    /// The bytes for as long as the set is borrowed; those of an integer are copied.
    pub fn into_bytes(self) -> Cow<'a, [u8]> {
        match self.0 {
            Text::Int { .. } => Cow::Owned(self.to_vec()),
            Text::Bytes(bytes) => Cow::Borrowed(bytes),
        }
    }

    fn int(value: i64) -> Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(value).as_bytes();
        let mut text = [0; 20];
        text[..digits.len()].copy_from_slice(digits);
        Self(Text::Int { value, len: digits.len() as u8, text })
    }

    fn bytes(bytes: &'a [u8]) -> Self {
        Self(Text::Bytes(bytes))
    }
}

impl Deref for Member<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Text::Int { len, text, .. } => &text[..usize::from(*len)],
            Text::Bytes(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
