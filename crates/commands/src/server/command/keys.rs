//! COMMAND GETKEYS and COMMAND GETKEYSANDFLAGS: the keys of a request.

use super::{hints, shown};
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Flags, Group, Keys};
use crate::table::Entry;

pub(super) const GETKEYS: Command = shown("getkeys", "command|getkeys", -4, |call| reply(call, false)).docs(
    Group::Server,
    "2.8.13",
    "O(N) where N is the number of arguments to the command",
    "Extract keys given a full Redis command",
);

pub(super) const GETKEYSANDFLAGS: Command =
    shown("getkeysandflags", "command|getkeysandflags", -4, |call| reply(call, true)).docs(
        Group::Server,
        "7.0.0",
        "O(N) where N is the number of arguments to the command",
        "Extract keys and access flags given a full Redis command",
    );

fn reply(call: &mut Call<'_, '_>, with_flags: bool) -> Result<(), Error> {
    let request = &call.args[2..];
    let entry = find(call, request).ok_or(Error::Text("ERR Invalid command specified"))?;
    if matches!(entry.command.keys, Keys::None) {
        return Err(Error::Text("ERR The command has no key arguments"));
    }
    if !entry.command.accepts(request.len()) {
        return Err(Error::Text("ERR Invalid number of arguments specified for command"));
    }
    let keys = positions(entry.command, request);
    if keys.is_empty() && !entry.command.has(Flags::NO_MANDATORY_KEYS) {
        return Err(Error::Text("ERR Invalid arguments specified for command"));
    }
    call.reply.array(keys.len());
    for (number, &at) in keys.iter().enumerate() {
        if with_flags {
            call.reply.array(2);
        }
        call.reply.bulk(request[at]);
        if with_flags {
            let access = access(entry.command, request, number);
            let flags: Vec<_> = access.split(' ').collect();
            call.reply.set(flags.len());
            flags.iter().for_each(|flag| call.reply.simple(flag.as_bytes()));
        }
    }
    Ok(())
}

fn find(call: &Call<'_, '_>, request: &[&[u8]]) -> Option<Entry> {
    let table = &call.env.engine.commands;
    let entry = table.find(request[0])?;
    match entry.command.subcommands {
        [] => Some(entry),
        _ => table.find_subcommand(entry, request.get(1)?),
    }
}

/// A count that the request does not bear out means that no key can be told.
fn positions(command: &Command, request: &[&[u8]]) -> Vec<usize> {
    if let Keys::Counted { count, .. } = command.keys {
        let at = usize::from(count);
        let number = request.get(at).and_then(|number| crate::parse::integer(number));
        let left = request.len().saturating_sub(at + 1) as i64;
        if number.is_none_or(|number| number < 1 || number > left) {
            return Vec::new();
        }
    }
    let mut positions = Vec::new();
    command.for_each_key(request, |at| positions.push(at));
    positions
}

fn access(command: &Command, request: &[&[u8]], number: usize) -> &'static str {
    if command.name == "set" {
        let answers_old = request[3..].iter().any(|&word| Word(word).is("GET"));
        return if answers_old { "RW access update" } else { "OW update" };
    }
    let access = hints::access(command);
    if command.name == "sort" && number > 0 { access[2] } else { access[number.min(access.len() - 1)] }
}
