//! A command's entry in COMMAND INFO.

use perigee_resp::Reply;

use super::hints;
use crate::call::Call;
use crate::spec::{Command, Flags, Keys};

/// Every command's entry.
pub(super) fn reply_all(call: &mut Call<'_, '_>) {
    let all = call.env.engine.commands.all();
    call.reply.array(all.len());
    for (name, entry) in all {
        reply(call.reply, name, entry.command);
    }
}

/// The ten elements that COMMAND INFO gives of a command.
pub(super) fn reply(reply: &mut dyn Reply, name: &[u8], command: &Command) {
    reply.array(10);
    reply.bulk(name);
    reply.int(command.arity.into());
    let flags: Vec<_> = flags(command).collect();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.simple(flag.as_bytes()));
    let legacy = LegacyRange::of(command);
    [legacy.first, legacy.last, legacy.step].into_iter().for_each(|number| reply.int(number));
    let categories: Vec<_> = command.acl_categories().names().collect();
    reply.set(categories.len());
    categories.iter().for_each(|category| reply.simple(format!("@{category}").as_bytes()));
    let tips: Vec<_> = hints::tips(command).collect();
    reply.set(tips.len());
    tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    let specs = KeySpec::all_of(command);
    reply.set(specs.len());
    specs.iter().for_each(|spec| spec.reply_to(reply));
    // Redis gives an empty set, but an array of entries.
    match command.subcommands.len() {
        0 => reply.set(0),
        len => reply.array(len),
    }
    for subcommand in command.subcommands {
        self::reply(reply, subcommand.full_name.as_bytes(), subcommand);
    }
}

/// The flags that are shown, in Redis's order.
fn flags(command: &Command) -> impl Iterator<Item = &'static str> {
    const ORDER: [Flags; 19] = [
        Flags::WRITE,
        Flags::READONLY,
        Flags::DENYOOM,
        Flags::ADMIN,
        Flags::PUBSUB,
        Flags::NOSCRIPT,
        Flags::BLOCKING,
        Flags::LOADING,
        Flags::STALE,
        Flags::SKIP_MONITOR,
        Flags::SKIP_SLOWLOG,
        Flags::ASKING,
        Flags::FAST,
        Flags::NO_AUTH,
        Flags::NO_MANDATORY_KEYS,
        Flags::NO_ASYNC_LOADING,
        Flags::NO_MULTI,
        Flags::MOVABLE_KEYS,
        Flags::ALLOW_BUSY,
    ];
    let flags = command.flags;
    ORDER.into_iter().filter(move |flag| flags.0 & flag.0 != 0).flat_map(Flags::names)
}

/// First key, last key and step, as far as three numbers can say it.
struct LegacyRange {
    first: i64,
    last: i64,
    step: i64,
}

impl LegacyRange {
    fn of(command: &Command) -> Self {
        let one = |first: i64| LegacyRange { first, last: first, step: 1 };
        match hints::keys(command) {
            Keys::Range { first, last, step } => {
                let (first, last) = (i64::from(first), i64::from(last));
                let last = if last >= 0 { first + last } else { last };
                LegacyRange { first, last, step: step.into() }
            }
            Keys::Counted { destination: 1.., .. } => one(1),
            Keys::Custom(_) if leading_key(command).is_some() => one(leading_key(command).unwrap_or(0)),
            Keys::None | Keys::Counted { .. } | Keys::Custom(_) => LegacyRange { first: 0, last: 0, step: 0 },
        }
    }
}

/// The key that a command whose keys depend on its arguments has in any case.
fn leading_key(command: &Command) -> Option<i64> {
    let request: Vec<&[u8]> = vec![b""; usize::from(command.arity.unsigned_abs())];
    let mut first = None;
    command.for_each_key(&request, |at| first = first.or(Some(at as i64)));
    first
}

/// A key specification.
struct KeySpec {
    access: &'static str,
    find: Find,
}

enum Find {
    Range {
        index: i64,
        last: i64,
        step: i64,
    },
    Count {
        index: i64,
        step: i64,
    },
    /// The keys are half of what follows.
    Keyword {
        word: &'static str,
        start: i64,
    },
    /// One key follows.
    Destination {
        word: &'static str,
        start: i64,
    },
    Unknown,
}

impl KeySpec {
    fn all_of(command: &Command) -> Vec<KeySpec> {
        let access = hints::access(command);
        let finds = match hints::keys(command) {
            Keys::None => Vec::new(),
            Keys::Range { first, last, step } if access.len() == 2 => {
                let (index, step) = (i64::from(first), i64::from(step));
                let rest = match i64::from(last) {
                    0 => Find::Unknown,
                    last @ 1.. => Find::Range { index: index + 1, last: last - 1, step },
                    last => Find::Range { index: index + 1, last, step },
                };
                vec![Find::Range { index, last: 0, step: 1 }, rest]
            }
            Keys::Range { first, last, step } => {
                vec![Find::Range { index: first.into(), last: last.into(), step: step.into() }]
            }
            Keys::Counted { destination: 0, count } => vec![Find::Count { index: count.into(), step: 1 }],
            Keys::Counted { destination, count } => vec![
                Find::Range { index: destination.into(), last: 0, step: 1 },
                Find::Count { index: count.into(), step: 1 },
            ],
            Keys::Custom(_) if let Some((word, start)) = hints::keyword(command) => {
                vec![Find::Keyword { word, start }]
            }
            Keys::Custom(_) if let Some(start) = hints::stores_from(command) => {
                let stored = ["STORE", "STOREDIST"].map(|word| Find::Destination { word, start });
                [Find::Range { index: 1, last: 0, step: 1 }].into_iter().chain(stored).collect()
            }
            Keys::Custom(_) if let Some(index) = hints::counts_pairs_at(command) => {
                vec![Find::Count { index, step: 2 }]
            }
            Keys::Custom(_) => {
                let leading = leading_key(command).map(|index| Find::Range { index, last: 0, step: 1 });
                let mut finds: Vec<_> = leading.into_iter().collect();
                finds.resize_with(access.len().max(1), || Find::Unknown);
                finds
            }
        };
        let access = |at: usize| access.get(at).or(access.last()).copied().unwrap_or_default();
        finds.into_iter().enumerate().map(|(at, find)| KeySpec { access: access(at), find }).collect()
    }

    fn reply_to(&self, reply: &mut dyn Reply) {
        reply.map(3);
        reply.bulk(b"flags");
        let flags: Vec<_> = self.access.split(' ').collect();
        reply.set(flags.len());
        flags.iter().for_each(|flag| reply.simple(flag.as_bytes()));
        let number = |name, number: i64| (name, Fact::Number(number));
        let (begin, find): (Part, Part) = match self.find {
            Find::Range { index, last, step } => (
                ("index", vec![number("index", index)]),
                ("range", vec![number("lastkey", last), number("keystep", step), number("limit", 0)]),
            ),
            Find::Count { index, step } => (
                ("index", vec![number("index", index)]),
                ("keynum", vec![number("keynumidx", 0), number("firstkey", 1), number("keystep", step)]),
            ),
            Find::Keyword { word, start } => (
                ("keyword", vec![("keyword", Fact::Word(word)), number("startfrom", start)]),
                ("range", vec![number("lastkey", -1), number("keystep", 1), number("limit", 2)]),
            ),
            Find::Destination { word, start } => (
                ("keyword", vec![("keyword", Fact::Word(word)), number("startfrom", start)]),
                ("range", vec![number("lastkey", 0), number("keystep", 1), number("limit", 0)]),
            ),
            Find::Unknown => (("unknown", Vec::new()), ("unknown", Vec::new())),
        };
        for (title, (kind, facts)) in [("begin_search", begin), ("find_keys", find)] {
            reply.bulk(title.as_bytes());
            reply.map(2);
            reply.bulk(b"type");
            reply.bulk(kind.as_bytes());
            reply.bulk(b"spec");
            reply.map(facts.len());
            for (name, fact) in facts {
                reply.bulk(name.as_bytes());
                match fact {
                    Fact::Number(number) => reply.int(number),
                    Fact::Word(word) => reply.bulk(word.as_bytes()),
                }
            }
        }
    }
}

/// Half of a key specification: its kind and what belongs to it.
type Part = (&'static str, Vec<(&'static str, Fact)>);

enum Fact {
    Number(i64),
    Word(&'static str),
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use perigee_resp::{Protocol, Recorder, Value};

    use super::*;
    use crate::table::CommandTable;

    /// COMMAND INFO of redis-server 7.0.15, a line each: name, arity, flags, ACL categories, first key, last key, step,
    /// key specifications (access, beginning, search), tips.
    const OF_REDIS: &str = include_str!("../../../tests/command_info.txt");

    /// Ours differ, each for the reason beside it.
    const DIFFERENT: &[&str] = &[
        // They may name one of several.
        "function|kill",
        "script|kill",
        // WITHSCORE, as Redis 7.2 has it.
        "zrank",
        "zrevrank",
    ];

    #[test]
    fn redis_says_the_same_of_every_command_that_it_knows() {
        let of_redis: HashMap<&str, &str> =
            OF_REDIS.lines().filter_map(|line| Some((line.split(' ').next()?, line))).collect();
        let table = CommandTable::new();
        let mut differences = Vec::new();
        for id in 0..table.len() {
            let command = table.by_id(id as u16).unwrap();
            let Some(&expected) = of_redis.get(command.full_name) else { continue };
            let line = line(command);
            if line != expected && !DIFFERENT.contains(&command.full_name) {
                differences.push(format!("ours:  {line}\nredis: {expected}"));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    fn line(command: &Command) -> String {
        let mut recorder = Recorder::new(Protocol::Resp2);
        reply(&mut recorder, command.full_name.as_bytes(), command);
        let Value::Array(entry) = recorder.into_value() else { panic!("an entry is an array") };
        let words = |at: usize, separator: &str| {
            let mut words: Vec<String> = items(&entry[at]).iter().map(text).collect();
            words.sort();
            if words.is_empty() { "-".to_owned() } else { words.join(separator) }
        };
        let specs: Vec<String> = items(&entry[8]).iter().map(spec).collect();
        let specs = if specs.is_empty() { "-".to_owned() } else { specs.join(";") };
        let numbers: Vec<String> = entry[3..6].iter().map(text).collect();
        format!(
            "{} {} {} {} {} {specs} {}",
            text(&entry[0]),
            text(&entry[1]),
            words(2, ","),
            words(6, ",").replace('@', ""),
            numbers.join(" "),
            words(7, ","),
        )
    }

    fn spec(spec: &Value) -> String {
        let Value::Map(pairs) = spec else { panic!("a specification is a map") };
        let parts = pairs.iter().map(|(_, part)| match part {
            Value::Map(part) => {
                let Value::Map(numbers) = &part[1].1 else { panic!("its numbers are a map") };
                let numbers = numbers.iter().map(|(_, number)| format!(":{}", text(number)));
                text(&part[0].1) + &numbers.collect::<String>()
            }
            flags => items(flags).iter().map(text).collect::<Vec<_>>().join(":"),
        });
        parts.collect::<Vec<_>>().join("|")
    }

    fn items(value: &Value) -> &[Value] {
        match value {
            Value::Array(items) | Value::Set(items) => items,
            other => panic!("no list: {other:?}"),
        }
    }

    fn text(value: &Value) -> String {
        match value {
            Value::Int(number) => number.to_string(),
            Value::Bulk(bytes) | Value::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("no word: {other:?}"),
        }
    }
}
