//! `cjson.encode`.

use std::ffi::c_int;

use crate::library::Shared;
use crate::library::cjson::config::{self, InvalidNumbers};
use crate::library::cjson::{BIG_NUMBER, Config, DEEPEST, integer_length};
use crate::library::fields::{Field, Name};
use crate::library::number::write_general;
use crate::library::scan::{self, Quoted};
use crate::library::walk::{self, LONG, Measured, Notation, ROOM, Written};
use crate::stack::{Kind, Outcome, Raise, Stack};

pub(crate) fn encode(stack: Stack, shared: &mut Shared) -> Outcome {
    if stack.top() != 1 {
        return Err(Raise::Argument(1, c"expected 1 argument"));
    }
    let config = *config::of(stack, shared);
    walk::write(Json(config), stack, shared, 1)
}

#[derive(Clone, Copy)]
struct Json(Config);

impl Notation for Json {
    #[inline(always)]
    fn scalar(&self, stack: Stack, shared: &mut Shared, index: c_int) -> Result<Written, Raise> {
        match stack.kind(index) {
            Kind::String => {
                let text = stack.bytes(index);
                if text.len() > LONG {
                    return Ok(Written::Text);
                }
                write_string(&mut shared.output, text, Quoted::Value);
            }
            Kind::Number => self.number(stack.number(index), shared)?,
            Kind::Boolean => {
                let text: &[u8] = if stack.boolean(index) { b"true" } else { b"false" };
                shared.output.extend_from_slice(text);
            }
            Kind::Nil => shared.output.extend_from_slice(b"null"),
            Kind::LightUserdata if stack.is_null_pointer(index) => shared.output.extend_from_slice(b"null"),
            Kind::Table if self.0.exact_integers && big_number(stack, shared, index) => {}
            Kind::Table => return Ok(Written::Table),
            _ => return Err(refuse(stack, shared, index, "type not supported")),
        }
        Ok(Written::Whole)
    }

    fn open(&self, stack: Stack, shared: &mut Shared, depth: usize) -> Result<bool, Raise> {
        let deepest = self.0.encode_depth.min(DEEPEST);
        if depth as i32 > deepest || !shared.walk.reserve(stack, ROOM) {
            return Err(shared.fail(format_args!("Cannot serialise, excessive nesting ({depth})")));
        }
        Ok(true)
    }

    /// Only positive whole numbers are keys of an array.
    #[inline]
    fn measure(&self, key: f64, measured: &mut Measured) -> bool {
        if key < 1.0 || (key as i64 as f64 != key && key < WHOLE) {
            return false;
        }
        if key > f64::from(measured.largest) {
            measured.largest = cut(key);
        }
        measured.count = measured.count.wrapping_add(1);
        true
    }

    /// The largest index of a table that is not too sparse.
    fn array_length(
        &self,
        stack: Stack,
        shared: &mut Shared,
        measured: Measured,
    ) -> Result<Option<c_int>, Raise> {
        let Config { sparse_ratio, sparse_safe, sparse_as_object, .. } = self.0;
        let Measured { largest, count } = measured;
        if sparse_ratio > 0 && largest > count.wrapping_mul(sparse_ratio) && largest > sparse_safe {
            if !sparse_as_object {
                return Err(refuse(stack, shared, -1, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok((largest > 0).then_some(largest))
    }

    fn begin_array(&self, shared: &mut Shared, _: c_int) {
        shared.output.push(b'[');
    }

    #[inline]
    fn between(&self, shared: &mut Shared) {
        shared.output.push(b',');
    }

    fn end_array(&self, shared: &mut Shared) {
        shared.output.push(b']');
    }

    fn check_others(&self, stack: Stack, shared: &mut Shared, table: c_int) -> Result<(), Raise> {
        Err(refuse_key(stack, shared, table))
    }

    fn begin_fields(&self, shared: &mut Shared, _: usize) {
        shared.output.push(b'{');
    }

    #[inline]
    fn key(&self, shared: &mut Shared, field: Field, is_first: bool) -> Result<(), Raise> {
        match field.name() {
            Name::String(text) => {
                let quoted = if is_first { Quoted::FirstKey } else { Quoted::Key };
                write_string(&mut shared.output, text, quoted);
            }
            Name::Number(number) => {
                shared.output.extend_from_slice(if is_first { b"\"" } else { b",\"" });
                self.number(number, shared)?;
                shared.output.extend_from_slice(b"\":");
            }
        }
        Ok(())
    }

    fn end_fields(&self, shared: &mut Shared) {
        shared.output.push(b'}');
    }

    fn begin_text(&self, shared: &mut Shared, _: usize) {
        shared.output.push(b'"');
    }

    fn text(&self, shared: &mut Shared, part: &[u8]) {
        write_escaped(&mut shared.output, part);
    }

    fn end_text(&self, shared: &mut Shared) {
        shared.output.push(b'"');
    }
}

impl Json {
    #[inline(never)]
    fn number(&self, number: f64, shared: &mut Shared) -> Result<(), Raise> {
        if !number.is_finite() {
            return self.infinite_number(number, shared);
        }
        if self.0.exact_integers {
            let whole = crate::stack::truncate(number);
            if (whole as f64).to_bits() == number.to_bits() {
                shared.output.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
                return Ok(());
            }
        }
        write_general(&mut shared.output, number, self.0.precision as usize);
        Ok(())
    }

    #[cold]
    fn infinite_number(&self, number: f64, shared: &mut Shared) -> Result<(), Raise> {
        match self.0.encode_invalid {
            InvalidNumbers::Refuse => {
                return Err(shared.fail(format_args!("Cannot serialise number: must not be NaN or Inf")));
            }
            InvalidNumbers::Write if number.is_nan() => shared.output.extend_from_slice(b"nan"),
            InvalidNumbers::Write => write_general(&mut shared.output, number, self.0.precision as usize),
            InvalidNumbers::Null => shared.output.extend_from_slice(b"null"),
        }
        Ok(())
    }
}

/// Writes the table at `index` if it stands for a whole number.
#[cold]
fn big_number(stack: Stack, shared: &mut Shared, index: c_int) -> bool {
    stack.push_value(index);
    stack.push_bytes(BIG_NUMBER);
    stack.raw_get(-2);
    let digits = if stack.kind(-1) == Kind::String { stack.bytes(-1) } else { b"" };
    let is_number = integer_length(digits) == Some(digits.len());
    if is_number {
        shared.output.extend_from_slice(digits);
    }
    stack.pop(2);
    is_number
}

/// The error for the value at `index`.
#[cold]
fn refuse(stack: Stack, shared: &mut Shared, index: c_int, reason: &str) -> Raise {
    let name = stack.type_name(index);
    shared.fail(format_args!("Cannot serialise {name}: {reason}"))
}

/// The error for the table's first key that is neither number nor string.
fn refuse_key(stack: Stack, shared: &mut Shared, table: c_int) -> Raise {
    stack.push_nil();
    while stack.next(table) {
        stack.pop(1);
        if !matches!(stack.kind(-1), Kind::Number | Kind::String) {
            break;
        }
    }
    refuse(stack, shared, -1, "table key must be a number or string")
}

/// From here on every double is a whole number.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// A double as a C `int` the way x86-64 casts it: out of range is `i32::MIN`.
fn cut(value: f64) -> i32 {
    if value <= f64::from(i32::MAX) { value as i32 } else { i32::MIN }
}

#[inline(never)]
fn write_string(output: &mut Vec<u8>, text: &[u8], quoted: Quoted) {
    if !scan::append_short(output, text, quoted) {
        write_long_string(output, text, quoted);
    }
}

#[inline(never)]
fn write_long_string(output: &mut Vec<u8>, text: &[u8], quoted: Quoted) {
    output.reserve(text.len() + 32);
    output.extend_from_slice(if quoted == Quoted::Key { b",\"" } else { b"\"" });
    write_escaped(output, text);
    output.extend_from_slice(if quoted == Quoted::Value { b"\"" } else { b"\":" });
}

fn write_escaped(output: &mut Vec<u8>, mut text: &[u8]) {
    while let Some((byte, rest)) = scan::append_unescaped(output, text) {
        text = rest;
        let short = match byte {
            b'"' | b'\\' | b'/' => byte,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let digit = |half: u8| DIGITS[usize::from(half)];
                output.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
                continue;
            }
        };
        output.extend_from_slice(&[b'\\', short]);
    }
}
