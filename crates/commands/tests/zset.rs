//! Sorted-set commands through a session, against a naive model: a map that is sorted anew for each question.

use std::collections::BTreeMap;

use perigee_resp::{Value, decode, format_double};
use perigee_testkit::{Connection, Node};
use proptest::prelude::*;
use proptest::sample::select;

proptest! {
    #[test]
    fn answers_as_the_model(
        ops in prop::collection::vec(op(), 1..120),
        limit in select(vec!["0", "3", "128"]),
    ) {
        // Sorted sets are compact up to so many members.
        let node = Node::new(&[("zset-max-listpack-entries", limit)], |_| None);
        let client = node.connect();
        let mut model = Model::default();
        for op in ops {
            let request = op.request();
            prop_assert_eq!(ask(&client, &request), model.run(op), "{}", request);
        }
        for key in KEYS {
            let request = format!("ZRANGE {key} 0 -1 WITHSCORES");
            prop_assert_eq!(ask(&client, &request), pairs(&model.sorted(key)), "{}", request);
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Add {
        key: &'static str,
        condition: &'static str,
        pairs: Vec<(i32, u8)>,
    },
    Increment {
        key: &'static str,
        amount: i32,
        member: u8,
    },
    Remove {
        key: &'static str,
        member: u8,
    },
    RemoveByRank {
        key: &'static str,
        start: i32,
        stop: i32,
    },
    RemoveByScore {
        key: &'static str,
        min: Bound,
        max: Bound,
    },
    Pop {
        key: &'static str,
        highest: bool,
        count: usize,
    },
    Rank {
        key: &'static str,
        member: u8,
        reversed: bool,
    },
    Count {
        key: &'static str,
        min: Bound,
        max: Bound,
    },
    ByRank {
        key: &'static str,
        start: i32,
        stop: i32,
        reversed: bool,
    },
    ByScore {
        key: &'static str,
        min: Bound,
        max: Bound,
        reversed: bool,
        limit: (i32, i32),
    },
    Combine {
        how: &'static str,
        to: &'static str,
        from: [&'static str; 2],
        weights: [i32; 2],
        aggregate: &'static str,
    },
}

/// A score, itself included or not.
#[derive(Clone, Copy, Debug)]
struct Bound(i32, bool);

const KEYS: [&str; 3] = ["one", "two", "three"];

fn op() -> impl Strategy<Value = Op> {
    let key = || select(KEYS.to_vec());
    let member = || b'a'..b'o';
    let score = || -4..5_i32;
    let bound = || (score(), any::<bool>()).prop_map(|(score, exclusive)| Bound(score, exclusive));
    let position = || -12..12_i32;
    let conditions = vec!["", "", "NX", "XX", "GT", "LT", "XX GT"];
    prop_oneof![
        6 => (key(), select(conditions), prop::collection::vec((score(), member()), 1..6))
            .prop_map(|(key, condition, pairs)| Op::Add { key, condition, pairs }),
        2 => (key(), score(), member()).prop_map(|(key, amount, member)| Op::Increment { key, amount, member }),
        1 => (key(), member()).prop_map(|(key, member)| Op::Remove { key, member }),
        1 => (key(), position(), position())
            .prop_map(|(key, start, stop)| Op::RemoveByRank { key, start, stop }),
        1 => (key(), bound(), bound()).prop_map(|(key, min, max)| Op::RemoveByScore { key, min, max }),
        1 => (key(), any::<bool>(), 0..5_usize).prop_map(|(key, highest, count)| Op::Pop { key, highest, count }),
        2 => (key(), member(), any::<bool>())
            .prop_map(|(key, member, reversed)| Op::Rank { key, member, reversed }),
        2 => (key(), bound(), bound()).prop_map(|(key, min, max)| Op::Count { key, min, max }),
        2 => (key(), position(), position(), any::<bool>())
            .prop_map(|(key, start, stop, reversed)| Op::ByRank { key, start, stop, reversed }),
        3 => (key(), bound(), bound(), any::<bool>(), (-1..6, -1..6))
            .prop_map(|(key, min, max, reversed, limit)| Op::ByScore { key, min, max, reversed, limit }),
        2 => (select(vec!["UNION", "INTER"]), key(), [key(), key()], [-2..3, -2..3], select(vec!["SUM", "MIN", "MAX"]))
            .prop_map(|(how, to, from, weights, aggregate)| Op::Combine { how, to, from, weights, aggregate }),
    ]
}

impl Op {
    fn request(&self) -> String {
        match self {
            Op::Add { key, condition, pairs } => {
                let pairs: String =
                    pairs.iter().map(|(score, member)| format!(" {score} {}", *member as char)).collect();
                format!("ZADD {key} {condition} CH{pairs}")
            }
            Op::Increment { key, amount, member } => format!("ZINCRBY {key} {amount} {}", *member as char),
            Op::Remove { key, member } => format!("ZREM {key} {}", *member as char),
            Op::RemoveByRank { key, start, stop } => format!("ZREMRANGEBYRANK {key} {start} {stop}"),
            Op::RemoveByScore { key, min, max } => {
                format!("ZREMRANGEBYSCORE {key} {} {}", min.text(), max.text())
            }
            Op::Pop { key, highest, count } => {
                format!("{} {key} {count}", if *highest { "ZPOPMAX" } else { "ZPOPMIN" })
            }
            Op::Rank { key, member, reversed } => {
                format!("{} {key} {}", if *reversed { "ZREVRANK" } else { "ZRANK" }, *member as char)
            }
            Op::Count { key, min, max } => format!("ZCOUNT {key} {} {}", min.text(), max.text()),
            Op::ByRank { key, start, stop, reversed } => {
                format!("ZRANGE {key} {start} {stop} WITHSCORES {}", if *reversed { "REV" } else { "" })
            }
            Op::ByScore { key, min, max, reversed, limit: (offset, count) } => {
                let (first, second, rev) = if *reversed { (max, min, "REV") } else { (min, max, "") };
                let (first, second) = (first.text(), second.text());
                format!("ZRANGE {key} {first} {second} BYSCORE {rev} LIMIT {offset} {count} WITHSCORES")
            }
            Op::Combine { how, to, from: [one, other], weights: [first, second], aggregate } => {
                format!("Z{how}STORE {to} 2 {one} {other} WEIGHTS {first} {second} AGGREGATE {aggregate}")
            }
        }
    }
}

impl Bound {
    fn text(self) -> String {
        format!("{}{}", if self.1 { "(" } else { "" }, self.0)
    }

    fn is_below(self, score: f64) -> bool {
        if self.1 { f64::from(self.0) < score } else { f64::from(self.0) <= score }
    }

    fn is_above(self, score: f64) -> bool {
        if self.1 { f64::from(self.0) > score } else { f64::from(self.0) >= score }
    }
}

#[derive(Default)]
struct Model(BTreeMap<&'static str, BTreeMap<u8, f64>>);

type Pair = (u8, f64);

impl Model {
    fn run(&mut self, op: Op) -> Value {
        match op {
            Op::Add { key, condition, pairs } => {
                let zset = self.0.entry(key).or_default();
                let mut changed = 0;
                for (score, member) in pairs {
                    let (score, before) = (f64::from(score), zset.get(&member).copied());
                    let refused = match before {
                        None => condition.contains("XX"),
                        Some(before) => {
                            condition == "NX"
                                || condition.contains("GT") && score <= before
                                || condition == "LT" && score >= before
                        }
                    };
                    if !refused && before != Some(score) {
                        zset.insert(member, score);
                        changed += 1;
                    }
                }
                Value::Int(changed)
            }
            Op::Increment { key, amount, member } => {
                let score = self.0.entry(key).or_default().entry(member).or_default();
                *score += f64::from(amount);
                Value::Bulk(format_double(*score).to_vec())
            }
            Op::Remove { key, member } => self.remove(key, &[(member, 0.0)]),
            Op::RemoveByRank { key, start, stop } => self.remove(key, &slice(&self.sorted(key), start, stop)),
            Op::RemoveByScore { key, min, max } => self.remove(key, &self.between(key, min, max)),
            Op::Pop { key, highest, count } => {
                let mut sorted = self.sorted(key);
                if highest {
                    sorted.reverse();
                }
                sorted.truncate(count);
                self.remove(key, &sorted);
                pairs(&sorted)
            }
            Op::Rank { key, member, reversed } => {
                let mut sorted = self.sorted(key);
                if reversed {
                    sorted.reverse();
                }
                let rank = sorted.iter().position(|(other, _)| *other == member);
                rank.map_or(Value::Null, |rank| Value::Int(rank as i64))
            }
            Op::Count { key, min, max } => Value::Int(self.between(key, min, max).len() as i64),
            Op::ByRank { key, start, stop, reversed } => {
                let mut sorted = self.sorted(key);
                if reversed {
                    sorted.reverse();
                }
                pairs(&slice(&sorted, start, stop))
            }
            Op::ByScore { key, min, max, reversed, limit: (offset, count) } => {
                let mut found = self.between(key, min, max);
                if reversed {
                    found.reverse();
                }
                let offset = if offset < 0 { usize::MAX } else { offset as usize };
                let count = if count < 0 { usize::MAX } else { count as usize };
                pairs(&found.into_iter().skip(offset).take(count).collect::<Vec<_>>())
            }
            Op::Combine { how, to, from, weights, aggregate } => {
                let weighted = |at: usize, member: &u8| {
                    let score = self.0.get(from[at]).and_then(|zset| zset.get(member))?;
                    Some(score * f64::from(weights[at]))
                };
                let mut result = BTreeMap::new();
                for member in b'a'..b'o' {
                    let score = match (weighted(0, &member), weighted(1, &member)) {
                        (Some(one), Some(other)) => match aggregate {
                            "SUM" => one + other,
                            "MIN" => one.min(other),
                            _ => one.max(other),
                        },
                        (Some(one), None) | (None, Some(one)) if how == "UNION" => one,
                        _ => continue,
                    };
                    result.insert(member, score);
                }
                let len = result.len();
                self.0.insert(to, result);
                Value::Int(len as i64)
            }
        }
    }

    fn sorted(&self, key: &str) -> Vec<Pair> {
        let mut sorted: Vec<Pair> = self.0.get(key).into_iter().flatten().map(|(&m, &s)| (m, s)).collect();
        sorted.sort_by(|one, other| one.1.partial_cmp(&other.1).unwrap().then(one.0.cmp(&other.0)));
        sorted
    }

    fn between(&self, key: &str, min: Bound, max: Bound) -> Vec<Pair> {
        let mut found = self.sorted(key);
        found.retain(|&(_, score)| min.is_below(score) && max.is_above(score));
        found
    }

    fn remove(&mut self, key: &'static str, gone: &[Pair]) -> Value {
        let zset = self.0.entry(key).or_default();
        Value::Int(gone.iter().filter(|(member, _)| zset.remove(member).is_some()).count() as i64)
    }
}

fn slice(sorted: &[Pair], start: i32, stop: i32) -> Vec<Pair> {
    let len = sorted.len() as i32;
    let from_end = |position: i32| if position < 0 { position + len } else { position };
    let wanted = from_end(start)..=from_end(stop);
    (0..len).filter(|position| wanted.contains(position)).map(|position| sorted[position as usize]).collect()
}

/// Members and scores as RESP2 lists them. The model has no opinion on the sign of a zero.
fn pairs(sorted: &[Pair]) -> Value {
    let texts =
        sorted.iter().flat_map(|&(member, score)| [vec![member], format_double(score + 0.0).to_vec()]);
    Value::Array(texts.map(Value::Bulk).collect())
}

/// The reply to a request. Spaces between its words may be doubled.
fn ask(client: &Connection<'_>, request: &str) -> Value {
    let words: Vec<&str> = request.split_whitespace().collect();
    let bytes = client.ask(&words.join(" "));
    let (reply, len) = decode(bytes.as_bytes()).expect("a reply").expect("a whole reply");
    assert_eq!(len, bytes.len(), "one reply to {request}");
    positive_zeros(reply)
}

fn positive_zeros(reply: Value) -> Value {
    match reply {
        Value::Bulk(text) if text == b"-0" => Value::Bulk(b"0".to_vec()),
        Value::Array(items) => Value::Array(items.into_iter().map(positive_zeros).collect()),
        other => other,
    }
}
