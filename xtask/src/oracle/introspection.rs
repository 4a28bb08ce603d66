//! What both servers say of their own commands: COMMAND DOCS, INFO and LIST, of every command that both have, and where they find the
//! keys of random requests.

use std::collections::BTreeSet;

use anyhow::Result;

use super::pair::{Pair, Request};
use super::peer::Peer;
use super::report::{Report, group, show};
use super::shapes::Dice;
use super::{episode, grammar, newer, words};
use crate::connection::Outcome;
use crate::value::Value;

/// Compares it, over RESP3, where order matters only in arrays.
pub(super) fn compare(pair: &mut Pair, report: &mut Report) -> Result<()> {
    pair.reset()?;
    let before = report.compared;
    let _greetings = pair.call(1, &["HELLO", "3"])?;
    let [reference, subject] = [0, 1].map(|which| pair.ask(which, &[b"COMMAND", b"LIST"]));
    let common: BTreeSet<String> = names(&reference?).intersection(&names(&subject?)).cloned().collect();
    if let Some(peer) = pair.peer() {
        return compare_newer(pair, report, peer, &common);
    }
    for name in &common {
        for part in ["DOCS", "INFO"] {
            ask(pair, report, &["COMMAND", part, name], |answer| arranged(answer, &common))?;
        }
    }
    let listed = |list: Value| {
        let both = names(&list).intersection(&common).map(|name| Value::Bulk(name.clone().into())).collect();
        Value::Array(both)
    };
    for category in names(&pair.ask(0, &[b"ACL", b"CAT"])?) {
        ask(pair, report, &["COMMAND", "LIST", "FILTERBY", "ACLCAT", &category], listed)?;
    }
    for pattern in ["*", "x*", "*|get", "[a-c]?*", "CONFIG|*", "nothing"] {
        ask(pair, report, &["COMMAND", "LIST", "FILTERBY", "PATTERN", pattern], listed)?;
    }
    let shapes = episode::shapes(pair, 0)?;
    for (name, shape) in shapes.iter().filter(|(name, _)| common.contains(&name.to_lowercase())) {
        let seed = name.bytes().fold(1u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let mut dice = Dice::new(seed);
        for part in ["GETKEYS", "GETKEYSANDFLAGS"].into_iter().cycle().take(REQUESTS) {
            let mut request: Request = [b"COMMAND".to_vec(), part.into()].into();
            request.push(name.clone().into());
            request.extend(grammar::request(&mut dice, name, shape).split_off(1));
            ask(pair, report, &request, |answer| arranged(answer, &common))?;
        }
    }
    println!("introspection: {} replies of {} commands", report.compared - before, common.len());
    pair.drop_connection(1);
    Ok(())
}

/// What a newer server says of what is newer: of the rest it has changed all sorts of words.
fn compare_newer(pair: &mut Pair, report: &mut Report, peer: Peer, common: &BTreeSet<String>) -> Result<()> {
    let before = report.compared;
    for name in newer::names(peer).map(|name| name.to_lowercase().replace(' ', "|")) {
        // Of vector sets it says what modules say.
        if common.contains(&name) && !name.starts_with('v') {
            for part in ["DOCS", "INFO"] {
                ask(pair, report, &["COMMAND", part, &name], |answer| arranged(answer, common))?;
            }
        }
    }
    println!("introspection: {} replies", report.compared - before);
    pair.drop_connection(1);
    Ok(())
}

/// How many random requests of each command have their keys found.
const REQUESTS: usize = 40;

/// Asks both, compares what is made of the answers.
fn ask<T: AsRef<[u8]>>(
    pair: &mut Pair,
    report: &mut Report,
    request: &[T],
    arrange: impl Fn(Value) -> Value,
) -> Result<()> {
    let [reference, subject] = pair.call(1, request)?.map(|answer| match answer {
        Outcome::Reply(value) => Outcome::Reply(arrange(value)),
        other => other,
    });
    report.compared += 1;
    let line = words::join(request);
    if reference == subject || report.accepts(&line, &reference, &subject) {
        return Ok(());
    }
    if report.is_new(format!(
        "{}: {}",
        request.iter().take(3).map(|w| String::from_utf8_lossy(w.as_ref())).collect::<Vec<_>>().join(" "),
        group(b"", &reference, &subject)
    )) {
        report.print("(introspection)", &[line], &show(&reference), &show(&subject));
    }
    Ok(())
}

/// A description without notes, without what 7.2 shows beside names, and without subcommands that only one server has; sets, maps and subcommands in order.
fn arranged(value: Value, common: &BTreeSet<String>) -> Value {
    let is_common = |name: &Value| !is_subcommand(name) || common.contains(&text(name));
    match value {
        Value::Map(pairs) => {
            let ignored = [&b"notes"[..], b"display_text"];
            let told =
                |key: &Value| is_common(key) && key.bytes().is_none_or(|name| !ignored.contains(&name));
            let pairs = pairs.into_iter().filter(|(key, _)| told(key));
            let mut pairs: Vec<_> = pairs.map(|(key, value)| (key, arranged(value, common))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        Value::Set(items) => {
            let mut items: Vec<_> = items.into_iter().map(|item| arranged(item, common)).collect();
            items.sort();
            Value::Set(items)
        }
        Value::Array(items) => {
            let entry_name = |item: &Value| item.items().and_then(<[Value]>::first).cloned();
            let of_subcommands = items.iter().filter_map(entry_name).any(|name| is_subcommand(&name));
            let items = items.into_iter().filter(|item| entry_name(item).is_none_or(|name| is_common(&name)));
            let mut items: Vec<_> = items.map(|item| arranged(item, common)).collect();
            if of_subcommands {
                items.sort();
            }
            Value::Array(items)
        }
        other => other,
    }
}

fn is_subcommand(name: &Value) -> bool {
    matches!(name, Value::Bulk(name) if name.contains(&b'|') && !name.contains(&b' '))
}

fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.bytes().unwrap_or_default()).into_owned()
}

fn names(list: &Value) -> BTreeSet<String> {
    list.items().unwrap_or_default().iter().map(text).collect()
}
