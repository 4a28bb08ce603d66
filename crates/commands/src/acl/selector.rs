//! A selector: commands, keys, channels and databases that belong together. A request is allowed if one selector allows all of it.

use std::collections::BTreeMap;

use super::databases::Databases;
use super::rule::{RuleError, has_blanks};
use crate::glob;
use crate::parse::Word;
use crate::spec::Categories;
use crate::table::{CommandTable, Entry};

/// What may be done with keys that match a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Access {
    pub(super) const ALL: Access = Access { read: true, write: true };

    pub(super) fn covers(self, needed: Access) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

/// Commands, keys, channels and databases.
#[derive(Clone, Default)]
pub(super) struct Selector {
    /// A bit for each command's number.
    commands: Vec<u64>,
    /// Commands that are not there yet are allowed: it began with `+@all`.
    future: bool,
    /// Words by which a command that is not allowed is allowed all the same, by its number.
    first_args: BTreeMap<u16, Vec<Box<[u8]>>>,
    /// What was said of commands since `+@all` or `-@all`, with its sign; what a later rule replaces is left out.
    rules: Vec<Vec<u8>>,
    all_keys: bool,
    keys: Vec<(Box<[u8]>, Access)>,
    all_channels: bool,
    channels: Vec<Box<[u8]>>,
    pub(super) databases: Databases,
}

impl Selector {
    /// One that allows nothing, in any database, but for channels where `acl-pubsub-default` says so.
    pub(super) fn new(all_channels: bool) -> Self {
        Selector { all_channels, ..Selector::default() }
    }

    /// Reads what stands between parentheses.
    pub(super) fn parse(table: &CommandTable, rules: &[u8], all_channels: bool) -> Result<Self, RuleError> {
        let mut selector = Selector::new(all_channels);
        for rule in rules.split(u8::is_ascii_whitespace).filter(|rule| !rule.is_empty()) {
            selector.apply(table, rule)?;
        }
        Ok(selector)
    }

    /// Changes it by one rule.
    pub(super) fn apply(&mut self, table: &CommandTable, rule: &[u8]) -> Result<(), RuleError> {
        let word = Word(rule);
        match rule {
            _ if word.is("allkeys") || word.is("~*") => self.keep_keys(true),
            _ if word.is("resetkeys") => self.keep_keys(false),
            _ if word.is("allchannels") || word.is("&*") => self.keep_channels(true),
            _ if word.is("resetchannels") => self.keep_channels(false),
            _ if word.is("alldbs") => self.databases = Databases::All,
            _ if word.is("resetdbs") => self.databases = Databases::Some(Vec::new()),
            [b'd' | b'D', b'b' | b'B', b'=', list @ ..] => self.databases = Databases::parse(list)?,
            _ if word.is("allcommands") || word.is("+@all") => self.keep_commands(table, true),
            _ if word.is("nocommands") || word.is("-@all") => self.keep_commands(table, false),
            [b'~', pattern @ ..] => self.add_keys(pattern, Access::ALL)?,
            [b'%', rest @ ..] => {
                let (access, pattern) = split_access(rest, self.all_keys)?;
                self.add_keys(pattern, access)?;
            }
            [b'&', channel @ ..] => self.add_channel(channel)?,
            [sign @ (b'+' | b'-'), b'@', category @ ..] => {
                self.change_category(table, category, *sign == b'+')?;
            }
            [b'+', command @ ..] => self.allow(table, command)?,
            [b'-', command @ ..] => {
                let entry = find(table, command).ok_or(RuleError::Unknown)?;
                self.change(table, entry, false);
                self.remember(false, entry.command.full_name.as_bytes());
            }
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    fn keep_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn keep_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn keep_commands(&mut self, table: &CommandTable, all: bool) {
        self.commands = vec![if all { u64::MAX } else { 0 }; table.len().div_ceil(64)];
        self.future = all;
        self.first_args.clear();
        self.rules.clear();
    }

    fn add_keys(&mut self, pattern: &[u8], access: Access) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeysAfterAll);
        }
        if has_blanks(pattern) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|(known, _)| **known == *pattern) {
            Some((_, known)) => {
                known.read |= access.read;
                known.write |= access.write;
            }
            None => self.keys.push((pattern.into(), access)),
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelsAfterAll);
        }
        if has_blanks(channel) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| **known == *channel) {
            self.channels.push(channel.into());
        }
        Ok(())
    }

    fn change_category(&mut self, table: &CommandTable, name: &[u8], allowed: bool) -> Result<(), RuleError> {
        let category = Categories::named(name).ok_or(RuleError::Unknown)?;
        for entry in table.listed() {
            if entry.command.acl_categories().0 & category.0 != 0 {
                self.change(table, entry, allowed);
            }
        }
        self.remember(allowed, &[b"@", name].concat());
        Ok(())
    }

    fn allow(&mut self, table: &CommandTable, word: &[u8]) -> Result<(), RuleError> {
        if let Some(entry) = find(table, word) {
            self.change(table, entry, true);
            self.remember(true, entry.command.full_name.as_bytes());
            return Ok(());
        }
        let bar = word.iter().rposition(|&byte| byte == b'|').ok_or(RuleError::Unknown)?;
        let (name, first_arg) = (&word[..bar], &word[bar + 1..]);
        let entry = find(table, name).ok_or(RuleError::Unknown)?;
        if entry.command.full_name.contains('|') {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if first_arg.is_empty() {
            return Err(RuleError::Syntax);
        }
        if !entry.command.subcommands.is_empty() {
            return Err(RuleError::Unknown);
        }
        let known = self.first_args.entry(entry.id).or_default();
        if !known.iter().any(|known| known.eq_ignore_ascii_case(first_arg)) {
            known.push(first_arg.into());
            self.remember(true, &[entry.command.full_name.as_bytes(), b"|", first_arg].concat());
        }
        Ok(())
    }

    /// Allows a command with its subcommands, or forbids it.
    fn change(&mut self, table: &CommandTable, entry: Entry, allowed: bool) {
        self.commands.resize(table.len().div_ceil(64), 0);
        for id in entry.id..=entry.id + entry.command.subcommands.len() as u16 {
            let bit = 1 << (id % 64);
            let word = &mut self.commands[usize::from(id / 64)];
            if allowed {
                *word |= bit
            } else {
                *word &= !bit
            }
            self.first_args.remove(&id);
        }
    }

    /// Notes a rule in the place of earlier ones on the same command or category, or on a part of it.
    fn remember(&mut self, allowed: bool, name: &[u8]) {
        let name = name.to_ascii_lowercase();
        self.rules.retain(|rule| {
            let rest = rule[1..].strip_prefix(&*name);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"|"))
        });
        self.rules.push([if allowed { b"+" } else { b"-" }, &*name].concat());
    }

    /// Whether it allows every request.
    pub(super) fn allows_everything(&self, table: &CommandTable) -> bool {
        let everywhere = self.all_keys && self.all_channels && self.databases.are_all();
        everywhere && (0..table.len() as u16).all(|id| self.has(id))
    }

    pub(super) fn has(&self, id: u16) -> bool {
        self.commands.get(usize::from(id / 64)).is_some_and(|word| word & 1 << (id % 64) != 0)
    }

    /// Whether the command is allowed with these arguments.
    pub(super) fn allows_command(&self, entry: Entry, args: &[&[u8]]) -> bool {
        self.has(entry.id)
            || self.first_args.get(&entry.id).is_some_and(|words| {
                args.get(1).is_some_and(|arg| words.iter().any(|word| word.eq_ignore_ascii_case(arg)))
            })
    }

    pub(super) fn allows_all_keys(&self) -> bool {
        self.all_keys
    }

    pub(super) fn allows_all_channels(&self) -> bool {
        self.all_channels
    }

    pub(super) fn allows_key(&self, key: &[u8], needed: Access) -> bool {
        let matching = |(pattern, access): &(Box<[u8]>, Access)| {
            access.covers(needed) && glob::matches(pattern, key, false)
        };
        self.all_keys || self.keys.iter().any(matching)
    }

    /// Whether every key may be read.
    pub(super) fn reads_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|(pattern, access)| **pattern == *b"*" && access.read)
    }

    /// Whether it allows a channel, or to listen to a pattern, which must be one of its own.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        let matching = |known: &[u8]| {
            if is_pattern { known == name } else { glob::matches(known, name, false) }
        };
        self.all_channels || self.channels.iter().any(|known| matching(known))
    }

    /// Its channels, `None` for all.
    pub(super) fn channels(&self) -> Option<&[Box<[u8]>]> {
        (!self.all_channels).then_some(&*self.channels)
    }

    /// Its commands as rules.
    pub(super) fn show_commands(&self) -> Vec<u8> {
        let mut text = if self.future { b"+@all" } else { b"-@all" }.to_vec();
        for rule in &self.rules {
            text.push(b' ');
            text.extend_from_slice(rule);
        }
        text
    }

    /// Its keys as rules.
    pub(super) fn show_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let patterns: Vec<_> = self
            .keys
            .iter()
            .map(|(pattern, access)| {
                let sign: &[u8] = match access {
                    Access { read: true, write: true } => b"~",
                    Access { read: true, .. } => b"%R~",
                    Access { .. } => b"%W~",
                };
                [sign, pattern].concat()
            })
            .collect();
        patterns.join(&b' ')
    }

    /// Its channels as rules.
    pub(super) fn show_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let channels: Vec<_> = self.channels.iter().map(|channel| [b"&", &**channel].concat()).collect();
        channels.join(&b' ')
    }

    /// All its rules, as a configuration file has them.
    pub(super) fn show(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        if self.all_keys || !self.keys.is_empty() {
            parts.push(self.show_keys());
        }
        if !self.all_channels {
            parts.push(b"resetchannels".to_vec());
        }
        if self.all_channels || !self.channels.is_empty() {
            parts.push(self.show_channels());
        }
        parts.extend(self.databases.rule().map(String::into_bytes));
        parts.push(self.show_commands());
        parts.join(&b' ')
    }
}

/// The command or `container|subcommand` with this name; a new name that `rename-command` gave counts for nothing.
fn find(table: &CommandTable, name: &[u8]) -> Option<Entry> {
    table.listed().find(|entry| entry.command.full_name.as_bytes().eq_ignore_ascii_case(name))
}

/// What stands between `%` and `~`.
fn split_access(rest: &[u8], all_keys: bool) -> Result<(Access, &[u8]), RuleError> {
    if all_keys {
        return Err(RuleError::KeysAfterAll);
    }
    let mut access = Access { read: false, write: false };
    let mut pattern: &[u8] = b"";
    for (at, letter) in rest.iter().enumerate() {
        match letter.to_ascii_uppercase() {
            b'R' if !access.read => access.read = true,
            b'W' if !access.write => access.write = true,
            b'~' => {
                pattern = &rest[at + 1..];
                break;
            }
            _ => return Err(RuleError::Syntax),
        }
    }
    if access.read || access.write { Ok((access, pattern)) } else { Err(RuleError::Syntax) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rules: &str, expected: &str) {
        let table = CommandTable::new();
        let shown = match Selector::parse(&table, rules.as_bytes(), false) {
            Ok(selector) => String::from_utf8(selector.show()).unwrap(),
            Err(why) => why.text().to_owned(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_written_is_shown_without_what_was_replaced() {
        check("", "resetchannels -@all");
        check("+get -get +get", "resetchannels -@all +get");
        check("+@all -config|set +config", "resetchannels +@all +config");
        check("+config -config|set", "resetchannels -@all +config -config|set");
        check("+select|0 +SELECT|1 -select", "resetchannels -@all -select");
        check("+@Read +@all -@all", "resetchannels -@all");
        check("%R~a %w~a %RW~b &x &x", "~a ~b resetchannels &x -@all");
        check("db=2,1 ~x", "~x resetchannels db=1,2 -@all");
        check("db=1 resetdbs", "resetchannels resetdbs -@all");
        check("resetdbs ALLDBS", "resetchannels -@all");
        check("db=1 DB=2", "resetchannels db=2 -@all");
        check("allkeys ~x", RuleError::KeysAfterAll.text());
        check("%~x", RuleError::Syntax.text());
    }

    #[test]
    fn containers_stand_for_their_subcommands() {
        let table = CommandTable::new();
        let selector = Selector::parse(&table, b"+config -config|set", false).unwrap();
        let config = table.find(b"config").unwrap();
        for sub in config.command.subcommands {
            let entry = table.find_subcommand(config, sub.name.as_bytes()).unwrap();
            assert_eq!(selector.has(entry.id), sub.name != "set", "{}", sub.name);
        }
    }

    #[test]
    fn everything_is_everything_however_it_came_about() {
        let table = CommandTable::new();
        let everything =
            |rules: &str| Selector::parse(&table, rules.as_bytes(), false).unwrap().allows_everything(&table);
        assert!(everything("~* &* +@all"));
        assert!(everything("~* &* +@all -get +get"));
        assert!(!everything("~* &* +@all -get"));
        assert!(!everything("~* &* +@all db=0") && everything("~* &* +@all db=0 alldbs"));
        assert!(!everything("~* +@all") && !everything("&* +@all") && !everything("~* &*"));
    }
}
