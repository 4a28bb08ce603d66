//! `struct`: pack, unpack and size of C structures, as Roberto Ierusalimschy's library defines the formats.

use std::ffi::c_int;

use crate::library::Shared;
use crate::stack::{Outcome, Raise, Stack, register, truncate};

const LARGEST_INTEGER_BYTES: usize = 32;
const NATURAL_ALIGNMENT: usize = 8;

pub(crate) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 3);
    // SAFETY: the caller's.
    unsafe {
        register(stack, shared, "pack", pack);
        register(stack, shared, "unpack", unpack);
        register(stack, shared, "size", size);
    }
}

fn pack(stack: Stack, shared: &mut Shared) -> Outcome {
    shared.output.clear();
    let mut layout = Layout::of(stack.check_bytes(1)?);
    let mut argument = 2;
    // A missing argument is reported as nil, not as "no value".
    stack.push_nil();
    while let Some(option) = layout.next(shared)? {
        let mut size = option.size;
        let padding = layout.padding(shared.output.len(), option);
        shared.output.resize(shared.output.len() + padding, 0);
        shared.check_budget()?;
        match option.code {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = wrap(stack.check_number(argument)?);
                argument += 1;
                put_integer(&mut shared.output, value, size, layout.big_endian);
            }
            b'x' => shared.output.push(0),
            b'f' => {
                let value = stack.check_number(argument)? as f32;
                argument += 1;
                put_integer(&mut shared.output, u64::from(value.to_bits()), 4, layout.big_endian);
            }
            b'd' => {
                let value = stack.check_number(argument)?;
                argument += 1;
                put_integer(&mut shared.output, value.to_bits(), 8, layout.big_endian);
            }
            b'c' | b's' => {
                let bytes = stack.check_bytes(argument)?;
                argument += 1;
                if size == 0 {
                    size = bytes.len();
                }
                if bytes.len() < size {
                    return Err(Raise::Argument(argument, c"string too short"));
                }
                shared.output.extend_from_slice(&bytes[..size]);
                if option.code == b's' {
                    shared.output.push(0);
                }
            }
            _ => layout.control(shared, option)?,
        }
    }
    shared.push_output(stack);
    Ok(1)
}

fn unpack(stack: Stack, shared: &mut Shared) -> Outcome {
    let mut layout = Layout::of(stack.check_bytes(1)?);
    let data = stack.check_bytes(2)?;
    // Negative offsets wrap, and are then beyond the data.
    let start = stack.integer_or(3, 1)? as usize;
    if start == 0 {
        return Err(Raise::Argument(3, c"offset must be 1 or greater"));
    }
    let mut position = start - 1;
    let mut results: c_int = 0;
    while let Some(option) = layout.next(shared)? {
        let mut size = option.size;
        position = position.wrapping_add(layout.padding(position, option));
        check_available(data, position, size)?;
        if !stack.reserve(2) {
            return Err(shared.fail(format_args!("stack overflow (too many results)")));
        }
        let field = |size: usize| &data[position..position + size];
        match option.code {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let signed = option.code.is_ascii_lowercase();
                stack.push_number(integer(field(size), layout.big_endian, signed));
                results += 1;
            }
            b'x' => {}
            b'f' => {
                let bits = integer_bits(field(4), layout.big_endian) as u32;
                stack.push_number(f64::from(f32::from_bits(bits)));
                results += 1;
            }
            b'd' => {
                stack.push_number(f64::from_bits(integer_bits(field(8), layout.big_endian)));
                results += 1;
            }
            b'c' => {
                if size == 0 {
                    let Some(previous) = (results > 0).then(|| stack.as_number(-1)).flatten() else {
                        return Err(shared.fail(format_args!("format 'c0' needs a previous size")));
                    };
                    size = wrap(previous) as usize;
                    stack.pop(1);
                    results -= 1;
                    check_available(data, position, size)?;
                }
                stack.push_bytes(&data[position..position + size]);
                results += 1;
            }
            b's' => {
                let Some(length) = memchr::memchr(0, &data[position..]) else {
                    return Err(shared.fail(format_args!("unfinished string in data")));
                };
                stack.push_bytes(&data[position..position + length]);
                size = length + 1;
                results += 1;
            }
            _ => layout.control(shared, option)?,
        }
        position += size;
    }
    stack.push_number(position.wrapping_add(1) as i64 as f64);
    Ok(results + 1)
}

fn size(stack: Stack, shared: &mut Shared) -> Outcome {
    let mut layout = Layout::of(stack.check_bytes(1)?);
    let mut position = 0_usize;
    while let Some(option) = layout.next(shared)? {
        position = position.wrapping_add(layout.padding(position, option));
        if option.code == b's' {
            return Err(Raise::Argument(1, c"option 's' has no fixed size"));
        }
        if option.code == b'c' && option.size == 0 {
            return Err(Raise::Argument(1, c"option 'c0' has no fixed size"));
        }
        if !option.code.is_ascii_alphanumeric() {
            layout.control(shared, option)?;
        }
        position = position.wrapping_add(option.size);
    }
    stack.push_number(position as f64);
    Ok(1)
}

/// One item of a format: its letter and the bytes it takes.
#[derive(Clone, Copy)]
struct Item {
    code: u8,
    size: usize,
}

/// A format being read, with what its control letters have set so far.
struct Layout<'a> {
    rest: &'a [u8],
    big_endian: bool,
    alignment: usize,
}

impl<'a> Layout<'a> {
    /// A format ends at its first NUL, as a C string does.
    fn of(format: &'a [u8]) -> Layout<'a> {
        let end = memchr::memchr(0, format).unwrap_or(format.len());
        Layout { rest: &format[..end], big_endian: false, alignment: 1 }
    }

    fn next(&mut self, shared: &mut Shared) -> Result<Option<Item>, Raise> {
        let Some((&code, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        let size = match code {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.count(shared, 1)?,
            b'i' | b'I' => {
                let size = self.count(shared, 4)?;
                if size > LARGEST_INTEGER_BYTES {
                    return Err(shared.fail(format_args!(
                        "integral size {size} is larger than limit of {LARGEST_INTEGER_BYTES}"
                    )));
                }
                size
            }
            _ => 0,
        };
        Ok(Some(Item { code, size }))
    }

    /// The decimal number at the front of the format, or `default` if there is none.
    fn count(&mut self, shared: &mut Shared, default: usize) -> Result<usize, Raise> {
        if !self.rest.first().is_some_and(u8::is_ascii_digit) {
            return Ok(default);
        }
        let mut count = 0_i32;
        while let Some((digit @ b'0'..=b'9', rest)) = self.rest.split_first() {
            self.rest = rest;
            let Some(next) = count.checked_mul(10).and_then(|tens| tens.checked_add(i32::from(digit - b'0')))
            else {
                return Err(shared.fail(format_args!("integral size overflow")));
            };
            count = next;
        }
        Ok(count as usize)
    }

    fn padding(&self, position: usize, item: Item) -> usize {
        if item.size == 0 || item.code == b'c' {
            return 0;
        }
        let unit = item.size.min(self.alignment);
        unit.wrapping_sub(position & (unit - 1)) & (unit - 1)
    }

    fn control(&mut self, shared: &mut Shared, item: Item) -> Result<(), Raise> {
        match item.code {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let alignment = self.count(shared, NATURAL_ALIGNMENT)?;
                if !alignment.is_power_of_two() {
                    return Err(shared.fail(format_args!("alignment {alignment} is not a power of 2")));
                }
                self.alignment = alignment;
            }
            code => {
                shared.set_message(format_args!("invalid format option '"));
                shared.message.push(code);
                shared.message.push(b'\'');
                return Err(Raise::ArgumentMessage(1));
            }
        }
        Ok(())
    }
}

fn check_available(data: &[u8], position: usize, size: usize) -> Result<(), Raise> {
    if size <= data.len() && position <= data.len() - size {
        return Ok(());
    }
    Err(Raise::Argument(2, c"data string too short"))
}

/// A number as 64 bits: negative ones in two's complement, what does not fit as C on x86-64 casts it.
fn wrap(value: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if value >= HALF { (truncate(value - HALF) as u64) ^ (1 << 63) } else { truncate(value) as u64 }
}

fn put_integer(output: &mut Vec<u8>, value: u64, size: usize, big_endian: bool) {
    let byte = |place: usize| if place < 8 { (value >> (8 * place)) as u8 } else { 0 };
    if big_endian {
        output.extend((0..size).rev().map(byte));
    } else {
        output.extend((0..size).map(byte));
    }
}

fn integer_bits(field: &[u8], big_endian: bool) -> u64 {
    let append = |value: u64, &byte: &u8| (value << 8) | u64::from(byte);
    if big_endian { field.iter().fold(0, append) } else { field.iter().rev().fold(0, append) }
}

fn integer(field: &[u8], big_endian: bool, signed: bool) -> f64 {
    let bits = integer_bits(field, big_endian);
    if !signed {
        return bits as f64;
    }
    let sign = u64::MAX.wrapping_shl((field.len() as u32).wrapping_mul(8).wrapping_sub(1));
    (if bits & sign != 0 { bits | sign } else { bits }) as i64 as f64
}
