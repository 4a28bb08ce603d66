//! When two replies count as the same.

use super::pair::Request;
use super::peer::Peer;
use super::step::name_of;
use crate::connection::Outcome;
use crate::value::Value;

/// How the replies to a request are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Policy {
    /// Byte for byte.
    Exact,
    /// As a multiset: the elements of the outermost aggregates in any order.
    Unordered,
    /// As a multiset of neighbours: fields with their values.
    UnorderedPairs,
    /// A cursor and elements; the elements in any order if both ended the iteration, otherwise not at all.
    Scan,
    /// Kinds and lengths alone: the content is random or tells of the server itself.
    Shape,
    /// Exactly but for moments and the time since then, and for what newer versions tell of a stream's consumers.
    Times,
    /// Numbers within a distance; the rest exactly.
    Near(f64),
    /// Anything goes.
    Ignore,
}

impl Policy {
    /// As [`Policy::of`], where the reference may be a newer server.
    pub(super) fn beside(peer: Option<Peer>, request: &Request) -> Self {
        match name_of(request).as_str() {
            // Redis 8 has fields in the order of their deadlines, Valkey in none.
            "HKEYS" | "HVALS" if peer.is_some() => Policy::Unordered,
            "HGETALL" if peer.is_some() => Policy::UnorderedPairs,
            "XINFO" if peer.is_some() => Policy::Shape,
            _ => Self::of(request),
        }
    }

    /// How the answers to a random request are compared.
    pub(super) fn of(request: &Request) -> Self {
        let second = request.get(1).map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        match name_of(request).as_str() {
            "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" | "SPOP" | "TIME" | "DUMP"
            | "HELLO" | "INFO" | "LASTSAVE" => Policy::Shape,
            "VRANDMEMBER" | "VINFO" => Policy::Shape,
            "VSIM" | "VEMB" => Policy::Near(1e-5),
            // It sees what has expired and is not removed yet.
            "MEMORY" => Policy::Ignore,
            // By chance on other layers.
            "VLINKS" => Policy::Ignore,
            "SMEMBERS" | "SUNION" | "SDIFF" | "SINTER" | "KEYS" | "PUBSUB" => Policy::Unordered,
            "SCAN" => scan_policy(request.get(1)),
            "SSCAN" | "HSCAN" | "ZSCAN" => scan_policy(request.get(2)),
            // A key whose deadline had passed when it was set counts until somebody finds out.
            "DBSIZE" => Policy::Near(2.0),
            "TTL" | "EXPIRETIME" | "HTTL" | "HEXPIRETIME" => Policy::Near(2.0),
            "PTTL" | "PEXPIRETIME" | "HPTTL" | "HPEXPIRETIME" => Policy::Near(1_500.0),
            "OBJECT" if second == b"REFCOUNT" => Policy::Shape,
            // That of an integer is that of all who hold it.
            "OBJECT" if second == b"IDLETIME" => Policy::Near(1e6),
            "XINFO" | "XPENDING" => Policy::Times,
            "CLIENT" if [&b"ID"[..], b"INFO", b"LIST"].contains(&&second[..]) => Policy::Shape,
            "ACL" if second == b"GENPASS" => Policy::Shape,
            "ACL" if second == b"CAT" => Policy::Unordered,
            "CONFIG" if second == b"GET" => Policy::UnorderedPairs,
            "FUNCTION" if second == b"DUMP" => Policy::Shape,
            "FUNCTION" if second == b"LIST" => Policy::Unordered,
            _ => Policy::Exact,
        }
    }
}

/// Where a cursor other than the first leads is each server's own affair.
fn scan_policy(cursor: Option<&Vec<u8>>) -> Policy {
    let number = cursor.and_then(|cursor| std::str::from_utf8(cursor).ok()?.parse::<i128>().ok());
    if number.is_some_and(|number| number != 0) { Policy::Ignore } else { Policy::Scan }
}

/// Whether both servers gave the same answer.
pub(super) fn same(policy: Policy, reference: &Outcome, subject: &Outcome) -> bool {
    match (reference, subject) {
        (Outcome::Reply(_), Outcome::Reply(_)) if policy == Policy::Ignore => true,
        (Outcome::Reply(reference), Outcome::Reply(subject)) => same_value(policy, reference, subject),
        _ => reference == subject,
    }
}

/// Whether two replies are the same under a policy. Errors are always compared exactly.
pub(super) fn same_value(policy: Policy, reference: &Value, subject: &Value) -> bool {
    if reference == subject {
        return true;
    }
    if matches!((reference, subject), (Value::Error(_), _) | (_, Value::Error(_))) {
        return policy == Policy::Ignore;
    }
    match policy {
        Policy::Exact => same_sets(reference, subject),
        Policy::Unordered => sorted(reference, 1) == sorted(subject, 1),
        Policy::UnorderedPairs => sorted(reference, 2) == sorted(subject, 2),
        Policy::Scan => same_scan(reference, subject),
        Policy::Shape => same_shape(reference, subject),
        Policy::Near(distance) => same_near(distance, reference, subject),
        Policy::Times => same_but_times(reference, subject),
        Policy::Ignore => true,
    }
}

/// Exact but for the order inside RESP3 sets and maps, which have none.
fn same_sets(reference: &Value, subject: &Value) -> bool {
    match (reference, subject) {
        (Value::Set(_), Value::Set(_)) => sorted(reference, 1) == sorted(subject, 1),
        (Value::Map(_), Value::Map(_)) => sorted(reference, 1) == sorted(subject, 1),
        (Value::Array(a), Value::Array(b)) | (Value::Push(a), Value::Push(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || same_sets(a, b))
        }
        _ => false,
    }
}

/// A copy with the elements of every aggregate that holds no other array in order, taken `group` at a time.
fn sorted(value: &Value, group: usize) -> Value {
    let arrange = |items: &[Value]| {
        let items: Vec<Value> = items.iter().map(|item| sorted(item, group)).collect();
        let mut groups: Vec<&[Value]> = items.chunks(group).collect();
        groups.sort();
        groups.concat()
    };
    match value {
        Value::Array(items) => Value::Array(arrange(items)),
        Value::Set(items) => Value::Set(arrange(items)),
        Value::Push(items) => Value::Push(arrange(items)),
        Value::Map(pairs) => {
            let mut pairs: Vec<_> = pairs.iter().map(|(k, v)| (sorted(k, group), sorted(v, group))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        other => other.clone(),
    }
}

fn same_scan(reference: &Value, subject: &Value) -> bool {
    let (Some([cursor, elements]), Some([cursor_, elements_])) = (reference.items(), subject.items()) else {
        return same_nested(Policy::Scan, reference, subject);
    };
    let both_ended = [cursor, cursor_].iter().all(|cursor| cursor.bytes() == Some(b"0"));
    !both_ended || sorted(elements, 1) == sorted(elements_, 1) || sorted(elements, 2) == sorted(elements_, 2)
}

fn same_shape(reference: &Value, subject: &Value) -> bool {
    match (reference.items(), subject.items()) {
        (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b)),
        _ => reference.kind() == subject.kind(),
    }
}

fn same_near(distance: f64, reference: &Value, subject: &Value) -> bool {
    match (reference.number(), subject.number()) {
        // A negative number is no amount: -1 says that there is no deadline, -2 that there is no key.
        (Some(a), Some(b)) if a.min(b) < 0.0 => a == b && reference.kind() == subject.kind(),
        (Some(a), Some(b)) => reference.kind() == subject.kind() && (a - b).abs() <= distance,
        _ => same_nested(Policy::Near(distance), reference, subject),
    }
}

/// What XINFO and XPENDING answer.
fn same_but_times(reference: &Value, subject: &Value) -> bool {
    let (Some(mut a), Some(mut b)) = (pairs(reference), pairs(subject)) else {
        let (Some(a), Some(b)) = (reference.items(), subject.items()) else { return reference == subject };
        let waits = |entry: &[Value]| matches!(entry, [_, _, Value::Int(_), Value::Int(_)]);
        let pending = a.iter().all(|entry| entry.items().is_some_and(waits));
        let same = if pending { same_pending } else { same_but_times };
        return a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b));
    };
    let newer = [&b"inactive"[..], b"active-time"];
    b.retain(|(name, _)| !newer.contains(&name.bytes().unwrap_or_default()));
    // A map that a script returns has no order.
    [&mut a, &mut b].into_iter().for_each(|pairs| pairs.sort());
    a.len() == b.len()
        && a.into_iter().zip(b).all(|((name, a), (other, b))| {
            name == other
                && match name.bytes().unwrap_or_default() {
                    b"idle" | b"seen-time" => same_time(a, b),
                    b"pending" => match (a.items(), b.items()) {
                        (Some(a), Some(b)) => {
                            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_pending(a, b))
                        }
                        _ => a == b,
                    },
                    _ => same_but_times(a, b),
                }
        })
}

/// Entries that wait to be acknowledged end with a time and a number.
fn same_pending(reference: &Value, subject: &Value) -> bool {
    let (Some([a @ .., time, count]), Some([b @ .., time_, count_])) = (reference.items(), subject.items())
    else {
        return reference == subject;
    };
    a == b && count == count_ && same_time(time, time_)
}

fn same_time(reference: &Value, subject: &Value) -> bool {
    const TOLERANCE_MS: u64 = 3_000;
    match (reference, subject) {
        (Value::Int(a), Value::Int(b)) => a.abs_diff(*b) <= TOLERANCE_MS,
        _ => reference == subject,
    }
}

/// What XINFO calls what it tells. A script gives it in an order of its own.
const NAMES: &[&[u8]] = &[
    b"name",
    b"length",
    b"radix-tree-keys",
    b"radix-tree-nodes",
    b"last-generated-id",
    b"max-deleted-entry-id",
    b"entries-added",
    b"recorded-first-entry-id",
    b"entries",
    b"groups",
    b"first-entry",
    b"last-entry",
    b"consumers",
    b"pending",
    b"last-delivered-id",
    b"entries-read",
    b"lag",
    b"pel-count",
    b"seen-time",
    b"active-time",
    b"idle",
    b"inactive",
];

/// A map, in either protocol: in RESP2 an array that begins with a name.
fn pairs(value: &Value) -> Option<Vec<(&Value, &Value)>> {
    match value {
        Value::Map(pairs) => Some(pairs.iter().map(|(name, value)| (name, value)).collect()),
        Value::Array(items) => {
            let named = items.first().and_then(Value::bytes).is_some_and(|name| NAMES.contains(&name));
            named.then(|| items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect())
        }
        _ => None,
    }
}

/// Arrays whose elements are the same under the policy: the reply of EXEC.
fn same_nested(policy: Policy, reference: &Value, subject: &Value) -> bool {
    let (Some(a), Some(b)) = (reference.items(), subject.items()) else { return false };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(policy, a, b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::decode;

    fn value(bytes: &[u8]) -> Value {
        decode(bytes).expect("valid").expect("complete").0
    }

    #[test]
    fn policies_accept_what_they_say() {
        let (ab, ba) = (value(b"*2\r\n+a\r\n+b\r\n"), value(b"*2\r\n+b\r\n+a\r\n"));
        assert!(!same_value(Policy::Exact, &ab, &ba));
        assert!(same_value(Policy::Unordered, &ab, &ba));
        assert!(!same_value(Policy::UnorderedPairs, &ab, &ba));
        assert!(same_value(Policy::Shape, &ab, &value(b"*2\r\n+x\r\n+y\r\n")));
        assert!(!same_value(Policy::Shape, &ab, &value(b"*1\r\n+x\r\n")));
        assert!(same_value(Policy::Exact, &value(b"~2\r\n+a\r\n+b\r\n"), &value(b"~2\r\n+b\r\n+a\r\n")));
        assert!(same_value(Policy::Near(5.0), &value(b"*1\r\n:10\r\n"), &value(b"*1\r\n:14\r\n")));
        assert!(!same_value(Policy::Near(5.0), &value(b":10\r\n"), &value(b":16\r\n")));
        assert!(!same_value(Policy::Near(5.0), &value(b":-2\r\n"), &value(b":-1\r\n")));
        assert!(!same_value(Policy::Shape, &value(b"-ERR a\r\n"), &value(b"-ERR b\r\n")));
    }

    #[test]
    fn scans_compare_elements_when_both_ended() {
        let scan = |cursor: &str, first: &str, second: &str| {
            value(format!("*2\r\n$1\r\n{cursor}\r\n*2\r\n+{first}\r\n+{second}\r\n").as_bytes())
        };
        assert!(same_value(Policy::Scan, &scan("0", "a", "b"), &scan("0", "b", "a")));
        assert!(!same_value(Policy::Scan, &scan("0", "a", "b"), &scan("0", "b", "c")));
        assert!(same_value(Policy::Scan, &scan("5", "a", "b"), &scan("0", "b", "c")));
    }
}
