//! Hashes whose fields have deadlines: the two forms of Redis 7.4 and later, which are written, and that of Valkey 9, which is
//! read as well. Redis 7.0 and 7.2 read none of them.
//!
//! Redis gives the soonest deadline first. A packed hash is a listpack of field, value and deadline (0 for none), in the order of the
//! deadlines; a table has its deadlines as distances from the soonest, plus one. Valkey has a table with whole deadlines, -1 for none.

use perigee_keyspace::listpack::{self, Listpack};
use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Hash, Limits, Scratch};

use super::kinds::*;
use super::strings::{read_length, read_string, take_array, write_length, write_string};

/// Appends the kind and the hash.
pub(super) fn write(out: &mut Vec<u8>, hash: &Hash, compress: bool) {
    let soonest = hash.soonest_deadline().unwrap_or_default();
    if !hash.is_packed() {
        out.push(HASH_METADATA);
        out.extend(soonest.to_le_bytes());
        write_length(out, hash.len() as u64);
        for (field, value) in hash.iter() {
            write_length(out, hash.deadline(field).map_or(0, |deadline| deadline - soonest + 1));
            write_string(out, field, compress);
            write_string(out, value, compress);
        }
        return;
    }
    let mut fields: Vec<_> = hash.iter().map(|(field, value)| (hash.deadline(field), field, value)).collect();
    fields.sort_by_key(|(deadline, ..)| deadline.unwrap_or(u64::MAX));
    let mut listpack = Listpack::default();
    for (deadline, field, value) in fields {
        listpack.push(field);
        listpack.push(value);
        listpack.push_int(deadline.unwrap_or_default() as i64);
    }
    out.push(HASH_LISTPACK_EX);
    out.extend(soonest.to_le_bytes());
    write_string(out, &listpack.finish(), compress);
}

/// A packed hash.
pub(super) fn read_packed(rest: &mut &[u8], limits: &Limits) -> Option<Hash> {
    let _soonest: [u8; 8] = take_array(rest)?;
    let bytes = read_string(rest)?;
    let mut elements = listpack::elements(&bytes)?.map(|item| item.as_bytes(&mut Scratch::new()).to_vec());
    let mut hash = Hash::default();
    while let Some(field) = elements.next() {
        let (value, deadline) = (elements.next()?, elements.next()?);
        let deadline = std::str::from_utf8(&deadline).ok()?.parse().ok()?;
        insert(&mut hash, &field, &value, moment(deadline)?, limits)?;
    }
    (!hash.is_empty()).then_some(hash)
}

/// A table of Redis's.
pub(super) fn read_table(rest: &mut &[u8], limits: &Limits) -> Option<Hash> {
    let soonest = u64::from_le_bytes(take_array(rest)?);
    let mut hash = Hash::default();
    for _ in 0..read_length(rest)? {
        let distance = read_length(rest)?;
        let (field, value) = (read_string(rest)?, read_string(rest)?);
        let deadline = if distance == 0 { 0 } else { soonest.checked_add(distance - 1)? };
        insert(&mut hash, &field, &value, moment(deadline)?, limits)?;
    }
    (!hash.is_empty()).then_some(hash)
}

/// A table of Valkey's.
pub(super) fn read_valkey(rest: &mut &[u8], limits: &Limits) -> Option<Hash> {
    let mut hash = Hash::default();
    for _ in 0..read_length(rest)? {
        let (field, value) = (read_string(rest)?, read_string(rest)?);
        let deadline = match i64::from_le_bytes(take_array(rest)?) {
            -1 => None,
            deadline => moment(u64::try_from(deadline).ok()?)?,
        };
        insert(&mut hash, &field, &value, deadline, limits)?;
    }
    (!hash.is_empty()).then_some(hash)
}

/// 0 says that there is none; `None`: no command could have set it.
fn moment(deadline: u64) -> Option<Option<u64>> {
    (deadline < 1 << 46).then_some((deadline > 0).then_some(deadline))
}

fn insert(hash: &mut Hash, field: &[u8], value: &[u8], deadline: Option<u64>, limits: &Limits) -> Option<()> {
    hash.insert(field, value, limits, &mut NoLog).then_some(())?;
    if deadline.is_some() {
        hash.set_deadline(field, deadline, &mut NoLog);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::{self, read_value, write_value};
    use perigee_keyspace::Value;

    /// Of Redis 8.0.6: HSET h a 1 b 2 c 3, HPEXPIREAT h 4102444800000 FIELDS 1 b, HPEXPIREAT h 4102444800123 FIELDS 1 a; packed, then
    /// with hash-max-listpack-entries 2.
    const PACKED: &[u8] = b"\x19\x00\xd8\xc3,\xbb\x03\x00\x00,,\x00\x00\x00\x09\x00\x81b\x02\x02\x01\xf4\x00\xd8\xc3,\xbb\x03\x00\x00\x09\x81a\x02\x01\x01\xf4{\xd8\xc3,\xbb\x03\x00\x00\x09\x81c\x02\x03\x01\x00\x01\xff\x0c\x00(\xbe+7\xf8\x19\x1c\x90";
    const TABLE: &[u8] = b"\x18\x00\xd8\xc3,\xbb\x03\x00\x00\x03\x00\x01c\xc0\x03\x01\x01b\xc0\x02@|\x01a\xc0\x01\x0c\x00\xe5\xa7\x8a<\x1b\x8b\xb2Y";
    /// The same of Valkey 9.1.2.
    const VALKEY: &[u8] = b"\x16\x03\x01a\xc0\x01{\xd8\xc3,\xbb\x03\x00\x00\x01b\xc0\x02\x00\xd8\xc3,\xbb\x03\x00\x00\x01c\xc0\x03\xff\xff\xff\xff\xff\xff\xff\xffP\x00\xbd\x80\xc7-\xccZ\x14\xdb";

    fn fields(hash: &Hash) -> Vec<(String, String, Option<u64>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut all: Vec<_> = hash.iter().map(|(f, v)| (text(f), text(v), hash.deadline(f))).collect();
        all.sort();
        all
    }

    fn read(payload: &[u8]) -> Hash {
        let mut body = payload::open(payload).expect("a checksum");
        match read_value(&mut body, &Limits::default()) {
            Some(Value::Hash(hash)) => hash,
            _ => panic!("no hash"),
        }
    }

    #[test]
    fn deadlines_come_and_go_with_their_fields() {
        let expected =
            [("a", "1", Some(4_102_444_800_123)), ("b", "2", Some(4_102_444_800_000)), ("c", "3", None)];
        let expected =
            expected.map(|(field, value, deadline)| (field.to_owned(), value.to_owned(), deadline));
        for payload in [PACKED, TABLE, VALKEY] {
            assert_eq!(fields(&read(payload)), expected);
        }
        let mut again = Vec::new();
        write_value(&mut again, Value::Hash(read(PACKED)).view(), true);
        assert_eq!(payload::seal(again).escape_ascii().to_string(), PACKED.escape_ascii().to_string());
        let few = Limits { hash_max_listpack_entries: 2, ..Limits::default() };
        let mut table = Vec::new();
        let Some(Value::Hash(hash)) = read_value(&mut &TABLE[..], &few) else { panic!("no hash") };
        write_value(&mut table, Value::Hash(hash).view(), true);
        assert_eq!(fields(&read(&payload::seal(table))), expected);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for damaged in [
            &b"\x18\0\0\0\0\0\0\0\0\0"[..],
            b"\x18\0\0\0\0\0\0\0\0\x02\0\x01a\x01b\0\x01a\x01c",
            b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x01\x05\x01a\x01b",
            b"\x19\0\0\0\0\0\0\0\0\x0a\x0a\0\0\0\x01\0\x81y\x02\xff",
            b"\x16\x01\x01a\x01b\xfe\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(
                read_value(&mut &damaged[..], &Limits::default()).is_none(),
                "{}",
                damaged.escape_ascii()
            );
        }
    }
}
