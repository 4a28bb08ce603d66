//! What a script returns, as a reply.

use std::cmp::Ordering;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use perigee_resp::{Protocol, Reply};

/// Deeper than any reply that a client can use; each level takes a few slots of the Lua stack.
const SLOTS: c_int = 5;

/// Answers with the value on top, and pops it. `protocol` is what the script has set for itself.
///
/// # Safety
/// `state` is live, no script code is running, and the memory limit is lifted.
pub(crate) unsafe fn reply_with_top(
    state: *mut lua_State,
    protocol: Protocol,
    reply: &mut dyn Reply,
    on_error: OnError<'_>,
) {
    let converter = Converter { state, protocol, on_error };
    converter.top(reply);
}

/// Hears of each error in a reply: its text, and whether it has been counted before.
pub(crate) type OnError<'a> = &'a dyn Fn(&[u8], bool);

/// A key of a map or set, in the order in which they are answered.
#[derive(PartialEq, PartialOrd)]
enum Key<'k> {
    Number(f64),
    Text(&'k [u8]),
    Boolean(bool),
    Other,
}

struct Converter<'a> {
    state: *mut lua_State,
    protocol: Protocol,
    on_error: OnError<'a>,
}

// SAFETY (for every method): see `reply_with_top`; only raw accesses, and every level reserves its slots.
impl Converter<'_> {
    fn top(&self, reply: &mut dyn Reply) {
        let state = self.state;
        // SAFETY: see impl.
        unsafe {
            if ffi::lua_checkstack(state, SLOTS) == 0 {
                reply.error(b"ERR reached lua stack limit");
                ffi::lua_settop(state, -2);
                return;
            }
            match ffi::lua_type(state, -1) {
                ffi::LUA_TSTRING => reply.bulk(self.bytes(-1)),
                ffi::LUA_TNUMBER => reply.int(crate::stack::truncate(ffi::lua_tonumber(state, -1))),
                ffi::LUA_TBOOLEAN => {
                    let value = ffi::lua_toboolean(state, -1) != 0;
                    match (self.protocol, value) {
                        (Protocol::Resp3, _) => reply.bool(value),
                        (Protocol::Resp2, true) => reply.int(1),
                        (Protocol::Resp2, false) => reply.null(),
                    }
                }
                ffi::LUA_TTABLE => self.table(reply),
                _ => reply.null(),
            }
            ffi::lua_settop(state, -2);
        }
    }

    /// Answers with the table on top, which stays.
    fn table(&self, reply: &mut dyn Reply) {
        let state = self.state;
        // SAFETY: see impl.
        unsafe {
            if self.field(b"err") && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
                let text = line(self.bytes(-1));
                reply.error(text);
                ffi::lua_insert(state, -2);
                let counted = self.field(COUNTED);
                ffi::lua_settop(state, -2);
                ffi::lua_insert(state, -2);
                (self.on_error)(text, counted);
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"ok") && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
                reply.simple(line(self.bytes(-1)));
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"double") && ffi::lua_type(state, -1) == ffi::LUA_TNUMBER {
                reply.double(ffi::lua_tonumber(state, -1));
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"big_number") && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
                let mut digits = self.bytes(-1).to_vec();
                for byte in digits.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
                    *byte = b' ';
                }
                reply.big_number(&digits);
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"verbatim_string")
                && ffi::lua_type(state, -1) == ffi::LUA_TTABLE
                && self.verbatim(reply)
            {
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"map") && ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                self.map(reply);
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            if self.field(b"set") && ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                self.set(reply);
                return ffi::lua_settop(state, -2);
            }
            ffi::lua_settop(state, -2);
            self.array(reply);
        }
    }

    fn array(&self, reply: &mut dyn Reply) {
        let state = self.state;
        let mut len = 0;
        // SAFETY: see impl.
        unsafe {
            loop {
                ffi::lua_rawgeti_(state, -1, len + 1);
                let end = ffi::lua_type(state, -1) == ffi::LUA_TNIL;
                ffi::lua_settop(state, -2);
                if end {
                    break;
                }
                len += 1;
            }
            reply.array(len as usize);
            for at in 1..=len {
                ffi::lua_rawgeti_(state, -1, at);
                self.top(reply);
            }
        }
    }

    fn map(&self, reply: &mut dyn Reply) {
        let state = self.state;
        let count = self.keys();
        reply.map(count as usize);
        // SAFETY: see impl; the table of keys lies on the map.
        unsafe {
            for at in 1..=count {
                ffi::lua_rawgeti_(state, -1, at);
                ffi::lua_pushvalue(state, -1);
                self.top(reply);
                ffi::lua_rawget_(state, -3);
                self.top(reply);
            }
            ffi::lua_settop(state, -2);
        }
    }

    fn set(&self, reply: &mut dyn Reply) {
        let state = self.state;
        let count = self.keys();
        reply.set(count as usize);
        // SAFETY: as in map.
        unsafe {
            for at in 1..=count {
                ffi::lua_rawgeti_(state, -1, at);
                self.top(reply);
            }
            ffi::lua_settop(state, -2);
        }
    }

    /// Pushes a table of the keys of the table on top: numbers first, ascending, then texts by their bytes, then the others; LuaJIT's
    /// own order differs from VM to VM. Returns their count.
    fn keys(&self) -> c_int {
        let state = self.state;
        let (mut keys, mut count) = (Vec::new(), 0);
        // SAFETY: see impl; the texts stay in the table while they are compared. Nothing here raises, the limit being lifted.
        unsafe {
            ffi::lua_createtable(state, 0, 0);
            ffi::lua_pushnil(state);
            while ffi::lua_next(state, -3) != 0 {
                ffi::lua_settop(state, -2);
                count += 1;
                keys.push((self.key(), count));
                ffi::lua_pushvalue(state, -1);
                ffi::lua_rawseti_(state, -3, count);
            }
            keys.sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
            ffi::lua_createtable(state, count, 0);
            for (to, &(_, from)) in keys.iter().enumerate() {
                ffi::lua_rawgeti_(state, -2, from);
                ffi::lua_rawseti_(state, -2, to as c_int + 1);
            }
            ffi::lua_insert(state, -2);
            ffi::lua_settop(state, -2);
        }
        count
    }

    /// The key on top, as it is compared.
    fn key<'k>(&self) -> Key<'k> {
        let state = self.state;
        // SAFETY: see impl; a text's bytes live as long as the table that it is a key of.
        unsafe {
            match ffi::lua_type(state, -1) {
                ffi::LUA_TNUMBER => Key::Number(ffi::lua_tonumber(state, -1)),
                ffi::LUA_TSTRING => {
                    let mut len = 0;
                    let start = ffi::lua_tolstring(state, -1, &mut len);
                    Key::Text(std::slice::from_raw_parts(start.cast(), len))
                }
                ffi::LUA_TBOOLEAN => Key::Boolean(ffi::lua_toboolean(state, -1) != 0),
                _ => Key::Other,
            }
        }
    }

    /// `{format = .., string = ..}` on top; `false` if it is not one.
    fn verbatim(&self, reply: &mut dyn Reply) -> bool {
        let state = self.state;
        // SAFETY: see impl.
        unsafe {
            self.field(b"format");
            ffi::lua_insert(state, -2);
            self.field(b"string");
            let strings = [-1, -3].iter().all(|&at| ffi::lua_type(state, at) == ffi::LUA_TSTRING);
            if strings {
                let mut format = *b"   ";
                let given = self.bytes(-3);
                for (to, from) in format.iter_mut().zip(given) {
                    *to = *from;
                }
                reply.verbatim(&format, self.bytes(-1));
            }
            ffi::lua_settop(state, -2);
            ffi::lua_insert(state, -2);
            ffi::lua_settop(state, -2);
            strings
        }
    }

    /// Pushes a field of the table on top; whether it is there.
    fn field(&self, name: &[u8]) -> bool {
        // SAFETY: see impl.
        unsafe {
            ffi::lua_pushlstring_(self.state, name.as_ptr().cast(), name.len());
            ffi::lua_rawget_(self.state, -2);
            ffi::lua_type(self.state, -1) != ffi::LUA_TNIL
        }
    }

    /// The string at an index, valid while it is on the stack or in its table.
    fn bytes(&self, index: c_int) -> &[u8] {
        let mut len = 0;
        // SAFETY: see impl; the value is a string.
        unsafe {
            let start = ffi::lua_tolstring(self.state, index, &mut len);
            std::slice::from_raw_parts(start.cast(), len)
        }
    }
}

/// The field of an error table that says that the command which failed has been counted.
pub(super) const COUNTED: &[u8] = b"ignore_error_stats_update";

/// A text that goes out as a line: a C string to Redis, which ends at the first NUL.
fn line(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}
