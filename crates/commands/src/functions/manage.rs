//! FUNCTION but for what loads: DELETE, DUMP, FLUSH, HELP, KILL, LIST, STATS.

use perigee_resp::Reply;

use super::CHANGES;
use super::library::{Function, Library};
use super::load::LIBRARY;
use super::registry::Libraries;
use crate::call::Call;
use crate::config::Param;
use crate::error::Error;
use crate::glob;
use crate::parse::Word;
use crate::payload;
use crate::spec::{Categories, Command, Flags, Group, Handler, command};

const fn subcommand(
    name: &'static str,
    full_name: &'static str,
    arity: i8,
    handler: Handler,
    complexity: &'static str,
    summary: &'static str,
) -> Command {
    command(name, arity, handler).full(full_name).acl(Categories::SCRIPTING).docs(
        Group::Scripting,
        "7.0.0",
        complexity,
        summary,
    )
}

pub(super) const DELETE: Command =
    subcommand("delete", "function|delete", 3, delete, "O(1)", "Delete a function by name")
        .flags(CHANGES)
        .syntax("library-name");

fn delete(call: &mut Call<'_, '_>) -> Result<(), Error> {
    loop {
        let base = call.env.engine.functions.libraries();
        let library = base.find(call.args[2]).ok_or(Error::Text("ERR Library not found"))?;
        let name = library.name();
        if let Some(dependent) = base.dependents(name).next() {
            let text = format!("ERR Library '{name}' is required by library '{}'", dependent.name());
            return Err(Error::Owned(text));
        }
        let mut next = Libraries::clone(&base);
        next.remove(name);
        if call.env.engine.functions.replace(&base, next) {
            call.reply.ok();
            return Ok(());
        }
    }
}

pub(super) const DUMP: Command = subcommand(
    "dump",
    "function|dump",
    2,
    dump,
    "O(N) where N is the number of functions",
    "Dump all functions into a serialized binary payload",
)
.flags(Flags::NOSCRIPT);

fn dump(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut body = Vec::new();
    let compress = call.env.engine.config.is_on(Param::RdbCompression);
    for library in call.env.engine.functions.libraries().all() {
        body.push(LIBRARY);
        payload::write_string(&mut body, &library.source.code, compress);
    }
    call.reply.bulk(&payload::seal(body));
    Ok(())
}

pub(super) const FLUSH: Command = subcommand(
    "flush",
    "function|flush",
    -2,
    flush,
    "O(N) where N is the number of functions deleted",
    "Deleting all functions",
)
.flags(CHANGES)
.syntax("[async<ASYNC|SYNC>]");

fn flush(call: &mut Call<'_, '_>) -> Result<(), Error> {
    match call.args[2..] {
        [] => {}
        [mode] if Word(mode).is("sync") || Word(mode).is("async") => {}
        [_] => return Err(Error::Text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(Error::unknown_subcommand_or_arity(call.args)),
    }
    let functions = &call.env.engine.functions;
    while !functions.replace(&functions.libraries(), Libraries::default()) {}
    call.reply.ok();
    Ok(())
}

pub(super) const KILL: Command = subcommand(
    "kill",
    "function|kill",
    -2,
    |call| crate::scripts::kill(call, true),
    "O(1)",
    "Kill the function currently in execution.",
)
.flags(Flags::NOSCRIPT.or(Flags::ALLOW_BUSY))
.syntax("[target<function|CLIENT client(ID client-id:int)>^7.2.4]");

pub(super) const LIST: Command = subcommand(
    "list",
    "function|list",
    -2,
    list,
    "O(N) where N is the number of functions",
    "List information about all the functions",
)
.flags(Flags::NOSCRIPT)
.syntax("[LIBRARYNAME library-name-pattern] [WITHCODE]");

fn list(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (mut pattern, mut with_code) = (None, false);
    let mut options = call.options(2);
    while let Some(word) = options.next() {
        if word.is("withcode") && !with_code {
            with_code = true;
        } else if word.is("libraryname") && pattern.is_none() {
            let text = options.next().ok_or(Error::Text("ERR library name argument was not given"))?;
            pattern = Some(text.0);
        } else {
            return Err(Error::quoting("ERR Unknown argument ", word.0, ""));
        }
    }
    let libraries = call.env.engine.functions.libraries();
    let fits = |library: &Library| {
        pattern.is_none_or(|pattern| glob::matches(pattern, library.name().as_bytes(), true))
    };
    let libraries: Vec<_> = libraries.all().filter(|library| fits(library)).collect();
    call.reply.array(libraries.len());
    for library in libraries {
        reply_library(call.reply, library, with_code);
    }
    Ok(())
}

fn reply_library(reply: &mut dyn Reply, library: &Library, with_code: bool) {
    reply.map(3 + usize::from(with_code));
    reply.bulk(b"library_name");
    reply.bulk(library.name().as_bytes());
    reply.bulk(b"engine");
    reply.bulk(b"LUA");
    reply.bulk(b"functions");
    reply.array(library.functions.len());
    for function in &library.functions {
        reply_function(reply, function);
    }
    if with_code {
        reply.bulk(b"library_code");
        reply.bulk(&library.source.code);
    }
}

fn reply_function(reply: &mut dyn Reply, function: &Function) {
    reply.map(3);
    reply.bulk(b"name");
    reply.bulk(function.script.title().as_bytes());
    reply.bulk(b"description");
    match &function.description {
        Some(description) => reply.bulk(description),
        None => reply.null(),
    }
    reply.bulk(b"flags");
    let flags = function.script.flags().names();
    reply.set(flags.len());
    flags.iter().for_each(|name| reply.simple(name.as_bytes()));
}

pub(super) const STATS: Command = subcommand(
    "stats",
    "function|stats",
    2,
    stats,
    "O(1)",
    "Return information about the function currently running (name, description, duration)",
)
.flags(Flags::NOSCRIPT.or(Flags::ALLOW_BUSY));

fn stats(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let scripts = &call.env.engine.scripts;
    let running = scripts.running_function();
    if running.is_none() && call.env.engine.config.is_on(Param::RedisStrict) {
        scripts.server_busy(call.env).map_or(Ok(()), Err)?;
    }
    call.reply.map(2);
    call.reply.bulk(b"running_script");
    match running {
        Some(running) => {
            call.reply.map(3);
            call.reply.bulk(b"name");
            call.reply.bulk(running.script.title().as_bytes());
            call.reply.bulk(b"command");
            let request = running.request.get().map(|request| request.slices()).unwrap_or_default();
            call.reply.array(request.len());
            request.iter().for_each(|word| call.reply.bulk(word));
            let now_ns = call.env.worker.clock.ticks_ns();
            call.reply.bulk(b"duration_ms");
            call.reply.int((now_ns.saturating_sub(running.started_ns) / 1_000_000) as i64);
        }
        None => call.reply.null(),
    }
    let libraries = call.env.engine.functions.libraries();
    call.reply.bulk(b"engines");
    call.reply.map(1);
    call.reply.bulk(b"LUA");
    call.reply.map(2);
    call.reply.bulk(b"libraries_count");
    call.reply.int(libraries.all().len() as i64);
    call.reply.bulk(b"functions_count");
    call.reply.int(libraries.function_count() as i64);
    Ok(())
}

pub(super) const HELP: Command =
    subcommand("help", "function|help", 2, help, "O(1)", "Show helpful text about the different subcommands")
        .flags(Flags::LOADING.or(Flags::STALE));

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "FUNCTION",
        &[
            "LOAD [REPLACE] <FUNCTION CODE>",
            "    Create a new library with the given library name and code.",
            "DELETE <LIBRARY NAME>",
            "    Delete the given library.",
            "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            "    Return general information on all the libraries:",
            "    * Library name",
            "    * The engine used to run the Library",
            "    * Library description",
            "    * Functions list",
            "    * Library code (if WITHCODE is given)",
            "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
            "STATS",
            "    Return information about the current function running:",
            "    * Function name",
            "    * Command used to run the function",
            "    * Duration in MS that the function is running",
            "    If no function is running, return nil",
            "    In addition, returns a list of available engines.",
            "KILL",
            "    Kill the current running function.",
            "FLUSH [ASYNC|SYNC]",
            "    Delete all the libraries.",
            "    When called without the optional mode argument, the behavior is determined by the",
            "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
            "    * ASYNC: Asynchronously flush the libraries.",
            "    * SYNC: Synchronously flush the libraries.",
            "DUMP",
            "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
            "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
            "    control how to handle existing libraries (default APPEND):",
            "    * FLUSH: delete all existing libraries.",
            "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
            "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
            "      libraries with the new libraries (notice that even on this option there is a chance of failure",
            "      in case of functions name collision with another library).",
        ],
    );
    Ok(())
}
