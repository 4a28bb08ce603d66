//! FCALL and FCALL_RO.

use crate::call::Call;
use crate::error::Error;
use crate::parse::integer;
use crate::scripts::{Invocation, start};
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

const FLAGS: Flags = Flags::NOSCRIPT
    .or(Flags::STALE)
    .or(Flags::SKIP_MONITOR)
    .or(Flags::NO_MANDATORY_KEYS)
    .or(Flags::MOVABLE_KEYS);

const fn fcall_command(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    command(name, -3, handler).flags(FLAGS).keys(Keys::counted(2)).acl(Categories::SCRIPTING).docs(
        Group::Scripting,
        "7.0.0",
        "Depends on the function that is executed.",
        summary,
    )
}

pub(super) const FCALL: Command = fcall_command("fcall", fcall, "Invoke a function")
    .flags(Flags::MAY_REPLICATE)
    .syntax("function numkeys:int [key...] [arg...]");

fn fcall(call: &mut Call<'_, '_>) -> Result<(), Error> {
    run(call, false)
}

pub(super) const FCALL_RO: Command = fcall_command("fcall_ro", fcall_ro, "Invoke a read-only function")
    .flags(Flags::READONLY)
    .syntax("function numkeys:int [key...] [arg...]");

fn fcall_ro(call: &mut Call<'_, '_>) -> Result<(), Error> {
    run(call, true)
}

fn run(call: &mut Call<'_, '_>, read_only: bool) -> Result<(), Error> {
    let name = call.args[1];
    let found = call.env.worker.local_functions.borrow_mut().find(&call.env.engine.functions, name);
    let function = found.ok_or(Error::Text("ERR Function not found"))?;
    let count = integer(call.args[2]).ok_or(Error::Text("ERR Bad number of keys provided"))?;
    if count > call.args.len() as i64 - 3 {
        return Err(Error::Text("ERR Number of keys can't be greater than number of args"));
    }
    let count = usize::try_from(count).map_err(|_| Error::Text("ERR Number of keys can't be negative"))?;
    let (keys, args) = call.args[3..].split_at(count);
    let library = Some(function.library);
    start(call, Invocation { script: function.script, library, keys, args, read_only, debug: None })
}
