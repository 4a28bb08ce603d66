//! What a compiled chunk does, seen in LuaJIT's dump of it: whether it assigns to globals, and whether it holds 64-bit
//! or complex constants, which Lua 5.1 does not have.
//!
//! The dump is a header and then, in one piece each, the functions, innermost first: length, flags, three bytes, three
//! counts, the debug sizes, the instructions of 4 bytes; a length of 0 ends it. The number of the assigning instruction is learned from a
//! chunk that assigns.

use std::ffi::{c_int, c_void};
use std::slice;

use mlua::ffi::{self, lua_State};

use crate::stack::Stack;

const USES_FFI: u8 = 0x04;

/// The VM's instruction set as far as it matters here, and the sandbox's two environments (registry references).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytecode {
    assign_global: u8,
    pub(super) globals: c_int,
    pub(super) global_view: c_int,
}

/// What [`scan`] found.
#[derive(Clone, Copy, Default)]
pub(super) struct Traits {
    pub(super) assigns_globals: bool,
    pub(super) has_foreign_numbers: bool,
}

struct Scan {
    header_seen: bool,
    assign_global: Option<u8>,
    second_instruction: u8,
    traits: Traits,
}

/// Learns the instruction that assigns to a global. Leaves the stack as it was; takes one slot.
pub(super) fn calibrate(stack: Stack) -> Bytecode {
    let mut scan =
        Scan { header_seen: false, assign_global: None, second_instruction: 0, traits: Traits::default() };
    let text = b"x = 1";
    // SAFETY: `dump` wants a Lua function on top, which the loaded chunk is.
    unsafe {
        let status = ffi::luaL_loadbuffer(stack.state(), text.as_ptr().cast(), text.len(), c"=x".as_ptr());
        if status == ffi::LUA_OK {
            dump(stack, &mut scan);
        }
    }
    stack.pop(1);
    Bytecode { assign_global: scan.second_instruction, globals: 0, global_view: 0 }
}

/// Looks through the Lua function on top and all functions within it.
pub(super) fn scan(stack: Stack, bytecode: Bytecode) -> Traits {
    let mut scan = Scan {
        header_seen: false,
        assign_global: Some(bytecode.assign_global),
        second_instruction: 0,
        traits: Traits::default(),
    };
    // SAFETY: the caller has a Lua function on top.
    if unsafe { dump(stack, &mut scan) } {
        scan.traits
    } else {
        // Out of memory: assume what costs speed only.
        Traits { assigns_globals: true, has_foreign_numbers: false }
    }
}

unsafe fn dump(stack: Stack, scan: &mut Scan) -> bool {
    // SAFETY: the caller's; `lua_dump` catches its own errors, and `scan` outlives the call.
    unsafe { ffi::lua_dump_(stack.state(), inspect, std::ptr::from_mut(scan).cast()) == 0 }
}

unsafe extern "C-unwind" fn inspect(
    _: *mut lua_State,
    piece: *const c_void,
    length: usize,
    scan: *mut c_void,
) -> c_int {
    // SAFETY: `lua_dump` passes a piece of the dump, and what `dump` gave it.
    let (piece, scan) =
        unsafe { (slice::from_raw_parts(piece.cast::<u8>(), length), &mut *scan.cast::<Scan>()) };
    if scan.header_seen {
        inspect_function(piece, scan)
    } else {
        scan.header_seen = true
    }
    0
}

fn inspect_function(piece: &[u8], scan: &mut Scan) {
    let mut rest = piece;
    if number(&mut rest) == 0 {
        return;
    }
    let flags = rest.first().copied().unwrap_or(0);
    scan.traits.has_foreign_numbers |= flags & USES_FFI != 0;
    rest = rest.get(4..).unwrap_or(&[]);
    number(&mut rest);
    number(&mut rest);
    let instructions = number(&mut rest);
    if number(&mut rest) != 0 {
        number(&mut rest);
        number(&mut rest);
    }
    let (instructions, _) = rest.as_chunks::<4>().0.split_at(instructions.min(rest.len() / 4));
    let operation =
        |instruction: &[u8; 4]| if cfg!(target_endian = "big") { instruction[3] } else { instruction[0] };
    match scan.assign_global {
        Some(assign) => scan.traits.assigns_globals |= instructions.iter().any(|i| operation(i) == assign),
        None => scan.second_instruction = instructions.get(1).map_or(0, operation),
    }
}

/// Takes a ULEB128 number from the front.
fn number(rest: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    while let Some((&byte, tail)) = rest.split_first() {
        *rest = tail;
        value |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
