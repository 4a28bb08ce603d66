//! The Lua stack as the libraries see it: a copyable handle over a `lua_State`, one way to raise errors, one way to
//! make a Rust function a Lua function.
//!
//! A Lua error unwinds out of the frame that causes it. The libraries therefore keep nothing with a destructor in
//! their frames: buffers live in the VM's [`Shared`] block, of which a function borrows a reference, and an error is
//! a `Copy` value that travels by `Result` up to [`entry`], which raises it when every other frame is gone. A call
//! that may itself raise (anything that allocates) is safe for the same reason.

use std::ffi::{c_int, c_void};
use std::mem::size_of;
use std::ptr::NonNull;
use std::slice;

use mlua::ffi::{self, lua_State};

use crate::library::Shared;
use crate::lua;

/// Number of results, or what to raise.
pub(crate) type Outcome = Result<c_int, Raise>;

/// An error that a library function wants to raise. `Copy`, so that no frame owns anything.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Raise {
    /// `bad argument #n to 'f' (text)`; the text is a C string.
    Argument(c_int, &'static std::ffi::CStr),
    /// `bad argument #n to 'f' (text)`; the text is in [`Shared::message`].
    ArgumentMessage(c_int),
    /// `bad argument #n to 'f' (name expected, got ...)`.
    Type(c_int, &'static std::ffi::CStr),
    /// The text in [`Shared::message`], after the position of the caller.
    Message,
    /// The text in [`Shared::message`] as it is.
    Bare,
    /// The value on top of the stack.
    Top,
    /// Nothing: what is in [`Shared::operation`] is to be done, over as many slices as it takes.
    Unfinished,
    /// Nothing: the script is to end where it is.
    Stop,
    /// The memory limit is met.
    NoRoom,
}

/// Slots that Lua grants to a C function above its arguments.
pub(crate) const GRANTED: c_int = 20;

/// A Lua stack inside a running C function.
#[derive(Clone, Copy)]
pub(crate) struct Stack(*mut lua_State);

/// The kinds of values that the libraries tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// No value at all: an argument that was not passed.
    None,
    /// nil
    Nil,
    /// A boolean.
    Boolean,
    /// A light userdata.
    LightUserdata,
    /// A number.
    Number,
    /// A string.
    String,
    /// A table.
    Table,
    /// A function, full userdata, coroutine or cdata.
    Other,
}

// SAFETY (for every method): `new` promises a live state of a running C function; the callers keep their indexes
// within the frame and reserve slots by `reserve` before they push more than the 20 that Lua grants.
impl Stack {
    /// # Safety
    /// `state` is live and the caller runs inside a C function (or a protected call) of it, for as long as the
    /// handle is used; no frame above has a destructor that an error would skip.
    pub(crate) unsafe fn new(state: *mut lua_State) -> Stack {
        Stack(state)
    }

    /// The state behind the handle.
    pub(crate) fn state(self) -> *mut lua_State {
        self.0
    }

    #[inline]
    pub(crate) fn top(self) -> c_int {
        // SAFETY: see impl.
        unsafe { ffi::lua_gettop(self.0) }
    }

    #[inline]
    pub(crate) fn set_top(self, top: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_settop(self.0, top) }
    }

    #[inline]
    pub(crate) fn pop(self, count: c_int) {
        self.set_top(-count - 1);
    }

    /// Makes room for `slots` more values; false when Lua's limit for a C function is reached.
    #[inline]
    pub(crate) fn reserve(self, slots: c_int) -> bool {
        // SAFETY: see impl. LuaJIT catches its own memory error here.
        unsafe { ffi::lua_checkstack(self.0, slots) != 0 }
    }

    #[inline]
    pub(crate) fn kind(self, index: c_int) -> Kind {
        // SAFETY: see impl.
        match unsafe { ffi::lua_type(self.0, index) } {
            ffi::LUA_TNONE => Kind::None,
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            _ => Kind::Other,
        }
    }

    /// Whether the table at `index` has a metatable. Takes a free slot.
    #[inline]
    pub(crate) fn has_metatable(self, index: c_int) -> bool {
        // SAFETY: see impl.
        let has = unsafe { ffi::lua_getmetatable(self.0, index) != 0 };
        if has {
            self.pop(1);
        }
        has
    }

    /// Lua's name of the value's type.
    pub(crate) fn type_name(self, index: c_int) -> &'static str {
        // SAFETY: see impl; type names are static ASCII strings of the VM.
        unsafe {
            let name = ffi::lua_typename(self.0, ffi::lua_type(self.0, index));
            std::ffi::CStr::from_ptr(name).to_str().unwrap_or("value")
        }
    }

    /// The number at `index`; strings convert as Lua converts them, everything else is 0.
    #[inline]
    pub(crate) fn number(self, index: c_int) -> f64 {
        // SAFETY: see impl.
        unsafe { ffi::lua_tonumber(self.0, index) }
    }

    /// Whether the value is a number or a string that converts to one.
    #[inline]
    pub(crate) fn is_number(self, index: c_int) -> bool {
        // SAFETY: see impl.
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    #[inline]
    pub(crate) fn boolean(self, index: c_int) -> bool {
        // SAFETY: see impl.
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    #[inline]
    pub(crate) fn is_null_pointer(self, index: c_int) -> bool {
        // SAFETY: see impl.
        unsafe { ffi::lua_touserdata(self.0, index).is_null() }
    }

    /// The bytes of the string at `index`, which must be a string (or a number, which becomes a string in place).
    /// They stay valid, and followed by a NUL, as long as the value is reachable from Lua: the lifetime is the
    /// caller's promise to keep it so.
    #[inline]
    pub(crate) fn bytes<'a>(self, index: c_int) -> &'a [u8] {
        let mut length = 0;
        // SAFETY: see impl; Lua strings do not move.
        unsafe {
            let start = ffi::lua_tolstring(self.0, index, &mut length);
            if start.is_null() { &[] } else { slice::from_raw_parts(start.cast(), length) }
        }
    }

    #[inline]
    pub(crate) fn push_nil(self) {
        // SAFETY: see impl.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    #[inline]
    pub(crate) fn push_boolean(self, value: bool) {
        // SAFETY: see impl.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    #[inline]
    pub(crate) fn push_number(self, value: f64) {
        // SAFETY: see impl.
        unsafe { ffi::lua_pushnumber(self.0, value) }
    }

    #[inline]
    pub(crate) fn push_null_pointer(self) {
        // SAFETY: see impl.
        unsafe { ffi::lua_pushlightuserdata(self.0, std::ptr::null_mut()) }
    }

    /// Pushes a string. May raise a memory error.
    #[inline]
    pub(crate) fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: see impl; the pointer of an empty slice is not read.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    #[inline]
    pub(crate) fn push_value(self, index: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_pushvalue(self.0, index) }
    }

    #[inline]
    pub(crate) fn insert(self, index: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_insert(self.0, index) }
    }

    /// Pushes a new table with room for the given numbers of elements. May raise a memory error.
    #[inline]
    pub(crate) fn push_table(self, elements: c_int, fields: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_createtable(self.0, elements, fields) }
    }

    /// Replaces the key on top by the next key and value of the table; pops the key at the table's end.
    #[inline]
    pub(crate) fn next(self, table: c_int) -> bool {
        // SAFETY: see impl; the key came from the same table, which nobody changed since.
        unsafe { ffi::lua_next(self.0, table) != 0 }
    }

    /// Replaces the key on top by the table's value under it.
    #[inline]
    pub(crate) fn raw_get(self, table: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_rawget_(self.0, table) }
    }

    /// Pushes element `position` of the table.
    #[inline]
    pub(crate) fn raw_get_position(self, table: c_int, position: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_rawgeti_(self.0, table, position) }
    }

    /// Pops value and key into the table. The key is neither nil nor NaN. May raise a memory error.
    #[inline]
    pub(crate) fn raw_set(self, table: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_rawset(self.0, table) }
    }

    /// Pops a value into element `position` of the table. May raise a memory error.
    #[inline]
    pub(crate) fn raw_set_position(self, table: c_int, position: c_int) {
        // SAFETY: see impl.
        unsafe { ffi::lua_rawseti_(self.0, table, position) }
    }

    /// Pushes the running C function.
    pub(crate) fn push_running_function(self) {
        // SAFETY: see impl; level 0 is the running function, the record is ours.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            ffi::lua_getstack(self.0, 0, &mut record);
            ffi::lua_getinfo(self.0, c"f".as_ptr(), &mut record);
        }
    }

    /// What owns the running function's settings: its second upvalue, null where there is none.
    pub(crate) fn owner(self) -> *mut c_void {
        // SAFETY: see impl.
        unsafe { ffi::lua_touserdata(self.0, ffi::lua_upvalueindex(2)) }
    }

    /// Pushes a full userdata that holds `value`. May raise a memory error.
    pub(crate) fn push_plain<T: Copy>(self, value: T) {
        const { assert!(std::mem::align_of::<T>() <= 8) };
        // SAFETY: see impl; the block is of T's size and aligned for a double.
        unsafe { ffi::lua_newuserdata(self.0, size_of::<T>()).cast::<T>().write(value) }
    }

    /// Pops a value into field `name` of the table. May raise a memory error.
    pub(crate) fn set_field(self, table: c_int, name: &str) {
        let table = if table < 0 { table + self.top() + 1 } else { table };
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(table);
    }

    /// The value at `index` as a number, if Lua 5.1 would convert it: unlike LuaJIT, that ends a string at its first
    /// NUL.
    pub(crate) fn as_number(self, index: c_int) -> Option<f64> {
        let value = self.number(index);
        if value != 0.0 || self.is_number(index) {
            return Some(value);
        }
        if self.kind(index) != Kind::String {
            return None;
        }
        let text = self.bytes(index);
        self.push_bytes(&text[..memchr::memchr(0, text)?]);
        let value = self.is_number(-1).then(|| self.number(-1));
        self.pop(1);
        value
    }

    /// Argument `index` as a number, by Lua's rules.
    pub(crate) fn check_number(self, index: c_int) -> Result<f64, Raise> {
        self.as_number(index).ok_or(Raise::Type(index, c"number"))
    }

    /// Argument `index` as an integer: the number cut off as x86-64 does, out of range as `i64::MIN`.
    pub(crate) fn check_integer(self, index: c_int) -> Result<i64, Raise> {
        Ok(truncate(self.check_number(index)?))
    }

    /// Like [`Stack::check_integer`], with a default for nil and none.
    pub(crate) fn integer_or(self, index: c_int, default: i64) -> Result<i64, Raise> {
        match self.kind(index) {
            Kind::None | Kind::Nil => Ok(default),
            _ => self.check_integer(index),
        }
    }

    /// Argument `index` as a string; a number converts. See [`Stack::bytes`] for the lifetime.
    pub(crate) fn check_bytes<'a>(self, index: c_int) -> Result<&'a [u8], Raise> {
        match self.kind(index) {
            Kind::String | Kind::Number => Ok(self.bytes(index)),
            _ => Err(Raise::Type(index, c"string")),
        }
    }
}

/// A double as a 64-bit integer the way C on x86-64 casts it: everything out of range is `i64::MIN`.
#[inline]
pub(crate) fn truncate(value: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&value) { value as i64 } else { i64::MIN }
}

/// Makes `function` the field `name` of the table on top. `shared` is the VM's block and outlives the function.
///
/// # Safety
/// The state's stack has room for three values; `shared` lives as long as the state.
pub(crate) unsafe fn register<F>(stack: Stack, shared: *mut Shared, name: &str, function: F)
where
    F: Fn(Stack, &mut Shared) -> Outcome + Copy + 'static,
{
    // SAFETY: the caller's.
    unsafe { push_function(stack, shared, function) };
    stack.set_field(-2, name);
}

/// Like [`register`], for a function whose [`Stack::owner`] is the value at `owner`.
///
/// # Safety
/// As [`register`]; the owner is null or of the type that the function expects.
pub(crate) unsafe fn register_owned<F>(
    stack: Stack,
    shared: *mut Shared,
    owner: c_int,
    name: &str,
    _function: F,
) where
    F: Fn(Stack, &mut Shared) -> Outcome + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "a library function is a plain function") };
    // SAFETY: the caller's; the upvalues are what `entry` and `owner` read.
    unsafe {
        ffi::lua_pushlightuserdata(stack.state(), shared.cast::<c_void>());
        stack.push_value(owner);
        ffi::lua_pushcclosure(stack.state(), entry::<F>, 2);
    }
    stack.set_field(-2, name);
}

/// Pushes `function` as a Lua function.
///
/// # Safety
/// As [`register`].
pub(crate) unsafe fn push_function<F>(stack: Stack, shared: *mut Shared, _function: F)
where
    F: Fn(Stack, &mut Shared) -> Outcome + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "a library function is a plain function") };
    // SAFETY: the caller's; the upvalue is what `entry` reads.
    unsafe {
        ffi::lua_pushlightuserdata(stack.state(), shared.cast::<c_void>());
        ffi::lua_pushcclosure(stack.state(), entry::<F>, 1);
    }
}

/// What Lua calls when it calls `function`: a C function whose first upvalue is the VM's block.
pub(crate) fn entry_of<F>(_function: F) -> ffi::lua_CFunction
where
    F: Fn(Stack, &mut Shared) -> Outcome + Copy + 'static,
{
    const { assert!(size_of::<F>() == 0, "a library function is a plain function") };
    entry::<F>
}

unsafe extern "C-unwind" fn entry<F>(state: *mut lua_State) -> c_int
where
    F: Fn(Stack, &mut Shared) -> Outcome + Copy + 'static,
{
    // SAFETY: F has no size (asserted where this entry was made), so any aligned pointer holds one. The first upvalue
    // is the VM's block; a VM runs one C function at a time, and none of the libraries calls back into Lua.
    unsafe {
        let function = NonNull::<F>::dangling().as_ptr().read();
        let shared = &mut *ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast::<Shared>();
        let stack = Stack::new(state);
        match function(stack, shared) {
            Ok(results) => results,
            Err(error) => raise(stack, shared, error),
        }
    }
}

/// Raises what a library function asked for, or ends its slice: what a C function returns.
///
/// # Safety
/// The last thing that a C function does; no frame between it and Lua owns anything.
pub(crate) unsafe fn raise(stack: Stack, shared: *mut Shared, error: Raise) -> c_int {
    let state = stack.state();
    // SAFETY: the caller's; messages end with a NUL.
    unsafe {
        if matches!(error, Raise::Unfinished) {
            return lua::complete(stack, shared);
        }
        let shared = &mut *shared;
        shared.release();
        match error {
            Raise::Argument(index, text) => {
                ffi::luaL_argerror(state, index, text.as_ptr());
            }
            Raise::ArgumentMessage(index) => {
                shared.message.push(0);
                ffi::luaL_argerror(state, index, shared.message.as_ptr().cast());
            }
            Raise::Type(index, name) => {
                ffi::luaL_typerror(state, index, name.as_ptr());
            }
            Raise::Message => {
                stack.set_top(0);
                ffi::luaL_where(state, 1);
                stack.push_bytes(&shared.message);
                ffi::lua_concat(state, 2);
            }
            Raise::Top => {}
            Raise::Bare => {
                stack.set_top(0);
                stack.push_bytes(&shared.message);
            }
            Raise::Stop => return lua::halt(state),
            Raise::NoRoom => {
                shared.exceed();
                stack.set_top(0);
                stack.push_bytes(b"not enough memory");
            }
            Raise::Unfinished => {}
        }
        ffi::lua_error(state)
    }
}
