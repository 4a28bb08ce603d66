//! CONFIG: parameters while the server runs.

use std::borrow::Cow;
use std::io::ErrorKind;

use crate::call::Call;
use crate::config::{self, Change, Config, Kind, PARAMETERS, Param};
use crate::engine::Env;
use crate::error::{Error, system_reason};
use crate::glob;
use crate::maxmemory::evict_other_clients;
use crate::session::Session;
use crate::spec::{Command, Flags, Group, Handler, command, container};

pub(super) const CONFIG: Command = container("config", &[GET, HELP, RESETSTAT, REWRITE, SET]).docs(
    Group::Server,
    "2.0.0",
    "Depends on subcommand.",
    "A container for server configuration commands",
);

const fn operator(name: &'static str, full: &'static str, arity: i8, handler: Handler) -> Command {
    command(name, arity, handler)
        .full(full)
        .flags(Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE))
}

const GET: Command = operator("get", "config|get", -3, get)
    .docs(
        Group::Server,
        "2.0.0",
        "O(N) when N is the number of configuration parameters provided",
        "Get the values of configuration parameters",
    )
    .syntax("parameter(parameter)...")
    .history(&[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")]);

fn get(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut found: Vec<(String, usize)> = Vec::new();
    for &pattern in &call.args[2..] {
        let names: Vec<(String, usize)> = if pattern.iter().any(|byte| b"[*?".contains(byte)) {
            let shown = names().filter(|(_, at)| !PARAMETERS[*at].is_hidden());
            shown.filter(|(name, _)| glob::matches(pattern, name.as_bytes(), true)).collect()
        } else {
            // A plain name comes back as it was written.
            let name = String::from_utf8_lossy(pattern).into_owned();
            config::find(&name).map(|at| (name, at)).into_iter().collect()
        };
        for (name, at) in names {
            if !found.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                found.push((name, at));
            }
        }
    }
    call.reply.map(found.len());
    for (name, at) in found {
        call.reply.bulk(name.as_bytes());
        call.reply.bulk(call.env.engine.config.show(at).as_bytes());
    }
    Ok(())
}

/// Every name, aliases too, with its parameter's place.
fn names() -> impl Iterator<Item = (String, usize)> {
    PARAMETERS.iter().enumerate().flat_map(|(at, parameter)| {
        let names = [parameter.name, parameter.alias].into_iter().filter(|name| !name.is_empty());
        names.map(move |name| (name.to_owned(), at))
    })
}

const SET: Command = operator("set", "config|set", -4, set)
    .docs(
        Group::Server,
        "2.0.0",
        "O(N) when N is the number of configuration parameters provided",
        "Set configuration parameters to the given values",
    )
    .syntax("parameter_value(parameter value)...")
    .history(&[("7.0.0", "Added the ability to set multiple parameters in one call.")]);

fn set(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if !call.args.len().is_multiple_of(2) {
        return Err(Error::Syntax);
    }
    let mut settings = Vec::new();
    for pair in call.args[2..].chunks(2) {
        let name = String::from_utf8_lossy(pair[0]).into_owned();
        let at = config::find(&name).ok_or_else(|| {
            Error::quoting("ERR Unknown option or number of arguments for CONFIG SET - '", pair[0], "'")
        })?;
        check_change(call.env, call.session, at).map_err(|why| failed(&name, why))?;
        if settings.iter().any(|(other, ..): &(String, _, _)| other.eq_ignore_ascii_case(&name)) {
            return Err(failed(&name, "duplicate parameter"));
        }
        settings.push((name, at, pair[1]));
    }
    let mut words = Vec::new();
    for (name, at, value) in &settings {
        let value = String::from_utf8_lossy(value);
        let takes_any =
            matches!(PARAMETERS[*at].kind, Kind::Text | Kind::Secret | Kind::Addresses | Kind::Master);
        if takes_any && matches!(value, Cow::Owned(_)) {
            return Err(failed(name, "argument must be UTF-8 text"));
        }
        words.push((*at, value));
    }
    let words: Vec<(usize, [&str; 1])> = words.iter().map(|(at, word)| (*at, [&**word])).collect();
    let words: Vec<(usize, &[&str])> = words.iter().map(|(at, word)| (*at, &word[..])).collect();
    let config = &call.env.engine.config;
    let password = config.text(Param::RequirePass);
    let before: Vec<(usize, String)> = settings.iter().map(|(_, at, _)| (*at, config.show(*at))).collect();
    config.set_all(&words).map_err(|(position, why)| failed(&settings[position].0, &why.0))?;
    let placed = enter_directory(call.env, &settings)
        .and_then(|()| allow_clients(call.env, &settings))
        .and_then(|()| listen(call.env, &settings));
    placed.inspect_err(|_| {
        restore(config, &before);
        // It was there a moment ago.
        drop(enter_directory(call.env, &settings));
    })?;
    config.apply_to(call.env.engine);
    evict_other_clients(call.env.engine, &call.session.client);
    let required = config.text(Param::RequirePass);
    if required != password {
        call.env.engine.acl.require_password(required.as_bytes());
    }
    config.tell(settings.iter().map(|(_, at, _)| *at));
    call.reply.ok();
    Ok(())
}

/// Goes to the directory that `dir` names by now, if it is among what was set, and keeps its own path.
fn enter_directory(env: Env<'_>, settings: &[(String, usize, &[u8])]) -> Result<(), Error> {
    let Some((name, at, _)) = settings.iter().find(|(_, at, _)| *at == Param::Dir as usize) else {
        return Ok(());
    };
    let config = &env.engine.config;
    let entered = (env.engine.process.enter_directory)(&config.text(Param::Dir))
        .map_err(|error| failed(name, &system_reason(&error)))?;
    config.set(*at, &[&entered]).map_err(|why| failed(name, &why.0))
}

/// Has the system allow as many clients as `maxclients` says by now, if it is among what was set.
fn allow_clients(env: Env<'_>, settings: &[(String, usize, &[u8])]) -> Result<(), Error> {
    let Some((name, ..)) = settings.iter().find(|(_, at, _)| *at == Param::MaxClients as usize) else {
        return Ok(());
    };
    (env.engine.process.allow_clients)(&env.engine.config).map_err(|clients| {
        let why = "The operating system is not able to handle the specified number of clients";
        failed(name, &format!("{why}, try with {clients}"))
    })
}

/// Has the server listen where `bind` and `port` say by now, if they are among what was set.
fn listen(env: Env<'_>, settings: &[(String, usize, &[u8])]) -> Result<(), Error> {
    let (port, bind) = (Param::Port as usize, Param::Bind as usize);
    let Some((name, at, _)) = settings.iter().find(|(_, at, _)| [port, bind].contains(at)) else {
        return Ok(());
    };
    if env.engine.listening.exchange(&env.engine.config) {
        return Ok(());
    }
    let why = if *at == port {
        "Unable to listen on this port. Check server logs."
    } else {
        "Failed to bind to specified addresses."
    };
    Err(failed(name, why))
}

/// Sets parameters to what they were.
fn restore(config: &Config, before: &[(usize, String)]) {
    for (at, value) in before {
        // It was the value a moment ago.
        drop(config.set(*at, &[value.as_str()]));
    }
}

fn failed(name: &str, why: &str) -> Error {
    Error::Owned(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}

fn check_change(env: Env<'_>, session: &Session, at: usize) -> Result<(), &'static str> {
    let allowed = match PARAMETERS[at].change {
        Change::Mutable => true,
        Change::Fixed => return Err("can't set immutable config"),
        Change::Protected => match env.engine.config.number(Param::EnableProtectedConfigs) {
            0 => false,
            1 => true,
            _ => session.client.is_local(),
        },
    };
    if allowed { Ok(()) } else { Err("can't set protected config") }
}

const RESETSTAT: Command = operator("resetstat", "config|resetstat", 2, resetstat).docs(
    Group::Server,
    "2.0.0",
    "O(1)",
    "Reset the stats returned by INFO",
);

fn resetstat(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.env.engine.reset_statistics();
    call.reply.ok();
    Ok(())
}

const REWRITE: Command = operator("rewrite", "config|rewrite", 2, rewrite).docs(
    Group::Server,
    "2.8.0",
    "O(1)",
    "Rewrite the configuration file with the in memory configuration",
);

fn rewrite(call: &mut Call<'_, '_>) -> Result<(), Error> {
    rewrite_file(call, false)
}

/// CONFIG REWRITE with every parameter.
pub(crate) fn rewrite_all(call: &mut Call<'_, '_>) -> Result<(), Error> {
    rewrite_file(call, true)
}

fn rewrite_file(call: &mut Call<'_, '_>, all: bool) -> Result<(), Error> {
    let engine = call.env.engine;
    let path = &engine.process.config_file;
    if path.is_empty() {
        return Err(Error::Text("ERR The server is running without a config file"));
    }
    let old = match (engine.process.read_file)(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(not_rewritten(call, &error)),
    };
    let users = if engine.config.text(Param::AclFile).is_empty() {
        engine.acl.all().iter().map(|user| user.rights().line(&user.name)).collect()
    } else {
        Vec::new()
    };
    let text = engine.config.rewritten(&old, &users, all);
    if let Err(error) = (engine.process.replace_file)(path, &text) {
        return Err(not_rewritten(call, &error));
    }
    (engine.process.log)(2, "CONFIG REWRITE executed with success.");
    call.reply.ok();
    Ok(())
}

fn not_rewritten(call: &Call<'_, '_>, error: &std::io::Error) -> Error {
    (call.env.engine.process.log)(3, &format!("CONFIG REWRITE failed: {error}"));
    Error::Owned(format!("ERR Rewriting config file: {}", system_reason(error)))
}

const HELP: Command = command("help", 2, help)
    .full("config|help")
    .flags(Flags::LOADING.or(Flags::STALE))
    .docs(Group::Server, "5.0.0", "O(1)", "Show helpful text about the different subcommands");

fn help(call: &mut Call<'_, '_>) -> Result<(), Error> {
    crate::help::reply(
        call,
        "CONFIG",
        &[
            "GET <pattern>",
            "    Return parameters matching the glob-like <pattern> and their values.",
            "SET <directive> <value>",
            "    Set the configuration <directive> to <value>.",
            "RESETSTAT",
            "    Reset statistics reported by the INFO command.",
            "REWRITE",
            "    Rewrite the configuration file.",
        ],
    );
    Ok(())
}
