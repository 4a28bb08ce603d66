//! `cjson`: JSON as lua-cjson 2.1.0 writes and reads it, with the settings that Redis builds it with.
//!
//! One deliberate difference: the fields of an object are written in a fixed order (numbers ascending, then strings by
//! their bytes), while Redis writes them in the order of its hash table, which depends on the history of that table.
//! LuaJIT's own order differs from VM to VM, and equal values must give equal bytes on every worker.

use crate::library::Shared;
use crate::stack::{Outcome, Stack, register_owned};

mod config;
mod decode;
mod encode;

pub use config::Config;
pub(crate) use decode::Container;

/// The field of a table that stands for a whole number which a double cannot hold: its digits. As in replies.
const BIG_NUMBER: &[u8] = b"big_number";
/// Up to here every whole number is a double of its own.
const LARGEST_EXACT: u64 = 1 << 53;

/// The length of the whole number in JSON's form that `text` begins with, if no fraction or exponent follows.
fn integer_length(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_whole = !matches!(digits.get(count), Some(b'.' | b'e' | b'E' | b'x' | b'X'));
    let is_plain = count > 0 && (digits[0] != b'0' || count == 1);
    (is_whole && is_plain).then_some(text.len() - digits.len() + count)
}

/// Nesting beyond this is refused whatever the settings say: encoder and decoder use the thread's stack.
const DEEPEST: i32 = 2000;

/// Pushes the global table, whose settings are those of the run.
pub(crate) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_null_pointer();
    // SAFETY: the caller's; a null owner stands for the run's settings.
    unsafe { push_table(stack, shared) };
}

/// `cjson.new()`: a table with settings of its own, which start as Redis's defaults.
fn new(stack: Stack, shared: &mut Shared) -> Outcome {
    stack.push_plain(Config::default());
    // SAFETY: the block is the VM's own; the owner holds a `Config`.
    unsafe { push_table(stack, shared) };
    Ok(1)
}

/// Replaces the owner of the settings on top by a table of functions that use it.
unsafe fn push_table(stack: Stack, shared: *mut Shared) {
    let owner = stack.top();
    stack.push_table(0, 16);
    // SAFETY: the caller's.
    unsafe {
        register_owned(stack, shared, owner, "encode", encode::encode);
        register_owned(stack, shared, owner, "decode", decode::decode);
        register_owned(stack, shared, owner, "encode_sparse_array", config::encode_sparse_array);
        register_owned(stack, shared, owner, "encode_max_depth", config::encode_max_depth);
        register_owned(stack, shared, owner, "decode_max_depth", config::decode_max_depth);
        register_owned(stack, shared, owner, "encode_number_precision", config::encode_number_precision);
        register_owned(stack, shared, owner, "encode_keep_buffer", config::encode_keep_buffer);
        register_owned(stack, shared, owner, "encode_invalid_numbers", config::encode_invalid_numbers);
        register_owned(stack, shared, owner, "decode_invalid_numbers", config::decode_invalid_numbers);
        register_owned(stack, shared, owner, "exact_integers", config::exact_integers);
        register_owned(stack, shared, owner, "new", new);
    }
    stack.push_null_pointer();
    stack.set_field(-2, "null");
    stack.push_bytes(b"cjson");
    stack.set_field(-2, "_NAME");
    stack.push_bytes(b"2.1.0");
    stack.set_field(-2, "_VERSION");
    stack.insert(owner);
    stack.set_top(owner);
}
