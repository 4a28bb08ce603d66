//! Small questions: TIME, ROLE, LASTSAVE, LOLWUT.

use std::sync::atomic::Ordering;

use super::REDIS_VERSION;
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::session::Role;
use crate::spec::{Categories, Command, Flags, Group, command};

pub(super) const TIME: Command = command("time", 1, time)
    .flags(Flags::LOADING.or(Flags::STALE).or(Flags::FAST))
    .docs(Group::Server, "2.6.0", "O(1)", "Return the current server time");

fn time(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let frozen = call.session.role == Role::Script || call.session.in_exec;
    let now_us = if frozen { call.now_ms() * 1000 } else { call.env.worker.clock.now_us() };
    call.reply.array(2);
    call.reply.bulk_int((now_us / 1_000_000) as i64);
    call.reply.bulk_int((now_us % 1_000_000) as i64);
    Ok(())
}

pub(super) const ROLE: Command = command("role", 1, role)
    .flags(Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST))
    .acl(Categories::ADMIN.or(Categories::DANGEROUS))
    .docs(Group::Server, "2.8.12", "O(1)", "Return the role of the instance in the context of replication");

fn role(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.array(3);
    call.reply.bulk(b"master");
    call.reply.int(0);
    call.reply.array(0);
    Ok(())
}

pub(super) const LASTSAVE: Command = command("lastsave", 1, lastsave)
    .flags(Flags::LOADING.or(Flags::STALE).or(Flags::FAST))
    .acl(Categories::ADMIN.or(Categories::DANGEROUS))
    .docs(Group::Server, "1.0.0", "O(1)", "Get the UNIX time stamp of the last successful save to disk");

fn lastsave(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let last_ms = call.env.engine.counters.last_save_ms.load(Ordering::Relaxed);
    call.reply.int((last_ms / 1000) as i64);
    Ok(())
}

pub(super) const LOLWUT: Command = command("lolwut", -1, lolwut)
    .flags(Flags::READONLY.or(Flags::FAST))
    .docs(Group::Server, "5.0.0", "", "Display some computer art and the Redis version")
    .syntax("[VERSION version:int]");

fn lolwut(call: &mut Call<'_, '_>) -> Result<(), Error> {
    if let [_, option, _, ..] = call.args
        && Word(option).is("VERSION")
    {
        for at in 2..call.args.len() {
            call.integer(at)?;
        }
    }
    let text = format!("Redis ver. {REDIS_VERSION}, Perigee ver. {}\n", env!("CARGO_PKG_VERSION"));
    call.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}
