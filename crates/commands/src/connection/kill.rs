//! CLIENT KILL: by address, or by any combination of filters.

use super::client::operator;
use super::filter::{Asker, Filter};
use crate::call::Call;
use crate::clients::Mark;
use crate::error::Error;
use crate::spec::{Command, Group};

pub(super) const KILL: Command = operator("kill", "client|kill", -3, kill)
    .docs(
        Group::Connection,
        "2.4.0",
        "O(N) where N is the number of client connections",
        "Kill the connection of a client",
    )
    .syntax(
        "filter<ip:port!2.8.12|new-format<[ID client-id:int^2.8.12]|\
        [TYPE normal_master_slave_pubsub<NORMAL|MASTER^3.2.0|SLAVE|REPLICA^5.0.0|\
        PUBSUB>^2.8.12]|[USER username]|[ADDR ip:port]|[LADDR ip:port^6.2.0]|\
        [SKIPME yes/no]>...>",
    )
    .history(&[
        ("2.8.12", "Added new filter format."),
        ("2.8.12", "`ID` option."),
        ("3.2.0", "Added `master` type in for `TYPE` option."),
        (
            "5.0.0",
            "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward \
        compatibility.",
        ),
        ("6.2.0", "`LADDR` option."),
    ]);

fn kill(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let by_address = call.args.len() == 3;
    let filter = if by_address { Filter::at(call.args[2]) } else { Filter::parse(call, Asker::Kill)? };
    let (now_ms, me) = (call.env.now_ms, call.session.client.id);
    let mut killed = 0;
    for client in call.env.engine.clients.all() {
        if !filter.includes(&client, now_ms) || filter.skip_me && client.id == me {
            continue;
        }
        killed += 1;
        if client.id == me {
            call.session.closing = true;
            client.mark(Mark::CloseAfterReply, true);
        } else {
            client.kill();
        }
    }
    match (by_address, killed) {
        (true, 0) => return Err(Error::Text("ERR No such client")),
        (true, _) => call.reply.ok(),
        (false, killed) => call.reply.int(killed),
    }
    Ok(())
}
