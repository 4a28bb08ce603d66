//! GEOADD.

use perigee_keyspace::{Edit, Outcome, Txn, WrongType, ZSet};

use super::hash::{Cell, STEPS};
use super::position;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const GEOADD: Command = command("geoadd", -5, geoadd)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::at(1))
    .acl(Categories::GEO)
    .docs(
        Group::Geo,
        "3.2.0",
        "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
        "Add one or more geospatial items in the geospatial index represented using a sorted set",
    )
    .syntax(
        "key [condition<NX|XX>^6.2.0] [change=CH^6.2.0] \
        longitude_latitude_member(longitude:double latitude:double member)...",
    )
    .history(&[("6.2.0", "Added the `CH`, `NX` and `XX` options.")]);

fn geoadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let (mut new, mut present, mut count_changed) = (false, false, false);
    let mut words = call.options(2);
    let at = loop {
        let at = words.position();
        match words.next() {
            Some(word) if word.is("NX") => new = true,
            Some(word) if word.is("XX") => present = true,
            Some(word) if word.is("CH") => count_changed = true,
            _ => break at,
        }
    };
    let places = &call.args[at..];
    if !places.len().is_multiple_of(3) || new && present {
        return Err(Error::Syntax);
    }
    let scores =
        places.chunks_exact(3).map(|place| Ok(Cell::of(position(place[0], place[1])?, STEPS).score()));
    let scores: Vec<f64> = scores.collect::<Result<_, Error>>()?;
    if scores.is_empty() {
        return Err(Error::Syntax);
    }
    let Some(mut zset) = target(call.txn, call.db, key, present)? else {
        call.reply.int(0);
        return Ok(());
    };
    let (mut added, mut updated) = (0, 0);
    for (place, score) in places.chunks_exact(3).zip(scores) {
        let exists = zset.score(place[2]).is_some();
        if exists && new || !exists && present {
            continue;
        }
        match zset.insert_or_update(place[2], score) {
            Outcome::Added => added += 1,
            Outcome::Updated => updated += 1,
            Outcome::Same => {}
        }
    }
    drop(zset);
    if added + updated > 0 {
        call.notify(Event::ZSet, "zadd", key);
    }
    call.reply.int(if count_changed { added + updated } else { added });
    Ok(())
}

/// The sorted set to add to; `None` if only present members are to change and there is none.
fn target<'t, 'e>(
    txn: &'t mut Txn<'e>,
    db: u16,
    key: &[u8],
    present: bool,
) -> Result<Option<Edit<'t, 'e, ZSet>>, WrongType> {
    if present { txn.zset_mut(db, key) } else { txn.zset_entry(db, key).map(Some) }
}
