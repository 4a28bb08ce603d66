//! ACL subcommands that only look: users, categories, the log, what a user might run.

use perigee_resp::Reply;
use rand::RngExt;

use super::check::Denied;
use super::commands::{operator, ordinary};
use super::password::HEX;
use super::selector::Selector;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Group};
use crate::table::Entry;

pub(super) const CAT: Command = ordinary("cat", "acl|cat", -2, cat)
    .docs(
        Group::Server,
        "6.0.0",
        "O(1) since the categories and commands are a fixed set.",
        "List the ACL categories or the commands inside a category",
    )
    .syntax("[categoryname]");

fn cat(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let names: Vec<&str> = match call.args {
        [_, _] => Categories::all_names().collect(),
        [_, _, name] => {
            let category =
                Categories::named(name).ok_or_else(|| Error::quoting("ERR Unknown category '", name, "'"))?;
            let belongs = |entry: &Entry| entry.command.acl_categories().0 & category.0 != 0;
            let commands = call.env.engine.commands.listed().filter(belongs);
            commands.map(|entry| entry.command.full_name).collect()
        }
        _ => return Err(wrong_count(call)),
    };
    call.reply.array(names.len());
    names.iter().for_each(|name| call.reply.bulk(name.as_bytes()));
    Ok(())
}

fn wrong_count(call: &Call<'_, '_>) -> Error {
    Error::unknown_subcommand_or_arity(call.args)
}

pub(super) const DRYRUN: Command = operator("dryrun", "acl|dryrun", -4, dryrun)
    .docs(
        Group::Server,
        "7.0.0",
        "O(1).",
        "Returns whether the user can execute the given command without executing the command.",
    )
    .syntax("username command [arg...]");

fn dryrun(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (name, request) = (call.args[2], &call.args[3..]);
    let engine = call.env.engine;
    let user = engine.acl.find(name).ok_or_else(|| Error::quoting("ERR User '", name, "' not found"))?;
    let entry = engine.commands.find(request[0]);
    let entry = entry.and_then(|entry| match request.get(1) {
        Some(word) if !entry.command.subcommands.is_empty() => engine.commands.find_subcommand(entry, word),
        _ => Some(entry),
    });
    let entry = entry.ok_or_else(|| Error::quoting("ERR Command '", request[0], "' not found"))?;
    if !entry.command.accepts(request.len()) {
        return Err(Error::WrongArity(entry.command.full_name));
    }
    match engine.acl.check(&user.rights(), call.db, entry, request) {
        Ok(()) => call.reply.ok(),
        Err(denied) => call.reply.bulk(&explain(denied, name, entry, request)),
    }
    Ok(())
}

fn explain(denied: Denied, name: &[u8], entry: Entry, request: &[&[u8]]) -> Vec<u8> {
    let (before, word, after): (_, &[u8], _) = match denied {
        Denied::Database(at) => {
            return [b"User ", name, b" has no permissions to access database ", request[at]].concat();
        }
        Denied::Command => ("run the '", entry.command.full_name.as_bytes(), "' command"),
        Denied::Key(at) => ("access the '", request[at], "' key"),
        Denied::Channel(at) => ("access the '", request[at], "' channel"),
    };
    [b"This user has no permissions to ", before.as_bytes(), word, after.as_bytes()].concat()
}

pub(super) const GENPASS: Command = ordinary("genpass", "acl|genpass", -2, genpass)
    .docs(Group::Server, "6.0.0", "O(1)", "Generate a pseudorandom secure password to use for ACL users")
    .syntax("[bits:int]");

fn genpass(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let bits = match call.args {
        [_, _] => 256,
        [_, _, _] => match call.integer(2)? {
            bits @ 1..=4096 => bits as usize,
            _ => {
                return Err(Error::Text(
                    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
                ));
            }
        },
        _ => return Err(wrong_count(call)),
    };
    let mut bytes = vec![0; bits.div_ceil(8)];
    match call.env.engine.process.random_bytes {
        Some(fill) => fill(&mut bytes).map_err(|why| Error::Owned(format!("ERR no randomness: {why}")))?,
        None => call.env.worker.rng.borrow_mut().fill(&mut bytes[..]),
    }
    let mut digits: Vec<u8> =
        bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| HEX[usize::from(digit)]).collect();
    digits.truncate(bits.div_ceil(4));
    call.reply.bulk(&digits);
    Ok(())
}

pub(super) const GETUSER: Command = operator("getuser", "acl|getuser", 3, getuser)
    .docs(
        Group::Server,
        "6.0.0",
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
        "Get the rules for a specific ACL user",
    )
    .syntax("username")
    .history(&[
        ("6.2.0", "Added Pub/Sub channel patterns."),
        (
            "7.0.0",
            "Added selectors and changed the format of key and channel patterns from a list to \
        their rule representation.",
        ),
    ]);

fn getuser(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let Some(user) = call.env.engine.acl.find(call.args[2]) else {
        call.reply.null();
        return Ok(());
    };
    let rights = user.rights();
    let reply = &mut *call.reply;
    reply.map(6 + databases_shown(&rights.root));
    reply.bulk(b"flags");
    let flags = rights.flags();
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(rights.passwords.len());
    rights.passwords.iter().for_each(|hash| reply.bulk(hash.digits()));
    reply_selector(reply, &rights.root);
    reply.bulk(b"selectors");
    reply.array(rights.selectors.len());
    for selector in &rights.selectors {
        reply.map(3 + databases_shown(selector));
        reply_selector(reply, selector);
    }
    Ok(())
}

/// How many fields tell of its databases: for those who may use all of them there is none, as in Redis.
fn databases_shown(selector: &Selector) -> usize {
    usize::from(!selector.databases.are_all())
}

fn reply_selector(reply: &mut dyn Reply, selector: &Selector) {
    reply.bulk(b"commands");
    reply.bulk(&selector.show_commands());
    reply.bulk(b"keys");
    reply.bulk(&selector.show_keys());
    reply.bulk(b"channels");
    reply.bulk(&selector.show_channels());
    if databases_shown(selector) > 0 {
        reply.bulk(b"databases");
        reply.bulk(selector.databases.show().as_bytes());
    }
}

pub(super) const LIST: Command = operator("list", "acl|list", 2, |call| {
    let lines: Vec<_> = call.env.engine.acl.all().iter().map(|user| user.rights().line(&user.name)).collect();
    call.reply.array(lines.len());
    lines.iter().for_each(|line| call.reply.bulk(line));
    Ok(())
})
.docs(
    Group::Server,
    "6.0.0",
    "O(N). Where N is the number of configured users.",
    "List the current ACL rules in ACL config file format",
);

pub(super) const USERS: Command = operator("users", "acl|users", 2, |call| {
    let users = call.env.engine.acl.all();
    call.reply.array(users.len());
    users.iter().for_each(|user| call.reply.bulk(&user.name));
    Ok(())
})
.docs(
    Group::Server,
    "6.0.0",
    "O(N). Where N is the number of configured users.",
    "List the username of all the configured ACL rules",
);

pub(super) const WHOAMI: Command = ordinary("whoami", "acl|whoami", 2, |call| {
    match call.session.identity.user() {
        Some(user) => call.reply.bulk(&user.name),
        None => call.reply.null(),
    }
    Ok(())
})
.docs(Group::Server, "6.0.0", "O(1)", "Return the name of the user associated to the current connection");

pub(super) const LOG: Command = operator("log", "acl|log", -2, log)
    .docs(
        Group::Server,
        "6.0.0",
        "O(N) with N being the number of entries shown.",
        "List latest events denied because of ACLs in place",
    )
    .syntax("[operation<count:int|RESET>]");

fn log(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let count = match call.args {
        [_, _] => 10,
        [_, _, word] if Word(word).is("RESET") => {
            call.env.engine.acl.log.lock().clear();
            call.reply.ok();
            return Ok(());
        }
        [_, _, _] => usize::try_from(call.integer(2)?).unwrap_or(0),
        _ => return Err(wrong_count(call)),
    };
    let notes = call.env.engine.acl.log.lock().latest(count);
    let now_ms = call.env.now_ms;
    let reply = &mut *call.reply;
    reply.array(notes.len());
    for note in notes {
        reply.map(10);
        let field = |reply: &mut dyn Reply, name: &str, value: &[u8]| {
            reply.bulk(name.as_bytes());
            reply.bulk(value);
        };
        let number = |reply: &mut dyn Reply, name: &str, value: u64| {
            reply.bulk(name.as_bytes());
            reply.int(value as i64);
        };
        number(reply, "count", note.count);
        field(reply, "reason", note.reason.name().as_bytes());
        field(reply, "context", note.context.name().as_bytes());
        field(reply, "object", &note.object);
        field(reply, "username", &note.username);
        reply.bulk(b"age-seconds");
        reply.double(now_ms.saturating_sub(note.updated_ms) as f64 / 1000.0);
        field(reply, "client-info", &note.client_info);
        // From here on as in Redis 7.2.
        number(reply, "entry-id", note.id);
        number(reply, "timestamp-created", note.created_ms);
        number(reply, "timestamp-last-updated", note.updated_ms);
    }
    Ok(())
}
