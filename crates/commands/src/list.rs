//! Commands on lists.

mod change;
mod pop;
mod pop_first;
mod position;
mod push;
mod read;
mod transfer;

use perigee_keyspace::{Blob, Edit, List};

use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Categories, Command, Flags, Handler, Keys, command};

pub(crate) static COMMANDS: &[Command] = &[
    push::LPUSH,
    push::RPUSH,
    push::LPUSHX,
    push::RPUSHX,
    pop::LPOP,
    pop::RPOP,
    read::LLEN,
    read::LINDEX,
    read::LRANGE,
    change::LINSERT,
    change::LREM,
    change::LSET,
    change::LTRIM,
    position::LPOS,
    transfer::LMOVE,
    transfer::RPOPLPUSH,
    transfer::BLMOVE,
    transfer::BRPOPLPUSH,
    pop_first::LMPOP,
    pop_first::BLMPOP,
    pop_first::BLPOP,
    pop_first::BRPOP,
];

/// A command on the list at its first argument.
const fn on_list(name: &'static str, arity: i8, handler: Handler, flags: Flags) -> Command {
    command(name, arity, handler).flags(flags).keys(Keys::at(1)).acl(Categories::LIST)
}

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Left,
    Right,
}

impl End {
    /// `LEFT` or `RIGHT`.
    fn parse(word: &[u8]) -> Result<Self, Error> {
        if Word(word).is("LEFT") {
            Ok(End::Left)
        } else if Word(word).is("RIGHT") {
            Ok(End::Right)
        } else {
            Err(Error::Syntax)
        }
    }

    fn push(self, list: &mut Edit<'_, '_, List>, element: &[u8]) {
        match self {
            End::Left => list.push_front(element),
            End::Right => list.push_back(element),
        }
    }

    fn pop(self, list: &mut Edit<'_, '_, List>) -> Option<Blob> {
        match self {
            End::Left => list.pop_front(),
            End::Right => list.pop_back(),
        }
    }

    fn push_event(self) -> &'static str {
        match self {
            End::Left => "lpush",
            End::Right => "rpush",
        }
    }

    fn pop_event(self) -> &'static str {
        match self {
            End::Left => "lpop",
            End::Right => "rpop",
        }
    }
}

/// The position that an index names, which counts from the end if it is negative.
fn position(index: i64, len: usize) -> Option<usize> {
    let from_front = if index < 0 { index.checked_add_unsigned(len as u64)? } else { index };
    usize::try_from(from_front).ok().filter(|&at| at < len)
}

/// The positions from one index to another, both included; both count from the end if they are negative.
fn span(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let from_front = |index: i64| if index < 0 { index.saturating_add_unsigned(len as u64) } else { index };
    let start = from_front(start).max(0) as usize;
    let end = (from_front(stop).saturating_add(1).max(0) as usize).min(len);
    start.min(end)..end
}

#[cfg(test)]
mod tests {
    use super::{position, span};

    #[test]
    fn indexes_count_from_both_ends() {
        assert_eq!(position(0, 3), Some(0));
        assert_eq!(position(-1, 3), Some(2));
        assert_eq!(position(-3, 3), Some(0));
        for outside in [3, -4, i64::MAX, i64::MIN] {
            assert_eq!(position(outside, 3), None, "{outside}");
        }
        assert_eq!(position(0, 0), None);
    }

    #[test]
    fn spans_are_cut_to_the_list() {
        assert_eq!(span(0, -1, 3), 0..3);
        assert_eq!(span(1, 1, 3), 1..2);
        assert_eq!(span(-2, 100, 3), 1..3);
        assert_eq!(span(-100, 0, 3), 0..1);
        assert_eq!(span(i64::MIN, i64::MAX, 3), 0..3);
        for (start, stop) in [(2, 1), (3, 5), (0, -4), (i64::MAX, i64::MAX), (-1, -2), (5, i64::MIN)] {
            assert!(span(start, stop, 3).is_empty(), "{start} {stop}");
        }
        assert!(span(0, -1, 0).is_empty());
    }
}
