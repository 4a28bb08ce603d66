//! The keys of a table in a fixed order.

use std::cmp::Ordering;
use std::ffi::c_int;
use std::slice;

use crate::library::Shared;
use crate::stack::{Kind, Stack};

/// A key of a table that is being encoded. A string is held by its table, which nobody changes meanwhile.
#[derive(Clone, Copy)]
pub(crate) enum Key {
    Number(f64),
    String { start: *const u8, length: usize },
}

impl Key {
    pub(crate) fn push(self, stack: Stack) {
        match self {
            Key::Number(number) => stack.push_number(number),
            Key::String { .. } => stack.push_bytes(self.bytes()),
        }
    }

    pub(crate) fn bytes<'a>(self) -> &'a [u8] {
        match self {
            Key::Number(_) => &[],
            // SAFETY: the string is alive as long as its table; see the type.
            Key::String { start, length } => unsafe { slice::from_raw_parts(start, length) },
        }
    }

    fn order(&self, other: &Key) -> Ordering {
        match (self, other) {
            (Key::Number(a), Key::Number(b)) => a.total_cmp(b),
            (Key::Number(_), Key::String { .. }) => Ordering::Less,
            (Key::String { .. }, Key::Number(_)) => Ordering::Greater,
            _ => self.bytes().cmp(other.bytes()),
        }
    }
}

/// Appends the number and string keys of the table to `shared.keys`, sorted, and returns whether it has no others.
/// Takes two free slots.
pub(crate) fn collect_keys(stack: Stack, shared: &mut Shared, table: c_int) -> bool {
    let base = shared.keys.len();
    let mut complete = true;
    stack.push_nil();
    while stack.next(table) {
        stack.pop(1);
        match stack.kind(-1) {
            Kind::Number => shared.keys.push(Key::Number(stack.number(-1))),
            Kind::String => {
                let bytes = stack.bytes(-1);
                shared.keys.push(Key::String { start: bytes.as_ptr(), length: bytes.len() });
            }
            _ => complete = false,
        }
    }
    shared.keys[base..].sort_unstable_by(Key::order);
    complete
}
