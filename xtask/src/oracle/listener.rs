//! A client that listens on a connection of its own, and hears the same from both servers in the same order.

use std::collections::BTreeSet;

use anyhow::Result;

use super::pair::{Pair, Request};
use super::step::name_of;
use crate::connection::{Outcome, REPLY_WITHIN};
use crate::value::Value;

/// Sends a request as the listener; the answer is among what is heard next.
pub(super) fn ask(pair: &mut Pair, request: &Request) -> Result<()> {
    if pair.is_connected(LISTENER) {
        return pair.send(LISTENER, request);
    }
    // Over RESP2 a subscriber may not change the protocol.
    let greets = name_of(request) == "HELLO";
    if greets {
        pair.call(LISTENER, request)?;
    }
    pair.call(LISTENER, &["SUBSCRIBE", END])?;
    if greets { Ok(()) } else { pair.send(LISTENER, request) }
}

/// All that came to the listener since the last time. What is published last marks the end.
pub(super) fn hear(pair: &mut Pair) -> Result<[Outcome; 2]> {
    let mut heard = [Outcome::Silent, Outcome::Silent];
    if !pair.is_connected(LISTENER) {
        return Ok(heard);
    }
    for (which, heard) in heard.iter_mut().enumerate() {
        // The listener's own request comes first only if it was answered before.
        let connection = &mut pair.connections(LISTENER)?[which];
        connection.send(&["SUBSCRIBE", END])?;
        let mut messages = Vec::new();
        let mut invalid = BTreeSet::new();
        let mut publish = false;
        *heard = loop {
            match pair.connections(LISTENER)?[which].read(REPLY_WITHIN) {
                Outcome::Reply(message) if !publish && is_end(&message, b"subscribe") => {
                    publish = true;
                    pair.ask(which, &[b"PUBLISH", END.as_bytes(), b""])?;
                }
                Outcome::Reply(message) if is_end(&message, b"message") => {
                    sort_patterns(&mut messages);
                    // What the listener's own request brings it comes before or after the answer.
                    let (pushed, mut messages): (Vec<_>, Vec<_>) =
                        messages.into_iter().partition(|message| matches!(message, Value::Push(_)));
                    messages.extend(pushed);
                    messages.extend(invalid.into_iter().map(Value::Bulk));
                    break Outcome::Reply(Value::Array(messages));
                }
                // When a key expires is each server's own affair.
                Outcome::Reply(message) if tells_of_expiry(&message) => {}
                // How many keys travel in one message, and when, is each server's own affair, too.
                Outcome::Reply(message) if invalidated(&message).is_some() => {
                    invalid.extend(invalidated(&message).into_iter().flatten());
                }
                Outcome::Reply(message) => messages.push(message),
                broken => break broken,
            }
        };
    }
    Ok(heard)
}

/// One message comes once for each pattern, in an order that Redis takes from a hash table.
fn sort_patterns(messages: &mut [Value]) {
    let is_same = |a: &Value, b: &Value| match (a.items(), b.items()) {
        (Some([kind, _, a @ ..]), Some([_, _, b @ ..])) => kind.bytes() == Some(b"pmessage") && a == b,
        _ => false,
    };
    messages.chunk_by_mut(is_same).for_each(<[Value]>::sort);
}

/// Puts what was heard in an order of its own.
pub(super) fn forget_order(heard: &mut Outcome) {
    if let Outcome::Reply(Value::Array(messages)) = heard {
        messages.sort();
    }
}

const LISTENER: u32 = 2;
const END: &str = "~end";

/// The keys that a message of CLIENT TRACKING names; all of them are called `*`.
fn invalidated(message: &Value) -> Option<Vec<Vec<u8>>> {
    match message.items()? {
        [kind, keys] if kind.bytes() == Some(b"invalidate") => {
            let keys = keys.items().map(|keys| keys.iter().filter_map(|key| Some(key.bytes()?.to_vec())));
            Some(keys.map_or_else(|| vec![b"*".to_vec()], Iterator::collect))
        }
        _ => None,
    }
}

fn tells_of_expiry(message: &Value) -> bool {
    let words = message.items().unwrap_or_default().iter().filter_map(Value::bytes);
    words.rev().take(2).any(|word| word.ends_with(b"expired"))
}

fn is_end(message: &Value, kind: &[u8]) -> bool {
    let Some([first, channel, ..]) = message.items() else { return false };
    first.bytes() == Some(kind) && channel.bytes() == Some(END.as_bytes())
}
