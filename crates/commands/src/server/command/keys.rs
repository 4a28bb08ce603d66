//! COMMAND GETKEYS and COMMAND GETKEYSANDFLAGS: the keys of a request.

use super::{hints, shown};
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Flags, Group, Keys, number_of_keys};
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
            let flags: Vec<_> = access.split_ascii_whitespace().collect();
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

/// The positions of a request's keys, in the order of the command's key specifications. A count that the request does not bear out means that no key can be told.
fn positions(command: &Command, request: &[&[u8]]) -> Vec<usize> {
    let mut positions = Vec::new();
    for_each_position(command, request, |at| positions.push(at));
    positions
}

/// Calls `visit` with these positions.
pub(crate) fn for_each_position(command: &Command, request: &[&[u8]], mut visit: impl FnMut(usize)) {
    let Keys::Counted { destination, count } = command.keys else {
        return command.for_each_key(request, visit);
    };
    let first = usize::from(count) + 1;
    let number = request.get(first - 1).map_or(0, |number| number_of_keys(number));
    let left = request.len().saturating_sub(first);
    let Some(number) = usize::try_from(number).ok().filter(|number| (1..=left).contains(number)) else {
        return;
    };
    if !is_miscounted(command, request) {
        return command.for_each_key(request, visit);
    }
    (first..first + number).for_each(&mut visit);
    if destination > 0 {
        visit(usize::from(destination));
    }
}

/// What the request does with the key that has this number among its keys.
pub(crate) fn access(command: &Command, request: &[&[u8]], number: usize) -> &'static str {
    match command.name {
        _ if is_miscounted(command, request) => "",
        "set" if request.iter().skip(3).any(|&word| Word(word).is("GET")) => "RW access update",
        "set" => "OW update",
        "bitfield" if only_reads(request) => "RO access",
        "bitfield" => "RW access update",
        "sort" if number > 0 => hints::access(command)[2],
        _ => {
            let access = hints::access(command);
            access[number.min(access.len() - 1)]
        }
    }
}

/// Whether the keys are counted by what is no natural number. Redis then finds them by other means: a destination comes last, and what
/// happens to the keys is unknown, so that a user needs any right to them.
pub(crate) fn is_miscounted(command: &Command, request: &[&[u8]]) -> bool {
    let Keys::Counted { count, .. } = command.keys else { return false };
    let natural = |number: &&[u8]| crate::parse::integer(number).is_some_and(|number| number >= 0);
    request.get(usize::from(count)).is_some_and(|number| !natural(number))
}

/// What the command does with its keys by their number, the last for all that follow, unless it depends on the request.
pub(crate) fn fixed_access(command: &Command) -> Option<&'static [&'static str]> {
    let depends = ["set", "bitfield", "sort"].contains(&command.name);
    (!depends).then(|| hints::access(command))
}

/// Whether a BITFIELD has nothing but GETs that are complete.
fn only_reads(request: &[&[u8]]) -> bool {
    let mut at = 2;
    while let Some(&word) = request.get(at) {
        let left = request.len() - at - 1;
        at += match Word(word) {
            word if word.is("GET") && left >= 2 => 3,
            word if word.is("OVERFLOW") && left >= 1 => 2,
            _ => return false,
        };
    }
    true
}
