//! ZSCAN.

use perigee_resp::format_double;

use super::reading;
use crate::call::Call;
use crate::error::Error;
use crate::scan::{Options, cursor, reply_header};
use crate::spec::{Command, Group};

pub(super) const ZSCAN: Command = reading("zscan", -3, zscan).docs(
    Group::SortedSet,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection..",
    "Incrementally iterate sorted sets elements and associated scores",
)
    .syntax("key cursor:int [MATCH pattern:pattern] [COUNT count:int] [NOSCORES^9.1.0]");

fn zscan(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let cursor = cursor(call.args[2])?;
    let zset = call.txn.zset(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], zset.is_some());
    let Some(zset) = zset else {
        reply_header(call.reply, 0, 0);
        return Ok(());
    };
    let mut with_scores = true;
    let options = Options::parse_with(call, 3, |word, _| {
        let known = word.is("NOSCORES");
        with_scores &= !known;
        Ok(known)
    })?;
    let mut found = Vec::new();
    let next = options.walk(cursor, |cursor| {
        zset.scan(cursor, |member, score| {
            if options.matches(member) {
                found.push((member.to_vec(), score));
            }
        })
    });
    reply_header(call.reply, next, if with_scores { 2 * found.len() } else { found.len() });
    let in_compact_form = zset.encoding() == "listpack";
    for (member, score) in found {
        call.reply.bulk(&member);
        if !with_scores {
            continue;
        }
        match stored_integer(score) {
            Some(integer) if in_compact_form => call.reply.bulk_int(integer),
            _ => call.reply.bulk(&format_double(score)),
        }
    }
    Ok(())
}

/// The integer as which Redis's small sorted sets keep a score. ZSCAN shows it so, with all digits.
fn stored_integer(score: f64) -> Option<i64> {
    let integer = score as i64;
    (score.abs() <= (i64::MAX / 2) as f64 && integer as f64 == score).then_some(integer)
}
