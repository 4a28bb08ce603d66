//! LPOS.

use smallvec::SmallVec;

use super::on_list;
use crate::call::Call;
use crate::error::Error;
use crate::parse::integer;
use crate::spec::{Command, Flags, Group};

pub(super) const LPOS: Command = on_list("lpos", -3, lpos, Flags::READONLY).docs(
    Group::List,
    "6.0.6",
    "O(N) where N is the number of elements in the list, for the average case. When searching for elements near the head or the tail of the list, or when the MAXLEN option is provided, the command may run in constant time.",
    "Return the index of matching elements on a list",
)
    .syntax("key element [RANK rank:int] [COUNT num-matches:int] [MAXLEN len:int]");

fn lpos(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let search = Search::parse(call)?;
    let list = call.txn.list(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], list.is_some());
    let mut found = SmallVec::<[usize; 8]>::new();
    if let Some(list) = list {
        let len = list.len();
        let is_wanted = |element: &[u8]| element == call.args[2];
        if search.backwards {
            search.run(list.iter_rev_from(len - 1).map(is_wanted), |at| found.push(len - 1 - at));
        } else {
            search.run(list.iter().map(is_wanted), |at| found.push(at));
        }
    }
    match (search.count, found.first()) {
        (Some(_), _) => {
            call.reply.array(found.len());
            found.iter().for_each(|&at| call.reply.int(at as i64));
        }
        (None, Some(&at)) => call.reply.int(at as i64),
        (None, None) => call.reply.null(),
    }
    Ok(())
}

struct Search {
    backwards: bool,
    /// How many matches to pass over.
    skip: usize,
    /// How many positions to answer, as an array; 0 for all.
    count: Option<usize>,
    /// How many elements to look at; 0 for all.
    max_len: usize,
}

impl Search {
    fn parse(call: &Call<'_, '_>) -> Result<Self, Error> {
        let mut search = Search { backwards: false, skip: 0, count: None, max_len: 0 };
        let mut words = call.options(3);
        while let Some(word) = words.next() {
            if word.is("RANK") {
                let rank = words.integer()?;
                search.backwards = rank < 0;
                // Redis can't negate the least integer either, and takes it for -1.
                search.skip = match rank {
                    0 => return Err(RANK_ZERO),
                    i64::MIN => 0,
                    _ => rank.unsigned_abs() as usize - 1,
                };
            } else if word.is("COUNT") {
                search.count = Some(amount(words.value()?, COUNT_NEGATIVE)?);
            } else if word.is("MAXLEN") {
                search.max_len = amount(words.value()?, MAXLEN_NEGATIVE)?;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(search)
    }

    fn run(&self, matches: impl Iterator<Item = bool>, found: impl FnMut(usize)) {
        let or_all = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        matches
            .take(or_all(self.max_len))
            .enumerate()
            .filter_map(|(at, is_match)| is_match.then_some(at))
            .skip(self.skip)
            .take(or_all(self.count.unwrap_or(1)))
            .for_each(found);
    }
}

fn amount(text: &[u8], refusal: Error) -> Result<usize, Error> {
    integer(text).and_then(|number| usize::try_from(number).ok()).ok_or(refusal)
}

const RANK_ZERO: Error = Error::Text(
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list",
);
const COUNT_NEGATIVE: Error = Error::Text("ERR COUNT can't be negative");
const MAXLEN_NEGATIVE: Error = Error::Text("ERR MAXLEN can't be negative");

#[cfg(test)]
mod tests {
    use super::Search;

    #[test]
    fn rank_count_and_length_cut_the_matches() {
        let matches = [true, false, true, true, false, true];
        let run = |skip, count, max_len| {
            let mut found = Vec::new();
            let search = Search { backwards: false, skip, count, max_len };
            search.run(matches.into_iter(), |at| found.push(at));
            found
        };
        assert_eq!(run(0, None, 0), [0]);
        assert_eq!(run(1, None, 0), [2]);
        assert_eq!(run(4, None, 0), [0; 0]);
        assert_eq!(run(0, Some(0), 0), [0, 2, 3, 5]);
        assert_eq!(run(1, Some(2), 0), [2, 3]);
        assert_eq!(run(0, Some(0), 3), [0, 2]);
    }
}
