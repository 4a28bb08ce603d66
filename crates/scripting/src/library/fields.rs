//! The fields of tables that are being written, in a fixed order: numbers ascending, then strings by their bytes.
//!
//! They are collected in slices. Those of a large table are sorted in runs of a few thousand, which a heap merges when they are taken.

use std::cmp::Ordering;
use std::ffi::c_int;
use std::slice;

use mlua::ffi;

use super::text::Pace;
use crate::stack::{Kind, Stack};

/// Values of a table that wait on the Lua stack for their turn; what goes beyond is looked up again.
const WAITING: usize = 64;
/// Fields that are sorted at one go.
const RUN: usize = 4096;

/// The fields of all tables that are open, those of the innermost last.
#[derive(Default)]
pub(crate) struct Fields {
    /// Those of small tables, and of large ones while they are collected.
    fields: Vec<Field>,
    runs: Vec<Run>,
}

/// The fields of one table: where they are, and how many have been taken.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    first: usize,
    first_run: usize,
    taken: usize,
    /// Keys that are neither numbers nor strings, and were not collected.
    pub(crate) others: usize,
}

/// A key of a table that is being written, and where its value is. A string is held by its table, which nobody changes
/// meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// The number in an order-preserving form, or the first bytes of the string.
    order: u64,
    pub(crate) name: Name,
    /// The stack index of the value; 0 when it must be looked up.
    value: c_int,
}

/// What a key is.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    Number(f64),
    String { start: *const u8, length: usize },
}

/// Sorted fields, the first of which have been taken.
struct Run {
    fields: Vec<Field>,
    taken: usize,
}

impl Fields {
    /// A table's fields are going to be collected.
    pub(crate) fn begin(&self) -> Part {
        Part { first: self.fields.len(), first_run: self.runs.len(), taken: 0, others: 0 }
    }

    /// Collects the number and string keys of the table, with the key on top that the first one follows. Some of their values stay
    /// on the stack. Takes two free slots besides. False: the rest is left for later.
    pub(crate) fn collect(
        &mut self,
        part: &mut Part,
        stack: Stack,
        table: c_int,
        turns: &mut impl Pace,
    ) -> bool {
        let room = stack.reserve(WAITING as c_int + 3);
        while stack.next(table) {
            let (order, name) = match stack.kind(-2) {
                Kind::Number => {
                    let number = stack.number(-2);
                    (order_of(number), Name::Number(number))
                }
                Kind::String => {
                    let bytes = stack.bytes(-2);
                    (prefix_of(bytes), Name::String { start: bytes.as_ptr(), length: bytes.len() })
                }
                _ => {
                    part.others += 1;
                    stack.pop(1);
                    continue;
                }
            };
            let count = self.fields.len() - part.first;
            let value = if room && count < WAITING && self.runs.len() == part.first_run {
                stack.insert(-2);
                stack.top() - 1
            } else {
                stack.pop(1);
                0
            };
            self.fields.push(Field { order, name, value });
            if count + 1 == RUN {
                self.end_run(part);
            }
            if turns.spend(1) {
                return false;
            }
        }
        if self.runs.len() == part.first_run {
            self.fields[part.first..].sort_unstable_by(Field::compare);
        } else {
            self.end_run(part);
            let runs = &mut self.runs[part.first_run..];
            (0..runs.len() / 2).rev().for_each(|at| sift(runs, at));
        }
        true
    }

    fn end_run(&mut self, part: &Part) {
        let mut fields = self.fields[part.first..].to_vec();
        fields.sort_unstable_by(Field::compare);
        self.fields.truncate(part.first);
        self.runs.push(Run { fields, taken: 0 });
    }

    /// How many fields were collected.
    pub(crate) fn count(&self, part: &Part) -> usize {
        let in_runs: usize = self.runs[part.first_run..].iter().map(|run| run.fields.len()).sum();
        self.fields.len() - part.first + in_runs
    }

    /// The bytes that they take.
    pub(crate) fn used_bytes(&self) -> usize {
        (self.fields.len() + self.runs.len() * RUN) * size_of::<Field>()
    }

    /// The next field in order.
    #[inline]
    pub(crate) fn take(&mut self, part: &mut Part) -> Option<Field> {
        if self.runs.len() > part.first_run {
            return self.take_from_runs(part);
        }
        let field = self.fields.get(part.first + part.taken).copied();
        part.taken += 1;
        field
    }

    fn take_from_runs(&mut self, part: &Part) -> Option<Field> {
        let runs = &mut self.runs[part.first_run..];
        let field = runs[0].first().copied()?;
        runs[0].taken += 1;
        sift(runs, 0);
        Some(field)
    }

    /// All fields of the table have been taken, and those of the tables within it are done with.
    pub(crate) fn end(&mut self, part: &Part) {
        self.fields.truncate(part.first);
        self.runs.truncate(part.first_run);
    }

    /// Forgets all, and gives back what was unusually large.
    pub(crate) fn release(&mut self, kept_bytes: usize) {
        self.fields.clear();
        self.fields.shrink_to(kept_bytes / size_of::<Field>());
        self.runs.clear();
    }
}

impl Run {
    fn first(&self) -> Option<&Field> {
        self.fields.get(self.taken)
    }

    /// Whether its first field comes before the other's; one that is used up comes last.
    fn precedes(&self, other: &Run) -> bool {
        match (self.first(), other.first()) {
            (Some(ours), Some(theirs)) => ours.compare(theirs) == Ordering::Less,
            (ours, _) => ours.is_some(),
        }
    }
}

/// Moves a run down the heap to where it belongs.
fn sift(runs: &mut [Run], mut at: usize) {
    loop {
        let children = 2 * at + 1..(2 * at + 3).min(runs.len());
        let least = children.reduce(|a, b| if runs[b].precedes(&runs[a]) { b } else { a });
        match least {
            Some(least) if runs[least].precedes(&runs[at]) => {
                runs.swap(at, least);
                at = least;
            }
            _ => return,
        }
    }
}

impl Name {
    pub(crate) fn bytes<'a>(self) -> &'a [u8] {
        match self {
            Name::Number(_) => &[],
            // SAFETY: the string is alive as long as its table; see `Field`.
            Name::String { start, length } => unsafe { slice::from_raw_parts(start, length) },
        }
    }
}

impl Field {
    /// Pushes the value of the key.
    pub(crate) fn push_value(&self, stack: Stack, table: c_int) {
        if self.value != 0 {
            return stack.push_value(self.value);
        }
        match self.name {
            Name::Number(number) => stack.push_number(number),
            Name::String { .. } => stack.push_bytes(self.name.bytes()),
        }
        stack.raw_get(table);
    }

    fn compare(&self, other: &Field) -> Ordering {
        match (self.name, other.name) {
            (Name::Number(_), Name::String { .. }) => Ordering::Less,
            (Name::String { .. }, Name::Number(_)) => Ordering::Greater,
            _ => self.order.cmp(&other.order).then_with(|| self.name.bytes().cmp(other.name.bytes())),
        }
    }
}

/// Replaces the table on top by one with the same fields if it is weak: a collection could take its keys away while they are being
/// written. Takes four free slots.
pub(crate) fn hold(stack: Stack) {
    // SAFETY: the value on top is a table.
    if unsafe { ffi::lua_getmetatable(stack.state(), -1) } == 0 {
        return;
    }
    stack.push_bytes(b"__mode");
    stack.raw_get(-2);
    let is_weak = stack.kind(-1) == Kind::String;
    stack.pop(2);
    if !is_weak {
        return;
    }
    let table = stack.top();
    stack.push_table(0, 0);
    stack.push_nil();
    while stack.next(table) {
        stack.push_value(-2);
        stack.insert(-2);
        stack.raw_set(table + 1);
    }
    // SAFETY: the copy is on top, above the table that it replaces.
    unsafe { ffi::lua_replace(stack.state(), table) };
}

/// A number as an integer that compares alike.
fn order_of(number: f64) -> u64 {
    let bits = number.to_bits();
    if number.is_sign_negative() { !bits } else { bits | (1 << 63) }
}

fn prefix_of(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..bytes.len()].copy_from_slice(bytes);
            u64::from_be_bytes(first)
        }
    }
}
