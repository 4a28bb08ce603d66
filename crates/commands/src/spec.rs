//! What is known of a command before it runs: the one entry from which the gate, the locks, COMMAND and the documents
//! derive.

use perigee_keyspace::{Footprint, Keyspace};

use crate::call::Call;
use crate::error::Error;

/// Runs a command whose arity and rights were checked. It answers exactly once, or returns the error to answer.
pub(crate) type Handler = fn(&mut Call<'_, '_>) -> Result<(), Error>;

/// One command. Built by `command` and the methods below, in a `const` beside its handler.
#[derive(Clone, Copy)]
pub struct Command {
    /// Lower case; a subcommand's own word.
    pub name: &'static str,
    /// The full name of a subcommand's parent with `|`, as in `config|get`; the name itself otherwise.
    pub full_name: &'static str,
    /// What runs it; a container without a handler of its own has `no_handler`.
    pub handler: Handler,
    /// The number of arguments with the name itself; negative: at least so many.
    pub arity: i8,
    /// Properties, as COMMAND INFO shows them.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: Keys,
    /// What it locks beyond its keys.
    pub scope: Scope,
    /// ACL categories beyond those that follow from flags and group.
    pub categories: Categories,
    /// The group that it is documented in.
    pub group: Group,
    /// The Redis version that introduced it.
    pub since: &'static str,
    /// One line for COMMAND DOCS and HELP.
    pub summary: &'static str,
    /// Its cost, for COMMAND DOCS.
    pub complexity: &'static str,
    /// The grammar of its arguments, as `syntax.rs` tells it.
    pub syntax: &'static str,
    /// What later versions changed, with their numbers.
    pub history: &'static [(&'static str, &'static str)],
    /// Since when it is out of favour, and what took its place.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// For the server's own use and for tests.
    pub internal: bool,
    /// Subcommands, of a container.
    pub subcommands: &'static [Command],
}

/// Starts an entry: name, arity, handler.
pub(crate) const fn command(name: &'static str, arity: i8, handler: Handler) -> Command {
    Command {
        name,
        full_name: name,
        handler,
        arity,
        flags: Flags(0),
        keys: Keys::None,
        scope: Scope::Keys,
        categories: Categories(0),
        group: Group::Generic,
        since: "1.0.0",
        summary: "",
        complexity: "",
        syntax: "",
        history: &[],
        deprecated: None,
        internal: false,
        subcommands: &[],
    }
}

/// Starts a container's entry: it has subcommands and does nothing itself.
pub(crate) const fn container(name: &'static str, subcommands: &'static [Command]) -> Command {
    let mut entry = command(name, -2, no_handler);
    entry.subcommands = subcommands;
    entry
}

/// The handler of a container; the gate never calls it.
pub(crate) fn no_handler(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(Error::Syntax)
}

impl Command {
    /// The full name of a subcommand: `container|name`.
    pub const fn full(mut self, full_name: &'static str) -> Self {
        self.full_name = full_name;
        self
    }
    /// Adds flags.
    pub const fn flags(mut self, flags: Flags) -> Self {
        self.flags = Flags(self.flags.0 | flags.0);
        self
    }
    /// Says where the keys are.
    pub const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }
    /// Says what it locks beyond its keys.
    pub const fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }
    /// Adds ACL categories.
    pub const fn acl(mut self, categories: Categories) -> Self {
        self.categories = Categories(self.categories.0 | categories.0);
        self
    }
    /// Group, version and documentation.
    pub const fn docs(
        mut self,
        group: Group,
        since: &'static str,
        complexity: &'static str,
        summary: &'static str,
    ) -> Self {
        self.group = group;
        self.since = since;
        self.complexity = complexity;
        self.summary = summary;
        self
    }
    /// The grammar of the arguments; `syntax.rs` tells how it is written.
    pub const fn syntax(mut self, syntax: &'static str) -> Self {
        self.syntax = syntax;
        self
    }
    /// What later versions changed.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Self {
        self.history = history;
        self
    }
    /// Since when it is out of favour, and what took its place.
    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Self {
        self.deprecated = Some((since, replaced_by));
        self
    }
    /// For the server's own use and for tests.
    pub const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Whether a request of `len` arguments, its name included, fits.
    #[inline]
    pub fn accepts(&self, len: usize) -> bool {
        if self.arity >= 0 { len == self.arity as usize } else { len >= self.arity.unsigned_abs() as usize }
    }

    /// Whether it has the flag.
    #[inline]
    pub const fn has(&self, flag: Flags) -> bool {
        self.flags.0 & flag.0 != 0
    }

    /// Its ACL categories: those that are named and those that follow from its flags.
    pub fn acl_categories(&self) -> Categories {
        let follow = [
            (Flags::WRITE, Categories::WRITE),
            (Flags::ADMIN, Categories::ADMIN.or(Categories::DANGEROUS)),
            (Flags::PUBSUB, Categories::PUBSUB),
            (Flags::FAST, Categories::FAST),
            (Flags::BLOCKING, Categories::BLOCKING),
        ];
        let following = follow.into_iter().filter(|(flag, _)| self.has(*flag)).map(|(_, category)| category);
        let mut categories = following.fold(self.categories, Categories::or);
        // A script that only reads is a script all the same.
        if self.has(Flags::READONLY) && self.categories.0 & Categories::SCRIPTING.0 == 0 {
            categories = categories | Categories::READ;
        }
        if self.has(Flags::FAST) { categories } else { categories | Categories::SLOW }
    }

    /// The shards that a request must hold.
    #[inline(always)]
    pub fn footprint(&self, keyspace: &Keyspace, args: &[&[u8]]) -> Footprint {
        match self.only_key(args) {
            Some(key) => Footprint::One(keyspace.shard_of(key)),
            None => self.any_footprint(keyspace, args),
        }
    }

    /// The key of a request that can have no other, and locks nothing else.
    #[inline(always)]
    pub(crate) fn only_key<'a>(&self, args: &[&'a [u8]]) -> Option<&'a [u8]> {
        match (self.scope, self.keys) {
            (Scope::Keys, Keys::Range { first, last: 0, .. }) => args.get(first as usize).copied(),
            _ => None,
        }
    }

    #[inline(never)]
    fn any_footprint(&self, keyspace: &Keyspace, args: &[&[u8]]) -> Footprint {
        match self.scope {
            Scope::All => return Footprint::All,
            Scope::AllIf(condition) if condition(args) => return Footprint::All,
            Scope::Keys | Scope::AllIf(_) | Scope::Queued => {}
        }
        let mut footprint = Footprint::None;
        self.for_each_key(args, |at| footprint.add(keyspace.shard_of(args[at])));
        footprint
    }

    /// Calls `visit` with the position of every key among the arguments.
    pub fn for_each_key(&self, args: &[&[u8]], mut visit: impl FnMut(usize)) {
        match self.keys {
            Keys::None => {}
            Keys::Range { first, last, step } => {
                let first = first as usize;
                let end = match last {
                    0.. => (first + last as usize).min(args.len().saturating_sub(1)),
                    _ => (args.len() as isize + last as isize).max(0) as usize,
                };
                (first..=end).step_by(step as usize).filter(|&at| at < args.len()).for_each(visit);
            }
            Keys::Counted { destination, count } => {
                if destination > 0 {
                    visit(destination as usize);
                }
                let Some(number) = args.get(count as usize) else { return };
                let Ok(number) = usize::try_from(number_of_keys(number)) else { return };
                let first = count as usize + 1;
                (first..first.saturating_add(number).min(args.len())).for_each(visit);
            }
            Keys::Custom(find) => find(args).into_iter().for_each(visit),
        }
    }
}

/// A number of keys as Redis reads it to find them, which is how C's `atoi` does. The command refuses a malformed one, but those who may
/// not use the keys that it begins to count are told so first.
pub(crate) fn number_of_keys(text: &[u8]) -> i32 {
    let text = &text[text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count()..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let add = |number: i64, byte: &u8| {
        let digit = i64::from(byte - b'0');
        let number = number.saturating_mul(10);
        if negative { number.saturating_sub(digit) } else { number.saturating_add(digit) }
    };
    digits.fold(0, add) as i32
}

/// Where a command's keys are among its arguments.
#[derive(Clone, Copy)]
pub enum Keys {
    /// It has none.
    None,
    /// From `first`; `last` is relative to it, or, when negative, counts from the end.
    Range {
        /// Position of the first key.
        first: u8,
        /// How many positions further the last key is; negative: from the end of the request (-1 is the last).
        last: i8,
        /// Distance between keys.
        step: u8,
    },
    /// A number of keys, then the keys.
    Counted {
        /// Position of a destination key, 0 for none.
        destination: u8,
        /// Position of the number.
        count: u8,
    },
    /// Found by a function: positions, without repetition. Malformed requests give what can be found.
    Custom(fn(&[&[u8]]) -> Vec<usize>),
}

impl Keys {
    /// One key at a position.
    pub const fn at(first: u8) -> Self {
        Keys::Range { first, last: 0, step: 1 }
    }
    /// Every argument from a position on.
    pub const fn from(first: u8) -> Self {
        Keys::Range { first, last: -1, step: 1 }
    }
    /// First, relative last, step, as in COMMAND INFO but for the relative last.
    pub const fn range(first: u8, last: i8, step: u8) -> Self {
        Keys::Range { first, last, step }
    }
    /// A count at a position, followed by the keys.
    pub const fn counted(count: u8) -> Self {
        Keys::Counted { destination: 0, count }
    }
}

/// What a command locks beyond its keys.
#[derive(Clone, Copy)]
pub enum Scope {
    /// Nothing.
    Keys,
    /// Every shard: it looks at the whole keyspace.
    All,
    /// Every shard, if the request says so.
    AllIf(fn(&[&[u8]]) -> bool),
    /// What the session watches and has queued: it ends MULTI or WATCH.
    Queued,
}

macro_rules! bits {
    ($(#[$outer:meta])* $name:ident: $($(#[$doc:meta])* $flag:ident $text:literal = $bit:literal,)*) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name(pub u32);
        impl $name {
            $($(#[$doc])* pub const $flag: $name = $name(1 << $bit);)*
            const NAMES: &'static [($name, &'static str)] = &[$(($name::$flag, $text)),*];

            /// Both.
            pub const fn or(self, other: $name) -> $name { $name(self.0 | other.0) }
            /// The names of the bits that are set, as Redis prints them.
            pub fn names(self) -> impl Iterator<Item = &'static str> {
                Self::NAMES.iter().filter(move |(flag, _)| self.0 & flag.0 != 0).map(|(_, name)| *name)
            }
        }
        impl std::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name { self.or(other) }
        }
    };
}

bits! {
    /// Properties of a command.
    Flags:
    /// Changes data.
    WRITE "write" = 0,
    /// Only reads data.
    READONLY "readonly" = 1,
    /// May grow memory: refused above maxmemory.
    DENYOOM "denyoom" = 2,
    /// For operators.
    ADMIN "admin" = 3,
    /// Publish and subscribe.
    PUBSUB "pubsub" = 4,
    /// Not from scripts.
    NOSCRIPT "noscript" = 5,
    /// May wait for data.
    BLOCKING "blocking" = 6,
    /// Runs while data is loading.
    LOADING "loading" = 7,
    /// Runs on a replica with old data.
    STALE "stale" = 8,
    /// Not shown to MONITOR.
    SKIP_MONITOR "skip_monitor" = 9,
    /// Not in the slow log.
    SKIP_SLOWLOG "skip_slowlog" = 10,
    /// O(1) or O(log n).
    FAST "fast" = 11,
    /// Runs without authentication.
    NO_AUTH "no_auth" = 12,
    /// May cause replication though it does not write.
    MAY_REPLICATE "may_replicate" = 13,
    /// Not inside MULTI.
    NO_MULTI "no_multi" = 14,
    /// Its keys depend on its arguments.
    MOVABLE_KEYS "movablekeys" = 15,
    /// Runs while a script is over its time limit.
    ALLOW_BUSY "allow_busy" = 16,
    /// Runs the deterministic mode's sorted reply in scripts.
    SORT_FOR_SCRIPT "sort_for_script" = 17,
    /// Runs asynchronously with respect to cluster slots.
    NO_ASYNC_LOADING "no_async_loading" = 18,
    /// Takes no keys though it looks as if (scripts).
    NO_MANDATORY_KEYS "no_mandatory_keys" = 19,
    /// Runs on a node of a cluster that receives the slot of its keys.
    ASKING "asking" = 20,
    /// Only where the configuration allows it.
    PROTECTED "protected" = 21,
}

bits! {
    /// ACL categories.
    Categories:
    /// Generic keys.
    KEYSPACE "keyspace" = 0,
    /// Reads.
    READ "read" = 1,
    /// Writes.
    WRITE "write" = 2,
    /// Sets.
    SET "set" = 3,
    /// Sorted sets.
    SORTEDSET "sortedset" = 4,
    /// Lists.
    LIST "list" = 5,
    /// Hashes.
    HASH "hash" = 6,
    /// Strings.
    STRING "string" = 7,
    /// Bitmaps.
    BITMAP "bitmap" = 8,
    /// HyperLogLog.
    HYPERLOGLOG "hyperloglog" = 9,
    /// Geography.
    GEO "geo" = 10,
    /// Streams.
    STREAM "stream" = 11,
    /// Publish and subscribe.
    PUBSUB "pubsub" = 12,
    /// For operators.
    ADMIN "admin" = 13,
    /// O(1) or O(log n).
    FAST "fast" = 14,
    /// Everything else.
    SLOW "slow" = 15,
    /// May wait.
    BLOCKING "blocking" = 16,
    /// Can do harm.
    DANGEROUS "dangerous" = 17,
    /// Connections.
    CONNECTION "connection" = 18,
    /// Transactions.
    TRANSACTION "transaction" = 19,
    /// Scripts and functions.
    SCRIPTING "scripting" = 20,
}

impl Categories {
    /// All names, in Redis's order.
    pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(_, name)| *name)
    }

    /// The category with this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let known = Self::NAMES.iter().find(|(_, known)| known.as_bytes().eq_ignore_ascii_case(name));
        known.map(|(category, _)| *category)
    }
}

/// Where a command is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the groups")]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    Pubsub,
    Transactions,
    Connection,
    Server,
    Scripting,
    Hyperloglog,
    Geo,
    Stream,
    Bitmap,
    Cluster,
    VectorSet,
}

impl Group {
    /// As COMMAND DOCS prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Generic => "generic",
            Group::String => "string",
            Group::List => "list",
            Group::Set => "set",
            Group::SortedSet => "sorted-set",
            Group::Hash => "hash",
            Group::Pubsub => "pubsub",
            Group::Transactions => "transactions",
            Group::Connection => "connection",
            Group::Server => "server",
            Group::Scripting => "scripting",
            Group::Hyperloglog => "hyperloglog",
            Group::Geo => "geo",
            Group::Stream => "stream",
            Group::Bitmap => "bitmap",
            Group::Cluster => "cluster",
            Group::VectorSet => "vector_set",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_keys_read_as_in_c() {
        for (text, expected) in [
            ("3", 3),
            (" \t\n\x0b\x0c\r+3x", 3),
            ("-2", -2),
            ("007.9", 7),
            ("", 0),
            ("+-1", 0),
            ("0x10", 0),
            ("4294967297", 1),
            ("-4294967295", 1),
            ("9223372036854775808", -1),
            ("-99999999999999999999", 0),
        ] {
            assert_eq!(number_of_keys(text.as_bytes()), expected, "{text:?}");
        }
    }
}
