//! PING and ECHO.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, command};

pub(super) const PING: Command = command("ping", -1, ping)
    .flags(Flags::FAST)
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "1.0.0", "O(1)", "Ping the server")
    .syntax("[message]");

fn ping(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.args.len() > 2 {
        return Err(Error::WrongArity("ping"));
    }
    let text = call.args.get(1).copied();
    if call.session.subscriptions.is_listening() && !call.is_resp3() {
        call.reply.array(2);
        call.reply.bulk(b"pong");
        call.reply.bulk(text.unwrap_or_default());
        return Ok(());
    }
    match text {
        Some(text) => call.reply.bulk(text),
        None => call.reply.simple(b"PONG"),
    }
    Ok(())
}

pub(super) const ECHO: Command = command("echo", 2, echo)
    .flags(Flags::LOADING.or(Flags::STALE).or(Flags::FAST))
    .acl(Categories::CONNECTION)
    .docs(Group::Connection, "1.0.0", "O(1)", "Echo the given string")
    .syntax("message");

fn echo(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.bulk(call.args[1]);
    Ok(())
}
