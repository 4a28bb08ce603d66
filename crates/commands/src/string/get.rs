//! GET.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const GET: Command = command("get", 2, get)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "1.0.0", "O(1)", "Get the value of a key");

fn get(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let found = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(found.is_some());
    match found {
        Some(value) => call.reply.bulk(value.as_bytes(&mut Default::default())),
        None => call.reply.null(),
    }
    Ok(())
}
