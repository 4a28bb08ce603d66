//! GEOADD.

use super::hash::{Cell, STEPS};
use super::position;
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};
use crate::zset;

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
    let only = match (new, present) {
        (true, _) => zset::Only::New,
        (_, true) => zset::Only::Present,
        _ => zset::Only::Any,
    };
    let options = zset::AddOptions { only, count_changed, ..zset::AddOptions::default() };
    zset::add(call, options, places.chunks_exact(3).map(|place| place[2]).zip(scores))
}
