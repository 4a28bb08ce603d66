//! GEOSEARCH and GEOSEARCHSTORE, and the older GEORADIUS and GEORADIUSBYMEMBER.

use std::cmp::Ordering;

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Deadline, Limits, Value, ZSet};

use super::cells::covering;
use super::hash::{Cell, Position, truncated};
use super::options::{Kind, Options, Sort, keys_of_radius, keys_of_radius_by_member};
use super::read::{reply_distance, reply_position};
use super::shape::Shape;
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn entry(name: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler).keys(Keys::at(1)).acl(Categories::GEO)
}

const SEARCH_COST: &str = "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area around the shape provided as the filter and M is the number of items inside the shape";
const RADIUS_COST: &str = "O(N+log(M)) where N is the number of elements inside the bounding box of the circular area delimited by center and radius and M is the number of items inside the index.";

pub(super) const GEOSEARCH: Command =
    entry("geosearch", -7, |call| search(call, Kind::Search { stores: false })).flags(Flags::READONLY).docs(
        Group::Geo,
        "6.2.0",
        SEARCH_COST,
        "Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle.",
    )
    .syntax("key search-type<radius-or-box(from<FROMMEMBER member|\
        FROMLONLAT longitude_latitude(longitude:double latitude:double)> \
        by<circle(BYRADIUS radius:double unit<M|KM|FT|MI>)|\
        box(BYBOX width:double height:double unit<M|KM|FT|MI>)>)|\
        polygon(BYPOLYGON num-vertices:int vertices(longitude:double latitude:double)...)^9.0.0> [order<ASC|DESC>] \
        [count(COUNT count:int [ANY])] [WITHCOORD] [WITHDIST] [WITHHASH]")
    .history(&[
        ("7.0.0", "Added support for uppercase unit names."),
    ]);

pub(super) const GEOSEARCHSTORE: Command =
    entry("geosearchstore", -8, |call| search(call, Kind::Search { stores: true }))
        .flags(Flags::WRITE.or(Flags::DENYOOM))
        .keys(Keys::range(1, 1, 1))
        .docs(
            Group::Geo,
            "6.2.0",
            SEARCH_COST,
            "Query a sorted set representing a geospatial index to fetch members inside an area of a box or a circle, and store the result in another key.",
        )
    .syntax("destination@0 source@1 search-type<radius-or-box(from<FROMMEMBER member|\
        FROMLONLAT longitude_latitude(longitude:double latitude:double)> \
        by<circle(BYRADIUS radius:double unit<M|KM|FT|MI>)|\
        box(BYBOX width:double height:double unit<M|KM|FT|MI>)>)|\
        polygon(BYPOLYGON num-vertices:int vertices(longitude:double latitude:double)...)^9.0.0> [order<ASC|DESC>] \
        [count(COUNT count:int [ANY])] [STOREDIST]")
    .history(&[
        ("7.0.0", "Added support for uppercase unit names."),
    ]);

pub(super) const GEORADIUS: Command =
    entry("georadius", -6, |call| search(call, Kind::Radius { may_store: true }))
        .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS))
        .keys(Keys::Custom(keys_of_radius))
        .docs(
            Group::Geo,
            "3.2.0",
            RADIUS_COST,
            "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a point",
        )
    .syntax("key longitude:double latitude:double radius:double unit<M|KM|FT|MI> [WITHCOORD] \
        [WITHDIST] [WITHHASH] [count(COUNT count:int [ANY^6.2.0])] [order<ASC|DESC>] \
        [STORE key@1] [STOREDIST key@2]")
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument")
    .history(&[
        ("6.2.0", "Added the `ANY` option for `COUNT`."),
        ("7.0.0", "Added support for uppercase unit names."),
    ]);

pub(super) const GEORADIUS_RO: Command =
    entry("georadius_ro", -6, |call| search(call, Kind::Radius { may_store: false }))
        .flags(Flags::READONLY)
        .docs(Group::Geo, "3.2.10", RADIUS_COST, "A read-only variant for GEORADIUS")
        .syntax(
            "key longitude:double latitude:double radius:double unit<M|KM|FT|MI> [WITHCOORD] \
        [WITHDIST] [WITHHASH] [count(COUNT count:int [ANY^6.2.0])] [order<ASC|DESC>]",
        )
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` argument")
        .history(&[("6.2.0", "Added the `ANY` option for `COUNT`.")]);

pub(super) const GEORADIUSBYMEMBER: Command =
    entry("georadiusbymember", -5, |call| search(call, Kind::RadiusByMember { may_store: true }))
        .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS))
        .keys(Keys::Custom(keys_of_radius_by_member))
        .docs(
            Group::Geo,
            "3.2.0",
            RADIUS_COST,
            "Query a sorted set representing a geospatial index to fetch members matching a given maximum distance from a member",
        )
    .syntax("key member radius:double unit<M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
        [count(COUNT count:int [ANY])] [order<ASC|DESC>] [STORE key@1] [STOREDIST key@2]")
    .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments")
    .history(&[
        ("7.0.0", "Added support for uppercase unit names."),
    ]);

pub(super) const GEORADIUSBYMEMBER_RO: Command =
    entry("georadiusbymember_ro", -5, |call| search(call, Kind::RadiusByMember { may_store: false }))
        .flags(Flags::READONLY)
        .docs(Group::Geo, "3.2.10", RADIUS_COST, "A read-only variant for GEORADIUSBYMEMBER")
        .syntax(
            "key member radius:double unit<M|KM|FT|MI> [WITHCOORD] [WITHDIST] [WITHHASH] \
        [count(COUNT count:int [ANY])] [order<ASC|DESC>]",
        )
        .deprecated("6.2.0", "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments");

fn search(call: &mut Call<'_, '_>, kind: Kind) -> Result<(), Error> {
    let (args, source) = (call.args, call.args[kind.source()]);
    let zset = call.txn.zset(call.db, source)?;
    call.env.count_lookup(call.txn, call.db, source, zset.is_some());
    let options = Options::parse(kind, args, zset)?;
    let mut found = match (zset, &options.shape) {
        (Some(zset), Some(shape)) => find(zset, shape, if options.any { options.count } else { usize::MAX }),
        _ => Vec::new(),
    };
    let by_distance = |a: &Found, b: &Found| a.distance.partial_cmp(&b.distance).unwrap_or(Ordering::Equal);
    match options.sort {
        None if options.count == 0 || options.any => {}
        None | Some(Sort::Ascending) => found.sort_by(by_distance),
        Some(Sort::Descending) => found.sort_by(|a, b| by_distance(b, a)),
    }
    if options.count > 0 {
        found.truncate(options.count);
    }
    let unit = options.shape.as_ref().map_or(1.0, |shape| shape.unit);
    match options.store {
        Some(destination) => {
            let scored = found.iter().map(|found| {
                let score = if options.store_distance { found.distance / unit } else { found.score };
                (&*found.member, score)
            });
            let stored = collect(scored, &call.txn.limits());
            store(call, destination, stored, kind);
        }
        None => {
            call.reply.array(found.len());
            found.iter().for_each(|found| found.reply(call, &options, unit));
        }
    }
    Ok(())
}

/// A member inside.
struct Found {
    member: Box<[u8]>,
    score: f64,
    position: Position,
    /// From the center, in metres.
    distance: f64,
}

impl Found {
    fn reply(&self, call: &mut Call<'_, '_>, options: &Options<'_>, unit: f64) {
        let extras = [options.with_distance, options.with_hash, options.with_position];
        let extras = extras.into_iter().filter(|wanted| *wanted).count();
        if extras > 0 {
            call.reply.array(extras + 1);
        }
        call.reply.bulk(&self.member);
        if options.with_distance {
            reply_distance(call.reply, self.distance / unit);
        }
        if options.with_hash {
            call.reply.int(truncated(self.score));
        }
        if options.with_position {
            reply_position(call.reply, self.position);
        }
    }
}

/// The members inside, cell by cell, and no more than wanted.
fn find(zset: &ZSet, shape: &Shape, wanted: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for cell in covering(shape) {
        let end = cell.end_score();
        let members = zset.iter_from_rank(zset.lower_bound(cell.score(), false));
        let inside = members.take_while(|(_, score)| *score < end).filter_map(|(member, score)| {
            let position = Cell::of_score(score).position();
            let distance = shape.distance_within(position)?;
            Some(Found { member: member.into(), score, position, distance })
        });
        found.extend(inside.take(wanted - found.len()));
        if found.len() == wanted {
            break;
        }
    }
    found
}

fn collect<'f>(members: impl ExactSizeIterator<Item = (&'f [u8], f64)> + Clone, limits: &Limits) -> ZSet {
    let longest = members.clone().map(|(member, _)| member.len()).max().unwrap_or(0);
    let mut zset = ZSet::with_form_of(members.len(), longest, limits);
    for (member, score) in members {
        zset.insert_or_update(member, score, limits, &mut NoLog);
    }
    zset
}

/// Puts what was found in the place of whatever the key holds, or removes the key; answers how much that is.
fn store(call: &mut Call<'_, '_>, key: &[u8], found: ZSet, kind: Kind) {
    let len = found.len();
    if len > 0 {
        call.txn.insert(call.db, key, Value::ZSet(Box::new(found)), Deadline::Never);
        let search = matches!(kind, Kind::Search { .. });
        call.notify(Event::ZSet, if search { "geosearchstore" } else { "georadiusstore" }, key);
    } else if call.txn.remove(call.db, key) {
        call.notify(Event::Generic, "del", key);
    }
    call.reply.int(len as i64);
}
