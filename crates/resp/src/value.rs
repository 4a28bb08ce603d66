//! A reply as a tree: what a client reads, and what a test compares.

use crate::reply::Reply;

/// A complete reply. Texts are without their sigils and line ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The missing value.
    Null,
    /// RESP2's missing list; in RESP3 it cannot be told from [`Value::Null`].
    NullArray,
    /// A status line.
    Simple(Vec<u8>),
    /// An error line: its code, a space, its text.
    Error(Vec<u8>),
    /// A signed integer.
    Int(i64),
    /// A binary-safe string.
    Bulk(Vec<u8>),
    /// A floating-point number.
    Double(f64),
    /// A truth value.
    Bool(bool),
    /// An integer of any size, in decimal digits with an optional sign.
    BigNumber(Vec<u8>),
    /// Text with its format.
    Verbatim([u8; 3], Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// Keys with their values, in the order of arrival.
    Map(Vec<(Value, Value)>),
    /// Distinct values, in the order of arrival.
    Set(Vec<Value>),
    /// An out-of-band message.
    Push(Vec<Value>),
}

impl Value {
    /// Gives this reply to another sink.
    pub fn reply_to(&self, reply: &mut dyn Reply) {
        match self {
            Self::Null => reply.null(),
            Self::NullArray => reply.null_array(),
            Self::Simple(text) => reply.simple(text),
            Self::Error(text) => reply.error(text),
            Self::Int(value) => reply.int(*value),
            Self::Bulk(bytes) => reply.bulk(bytes),
            Self::Double(value) => reply.double(*value),
            Self::Bool(value) => reply.bool(*value),
            Self::BigNumber(digits) => reply.big_number(digits),
            Self::Verbatim(format, text) => reply.verbatim(format, text),
            Self::Map(pairs) => {
                reply.map(pairs.len());
                for (key, value) in pairs {
                    key.reply_to(reply);
                    value.reply_to(reply);
                }
            }
            Self::Array(items) => {
                reply.array(items.len());
                items.iter().for_each(|item| item.reply_to(reply));
            }
            Self::Set(items) => {
                reply.set(items.len());
                items.iter().for_each(|item| item.reply_to(reply));
            }
            Self::Push(items) => {
                reply.push(items.len());
                items.iter().for_each(|item| item.reply_to(reply));
            }
        }
    }
}

/// Grows one value at a time from announcements and leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Builder {
    open: Vec<Frame>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Aggregate {
    Array,
    Map,
    Set,
    Push,
}

#[derive(Clone, Debug)]
struct Frame {
    aggregate: Aggregate,
    missing: usize,
    items: Vec<Value>,
}

impl Builder {
    /// The number of aggregates that wait for more.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Announces an aggregate of `items` values (two for each pair of a map); gives the whole if that completes it.
    pub(crate) fn open(&mut self, aggregate: Aggregate, items: usize) -> Option<Value> {
        if items == 0 {
            return self.add(aggregate.of(Vec::new()));
        }
        self.open.push(Frame { aggregate, missing: items, items: Vec::new() });
        None
    }

    /// Adds a value; gives the whole if that completes it.
    pub(crate) fn add(&mut self, mut value: Value) -> Option<Value> {
        while let Some(mut frame) = self.open.pop() {
            frame.items.push(value);
            frame.missing -= 1;
            if frame.missing > 0 {
                self.open.push(frame);
                return None;
            }
            value = frame.aggregate.of(frame.items);
        }
        Some(value)
    }
}

impl Aggregate {
    fn of(self, items: Vec<Value>) -> Value {
        match self {
            Self::Array => Value::Array(items),
            Self::Set => Value::Set(items),
            Self::Push => Value::Push(items),
            Self::Map => {
                let mut items = items.into_iter();
                Value::Map(std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect())
            }
        }
    }
}
