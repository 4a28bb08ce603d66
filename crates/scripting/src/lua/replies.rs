//! Replies of commands, written straight onto the Lua stack.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use perigee_resp::{Protocol, Reply};

use super::Slot;
use super::results::COUNTED;

/// An aggregate that is being filled. Its table is on the stack, in RESP3 inside the table that names its type.
pub(crate) struct Frame {
    table: c_int,
    remaining: usize,
    next: c_int,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    /// Keys and values in turn.
    Map {
        at_value: bool,
    },
    Set,
}

/// The sink. The VM's memory limit must be lifted while it is in use: then nothing in it raises.
pub(crate) struct LuaReply {
    state: *mut lua_State,
    slot: *mut Slot,
    protocol: Protocol,
    pub(crate) is_error: bool,
    /// The reply is nested deeper than the stack allows, or too large for a table: it is cut off there.
    pub(crate) overflow: bool,
}

/// LuaJIT's largest array part is 2^27 slots.
const MAX_ELEMENTS: usize = 1 << 26;

// SAFETY (for every method): `new` promises a live state inside a C function, with the limit lifted; each aggregate
// reserves the slots that it needs, so that no push exceeds the stack.
impl LuaReply {
    /// # Safety
    /// `state` is live, the caller runs inside a C function of it with the memory limit lifted, and `slot` is its VM's.
    pub(crate) unsafe fn new(state: *mut lua_State, slot: *mut Slot, protocol: Protocol) -> Self {
        // SAFETY: the caller's.
        unsafe { (*slot).frames.clear() };
        LuaReply { state, slot, protocol, is_error: false, overflow: false }
    }

    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    fn frames(&mut self) -> &mut Vec<Frame> {
        // SAFETY: see impl; nobody else uses the frames during a call.
        unsafe { &mut (*self.slot).frames }
    }

    fn bytes(&self, bytes: &[u8]) {
        // SAFETY: see impl; the pointer of an empty slice is not read.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// A table with one field, and the value that was on top in it.
    fn wrap(&self, field: &[u8]) {
        // SAFETY: see impl.
        unsafe {
            ffi::lua_createtable(self.state, 0, 1);
            ffi::lua_insert(self.state, -2);
            self.bytes(field);
            ffi::lua_insert(self.state, -2);
            ffi::lua_rawset(self.state, -3);
        }
    }

    /// Puts the value on top where it belongs.
    fn settle(&mut self) {
        let state = self.state;
        loop {
            let wrapped = self.is_resp3();
            let Some(frame) = self.frames().last_mut() else { return };
            // SAFETY: see impl; the frame's table is at its index, the value on top of it.
            unsafe {
                match frame.kind {
                    Kind::Array => {
                        ffi::lua_rawseti_(state, frame.table, frame.next);
                        frame.next += 1;
                    }
                    Kind::Map { at_value: false } => {
                        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                            ffi::lua_settop(state, -2);
                            ffi::lua_pushboolean(state, 0);
                        }
                        frame.kind = Kind::Map { at_value: true };
                        return;
                    }
                    Kind::Map { at_value: true } => {
                        ffi::lua_rawset(state, frame.table);
                        frame.kind = Kind::Map { at_value: false };
                    }
                    Kind::Set => {
                        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
                            ffi::lua_settop(state, -2);
                        } else {
                            ffi::lua_pushboolean(state, 1);
                            ffi::lua_rawset(state, frame.table);
                        }
                    }
                }
            }
            frame.remaining -= 1;
            if frame.remaining > 0 {
                return;
            }
            let kind = frame.kind;
            self.frames().pop();
            self.name_aggregate(kind, wrapped);
        }
    }

    fn name_aggregate(&self, kind: Kind, wrapped: bool) {
        match kind {
            Kind::Map { .. } if wrapped => self.wrap(b"map"),
            Kind::Set if wrapped => self.wrap(b"set"),
            _ => {}
        }
    }

    fn open(&mut self, kind: Kind, len: usize) {
        let reserve = if kind == Kind::Array { (len, 0) } else { (0, len) };
        let state = self.state;
        // SAFETY: see impl.
        let table = unsafe {
            if len > MAX_ELEMENTS || ffi::lua_checkstack(state, 8) == 0 {
                self.overflow = true;
                ffi::lua_pushboolean(state, 0);
                return self.settle();
            }
            ffi::lua_createtable(state, reserve.0 as c_int, reserve.1 as c_int);
            ffi::lua_gettop(state)
        };
        if len == 0 {
            let wrapped = self.is_resp3();
            self.name_aggregate(kind, wrapped);
            self.settle();
        } else {
            self.frames().push(Frame { table, remaining: len, next: 1, kind });
        }
    }
}

impl Reply for LuaReply {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn null(&mut self) {
        // SAFETY: see the type's impl.
        unsafe {
            if self.is_resp3() {
                ffi::lua_pushnil(self.state);
            } else {
                ffi::lua_pushboolean(self.state, 0);
            }
        }
        self.settle();
    }

    fn null_array(&mut self) {
        self.null();
    }

    fn simple(&mut self, text: &[u8]) {
        self.bytes(text);
        self.wrap(b"ok");
        self.settle();
    }

    fn error(&mut self, text: &[u8]) {
        self.is_error |= self.frames().is_empty();
        self.bytes(text);
        self.wrap(b"err");
        // SAFETY: see the type's impl.
        unsafe {
            self.bytes(COUNTED);
            ffi::lua_pushboolean(self.state, 1);
            ffi::lua_rawset(self.state, -3);
        }
        self.settle();
    }

    #[inline]
    fn int(&mut self, value: i64) {
        // SAFETY: see the type's impl.
        unsafe { ffi::lua_pushnumber(self.state, value as f64) };
        self.settle();
    }

    #[inline]
    fn bulk(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
        self.settle();
    }

    fn double(&mut self, value: f64) {
        if self.is_resp3() {
            // SAFETY: see the type's impl.
            unsafe { ffi::lua_pushnumber(self.state, value) };
            self.wrap(b"double");
        } else {
            self.bytes(&perigee_resp::format_double(value));
        }
        self.settle();
    }

    fn bool(&mut self, value: bool) {
        // SAFETY: see the type's impl.
        unsafe {
            if self.is_resp3() {
                ffi::lua_pushboolean(self.state, c_int::from(value));
            } else {
                ffi::lua_pushnumber(self.state, f64::from(u8::from(value)));
            }
        }
        self.settle();
    }

    fn big_number(&mut self, digits: &[u8]) {
        self.bytes(digits);
        if self.is_resp3() {
            self.wrap(b"big_number");
        }
        self.settle();
    }

    fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        self.bytes(text);
        if self.is_resp3() {
            self.wrap(b"string");
            // SAFETY: see the type's impl.
            unsafe {
                self.bytes(b"format");
                self.bytes(format);
                ffi::lua_rawset(self.state, -3);
            }
            self.wrap(b"verbatim_string");
        }
        self.settle();
    }

    fn array(&mut self, len: usize) {
        self.open(Kind::Array, len);
    }

    fn map(&mut self, pairs: usize) {
        if self.is_resp3() {
            self.open(Kind::Map { at_value: false }, pairs);
        } else {
            self.open(Kind::Array, 2 * pairs);
        }
    }

    fn set(&mut self, len: usize) {
        self.open(if self.is_resp3() { Kind::Set } else { Kind::Array }, len);
    }

    fn push(&mut self, len: usize) {
        self.array(len);
    }
}
