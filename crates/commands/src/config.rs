//! Configuration parameters: one table of names, kinds and defaults; values read without locks where they are hot.

mod parameters;
mod rewrite;
mod values;

pub use parameters::{Change, PARAMETERS, Param, Parameter};
pub(crate) use values::memory;
pub use values::{Kind, SetError};

use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

use crate::engine::Engine;

/// The values in force.
pub struct Config {
    /// Numbers, truth values (0, 1), choices (their position), event classes (their bits).
    numbers: Box<[AtomicI64]>,
    texts: RwLock<Box<[String]>>,
    observers: RwLock<Vec<Observer>>,
}

/// Hears of parameters, by their place in the table, that CONFIG SET has changed.
type Observer = Box<dyn Fn(&Config, usize) + Send + Sync>;

impl Default for Config {
    fn default() -> Self {
        let config = Config {
            numbers: PARAMETERS.iter().map(|_| AtomicI64::new(0)).collect(),
            texts: RwLock::new(PARAMETERS.iter().map(|_| String::new()).collect()),
            observers: RwLock::default(),
        };
        for (at, parameter) in PARAMETERS.iter().enumerate() {
            config.set(at, &[parameter.default]).expect("defaults are valid: see the tests");
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

    /// Whether a switch that knows `local` lets a client do something, which is `local` or not.
    pub fn allows(&self, switch: Param, local: bool) -> bool {
        match self.show(switch as usize).as_str() {
            "yes" => true,
            "local" => local,
            _ => false,
        }
    }

    /// A text.
    pub fn text(&self, param: Param) -> String {
        self.texts.read()[param as usize].clone()
    }

    /// The value as CONFIG GET prints it.
    pub fn show(&self, at: usize) -> String {
        values::show(&PARAMETERS[at], self.numbers[at].load(Ordering::Relaxed), &self.texts.read()[at])
    }

    /// Sets a parameter from words, without telling the engine.
    ///
    /// # Errors
    /// Why the words are no value for it.
    pub fn set(&self, at: usize, words: &[&str]) -> Result<(), SetError> {
        self.set_all(&[(at, words)]).map_err(|(_, why)| why)
    }

    /// Sets several parameters, or none: in case of an error, which of them is wrong and why.
    pub(crate) fn set_all(&self, settings: &[(usize, &[&str])]) -> Result<(), (usize, SetError)> {
        let mut parsed = Vec::with_capacity(settings.len());
        for (position, &(at, words)) in settings.iter().enumerate() {
            let current = self.texts.read()[at].clone();
            let value = values::parse(&PARAMETERS[at], words, &current).map_err(|why| (position, why))?;
            parsed.push((at, value));
        }
        for (at, value) in parsed {
            match value {
                values::Value::Number(number) => self.numbers[at].store(number, Ordering::Relaxed),
                values::Value::Text(text) => self.texts.write()[at] = text,
            }
        }
        Ok(())
    }

    /// The parameters that were given another value than the default though nothing follows from it yet: to be warned
    /// of at the start.
    pub fn inert_in_use(&self) -> Vec<&'static str> {
        let defaults = Config::default();
        let changed = |at: usize| PARAMETERS[at].inert && self.show(at) != defaults.show(at);
        (0..PARAMETERS.len()).filter(|&at| changed(at)).map(|at| PARAMETERS[at].name).collect()
    }

    /// Has `observer` told of every parameter that CONFIG SET changes from now on, after the change.
    pub fn observe(&self, observer: impl Fn(&Config, usize) + Send + Sync + 'static) {
        self.observers.write().push(Box::new(observer));
    }

    /// Tells the observers that these parameters have changed.
    pub(crate) fn tell(&self, changed: impl Iterator<Item = usize>) {
        let observers = self.observers.read();
        changed.for_each(|at| observers.iter().for_each(|observer| observer(self, at)));
    }

    /// Carries values to where the engine keeps copies of them.
    pub(crate) fn apply_to(&self, engine: &Engine) {
        engine.clients.output_limits.set(&self.text(Param::ClientOutputBufferLimit));
        engine.keyspace.keep_expired(self.is_on(Param::ImportMode));
        engine.keyspace.set_lfu(perigee_keyspace::Lfu {
            log_factor: self.number(Param::LfuLogFactor) as u32,
            decay_minutes: self.number(Param::LfuDecayTime) as u32,
        });
        let size = |param| usize::try_from(self.number(param)).unwrap_or(0);
        engine.keyspace.set_limits(perigee_keyspace::Limits {
            hash_max_listpack_entries: size(Param::HashMaxListpackEntries),
            hash_max_listpack_value: size(Param::HashMaxListpackValue),
            set_max_intset_entries: size(Param::SetMaxIntsetEntries),
            zset_max_listpack_entries: size(Param::ZsetMaxListpackEntries),
            zset_max_listpack_value: size(Param::ZsetMaxListpackValue),
            stream_node_max_bytes: size(Param::StreamNodeMaxBytes),
            stream_node_max_entries: size(Param::StreamNodeMaxEntries),
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
        assert!(config.inert_in_use().is_empty());
    }

    /// What `CONFIG GET *` of redis-server 7.0.15 prints without a configuration file.
    const OF_REDIS: &str = include_str!("../tests/config_get.txt");

    /// Ours differ, and why: COMPAT.md.
    const DIFFERENT: &[&str] = &["io-threads"];

    #[test]
    fn redis_knows_the_same_names_and_defaults() {
        let config = Config::default();
        for line in OF_REDIS.lines() {
            let (name, value) = line.split_once(' ').unwrap();
            let at = find(name).unwrap_or_else(|| panic!("{name} is missing"));
            assert!(DIFFERENT.contains(&name) || config.show(at) == value, "{name} {}", config.show(at));
        }
    }

    #[test]
    fn all_or_nothing() {
        let config = Config::default();
        let (hz, clients) = (Param::Hz as usize, Param::MaxClients as usize);
        let refused = config.set_all(&[(hz, &["20"]), (clients, &["none"])]);
        assert_eq!(refused.unwrap_err().0, 1);
        assert_eq!(config.number(Param::Hz), 10);
        config.set_all(&[(hz, &["20"]), (clients, &["30"])]).unwrap();
        assert_eq!((config.number(Param::Hz), config.number(Param::MaxClients)), (20, 30));
    }

    #[test]
    fn what_has_no_effect_is_named() {
        let config = Config::default();
        config.set(Param::Save as usize, &[""]).unwrap();
        config.set(Param::Hz as usize, &["20"]).unwrap();
        assert_eq!(config.inert_in_use(), ["save"]);
    }

    #[test]
    fn compat_md_names_what_has_no_effect() {
        let page = include_str!("../../../COMPAT.md");
        let (_, section) = page.split_once("| Area | Parameters |\n").unwrap();
        let mut told: Vec<_> = section.split('`').skip(1).step_by(2).collect();
        let mut inert: Vec<_> =
            PARAMETERS.iter().filter(|parameter| parameter.inert).map(|parameter| parameter.name).collect();
        told.sort_unstable();
        inert.sort_unstable();
        assert_eq!(told, inert);
    }
}
