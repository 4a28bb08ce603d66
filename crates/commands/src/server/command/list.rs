//! COMMAND LIST: names, perhaps only some.

use super::shown;
use crate::call::Call;
use crate::error::Error;
use crate::glob;
use crate::parse::Word;
use crate::spec::{Command, Group};

pub(super) const LIST: Command = shown("list", "command|list", -2, list)
    .docs(
        Group::Server,
        "7.0.0",
        "O(N) where N is the total number of Redis commands",
        "Get an array of Redis command names",
    )
    .syntax("[FILTERBY filterby<MODULE module-name|ACLCAT category|PATTERN pattern:pattern>]");

fn list(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let filter = Filter::parse(call.args)?;
    let mut names: Vec<&[u8]> = Vec::new();
    for (name, entry) in call.env.engine.commands.all() {
        let subcommands = entry.command.subcommands.iter().map(|sub| (sub.full_name.as_bytes(), sub));
        for (name, command) in std::iter::once((name, entry.command)).chain(subcommands) {
            if filter.includes(name, command) {
                names.push(name);
            }
        }
    }
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name));
    Ok(())
}

enum Filter<'a> {
    None,
    /// No module is ever loaded.
    Module,
    Category(&'a [u8]),
    Pattern(&'a [u8]),
}

impl<'a> Filter<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Self, Error> {
        match args {
            [_, _] => Ok(Filter::None),
            [_, _, option, kind, value] if Word(option).is("FILTERBY") => match Word(kind) {
                kind if kind.is("MODULE") => Ok(Filter::Module),
                kind if kind.is("ACLCAT") => Ok(Filter::Category(value)),
                kind if kind.is("PATTERN") => Ok(Filter::Pattern(value)),
                _ => Err(Error::Syntax),
            },
            _ => Err(Error::Syntax),
        }
    }

    fn includes(&self, name: &[u8], command: &Command) -> bool {
        match self {
            Filter::None => true,
            Filter::Module => false,
            Filter::Category(category) => {
                command.acl_categories().names().any(|name| Word(category).is(name))
            }
            Filter::Pattern(pattern) => glob::matches(pattern, name, true),
        }
    }
}
