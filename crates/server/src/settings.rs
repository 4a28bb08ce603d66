//! Directives become a configuration.

use perigee_commands::config::{self, Config};
use perigee_commands::{CommandTable, ConfiguredUsers, RenameError};

use crate::config_file::{BAD_DIRECTIVE, ConfigError, Directive};

/// What the directives say.
pub(crate) struct Settings {
    /// Parameters.
    pub(crate) config: Config,
    /// Commands with their new names, in order; an empty one removes the command.
    pub(crate) renamed: Vec<(Vec<u8>, Vec<u8>)>,
    /// What `user` lines say.
    pub(crate) users: ConfiguredUsers,
}

/// Commands of Redis that are not here yet; configuration files may rename them all the same.
const ABSENT: &[&str] = &[
    "bgrewriteaof",
    "bgsave",
    "failover",
    "migrate",
    "psync",
    "replconf",
    "replicaof",
    "save",
    "slaveof",
    "sync",
];

/// Directives of older versions that Redis too reads over: a name and a value.
const OBSOLETE: &[&str] = &["list-max-ziplist-entries", "list-max-ziplist-value", "lua-replicate-commands"];

/// Reads directives in their order; a later one replaces an earlier one, except that `save` lines add up.
pub(crate) fn read(directives: &[Directive]) -> Result<Settings, ConfigError> {
    let mut settings =
        Settings { config: Config::default(), renamed: Vec::new(), users: ConfiguredUsers::default() };
    let (mut save, mut commands): (Vec<String>, _) = (Vec::new(), None);
    for directive in directives {
        if OBSOLETE.contains(&directive.name.as_str()) && directive.args.len() == 1 {
            continue;
        }
        if directive.name == "rename-command" {
            let [from, to] = &*directive.args else {
                return Err(directive.origin.refuse(BAD_DIRECTIVE));
            };
            let table = commands.get_or_insert_with(CommandTable::default);
            let is_absent = ABSENT.iter().any(|name| from.eq_ignore_ascii_case(name.as_bytes()));
            match table.rename(from, to) {
                Err(RenameError::NoCommand) if is_absent => {}
                renamed => renamed.map_err(|why| directive.origin.refuse(why.text()))?,
            }
            settings.renamed.push((from.clone(), to.clone()));
            continue;
        }
        if directive.name == "user" {
            settings.users.add(&directive.args).map_err(|why| directive.origin.refuse(why))?;
            continue;
        }
        let Some(at) = config::find(&directive.name) else {
            return Err(directive.origin.refuse(BAD_DIRECTIVE));
        };
        let mut words: Vec<String> =
            directive.args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        if directive.name == "save" {
            if words.iter().all(|word| word.is_empty()) {
                save.clear();
            } else {
                save.append(&mut words);
            }
            words.clone_from(&save);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        settings.config.set(at, &words).map_err(|error| directive.origin.refuse(error.0))?;
    }
    Ok(settings)
}
