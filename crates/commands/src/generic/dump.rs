//! DUMP and RESTORE.

use std::sync::atomic::Ordering;

use perigee_keyspace::Deadline;

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::integer;
use crate::payload;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const DUMP: Command =
    command("dump", 2, dump).flags(Flags::READONLY).keys(Keys::at(1)).acl(Categories::KEYSPACE).docs(
        Group::Generic,
        "2.6.0",
        "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of Redis objects composing the value and M their average size. For small string values the time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
        "Return a serialized version of the value stored at the specified key.",
    )
    .syntax("key");

fn dump(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let entry = call.txn.entry(call.db, key);
    call.env.count_lookup(call.txn, call.db, key, entry.is_some());
    match entry {
        Some(entry) => {
            let mut body = Vec::new();
            payload::write_value(&mut body, entry.value(), super::debug::form(call));
            call.reply.bulk(&payload::seal(body));
        }
        None => call.reply.null(),
    }
    Ok(())
}

pub(super) const RESTORE: Command = restoring("restore").docs(
    Group::Generic,
    "2.6.0",
    RESTORE_COST,
    "Create a key using the provided serialized value, previously obtained using DUMP.",
);

pub(super) const RESTORE_ASKING: Command = restoring("restore-asking")
    .flags(Flags::ASKING)
    .docs(Group::Server, "3.0.0", RESTORE_COST, "An internal command for migrating keys in a cluster")
    .internal();

const fn restoring(name: &'static str) -> Command {
    command(name, -4, restore)
        .flags(Flags::WRITE.or(Flags::DENYOOM))
        .keys(Keys::at(1))
        .acl(Categories::KEYSPACE.or(Categories::DANGEROUS))
        .syntax(
            "key ttl:int serialized-value [REPLACE^3.0.0] [ABSTTL^5.0.0] [IDLETIME seconds:int^5.0.0] \
             [FREQ frequency:int^5.0.0]",
        )
        .history(&[
            ("3.0.0", "Added the `REPLACE` modifier."),
            ("5.0.0", "Added the `ABSTTL` modifier."),
            ("5.0.0", "Added the `IDLETIME` and `FREQ` options."),
        ])
}

const RESTORE_COST: &str = "O(1) to create the new key and additional O(N*M) to reconstruct the serialized value, where N is the \
    number of Redis objects composing the value and M their average size. For small string values the time complexity is thus \
    O(1)+O(1*M) where M is small, so simply O(1). However for sorted set values the complexity is O(N*M*log(N)) because inserting \
    values into sorted sets is O(log(N)).";

fn restore(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let options = Options::parse(call.args)?;
    if !options.replace && call.txn.contains(call.db, key) {
        return Err(BUSY_KEY);
    }
    let ttl_ms = call.integer(2)?;
    if ttl_ms < 0 {
        return Err(INVALID_TTL);
    }
    let skips_checksum = call.env.engine.switches.checksums_skipped.load(Ordering::Relaxed);
    let open = if skips_checksum { payload::open_unchecked } else { payload::open };
    let mut body = open(call.args[3])?;
    call.env.engine.counters.checked_payloads.fetch_add(1, Ordering::Relaxed);
    let value = payload::read_value(&mut body, &call.txn.limits()).ok_or(BAD_DATA)?;

    let replaced = options.replace && call.txn.remove(call.db, key);
    let now_ms = call.now_ms() as i64;
    let deadline = match ttl_ms {
        0 => None,
        at if options.absolute_ttl => Some(at),
        // Redis's deadline too has passed if it is beyond what can be counted.
        ttl_ms => Some(ttl_ms.wrapping_add(now_ms)),
    };
    if deadline.is_some_and(|at| call.is_over(at.max(0) as u64)) {
        if replaced {
            call.notify(Event::Generic, "del", key);
        }
    } else {
        let deadline = deadline.map_or(Deadline::Never, |at| Deadline::At(at as u64));
        call.txn.insert(call.db, key, value, deadline);
        if let Some(idle_s) = options.idle_s {
            call.txn.set_idle_s(call.db, key, idle_s);
        }
        if let Some(count) = options.frequency {
            call.txn.set_frequency(call.db, key, count);
        }
        call.notify(Event::Generic, "restore", key);
    }
    call.reply.ok();
    Ok(())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    replace: bool,
    /// The TTL is a moment.
    absolute_ttl: bool,
    /// How long the key shall seem not to have been used.
    idle_s: Option<u32>,
    /// How often it shall seem to have been used.
    frequency: Option<u8>,
}

impl Options {
    fn parse(args: &[&[u8]]) -> Result<Self, Error> {
        let mut options = Options::default();
        let mut words = crate::parse::Options::new(args, 4);
        while let Some(word) = words.next() {
            if word.is("REPLACE") {
                options.replace = true;
            } else if word.is("ABSTTL") {
                options.absolute_ttl = true;
            } else if word.is("IDLETIME") && words.left() > 0 && options.frequency.is_none() {
                let seconds = integer(words.value()?).ok_or(Error::NotInteger)?;
                let seconds = u64::try_from(seconds).map_err(|_| INVALID_IDLE_TIME)?;
                options.idle_s = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
            } else if word.is("FREQ") && words.left() > 0 && options.idle_s.is_none() {
                let count = integer(words.value()?).ok_or(Error::NotInteger)?;
                options.frequency = Some(u8::try_from(count).map_err(|_| INVALID_FREQUENCY)?);
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }
}

const BUSY_KEY: Error = Error::Text("BUSYKEY Target key name already exists.");
const INVALID_TTL: Error = Error::Text("ERR Invalid TTL value, must be >= 0");
const INVALID_IDLE_TIME: Error = Error::Text("ERR Invalid IDLETIME value, must be >= 0");
const INVALID_FREQUENCY: Error = Error::Text("ERR Invalid FREQ value, must be >= 0 and <= 255");
const BAD_DATA: Error = Error::Text("ERR Bad data format");

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(options: &str) -> Result<Options, Error> {
        let args: Vec<&[u8]> = options.split_ascii_whitespace().map(str::as_bytes).collect();
        Options::parse(&[&[&b"restore"[..], b"k", b"0", b"x"], &args[..]].concat())
    }

    #[test]
    fn options_and_their_errors() {
        let all = Options { replace: true, absolute_ttl: true, idle_s: Some(7), frequency: None };
        assert_eq!(parse("absttl IDLETIME 7 replace"), Ok(all));
        assert_eq!(parse("FREQ 255"), Ok(Options { frequency: Some(255), ..Options::default() }));
        assert_eq!(parse("FREQ 256"), Err(INVALID_FREQUENCY));
        assert_eq!(parse("FREQ x"), Err(Error::NotInteger));
        assert_eq!(parse("IDLETIME -1"), Err(INVALID_IDLE_TIME));
        for contradiction in ["IDLETIME 1 FREQ 1", "FREQ 1 IDLETIME 1", "IDLETIME", "FREQ", "REPLACE x"] {
            assert_eq!(parse(contradiction), Err(Error::Syntax), "{contradiction}");
        }
    }
}
