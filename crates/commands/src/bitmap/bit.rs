//! SETBIT and GETBIT.

use crate::bitmap::bit_offset;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const SETBIT: Command = command("setbit", 4, setbit)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(
        Group::Bitmap,
        "2.2.0",
        "O(1)",
        "Sets or clears the bit at offset in the string value stored at key",
    )
    .syntax("key offset:int value:int");

fn setbit(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let offset = bit_offset(call, call.args[2], None)?;
    let on = match integer(call.args[3]) {
        Some(bit @ (0 | 1)) => bit == 1,
        _ => return Err(Error::Text("ERR bit is not an integer or out of range")),
    };
    let (at, mask) = ((offset / 8) as usize, 0x80 >> (offset % 8));
    let current = call.txn.string(call.db, key)?;
    let byte = current.and_then(|value| value.as_bytes(&mut Default::default()).get(at).copied());
    let was_on = byte.is_some_and(|byte| byte & mask != 0);
    let changes = byte.is_none() || was_on != on;
    let mut value = call.txn.string_entry(call.db, key)?;
    value.make_raw();
    if changes {
        let byte = byte.unwrap_or(0);
        value.set_range(at, &[if on { byte | mask } else { byte & !mask }]);
        drop(value);
        call.notify(Event::String, "setbit", key);
    }
    call.reply.int(i64::from(was_on));
    Ok(())
}

pub(super) const GETBIT: Command = command("getbit", 3, getbit)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(Group::Bitmap, "2.2.0", "O(1)", "Returns the bit value at offset in the string value stored at key")
    .syntax("key offset:int");

fn getbit(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let offset = bit_offset(call, call.args[2], None)?;
    let current = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], current.is_some());
    let at = (offset / 8) as usize;
    let byte = current.and_then(|value| value.as_bytes(&mut Default::default()).get(at).copied());
    call.reply.int(byte.map_or(0, |byte| i64::from(byte >> (7 - offset % 8) & 1)));
    Ok(())
}
