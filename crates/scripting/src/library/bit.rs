//! `bit`: 32-bit operations as Mike Pall's BitOp defines them. Numbers wrap by the addition of 2^52 + 2^51, so what
//! lies beyond 2^51 loses its low bits exactly as in Redis.

use crate::library::Shared;
use crate::stack::{Outcome, Raise, Stack, register};

const WRAP: f64 = 6_755_399_441_055_744.0;

pub(crate) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 16);
    // SAFETY: the caller's.
    unsafe {
        register(stack, shared, "tobit", |s, _| answer(s, operand(s, 1)?));
        register(stack, shared, "bnot", |s, _| answer(s, !operand(s, 1)?));
        register(stack, shared, "bswap", |s, _| answer(s, operand(s, 1)?.swap_bytes()));
        register(stack, shared, "band", |s, _| fold(s, |a, b| a & b));
        register(stack, shared, "bor", |s, _| fold(s, |a, b| a | b));
        register(stack, shared, "bxor", |s, _| fold(s, |a, b| a ^ b));
        register(stack, shared, "lshift", |s, _| shift(s, |value, by| value << by));
        register(stack, shared, "rshift", |s, _| shift(s, |value, by| value >> by));
        register(stack, shared, "arshift", |s, _| shift(s, |value, by| ((value as i32) >> by) as u32));
        register(stack, shared, "rol", |s, _| shift(s, u32::rotate_left));
        register(stack, shared, "ror", |s, _| shift(s, u32::rotate_right));
        register(stack, shared, "tohex", tohex);
    }
}

fn operand(stack: Stack, index: i32) -> Result<u32, Raise> {
    Ok((stack.check_number(index)? + WRAP).to_bits() as u32)
}

fn answer(stack: Stack, value: u32) -> Outcome {
    stack.push_number(f64::from(value as i32));
    Ok(1)
}

/// The operands are checked from the first, then from the last down, which decides the argument that an error names.
fn fold(stack: Stack, combine: fn(u32, u32) -> u32) -> Outcome {
    let mut value = operand(stack, 1)?;
    for index in (2..=stack.top()).rev() {
        value = combine(value, operand(stack, index)?);
    }
    answer(stack, value)
}

fn shift(stack: Stack, by: fn(u32, u32) -> u32) -> Outcome {
    let value = operand(stack, 1)?;
    let count = operand(stack, 2)? & 31;
    answer(stack, by(value, count))
}

fn tohex(stack: Stack, _: &mut Shared) -> Outcome {
    let mut value = operand(stack, 1)?;
    let width = match stack.kind(2) {
        crate::stack::Kind::None => 8,
        _ => operand(stack, 2)? as i32,
    };
    let digits = if width < 0 { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
    let length = width.unsigned_abs().min(8) as usize;
    let mut text = [0; 8];
    for place in text[..length].iter_mut().rev() {
        *place = digits[(value & 15) as usize];
        value >>= 4;
    }
    stack.push_bytes(&text[..length]);
    Ok(1)
}
