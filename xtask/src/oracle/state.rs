//! The whole data of both servers, key by key.

use std::collections::BTreeMap;

use anyhow::Result;

use super::compare::{Policy, same_value};
use super::pair::Pair;
use crate::value::Value;

const DATABASES: u32 = 16;
const TTL_TOLERANCE_MS: i64 = 1_500;

/// The first difference between the two servers' data, as each has it.
pub(super) fn difference(pair: &mut Pair) -> Result<Option<(String, String, String)>> {
    let [reference, subject] = [dump(pair, 0)?, dump(pair, 1)?];
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

/// What a server makes of a payload.
pub(super) fn restored(pair: &mut Pair, which: usize, payload: &[u8]) -> Result<Entry> {
    let key = b"restored";
    let answer = pair.ask(which, &[b"RESTORE", key, b"0", payload, b"REPLACE"])?;
    let mut entry = entry(pair, which, key)?;
    pair.ask(which, &[b"DEL", key])?;
    if entry.kind == "none" {
        // The refusal.
        entry.content = answer;
    }
    Ok(entry)
}

/// A key as it can be compared.
pub(super) struct Entry {
    kind: String,
    encoding: String,
    ttl_ms: i64,
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
            && self.encoding == other.encoding
            && same_value(Policy::Times, &self.content, &other.content)
    }

    pub(super) fn show(&self) -> String {
        let text = self.content.to_string();
        let cut = text.char_indices().nth(600).map_or(text.len(), |(at, _)| at);
        format!("{} ({}, {} ms) {}", self.kind, self.encoding, self.ttl_ms, &text[..cut])
    }
}

fn dump(pair: &mut Pair, which: usize) -> Result<BTreeMap<(u32, Vec<u8>), Entry>> {
    let mut entries = BTreeMap::new();
    for database in 0..DATABASES {
        pair.ask(which, &[b"SELECT", database.to_string().as_bytes()])?;
        let keys = pair.ask(which, &[b"KEYS", b"*"])?;
        for key in keys.items().unwrap_or_default() {
            let key = key.bytes().unwrap_or_default();
            entries.insert((database, key.to_vec()), entry(pair, which, key)?);
        }
    }
    pair.ask(which, &[b"SELECT", b"0"])?;
    Ok(entries)
}

fn entry(pair: &mut Pair, which: usize, key: &[u8]) -> Result<Entry> {
    let text = |value: Value| String::from_utf8_lossy(value.bytes().unwrap_or_default()).into_owned();
    let kind = text(pair.ask(which, &[b"TYPE", key])?);
    let encoding = text(pair.ask(which, &[b"OBJECT", b"ENCODING", key])?);
    let ttl_ms = match pair.ask(which, &[b"PTTL", key])? {
        Value::Int(ttl_ms) => ttl_ms,
        _ => i64::MIN,
    };
    let request: &[&[u8]] = match kind.as_str() {
        "string" => &[b"GET", key],
        "list" => &[b"LRANGE", key, b"0", b"-1"],
        "set" => &[b"SMEMBERS", key],
        "hash" => &[b"HGETALL", key],
        "zset" => &[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"],
        "stream" => &[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"],
        _ => &[b"EXISTS", key],
    };
    let content = normal(pair.ask(which, request)?, &kind, &encoding);
    Ok(Entry { kind, encoding, ttl_ms, content })
}

/// Sets, and hashes that are hash tables, have no order of their own.
fn normal(content: Value, kind: &str, encoding: &str) -> Value {
    match (kind, encoding, content) {
        ("set", _, Value::Array(mut items)) => {
            items.sort();
            Value::Array(items)
        }
        ("hash", "hashtable", Value::Array(items)) => {
            let mut pairs: Vec<&[Value]> = items.chunks(2).collect();
            pairs.sort();
            Value::Array(pairs.concat())
        }
        (_, _, content) => content,
    }
}
