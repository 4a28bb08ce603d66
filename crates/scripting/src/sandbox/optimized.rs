//! A script that is run again and again, written so that its runs do less.
//!
//! `HEAD REST` becomes `local call = redis.call HEAD return function(...) REST end`, line for line. The outer text is run once, what
//! it returns is the script. HEAD are the [leading](super::leading) functions; `redis.call` is `call` within, which costs
//! one step instead of two tables and a metatable.

use std::ops::Range;

use super::leading;
use super::text::{Assigned, Text};

/// The text that returns the script; `None` if there is nothing to gain.
pub(super) fn optimized(text: &Text<'_>, assigned: &Assigned<'_>) -> Option<Vec<u8>> {
    let calls = calls(text, assigned);
    let head_end = leading::end(text, assigned);
    if calls.is_empty() && head_end.is_none() {
        return None;
    }
    let head_end = head_end.unwrap_or(0);
    let mut result = Vec::with_capacity(text.chunk.len() + 64);
    if !calls.is_empty() {
        result.extend_from_slice(b"local call = redis.call ");
    }
    let (in_head, in_rest) = calls.split_at(calls.partition_point(|call| call.1 <= head_end));
    append(&mut result, text.chunk, 0..head_end, in_head);
    result.extend_from_slice(b" return function(...) ");
    append(&mut result, text.chunk, head_end..text.chunk.len(), in_rest);
    result.extend_from_slice(b"\nend");
    Some(result)
}

/// Appends a part of the chunk with `call` in these places of it.
fn append(result: &mut Vec<u8>, chunk: &[u8], part: Range<usize>, calls: &[(usize, usize)]) {
    let mut taken = part.start;
    for &(start, end) in calls {
        result.extend_from_slice(&chunk[taken..start]);
        result.extend_from_slice(b"call");
        taken = end;
    }
    result.extend_from_slice(&chunk[taken..part.end]);
}

/// From where to where `redis.call` is said, if these words never mean anything else.
fn calls(text: &Text<'_>, assigned: &Assigned<'_>) -> Vec<(usize, usize)> {
    if assigned.elements_of.contains(b"redis".as_slice()) {
        return Vec::new();
    }
    let mut calls = Vec::new();
    for index in 0..text.tokens.len() {
        let before = index.checked_sub(1).map_or(b"".as_slice(), |at| text.at(at));
        match text.at(index) {
            b"redis" if !matches!(before, b"." | b":") => {
                if text.at(index + 1) != b"." || before == b"function" {
                    return Vec::new();
                }
                if text.at(index + 2) == b"call" {
                    calls.push((text.tokens[index].start, text.tokens[index + 2].end));
                }
            }
            b"call" if !matches!(before, b"." | b":") => return Vec::new(),
            _ => {}
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewrite(chunk: &str) -> Option<String> {
        let text = Text::new(chunk.as_bytes())?;
        optimized(&text, &text.assigned()).map(|text| String::from_utf8(text).unwrap())
    }

    #[track_caller]
    fn check(chunk: &str, wanted: &str) {
        assert_eq!(rewrite(chunk).as_deref(), Some(wanted));
    }

    #[test]
    fn calls_are_short() {
        check(
            "return redis.call('get', KEYS[1])",
            "local call = redis.call  return function(...) return call('get', KEYS[1])\nend",
        );
        check(
            "local function f() return redis.call('get', redis . call 'x') end return f() or redis.pcall(1)",
            "local call = redis.call local function f() return call('get', call 'x') end return function(...)  \
             return f() or redis.pcall(1)\nend",
        );
        check(
            "local function f() end\nreturn 1",
            "local function f() end return function(...) \nreturn 1\nend",
        );
    }

    #[test]
    fn words_that_could_mean_something_else_stay() {
        for chunk in [
            "local redis = {} return redis.call",
            "return function(redis) return redis.call('get') end",
            "redis.call = nil redis.call('get')",
            "function redis.call() end redis.call()",
            "local call = 1 return redis.call('get', call)",
            "local t = {call = 1} return redis.call('get')",
            "for redis in x do redis.call('get') end",
            "return redis['call']('get')",
            "return t.redis.call('get')",
            "return 'redis.call' -- redis.call",
        ] {
            assert_eq!(rewrite(chunk), None, "{chunk}");
        }
    }
}
