//! SSCAN.

use super::{READ, on_set};
use crate::call::Call;
use crate::error::Error;
use crate::scan::{self, Options};
use crate::spec::{Command, Group};

pub(super) const SSCAN: Command = on_set("sscan", -3, sscan, READ).docs(
    Group::Set,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate Set elements",
)
    .syntax("key cursor:int [MATCH pattern:pattern] [COUNT count:int]");

fn sscan(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let cursor = scan::cursor(call.args[2])?;
    let set = call.txn.set(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let Some(set) = set else {
        scan::reply_header(call.reply, 0, 0);
        return Ok(());
    };
    let options = Options::parse(call, 3)?;
    let mut found = Vec::new();
    let next = options.walk(cursor, |cursor| {
        set.scan(cursor, |member| {
            if options.matches(&member) {
                found.push(member);
            }
        })
    });
    scan::reply_header(call.reply, next, found.len());
    found.iter().for_each(|member| call.reply.bulk(member));
    Ok(())
}
