//! Values from RDB, in every encoding that Redis has written from 1.0 to 8.0, and Valkey to 9. Nothing of what is read is believed: it is
//! checked as deeply as it can be, and memory is only taken for what is there.

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Hash, Limits, List, Outcome, Scratch, Set, Str, Value, ZSet, listpack};
use perigee_resp::parse_f64;

use super::hashes;
use super::kinds::*;
use super::streams::{self, Version};
use super::strings::{read_length, read_string, take, take_array};
use super::vectors;
use super::ziplist::{read_ziplist, read_zipmap};

/// Takes a value from the front; `None` if there is none, or one that is damaged, empty or of a module but vector sets.
///
/// It has the encoding that `limits` give to its size, whatever encoding it was written in; the length of single elements
/// counts for those that were not written as listpacks or ziplists.
pub fn read_value(rest: &mut &[u8], limits: &Limits) -> Option<Value> {
    let [kind] = take_array(rest)?;
    // What is compact stays so whatever the length of its elements.
    let compact =
        &Limits { hash_max_listpack_value: usize::MAX, zset_max_listpack_value: usize::MAX, ..*limits };
    match kind {
        STRING => read_string(rest).map(|bytes| Value::Str(Str::from_bytes(&bytes))),
        LIST => list(counted(rest, read_string)?),
        LIST_ZIPLIST => list(each(read_ziplist(&read_string(rest)?)?)),
        LIST_QUICKLIST => quicklist(rest, |rest| read_ziplist(&read_string(rest)?)),
        LIST_QUICKLIST_2 => quicklist(rest, |rest| match read_length(rest)? {
            PLAIN => read_string(rest).filter(|element| !element.is_empty()).map(|element| vec![element]),
            PACKED => read_listpack(&read_string(rest)?),
            _ => None,
        }),
        SET => set(counted(rest, read_string)?, limits),
        SET_INTSET => set(each(read_intset(&read_string(rest)?)?), limits),
        SET_LISTPACK => set(each(read_listpack(&read_string(rest)?)?), limits),
        HASH => hash(counted(rest, |rest| Some((read_string(rest)?, read_string(rest)?)))?, limits),
        HASH_ZIPMAP => hash(pairs(read_zipmap(&read_string(rest)?)?)?, limits),
        HASH_ZIPLIST => hash(pairs(read_ziplist(&read_string(rest)?)?)?, compact),
        HASH_LISTPACK => hash(pairs(read_listpack(&read_string(rest)?)?)?, compact),
        HASH_METADATA => hashes::read_table(rest, limits).map(Value::Hash),
        HASH_LISTPACK_EX => hashes::read_packed(rest, compact).map(Value::Hash),
        HASH_VALKEY => hashes::read_valkey(rest, limits).map(Value::Hash),
        ZSET => zset(counted(rest, |rest| Some((read_string(rest)?, text_score(rest)?)))?, limits),
        ZSET_2 => zset(counted(rest, |rest| Some((read_string(rest)?, binary_score(rest)?)))?, limits),
        MODULE_2 => vectors::read(rest).map(|set| Value::VectorSet(Box::new(set))),
        ZSET_ZIPLIST => zset(scores(read_ziplist(&read_string(rest)?)?)?, compact),
        ZSET_LISTPACK => zset(scores(read_listpack(&read_string(rest)?)?)?, compact),
        STREAM_LISTPACKS => streams::read(rest, Version::First),
        STREAM_LISTPACKS_2 => streams::read(rest, Version::Second),
        STREAM_LISTPACKS_3 => streams::read(rest, Version::Third),
        _ => None,
    }
}

type Bytes = Vec<u8>;

/// As many things as the number at the front says; the first that is not there ends it with `None`.
fn counted<'r, 'b, T>(
    rest: &'r mut &'b [u8],
    mut read: impl FnMut(&mut &'b [u8]) -> Option<T> + 'r,
) -> Option<impl Iterator<Item = Option<T>>> {
    let count = read_length(rest)?;
    Some((0..count).map(move |_| read(rest)))
}

fn each(strings: Vec<Bytes>) -> impl Iterator<Item = Option<Bytes>> {
    strings.into_iter().map(Some)
}

fn pairs(strings: Vec<Bytes>) -> Option<impl Iterator<Item = Option<(Bytes, Bytes)>>> {
    let whole = strings.len().is_multiple_of(2);
    let mut strings = strings.into_iter();
    whole.then(|| std::iter::from_fn(move || Some(Some((strings.next()?, strings.next()?)))))
}

fn scores(strings: Vec<Bytes>) -> Option<impl Iterator<Item = Option<(Bytes, f64)>>> {
    Some(pairs(strings)?.map(|pair| {
        let (member, score) = pair?;
        Some((member, parse_f64(&score)?))
    }))
}

/// A score as it was written before there were binary ones.
fn text_score(rest: &mut &[u8]) -> Option<f64> {
    match take_array(rest)? {
        [253] => None,
        [254] => Some(f64::INFINITY),
        [255] => Some(f64::NEG_INFINITY),
        [length] => parse_f64(take(rest, length.into())?),
    }
}

fn binary_score(rest: &mut &[u8]) -> Option<f64> {
    take_array(rest).map(f64::from_le_bytes)
}

fn read_listpack(bytes: &[u8]) -> Option<Vec<Bytes>> {
    let elements = listpack::elements(bytes)?;
    Some(elements.map(|item| item.as_bytes(&mut Scratch::new()).to_vec()).collect())
}

fn read_intset(bytes: &[u8]) -> Option<Vec<Bytes>> {
    let mut rest = bytes;
    let width = u32::from_le_bytes(take_array(&mut rest)?) as usize;
    let count = u32::from_le_bytes(take_array(&mut rest)?) as usize;
    if ![2, 4, 8].contains(&width) || rest.len() != count.checked_mul(width)? {
        return None;
    }
    let integers = rest.chunks_exact(width).map(|integer| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(integer);
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    });
    let ascending = integers.clone().zip(integers.clone().skip(1)).all(|(before, after)| before < after);
    ascending.then(|| integers.map(|integer| integer.to_string().into_bytes()).collect())
}

fn list(elements: impl Iterator<Item = Option<Bytes>>) -> Option<Value> {
    let mut list = List::default();
    for element in elements {
        list.push_back(&element?, &mut NoLog);
    }
    (!list.is_empty()).then(|| Value::List(Box::new(list)))
}

fn quicklist<'b>(
    rest: &mut &'b [u8],
    read_node: impl FnMut(&mut &'b [u8]) -> Option<Vec<Bytes>>,
) -> Option<Value> {
    let mut list = List::default();
    for node in counted(rest, read_node)? {
        node?.iter().for_each(|element| list.push_back(element, &mut NoLog));
    }
    (!list.is_empty()).then(|| Value::List(Box::new(list)))
}

fn set(members: impl Iterator<Item = Option<Bytes>>, limits: &Limits) -> Option<Value> {
    let mut set = Set::default();
    for member in members {
        set.insert(&member?, limits, &mut NoLog).then_some(())?;
    }
    (!set.is_empty()).then(|| Value::Set(Box::new(set)))
}

fn hash(fields: impl Iterator<Item = Option<(Bytes, Bytes)>>, limits: &Limits) -> Option<Value> {
    let mut hash = Hash::default();
    for pair in fields {
        let (field, value) = pair?;
        hash.insert(&field, &value, limits, &mut NoLog).then_some(())?;
    }
    (!hash.is_empty()).then(|| Value::Hash(hash))
}

fn zset(members: impl Iterator<Item = Option<(Bytes, f64)>>, limits: &Limits) -> Option<Value> {
    let members: Vec<(Bytes, f64)> = members.collect::<Option<_>>()?;
    let longest = members.iter().map(|(member, _)| member.len()).max().unwrap_or(0);
    // In its final form from the start: a small one does not keep the sign of zeros.
    let mut zset = ZSet::with_form_of(members.len(), longest, limits);
    for (member, score) in members {
        if score.is_nan() {
            return None;
        }
        let outcome = zset.insert_or_update(&member, score, limits, &mut NoLog);
        (outcome == Outcome::Added).then_some(())?;
    }
    (!zset.is_empty()).then(|| Value::ZSet(Box::new(zset)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::write_value;
    use proptest::prelude::*;

    fn show(value: Option<Value>) -> String {
        match value {
            None => "damaged".into(),
            Some(Value::List(list)) => {
                format!(
                    "list {:?}",
                    list.iter().map(<[u8]>::escape_ascii).map(|e| e.to_string()).collect::<Vec<_>>()
                )
            }
            Some(Value::Set(set)) => format!("{} {:?}", set.encoding(), set.iter().collect::<Vec<_>>()),
            Some(Value::ZSet(zset)) => format!("{} {:?}", zset.encoding(), zset.iter().collect::<Vec<_>>()),
            Some(Value::Hash(hash)) => format!("{} {:?}", hash.encoding(), hash.iter().collect::<Vec<_>>()),
            Some(other) => other.view().encoding().into(),
        }
    }

    fn read(bytes: &[u8]) -> String {
        show(read_value(&mut { bytes }, &Limits::default()))
    }

    #[test]
    fn the_encodings_of_older_and_newer_servers() {
        assert_eq!(read(b"\x01\x02\x01a\xc0\x05"), r#"list ["a", "5"]"#);
        assert_eq!(read(b"\x0a\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf2\x02\xf3\xff"), r#"list ["1", "2"]"#);
        assert_eq!(read(b"\x0e\x01\x0f\x0f\0\0\0\x0c\0\0\0\x02\0\0\xf2\x02\xf3\xff"), r#"list ["1", "2"]"#);
        assert_eq!(read(b"\x12\x02\x01\x01x\x02\x0a\x0a\0\0\0\x01\0\x81y\x02\xff"), r#"list ["x", "y"]"#);
        assert_eq!(read(b"\x02\x02\x01a\x01b"), r#"hashtable ["a", "b"]"#);
        assert_eq!(read(b"\x0b\x0c\x02\0\0\0\x02\0\0\0\xff\xff\x01\0"), r#"intset ["-1", "1"]"#);
        assert_eq!(read(b"\x14\x0a\x0a\0\0\0\x01\0\x81y\x02\xff"), r#"hashtable ["y"]"#);
        assert_eq!(read(b"\x03\x02\x01a\x031.5\x01b\xfe"), r"listpack [([97], 1.5), ([98], inf)]");
        assert_eq!(read(b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x3f"), r"listpack [([97], 1.5)]");
        assert_eq!(
            read(b"\x09\x0b\x01\x03foo\x03\x00bar\xff"),
            "listpack [([102, 111, 111], [98, 97, 114])]"
        );
    }

    #[test]
    fn what_is_empty_repeated_or_of_a_module_is_refused() {
        for bytes in [
            &b""[..],
            b"\x01\x00",
            b"\x02\x00",
            b"\x02\x02\x01a\x01a",
            b"\x04\x02\x01a\x01b\x01a\x01c",
            b"\x03\x01\x01a\xfd",
            b"\x03\x01\x01a\x031x5",
            b"\x05\x01\x01a\0\0\0\0\0\0\xf8\x7f",
            b"\x05\x02\x01a\0\0\0\0\0\0\xf8\x3f\x01a\0\0\0\0\0\0\xf8\x3f",
            b"\x0b\x0c\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x0b\x0a\x03\0\0\0\x01\0\0\0\x01\0",
            b"\x10\x0a\x0a\0\0\0\x01\0\x81y\x02\xff",
            b"\x12\x01\x03\x01x",
            b"\x01\x81\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x06\x01a",
            b"\x07\x01a",
            b"\x16\x01a",
            b"\xff",
        ] {
            assert_eq!(read(bytes), "damaged", "{}", bytes.escape_ascii());
        }
    }

    fn arbitrary_value() -> impl Strategy<Value = Value> {
        let bytes = || {
            prop_oneof![
                any::<i64>().prop_map(|number| number.to_string().into_bytes()),
                proptest::collection::vec(any::<u8>(), 0..80),
                (0u8..3).prop_map(|byte| vec![byte; 300]),
            ]
        };
        let limits =
            Limits { hash_max_listpack_entries: 8, zset_max_listpack_entries: 8, ..Limits::default() };
        let several = proptest::collection::vec(bytes(), 1..24);
        (0..5, several, bytes()).prop_map(move |(kind, elements, one)| match kind {
            0 => Value::Str(Str::from_bytes(&one)),
            1 => list(elements.into_iter().map(Some)).expect("elements"),
            kind => {
                let distinct: std::collections::BTreeSet<_> = elements.into_iter().collect();
                let members = distinct.into_iter();
                match kind {
                    2 => set(members.map(Some), &limits),
                    3 => hash(members.map(|member| Some((member, one.clone()))), &limits),
                    _ => zset(
                        members.map(|member| {
                            let score = member.len() as f64 / 3.0 - 1.0;
                            Some((member, score))
                        }),
                        &limits,
                    ),
                }
                .expect("distinct members")
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value in arbitrary_value(), compress: bool) {
            let limits = Limits { hash_max_listpack_entries: 8, zset_max_listpack_entries: 8, ..Limits::default() };
            let mut written = Vec::new();
            write_value(&mut written, value.view(), compress);
            let mut rest = &written[..];
            let again = read_value(&mut rest, &limits);
            prop_assert!(rest.is_empty());
            prop_assert_eq!(show(again), show(Some(value)));
        }

        #[test]
        fn damage_is_refused_or_harmless(
            value in arbitrary_value(),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = Vec::new();
            write_value(&mut bytes, value.view(), false);
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.index(bytes.len() * 4).max(1));
            if let Some(value) = read_value(&mut &bytes[..], &Limits::default()) {
                write_value(&mut Vec::new(), value.view(), true);
            }
        }
    }
}
