//! GEODIST, GEOHASH, GEOPOS.

use perigee_keyspace::ZSet;
use perigee_resp::Reply;

use super::hash::{Cell, Position, text};
use super::{shape, unit};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn reading(name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).flags(Flags::READONLY).keys(Keys::at(1)).acl(Categories::GEO)
}

pub(super) const GEODIST: Command = reading("geodist", -4, geodist)
    .docs(Group::Geo, "3.2.0", "O(log(N))", "Returns the distance between two members of a geospatial index")
    .syntax("key member1 member2 [unit<M|KM|FT|MI>]");

fn geodist(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let unit = match call.args.get(4..).unwrap_or_default() {
        [] => 1.0,
        [word] => unit(word)?,
        _ => return Err(Error::Syntax),
    };
    let (from, to) = (call.args[2], call.args[3]);
    match (locate(call, from)?, locate(call, to)?) {
        (Some(from), Some(to)) => reply_distance(call.reply, shape::distance(from, to) / unit),
        _ => call.reply.null(),
    }
    let found = call.txn.contains(call.db, call.args[1]);
    call.env.count_lookup(call.txn, call.db, call.args[1], found);
    Ok(())
}

/// Answers with a distance, to four digits behind the point.
pub(super) fn reply_distance(reply: &mut dyn Reply, distance: f64) {
    reply.bulk(format!("{distance:.4}").as_bytes());
}

/// Answers with longitude and latitude.
pub(super) fn reply_position(reply: &mut dyn Reply, position: Position) {
    reply.array(2);
    reply.decimal(position.longitude);
    reply.decimal(position.latitude);
}

fn locate(call: &Call<'_, '_>, member: &[u8]) -> Result<Option<Position>, Error> {
    Ok(call.txn.zset(call.db, call.args[1])?.and_then(|zset| position_of(zset, member)))
}

/// Where a member is.
pub(super) fn position_of(zset: &ZSet, member: &[u8]) -> Option<Position> {
    zset.score(member).map(|score| Cell::of_score(score).position())
}

pub(super) const GEOHASH: Command = reading("geohash", -2, geohash)
    .docs(
        Group::Geo,
        "3.2.0",
        "O(log(N)) for each member requested, where N is the number of elements in the sorted set.",
        "Returns members of a geospatial index as standard geohash strings",
    )
    .syntax("key member...");

fn geohash(call: &mut Call<'_, '_>) -> Result<(), Error> {
    each_member(call, |reply, position| match position {
        Some(position) => reply.bulk(&text(position)),
        None => reply.null(),
    })
}

pub(super) const GEOPOS: Command = reading("geopos", -2, geopos)
    .docs(
        Group::Geo,
        "3.2.0",
        "O(N) where N is the number of members requested.",
        "Returns longitude and latitude of members of a geospatial index",
    )
    .syntax("key member...");

fn geopos(call: &mut Call<'_, '_>) -> Result<(), Error> {
    each_member(call, |reply, position| match position {
        Some(position) => reply_position(reply, position),
        None => reply.null_array(),
    })
}

fn each_member(
    call: &mut Call<'_, '_>,
    answer: impl Fn(&mut dyn Reply, Option<Position>),
) -> Result<(), Error> {
    let (key, members) = (call.args[1], &call.args[2..]);
    let zset = call.txn.zset(call.db, key)?;
    call.env.count_lookup(call.txn, call.db, key, zset.is_some());
    call.reply.array(members.len());
    for member in members {
        answer(call.reply, zset.and_then(|zset| position_of(zset, member)));
    }
    Ok(())
}
