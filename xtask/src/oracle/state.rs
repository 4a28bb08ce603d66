//! The whole data of both servers, key by key.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::compare::{Policy, same_value};
use super::pair::{Pair, Request};
use super::peer::Peer;
use crate::value::Value;

const TTL_TOLERANCE_MS: i64 = 1_500;

/// The first difference between the two servers' data, as each has it.
pub(super) fn difference(pair: &mut Pair) -> Result<Option<(String, String, String)>> {
    let [reference, subject] = dump(pair)?;
    let keys = reference.keys().chain(subject.keys());
    for key in keys {
        let (a, b) = (reference.get(key), subject.get(key));
        let same = matches!((a, b), (Some(a), Some(b)) if a.same(b));
        if !same {
            let show = |entry: Option<&Entry>| entry.map_or_else(|| "(no key)".into(), Entry::show);
            let what = difference_kind(a, b);
            let key = format!("{what}, db {} key {}", key.0, key.1.escape_ascii());
            return Ok(Some((key, show(a), show(b))));
        }
    }
    Ok(None)
}

fn difference_kind(reference: Option<&Entry>, subject: Option<&Entry>) -> String {
    match (reference, subject) {
        (Some(a), Some(b)) if a.kind != b.kind => "type".into(),
        (Some(a), Some(b)) if !same_value(Policy::Times, &a.content, &b.content) => {
            format!("content of a {}", a.kind)
        }
        (Some(a), Some(b)) if a.encoding != b.encoding => {
            format!("encoding of a {} ({} / {})", a.kind, a.encoding, b.encoding)
        }
        (Some(_), Some(_)) => "time to live".into(),
        _ => "existence".into(),
    }
}

/// What the servers make of payloads: the reference of the first, the subject of the second.
pub(super) fn restored(pair: &mut Pair, payloads: [&[u8]; 2]) -> Result<[Entry; 2]> {
    let key = b"restored";
    let restore = payloads.map(|payload| vec![words(&[b"RESTORE", key, b"0", payload, b"REPLACE"])]);
    let answers = pair.ask_all([&restore[0], &restore[1]])?;
    let keys = [key.to_vec()];
    let mut found = entries(pair, [&keys, &keys])?;
    let gone = [words(&[b"DEL", key])];
    pair.ask_all([&gone, &gone])?;
    let mut restored = found.iter_mut().zip(answers).filter_map(|(entries, answers)| {
        let (mut entry, answer) = (entries.pop()?, answers.into_iter().next()?);
        if entry.kind == "none" {
            // The refusal.
            entry.content = answer;
        }
        Some(entry)
    });
    restored.next().zip(restored.next()).map(<[Entry; 2]>::from).context("no answer to RESTORE")
}

/// A key as it can be compared.
pub(super) struct Entry {
    kind: String,
    encoding: String,
    ttl_ms: i64,
    /// Of the fields of a hash, in the order of their names; where both servers know of such.
    field_ttls: Value,
    content: Value,
}

impl Entry {
    pub(super) fn same(&self, other: &Self) -> bool {
        let ttl = if self.ttl_ms < 0 || other.ttl_ms < 0 {
            self.ttl_ms == other.ttl_ms
        } else {
            self.ttl_ms.abs_diff(other.ttl_ms) <= TTL_TOLERANCE_MS.unsigned_abs()
        };
        ttl && self.kind == other.kind
            && same_value(Policy::Near(TTL_TOLERANCE_MS as f64), &self.field_ttls, &other.field_ttls)
            && self.encoding == other.encoding
            && same_value(Policy::Times, &self.content, &other.content)
    }

    /// Arranges the fields of a hash.
    pub(super) fn forget_order(&mut self) {
        let content = std::mem::replace(&mut self.content, Value::Null);
        self.content = normal(content, &self.kind, "hashtable");
    }

    pub(super) fn show(&self) -> String {
        let text = self.content.to_string();
        let cut = text.char_indices().nth(600).map_or(text.len(), |(at, _)| at);
        let fields =
            if self.field_ttls == Value::Null { String::new() } else { format!(" {}", self.field_ttls) };
        format!("{} ({}, {} ms{fields}) {}", self.kind, self.encoding, self.ttl_ms, &text[..cut])
    }
}

type Entries = BTreeMap<(u32, Vec<u8>), Entry>;

fn dump(pair: &mut Pair) -> Result<[Entries; 2]> {
    let mut dumps = [Entries::new(), Entries::new()];
    for database in used_databases(pair)? {
        let number = database.to_string();
        let list = [words(&[b"SELECT", number.as_bytes()]), words(&[b"KEYS", b"*"])];
        let keys = pair.ask_all([&list, &list])?.map(|answers| {
            let keys = answers.last().and_then(Value::items).unwrap_or_default();
            keys.iter().filter_map(|key| Some(key.bytes()?.to_vec())).collect::<Vec<_>>()
        });
        let found = entries(pair, [&keys[0], &keys[1]])?;
        for (dump, (keys, found)) in dumps.iter_mut().zip(keys.into_iter().zip(found)) {
            dump.extend(keys.into_iter().map(|key| (database, key)).zip(found));
        }
    }
    let home = [words(&[b"SELECT", b"0"])];
    pair.ask_all([&home, &home])?;
    Ok(dumps)
}

/// The databases in which either server has keys.
fn used_databases(pair: &mut Pair) -> Result<BTreeSet<u32>> {
    let ask = [words(&[b"INFO", b"keyspace"])];
    let texts = pair.ask_all([&ask, &ask])?.concat();
    let texts =
        texts.iter().map(|text| String::from_utf8_lossy(text.bytes().unwrap_or_default()).into_owned());
    let numbers = |text: String| {
        let number = |line: &str| line.strip_prefix("db")?.split(':').next()?.parse().ok();
        text.lines().filter_map(number).collect::<Vec<u32>>()
    };
    Ok(texts.flat_map(numbers).collect())
}

/// The keys that each server was found to have, as they are there.
fn entries(pair: &mut Pair, keys: [&[Vec<u8>]; 2]) -> Result<[Vec<Entry>; 2]> {
    let about = keys.map(|keys| {
        let asked = |key: &Vec<u8>| {
            [words(&[b"TYPE", key]), words(&[b"OBJECT", b"ENCODING", key]), words(&[b"PTTL", key])]
        };
        keys.iter().flat_map(asked).collect::<Vec<_>>()
    });
    let about = pair.ask_all([&about[0], &about[1]])?;
    let text = |value: &Value| String::from_utf8_lossy(value.bytes().unwrap_or_default()).into_owned();
    let contents: [Vec<_>; 2] = std::array::from_fn(|which| {
        let kinds = about[which].iter().step_by(3).map(text);
        keys[which].iter().zip(kinds).map(|(key, kind)| content(key, &kind)).collect()
    });
    let contents = pair.ask_all([&contents[0], &contents[1]])?;
    let field_ttls = field_ttls(pair, &about, keys)?;
    let peer = pair.peer();
    let mut found = about.iter().zip(contents).zip(field_ttls).map(|((about, contents), field_ttls)| {
        let entry = |((about, content), field_ttls): ((&[Value], Value), Value)| {
            let kind = text(&about[0]);
            let encoding = shown_encoding(peer, &kind, text(&about[1]));
            let ttl_ms = match about[2] {
                Value::Int(ttl_ms) => ttl_ms,
                _ => i64::MIN,
            };
            let order = if peer.is_some() { "any" } else { encoding.as_str() };
            Entry { content: normal(content, &kind, order), kind, encoding, ttl_ms, field_ttls }
        };
        about.chunks_exact(3).zip(contents).zip(field_ttls).map(entry).collect::<Vec<_>>()
    });
    found.next().zip(found.next()).map(<[Vec<Entry>; 2]>::from).context("two servers")
}

/// The encoding, where it can be compared: 7.2 has compact sets and lists that are called so, Redis leaves a hash `listpackex` when its
/// last deadline is gone, and Valkey makes it a table.
fn shown_encoding(peer: Option<Peer>, kind: &str, encoding: String) -> String {
    match (peer, kind) {
        (Some(_), "set" | "list") | (Some(Peer::Valkey), "hash") => "any".into(),
        (Some(Peer::Redis), "hash") => encoding.trim_end_matches("ex").into(),
        _ => encoding,
    }
}

/// The deadlines of the fields of the hashes among keys, if the reference has such.
fn field_ttls(pair: &mut Pair, about: &[Vec<Value>; 2], keys: [&[Vec<u8>]; 2]) -> Result<[Vec<Value>; 2]> {
    if pair.peer().is_none() {
        return Ok(keys.map(|keys| vec![Value::Null; keys.len()]));
    }
    let requests: [Vec<_>; 2] = std::array::from_fn(|which| {
        let kinds = about[which].iter().step_by(3);
        let ask = |(key, kind): (&Vec<u8>, &Value)| match kind.bytes() {
            Some(b"hash") => words(&[b"EVAL", FIELD_TTLS, b"1", key]),
            _ => words(&[b"EVAL", b"return 0", b"0"]),
        };
        keys[which].iter().zip(kinds).map(ask).collect()
    });
    pair.ask_all([&requests[0], &requests[1]])
}

const FIELD_TTLS: &[u8] = b"local f = redis.call('hkeys', KEYS[1]) table.sort(f) \
    local t = {} for i, name in ipairs(f) do t[i] = redis.call('hpttl', KEYS[1], 'fields', 1, name)[1] end return t";

/// What tells the content of a key of that type.
fn content(key: &[u8], kind: &str) -> Request {
    match kind {
        "string" => words(&[b"GET", key]),
        "list" => words(&[b"LRANGE", key, b"0", b"-1"]),
        "set" => words(&[b"SMEMBERS", key]),
        "hash" => words(&[b"HGETALL", key]),
        "zset" => words(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]),
        "vectorset" => words(&[b"VRANDMEMBER", key, b"1000"]),
        "stream" => words(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]),
        _ => words(&[b"EXISTS", key]),
    }
}

fn words(words: &[&[u8]]) -> Request {
    words.iter().map(|word| word.to_vec()).collect()
}

/// Sets, vector sets, and hashes that are hash tables, have no order of their own.
fn normal(content: Value, kind: &str, encoding: &str) -> Value {
    match (kind, encoding, content) {
        ("set" | "vectorset", _, Value::Array(mut items)) => {
            items.sort();
            Value::Array(items)
        }
        ("hash", "hashtable" | "any", Value::Array(items)) => {
            let mut pairs: Vec<&[Value]> = items.chunks(2).collect();
            pairs.sort();
            Value::Array(pairs.concat())
        }
        (_, _, content) => content,
    }
}
