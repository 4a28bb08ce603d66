//! HSCAN.

use super::{READ, on_hash};
use crate::call::Call;
use crate::error::Error;
use crate::scan::{self, Options};
use crate::spec::{Command, Group};

pub(super) const HSCAN: Command = on_hash("hscan", -3, hscan, READ).docs(
    Group::Hash,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate hash fields and associated values",
)
    .syntax("key cursor:int [MATCH pattern:pattern] [COUNT count:int] [NOVALUES^7.4.0]");

fn hscan(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let cursor = scan::cursor(call.args[2])?;
    let hash = call.txn.hash(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], hash.is_some());
    let Some(hash) = hash else {
        scan::reply_header(call.reply, 0, 0);
        return Ok(());
    };
    let mut with_values = true;
    let options = Options::parse_with(call, 3, |word, _| {
        let known = word.is("NOVALUES");
        with_values &= !known;
        Ok(known)
    })?;
    let mut found = Vec::new();
    let next = options.walk(cursor, |cursor| {
        hash.scan(cursor, |field, value| {
            if options.matches(field) {
                found.push((field, value));
            }
        })
    });
    scan::reply_header(call.reply, next, if with_values { found.len() * 2 } else { found.len() });
    for (field, value) in found {
        call.reply.bulk(field);
        if with_values {
            call.reply.bulk(value);
        }
    }
    Ok(())
}
