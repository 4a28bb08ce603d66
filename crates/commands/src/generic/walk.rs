//! Walks through a database: KEYS, SCAN, RANDOMKEY, DBSIZE.

use perigee_keyspace::Entry;

use crate::call::{Call, Suspend};
use crate::error::Error;
use crate::glob;
use crate::scan;
use crate::spec::{Categories, Command, Flags, Group, Scope, command};

pub(super) const KEYS: Command = command("keys", 2, keys)
    .flags(Flags::READONLY.or(Flags::SORT_FOR_SCRIPT))
    .scope(Scope::All)
    .acl(Categories::KEYSPACE.or(Categories::DANGEROUS))
    .docs(
        Group::Generic,
        "1.0.0",
        "O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the given pattern have limited length.",
        "Find all keys matching the given pattern",
    )
    .syntax("pattern:pattern");

fn keys(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let pattern = call.args[1];
    let is_wanted = |key: &[u8]| pattern == b"*" || glob::matches(pattern, key, false);
    let found: Vec<&[u8]> = call.txn.entries(call.db).map(Entry::key).filter(|key| is_wanted(key)).collect();
    call.reply.array(found.len());
    for key in found {
        call.reply.bulk(key);
    }
    Ok(())
}

pub(super) const SCAN: Command = command("scan", -2, scan).flags(Flags::READONLY).acl(Categories::KEYSPACE).docs(
    Group::Generic,
    "2.8.0",
    "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
    "Incrementally iterate the keys space",
)
    .syntax("cursor:int [MATCH pattern:pattern] [COUNT count:int] [TYPE type^6.0.0]")
    .history(&[
        ("6.0.0", "Added the `TYPE` subcommand."),
    ]);

fn scan(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let cursor = scan::cursor(call.args[1])?;
    let mut type_name: Option<&[u8]> = None;
    let options = scan::Options::parse_with(call, 2, |word, words| {
        if word.is("TYPE") {
            type_name = Some(words.value()?);
        }
        Ok(word.is("TYPE"))
    })?;
    let is_wanted = |entry: &Entry| {
        type_name.is_none_or(|name| name.eq_ignore_ascii_case(entry.value().type_name().as_bytes()))
            && options.matches(entry.key())
    };
    let mut found: Vec<Box<[u8]>> = Vec::new();
    let next = call.txn.scan(call.db, cursor, options.count, |entry| {
        if is_wanted(entry) {
            found.push(entry.key().into());
        }
    });
    let Some(next) = next else {
        call.suspend(Suspend::Widen);
        return Ok(());
    };
    scan::reply_header(call.reply, next, found.len());
    for key in found {
        call.reply.bulk(&key);
    }
    Ok(())
}

pub(super) const RANDOMKEY: Command = command("randomkey", 1, randomkey)
    .flags(Flags::READONLY)
    .scope(Scope::All)
    .acl(Categories::KEYSPACE)
    .docs(Group::Generic, "1.0.0", "O(1)", "Return a random key from the keyspace");

fn randomkey(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let mut rng = call.env.worker.rng.borrow_mut();
    match call.txn.random_key(call.db, &mut *rng) {
        Some(entry) => call.reply.bulk(entry.key()),
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const DBSIZE: Command = command("dbsize", 1, dbsize)
    .flags(Flags::READONLY.or(Flags::FAST))
    .scope(Scope::All)
    .acl(Categories::KEYSPACE)
    .docs(Group::Server, "1.0.0", "O(1)", "Return the number of keys in the selected database");

fn dbsize(call: &mut Call<'_, '_>) -> Result<(), Error> {
    call.reply.int(call.txn.len(call.db) as i64);
    Ok(())
}
