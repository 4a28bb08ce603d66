//! Values of expressions.

use super::attributes;
use super::text::Text;

/// What an operand is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Null,
    Number(f64),
    Text(Text<'a>),
    /// A list that stands in the expression.
    Written(&'a [Constant]),
    /// A JSON array, from its bracket to its bracket, which was found well-formed.
    Array(&'a [u8]),
}

/// A value that stands in the expression.
#[derive(Debug)]
pub(super) enum Constant {
    Number(f64),
    Text(Box<[u8]>),
    /// Of numbers and texts.
    List(Box<[Constant]>),
}

impl Constant {
    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Constant::Number(number) => Value::Number(*number),
            Constant::Text(text) => Value::Text(Text::plain(text)),
            Constant::List(list) => Value::Written(list),
        }
    }
}

impl Value<'_> {
    /// Whether it counts as true: a number but zero, a text but the empty one, a list.
    pub(super) fn is_true(self) -> bool {
        match self {
            Value::Null => false,
            Value::Number(number) => number != 0.0,
            Value::Text(text) => !text.is_empty(),
            Value::Written(_) | Value::Array(_) => true,
        }
    }

    /// As a number; what is none, nor the text of one, is 0.
    pub(super) fn number(self) -> f64 {
        match self {
            Value::Number(number) => number,
            Value::Text(text) => text.number().unwrap_or(0.0),
            Value::Null | Value::Written(_) | Value::Array(_) => 0.0,
        }
    }

    /// Texts are compared as texts, null equals null alone, all else as numbers: so any two lists are equal.
    pub(super) fn equals(self, other: Value<'_>) -> bool {
        match (self, other) {
            (Value::Text(left), Value::Text(right)) => left == right,
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (left, right) => left.number() == right.number(),
        }
    }

    /// Whether it is a list with something equal in it.
    pub(super) fn contains(self, value: Value<'_>) -> bool {
        match self {
            Value::Written(list) => list.iter().any(|constant| constant.value().equals(value)),
            Value::Array(array) => attributes::items(array).any(|item| item.equals(value)),
            Value::Null | Value::Number(_) | Value::Text(_) => false,
        }
    }
}
