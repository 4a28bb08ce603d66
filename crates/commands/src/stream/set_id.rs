//! XSETID.

use perigee_keyspace::{Audience, StreamId};

use super::{id, on_stream};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Command, Flags, Group};

pub(super) const XSETID: Command =
    on_stream("xsetid", -3, xsetid, Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
        .docs(Group::Stream, "5.0.0", "O(1)", "An internal command for replicating stream values")
        .syntax(
            "key last-id [ENTRIESADDED entries_added:int^7.0.0] \
        [MAXDELETEDID max_deleted_entry_id^7.0.0]",
        )
        .history(&[("7.0.0", "Added the `entries_added` and `max_deleted_entry_id` arguments.")]);

fn xsetid(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let last_id = id::parse(call.args[2], 0)?;
    let (mut added, mut max_deleted) = (None, None);
    let mut words = call.options(3);
    while let Some(word) = words.next() {
        if word.is("ENTRIESADDED") && words.left() > 0 {
            let number = words.integer()?;
            let number = u64::try_from(number);
            added = Some(number.map_err(|_| Error::Text("ERR entries_added must be positive"))?);
        } else if word.is("MAXDELETEDID") && words.left() > 0 {
            let id = id::parse(words.value()?, 0)?;
            if last_id < id {
                return Err(Error::Text(
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
                ));
            }
            max_deleted = Some(id).filter(|&id| id != StreamId::MIN);
        } else {
            return Err(Error::Syntax);
        }
    }
    let key = call.args[1];
    let mut stream = call.txn.stream_mut(call.db, key)?.ok_or(Error::NoSuchKey)?;
    if stream.last().is_some_and(|last| last_id < last.id) {
        return Err(Error::Text("ERR The ID specified in XSETID is smaller than the target stream top item"));
    }
    if !stream.is_empty() && added.is_some_and(|added| added < stream.len() as u64) {
        return Err(Error::Text(
            "ERR The entries_added specified in XSETID is smaller than the target stream length",
        ));
    }
    stream.tell(Audience::Nobody);
    stream.set_last_id(last_id, added, max_deleted);
    drop(stream);
    call.notify(Event::Stream, "xsetid", key);
    call.reply.ok();
    Ok(())
}
