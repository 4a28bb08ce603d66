//! CLIENT KILL: by address, or by any combination of filters.

use super::client::operator;
use super::filter::{Asker, Filter};
use crate::call::Call;
use crate::clients::Mark;
use crate::error::Error;
use crate::spec::{Command, Group};

pub(super) const KILL: Command = operator("kill", "client|kill", -3, kill).docs(
    Group::Connection,
    "2.4.0",
    "O(N) where N is the number of client connections",
    "Kill the connection of a client",
);

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
