//! Configuration parameters: one table of names, kinds and defaults; values read without locks where they are hot.

mod values;

pub use values::{Kind, SetError};

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::engine::Engine;

/// A parameter's name, its Redis aliases, kind, default, and whether CONFIG SET may change it.
pub struct Parameter {
    /// As CONFIG GET prints it.
    pub name: &'static str,
    /// Another name that is accepted and also shown, empty for none.
    pub alias: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// As it is written in a configuration file.
    pub default: &'static str,
    /// Whether it can change while the server runs.
    pub mutable: bool,
}

macro_rules! parameters {
    ($($variant:ident $name:literal $(| $alias:literal)?, $kind:expr, $default:literal, $mutable:ident;)*) => {
        /// A configuration parameter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        #[allow(missing_docs)]
        pub enum Param { $($variant,)* }

        /// Every parameter, in the order of [`Param`].
        pub static PARAMETERS: &[Parameter] = &[
            $(Parameter {
                name: $name,
                alias: parameters!(@alias $($alias)?),
                kind: $kind,
                default: $default,
                mutable: parameters!(@mutable $mutable),
            },)*
        ];
    };
    (@alias) => { "" };
    (@alias $alias:literal) => { $alias };
    (@mutable mutable) => { true };
    (@mutable fixed) => { false };
}

const MAX: i64 = i64::MAX;

parameters! {
    // Network.
    Bind "bind", Kind::List, "* -::*", fixed;
    Port "port", Kind::Number { min: 0, max: 65535 }, "6379", fixed;
    ProtectedMode "protected-mode", Kind::Bool, "yes", mutable;
    TcpBacklog "tcp-backlog", Kind::Number { min: 0, max: i32::MAX as i64 }, "511", fixed;
    UnixSocket "unixsocket", Kind::Text, "", fixed;
    UnixSocketPerm "unixsocketperm", Kind::Octal, "0", fixed;
    Timeout "timeout", Kind::Number { min: 0, max: i32::MAX as i64 }, "0", mutable;
    TcpKeepalive "tcp-keepalive", Kind::Number { min: 0, max: i32::MAX as i64 }, "300", mutable;
    MaxClients "maxclients", Kind::Number { min: 1, max: u32::MAX as i64 }, "10000", mutable;
    IoThreads "io-threads", Kind::Number { min: 0, max: 128 }, "0", fixed;
    ProtoMaxBulkLen "proto-max-bulk-len", Kind::Memory { min: 1024 * 1024, max: MAX }, "512mb", mutable;
    ClientQueryBufferLimit "client-query-buffer-limit", Kind::Memory { min: 1024 * 1024, max: MAX }, "1gb", mutable;
    ClientOutputBufferLimit "client-output-buffer-limit", Kind::OutputLimits,
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", mutable;
    // General.
    Databases "databases", Kind::Number { min: 1, max: 16384 }, "16", fixed;
    RequirePass "requirepass", Kind::Secret, "", mutable;
    LogLevel "loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning", "nothing"]), "notice", mutable;
    LogFile "logfile", Kind::Text, "", fixed;
    Dir "dir", Kind::Text, ".", mutable;
    PidFile "pidfile", Kind::Text, "", fixed;
    Daemonize "daemonize", Kind::Bool, "no", fixed;
    Hz "hz", Kind::Number { min: 1, max: 500 }, "10", mutable;
    EnableDebugCommand "enable-debug-command", Kind::Choice(&["no", "yes", "local"]), "no", fixed;
    NotifyKeyspaceEvents "notify-keyspace-events", Kind::Events, "", mutable;
    // Scripts.
    BusyReplyThreshold "busy-reply-threshold" | "lua-time-limit", Kind::Number { min: 0, max: MAX }, "5000", mutable;
    BusyReplyScope "busy-reply-scope", Kind::Choice(&["keys", "server"]), "keys", mutable;
    ScriptMemoryLimit "script-memory-limit", Kind::Memory { min: 0, max: MAX }, "1gb", mutable;
    ScriptAtomicity "script-atomicity", Kind::Bool, "no", mutable;
    ScriptDeterministic "script-deterministic", Kind::Bool, "no", mutable;
    RedisStrict "redis-strict", Kind::Bool, "no", mutable;
    // The slow log.
    SlowlogLogSlowerThan "slowlog-log-slower-than", Kind::Number { min: -1, max: MAX }, "10000", mutable;
    SlowlogMaxLen "slowlog-max-len", Kind::Number { min: 0, max: MAX }, "128", mutable;
    // Encodings.
    HashMaxListpackEntries "hash-max-listpack-entries" | "hash-max-ziplist-entries", Kind::Number { min: 0, max: MAX }, "512", mutable;
    HashMaxListpackValue "hash-max-listpack-value" | "hash-max-ziplist-value", Kind::Memory { min: 0, max: MAX }, "64", mutable;
    ListMaxListpackSize "list-max-listpack-size" | "list-max-ziplist-size", Kind::Number { min: i32::MIN as i64, max: i32::MAX as i64 }, "-2", mutable;
    ListCompressDepth "list-compress-depth", Kind::Number { min: 0, max: i32::MAX as i64 }, "0", mutable;
    SetMaxIntsetEntries "set-max-intset-entries", Kind::Number { min: 0, max: MAX }, "512", mutable;
    ZsetMaxListpackEntries "zset-max-listpack-entries" | "zset-max-ziplist-entries", Kind::Number { min: 0, max: MAX }, "128", mutable;
    ZsetMaxListpackValue "zset-max-listpack-value" | "zset-max-ziplist-value", Kind::Memory { min: 0, max: MAX }, "64", mutable;
    // Persistence and replication: known to clients and tools that look at them.
    Save "save", Kind::Save, "3600 1 300 100 60 10000", mutable;
    AppendOnly "appendonly", Kind::Bool, "no", mutable;
    AppendFsync "appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec", mutable;
    DbFilename "dbfilename", Kind::Text, "dump.rdb", mutable;
    MaxMemory "maxmemory", Kind::Memory { min: 0, max: MAX }, "0", mutable;
    MaxMemoryPolicy "maxmemory-policy", Kind::Choice(&["noeviction", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random"]), "noeviction", mutable;
}

/// The values in force.
pub struct Config {
    /// Numbers, truth values (0, 1), choices (their position), event classes (their bits).
    numbers: Box<[AtomicI64]>,
    texts: RwLock<Box<[String]>>,
}

impl Default for Config {
    fn default() -> Self {
        let config = Config {
            numbers: PARAMETERS.iter().map(|_| AtomicI64::new(0)).collect(),
            texts: RwLock::new(PARAMETERS.iter().map(|_| String::new()).collect()),
        };
        for (at, parameter) in PARAMETERS.iter().enumerate() {
            let parsed = values::parse(parameter, &[parameter.default]);
            config.store(at, parsed.expect("defaults are valid: see the tests"));
        }
        config
    }
}

/// Where a parameter stands in the table.
pub fn find(name: &str) -> Option<usize> {
    PARAMETERS.iter().position(|parameter| {
        parameter.name.eq_ignore_ascii_case(name)
            || !parameter.alias.is_empty() && parameter.alias.eq_ignore_ascii_case(name)
    })
}

impl Config {
    /// A number, a truth value, a choice's position, or a set of event classes.
    #[inline]
    pub fn number(&self, param: Param) -> i64 {
        self.numbers[param as usize].load(Ordering::Relaxed)
    }

    /// Whether a truth value is set.
    #[inline]
    pub fn is_on(&self, param: Param) -> bool {
        self.number(param) != 0
    }

    /// A text.
    pub fn text(&self, param: Param) -> String {
        self.texts.read()[param as usize].clone()
    }

    /// The value as CONFIG GET prints it.
    pub fn show(&self, at: usize) -> String {
        values::show(&PARAMETERS[at], self.numbers[at].load(Ordering::Relaxed), &self.texts.read()[at])
    }

    /// Sets a parameter from words of a configuration file or of CONFIG SET, without telling the engine.
    ///
    /// # Errors
    /// Why the words are no value for it.
    pub fn set(&self, at: usize, words: &[&str]) -> Result<(), SetError> {
        self.store(at, values::parse(&PARAMETERS[at], words)?);
        Ok(())
    }

    fn store(&self, at: usize, value: values::Value) {
        match value {
            values::Value::Number(number) => self.numbers[at].store(number, Ordering::Relaxed),
            values::Value::Text(text) => self.texts.write()[at] = text,
        }
    }

    /// Carries values to where the engine keeps copies of them.
    pub(crate) fn apply_to(&self, engine: &Engine) {
        let size = |param| usize::try_from(self.number(param)).unwrap_or(0);
        engine.keyspace.set_limits(perigee_keyspace::Limits {
            hash_max_listpack_entries: size(Param::HashMaxListpackEntries),
            hash_max_listpack_value: size(Param::HashMaxListpackValue),
            set_max_intset_entries: size(Param::SetMaxIntsetEntries),
            zset_max_listpack_entries: size(Param::ZsetMaxListpackEntries),
            zset_max_listpack_value: size(Param::ZsetMaxListpackValue),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_defaults_valid() {
        let config = Config::default();
        let mut seen = std::collections::HashSet::new();
        for (at, parameter) in PARAMETERS.iter().enumerate() {
            assert!(seen.insert(parameter.name), "{} twice", parameter.name);
            assert!(parameter.alias.is_empty() || seen.insert(parameter.alias), "{} twice", parameter.alias);
            config.show(at);
        }
    }
}
