//! The table of all commands, by name. Its laws are tests below.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::spec::Command;

/// Every command, looked up by name in any case.
pub struct CommandTable {
    by_name: HashMap<Box<[u8]>, Entry, FixedState>,
    /// Those with short names again: what nearly every request asks for.
    short: ShortNames,
    /// By number: commands and subcommands.
    listed: Vec<&'static Command>,
}

/// A command with its number in the table.
#[derive(Clone, Copy)]
pub struct Entry {
    /// The command, not its container.
    pub command: &'static Command,
    /// Its place in the counters.
    pub id: u16,
}

/// The longest name; longer words name no command.
const MAX_NAME: usize = 40;

impl Default for CommandTable {
    /// Every command under its own name.
    fn default() -> Self {
        Self::new()
    }
}

impl CommandTable {
    pub(crate) fn new() -> Self {
        let mut table =
            CommandTable { by_name: HashMap::default(), short: ShortNames::default(), listed: Vec::new() };
        for &group in crate::GROUPS {
            for command in group {
                let entry = Entry { command, id: table.listed.len() as u16 };
                table.by_name.insert(command.name.as_bytes().into(), entry);
                table.listed.push(command);
                table.listed.extend(command.subcommands);
            }
        }
        table.short = ShortNames::of(&table.by_name);
        table
    }

    /// The command with this name.
    #[inline(always)]
    pub fn find(&self, name: &[u8]) -> Option<Entry> {
        Packed::with(name, |packed| self.short.find(packed)).unwrap_or_else(|| self.find_long(name))
    }

    #[cold]
    fn find_long(&self, name: &[u8]) -> Option<Entry> {
        if name.len() > MAX_NAME {
            return None;
        }
        let mut lower = [0; MAX_NAME];
        let lower = &mut lower[..name.len()];
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        self.by_name.get(&*lower).copied()
    }

    /// The subcommand with this name.
    pub fn find_subcommand(&self, container: Entry, name: &[u8]) -> Option<Entry> {
        let at = container
            .command
            .subcommands
            .iter()
            .position(|sub| sub.name.as_bytes().eq_ignore_ascii_case(name))?;
        Some(Entry { command: &container.command.subcommands[at], id: container.id + 1 + at as u16 })
    }

    /// How many commands and subcommands there are.
    #[allow(clippy::len_without_is_empty, reason = "there are always commands")]
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// How many commands there are, subcommands apart.
    pub fn command_count(&self) -> usize {
        self.by_name.len()
    }

    /// The command or subcommand with this number.
    pub fn by_id(&self, id: u16) -> Option<&'static Command> {
        self.listed.get(usize::from(id)).copied()
    }

    /// All commands and subcommands, by number.
    pub(crate) fn listed(&self) -> impl Iterator<Item = Entry> {
        self.listed.iter().enumerate().map(|(id, &command)| Entry { command, id: id as u16 })
    }

    /// All commands by the names under which they can be called, in table order, subcommands apart.
    pub fn all(&self) -> Vec<(&[u8], Entry)> {
        let mut all: Vec<_> = self.by_name.iter().map(|(name, entry)| (&**name, *entry)).collect();
        all.sort_by_key(|(_, entry)| entry.id);
        all
    }

    /// Gives a command another name; an empty one removes it.
    ///
    /// # Errors
    /// If there is no such command, or another one has the name.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), RenameError> {
        let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
        let entry = *self.by_name.get(&*from).ok_or(RenameError::NoCommand)?;
        if from != to && self.by_name.contains_key(&*to) {
            return Err(RenameError::NameTaken);
        }
        self.by_name.remove(&*from);
        if !to.is_empty() {
            self.by_name.insert(to.into(), entry);
        }
        self.short = ShortNames::of(&self.by_name);
        Ok(())
    }
}

/// Why a command can't be given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameError {
    /// There is none of the old name.
    NoCommand,
    /// Another one has the new name.
    NameTaken,
}

impl RenameError {
    /// As the configuration file's reader says it.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoCommand => "No such command in rename-command",
            Self::NameTaken => "Target command name already exists",
        }
    }
}

/// A name of up to 16 bytes in lower case, as two numbers, and its length. What of them overlaps where the name is shorter
/// is the same twice; the second is 0 up to eight bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Packed {
    head: u64,
    tail: u64,
    len: usize,
}

impl Packed {
    /// Hands it to `then`, which is inlined for every length: `None` if the name is longer.
    #[inline(always)]
    fn with<T>(name: &[u8], then: impl Fn(Self) -> T) -> Option<T> {
        let len = name.len();
        let halves = |name: &[u8]| Some((*name.first_chunk()?, *name.last_chunk()?));
        match len {
            4..=8 => {
                let (first, last) = halves(name)?;
                let head = u64::from(u32::from_le_bytes(first)) | u64::from(u32::from_le_bytes(last)) << 32;
                Some(then(Packed { head: lower_case(head), tail: 0, len }))
            }
            1..=3 => {
                // Of two bytes the middle one is the second again.
                let [first, middle, last] = [name[0], name[len / 2], name[len - 1]].map(u64::from);
                Some(then(Packed { head: lower_case(first | middle << 8 | last << 16), tail: 0, len }))
            }
            9..=16 => {
                let (head, tail) = (*name.first_chunk()?, *name.last_chunk()?);
                let [head, tail] = [head, tail].map(|half| lower_case(u64::from_le_bytes(half)));
                Some(then(Packed { head, tail, len }))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn slot(self, mask: usize) -> usize {
        let mixed = (self.head ^ self.tail.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 40) as usize & mask
    }
}

/// Eight ASCII bytes in lower case, at once.
#[inline]
fn lower_case(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let low = bytes & !HIGH;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let above_z = low + (0x7f - b'Z' as u64) * ONES;
    let upper = from_a & !above_z & !bytes & HIGH;
    bytes | upper >> 2
}

/// Open addressing, at most a quarter full.
#[derive(Default)]
struct ShortNames {
    slots: Box<[(Packed, Option<Entry>)]>,
}

impl ShortNames {
    fn of(by_name: &HashMap<Box<[u8]>, Entry, FixedState>) -> Self {
        let mut slots =
            vec![(Packed::default(), None); (4 * by_name.len()).next_power_of_two()].into_boxed_slice();
        for (name, &entry) in by_name {
            let Some(packed) = Packed::with(name, |packed| packed) else { continue };
            let mut at = packed.slot(slots.len() - 1);
            while slots[at].1.is_some() {
                at = (at + 1) % slots.len();
            }
            slots[at] = (packed, Some(entry));
        }
        ShortNames { slots }
    }

    #[inline(always)]
    fn find(&self, name: Packed) -> Option<Entry> {
        let mask = self.slots.len() - 1;
        let mut at = name.slot(mask);
        loop {
            let (packed, entry) = &self.slots[at & mask];
            let differs =
                (packed.head ^ name.head) | (packed.tail ^ name.tail) | (packed.len ^ name.len) as u64;
            if differs == 0 || entry.is_none() {
                return *entry;
            }
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Flags, Keys, Scope};
    use crate::syntax;

    fn each(mut check: impl FnMut(&'static Command)) {
        CommandTable::new().listed.into_iter().for_each(&mut check);
    }

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_else_is() {
        let mut table = CommandTable::new();
        for (name, entry) in table.all() {
            let mut mixed = name.to_ascii_uppercase();
            mixed[0] = name[0];
            for spelling in [name, &name.to_ascii_uppercase(), &mixed] {
                assert_eq!(table.find(spelling).map(|found| found.id), Some(entry.id));
            }
            // What differs from a letter by the bit that makes the case is no letter.
            for at in 0..name.len() {
                for bit in [0x80, 0x40, 0x01] {
                    let mut other = name.to_vec();
                    other[at] ^= bit;
                    let known = table.by_name.get(&*other.to_ascii_lowercase()).map(|entry| entry.id);
                    assert_eq!(table.find(&other).map(|found| found.id), known);
                }
            }
        }
        for stranger in
            [&b""[..], b"g", b"ge", b"gett", b"0123456789abcdef", b"0123456789abcdefg", &[b'x'; 50]]
        {
            assert!(table.find(stranger).is_none());
        }
        table.rename(b"get", b"fetch").unwrap();
        table.rename(b"set", b"").unwrap();
        assert!(table.find(b"get").is_none() && table.find(b"SET").is_none());
        assert_eq!(table.find(b"Fetch").unwrap().command.name, "get");
    }

    #[test]
    fn case_is_folded_as_ascii_has_it() {
        for byte in 0..=255 {
            assert_eq!(
                lower_case(u64::from_le_bytes([byte; 8])),
                u64::from_le_bytes([byte.to_ascii_lowercase(); 8])
            );
        }
    }

    #[test]
    fn names_are_lower_case_and_unique() {
        let mut seen = std::collections::HashSet::new();
        each(|command| {
            assert_eq!(command.full_name, command.full_name.to_lowercase());
            assert!(command.full_name.len() <= MAX_NAME);
            assert!(seen.insert(command.full_name), "{} twice", command.full_name);
        });
    }

    #[test]
    fn subcommands_bear_their_containers_name() {
        for &group in crate::GROUPS {
            for command in group {
                for sub in command.subcommands {
                    assert_eq!(sub.full_name, format!("{}|{}", command.name, sub.name));
                }
            }
        }
    }

    #[test]
    fn everything_is_documented() {
        each(|command| {
            assert!(!command.summary.is_empty(), "{} has no summary", command.full_name);
            assert!(!command.since.is_empty(), "{} has no version", command.full_name);
        });
    }

    /// Whose grammar tells less, or more, than their arity, as in redis-server 7.0.15.
    const LOOSE: &[&str] = &[
        "client|kill",
        "command|getkeys",
        "command|getkeysandflags",
        "debug",
        "geohash",
        "geopos",
        "geosearch",
        "geosearchstore",
        "pfmerge",
        "quit",
    ];

    #[test]
    fn grammars_are_well_formed_and_agree_with_the_arity() {
        let mut loose = Vec::new();
        each(|command| {
            let arguments = syntax::parse(command.syntax);
            let arguments = arguments.unwrap_or_else(|| panic!("{}: {}", command.full_name, command.syntax));
            let (least, more) = syntax::words(&arguments);
            let own = command.full_name.split('|').count();
            let sign = if more { -1 } else { 1 };
            let agrees = i64::from(command.arity) == sign * (own + least) as i64;
            if !agrees && command.subcommands.is_empty() {
                loose.push(command.full_name);
            }
        });
        loose.sort_unstable();
        assert_eq!(loose, LOOSE);
    }

    #[test]
    fn reading_and_writing_exclude_each_other() {
        each(|command| {
            assert!(!(command.has(Flags::WRITE) && command.has(Flags::READONLY)), "{}", command.full_name);
        });
    }

    #[test]
    fn what_touches_keys_says_which() {
        each(|command| {
            let keyless = matches!(command.keys, Keys::None) && matches!(command.scope, Scope::Keys);
            let touches = command.has(Flags::WRITE) || command.has(Flags::READONLY);
            let container = !command.subcommands.is_empty();
            let excepted = ["scan", "lolwut"].contains(&command.name);
            // Libraries are no keys.
            let excepted = excepted || command.full_name.starts_with("function|");
            assert!(!keyless || !touches || container || excepted, "{} holds no lock", command.full_name);
        });
    }
}
