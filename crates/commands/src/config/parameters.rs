//! Every configuration parameter: name, kind, default, whether it can change, whether it has an effect.

use super::Kind;

/// A parameter.
pub struct Parameter {
    /// As CONFIG GET prints it.
    pub name: &'static str,
    /// Another name that is accepted and also shown, empty for none.
    pub alias: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// As it is written in a configuration file.
    pub default: &'static str,
    /// When it can change.
    pub change: Change,
    /// It is accepted, kept and shown, so that configuration files and tools work; nothing follows from it yet.
    pub inert: bool,
}

impl Parameter {
    /// Whether CONFIG GET shows it only where it is named in full: Redis's own tests use these.
    pub fn is_hidden(&self) -> bool {
        HIDDEN.contains(&self.name)
    }
}

const HIDDEN: &[&str] = &[
    "use-exit-on-panic",
    "rdb-key-save-delay",
    "key-load-delay",
    "watchdog-period",
    "loading-process-events-interval-bytes",
];

/// When a parameter can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// By CONFIG SET.
    Mutable,
    /// At the start only.
    Fixed,
    /// By CONFIG SET if `enable-protected-configs` allows it.
    Protected,
}

macro_rules! parameters {
    (
        live { $($variant:ident $name:literal $(| $alias:literal)?, $kind:expr, $default:literal, $change:ident;)* }
        known { $($known:ident $known_name:literal $(| $known_alias:literal)?, $known_kind:expr, $known_default:literal, $known_change:ident;)* }
        inert { $($inert_name:literal $(| $inert_alias:literal)?, $inert_kind:expr, $inert_default:literal, $inert_change:ident;)* }
    ) => {
        /// A parameter that the program reads.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        #[allow(missing_docs, reason = "the names of the parameters")]
        pub enum Param { $($variant,)* $($known,)* }

        /// Every parameter: first those of [`Param`], in its order.
        pub static PARAMETERS: &[Parameter] = &[
            $(parameters!(@row $name, parameters!(@alias $($alias)?), $kind, $default, $change, false),)*
            $(parameters!(@row $known_name, parameters!(@alias $($known_alias)?), $known_kind, $known_default, $known_change, true),)*
            $(parameters!(@row $inert_name, parameters!(@alias $($inert_alias)?), $inert_kind, $inert_default, $inert_change, true),)*
        ];
    };
    (@row $name:expr, $alias:expr, $kind:expr, $default:expr, $change:ident, $inert:expr) => {
        Parameter { name: $name, alias: $alias, kind: $kind, default: $default, change: Change::$change, inert: $inert }
    };
    (@alias) => { "" };
    (@alias $alias:literal) => { $alias };
}

const MAX: i64 = i64::MAX;
const INT: i64 = i32::MAX as i64;
const UINT: i64 = u32::MAX as i64;

const fn from(min: i64) -> Kind {
    Kind::Number { min, max: MAX }
}

const fn range(min: i64, max: i64) -> Kind {
    Kind::Number { min, max }
}

const fn bytes(min: i64) -> Kind {
    Kind::Memory { min, max: MAX }
}

const SWITCH: Kind = Kind::Choice(&["no", "yes", "local"]);
const SIGNAL: Kind = Kind::Flags(&["default", "save", "nosave", "now", "force"]);
parameters! {
    live {
    // Network.
    Bind "bind", Kind::Addresses, "* -::*", Mutable;
    Port "port", range(0, 65535), "6379", Mutable;
    ProtectedMode "protected-mode", Kind::Bool, "yes", Mutable;
    TcpBacklog "tcp-backlog", range(0, INT), "511", Fixed;
    UnixSocket "unixsocket", Kind::Text, "", Fixed;
    UnixSocketPerm "unixsocketperm", Kind::Octal, "0", Fixed;
    Timeout "timeout", range(0, INT), "0", Mutable;
    TcpKeepalive "tcp-keepalive", range(0, INT), "300", Mutable;
    MaxClients "maxclients", range(1, UINT), "10000", Mutable;
    IoThreads "io-threads", range(0, 128), "0", Fixed;
    IoThreadsPlacement "io-threads-placement", Kind::Choice(&["load", "turn", "roam"]), "load", Mutable;
    ProtoMaxBulkLen "proto-max-bulk-len", bytes(1024 * 1024), "512mb", Mutable;
    ClientQueryBufferLimit "client-query-buffer-limit", bytes(1024 * 1024), "1gb", Mutable;
    ClientOutputBufferLimit "client-output-buffer-limit", Kind::OutputLimits, "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60", Mutable;
    // General.
    Databases "databases", range(1, 16384), "16", Fixed;
    RequirePass "requirepass", Kind::Secret, "", Mutable;
    AclFile "aclfile", Kind::Text, "", Fixed;
    AclLogMaxLen "acllog-max-len", from(0), "128", Mutable;
    AclPubsubDefault "acl-pubsub-default", Kind::Choice(&["allchannels", "resetchannels"]), "resetchannels", Mutable;
    LogLevel "loglevel", Kind::Choice(&["debug", "verbose", "notice", "warning"]), "notice", Mutable;
    LogFile "logfile", Kind::Text, "", Fixed;
    Dir "dir", Kind::Text, ".", Protected;
    PidFile "pidfile", Kind::Text, "", Fixed;
    Daemonize "daemonize", Kind::Bool, "no", Fixed;
    TrackingTableMaxKeys "tracking-table-max-keys", from(0), "1000000", Mutable;
    Hz "hz", Kind::Clamped { min: 1, max: 500 }, "10", Mutable;
    EnableModuleCommand "enable-module-command", SWITCH, "no", Fixed;
    EnableDebugCommand "enable-debug-command", SWITCH, "no", Fixed;
    EnableProtectedConfigs "enable-protected-configs", SWITCH, "no", Fixed;
    ImportMode "import-mode", Kind::Bool, "no", Mutable;
    AvailabilityZone "availability-zone", Kind::Text, "", Mutable;
    NotifyKeyspaceEvents "notify-keyspace-events", Kind::Events, "", Mutable;
    // Scripts.
    BusyReplyThreshold "busy-reply-threshold" | "lua-time-limit", from(0), "5000", Mutable;
    BusyReplyScope "busy-reply-scope", Kind::Choice(&["keys", "server"]), "keys", Mutable;
    ScriptMemoryLimit "script-memory-limit", bytes(0), "1gb", Mutable;
    ScriptMaxLength "script-max-length", bytes(0), "1mb", Mutable;
    ScriptHardTimeLimit "script-hard-time-limit", range(0, INT), "0", Mutable;
    ScriptMaxWrites "script-max-writes", from(0), "0", Mutable;
    ScriptAtomicity "script-atomicity", Kind::Bool, "no", Mutable;
    ScriptDeterministic "script-deterministic", Kind::Bool, "no", Mutable;
    RedisStrict "redis-strict", Kind::Bool, "no", Mutable;
    // The slow log.
    SlowlogLogSlowerThan "slowlog-log-slower-than" | "commandlog-execution-slower-than", from(-1), "10000", Mutable;
    SlowlogMaxLen "slowlog-max-len" | "commandlog-slow-execution-max-len", from(0), "128", Mutable;
    LargeRequest "commandlog-request-larger-than", from(-1), "1048576", Mutable;
    LargeRequestMaxLen "commandlog-large-request-max-len", from(0), "128", Mutable;
    LargeReply "commandlog-reply-larger-than", from(-1), "1048576", Mutable;
    LargeReplyMaxLen "commandlog-large-reply-max-len", from(0), "128", Mutable;
    // Latency.
    LatencyMonitorThreshold "latency-monitor-threshold", from(0), "0", Mutable;
    LatencyTracking "latency-tracking", Kind::Bool, "yes", Mutable;
    LatencyTrackingInfoPercentiles "latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9", Mutable;
    // Encodings.
    HashMaxListpackEntries "hash-max-listpack-entries" | "hash-max-ziplist-entries", from(0), "512", Mutable;
    HashMaxListpackValue "hash-max-listpack-value" | "hash-max-ziplist-value", bytes(0), "64", Mutable;
    SetMaxIntsetEntries "set-max-intset-entries", from(0), "512", Mutable;
    ZsetMaxListpackEntries "zset-max-listpack-entries" | "zset-max-ziplist-entries", from(0), "128", Mutable;
    ZsetMaxListpackValue "zset-max-listpack-value" | "zset-max-ziplist-value", bytes(0), "64", Mutable;
    StreamNodeMaxBytes "stream-node-max-bytes", bytes(0), "4096", Mutable;
    StreamNodeMaxEntries "stream-node-max-entries", from(0), "100", Mutable;
    ListMaxListpackSize "list-max-listpack-size" | "list-max-ziplist-size", range(i32::MIN as i64, INT), "-2", Mutable;
    MaxMemory "maxmemory", bytes(0), "0", Mutable;
    MaxMemoryPolicy "maxmemory-policy", Kind::Choice(&["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction"]), "noeviction", Mutable;
    MaxMemorySamples "maxmemory-samples", range(1, INT), "5", Mutable;
    MaxMemoryTenacity "maxmemory-eviction-tenacity", range(0, 100), "10", Mutable;
    MaxMemoryClients "maxmemory-clients", Kind::MemoryOrPercent, "0", Mutable;
    LfuLogFactor "lfu-log-factor", range(0, INT), "10", Mutable;
    LfuDecayTime "lfu-decay-time", range(0, INT), "1", Mutable;
    HllSparseMaxBytes "hll-sparse-max-bytes", bytes(0), "3000", Mutable;
    RdbCompression "rdbcompression", Kind::Bool, "yes", Mutable;

    }
    // Shown by INFO and the like, without effect.
    known {
    ListCompressDepth "list-compress-depth", range(0, INT), "0", Mutable;
    Save "save", Kind::Save, "3600 1 300 100 60 10000", Mutable;
    AppendOnly "appendonly", Kind::Bool, "no", Mutable;
    AppendFsync "appendfsync", Kind::Choice(&["everysec", "always", "no"]), "everysec", Mutable;
    DbFilename "dbfilename", Kind::FileName { what: "filename", may_be_empty: true }, "dump.rdb", Protected;
    ReplBacklogSize "repl-backlog-size", bytes(1), "1mb", Mutable;

    }
    // In Redis's configuration files, without effect.
    inert {
    // Memory.
    "activedefrag", Kind::Bool, "no", Mutable;
    "active-defrag-cycle-min", range(1, 99), "1", Mutable;
    "active-defrag-cycle-max", range(1, 99), "25", Mutable;
    "active-defrag-threshold-lower", range(0, 1000), "10", Mutable;
    "active-defrag-threshold-upper", range(0, 1000), "100", Mutable;
    "active-defrag-max-scan-fields", from(1), "1000", Mutable;
    "active-defrag-ignore-bytes", bytes(1), "100mb", Mutable;
    "active-defrag-cycle-us", range(0, 100_000), "500", Mutable;
    "set-max-listpack-entries", from(0), "128", Mutable;
    "set-max-listpack-value", bytes(0), "64", Mutable;
    "active-expire-effort", range(1, 10), "1", Mutable;
    "activerehashing", Kind::Bool, "yes", Mutable;
    "jemalloc-bg-thread", Kind::Bool, "yes", Mutable;
    "lazyfree-lazy-eviction", Kind::Bool, "no", Mutable;
    "lazyfree-lazy-expire", Kind::Bool, "no", Mutable;
    "lazyfree-lazy-server-del", Kind::Bool, "no", Mutable;
    "lazyfree-lazy-user-del", Kind::Bool, "no", Mutable;
    "lazyfree-lazy-user-flush", Kind::Bool, "no", Mutable;
    // Persistence.
    "rdbchecksum", Kind::Bool, "yes", Fixed;
    "rdb-del-sync-files", Kind::Bool, "no", Mutable;
    "rdb-save-incremental-fsync", Kind::Bool, "yes", Mutable;
    "stop-writes-on-bgsave-error", Kind::Bool, "yes", Mutable;
    "sanitize-dump-payload", Kind::Choice(&["no", "yes", "clients"]), "no", Mutable;
    "appendfilename", Kind::FileName { what: "filename", may_be_empty: false }, "appendonly.aof", Fixed;
    "appenddirname", Kind::FileName { what: "dirname", may_be_empty: false }, "appendonlydir", Fixed;
    "no-appendfsync-on-rewrite", Kind::Bool, "no", Mutable;
    "auto-aof-rewrite-percentage", range(0, INT), "100", Mutable;
    "auto-aof-rewrite-min-size", bytes(0), "64mb", Mutable;
    "aof-load-truncated", Kind::Bool, "yes", Mutable;
    "aof-use-rdb-preamble", Kind::Bool, "yes", Mutable;
    "aof-timestamp-enabled", Kind::Bool, "no", Mutable;
    "aof-rewrite-incremental-fsync", Kind::Bool, "yes", Mutable;
    "aof-disable-auto-gc", Kind::Bool, "no", Mutable;
    "rdb-key-save-delay", range(-INT - 1, INT), "0", Mutable;
    "rdb-version-check", Kind::Choice(&["strict", "relaxed"]), "strict", Mutable;
    "key-load-delay", range(-INT - 1, INT), "0", Mutable;
    "loading-process-events-interval-bytes", range(1024, INT), "2097152", Mutable;
    // Replication.
    "replicaof" | "slaveof", Kind::Master, "", Fixed;
    "masteruser" | "primaryuser", Kind::Text, "", Mutable;
    "masterauth" | "primaryauth", Kind::Secret, "", Mutable;
    "replica-serve-stale-data" | "slave-serve-stale-data", Kind::Bool, "yes", Mutable;
    "replica-read-only" | "slave-read-only", Kind::Bool, "yes", Mutable;
    "replica-ignore-maxmemory" | "slave-ignore-maxmemory", Kind::Bool, "yes", Mutable;
    "replica-lazy-flush" | "slave-lazy-flush", Kind::Bool, "no", Mutable;
    "replica-priority" | "slave-priority", range(0, INT), "100", Mutable;
    "replica-announce-ip" | "slave-announce-ip", Kind::Text, "", Mutable;
    "replica-announce-port" | "slave-announce-port", range(0, 65535), "0", Mutable;
    "replica-announced", Kind::Bool, "yes", Mutable;
    "replica-ignore-disk-write-errors", Kind::Bool, "no", Mutable;
    "replica-full-sync-buffer-limit", Kind::Size, "0", Mutable;
    "min-replicas-to-write" | "min-slaves-to-write", range(0, INT), "0", Mutable;
    "min-replicas-max-lag" | "min-slaves-max-lag", range(0, INT), "10", Mutable;
    "repl-backlog-ttl", from(0), "3600", Mutable;
    "repl-disable-tcp-nodelay", Kind::Bool, "no", Mutable;
    "repl-diskless-load", Kind::Choice(&["disabled", "on-empty-db", "swapdb"]), "disabled", Mutable;
    "repl-diskless-sync", Kind::Bool, "yes", Mutable;
    "repl-diskless-sync-delay", range(0, INT), "5", Mutable;
    "repl-diskless-sync-max-replicas", range(0, INT), "0", Mutable;
    "repl-ping-replica-period" | "repl-ping-slave-period", range(1, INT), "10", Mutable;
    "repl-timeout", range(1, INT), "60", Mutable;
    "repl-mptcp", Kind::Bool, "no", Fixed;
    "dual-channel-replication-enabled", Kind::Bool, "no", Mutable;
    "propagation-error-behavior", Kind::Choice(&["ignore", "panic", "panic-on-replicas"]), "ignore", Mutable;
    // Cluster.
    "cluster-enabled", Kind::Bool, "no", Fixed;
    "cluster-config-file", Kind::Text, "nodes.conf", Fixed;
    "cluster-port", range(0, 65535), "0", Fixed;
    "cluster-node-timeout", from(0), "15000", Mutable;
    "cluster-migration-barrier", range(0, INT), "1", Mutable;
    "cluster-require-full-coverage", Kind::Bool, "yes", Mutable;
    "cluster-replica-validity-factor" | "cluster-slave-validity-factor", range(0, INT), "10", Mutable;
    "cluster-replica-no-failover" | "cluster-slave-no-failover", Kind::Bool, "no", Mutable;
    "cluster-allow-reads-when-down", Kind::Bool, "no", Mutable;
    "cluster-allow-pubsubshard-when-down", Kind::Bool, "yes", Mutable;
    "cluster-allow-replica-migration", Kind::Bool, "yes", Mutable;
    "cluster-link-sendbuf-limit", Kind::Size, "0", Mutable;
    "cluster-announce-ip", Kind::Text, "", Mutable;
    "cluster-announce-hostname", Kind::Hostname, "", Mutable;
    "cluster-announce-human-nodename", Kind::Hostname, "", Mutable;
    "cluster-announce-port", range(0, 65535), "0", Mutable;
    "cluster-announce-tls-port", range(0, 65535), "0", Mutable;
    "cluster-announce-bus-port", range(0, 65535), "0", Mutable;
    "cluster-preferred-endpoint-type", Kind::Choice(&["ip", "hostname", "unknown-endpoint"]), "ip", Mutable;
    "cluster-announce-client-ipv4", Kind::Text, "", Mutable;
    "cluster-announce-client-ipv6", Kind::Text, "", Mutable;
    "cluster-announce-client-port", range(0, 65535), "0", Mutable;
    "cluster-announce-client-tls-port", range(0, 65535), "0", Mutable;
    "cluster-compatibility-sample-ratio", range(0, 100), "0", Mutable;
    "cluster-blacklist-ttl", from(0), "60", Mutable;
    "cluster-config-save-behavior", Kind::Choice(&["sync", "best-effort"]), "sync", Mutable;
    "cluster-databases", range(1, INT), "1", Fixed;
    "cluster-manual-failover-timeout", range(1, INT), "5000", Mutable;
    "cluster-slot-migration-log-max-len", from(0), "1000", Mutable;
    "cluster-slot-stats-enabled", Kind::Bool, "no", Mutable;
    "slot-migration-max-failover-repl-bytes", Kind::Text, "0", Mutable;
    // TLS.
    "tls-port", range(0, 65535), "0", Fixed;
    "tls-cert-file", Kind::Text, "", Fixed;
    "tls-key-file", Kind::Text, "", Fixed;
    "tls-key-file-pass", Kind::Secret, "", Fixed;
    "tls-client-cert-file", Kind::Text, "", Fixed;
    "tls-client-key-file", Kind::Text, "", Fixed;
    "tls-client-key-file-pass", Kind::Secret, "", Fixed;
    "tls-dh-params-file", Kind::Text, "", Fixed;
    "tls-ca-cert-file", Kind::Text, "", Fixed;
    "tls-ca-cert-dir", Kind::Text, "", Fixed;
    "tls-auth-clients", Kind::Choice(&["no", "yes", "optional"]), "yes", Fixed;
    "tls-replication", Kind::Bool, "no", Fixed;
    "tls-cluster", Kind::Bool, "no", Fixed;
    "tls-protocols", Kind::Text, "", Fixed;
    "tls-ciphers", Kind::Text, "", Fixed;
    "tls-ciphersuites", Kind::Text, "", Fixed;
    "tls-prefer-server-ciphers", Kind::Bool, "no", Fixed;
    "tls-session-caching", Kind::Bool, "yes", Fixed;
    "tls-session-cache-size", range(0, INT), "20480", Fixed;
    "tls-session-cache-timeout", range(0, INT), "300", Fixed;
    "tls-auth-clients-user", Kind::Choice(&["off", "CN", "URI"]), "off", Fixed;
    "tls-auto-reload-interval", range(0, INT), "0", Fixed;
    // Access.
    "bind-source-addr", Kind::Text, "", Mutable;
    "unixsocketgroup", Kind::Text, "", Fixed;
    "mptcp", Kind::Bool, "no", Fixed;
    "rdma-bind", Kind::Addresses, "", Mutable;
    "rdma-port", range(0, 65535), "0", Mutable;
    "rdma-rx-size", range(64 * 1024, 16 * 1024 * 1024), "1048576", Fixed;
    "rdma-completion-vector", range(-1, 1024), "-1", Fixed;
    "socket-mark-id", range(0, UINT), "0", Fixed;
    "max-new-connections-per-cycle", range(1, 1000), "10", Mutable;
    "max-new-tls-connections-per-cycle", range(1, 1000), "1", Mutable;
    // The process.
    "io-threads-do-reads", Kind::Bool, "no", Fixed;
    "prefetch-batch-max-size", range(0, 128), "16", Mutable;
    "dynamic-hz", Kind::Bool, "yes", Mutable;
    "always-show-logo", Kind::Bool, "no", Fixed;
    "set-proc-title", Kind::Bool, "yes", Fixed;
    "proc-title-template", Kind::Title, "{title} {listen-addr} {server-mode}", Mutable;
    "supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"]), "no", Fixed;
    "syslog-enabled", Kind::Bool, "no", Fixed;
    "syslog-ident", Kind::Text, "redis", Fixed;
    "syslog-facility", Kind::Choice(&["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"]), "local0", Fixed;
    "shutdown-timeout", range(0, INT), "10", Mutable;
    "shutdown-on-sigint", SIGNAL, "default", Mutable;
    "shutdown-on-sigterm", SIGNAL, "default", Mutable;
    "oom-score-adj", Kind::Choice(&["no", "yes", "relative", "absolute"]), "no", Mutable;
    "oom-score-adj-values", Kind::OomScores, "0 200 800", Mutable;
    "disable-thp", Kind::Bool, "yes", Fixed;
    "crash-log-enabled", Kind::Bool, "yes", Mutable;
    "crash-memcheck-enabled", Kind::Bool, "yes", Mutable;
    "use-exit-on-panic", Kind::Bool, "no", Mutable;
    "watchdog-period", range(0, INT), "0", Mutable;
    "log-format", Kind::Choice(&["legacy", "logfmt", "json"]), "legacy", Mutable;
    "log-timestamp-format", Kind::Choice(&["legacy", "iso8601", "milliseconds"]), "legacy", Mutable;
    "hash-seed", Kind::Text, "", Fixed;
    "hide-user-data-from-log", Kind::Bool, "no", Mutable;
    "locale-collate", Kind::Text, "", Mutable;
    "extended-redis-compatibility", Kind::Bool, "no", Mutable;
    "ignore-warnings", Kind::Text, "", Mutable;
    "server_cpulist" | "server-cpulist", Kind::Text, "", Fixed;
    "bio_cpulist" | "bio-cpulist", Kind::Text, "", Fixed;
    "aof_rewrite_cpulist" | "aof-rewrite-cpulist", Kind::Text, "", Fixed;
    "bgsave_cpulist" | "bgsave-cpulist", Kind::Text, "", Fixed;
    }
}
