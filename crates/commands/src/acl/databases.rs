//! Which databases a selector allows: `alldbs`, `resetdbs`, `db=0,1`, as in Valkey 9.1
//! (<https://valkey.io/topics/acl/>); and which ones a request wants.

use super::rule::RuleError;
use crate::parse::{Word, integer};
use crate::spec::{Categories, Command, Keys};

/// The databases of a selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Databases {
    #[default]
    All,
    /// These, in ascending order; numbers that the server does not have are kept.
    Some(Vec<u32>),
}

impl Databases {
    /// Reads what stands after `db=`.
    pub(super) fn parse(list: &[u8]) -> Result<Self, RuleError> {
        let mut numbers = list.split(|&byte| byte == b',').map(number).collect::<Result<Vec<_>, _>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        Ok(Databases::Some(numbers))
    }

    pub(super) fn are_all(&self) -> bool {
        *self == Databases::All
    }

    pub(super) fn allow(&self, db: u16) -> bool {
        match self {
            Databases::All => true,
            Databases::Some(numbers) => numbers.contains(&u32::from(db)),
        }
    }

    /// The rule that makes them of none, nothing for all there are.
    pub(super) fn rule(&self) -> Option<String> {
        match self {
            Databases::All => None,
            Databases::Some(numbers) if numbers.is_empty() => Some("resetdbs".to_owned()),
            Databases::Some(_) => Some(self.show()),
        }
    }

    /// As GETUSER shows them: nothing for none.
    pub(super) fn show(&self) -> String {
        match self {
            Databases::All => "alldbs".to_owned(),
            Databases::Some(numbers) if numbers.is_empty() => String::new(),
            Databases::Some(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(u32::to_string).collect();
                format!("db={}", numbers.join(","))
            }
        }
    }
}

/// A database's number as C's `strtoll` reads it, up to the greatest 32 bit integer.
fn number(text: &[u8]) -> Result<u32, RuleError> {
    let text = std::str::from_utf8(text).map_err(|_| RuleError::Syntax)?;
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(RuleError::Syntax);
    }
    let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
    number.ok_or(RuleError::DatabaseOutOfRange)
}

/// What a request wants to do with databases beside the one it is sent to.
pub(super) struct Wanted {
    /// The positions of the arguments that name one, with their numbers; none if one of them is wrong, which the command will say.
    pub(super) named: Vec<(usize, u16)>,
    /// Every database there is.
    pub(super) all: bool,
    /// The one it is sent to.
    pub(super) current: bool,
}

impl Wanted {
    pub(super) fn of(command: &Command, args: &[&[u8]], databases: u16) -> Self {
        let has_keys = !matches!(command.keys, Keys::None);
        let positions = match command.full_name {
            "select" => Some(vec![1]),
            "swapdb" => Some(vec![1, 2]),
            "move" => Some(vec![2]),
            "copy" => Some(destinations(args)),
            _ => None,
        };
        if let Some(positions) = positions {
            let named = positions.into_iter().map(|at| Some((at, known(args.get(at)?, databases)?)));
            let named = named.collect::<Option<Vec<_>>>().unwrap_or_default();
            return Wanted { named, all: false, current: has_keys };
        }
        let all = command.full_name == "flushall";
        let looks = Categories::KEYSPACE.or(Categories::READ).or(Categories::WRITE);
        let current = !all && (has_keys || command.acl_categories().0 & looks.0 != 0);
        Wanted { named: Vec::new(), all, current }
    }
}

/// The number of a database that there is.
pub(crate) fn known(text: &[u8], databases: u16) -> Option<u16> {
    let number = u16::try_from(integer(text)?).ok()?;
    (number < databases).then_some(number)
}

/// The positions of the databases that a COPY names, none if its options are wrong.
fn destinations(args: &[&[u8]]) -> Vec<usize> {
    let (mut positions, mut at) = (Vec::new(), 3);
    while at < args.len() {
        if Word(args[at]).is("REPLACE") {
            at += 1;
        } else if Word(args[at]).is("DB") && at + 1 < args.len() {
            positions.push(at + 1);
            at += 2;
        } else {
            return Vec::new();
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &str, expected: Result<&str, RuleError>) {
        assert_eq!(
            Databases::parse(list.as_bytes()).map(|parsed| parsed.show()),
            expected.map(str::to_owned)
        );
    }

    #[test]
    fn lists_are_sorted_and_have_no_gaps() {
        check("3,1,3,02", Ok("db=1,2,3"));
        check("2147483647", Ok("db=2147483647"));
        check(" 1,+2,-0", Ok("db=0,1,2"));
        for wrong in ["", ",", "1,", ",1", "1,,2", "x", "1x", "1 ", "-", "+-1"] {
            check(wrong, Err(RuleError::Syntax));
        }
        for wrong in ["-1", "2147483648", "99999999999999999999", "1,-1"] {
            check(wrong, Err(RuleError::DatabaseOutOfRange));
        }
        check("1x,-1", Err(RuleError::Syntax));
        check("-1,1x", Err(RuleError::DatabaseOutOfRange));
    }
}
