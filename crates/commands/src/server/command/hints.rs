//! What COMMAND INFO says beyond the table: how a command treats its keys, and tips for clients of clusters.
//!
//! Only what differs from the rule is listed: a reading command's keys are `RO access`, any other's
//! `RW access update`. A command with two entries treats its first key, or its destination, as the first entry says.

use crate::spec::{Command, Flags, Keys};

/// How the command treats its keys.
pub(super) fn access(command: &Command) -> &'static [&'static str] {
    let listed = ACCESS.iter().find(|(_, names)| names.contains(&command.full_name));
    match listed {
        Some((access, _)) => access,
        None if command.has(Flags::READONLY) => &["RO access"],
        None => &["RW access update"],
    }
}

/// Where it says that its keys are. Channels of shards are shown as keys that are none, so that clients of clusters find
/// their slots.
pub(super) fn keys(command: &Command) -> Keys {
    match command.full_name {
        "spublish" => Keys::at(1),
        "ssubscribe" | "sunsubscribe" => Keys::from(1),
        _ => command.keys,
    }
}

/// The word that its keys follow, half of what is left, and from where on that word is looked for.
pub(super) fn keyword(command: &Command) -> Option<(&'static str, i64)> {
    match command.full_name {
        "xread" => Some(("STREAMS", 1)),
        "xreadgroup" => Some(("STREAMS", 4)),
        _ => None,
    }
}

/// From where on a destination is looked for, which follows the word STORE or STOREDIST.
pub(super) fn stores_from(command: &Command) -> Option<i64> {
    match command.full_name {
        "georadius" => Some(6),
        "georadiusbymember" => Some(5),
        _ => None,
    }
}

/// Where the number of its keys is, if each has a value behind it.
pub(super) fn counts_pairs_at(command: &Command) -> Option<i64> {
    (command.full_name == "msetex").then_some(1)
}

/// Its tips.
pub(super) fn tips(command: &Command) -> impl Iterator<Item = &'static str> {
    TIPS.iter().filter(|(_, names)| names.contains(&command.full_name)).map(|(tip, _)| *tip)
}

#[rustfmt::skip]
static ACCESS: &[(&[&str], &[&str])] = &[
    (&["RW insert"], &[
        "append", "hsetnx", "linsert", "lpush", "lpushx", "pfadd", "rpush", "rpushx", "sadd", "xgroup|create",
        "xgroup|createconsumer",
    ]),
    (&["RW access update variable_flags"], &["bitfield", "set"]),
    (&["OW update", "RO access"], &[
        "bitop", "geosearchstore", "sdiffstore", "sunionstore", "zdiffstore", "zinterstore", "zrangestore", "zunionstore",
    ]),
    (&["RW update", "RO access"], &["sinterstore"]),
    (&["RW access insert", "RO access"], &["pfmerge"]),
    (&["RW access delete", "RW insert"], &["blmove", "brpoplpush", "lmove", "rpoplpush", "smove"]),
    (&["RW access delete", "OW update"], &["rename"]),
    (&["RW access delete", "OW insert"], &["renamenx"]),
    (&["RO access", "OW update"], &["copy"]),
    (&["RO access", "RO access", "OW update"], &["sort"]),
    (&["RO access", "RO access"], &["sort_ro"]),
    (&["RO access", "OW update"], &["georadius", "georadiusbymember"]),
    (&["RW access delete"], &[
        "blmpop", "blpop", "brpop", "bzmpop", "bzpopmax", "bzpopmin", "getdel", "hgetdel", "lmpop", "lpop", "rpop", "spop", "zmpop",
        "zpopmax", "zpopmin",
    ]),
    (&["RM delete"], &["del", "delifeq", "unlink"]),
    (&["RO"], &[
        "exists", "hexists", "hlen", "hstrlen", "llen", "memory|usage", "object|encoding", "object|freq", "object|idletime",
        "object|refcount", "scard", "sismember", "strlen", "touch", "type", "vcard", "vismember", "watch", "xlen", "zcard",
    ]),
    (&["RW update"], &[
        "expire", "expireat", "geoadd", "vadd", "vsetattr", "hmset", "hset", "lset", "persist", "pexpire", "pexpireat", "setrange",
        "hexpire", "hexpireat", "hpersist", "hpexpire", "hpexpireat", "hsetex",
        "xack", "xadd", "xclaim", "xgroup|setid", "xsetid", "zadd",
    ]),
    (&["RW delete"], &[
        "hdel", "lrem", "ltrim", "srem", "vrem", "xackdel", "xautoclaim", "xdel", "xdelex", "xgroup|delconsumer",
        "xgroup|destroy", "xtrim", "zrem", "zremrangebylex", "zremrangebyrank", "zremrangebyscore",
    ]),
    (&["OW update"], &["mset", "msetex", "psetex", "restore", "restore-asking", "setex"]),
    (&["OW insert"], &["msetnx", "setnx"]),
    (&["RW access"], &["pfcount", "pfdebug"]),
    (&["RO access"], &["xreadgroup"]),
    (&["not_key"], &["spublish", "ssubscribe", "sunsubscribe"]),
];

#[rustfmt::skip]
static TIPS: &[(&str, &[&str])] = &[
    ("nondeterministic_output", &[
        "client|info", "client|list", "cluster|bumpepoch", "cluster|count-failure-reports", "cluster|getkeysinslot",
        "cluster|info", "cluster|links", "cluster|nodes", "cluster|replicas", "cluster|shards", "cluster|slaves",
        "cluster|myshardid", "cluster|slot-stats", "cluster|slots", "commandlog|get", "commandlog|len", "dump", "function|stats", "hpttl", "hrandfield", "hscan", "httl", "info", "lastsave",
        "latency|doctor", "latency|graph", "latency|histogram", "latency|history", "latency|latest",
        "memory|doctor", "memory|malloc-stats", "memory|stats", "object|encoding",
        "object|freq", "object|idletime", "object|refcount", "pttl", "randomkey", "scan", "slowlog|get", "slowlog|len",
        "spop", "srandmember", "sscan", "time", "ttl", "vlinks", "vrandmember", "xadd", "xautoclaim", "xclaim", "xinfo|consumers", "xpending", "xtrim", "zrandmember",
        "zscan",
    ]),
    ("nondeterministic_output_order", &[
        "command", "command|docs", "command|info", "command|list", "function|list", "hgetall", "hkeys", "hvals", "keys",
        "module|list",
        "sdiff", "sinter", "smembers", "sunion",
    ]),
    ("request_policy:multi_shard", &["del", "exists", "mget", "mset", "msetex", "msetnx", "touch", "unlink"]),
    ("request_policy:all_shards", &[
        "cluster|slot-stats", "dbsize", "flushall", "flushdb", "function|delete", "function|flush", "function|kill", "function|load",
        "function|restore", "function|stats", "info", "keys", "memory|doctor", "memory|malloc-stats", "memory|purge", "memory|stats", "ping", "randomkey", "script|exists",
        "script|kill", "wait", "waitaof",
    ]),
    ("request_policy:all_nodes", &[
        "latency|doctor", "latency|graph", "latency|histogram", "latency|history", "latency|latest", "latency|reset",
        "client|setinfo", "commandlog|get", "commandlog|len", "commandlog|reset", "config|set", "script|flush", "script|load", "slowlog|get", "slowlog|len", "slowlog|reset",
    ]),
    ("request_policy:special", &["scan"]),
    ("response_policy:agg_min", &["msetnx", "wait", "waitaof"]),
    ("response_policy:agg_sum", &["commandlog|len", "dbsize", "del", "exists", "slowlog|len", "touch", "unlink"]),
    ("response_policy:agg_logical_and", &["script|exists"]),
    ("response_policy:one_succeeded", &["function|kill", "script|kill"]),
    ("response_policy:all_succeeded", &[
        "client|setinfo", "commandlog|reset", "config|set", "flushall", "flushdb", "function|delete", "function|flush", "function|load", "function|restore",
        "memory|purge", "mset", "msetex",
        "latency|reset", "ping", "script|flush", "script|load", "slowlog|reset",
    ]),
    ("response_policy:special", &[
        "function|stats", "info",
        "latency|doctor", "latency|graph", "latency|histogram", "latency|history", "latency|latest",
        "memory|doctor", "memory|malloc-stats", "memory|stats",
    ]),
];
