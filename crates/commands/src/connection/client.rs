//! CLIENT: what a connection says of itself and asks of others.

use super::{kill, list, replies, tracking};
use crate::call::Call;
use crate::clients::Mark;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Flags, Group, Handler, command, container};

pub(super) const CLIENT: Command = container(
    "client",
    &[
        tracking::CACHING,
        CAPA,
        GETNAME,
        tracking::GETREDIR,
        HELP,
        ID,
        list::INFO,
        kill::KILL,
        list::LIST,
        NO_EVICT,
        NO_TOUCH,
        IMPORT_SOURCE,
        PAUSE,
        replies::REPLY,
        SETINFO,
        SETNAME,
        tracking::TRACKING,
        tracking::TRACKINGINFO,
        UNBLOCK,
        UNPAUSE,
    ],
)
.docs(Group::Connection, "2.4.0", "Depends on subcommand.", "A container for client connection commands");

/// A subcommand for everybody.
pub(super) const fn ordinary(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler)
        .full(full)
        .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE))
        .acl(Categories::CONNECTION)
}

/// A subcommand for operators.
pub(super) const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    ordinary(name, full, arity, handler).flags(Flags::ADMIN)
}

const ID: Command = ordinary("id", "client|id", 2, |call| {
    call.reply.int(call.session.client.id as i64);
    Ok(())
})
.docs(Group::Connection, "5.0.0", "O(1)", "Returns the client ID for the current connection");

const GETNAME: Command = ordinary("getname", "client|getname", 2, getname).docs(
    Group::Connection,
    "2.6.9",
    "O(1)",
    "Get the current connection name",
);

fn getname(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let named = call.session.client.named.lock();
    if named.name.is_empty() {
        call.reply.null();
    } else {
        call.reply.bulk(&named.name);
    }
    Ok(())
}

const SETNAME: Command = ordinary("setname", "client|setname", 3, |call| {
    set_name(call, call.args[2])?;
    call.reply.ok();
    Ok(())
})
.docs(Group::Connection, "2.6.9", "O(1)", "Set the current connection name")
.syntax("connection-name");

/// Names the client of the call.
///
/// # Errors
/// If the name has characters that CLIENT LIST can't show.
pub(super) fn set_name(call: &mut Call<'_, '_>, name: &[u8]) -> Result<(), Error> {
    if !is_showable(name) {
        return Err(Error::Text("ERR Client names cannot contain spaces, newlines or special characters."));
    }
    call.session.client.named.lock().name = name.to_vec();
    Ok(())
}

fn is_showable(text: &[u8]) -> bool {
    text.iter().all(|byte| (b'!'..=b'~').contains(byte))
}

const SETINFO: Command = ordinary("setinfo", "client|setinfo", 4, setinfo)
    .docs(Group::Connection, "7.2.0", "O(1)", "Sets information specific to the client or connection")
    .syntax("attr<LIB-NAME libname|LIB-VER libver>");

fn setinfo(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (attribute, value) = (Word(call.args[2]), call.args[3]);
    let shown = String::from_utf8_lossy(attribute.0);
    let is_name = attribute.is("lib-name");
    if !is_name && !attribute.is("lib-ver") {
        return Err(Error::Owned(format!("ERR Unrecognized option '{shown}'")));
    }
    if !is_showable(value) {
        return Err(Error::Owned(format!(
            "ERR {shown} cannot contain spaces, newlines or special characters."
        )));
    }
    let mut named = call.session.client.named.lock();
    *(if is_name { &mut named.library } else { &mut named.library_version }) = value.to_vec();
    drop(named);
    call.reply.ok();
    Ok(())
}

const CAPA: Command = ordinary("capa", "client|capa", -3, |call| {
    // What is not known is no error: later servers may know it.
    if call.args[2..].iter().any(|&word| Word(word).is("redirect")) {
        call.session.client.mark(Mark::Redirectable, true);
    }
    call.reply.ok();
    Ok(())
})
.docs(Group::Connection, "8.0.0", "O(1)", "A client claims its capability.")
.syntax("capability...");

const NO_EVICT: Command = operator("no-evict", "client|no-evict", 3, |call| switch(call, Mark::NoEvict))
    .docs(Group::Connection, "7.0.0", "O(1)", "Set client eviction mode for the current connection")
    .syntax("enabled<ON|OFF>");

const NO_TOUCH: Command = ordinary("no-touch", "client|no-touch", 3, |call| switch(call, Mark::NoTouch))
    .docs(
        Group::Connection,
        "7.2.0",
        "O(1)",
        "Controls whether commands sent by the client affect the LRU/LFU of accessed keys",
    )
    .syntax("enabled<ON|OFF>");

const IMPORT_SOURCE: Command = ordinary("import-source", "client|import-source", 3, |call| {
    if !call.env.engine.keyspace.keeps_expired() && !Word(call.args[2]).is("off") {
        return Err(Error::Text("ERR Server is not in import mode"));
    }
    switch(call, Mark::ImportSource)
})
.docs(
    Group::Connection,
    "8.1.0",
    "O(1)",
    "Marks this client as an import source when the server is in import mode.",
)
.syntax("enabled<ON|OFF>");

fn switch(call: &mut Call<'_, '_>, mark: Mark) -> Result<(), Error> {
    let word = Word(call.args[2]);
    let on = word.is("ON");
    if !on && !word.is("OFF") {
        return Err(Error::Syntax);
    }
    call.session.client.mark(mark, on);
    call.reply.ok();
    Ok(())
}

const UNBLOCK: Command = operator("unblock", "client|unblock", -3, unblock)
    .docs(
        Group::Connection,
        "5.0.0",
        "O(log N) where N is the number of client connections",
        "Unblock a client blocked in a blocking command from a different connection",
    )
    .syntax("client-id:int [timeout_error<TIMEOUT|ERROR>]");

fn unblock(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.args.len() > 4 {
        return Err(Error::unknown_subcommand_or_arity(call.args));
    }
    let with_error = match call.args.get(3).map(|&word| Word(word)) {
        None => false,
        Some(word) if word.is("TIMEOUT") => false,
        Some(word) if word.is("ERROR") => true,
        Some(_) => return Err(Error::Text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = call.integer(2)?;
    let waiter = call.env.engine.waiters.get(&(id as u64)).map(|waiter| waiter.clone());
    call.reply.int(waiter.is_some_and(|waiter| waiter.unblock(with_error)).into());
    Ok(())
}

const PAUSE: Command = operator("pause", "client|pause", -3, pause)
    .docs(Group::Connection, "2.9.50", "O(1)", "Stop processing commands from clients for some time")
    .syntax("timeout:int [mode<WRITE|ALL>^6.2.0]")
    .history(&[("6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option.")]);

fn pause(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let writes_only = match call.args {
        [_, _, _] => false,
        [_, _, _, mode] if Word(mode).is("WRITE") => true,
        [_, _, _, mode] if Word(mode).is("ALL") => false,
        [_, _, _, _] => return Err(Error::Text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(Error::unknown_subcommand_or_arity(call.args)),
    };
    let ms = call.integer(2).map_err(|_| Error::Text("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| Error::Text("ERR timeout is negative"))?;
    let now_ms = call.env.now_ms;
    call.env.engine.pause.start(now_ms, now_ms.saturating_add(ms), writes_only);
    call.reply.ok();
    Ok(())
}

const UNPAUSE: Command = operator("unpause", "client|unpause", 2, |call| {
    call.env.engine.pause.end();
    call.reply.ok();
    Ok(())
})
.docs(
    Group::Connection,
    "6.2.0",
    "O(N) Where N is the number of paused clients",
    "Resume processing of clients that were paused",
);

const HELP: Command = command("help", 2, help)
    .full("client|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "5.0.0", "O(1)", "Show helpful text about the different subcommands");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "CLIENT",
        &[
            "CACHING (YES|NO)",
            "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
            "CAPA <capability> [<capability> ...]",
            "    Say what the client is capable of. Known capabilities are:",
            "    * REDIRECT: the client understands redirections.",
            "GETREDIR",
            "    Return the client ID we are redirecting to when tracking is enabled.",
            "GETNAME",
            "    Return the name of the current connection.",
            "ID",
            "    Return the ID of the current connection.",
            "INFO",
            "    Return information about the current client connection.",
            "KILL <ip:port>",
            "    Kill connection made from <ip:port>.",
            "KILL <option> <value> [<option> <value> [...]]",
            "    Kill connections. Options are:",
            "    * ADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made from the specified address",
            "    * LADDR (<ip:port>|<unixsocket>:0)",
            "      Kill connections made to specified local address",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Kill connections by type.",
            "    * USER <username>",
            "      Kill connections authenticated by <username>.",
            "    * SKIPME (YES|NO)",
            "      Skip killing current connection (default: yes).",
            "    * ID <client-id> [<client-id> ...]",
            "      Kill connections by client id.",
            "    * MAXAGE <maxage>",
            "      Kill connections older than the specified age.",
            "    * IDLE <seconds>, NAME <name>, FLAGS <letters>, LIB-NAME <name>, LIB-VER <version>,",
            "      DB <index>, CAPA <letters>, IP <ip>",
            "      Kill connections of which CLIENT LIST shows this.",
            "    * NOT-<option> <value>",
            "      Kill the others. Not for SKIPME, MAXAGE, IDLE.",
            "LIST [options ...]",
            "    Return information about client connections. Options:",
            "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            "      Return clients of specified type.",
            "    * ID <client-id> [...]",
            "      Return clients with the specified ids.",
            "    * Every option of KILL (SKIPME: default no).",
            "UNPAUSE",
            "    Stop the current client pause, resuming traffic.",
            "PAUSE <timeout> [WRITE|ALL]",
            "    Suspend all, or just write, clients for <timeout> milliseconds.",
            "REPLY (ON|OFF|SKIP)",
            "    Control the replies sent to the current connection.",
            "SETNAME <name>",
            "    Assign the name <name> to the current connection.",
            "SETINFO <option> <value>",
            "    Set client meta attr. Options are:",
            "    * LIB-NAME: the client lib name.",
            "    * LIB-VER: the client lib version.",
            "UNBLOCK <clientid> [TIMEOUT|ERROR]",
            "    Unblock the specified blocked client.",
            "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
            "         [OPTIN] [OPTOUT] [NOLOOP]",
            "    Control server assisted client side caching.",
            "TRACKINGINFO",
            "    Report tracking status for the current connection.",
            "NO-EVICT (ON|OFF)",
            "    Protect current client connection from eviction.",
            "NO-TOUCH (ON|OFF)",
            "    Will not touch LRU/LFU stats when this mode is on.",
            "IMPORT-SOURCE (ON|OFF)",
            "    See keys past their deadline while the server is in import mode.",
        ],
    );
    Ok(())
}
