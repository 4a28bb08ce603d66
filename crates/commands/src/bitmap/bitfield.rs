//! BITFIELD and BITFIELD_RO.

use perigee_keyspace::{Audience, StrRef};

use crate::bitmap::bit_offset;
use crate::bitmap::field::{FieldType, Overflow};
use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const BITFIELD: Command = command("bitfield", -2, bitfield)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(
        Group::Bitmap,
        "3.2.0",
        "O(1) for each subcommand specified",
        "Perform arbitrary bitfield integer operations on strings",
    )
    .syntax(
        "key [operation<GET encoding_offset(encoding offset:int)|\
        write([OVERFLOW wrap_sat_fail<WRAP|SAT|\
        FAIL>] write_operation<SET encoding_offset_value(encoding offset:int value:int)|\
        INCRBY encoding_offset_increment(encoding offset:int increment:int)>)>...]",
    );

fn bitfield(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let operations = Operation::parse_all(call)?;
    match operations.iter().filter_map(Operation::last_written).max() {
        Some(last) => write(call, &operations, last),
        None => read(call, &operations),
    }
}

pub(super) const BITFIELD_RO: Command = command("bitfield_ro", -2, bitfield_ro)
    .flags(Flags::READONLY.or(Flags::FAST))
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(
        Group::Bitmap,
        "6.0.0",
        "O(1) for each subcommand specified",
        "Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD",
    )
    .syntax("key [GET encoding_offset(encoding offset:int)+]");

fn bitfield_ro(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let operations = Operation::parse_all(call)?;
    if operations.iter().any(|operation| operation.last_written().is_some()) {
        return Err(Error::Text("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(call, &operations)
}

fn read(call: &mut Call<'_, '_>, operations: &[Operation]) -> Result<(), Error> {
    let found = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    let mut scratch = Default::default();
    let content = found.map(|value| value.as_bytes(&mut scratch)).unwrap_or_default();
    call.reply.array(operations.len());
    for operation in operations {
        call.reply.int(operation.field.read(content, operation.offset));
    }
    Ok(())
}

/// Runs operations of which some write, the furthest of them up to the byte at `last`. The string grows so far first.
fn write(call: &mut Call<'_, '_>, operations: &[Operation], last: usize) -> Result<(), Error> {
    let key = call.args[1];
    let len = call.txn.string(call.db, key)?.map_or(0, StrRef::len);
    let mut value = call.txn.string_entry(call.db, key)?;
    value.make_raw();
    let grown = len <= last;
    if grown {
        value.set_range(last, &[0]);
    }
    let mut changed = false;
    call.reply.array(operations.len());
    for operation in operations {
        let mut scratch = Default::default();
        let content = value.view().as_bytes(&mut scratch);
        let old = operation.field.read(content, operation.offset);
        let (new, answer_old) = match operation.action {
            Action::Get => {
                call.reply.int(old);
                continue;
            }
            Action::Set(new) => (operation.field.wide(new), true),
            Action::Add(amount) => (i128::from(old) + i128::from(amount), false),
        };
        let Some(new) = operation.field.fit(new, operation.overflow) else {
            call.reply.null();
            continue;
        };
        call.reply.int(if answer_old { old } else { new });
        changed |= grown;
        if new != old {
            let (at, bytes) = operation.field.write(content, operation.offset, new);
            value.set_range(at, &bytes);
            changed = true;
        }
    }
    if !changed {
        // A string that only grew, for a write that overflows, is no change to anybody.
        value.tell(Audience::Nobody);
    }
    drop(value);
    if changed {
        call.notify(Event::String, "setbit", key);
    }
    Ok(())
}

struct Operation {
    field: FieldType,
    offset: u64,
    action: Action,
    overflow: Overflow,
}

enum Action {
    Get,
    Set(i64),
    Add(i64),
}

impl Operation {
    fn parse_all(call: &Call<'_, '_>) -> Result<Vec<Self>, Error> {
        let mut operations = Vec::new();
        let mut overflow = Overflow::Wrap;
        let mut words = call.options(2);
        while let Some(word) = words.next() {
            if word.is("OVERFLOW") && words.left() >= 1 {
                overflow = parse_overflow(words.value()?)?;
                continue;
            }
            let action: fn(i64) -> Action = if word.is("GET") && words.left() >= 2 {
                |_| Action::Get
            } else if word.is("SET") && words.left() >= 3 {
                Action::Set
            } else if word.is("INCRBY") && words.left() >= 3 {
                Action::Add
            } else {
                return Err(Error::Syntax);
            };
            let field = FieldType::parse(words.value()?).ok_or(INVALID_TYPE)?;
            let offset = bit_offset(call, words.value()?, Some(field.width))?;
            let operand = if word.is("GET") { 0 } else { words.integer()? };
            operations.push(Operation { field, offset, action: action(operand), overflow });
        }
        Ok(operations)
    }

    /// The last byte that the operation may write to.
    fn last_written(&self) -> Option<usize> {
        let last_bit = self.offset + u64::from(self.field.width) - 1;
        (!matches!(self.action, Action::Get)).then_some((last_bit / 8) as usize)
    }
}

fn parse_overflow(text: &[u8]) -> Result<Overflow, Error> {
    let known = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Saturate), ("FAIL", Overflow::Fail)];
    let found = known.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()));
    found.map(|(_, overflow)| overflow).ok_or(Error::Text("ERR Invalid OVERFLOW type specified"))
}

const INVALID_TYPE: Error = Error::Text(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
