//! XGROUP.

use perigee_keyspace::{Audience, StreamId};

use super::{consumer_of, id, tell_created};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command, container};

pub(super) const XGROUP: Command = container(
    "xgroup",
    &[
        on_group("create", "xgroup|create", -5, create, Flags::WRITE.or(Flags::DENYOOM))
            .docs(Group::Stream, "5.0.0", "O(1)", "Create a consumer group.")
            .syntax("key groupname id<id|new_id='$'> [MKSTREAM] [ENTRIESREAD entries_read:int]")
            .history(&[("7.0.0", "Added the `entries_read` named argument.")]),
        on_group("setid", "xgroup|setid", -5, setid, Flags::WRITE)
            .docs(
                Group::Stream,
                "5.0.0",
                "O(1)",
                "Set a consumer group to an arbitrary last delivered ID value.",
            )
            .syntax("key groupname id<id|new_id='$'> [ENTRIESREAD entries_read:int]")
            .history(&[("7.0.0", "Added the optional `entries_read` argument.")]),
        on_group("destroy", "xgroup|destroy", 4, destroy, Flags::WRITE)
            .docs(
                Group::Stream,
                "5.0.0",
                "O(N) where N is the number of entries in the group's pending entries list (PEL).",
                "Destroy a consumer group.",
            )
            .syntax("key groupname"),
        on_group(
            "createconsumer",
            "xgroup|createconsumer",
            5,
            createconsumer,
            Flags::WRITE.or(Flags::DENYOOM),
        )
        .docs(Group::Stream, "6.2.0", "O(1)", "Create a consumer in a consumer group.")
        .syntax("key groupname consumername"),
        on_group("delconsumer", "xgroup|delconsumer", 5, delconsumer, Flags::WRITE)
            .docs(Group::Stream, "5.0.0", "O(1)", "Delete a consumer from a consumer group.")
            .syntax("key groupname consumername"),
        command("help", 2, help)
            .full("xgroup|help")
            .flags(Flags::LOADING.or(Flags::STALE))
            .acl(Categories::STREAM)
            .docs(Group::Stream, "5.0.0", "O(1)", "Show helpful text about the different subcommands"),
    ],
)
.docs(Group::Stream, "5.0.0", "Depends on subcommand.", "A container for consumer groups commands");

const fn on_group(
    name: &'static str,
    full_name: &'static str,
    arity: i8,
    handler: Handler,
    flags: Flags,
) -> Command {
    command(name, arity, handler).full(full_name).flags(flags).keys(Keys::at(2)).acl(Categories::STREAM)
}

fn create(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, true)?;
    let (key, name) = (call.args[2], call.args[3]);
    let last_id = call.txn.stream(call.db, key)?.map(|stream| stream.last_id());
    if last_id.is_none() && !options.make_stream {
        return Err(NO_KEY);
    }
    if call.args.len() > 8 {
        return Err(Error::unknown_subcommand_or_arity(call.args));
    }
    let start = match call.args[4] {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        word => id::parse(word, 0)?,
    };
    let mut stream = call.txn.stream_entry(call.db, key)?;
    if last_id.is_some() {
        stream.tell(Audience::Nobody);
    } else {
        stream.mark_changed();
    }
    let created = stream.create_group(name, start, options.entries_read);
    drop(stream);
    if !created {
        return Err(Error::Text("BUSYGROUP Consumer Group name already exists"));
    }
    call.notify(Event::Stream, "xgroup-create", key);
    call.reply.ok();
    Ok(())
}

fn setid(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call, false)?;
    let group = group(call)?;
    if call.args.len() != 5 && call.args.len() != 7 {
        return Err(Error::unknown_subcommand_or_arity(call.args));
    }
    let key = call.args[2];
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else { return Err(NO_KEY) };
    let last_id = match call.args[4] {
        b"$" => stream.last_id(),
        word => id::parse_any(word, 0)?,
    };
    stream.tell(Audience::Nobody);
    stream.set_group_position(group, last_id, options.entries_read);
    drop(stream);
    call.notify(Event::Stream, "xgroup-setid", key);
    call.reply.ok();
    Ok(())
}

fn destroy(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[2];
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else { return Err(NO_KEY) };
    let group = stream.group(call.args[3]).map(|(at, _)| at);
    if let Some(group) = group {
        // Those who wait for what the group would read wait in vain.
        stream.tell(Audience::Waiters);
        stream.remove_group(group);
    }
    drop(stream);
    if group.is_some() {
        call.notify(Event::Stream, "xgroup-destroy", key);
    }
    call.reply.int(i64::from(group.is_some()));
    Ok(())
}

fn createconsumer(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (group, key) = (group(call)?, call.args[2]);
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else { return Err(NO_KEY) };
    stream.tell(Audience::Nobody);
    let (_, created) = consumer_of(&mut stream, group, call.args[4]);
    drop(stream);
    if created {
        tell_created(call, key);
    }
    call.reply.int(i64::from(created));
    Ok(())
}

fn delconsumer(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (group, key) = (group(call)?, call.args[2]);
    let Some(mut stream) = call.txn.stream_mut(call.db, key)? else { return Err(NO_KEY) };
    stream.tell(Audience::Nobody);
    let number = stream.group_at(group).consumer_number(call.args[4]);
    let pending = number.map(|number| stream.remove_consumer(group, number));
    drop(stream);
    if pending.is_some() {
        call.notify(Event::Stream, "xgroup-delconsumer", key);
    }
    call.reply.int(pending.unwrap_or(0) as i64);
    Ok(())
}

/// The position of the group that the request names.
fn group(call: &Call<'_, '_>) -> Result<usize, Error> {
    let (key, name) = (call.args[2], call.args[3]);
    let stream = call.txn.stream(call.db, key)?.ok_or(NO_KEY)?;
    stream.group(name).map(|(at, _)| at).ok_or_else(|| no_such_group(key, name))
}

/// The refusal where the key is there.
pub(super) fn no_such_group(key: &[u8], name: &[u8]) -> Error {
    let before = Error::quoting("NOGROUP No such consumer group '", name, "' for key name '");
    Error::quoting(&String::from_utf8_lossy(&before.text()), key, "'")
}

/// The options of CREATE and SETID.
struct Options {
    make_stream: bool,
    entries_read: Option<i64>,
}

impl Options {
    fn parse(call: &Call<'_, '_>, creating: bool) -> Result<Self, Error> {
        let mut options = Options { make_stream: false, entries_read: None };
        let mut words = call.options(5);
        while let Some(word) = words.next() {
            if creating && word.is("MKSTREAM") {
                options.make_stream = true;
            } else if word.is("ENTRIESREAD") && words.left() > 0 {
                let number = integer(words.value()?).ok_or(Error::NotInteger)?;
                if number < -1 {
                    return Err(Error::Text("ERR value for ENTRIESREAD must be positive or -1"));
                }
                options.entries_read = (number >= 0).then_some(number);
            } else {
                return Err(Error::unknown_subcommand_or_arity(call.args));
            }
        }
        Ok(options)
    }
}

const NO_KEY: Error = Error::Text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "XGROUP",
        &[
            "CREATE <key> <groupname> <id|$> [option]",
            "    Create a new consumer group. Options are:",
            "    * MKSTREAM",
            "      Create the empty stream if it does not exist.",
            "    * ENTRIESREAD entries_read",
            "      Set the group's entries_read counter (internal use).",
            "CREATECONSUMER <key> <groupname> <consumer>",
            "    Create a new consumer in the specified group.",
            "DELCONSUMER <key> <groupname> <consumer>",
            "    Remove the specified consumer.",
            "DESTROY <key> <groupname>",
            "    Remove the specified group.",
            "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
            "    Set the current group ID and entries_read counter.",
        ],
    );
    Ok(())
}
