//! COMMAND DOCS: what commands are for and which arguments they take.

use perigee_resp::Reply;

use super::{find, shown};
use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Group};
use crate::syntax::{self, Argument};
use crate::table::Entry;

pub(super) const DOCS: Command = shown("docs", "command|docs", -2, docs)
    .docs(
        Group::Server,
        "7.0.0",
        "O(N) where N is the number of commands to look up",
        "Get array of specific Redis command documentation",
    )
    .syntax("[command-name...]");

fn docs(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let table = &call.env.engine.commands;
    let found: Vec<(Vec<u8>, Entry)> = match &call.args[2..] {
        [] => table.all().into_iter().map(|(name, entry)| (name.to_vec(), entry)).collect(),
        names => names.iter().filter_map(|name| find(table, name)).collect(),
    };
    call.reply.map(found.len());
    for (name, entry) in found {
        call.reply.bulk(&name);
        describe(call.reply, entry.command);
    }
    Ok(())
}

/// A command's map.
fn describe(reply: &mut dyn Reply, command: &Command) {
    let arguments = syntax::parse(command.syntax).unwrap_or_default();
    let (deprecated_since, replaced_by) = command.deprecated.unwrap_or_default();
    let fact = |name: &'static str, value: &'static str| (name, Fact::Text(value));
    let facts = [
        fact("summary", command.summary),
        fact("since", command.since),
        fact("group", command.group.name()),
        fact("complexity", command.complexity),
        (
            "doc_flags",
            Fact::Flags(&[("deprecated", command.deprecated.is_some()), ("syscmd", command.internal)]),
        ),
        fact("deprecated_since", deprecated_since),
        fact("replaced_by", replaced_by),
        ("history", Fact::History(command.history)),
        ("arguments", Fact::Arguments(&arguments)),
        ("subcommands", Fact::Subcommands(command.subcommands)),
    ];
    reply_facts(reply, &facts);
}

fn describe_argument(reply: &mut dyn Reply, argument: &Argument) {
    let flags = [
        ("optional", argument.optional),
        ("multiple", argument.multiple),
        ("multiple_token", argument.multiple_token),
    ];
    let facts = [
        ("name", Fact::Text(&argument.name)),
        ("type", Fact::Text(argument.kind.name())),
        ("key_spec_index", Fact::Number(argument.key_spec)),
        ("token", Fact::Word(argument.token)),
        ("since", Fact::Word(argument.since)),
        ("deprecated_since", Fact::Word(argument.deprecated_since)),
        ("flags", Fact::Flags(&flags)),
        ("arguments", Fact::Arguments(&argument.parts)),
    ];
    reply_facts(reply, &facts);
}

/// What a map says under a name; nothing is said of what is empty.
enum Fact<'a> {
    Text(&'a str),
    /// That may be an empty one.
    Word(Option<&'a str>),
    Number(Option<i64>),
    Flags(&'a [(&'static str, bool)]),
    History(&'a [(&'static str, &'static str)]),
    Arguments(&'a [Argument]),
    Subcommands(&'a [Command]),
}

impl Fact<'_> {
    fn is_empty(&self) -> bool {
        match self {
            Fact::Text(text) => text.is_empty(),
            Fact::Word(word) => word.is_none(),
            Fact::Number(number) => number.is_none(),
            Fact::Flags(flags) => !flags.iter().any(|flag| flag.1),
            Fact::History(history) => history.is_empty(),
            Fact::Arguments(arguments) => arguments.is_empty(),
            Fact::Subcommands(commands) => commands.is_empty(),
        }
    }
}

fn reply_facts(reply: &mut dyn Reply, facts: &[(&str, Fact<'_>)]) {
    let facts = facts.iter().filter(|(_, fact)| !fact.is_empty());
    reply.map(facts.clone().count());
    for (name, fact) in facts {
        reply.bulk(name.as_bytes());
        match fact {
            Fact::Text(text) | Fact::Word(Some(text)) => reply.bulk(text.as_bytes()),
            Fact::Number(Some(number)) => reply.int(*number),
            Fact::Word(None) | Fact::Number(None) => {}
            Fact::Flags(flags) => {
                let flags: Vec<_> = flags.iter().filter(|flag| flag.1).collect();
                reply.set(flags.len());
                flags.iter().for_each(|flag| reply.simple(flag.0.as_bytes()));
            }
            Fact::History(history) => {
                reply.set(history.len());
                for (version, change) in *history {
                    reply.array(2);
                    reply.bulk(version.as_bytes());
                    reply.bulk(change.as_bytes());
                }
            }
            Fact::Arguments(arguments) => {
                reply.array(arguments.len());
                arguments.iter().for_each(|argument| describe_argument(reply, argument));
            }
            Fact::Subcommands(commands) => {
                reply.map(commands.len());
                for command in *commands {
                    reply.bulk(command.full_name.as_bytes());
                    describe(reply, command);
                }
            }
        }
    }
}
