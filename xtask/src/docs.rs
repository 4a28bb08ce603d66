//! `docs/commands.md`: what a running server says of its own commands, as tables by group.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::arguments::Arguments;
use crate::connection::Connection;
use crate::programs;
use crate::server::Server;
use crate::syntax::Argument;
use crate::value::Value;

pub(crate) const HELP: &str = "\
docs [--check] [--server PATH]
    Writes docs/commands.md from what the server (default: builds Perigee's release) answers to COMMAND INFO and
    COMMAND DOCS.
    --check   writes nothing; fails if the file is not what would be written";

pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let check = arguments.flag("--check");
    let program = arguments.value("--server")?.map(PathBuf::from);
    if let Some(word) = arguments.finish()?.first() {
        bail!("unexpected argument {word}");
    }
    let program = program.map_or_else(|| programs::build_perigee("release"), Ok)?;
    let server = Server::start("perigee", &program, &[])?;
    let page = page(&commands(&mut server.connect()?)?)?;
    let path = programs::root().join("docs/commands.md");
    if check {
        let written = fs::read_to_string(&path).unwrap_or_default();
        ensure!(written == page, "docs/commands.md is out of date: run `cargo xtask docs`");
        return Ok(());
    }
    fs::write(&path, page).with_context(|| path.display().to_string())
}

/// One command or subcommand, in the words of the server.
struct Row {
    name: String,
    arity: String,
    flags: Vec<String>,
    facts: BTreeMap<String, String>,
}

fn commands(connection: &mut Connection) -> Result<Vec<Row>> {
    let mut facts = BTreeMap::new();
    read_docs(&connection.call(&["COMMAND", "DOCS"])?, &mut facts)?;
    let mut rows = Vec::new();
    for entry in items(&connection.call(&["COMMAND", "INFO"])?)? {
        read_entry(entry, &mut facts, &mut rows)?;
    }
    ensure!(facts.is_empty(), "COMMAND DOCS knows of more than COMMAND INFO: {:?}", facts.keys());
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rows)
}

/// Takes from COMMAND DOCS what is said of each command and subcommand.
fn read_docs(reply: &Value, facts: &mut BTreeMap<String, BTreeMap<String, String>>) -> Result<()> {
    for command in items(reply)?.chunks_exact(2) {
        let mut own = BTreeMap::new();
        for fact in items(&command[1])?.chunks_exact(2) {
            let title = text(&fact[0])?;
            match title.as_str() {
                "subcommands" => read_docs(&fact[1], facts)?,
                "arguments" => {
                    let arguments: Vec<_> =
                        Argument::all_of(&fact[1]).iter().map(Argument::to_string).collect();
                    own.insert(title, arguments.join(" "));
                }
                "summary" | "since" | "group" | "complexity" => drop(own.insert(title, text(&fact[1])?)),
                _ => {}
            }
        }
        facts.insert(text(&command[0])?, own);
    }
    Ok(())
}

/// Takes an entry of COMMAND INFO and those of its subcommands.
fn read_entry(
    entry: &Value,
    facts: &mut BTreeMap<String, BTreeMap<String, String>>,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let [name, arity, flags, .., subcommands] = items(entry)? else { bail!("a short entry: {entry}") };
    let name = text(name)?;
    let facts_of_it = facts.remove(&name).with_context(|| format!("{name} has no documentation"))?;
    rows.push(Row {
        arity: arity.number().context("no arity")?.to_string(),
        flags: items(flags)?.iter().map(text).collect::<Result<_>>()?,
        facts: facts_of_it,
        name,
    });
    items(subcommands)?.iter().try_for_each(|subcommand| read_entry(subcommand, facts, rows))
}

fn page(rows: &[Row]) -> Result<String> {
    let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let group = row.facts.get("group").with_context(|| format!("{} has no group", row.name))?;
        groups.entry(group).or_default().push(row);
    }
    let mut page = String::from(
        "# Commands\n\nWritten by `cargo xtask docs` from what a running server answers to COMMAND INFO and COMMAND DOCS; `cargo xtask\n\
         ci docs` fails where this page and the server disagree. Arity counts the command's own name and is negative where more\n\
         arguments may follow. *Since* is the version of Redis that brought the command.\n",
    );
    for (group, rows) in groups {
        write!(
            page,
            "\n## {group}\n\n| Command | Arguments | Arity | Since | Complexity | Flags | What it does |\n|---|---|---|---|---|---|---|\n"
        )?;
        for row in rows {
            let fact = |name: &str| cell(row.facts.get(name).map_or("", String::as_str));
            let name = row.name.to_uppercase().replace('|', " ");
            let flags = row.flags.join(" ");
            writeln!(
                page,
                "| {name} | {} | {} | {} | {} | {flags} | {} |",
                fact("arguments"),
                row.arity,
                fact("since"),
                fact("complexity"),
                fact("summary")
            )?;
        }
    }
    Ok(page)
}

/// Text that cannot be taken for the table's own bars or for markup.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('<', "&lt;")
}

fn items(value: &Value) -> Result<&[Value]> {
    value.items().with_context(|| format!("not a list: {value}"))
}

fn text(value: &Value) -> Result<String> {
    let bytes = value.bytes().with_context(|| format!("not a text: {value}"))?;
    Ok(String::from_utf8(bytes.to_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_in_their_groups_and_bars_are_escaped() {
        let row = |name: &str, group: &str| Row {
            name: name.to_owned(),
            arity: "-2".to_owned(),
            flags: vec!["write".to_owned(), "fast".to_owned()],
            facts: [("group", group), ("since", "1.0.0"), ("summary", "a|b*c"), ("arguments", "[NX | XX]")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        let page = page(&[row("set", "string"), row("config|get", "server")]).expect("complete rows");
        let (server, string) = (page.find("## server").unwrap(), page.find("## string").unwrap());
        let line = page.find(r"| CONFIG GET | [NX \| XX] | -2 | 1.0.0 |  | write fast | a\|b\*c |").unwrap();
        assert!(server < line && line < string);
    }
}
