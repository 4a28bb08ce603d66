//! HINCRBY, HINCRBYFLOAT.

use super::{FAST_WRITE, on_hash};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::long_double::LongDouble;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group};

pub(super) const HINCRBY: Command = on_hash("hincrby", 4, hincrby, FAST_WRITE.or(Flags::DENYOOM))
    .docs(Group::Hash, "2.0.0", "O(1)", "Increment the integer value of a hash field by the given number")
    .syntax("key field increment:int");

fn hincrby(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let amount = call.integer(3)?;
    let mut hash = call.txn.hash_entry(call.db, call.args[1])?;
    let current = match hash.get(call.args[2]) {
        None => 0,
        Some(value) => integer(value).ok_or(Error::Text("ERR hash value is not an integer"))?,
    };
    let sum = current.checked_add(amount).ok_or(Error::Text("ERR increment or decrement would overflow"))?;
    hash.insert(call.args[2], itoa::Buffer::new().format(sum).as_bytes());
    drop(hash);
    call.notify(Event::Hash, "hincrby", call.args[1]);
    call.reply.int(sum);
    Ok(())
}

pub(super) const HINCRBYFLOAT: Command =
    on_hash("hincrbyfloat", 4, hincrbyfloat, FAST_WRITE.or(Flags::DENYOOM))
        .docs(Group::Hash, "2.6.0", "O(1)", "Increment the float value of a hash field by the given amount")
        .syntax("key field increment:double");

fn hincrbyfloat(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let amount = LongDouble::parse(call.args[3]).ok_or(Error::NotFloat)?;
    if !amount.is_finite() {
        return Err(Error::Text("ERR value is NaN or Infinity"));
    }
    let mut hash = call.txn.hash_entry(call.db, call.args[1])?;
    let current = hash.get(call.args[2]).unwrap_or(b"0");
    let current = LongDouble::parse(current).ok_or(Error::Text("ERR hash value is not a float"))?;
    let sum =
        current.checked_add(amount).ok_or(Error::Text("ERR increment would produce NaN or Infinity"))?;
    let text = sum.text();
    hash.insert(call.args[2], text.as_bytes());
    drop(hash);
    call.notify(Event::Hash, "hincrbyfloat", call.args[1]);
    call.reply.bulk(text.as_bytes());
    Ok(())
}
