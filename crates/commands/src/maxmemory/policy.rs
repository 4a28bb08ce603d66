//! `maxmemory-policy`: which keys may go, and which of them go first.

use perigee_keyspace::{Entry, Lfu};

use crate::config::{Config, Param};

/// A policy that evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Only keys that have a deadline may go.
    pub(crate) volatile: bool,
    /// Which of them go first.
    pub(crate) order: Order,
}

/// Which keys go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Those not used for longest.
    Lru,
    /// Those used least often.
    Lfu,
    /// Any.
    Random,
    /// Those that will expire soonest.
    Ttl,
}

/// In the order of the parameter's words; the last one is `noeviction`.
const POLICIES: [Policy; 7] = [
    Policy { volatile: true, order: Order::Lru },
    Policy { volatile: true, order: Order::Lfu },
    Policy { volatile: true, order: Order::Random },
    Policy { volatile: true, order: Order::Ttl },
    Policy { volatile: false, order: Order::Lru },
    Policy { volatile: false, order: Order::Lfu },
    Policy { volatile: false, order: Order::Random },
];

impl Policy {
    /// The policy in force; `None` if nothing is evicted.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        POLICIES.get(config.number(Param::MaxMemoryPolicy) as usize).copied()
    }

    /// Whether the policy in force needs the uses of keys counted.
    #[inline]
    pub(crate) fn counts_accesses(config: &Config) -> bool {
        matches!(config.number(Param::MaxMemoryPolicy), 1 | 5)
    }

    /// Whether keys have uses of their own even where they hold the same small integer, which is otherwise one object in
    /// Redis.
    pub(crate) fn tells_integers_apart(config: &Config) -> bool {
        let by_use = Self::of(config).is_some_and(|policy| matches!(policy.order, Order::Lru | Order::Lfu));
        by_use && config.is_on(Param::MaxMemory)
    }

    /// How well the key may go: the highest goes first.
    pub(super) fn score(self, entry: &Entry, now_ms: u64, lfu: Lfu) -> u64 {
        match self.order {
            Order::Lru => u64::from(entry.idle_s(now_ms)),
            Order::Lfu => 255 - u64::from(entry.frequency(now_ms, lfu)),
            Order::Random => 0,
            Order::Ttl => u64::MAX - entry.deadline().unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_mean_what_they_say() {
        let config = Config::default();
        assert_eq!(Policy::of(&config), None);
        for (word, volatile, order) in [
            ("allkeys-lru", false, Order::Lru),
            ("allkeys-lfu", false, Order::Lfu),
            ("allkeys-random", false, Order::Random),
            ("volatile-lru", true, Order::Lru),
            ("volatile-lfu", true, Order::Lfu),
            ("volatile-random", true, Order::Random),
            ("volatile-ttl", true, Order::Ttl),
        ] {
            config.set(Param::MaxMemoryPolicy as usize, &[word]).unwrap();
            assert_eq!(Policy::of(&config), Some(Policy { volatile, order }), "{word}");
            assert_eq!(Policy::counts_accesses(&config), order == Order::Lfu, "{word}");
        }
    }
}
