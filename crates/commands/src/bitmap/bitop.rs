//! BITOP.

use perigee_keyspace::{Deadline, Str, Value};

use crate::call::Call;
use crate::effects::Event;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const BITOP: Command = command("bitop", -4, bitop)
    .flags(Flags::WRITE.or(Flags::DENYOOM))
    .keys(Keys::from(2))
    .acl(Categories::BITMAP)
    .docs(Group::Bitmap, "2.6.0", "O(N)", "Perform bitwise operations between strings")
    .syntax("operation destkey@0 key@1...");

fn bitop(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let operation = Operation::of(Word(call.args[1])).ok_or(Error::Syntax)?;
    let (destination, sources) = (call.args[2], &call.args[3..]);
    if operation == Operation::Not && sources.len() != 1 {
        return Err(Error::Text("ERR BITOP NOT must be called with a single source key."));
    }
    if operation.sets_first_apart() && sources.len() < 2 {
        let name = String::from_utf8_lossy(call.args[1]).to_ascii_uppercase();
        return Err(Error::Owned(format!("ERR BITOP {name} must be called with at least two source keys.")));
    }
    let mut scratches = vec![Default::default(); sources.len()];
    let mut contents = Vec::with_capacity(sources.len());
    for (key, scratch) in sources.iter().zip(&mut scratches) {
        let found = call.txn.string(call.db, key)?;
        call.env.count_lookup(call.txn, call.db, key, found.is_some());
        contents.push(found.map(|value| value.as_bytes(scratch)).unwrap_or_default());
    }
    let result = operation.apply(&contents);
    let len = result.len();
    if len > 0 {
        call.txn.insert(call.db, destination, Value::Str(Str::raw(result)), Deadline::Never);
        call.notify(Event::String, "set", destination);
    } else if call.txn.remove(call.db, destination) {
        call.notify(Event::Generic, "del", destination);
    }
    call.reply.int(len as i64);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
    /// In the first, and in none of the others.
    Diff,
    /// In one of the others at least, and not in the first.
    Diff1,
    /// In the first, and in one of the others at least.
    AndOr,
    /// In exactly one.
    One,
}

impl Operation {
    fn of(word: Word<'_>) -> Option<Self> {
        let known = [
            ("AND", Operation::And),
            ("OR", Operation::Or),
            ("XOR", Operation::Xor),
            ("NOT", Operation::Not),
            ("DIFF", Operation::Diff),
            ("DIFF1", Operation::Diff1),
            ("ANDOR", Operation::AndOr),
            ("ONE", Operation::One),
        ];
        known.into_iter().find(|(name, _)| word.is(name)).map(|(_, operation)| operation)
    }

    fn sets_first_apart(self) -> bool {
        matches!(self, Operation::Diff | Operation::Diff1 | Operation::AndOr)
    }

    /// As long as the longest operand; the others are followed by zeros.
    fn apply(self, operands: &[&[u8]]) -> Vec<u8> {
        let len = operands.iter().map(|operand| operand.len()).max().unwrap_or(0);
        match self {
            Operation::Diff | Operation::Diff1 | Operation::AndOr => return self.apply_apart(operands, len),
            Operation::One => return exactly_one(operands, len),
            _ => {}
        }
        let Some((first, others)) = operands.split_first() else { return Vec::new() };
        let mut result = first.to_vec();
        result.resize(len, 0);
        if self == Operation::Not {
            result.iter_mut().for_each(|byte| *byte = !*byte);
        }
        for other in others {
            let (common, rest) = result.split_at_mut(other.len());
            let pairs = common.iter_mut().zip(*other);
            match self {
                Operation::And => {
                    pairs.for_each(|(byte, other)| *byte &= other);
                    rest.fill(0);
                }
                Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
                Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
                _ => {}
            }
        }
        result
    }

    /// The first operand against all that is in any of the others.
    fn apply_apart(self, operands: &[&[u8]], len: usize) -> Vec<u8> {
        let Some((first, others)) = operands.split_first() else { return Vec::new() };
        let mut result = Operation::Or.apply(others);
        result.resize(len, 0);
        let firsts = first.iter().copied().chain(std::iter::repeat(0));
        for (byte, first) in result.iter_mut().zip(firsts) {
            *byte = match self {
                Operation::Diff => first & !*byte,
                Operation::Diff1 => *byte & !first,
                _ => first & *byte,
            };
        }
        result
    }
}

fn exactly_one(operands: &[&[u8]], len: usize) -> Vec<u8> {
    let (mut once, mut more) = (vec![0; len], vec![0; len]);
    for operand in operands {
        for ((once, more), byte) in once.iter_mut().zip(&mut more).zip(*operand) {
            *more |= *once & byte;
            *once |= byte;
        }
    }
    once.iter().zip(more).map(|(once, more): (&u8, u8)| once & !more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_operands_end_in_zeros() {
        let operands: [&[u8]; 3] = [&[0b1100], &[0b1010, 0xff], &[]];
        assert_eq!(Operation::And.apply(&operands), [0, 0]);
        assert_eq!(Operation::And.apply(&operands[..2]), [0b1000, 0]);
        assert_eq!(Operation::Or.apply(&operands), [0b1110, 0xff]);
        assert_eq!(Operation::Xor.apply(&operands), [0b0110, 0xff]);
        assert_eq!(Operation::Not.apply(&operands[1..2]), [0b1111_0101, 0]);
    }

    #[test]
    fn the_first_against_the_others() {
        let operands: [&[u8]; 3] = [&[0b1100], &[0b1010, 0xf0], &[0b0010, 0x0f, 1]];
        assert_eq!(Operation::Diff.apply(&operands), [0b0100, 0, 0]);
        assert_eq!(Operation::Diff1.apply(&operands), [0b0010, 0xff, 1]);
        assert_eq!(Operation::AndOr.apply(&operands), [0b1000, 0, 0]);
        assert_eq!(Operation::One.apply(&operands), [0b0100, 0xff, 1]);
    }
}
