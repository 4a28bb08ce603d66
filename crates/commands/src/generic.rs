//! Commands on keys, whatever they hold, and on whole databases.

mod copy;
mod databases;
mod debug;
mod dump;
mod expire;
mod inspect;
mod object;
mod remove;
mod rename;
mod sort;
mod ttl;
mod walk;

pub(crate) use debug::Switches;

use crate::call::Call;
use crate::error::Error;
use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] = &[
    remove::DEL,
    remove::UNLINK,
    inspect::EXISTS,
    inspect::TYPE,
    inspect::TOUCH,
    walk::KEYS,
    walk::SCAN,
    walk::RANDOMKEY,
    walk::DBSIZE,
    rename::RENAME,
    rename::RENAMENX,
    copy::COPY,
    copy::MOVE,
    dump::DUMP,
    dump::RESTORE,
    dump::RESTORE_ASKING,
    databases::SWAPDB,
    databases::FLUSHDB,
    databases::FLUSHALL,
    expire::EXPIRE,
    expire::PEXPIRE,
    expire::EXPIREAT,
    expire::PEXPIREAT,
    ttl::TTL,
    ttl::PTTL,
    ttl::EXPIRETIME,
    ttl::PEXPIRETIME,
    ttl::PERSIST,
    object::OBJECT,
    sort::SORT,
    sort::SORT_RO,
    debug::DEBUG,
];

/// The numbered database that an argument names.
pub(crate) fn database(call: &Call<'_, '_>, at: usize) -> Result<u16, Error> {
    let number = i32::try_from(call.integer(at)?).map_err(|_| {
        Error::Text("ERR value is out of range, value must between -2147483648 and 2147483647")
    })?;
    let databases = call.env.engine.keyspace.databases();
    let number = u16::try_from(number).ok().filter(|number| *number < databases);
    number.ok_or(DATABASE_OUT_OF_RANGE)
}

const DATABASE_OUT_OF_RANGE: Error = Error::Text("ERR DB index is out of range");
const SAME_OBJECT: Error = Error::Text("ERR source and destination objects are the same");
