//! MONITOR: every request, as it runs.

use crate::call::Call;
use crate::clients::Mark;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, command};

pub(super) const MONITOR: Command = command("monitor", 1, monitor)
    .flags(Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE))
    .docs(Group::Server, "1.0.0", "", "Listen for all requests received by the server in real time");

/// A client that monitors already gets no second answer, as in Redis.
fn monitor(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if call.session.in_exec {
        return Err(Error::Text("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if !call.session.monitoring {
        call.session.monitoring = true;
        call.session.client.mark(Mark::Monitor, true);
        call.env.engine.monitors.join(&call.session.client);
        call.reply.ok();
    }
    Ok(())
}
