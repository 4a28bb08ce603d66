//! The beginning, the state and the end of a conversation: HELLO, AUTH, SELECT, RESET, QUIT.

use perigee_resp::Protocol;

use super::client::set_name;
use crate::acl::{self, Identity};
use crate::call::Call;
use crate::clients::Mark;
use crate::config::Param;
use crate::error::Error;
use crate::server::REDIS_VERSION;
use crate::session::{ReplyMode, Role};
use crate::spec::{Categories, Command, Flags, Group, Scope, command};

/// These run for everybody at any time.
const ALWAYS: Flags = Flags::NOSCRIPT
    .or(Flags::LOADING)
    .or(Flags::STALE)
    .or(Flags::FAST)
    .or(Flags::NO_AUTH)
    .or(Flags::ALLOW_BUSY);

pub(super) const HELLO: Command = command("hello", -1, hello)
    .flags(ALWAYS)
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "6.0.0", "O(1)", "Handshake with Redis")
    .syntax("[arguments(protover:int [AUTH username_password(username password)] [SETNAME clientname])]")
    .history(&[(
        "6.2.0",
        "`protover` made optional; when called without arguments the command reports the \
        current connection's context.",
    )]);

fn hello(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let protocol = requested_protocol(call)?;
    // As in 7.0, each option takes effect before the next one is read.
    let mut options = call.options(2);
    while let Some(word) = options.next() {
        if word.is("AUTH") && options.left() >= 2 {
            let (user, password) = (options.value()?, options.value()?);
            authenticate(call, user, password)?;
        } else if word.is("SETNAME") && options.left() >= 1 {
            set_name(call, options.value()?)?;
        } else {
            return Err(Error::quoting("ERR Syntax error in HELLO option '", word.0, "'"));
        }
    }
    if !call.session.is_authenticated(call.env.engine) {
        return Err(NOT_AUTHENTICATED);
    }
    if let Some(protocol) = protocol {
        call.session.set_protocol(protocol);
        call.reply.set_protocol(protocol);
    }
    introduce(call);
    Ok(())
}

fn requested_protocol(call: &Call<'_, '_>) -> Result<Option<Protocol>, Error> {
    if call.args.len() < 2 {
        return Ok(None);
    }
    match call.integer(1) {
        Ok(2) => Ok(Some(Protocol::Resp2)),
        Ok(3) => Ok(Some(Protocol::Resp3)),
        Ok(_) => Err(Error::Text("NOPROTO unsupported protocol version")),
        Err(_) => Err(Error::Text("ERR Protocol version is not an integer or out of range")),
    }
}

const NOT_AUTHENTICATED: Error = Error::Text(
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time",
);

fn introduce(call: &mut Call<'_, '_>) {
    let protocol = if call.session.protocol == Protocol::Resp3 { 3 } else { 2 };
    let id = call.session.client.id as i64;
    // Of Valkey 8.1 (<https://valkey.io/commands/hello/>).
    let zone = call.env.engine.config.text(Param::AvailabilityZone);
    let reply = &mut *call.reply;
    reply.map(7 + usize::from(!zone.is_empty()));
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (name, value) in [("proto", protocol), ("id", id)] {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    reply.array(0);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone.as_bytes());
    }
}

pub(super) const AUTH: Command = command("auth", -2, auth)
    .flags(ALWAYS)
    .acl(Categories::CONNECTION)
    .docs(
        Group::Connection,
        "1.0.0",
        "O(N) where N is the number of passwords defined for the user",
        "Authenticate to the server",
    )
    .syntax("[username^6.0.0] password")
    .history(&[("6.0.0", "Added ACL style (username and password).")]);

fn auth(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (user, password): (&[u8], _) = match call.args {
        [_, password] => {
            if call.env.engine.acl.default_user().rights().needs_no_password() {
                return Err(Error::Text(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
                ));
            }
            (acl::DEFAULT, *password)
        }
        [_, user, password] => (*user, *password),
        _ => return Err(Error::Syntax),
    };
    authenticate(call, user, password)?;
    call.reply.ok();
    Ok(())
}

fn authenticate(call: &mut Call<'_, '_>, name: &[u8], password: &[u8]) -> Result<(), Error> {
    match call.env.engine.acl.authenticate(name, password) {
        Some(user) => {
            call.session.act_for(Identity::of(user));
            Ok(())
        }
        None => {
            acl::note_wrong_password(call.env, call.session, call.args[0], name);
            Err(Error::Text("WRONGPASS invalid username-password pair or user is disabled."))
        }
    }
}

pub(super) const SELECT: Command = command("select", 2, select)
    .flags(Flags::LOADING.or(Flags::STALE).or(Flags::FAST))
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "1.0.0", "O(1)", "Change the selected database for the current connection")
    .syntax("index:int");

fn select(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let db = crate::generic::database(call, 1)?;
    call.session.select(db);
    call.reply.ok();
    Ok(())
}

pub(super) const RESET: Command = command("reset", 1, reset)
    .flags(ALWAYS)
    .scope(Scope::Queued)
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "6.2.0", "O(1)", "Reset the connection");

fn reset(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let env = call.env;
    let session = &mut *call.session;
    if session.monitoring {
        session.monitoring = false;
        session.client.mark(Mark::Monitor, false);
        env.engine.monitors.leave(session.client.id);
    }
    session.leave_multi();
    session.unwatch_all(call.txn);
    session.unsubscribe_all(env);
    session.stop_tracking(env);
    session.select(0);
    session.set_protocol(Protocol::Resp2);
    call.reply.set_protocol(Protocol::Resp2);
    session.reply_mode = ReplyMode::On;
    session.client.mark(Mark::NoTouch, false);
    session.client.mark(Mark::ImportSource, false);
    session.client.named.lock().name.clear();
    session.act_for(Identity::newcomer(&env.engine.acl));
    call.reply.simple(b"RESET");
    Ok(())
}

pub(super) const QUIT: Command = command("quit", -1, quit).flags(ALWAYS).acl(Categories::CONNECTION).docs(
    Group::Connection,
    "1.0.0",
    "O(1)",
    "Close the connection",
);

fn quit(call: &mut Call<'_, '_>) -> Result<(), Error> {
    debug_assert!(call.session.role == Role::Client, "scripts may not call it");
    call.session.closing = true;
    call.reply.ok();
    Ok(())
}
