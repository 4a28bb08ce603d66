//! The fields of a table in a fixed order.

use std::cmp::Ordering;
use std::ffi::c_int;
use std::slice;

use crate::library::Shared;
use crate::stack::{Kind, Stack};

/// Values of a table that wait on the Lua stack for their turn; what goes beyond is looked up again.
const WAITING: usize = 64;

/// A key of a table that is being encoded, and where its value is. A string is held by its table, which nobody changes
/// meanwhile.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    /// The number in an order-preserving form, or the first bytes of the string.
    order: u64,
    name: Name,
    /// The stack index of the value; 0 when it must be looked up.
    value: c_int,
}

/// What a key is.
#[derive(Clone, Copy)]
pub(crate) enum Name {
    Number(f64),
    String { start: *const u8, length: usize },
}

impl Name {
    pub(crate) fn bytes<'a>(self) -> &'a [u8] {
        match self {
            Name::Number(_) => &[],
            // SAFETY: the string is alive as long as its table; see `Key`.
            Name::String { start, length } => unsafe { slice::from_raw_parts(start, length) },
        }
    }
}

impl Key {
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    pub(crate) fn push(&self, stack: Stack) {
        match self.name {
            Name::Number(number) => stack.push_number(number),
            Name::String { .. } => stack.push_bytes(self.name.bytes()),
        }
    }

    /// Pushes the value of the key.
    pub(crate) fn push_value(&self, stack: Stack, table: c_int) {
        if self.value != 0 {
            stack.push_value(self.value);
        } else {
            self.push(stack);
            stack.raw_get(table);
        }
    }

    fn compare(&self, other: &Key) -> Ordering {
        match (self.name, other.name) {
            (Name::Number(_), Name::String { .. }) => Ordering::Less,
            (Name::String { .. }, Name::Number(_)) => Ordering::Greater,
            _ => self.order.cmp(&other.order).then_with(|| self.name.bytes().cmp(other.name.bytes())),
        }
    }
}

/// Appends the number and string keys of the table on top to `shared.keys`, sorted, leaves some of their values on the
/// stack, and returns whether the table has no other keys. Takes two free slots besides.
pub(crate) fn collect_keys(stack: Stack, shared: &mut Shared, table: c_int) -> bool {
    let base = shared.keys.len();
    let mut complete = true;
    let room = stack.reserve(WAITING as c_int + 3);
    stack.push_nil();
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
                complete = false;
                stack.pop(1);
                continue;
            }
        };
        let value = if room && shared.keys.len() - base < WAITING {
            stack.insert(-2);
            stack.top() - 1
        } else {
            stack.pop(1);
            0
        };
        shared.keys.push(Key { order, name, value });
    }
    shared.keys[base..].sort_unstable_by(Key::compare);
    complete
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
