//! Whether a user may run a request.

use smallvec::SmallVec;

use super::Acl;
use super::databases::{Databases, Wanted};
use super::rights::Rights;
use super::selector::{Access, Selector};
use crate::error::Error;
use crate::server;
use crate::spec::{Command, Flags};
use crate::table::{CommandTable, Entry};

/// What a user may not do, with the position of the argument in question. Of several reasons the greatest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Denied {
    /// Use the database that the argument names, or, if it is the first one, that which the request is sent to.
    Database(usize),
    /// Run the command.
    Command,
    /// Touch the key.
    Key(usize),
    /// Use the channel.
    Channel(usize),
}

impl Denied {
    /// The answer to a client.
    pub(crate) fn refusal(self, entry: Entry) -> Error {
        match self {
            Denied::Database(_) => Error::Text("NOPERM No permissions to access database"),
            Denied::Command => Error::Owned(format!(
                "NOPERM this user has no permissions to run the '{}' command",
                entry.command.full_name
            )),
            Denied::Key(_) => {
                Error::Text("NOPERM this user has no permissions to access one of the keys used as arguments")
            }
            Denied::Channel(_) => Error::Text(
                "NOPERM this user has no permissions to access one of the channels used as arguments",
            ),
        }
    }

    /// The answer to a script.
    pub(crate) fn refusal_in_script(self) -> Error {
        Error::Text(match self {
            Denied::Database(_) => "ERR ACL failure in script: No permissions to access database",
            Denied::Command => "ERR The user executing the script can't run this command or subcommand",
            Denied::Key(_) => {
                "ERR The user executing the script can't access at least one of the keys mentioned in the command arguments"
            }
            Denied::Channel(_) => {
                "ERR The user executing the script can't publish to the channel mentioned in the command"
            }
        })
    }

    /// The answer in the place of a queued command.
    pub(crate) fn refusal_in_exec(self) -> Error {
        let why = match self {
            Denied::Database(_) => "no permission",
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments",
        };
        Error::Owned(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is no longer allowed for the following reason: {why}"
        ))
    }
}

/// What a command's keys need: by their number, where the last entry counts for all that follow.
pub(super) enum KeyNeeds {
    Fixed(SmallVec<[Access; 3]>),
    /// It depends on the other arguments.
    Variable,
}

impl KeyNeeds {
    /// Those of each command, by its number.
    pub(super) fn of_all(table: &CommandTable) -> Box<[KeyNeeds]> {
        let needs = |command: &'static Command| match server::fixed_key_access(command) {
            Some(accesses) => KeyNeeds::Fixed(accesses.iter().copied().map(parse).collect()),
            None => KeyNeeds::Variable,
        };
        table.listed().map(|entry| needs(entry.command)).collect()
    }
}

/// Reads what COMMAND INFO says of a key: `RW access update` needs both.
fn parse(access: &str) -> Access {
    let has = |flag| access.split(' ').any(|word| word == flag);
    Access { read: has("access"), write: has("update") || has("insert") || has("delete") }
}

impl Acl {
    /// Whether somebody with these rights may run the request in a database.
    ///
    /// # Errors
    /// What is not allowed.
    pub(super) fn check(&self, rights: &Rights, db: u16, entry: Entry, args: &[&[u8]]) -> Result<(), Denied> {
        let request = Request { acl: self, db, entry, args };
        let mut worst = Denied::Database(0);
        for selector in rights.each_selector() {
            match request.check(selector) {
                Ok(()) => return Ok(()),
                Err(denied) => worst = worst.max(denied),
            }
        }
        Err(worst)
    }

    /// Whether a selector that allows the request lets it read every key.
    pub(super) fn reads_every_key(&self, rights: &Rights, db: u16, entry: Entry, args: &[&[u8]]) -> bool {
        let request = Request { acl: self, db, entry, args };
        rights.each_selector().any(|selector| selector.reads_every_key() && request.check(selector).is_ok())
    }
}

struct Request<'a> {
    acl: &'a Acl,
    /// Where it would run.
    db: u16,
    entry: Entry,
    args: &'a [&'a [u8]],
}

impl Request<'_> {
    fn check(&self, selector: &Selector) -> Result<(), Denied> {
        let (command, args) = (self.entry.command, self.args);
        if !selector.databases.are_all() {
            self.check_databases(&selector.databases)?;
        }
        if !command.has(Flags::NO_AUTH) && !selector.allows_command(self.entry, args) {
            return Err(Denied::Command);
        }
        if !selector.allows_all_keys() {
            let (mut denied, mut number) = (None, 0);
            let miscounted = server::is_miscounted(command, args);
            server::for_each_key_position(command, args, |at| {
                let needed = if miscounted { Access::default() } else { self.needs(number) };
                if denied.is_none() && !selector.allows_key(args[at], needed) {
                    denied = Some(Denied::Key(at));
                }
                number += 1;
            });
            denied.map_or(Ok(()), Err)?;
        }
        if !selector.allows_all_channels() {
            let (positions, is_pattern) = channels(command, args.len());
            for at in positions {
                if !selector.allows_channel(args[at], is_pattern) {
                    return Err(Denied::Channel(at));
                }
            }
        }
        Ok(())
    }

    fn check_databases(&self, allowed: &Databases) -> Result<(), Denied> {
        let wanted = Wanted::of(self.entry.command, self.args, self.acl.databases);
        if let Some(&(at, _)) = wanted.named.iter().find(|&&(_, db)| !allowed.allow(db)) {
            return Err(Denied::Database(at));
        }
        let all = !wanted.all || (0..self.acl.databases).all(|db| allowed.allow(db));
        let current = !wanted.current || allowed.allow(self.db);
        if all && current { Ok(()) } else { Err(Denied::Database(0)) }
    }

    fn needs(&self, number: usize) -> Access {
        match &self.acl.needs[usize::from(self.entry.id)] {
            KeyNeeds::Fixed(needs) => needs[number.min(needs.len() - 1)],
            KeyNeeds::Variable => parse(server::key_access(self.entry.command, self.args, number)),
        }
    }
}

/// The positions of the channels that a request publishes or listens to, and whether they are patterns.
fn channels(command: &Command, len: usize) -> (std::ops::Range<usize>, bool) {
    match command.name {
        "publish" | "spublish" => (1..2, false),
        "subscribe" | "ssubscribe" => (1..len, false),
        "psubscribe" => (1..len, true),
        _ => (0..0, false),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rights::Surroundings;
    use super::*;

    #[track_caller]
    fn check(rules: &[&str], request: &str, expected: Result<(), Denied>) {
        let table = CommandTable::new();
        let acl = Acl::new(&table, 16);
        let around = Surroundings { table: &table, all_channels: false };
        let rules: Vec<&[u8]> = rules.iter().map(|rule| rule.as_bytes()).collect();
        let Ok(rights) = Rights::new(around).changed(around, &rules) else { panic!("{rules:?}") };
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let entry = table.find(args[0]).unwrap();
        let entry = args.get(1).and_then(|word| table.find_subcommand(entry, word)).unwrap_or(entry);
        assert_eq!(acl.check(&rights, 1, entry, &args), expected, "{request}");
    }

    #[test]
    fn commands_by_name_and_first_argument() {
        check(&[], "GET x", Err(Denied::Command));
        check(&["+get", "~*"], "GET x", Ok(()));
        check(&["+select|0"], "SELECT 0", Ok(()));
        check(&["+select|0"], "SELECT 1", Err(Denied::Command));
        check(&["+config|get"], "CONFIG GET x", Ok(()));
        check(&["+config|get"], "CONFIG SET x y", Err(Denied::Command));
        check(&[], "AUTH x", Ok(()));
    }

    #[test]
    fn keys_by_what_is_done_with_them() {
        let rules = ["+@all", "%R~r*", "%W~w*", "~b*"];
        for (request, expected) in [
            ("GET r1", Ok(())),
            ("GET w1", Err(Denied::Key(1))),
            ("SET w1 x", Ok(())),
            ("SET w1 x GET", Err(Denied::Key(1))),
            ("SET r1 x", Err(Denied::Key(1))),
            ("COPY r1 w1", Ok(())),
            ("COPY w1 r1", Err(Denied::Key(1))),
            ("EXISTS r1 w1", Ok(())),
            ("MGET r1 b1 w1", Err(Denied::Key(3))),
            ("BITFIELD r1 GET u8 0", Ok(())),
            ("BITFIELD r1 SET u8 0 1", Err(Denied::Key(1))),
            ("ZUNIONSTORE w1 2 r1 r2", Ok(())),
            ("ZUNIONSTORE r1 2 r1 r2", Err(Denied::Key(1))),
            ("SORT r1 STORE w1", Ok(())),
            ("SORT r1 STORE r2", Err(Denied::Key(3))),
            ("GEORADIUS r1 1 1 0 m STORE r1", Err(Denied::Key(7))),
            ("EVAL x 1 r1", Err(Denied::Key(3))),
            ("EVAL_RO x 1 r1", Ok(())),
            ("EVAL x 5 r1", Ok(())),
            ("ZUNIONSTORE r1 1.5 w1", Ok(())),
            ("ZUNIONSTORE x 01 w1", Err(Denied::Key(1))),
            ("ZUNIONSTORE x 01 x", Err(Denied::Key(3))),
            ("EVAL x -1 x", Ok(())),
        ] {
            check(&rules, request, expected);
        }
    }

    #[test]
    fn databases_that_are_named_and_the_one_it_is_sent_to() {
        let rules = ["+@all", "~*", "&*", "db=0,1"];
        for (request, expected) in [
            ("GET x", Ok(())),
            ("SELECT 0", Ok(())),
            ("SELECT 2", Err(Denied::Database(1))),
            ("SELECT 16", Ok(())),
            ("SELECT x", Ok(())),
            ("SWAPDB 0 1", Ok(())),
            ("SWAPDB 0 2", Err(Denied::Database(2))),
            ("SWAPDB 2 99", Ok(())),
            ("MOVE x 2", Err(Denied::Database(2))),
            ("COPY x y DB 1", Ok(())),
            ("COPY x y REPLACE DB 1 DB 2", Err(Denied::Database(7))),
            ("COPY x y DB 2 DB", Ok(())),
            ("COPY x y DB 2 DB 99", Ok(())),
            ("FLUSHDB", Ok(())),
            ("FLUSHALL", Err(Denied::Database(0))),
        ] {
            check(&rules, request, expected);
        }
        let rules = ["+@all", "~*", "&*", "db=0"];
        for request in
            ["GET x", "EVAL x 0", "DBSIZE", "SCAN 0", "MOVE x 0", "COPY x y", "COPY x y DB 0", "FLUSHDB"]
        {
            check(&rules, request, Err(Denied::Database(0)));
        }
        for request in
            ["PING", "SELECT 0", "SWAPDB 0 0", "PUBLISH x y", "SPUBLISH x y", "MULTI", "CONFIG GET x"]
        {
            check(&rules, request, Ok(()));
        }
        check(&["+@all", "~*", "resetdbs", "(+get ~* db=1)"], "SET x y", Err(Denied::Command));
        check(&["+@all", "~*", "&*", "db=0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"], "FLUSHALL", Ok(()));
    }

    #[test]
    fn patterns_of_channels_must_be_the_same() {
        let rules = ["+@all", "&a*"];
        check(&rules, "PUBLISH abc x", Ok(()));
        check(&rules, "PUBLISH xyz x", Err(Denied::Channel(1)));
        check(&rules, "SUBSCRIBE abc x", Err(Denied::Channel(2)));
        check(&rules, "PSUBSCRIBE a*", Ok(()));
        check(&rules, "PSUBSCRIBE ab*", Err(Denied::Channel(1)));
        check(&rules, "UNSUBSCRIBE x", Ok(()));
    }

    #[test]
    fn one_selector_must_allow_all_of_it() {
        let rules = ["+get", "~a", "(+set ~b)", "(+mget ~a ~b)"];
        check(&rules, "GET a", Ok(()));
        check(&rules, "SET b x", Ok(()));
        check(&rules, "SET a x", Err(Denied::Key(1)));
        check(&rules, "GET b", Err(Denied::Key(1)));
        check(&rules, "MGET a b c", Err(Denied::Key(3)));
        check(&rules, "DEL a", Err(Denied::Command));
    }
}
