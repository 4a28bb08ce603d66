//! Parts of strings: APPEND, GETRANGE, SUBSTR, SETRANGE, STRLEN.

use perigee_keyspace::{Deadline, StrRef};
use perigee_resp::SHARED;

use crate::call::Call;
use crate::config::Param;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const APPEND: Command = command("append", 3, append)
    .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "2.0.0",
        "O(1). The amortized time complexity is O(1) assuming the appended value is small and the already present value is of any size, since the dynamic string library used by Redis will double the free space available on every reallocation.",
        "Append a value to a key",
    )
    .syntax("key value");

fn append(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let &[_, key, tail] = call.args else { return Err(Error::Syntax) };
    let longest = longest(call);
    let len = if let Some(mut value) = call.txn.string_mut(call.db, key)? {
        if value.view().len() + tail.len() > longest {
            return Err(TOO_LONG);
        }
        value.append(tail)
    } else {
        call.txn.insert_bytes(call.db, key, tail, Deadline::Never);
        tail.len()
    };
    call.notify(Event::String, "append", key);
    call.reply.int(len as i64);
    Ok(())
}

const fn substring(name: &'static str, since: &'static str) -> Command {
    command(name, 4, getrange)
        .flags(Flags::READONLY)
        .keys(Keys::at(1))
        .acl(Categories::STRING)
        .docs(
            Group::String,
            since,
            "O(N) where N is the length of the returned string. The complexity is ultimately determined by the returned length, but because creating a substring from an existing string is very cheap, it can be considered O(1) for small strings.",
            "Get a substring of the string stored at a key",
        )
}

pub(super) const GETRANGE: Command = substring("getrange", "2.4.0").syntax("key start:int end:int");
pub(super) const SUBSTR: Command =
    substring("substr", "1.0.0").syntax("key start:int end:int").deprecated("2.0.0", "`GETRANGE`");

fn getrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (first, last) = (call.integer(2)?, call.integer(3)?);
    let found = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    let Some(value) = found else {
        call.reply.bulk(b"");
        return Ok(());
    };
    let mut scratch = Default::default();
    let content = value.as_bytes(&mut scratch);
    match inclusive_range(first, last, content.len()) {
        Some((first, last)) if last - first >= SHARED => match value.share(first..=last) {
            Some(part) => call.reply.bulk_shared(part),
            None => call.reply.bulk(&content[first..=last]),
        },
        Some((first, last)) => call.reply.bulk(&content[first..=last]),
        None => call.reply.bulk(b""),
    }
    Ok(())
}

/// The positions that a range of a client names, both in it; negative ones count from the end. `None` if it is empty.
fn inclusive_range(first: i64, last: i64, len: usize) -> Option<(usize, usize)> {
    if first < 0 && last < 0 && first > last {
        return None;
    }
    let absolute = |at: i64| if at < 0 { at.saturating_add(len as i64).max(0) } else { at };
    let (first, last) = (absolute(first), absolute(last).min(len as i64 - 1));
    (first <= last).then_some((first as usize, last as usize))
}

pub(super) const SETRANGE: Command = command("setrange", 4, setrange)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "2.2.0",
        "O(1), not counting the time taken to copy the new string in place. Usually, this string is very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being the length of the value argument.",
        "Overwrite part of a string at key starting at the specified offset",
    )
    .syntax("key offset:int value");

fn setrange(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (key, part) = (call.args[1], call.args[3]);
    let offset = usize::try_from(call.integer(2)?).map_err(|_| Error::Text("ERR offset is out of range"))?;
    let current_len = call.txn.string(call.db, key)?.map(StrRef::len);
    if part.is_empty() {
        call.reply.int(current_len.unwrap_or(0) as i64);
        return Ok(());
    }
    if offset.saturating_add(part.len()) > longest(call) {
        return Err(TOO_LONG);
    }
    let len = call.txn.string_entry(call.db, key)?.set_range(offset, part);
    call.notify(Event::String, "setrange", key);
    call.reply.int(len as i64);
    Ok(())
}

pub(super) const STRLEN: Command = command("strlen", 2, strlen)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::STRING)
    .docs(Group::String, "2.2.0", "O(1)", "Get the length of the value stored in a key")
    .syntax("key");

fn strlen(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let found = call.txn.string(call.db, call.args[1])?.map(StrRef::len);
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    call.reply.int(found.unwrap_or(0) as i64);
    Ok(())
}

/// The longest string that may come into being, in bytes.
fn longest(call: &Call<'_, '_>) -> usize {
    call.env.engine.config.number(Param::ProtoMaxBulkLen) as usize
}

const TOO_LONG: Error = Error::Text("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

#[cfg(test)]
mod tests {
    use super::inclusive_range;

    #[test]
    fn ranges_are_clamped_as_redis_clamps_them() {
        for (first, last, len, range) in [
            (0, -1, 4, Some((0, 3))),
            (0, 100, 4, Some((0, 3))),
            (-2, -1, 4, Some((2, 3))),
            (-100, 1, 4, Some((0, 1))),
            (-100, -100, 4, Some((0, 0))),
            (-1, -2, 4, None),
            (2, 1, 4, None),
            (4, 9, 4, None),
            (0, -1, 0, None),
            (i64::MIN, i64::MAX, 4, Some((0, 3))),
            (i64::MAX, i64::MIN, 4, None),
        ] {
            assert_eq!(inclusive_range(first, last, len), range, "{first} {last} of {len}");
        }
    }
}
