//! Values to RDB, in the encodings of Redis 7.0, but for hashes whose fields have deadlines.

use perigee_keyspace::listpack::Listpack;
use perigee_keyspace::{Hash, List, Set, StrRef, ValueRef, ZSet};
use perigee_resp::format_double;

use super::hashes;
use super::kinds::*;
use super::nodes::{Node, NodeLimits, for_each_node};
use super::streams;
use super::strings::{write_integer, write_length, write_string};
use super::vectors;

/// What a value may be written as.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// Long strings are compressed.
    pub compress: bool,
    /// The nodes of lists.
    pub nodes: NodeLimits,
}

/// Compressed or not; the rest by default.
impl From<bool> for Form {
    fn from(compress: bool) -> Self {
        Form { compress, ..Form::default() }
    }
}

/// Appends the value.
pub fn write_value(out: &mut Vec<u8>, value: ValueRef<'_>, form: impl Into<Form>) {
    let Form { compress, nodes } = form.into();
    match value {
        ValueRef::Str(value) => string(out, value, compress),
        ValueRef::List(value) => list(out, value, compress, nodes),
        ValueRef::Set(value) => set(out, value, compress),
        ValueRef::Hash(value) => hash(out, value, compress),
        ValueRef::ZSet(value) => zset(out, value, compress),
        ValueRef::Stream(value) => {
            out.push(STREAM_LISTPACKS_2);
            streams::write(out, value, compress);
        }
        ValueRef::VectorSet(value) => vectors::write(out, value, compress),
    }
}

fn string(out: &mut Vec<u8>, value: StrRef<'_>, compress: bool) {
    out.push(STRING);
    match value.as_int() {
        Some(number) if value.encoding() == "int" => write_integer(out, number),
        _ => write_string(out, value.as_bytes(&mut Default::default()), compress),
    }
}

fn list(out: &mut Vec<u8>, list: &List, compress: bool, limits: NodeLimits) {
    let mut nodes = Vec::new();
    let mut count = 0;
    for_each_node(list, limits, |node| {
        let (kind, bytes) = match &node {
            Node::Plain(element) => (PLAIN, *element),
            Node::Packed(listpack) => (PACKED, &**listpack),
        };
        write_length(&mut nodes, kind);
        write_string(&mut nodes, bytes, compress);
        count += 1;
    });
    out.push(LIST_QUICKLIST_2);
    write_length(out, count);
    out.extend_from_slice(&nodes);
}

fn set(out: &mut Vec<u8>, set: &Set, compress: bool) {
    if let Some(integers) = set.ints() {
        out.push(SET_INTSET);
        return write_string(out, &intset(&integers.collect::<Vec<_>>()), compress);
    }
    out.push(SET);
    write_length(out, set.len() as u64);
    set.iter().for_each(|member| write_string(out, &member, compress));
}

fn intset(integers: &[i64]) -> Vec<u8> {
    let fits = |min: i64, max: i64| integers.iter().all(|integer| (min..=max).contains(integer));
    let width = if fits(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if fits(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    };
    let mut out = [(width as u32).to_le_bytes(), (integers.len() as u32).to_le_bytes()].concat();
    integers.iter().for_each(|integer| out.extend_from_slice(&integer.to_le_bytes()[..width]));
    out
}

fn hash(out: &mut Vec<u8>, hash: &Hash, compress: bool) {
    if hash.deadline_count() > 0 {
        return hashes::write(out, hash, compress);
    }
    if hash.is_packed() {
        let mut listpack = Listpack::default();
        for (field, value) in hash.iter() {
            listpack.push(field);
            listpack.push(value);
        }
        out.push(HASH_LISTPACK);
        return write_string(out, &listpack.finish(), compress);
    }
    out.push(HASH);
    write_length(out, hash.len() as u64);
    for (field, value) in hash.iter() {
        write_string(out, field, compress);
        write_string(out, value, compress);
    }
}

fn zset(out: &mut Vec<u8>, zset: &ZSet, compress: bool) {
    if zset.encoding() == "listpack" {
        let mut listpack = Listpack::default();
        for (member, score) in zset.iter() {
            listpack.push(member);
            match small_integer(score) {
                Some(score) => listpack.push_int(score),
                None => listpack.push(&format_double(score)),
            }
        }
        out.push(ZSET_LISTPACK);
        return write_string(out, &listpack.finish(), compress);
    }
    out.push(ZSET_2);
    write_length(out, zset.len() as u64);
    // Backwards, so that Redis inserts each at the front.
    for (member, score) in zset.iter_rev_from_rank(zset.len() - 1) {
        write_string(out, member, compress);
        out.extend_from_slice(&score.to_le_bytes());
    }
}

/// The score as an integer, if it is one and Redis would store it so.
fn small_integer(score: f64) -> Option<i64> {
    const LIMIT: f64 = (1_i64 << 62) as f64;
    (score.abs() <= LIMIT && score.fract() == 0.0).then_some(score as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use perigee_keyspace::Limits;
    use perigee_keyspace::log::NoLog;
    use perigee_keyspace::{Str, Value};

    fn written(value: Value) -> String {
        let mut out = Vec::new();
        write_value(&mut out, value.view(), true);
        out.escape_ascii().to_string()
    }

    /// All as redis-server 7.0.15 dumps them.
    #[test]
    fn small_values_are_those_of_redis() {
        assert_eq!(written(Value::Str(Str::from(1234))), r"\x00\xc1\xd2\x04");
        assert_eq!(written(Value::Str(Str::from_bytes(b"hello"))), r"\x00\x05hello");
        let limits = Limits::default();
        let mut zset = ZSet::default();
        zset.insert_or_update(b"a", 1.5, &limits, &mut NoLog);
        zset.insert_or_update(b"b", 2.0, &limits, &mut NoLog);
        let listpack = r"\x14\x14\x00\x00\x00\x04\x00\x81a\x02\x831.5\x04\x81b\x02\x02\x01\xff";
        assert_eq!(written(Value::ZSet(Box::new(zset))), format!(r"\x11{listpack}"));
        let mut set = Set::default();
        [&b"70000"[..], b"-1"].into_iter().for_each(|member| _ = set.insert(member, &limits, &mut NoLog));
        let intset = r"\x10\x04\x00\x00\x00\x02\x00\x00\x00\xff\xff\xff\xffp\x11\x01\x00";
        assert_eq!(written(Value::Set(Box::new(set))), format!(r"\x0b{intset}"));
    }

    #[test]
    fn scores_that_are_integers() {
        assert_eq!(small_integer(-3.0), Some(-3));
        assert_eq!(small_integer(0.5), None);
        assert_eq!(small_integer(-1e17), Some(-100_000_000_000_000_000));
        assert_eq!(small_integer(1e19), None);
        assert_eq!(small_integer(f64::NEG_INFINITY), None);
    }
}
