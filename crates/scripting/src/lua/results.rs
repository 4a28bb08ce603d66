//! What a script returns, as a reply.

use std::cmp::Ordering;
use std::ffi::c_int;

use mlua::ffi::{self, lua_State};
use perigee_resp::{Protocol, Reply};

/// Slots that a level takes, and what is needed beside them. Lua's limit for a C function so is the limit of nesting.
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
    Converter { state, protocol, on_error, open: Vec::new() }.run(reply);
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
    /// The aggregates that are being answered, outermost first: not by recursion, since tables are as deep as a script likes.
    open: Vec<Aggregate>,
}

/// An aggregate with its tables on the stack: of an array the table itself; of a map or set the table that names its
/// type, its contents, and the list of its keys.
struct Aggregate {
    kind: Kind,
    /// Elements that are done, and all of them.
    done: c_int,
    len: c_int,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Array,
    /// Keys and values in turn.
    Map,
    Set,
}

/// Answers with the value of a field, if it is of the right type.
type Answer<'a> = fn(&Converter<'a>, &mut dyn Reply) -> bool;

// SAFETY (for every method): see `reply_with_top`; only raw accesses, and every level reserves its slots.
impl Converter<'_> {
    /// Answers with the value on top, and pops it.
    fn run(&mut self, reply: &mut dyn Reply) {
        self.value(reply);
        while let Some(innermost) = self.open.last_mut() {
            let (state, Aggregate { kind, done, len }) = (self.state, innermost);
            // SAFETY: see impl; the tables lie as `Aggregate` says.
            unsafe {
                if done == len {
                    ffi::lua_settop(state, if *kind == Kind::Array { -2 } else { -4 });
                    self.open.pop();
                    continue;
                }
                *done += 1;
                match kind {
                    Kind::Array | Kind::Set => ffi::lua_rawgeti_(state, -1, *done),
                    Kind::Map => {
                        ffi::lua_rawgeti_(state, -1, (*done + 1) / 2);
                        if *done % 2 == 0 {
                            ffi::lua_rawget_(state, -3);
                        }
                    }
                }
            }
            self.value(reply);
        }
    }

    /// Answers with the value on top, and pops it; or opens it, if it is an aggregate.
    fn value(&mut self, reply: &mut dyn Reply) {
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
                ffi::LUA_TTABLE if self.single(reply) => {}
                ffi::LUA_TTABLE => return self.aggregate(reply),
                _ => reply.null(),
            }
            ffi::lua_settop(state, -2);
        }
    }

    /// Answers with the table on top, which stays, if it stands for a single value.
    fn single(&self, reply: &mut dyn Reply) -> bool {
        let fields: [(&[u8], Answer<'_>); 5] = [
            (b"err", Self::error),
            (b"ok", Self::status),
            (b"double", Self::double),
            (b"big_number", Self::big_number),
            (b"verbatim_string", Self::verbatim),
        ];
        fields.into_iter().any(|(name, answer)| {
            let answered = self.field(name) && answer(self, reply);
            // SAFETY: see impl; the field is on top.
            unsafe { ffi::lua_settop(self.state, -2) };
            answered
        })
    }

    fn error(&self, reply: &mut dyn Reply) -> bool {
        if !self.is_string(-1) {
            return false;
        }
        let text = line(self.bytes(-1));
        reply.error(text);
        // SAFETY: see impl; the text lies on its table, which holds it.
        unsafe {
            ffi::lua_pushvalue(self.state, -2);
            let counted = self.field(COUNTED);
            ffi::lua_settop(self.state, -3);
            (self.on_error)(text, counted);
        }
        true
    }

    fn status(&self, reply: &mut dyn Reply) -> bool {
        let is_string = self.is_string(-1);
        if is_string {
            reply.simple(line(self.bytes(-1)));
        }
        is_string
    }

    fn double(&self, reply: &mut dyn Reply) -> bool {
        // SAFETY: see impl.
        unsafe {
            let is_number = ffi::lua_type(self.state, -1) == ffi::LUA_TNUMBER;
            if is_number {
                reply.double(ffi::lua_tonumber(self.state, -1));
            }
            is_number
        }
    }

    fn big_number(&self, reply: &mut dyn Reply) -> bool {
        let is_string = self.is_string(-1);
        if is_string {
            let mut digits = self.bytes(-1).to_vec();
            for byte in digits.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')) {
                *byte = b' ';
            }
            reply.big_number(&digits);
        }
        is_string
    }

    /// `{format = .., string = ..}` on top; `false` if it is not one.
    fn verbatim(&self, reply: &mut dyn Reply) -> bool {
        if !self.is_table() {
            return false;
        }
        self.field(b"format");
        // SAFETY: see impl; the table stays below its fields.
        unsafe { ffi::lua_pushvalue(self.state, -2) };
        self.field(b"string");
        let strings = self.is_string(-1) && self.is_string(-3);
        if strings {
            let mut format = *b"   ";
            for (to, from) in format.iter_mut().zip(self.bytes(-3)) {
                *to = *from;
            }
            reply.verbatim(&format, self.bytes(-1));
        }
        // SAFETY: as above.
        unsafe { ffi::lua_settop(self.state, -4) };
        strings
    }

    /// Opens the table on top: a map or set, if a field says so, or an array up to the first nil.
    fn aggregate(&mut self, reply: &mut dyn Reply) {
        let state = self.state;
        for (name, kind) in [(&b"map"[..], Kind::Map), (b"set", Kind::Set)] {
            if self.field(name) && self.is_table() {
                let count = self.keys();
                let len = if kind == Kind::Map { 2 * count } else { count };
                match kind {
                    Kind::Map => reply.map(count as usize),
                    _ => reply.set(count as usize),
                }
                return self.open.push(Aggregate { kind, done: 0, len });
            }
            // SAFETY: see impl; the field is on top.
            unsafe { ffi::lua_settop(state, -2) };
        }
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
        }
        reply.array(len as usize);
        self.open.push(Aggregate { kind: Kind::Array, done: 0, len });
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

    fn is_string(&self, index: c_int) -> bool {
        // SAFETY: see impl.
        unsafe { ffi::lua_type(self.state, index) == ffi::LUA_TSTRING }
    }

    fn is_table(&self) -> bool {
        // SAFETY: see impl.
        unsafe { ffi::lua_type(self.state, -1) == ffi::LUA_TTABLE }
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
