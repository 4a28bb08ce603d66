//! The table of all commands, by name. Its laws are tests below.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::spec::Command;

/// Every command, looked up by name in any case.
pub struct CommandTable {
    by_name: HashMap<Box<[u8]>, Entry, FixedState>,
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

impl CommandTable {
    pub(crate) fn new() -> Self {
        let mut table = CommandTable { by_name: HashMap::default(), listed: Vec::new() };
        for &group in crate::GROUPS {
            for command in group {
                let entry = Entry { command, id: table.listed.len() as u16 };
                table.by_name.insert(command.name.as_bytes().into(), entry);
                table.listed.push(command);
                table.listed.extend(command.subcommands);
            }
        }
        table
    }

    /// The command with this name.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<Entry> {
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
    #[allow(clippy::len_without_is_empty)]
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

    /// All commands by the names under which they can be called, in table order, subcommands apart.
    pub fn all(&self) -> Vec<(&[u8], Entry)> {
        let mut all: Vec<_> = self.by_name.iter().map(|(name, entry)| (&**name, *entry)).collect();
        all.sort_by_key(|(_, entry)| entry.id);
        all
    }

    /// Gives a command another name; an empty one removes it. `None` if there is no such command or the name is taken.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Option<()> {
        let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
        if !to.is_empty() && self.by_name.contains_key(&*to) {
            return None;
        }
        let entry = self.by_name.remove(&*from)?;
        if !to.is_empty() {
            self.by_name.insert(to.into(), entry);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Flags, Keys, Scope};

    fn each(mut check: impl FnMut(&'static Command)) {
        CommandTable::new().listed.into_iter().for_each(&mut check);
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
