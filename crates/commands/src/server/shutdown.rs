//! SHUTDOWN.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Command, Flags, Group, command};

pub(super) const SHUTDOWN: Command = command("shutdown", -1, shutdown)
    .flags(
        Flags::ADMIN
            .or(Flags::NOSCRIPT)
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::NO_MULTI)
            .or(Flags::ALLOW_BUSY),
    )
    .docs(
        Group::Server,
        "1.0.0",
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
        "Synchronously save the dataset to disk and then shut down the server",
    )
    .syntax("[nosave_save<NOSAVE|SAVE>] [NOW^7.0.0] [FORCE^7.0.0] [SAFE^9.0.0] [FAILOVER^9.0.0] [ABORT^7.0.0]")
    .history(&[
        ("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."),
        ("9.0.0", "Added the `SAFE` and `FAILOVER` modifiers of Valkey."),
    ]);

/// Answers only if it does not happen: otherwise the connection ends.
fn shutdown(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let options = Options::parse(call)?;
    if options.failover {
        return Err(Error::Text("ERR SHUTDOWN FAILOVER is only supported in cluster mode."));
    }
    if options.abort {
        // A shutdown waits for nothing, so there is never one to abort.
        return Err(Error::Text("ERR No shutdown in progress."));
    }
    if options.save && !options.force {
        // This server can't write snapshots.
        return Err(Error::Text("ERR Errors trying to SHUTDOWN. Check logs."));
    }
    call.session.closing = true;
    call.env.engine.shutdown.request(options.force);
    Ok(())
}

#[derive(Default)]
struct Options {
    save: bool,
    no_save: bool,
    now: bool,
    force: bool,
    /// It is always safe: there is no cluster that this server would be missing from.
    safe: bool,
    failover: bool,
    abort: bool,
}

impl Options {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Error> {
        let mut options = Options::default();
        let mut words = call.options(1);
        while let Some(word) = words.next() {
            if word.is("NOSAVE") {
                options.no_save = true;
            } else if word.is("SAVE") {
                options.save = true;
            } else if word.is("NOW") {
                options.now = true;
            } else if word.is("FORCE") {
                options.force = true;
            } else if word.is("SAFE") {
                options.safe = true;
            } else if word.is("FAILOVER") {
                options.failover = true;
            } else if word.is("ABORT") {
                options.abort = true;
            } else {
                return Err(Error::Syntax);
            }
        }
        let save = options.save || options.no_save;
        let others = save || options.now || options.force || options.safe || options.failover;
        if options.save && options.no_save || options.abort && others {
            return Err(Error::Syntax);
        }
        Ok(options)
    }
}
