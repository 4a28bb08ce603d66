//! Commands on strings as rows of bits. The first bit is the highest one of the first byte.

mod bit;
mod bitfield;
mod bitop;
mod count;
mod field;

use crate::call::Call;
use crate::config::Param;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] = &[
    bit::SETBIT,
    bit::GETBIT,
    count::BITCOUNT,
    count::BITPOS,
    bitop::BITOP,
    bitfield::BITFIELD,
    bitfield::BITFIELD_RO,
];

/// The position of a bit; after `#` it counts fields of `width` bits.
fn bit_offset(call: &Call<'_, '_>, text: &[u8], width: Option<u8>) -> Result<u64, Error> {
    let (digits, factor) = match (text, width) {
        ([b'#', digits @ ..], Some(width)) => (digits, i64::from(width)),
        _ => (text, 1),
    };
    let longest = call.env.engine.config.number(Param::ProtoMaxBulkLen);
    let offset = integer(digits).and_then(|offset| offset.checked_mul(factor));
    match offset {
        Some(offset) if offset >= 0 && offset >> 3 < longest => Ok(offset as u64),
        _ => Err(Error::Text("ERR bit offset is not an integer or out of range")),
    }
}
