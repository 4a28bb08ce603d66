//! Pops from the first of several lists that has something: LMPOP, BLMPOP, BLPOP, BRPOP.

use std::ops::Range;

use super::End;
use super::pop::{pop_many, pop_one, tell_popped};
use crate::blocking::{Block, deadline};
use crate::call::Call;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const fn popper(name: &'static str, arity: i8, handler: Handler, keys: Keys) -> Command {
    command(name, arity, handler).flags(Flags::WRITE).keys(keys).acl(Categories::LIST)
}

pub(super) const LMPOP: Command = popper("lmpop", -4, lmpop, Keys::counted(1))
    .flags(Flags::MOVABLE_KEYS)
    .docs(
        Group::List,
        "7.0.0",
        "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        "Pop elements from a list",
    )
    .syntax("numkeys:int key... where<LEFT|RIGHT> [COUNT count:int]");

fn lmpop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, 1)?;
    if !pop_first(call, &options)? {
        call.reply.null_array();
    }
    Ok(())
}

pub(super) const BLMPOP: Command = popper("blmpop", -5, blmpop, Keys::counted(2))
    .flags(Flags::BLOCKING.or(Flags::MOVABLE_KEYS))
    .docs(
        Group::List,
        "7.0.0",
        "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
        "Pop elements from a list, or block until one is available",
    )
    .syntax("timeout:double numkeys:int key... where<LEFT|RIGHT> [COUNT count:int]");

fn blmpop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, 2)?;
    pop_or_block(call, &options, 1)
}

pub(super) const BLPOP: Command = popper("blpop", -3, |call| pop(call, End::Left), Keys::range(1, -2, 1))
    .flags(Flags::NOSCRIPT.or(Flags::BLOCKING))
    .docs(
        Group::List,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "Remove and get the first element in a list, or block until one is available",
    )
    .syntax("key... timeout:double")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]);

pub(super) const BRPOP: Command = popper("brpop", -3, |call| pop(call, End::Right), Keys::range(1, -2, 1))
    .flags(Flags::NOSCRIPT.or(Flags::BLOCKING))
    .docs(
        Group::List,
        "2.0.0",
        "O(N) where N is the number of provided keys.",
        "Remove and get the last element in a list, or block until one is available",
    )
    .syntax("key... timeout:double")
    .history(&[("6.0.0", "`timeout` is interpreted as a double instead of an integer.")]);

fn pop(call: &mut Call<'_, '_>, end: End) -> Result<(), Error> {
    let timeout_at = call.args.len() - 1;
    pop_or_block(call, &Options { keys: 1..timeout_at, end, count: None }, timeout_at)
}

fn pop_or_block(call: &mut Call<'_, '_>, options: &Options, timeout_at: usize) -> Result<(), Error> {
    let deadline_ms = deadline(call, timeout_at)?;
    if !pop_first(call, options)? {
        let keys = options.keys.clone().collect();
        call.block(Block { keys, deadline_ms, ..Block::default() });
    }
    Ok(())
}

struct Options {
    /// Positions of the keys.
    keys: Range<usize>,
    end: End,
    /// At most how many elements, answered as an array; one element by itself if there is none.
    count: Option<usize>,
}

impl Options {
    /// From the number of keys on.
    fn parse(call: &Call<'_, '_>, at: usize) -> Result<Self, Error> {
        let positive = |text, refusal| {
            integer(text).filter(|&number| number > 0).map(|number| number as usize).ok_or(refusal)
        };
        let first = at + 1;
        let end_at = first.saturating_add(positive(call.args[at], NO_KEYS)?);
        let end = End::parse(call.args.get(end_at).ok_or(Error::Syntax)?)?;
        let mut words = call.options(end_at + 1);
        let mut count = None;
        while let Some(word) = words.next() {
            if !word.is("COUNT") || count.is_some() {
                return Err(Error::Syntax);
            }
            count = Some(positive(words.value()?, NO_COUNT)?);
        }
        Ok(Options { keys: first..end_at, end, count: count.or(Some(1)) })
    }
}

/// Answers with the key and what was popped; `false` if there is nothing.
fn pop_first(call: &mut Call<'_, '_>, options: &Options) -> Result<bool, Error> {
    for at in options.keys.clone() {
        if !call.may_use(at) {
            continue;
        }
        let key = call.args[at];
        let Some(mut list) = call.txn.list_mut(call.db, key)? else { continue };
        call.reply.array(2);
        call.reply.bulk(key);
        match options.count {
            None => pop_one(&mut list, options.end, call.reply),
            Some(count) => pop_many(&mut list, options.end, count, call.reply),
        }
        let emptied = list.is_empty();
        drop(list);
        tell_popped(call, key, options.end, emptied);
        return Ok(true);
    }
    Ok(false)
}

const NO_KEYS: Error = Error::Text("ERR numkeys should be greater than 0");
const NO_COUNT: Error = Error::Text("ERR count should be greater than 0");
