//! LCS: the longest common subsequence of two strings.

use crate::call::Call;
use crate::config::Param;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, Keys, command};

pub(super) const LCS: Command = command("lcs", -3, lcs)
    .flags(Flags::READONLY)
    .keys(Keys::range(1, 1, 1))
    .acl(Categories::STRING)
    .docs(
        Group::String,
        "7.0.0",
        "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        "Find longest common substring",
    )
    .syntax("key1@0 key2@0 [LEN] [IDX] [MINMATCHLEN len:int] [WITHMATCHLEN]");

fn lcs(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let (mut a_scratch, mut b_scratch) = Default::default();
    let (a, b) = (call.txn.string(call.db, call.args[1]), call.txn.string(call.db, call.args[2]));
    call.env.count_lookup(call.txn, call.db, call.args[1], !matches!(a, Ok(None)));
    call.env.count_lookup(call.txn, call.db, call.args[2], !matches!(b, Ok(None)));
    let (Ok(a), Ok(b)) = (a, b) else { return Err(NOT_STRINGS) };
    let a = a.map(|value| value.as_bytes(&mut a_scratch)).unwrap_or_default();
    let b = b.map(|value| value.as_bytes(&mut b_scratch)).unwrap_or_default();
    let options = Options::parse(call)?;

    let longest = call.env.engine.config.number(Param::ProtoMaxBulkLen) as u64;
    let cells = (a.len() as u64 + 1).saturating_mul(b.len() as u64 + 1);
    if cells.saturating_mul(size_of::<u32>() as u64) > longest {
        return Err(TOO_MUCH_MEMORY);
    }
    let table = Lengths::new(a, b);
    if options.only_length {
        call.reply.int(i64::from(table.at(a.len(), b.len())));
        return Ok(());
    }
    let runs = table.runs(a, b);
    if !options.positions {
        let text: Vec<u8> = runs.iter().rev().flat_map(|run| &a[run.a..run.a + run.len]).copied().collect();
        call.reply.bulk(&text);
        return Ok(());
    }
    let runs: Vec<Run> = runs.into_iter().filter(|run| run.len as i64 >= options.shortest).collect();
    call.reply.map(2);
    call.reply.bulk(b"matches");
    call.reply.array(runs.len());
    for run in runs {
        call.reply.array(2 + usize::from(options.with_lengths));
        for start in [run.a, run.b] {
            call.reply.array(2);
            call.reply.int(start as i64);
            call.reply.int((start + run.len - 1) as i64);
        }
        if options.with_lengths {
            call.reply.int(run.len as i64);
        }
    }
    call.reply.bulk(b"len");
    call.reply.int(i64::from(table.at(a.len(), b.len())));
    Ok(())
}

const NOT_STRINGS: Error = Error::Text("ERR The specified keys must contain string values");
const TOO_MUCH_MEMORY: Error =
    Error::Text("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");

#[derive(Default)]
struct Options {
    positions: bool,
    only_length: bool,
    with_lengths: bool,
    shortest: i64,
}

impl Options {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Error> {
        let mut parsed = Options::default();
        let mut words = call.options(3);
        while let Some(word) = words.next() {
            if word.is("IDX") {
                parsed.positions = true;
            } else if word.is("LEN") {
                parsed.only_length = true;
            } else if word.is("WITHMATCHLEN") {
                parsed.with_lengths = true;
            } else if word.is("MINMATCHLEN") {
                parsed.shortest = words.integer()?;
            } else {
                return Err(Error::Syntax);
            }
        }
        if parsed.positions && parsed.only_length {
            return Err(Error::Text("ERR If you want both the length and indexes, please just use IDX."));
        }
        Ok(parsed)
    }
}

/// For each pair of prefixes the length of their longest common subsequence.
struct Lengths {
    cells: Vec<u32>,
    width: usize,
}

/// Equal bytes of both strings, from a position in each.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    a: usize,
    b: usize,
    len: usize,
}

impl Lengths {
    fn new(a: &[u8], b: &[u8]) -> Self {
        let width = b.len() + 1;
        let mut cells = vec![0; (a.len() + 1) * width];
        for (i, left) in a.iter().enumerate() {
            let (before, row) = cells[i * width..].split_at_mut(width);
            for (j, right) in b.iter().enumerate() {
                row[j + 1] = if left == right { before[j] + 1 } else { before[j + 1].max(row[j]) };
            }
        }
        Lengths { cells, width }
    }

    fn at(&self, a: usize, b: usize) -> u32 {
        self.cells[a * self.width + b]
    }

    /// The subsequence as runs of neighbours in both strings, the last one first. Of several subsequences it is the one
    /// that Redis finds: where either string could give way, the second one does.
    fn runs(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        let mut adjoining = false;
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut().filter(|_| adjoining) {
                    Some(run) => *run = Run { a: i, b: j, len: run.len + 1 },
                    None => runs.push(Run { a: i, b: j, len: 1 }),
                }
                adjoining = true;
            } else {
                if self.at(i - 1, j) > self.at(i, j - 1) {
                    i -= 1
                } else {
                    j -= 1
                }
                adjoining = false;
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentations_example() {
        let (a, b) = (b"ohmytext", b"mynewtext");
        let table = Lengths::new(a, b);
        assert_eq!(table.at(a.len(), b.len()), 6);
        assert_eq!(table.runs(a, b), [Run { a: 4, b: 5, len: 4 }, Run { a: 2, b: 0, len: 2 }]);
    }

    #[test]
    fn nothing_in_common() {
        assert!(Lengths::new(b"abc", b"").runs(b"abc", b"").is_empty());
        assert!(Lengths::new(b"abc", b"xyz").runs(b"abc", b"xyz").is_empty());
    }
}
