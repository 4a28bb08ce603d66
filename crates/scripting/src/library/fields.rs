//! The fields of tables that are being written, in a fixed order: numbers ascending, then strings by their bytes.
//!
//! They are collected in slices. Those of a large table are sorted in runs of a few thousand, which a heap merges when they are taken.

use std::cmp::Ordering;
use std::ffi::c_int;
use std::slice;

use mlua::ffi;

use super::scan;
use super::text::Pace;
use crate::stack::{Kind, Stack};

/// Values of a table that wait on the Lua stack for their turn, about; what goes beyond is looked up again.
const WAITING: usize = 64;
/// Slots by which the stack grows for them, and those that stay free above them.
const MORE: c_int = 32;
const SPARE: c_int = 8;
/// Fields that are sorted by insertion.
const FEW: usize = 16;
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
    first: u32,
    first_run: u32,
    taken: u32,
    /// Keys that are neither numbers nor strings, and were not collected.
    pub(crate) others: u32,
}

/// A key of a table that is being written, and where its value is. A string is held by its table, which nobody changes
/// meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// The number in an order-preserving form, or the first bytes of the string.
    order: u64,
    /// The string; null for a number.
    start: *const u8,
    length: u32,
    /// The stack index of the value; 0 when it must be looked up.
    pub(crate) value: c_int,
}

/// What a key is.
#[derive(Clone, Copy)]
pub(crate) enum Name<'a> {
    Number(f64),
    String(&'a [u8]),
}

/// Sorted fields, the first of which have been taken.
struct Run {
    fields: Vec<Field>,
    taken: usize,
}

impl Fields {
    /// A table's fields are going to be collected.
    pub(crate) fn begin(&self) -> Part {
        Part { first: self.fields.len() as u32, first_run: self.runs.len() as u32, taken: 0, others: 0 }
    }

    /// Collects the number and string keys of the table, with the key on top that the first one follows, or with the first one and its
    /// value. Some of their values stay on the stack, up to the slot `room` or further. Takes three free slots besides. False: the rest is left for later.
    pub(crate) fn collect(
        &mut self,
        part: &mut Part,
        stack: Stack,
        table: c_int,
        at_value: bool,
        room: &mut c_int,
        turns: &mut impl Pace,
    ) -> bool {
        let mut may_wait = self.runs.len() == part.first_run as usize;
        // Where the next key is going to be.
        let mut top = if at_value { stack.top() - 1 } else { stack.top() };
        let mut goes_on = at_value || stack.next(table);
        while goes_on {
            let Some(mut field) = Field::of_key(stack, -2) else {
                part.others += 1;
                stack.pop(1);
                goes_on = stack.next(table);
                continue;
            };
            if may_wait && top + SPARE > *room {
                may_wait = self.fields.len() - (part.first as usize) < WAITING && stack.reserve(MORE + SPARE);
                if may_wait {
                    *room = stack.top() + MORE + SPARE;
                }
            }
            if may_wait {
                field.value = top + 1;
                top += 2;
                stack.push_value(-2);
            } else {
                stack.pop(1);
            }
            self.fields.push(field);
            if self.fields.len() - part.first as usize == RUN {
                self.end_run(part);
                may_wait = false;
            }
            if turns.spend(1) {
                return false;
            }
            goes_on = stack.next(table);
        }
        if self.runs.len() == part.first_run as usize {
            sort(&mut self.fields[part.first as usize..]);
        } else {
            self.end_run(part);
            let runs = &mut self.runs[part.first_run as usize..];
            (0..runs.len() / 2).rev().for_each(|at| sift(runs, at));
        }
        true
    }

    fn end_run(&mut self, part: &Part) {
        let mut fields = self.fields[part.first as usize..].to_vec();
        fields.sort_unstable_by(Field::compare);
        self.fields.truncate(part.first as usize);
        self.runs.push(Run { fields, taken: 0 });
    }

    /// How many fields were collected.
    pub(crate) fn count(&self, part: &Part) -> usize {
        let in_runs: usize = self.runs[part.first_run as usize..].iter().map(|run| run.fields.len()).sum();
        self.fields.len() - part.first as usize + in_runs
    }

    /// The bytes that they take.
    pub(crate) fn used_bytes(&self) -> usize {
        (self.fields.len() + self.runs.len() * RUN) * size_of::<Field>()
    }

    /// The next field in order.
    #[inline]
    pub(crate) fn take(&mut self, part: &mut Part) -> Option<Field> {
        if self.runs.len() > part.first_run as usize {
            return self.take_from_runs(part);
        }
        let field = self.fields.get((part.first + part.taken) as usize).copied();
        part.taken += 1;
        field
    }

    #[inline(never)]
    fn take_from_runs(&mut self, part: &Part) -> Option<Field> {
        let runs = &mut self.runs[part.first_run as usize..];
        let field = runs[0].first().copied()?;
        runs[0].taken += 1;
        sift(runs, 0);
        Some(field)
    }

    /// All fields of the table have been taken, and those of the tables within it are done with.
    pub(crate) fn end(&mut self, part: &Part) {
        self.fields.truncate(part.first as usize);
        self.runs.truncate(part.first_run as usize);
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

fn sort(fields: &mut [Field]) {
    if fields.len() > FEW {
        return fields.sort_unstable_by(Field::compare);
    }
    for at in 1..fields.len() {
        let field = fields[at];
        let mut place = at;
        while place > 0 && field.precedes(&fields[place - 1]) {
            fields[place] = fields[place - 1];
            place -= 1;
        }
        fields[place] = field;
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

impl Field {
    /// The key at `index`, if it is a number or a string.
    #[inline]
    fn of_key(stack: Stack, index: c_int) -> Option<Field> {
        match stack.kind(index) {
            Kind::Number => {
                let order = order_of(stack.number(index));
                Some(Field { order, start: std::ptr::null(), length: 0, value: 0 })
            }
            Kind::String => {
                let text = stack.bytes(index);
                let order = prefix_of(text);
                Some(Field { order, start: text.as_ptr(), length: text.len() as u32, value: 0 })
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn name<'a>(&self) -> Name<'a> {
        if self.start.is_null() { Name::Number(number_of(self.order)) } else { Name::String(self.text()) }
    }

    #[inline]
    fn text<'a>(&self) -> &'a [u8] {
        if self.start.is_null() {
            return &[];
        }
        // SAFETY: the string is alive as long as its table; see `Field`.
        unsafe { slice::from_raw_parts(self.start, self.length as usize) }
    }

    /// Pushes the value of the key, which is looked up.
    pub(crate) fn push_value(&self, stack: Stack, table: c_int) {
        match self.name() {
            Name::Number(number) => stack.push_number(number),
            Name::String(text) => stack.push_bytes(text),
        }
        stack.raw_get(table);
    }

    #[inline]
    fn precedes(&self, other: &Field) -> bool {
        if self.start.is_null() == other.start.is_null() && self.order != other.order {
            self.order < other.order
        } else {
            self.compare(other) == Ordering::Less
        }
    }

    fn compare(&self, other: &Field) -> Ordering {
        let place = |field: &Field| (!field.start.is_null(), field.order);
        place(self).cmp(&place(other)).then_with(|| self.text().cmp(other.text()))
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

fn number_of(order: u64) -> f64 {
    f64::from_bits(if order >> 63 == 0 { !order } else { order & !(1 << 63) })
}

#[inline]
fn prefix_of(text: &[u8]) -> u64 {
    text.first_chunk().map_or_else(|| scan::word(text).swap_bytes(), |first| u64::from_be_bytes(*first))
}
