//! INCRBYFLOAT.

use perigee_keyspace::{Deadline, Str, Value};

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::long_double::LongDouble;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const INCRBYFLOAT: Command = command("incrbyfloat", 3, incrbyfloat)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "2.6.0", "O(1)", "Increment the float value of a key by the given amount")
    .syntax("key increment:double");

fn incrbyfloat(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let mut scratch = Default::default();
    let current = call.txn.string(call.db, key)?.map_or(&b"0"[..], |value| value.as_bytes(&mut scratch));
    let current = LongDouble::parse(current).ok_or(Error::NotFloat)?;
    let amount = LongDouble::parse(call.args[2]).ok_or(Error::NotFloat)?;
    let text = current.checked_add(amount).ok_or(NOT_FINITE)?.text();
    let sum = Str::from_text(text.as_bytes());
    if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        value.replace(sum);
    } else {
        call.txn.insert(call.db, key, Value::Str(sum), Deadline::Never);
    }
    call.notify(Event::String, "incrbyfloat", key);
    call.reply.bulk(text.as_bytes());
    Ok(())
}

const NOT_FINITE: Error = Error::Text("ERR increment would produce NaN or Infinity");
