//! BITCOUNT and BITPOS.

use crate::call::Call;
use crate::error::Error;
use crate::parse::{Word, integer};
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const BITCOUNT: Command = command("bitcount", -2, bitcount)
    .flags(Flags::READONLY)
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(Group::Bitmap, "2.6.0", "O(N)", "Count set bits in a string")
    .syntax("key [index(start:int [end_index(end:int [index_unit<BYTE|BIT>^7.0.0])])]")
    .history(&[("7.0.0", "Added the `BYTE|BIT` option.")]);

fn bitcount(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let found = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    let mut scratch = Default::default();
    let Some(content) = found.map(|value| value.as_bytes(&mut scratch)) else {
        call.reply.int(0);
        return Ok(());
    };
    let bits = match call.args.len() {
        2 => Bits::whole(content),
        // Of Valkey 8.0 (<https://valkey.io/commands/bitcount/>).
        3 => Bits::range(content, integer(call.args[2]).ok_or(Error::Syntax)?, None, Unit::Byte),
        4 | 5 => {
            let (first, last) = (call.integer(2)?, call.integer(3)?);
            // Before the unit: Redis answers an empty range of this kind without looking at it.
            if first < 0 && last < 0 && first > last {
                None
            } else {
                Bits::range(content, first, Some(last), Unit::parse(call.args.get(4))?)
            }
        }
        _ => return Err(Error::Syntax),
    };
    call.reply.int(bits.map_or(0, |bits| bits.count() as i64));
    Ok(())
}

pub(super) const BITPOS: Command = command("bitpos", -3, bitpos)
    .flags(Flags::READONLY)
    .keys(Keys::at(1))
    .acl(Categories::BITMAP)
    .docs(Group::Bitmap, "2.8.7", "O(N)", "Find first bit set or clear in a string")
    .syntax("key bit:int [index(start:int [end_index(end:int [index_unit<BYTE|BIT>^7.0.0])])]")
    .history(&[("7.0.0", "Added the `BYTE|BIT` option.")]);

fn bitpos(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let on = match call.integer(2)? {
        bit @ (0 | 1) => bit == 1,
        _ => return Err(Error::Text("ERR The bit argument must be 1 or 0.")),
    };
    let found = call.txn.string(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], found.is_some());
    let mut scratch = Default::default();
    let Some(content) = found.map(|value| value.as_bytes(&mut scratch)) else {
        call.reply.int(if on { -1 } else { 0 });
        return Ok(());
    };
    let bits = match call.args.len() {
        3 => Bits::whole(content),
        4..=6 => {
            let first = call.integer(3)?;
            let unit = Unit::parse(call.args.get(5))?;
            let last = call.args.get(4).map(|last| integer(last).ok_or(Error::NotInteger)).transpose()?;
            Bits::range(content, first, last, unit)
        }
        _ => return Err(Error::Syntax),
    };
    let position = bits.and_then(|bits| bits.position(on)).map(|at| at as i64);
    // A string without an end in sight is followed by zeros.
    let behind = if bits.is_some() && !on && call.args.len() < 5 { content.len() as i64 * 8 } else { -1 };
    call.reply.int(position.unwrap_or(behind));
    Ok(())
}

/// What positions count.
#[derive(Clone, Copy)]
enum Unit {
    Byte,
    Bit,
}

impl Unit {
    fn parse(word: Option<&&[u8]>) -> Result<Self, Error> {
        match word.map(|word| Word(word)) {
            None => Ok(Unit::Byte),
            Some(word) if word.is("BYTE") => Ok(Unit::Byte),
            Some(word) if word.is("BIT") => Ok(Unit::Bit),
            Some(_) => Err(Error::Syntax),
        }
    }
}

/// Consecutive bits of a string, at least one.
#[derive(Clone, Copy)]
struct Bits<'a> {
    content: &'a [u8],
    /// Positions of the first bit and the last one.
    first: usize,
    last: usize,
}

impl<'a> Bits<'a> {
    fn whole(content: &'a [u8]) -> Option<Self> {
        let last = (content.len() * 8).checked_sub(1)?;
        Some(Bits { content, first: 0, last })
    }

    /// A range, both ends in it; without a last one to the end. Negative ones count from the end, those beyond the
    /// string are moved to it. `None` if the range is empty.
    fn range(content: &'a [u8], first: i64, last: Option<i64>, unit: Unit) -> Option<Self> {
        let len = match unit {
            Unit::Byte => content.len() as i64,
            Unit::Bit => content.len() as i64 * 8,
        };
        let absolute = |at: i64| if at < 0 { at.saturating_add(len).max(0) } else { at };
        let (first, last) = (absolute(first), absolute(last.unwrap_or(-1)).min(len - 1));
        if first > last {
            return None;
        }
        let (first, last) = (first as usize, last as usize);
        Some(match unit {
            Unit::Byte => Bits { content, first: first * 8, last: last * 8 + 7 },
            Unit::Bit => Bits { content, first, last },
        })
    }

    /// A byte of the string, its bits outside the range cleared.
    fn masked(&self, at: usize) -> u8 {
        let mut byte = self.content[at];
        if at == self.first / 8 {
            byte &= 0xff >> (self.first % 8);
        }
        if at == self.last / 8 {
            byte &= !(0x7f >> (self.last % 8));
        }
        byte
    }

    fn count(&self) -> u64 {
        let (first, last) = (self.first / 8, self.last / 8);
        let mut count = u64::from(self.masked(first).count_ones());
        if last > first {
            count += u64::from(self.masked(last).count_ones());
            let (words, rest) = self.content[first + 1..last].as_chunks();
            count += words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum::<u64>();
            count += rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        }
        count
    }

    /// The first bit of the range that is on, or off.
    fn position(&self, on: bool) -> Option<usize> {
        let (first, last) = (self.first / 8, self.last / 8);
        let outside = |at: usize| {
            let mut outside = 0;
            if at == first {
                outside |= !(0xff >> (self.first % 8));
            }
            if at == last {
                outside |= 0x7f >> (self.last % 8);
            }
            outside
        };
        // What is looked for becomes a one, and what is outside of the range never does.
        let sought = |at: usize| (if on { self.content[at] } else { !self.content[at] }) & !outside(at);
        let uniform = if on { 0 } else { 0xff };
        let inner = self.content.get(first + 1..last).unwrap_or_default();
        let at = if sought(first) != 0 {
            first
        } else if let Some(at) = inner.iter().position(|&byte| byte != uniform) {
            first + 1 + at
        } else {
            last
        };
        let byte = sought(at);
        (byte != 0).then(|| at * 8 + byte.leading_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_one_bit_after_the_other(
            content in prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 1..40),
            ends in any::<[prop::sample::Index; 2]>(),
        ) {
            let [a, b] = ends.map(|end| end.index(content.len() * 8));
            let bits = Bits { content: &content, first: a.min(b), last: a.max(b) };
            let is_on = |at: usize| content[at / 8] >> (7 - at % 8) & 1 == 1;
            let range = || bits.first..=bits.last;
            prop_assert_eq!(bits.count(), range().filter(|&at| is_on(at)).count() as u64);
            prop_assert_eq!(bits.position(true), range().find(|&at| is_on(at)));
            prop_assert_eq!(bits.position(false), range().find(|&at| !is_on(at)));
        }
    }
}
