//! Users in files: `aclfile` with ACL LOAD and ACL SAVE, and `user` lines of the configuration.

use std::sync::Arc;

use super::commands::operator;
use super::manage::{dismiss, surroundings};
use super::rights::{Rights, Surroundings};
use super::rule::{RuleError, has_blanks, merge};
use super::{Acl, DEFAULT, User, Users};
use crate::call::Call;
use crate::config::Param;
use crate::engine::Engine;
use crate::error::{Error, system_reason};
use crate::spec::{Command, Group};
use crate::table::CommandTable;

pub(super) const LOAD: Command = operator("load", "acl|load", 2, load).docs(
    Group::Server,
    "6.0.0",
    "O(N). Where N is the number of configured users.",
    "Reload the ACLs from the configured ACL file",
);

fn load(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let path = path(engine)?;
    let before = read(engine, &path).map_err(|why| Error::Owned(format!("ERR {why}")))?;
    dismiss(call, &before);
    call.reply.ok();
    Ok(())
}

pub(super) const SAVE: Command = operator("save", "acl|save", 2, save).docs(
    Group::Server,
    "6.0.0",
    "O(N). Where N is the number of configured users.",
    "Save the current ACL rules in the configured ACL file",
);

fn save(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let engine = call.env.engine;
    let path = path(engine)?;
    let mut text = Vec::new();
    for user in engine.acl.all() {
        text.extend_from_slice(&user.rights().line(&user.name));
        text.push(b'\n');
    }
    if let Err(why) = (engine.process.replace_file)(&path, &text) {
        (engine.process.log)(3, &format!("Saving the ACL file {path}: {}", system_reason(&why)));
        return Err(Error::Text(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    call.reply.ok();
    Ok(())
}

fn path(engine: &Engine) -> Result<String, Error> {
    let path = engine.config.text(Param::AclFile);
    if path.is_empty() {
        return Err(Error::Text(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store users in the Redis configuration.",
        ));
    }
    Ok(path)
}

/// Puts the file's users in the place of all others; returns those whose connections must end.
fn read(engine: &Engine, path: &str) -> Result<Vec<Arc<User>>, String> {
    let text = (engine.process.read_file)(path)
        .map_err(|why| format!("Error loading ACLs, opening file '{path}': {}", system_reason(&why)))?;
    let loaded = parse(surroundings(engine), path, &text)?;
    Ok(engine.acl.replace_all(&engine.commands, loaded))
}

/// The users of a file, by line.
fn parse(around: Surroundings<'_>, path: &str, text: &[u8]) -> Result<Vec<(Vec<u8>, Rights)>, String> {
    let mut users: Vec<(Vec<u8>, Rights)> = Vec::new();
    let mut errors = String::new();
    for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').map(<[u8]>::trim_ascii).collect();
        let [b"user", name, rules @ ..] = &*words else {
            let why = "should start with user keyword followed by the username";
            errors += &format!("{path}:{} {why}. ", at + 1);
            continue;
        };
        if users.iter().any(|(known, _)| known == name) {
            let name = String::from_utf8_lossy(name);
            errors += &format!("WARNING: Duplicate user '{name}' found on line {}. ", at + 1);
            continue;
        }
        match parse_rules(around, rules, &format!("{path}:{}", at + 1)) {
            Ok(rights) => users.push((name.to_vec(), rights)),
            Err(why) => errors += &why,
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    Err(errors + "WARNING: ACL errors detected, no change to the previously active ACL rules was performed")
}

/// One line's rules; every unknown command is told, and the first other error.
fn parse_rules(around: Surroundings<'_>, rules: &[&[u8]], place: &str) -> Result<Rights, String> {
    let merged =
        merge(rules).map_err(|_| format!("{place}: Unmatched parenthesis in selector definition. "))?;
    let (mut rights, mut errors, mut told) = (Rights::new(around), String::new(), false);
    for rule in merged {
        match rights.apply(around, &rule) {
            Ok(()) => {}
            Err(why @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(&rule);
                errors += &format!("{place}: Error in applying operation '{rule}': {}. ", why.text());
            }
            Err(why) if !told => {
                told = true;
                errors += &format!("{place}: {}. ", why.text());
            }
            Err(_) => {}
        }
    }
    rights.settle(around.table);
    if errors.is_empty() { Ok(rights) } else { Err(errors) }
}

impl Acl {
    /// Puts these users in the place of all others but the default user, who is reset unless it is one of them. Returns
    /// those that are gone.
    fn replace_all(&self, table: &CommandTable, loaded: Vec<(Vec<u8>, Rights)>) -> Vec<Arc<User>> {
        let mut users = self.users.write();
        let names: Vec<_> = users.keys().filter(|name| ***name != *DEFAULT).cloned().collect();
        let gone = names.iter().filter_map(|name| self.remove(&mut users, name)).collect();
        let mut default = Rights::everything(table);
        let mut others = Users::new();
        for (name, rights) in loaded {
            if name == DEFAULT {
                default = rights;
            } else {
                others.insert(name.as_slice().into(), User::new(&name, rights));
            }
        }
        self.replace(&self.default, default);
        users.append(&mut others);
        gone
    }
}

/// The `user` lines of a configuration file.
#[derive(Default)]
pub struct ConfiguredUsers {
    users: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl ConfiguredUsers {
    /// Adds one: its name and its rules.
    ///
    /// # Errors
    /// What is wrong with it, as the configuration file's reader says it.
    pub fn add(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        let [name, rules @ ..] = words else {
            return Err("Bad directive or wrong number of arguments".to_owned());
        };
        let refuse = |word: &[u8], why: &str| {
            Err(format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(word)))
        };
        if has_blanks(name) {
            return refuse(name, "Usernames can't contain spaces or null characters");
        }
        if self.users.iter().any(|(known, _)| known == name) {
            let why = "Duplicate user found. A user can only be defined once in config files";
            return refuse(name, why);
        }
        let rules: Vec<&[u8]> = rules.iter().map(|rule| &**rule).collect();
        let rules = match merge(&rules) {
            Ok(rules) => rules,
            Err(word) => return refuse(word, "Unmatched parenthesis in selector definition"),
        };
        let table = CommandTable::new();
        let around = Surroundings { table: &table, all_channels: false };
        if let Err((rule, why)) = Rights::new(around).changed(around, &rules) {
            return refuse(rule, why.text());
        }
        self.users.push((name.clone(), rules));
        Ok(())
    }
}

impl Engine {
    /// Has the users that the configuration names, in its own lines or in `aclfile`. To be called before anybody
    /// connects.
    ///
    /// # Errors
    /// If both name users, or the file can't be read or is wrong.
    pub fn load_users(&self, configured: &ConfiguredUsers) -> Result<(), String> {
        let path = self.config.text(Param::AclFile);
        if !path.is_empty() && !configured.users.is_empty() {
            return Err("Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is very likely to lead to configuration errors and security holes, please define either an ACL file or declare users directly in your redis.conf, but not both.".to_owned());
        }
        if !path.is_empty() {
            read(self, &path)
                .map_err(|why| format!("Aborting Redis startup because of ACL errors: {why}"))?;
        }
        for (name, rules) in &configured.users {
            let around = surroundings(self);
            let changed = if name == DEFAULT {
                // The line says all of it.
                let rights = Rights::new(around).changed(around, rules);
                rights.map(|rights| self.acl.replace(self.acl.default_user(), rights))
            } else {
                self.acl.set_user(around, name, rules).map(|_| ())
            };
            changed.map_err(|(rule, why)| {
                let (rule, name) = (String::from_utf8_lossy(rule), String::from_utf8_lossy(name));
                format!("Error loading ACL rule '{rule}' for the user named '{name}': {}", why.text())
            })?;
        }
        for user in self.acl.all().iter().filter(|user| !user.rights().on) {
            let name = String::from_utf8_lossy(&user.name);
            let why = "is disabled (there is no 'on' modifier in the user description). Make sure this is not a configuration error.";
            (self.process.log)(2, &format!("The user '{name}' {why}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&[&str], &str>) {
        const TAIL: &str =
            "WARNING: ACL errors detected, no change to the previously active ACL rules was performed";
        let table = CommandTable::new();
        let around = Surroundings { table: &table, all_channels: false };
        let parsed = parse(around, "f", text.as_bytes()).map(|users| {
            let lines = users.iter().map(|(name, rights)| rights.line(name));
            lines.map(|line| String::from_utf8(line).unwrap()).collect::<Vec<_>>()
        });
        let expected = expected.map(|lines| lines.iter().map(|&line| line.to_owned()).collect());
        assert_eq!(parsed, expected.map_err(|why| format!("{why}{TAIL}")));
    }

    #[test]
    fn what_is_wrong_with_a_file() {
        check(
            "user a on\n\n  user b off (+get ~x)\r\n",
            Ok(&[
                "user a on resetchannels -@all",
                "user b off resetchannels -@all (~x resetchannels -@all +get)",
            ]),
        );
        check("user a on\nuser a off\n", Err("WARNING: Duplicate user 'a' found on line 2. "));
        check(
            "user a on foo bar\nuser b +foo\n",
            Err(
                "f:1: Syntax error. f:2: Error in applying operation '+foo': Unknown command or category name in ACL. ",
            ),
        );
        let no_user = Err("f:1 should start with user keyword followed by the username. ");
        check("foo\n", no_user);
        check("user\n", no_user);
        check("# comment\n", no_user);
        check("user a (+get\n", Err("f:1: Unmatched parenthesis in selector definition. "));
        check("user   a on\n", Err("f:1: Syntax error. "));
        check("user a  on \n", Ok(&["user a on resetchannels -@all"]));
    }
}
