//! CLUSTER and the commands that belong to it. This server is no node of a cluster, and says so, as Redis does where
//! `cluster-enabled` is off.

use crate::call::Call;
use crate::error::Error;
use crate::spec::{Categories, Command, Flags, Group, command, container};

pub(crate) static COMMANDS: &[Command] = &[
    container("cluster", CLUSTER).docs(
        Group::Cluster,
        "3.0.0",
        "Depends on subcommand.",
        "A container for cluster commands",
    ),
    command("asking", 1, disabled).flags(Flags::FAST).acl(Categories::CONNECTION).docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
        "Sent by cluster clients after an -ASK redirect",
    ),
    reading("readonly", "Enables read queries for a connection to a cluster replica node"),
    reading("readwrite", "Disables read queries for a connection to a cluster replica node"),
];

const fn reading(name: &'static str, summary: &'static str) -> Command {
    command(name, 1, disabled)
        .flags(Flags::FAST.or(Flags::LOADING).or(Flags::STALE))
        .acl(Categories::CONNECTION)
        .docs(Group::Cluster, "3.0.0", "O(1)", summary)
}

fn disabled(_: &mut Call<'_, '_>) -> Result<(), Error> {
    Err(DISABLED)
}

const DISABLED: Error = Error::Text("ERR This instance has cluster support disabled");

const fn refused(name: &'static str, full_name: &'static str, arity: i8, flags: Flags) -> Command {
    command(name, arity, disabled).full(full_name).flags(flags)
}

const QUESTION: Flags = Flags::STALE;
const HELP: Flags = Flags::LOADING.or(Flags::STALE);
const ADMIN: Flags = Flags::ADMIN.or(Flags::STALE);
const CHANGE: Flags = ADMIN.or(Flags::NO_ASYNC_LOADING);
const RESET: Flags = ADMIN.or(Flags::NOSCRIPT);

static CLUSTER: &[Command] = &[
    refused("addslots", "cluster|addslots", -3, CHANGE)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Assign new hash slots to receiving node",
        )
        .syntax("slot:int..."),
    refused("addslotsrange", "cluster|addslotsrange", -4, CHANGE)
        .docs(
            Group::Cluster,
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end slot \
        arguments.",
            "Assign new hash slots to receiving node",
        )
        .syntax("start-slot_end-slot(start-slot:int end-slot:int)..."),
    refused("bumpepoch", "cluster|bumpepoch", 2, CHANGE).docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
        "Advance the cluster config epoch",
    ),
    refused("count-failure-reports", "cluster|count-failure-reports", 3, ADMIN)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the number of failure reports",
            "Return the number of failure reports active for a given node",
        )
        .syntax("node-id"),
    refused("countkeysinslot", "cluster|countkeysinslot", 3, QUESTION)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Return the number of local keys in the specified hash slot")
        .syntax("slot:int"),
    refused("delslots", "cluster|delslots", -3, CHANGE)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the total number of hash slot arguments",
            "Set hash slots as unbound in receiving node",
        )
        .syntax("slot:int..."),
    refused("delslotsrange", "cluster|delslotsrange", -4, CHANGE)
        .docs(
            Group::Cluster,
            "7.0.0",
            "O(N) where N is the total number of the slots between the start slot and end slot \
        arguments.",
            "Set hash slots as unbound in receiving node",
        )
        .syntax("start-slot_end-slot(start-slot:int end-slot:int)..."),
    refused("failover", "cluster|failover", -2, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Forces a replica to perform a manual failover of its master.")
        .syntax("[options<FORCE|TAKEOVER>]"),
    refused("flushslots", "cluster|flushslots", 2, CHANGE).docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
        "Delete a node's own slots information",
    ),
    refused("forget", "cluster|forget", 3, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Remove a node from the nodes table")
        .syntax("node-id"),
    refused("getkeysinslot", "cluster|getkeysinslot", 4, QUESTION)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(log(N)) where N is the number of requested keys",
            "Return local key names in the specified hash slot",
        )
        .syntax("slot:int count:int"),
    refused("help", "cluster|help", 2, HELP).docs(
        Group::Cluster,
        "5.0.0",
        "O(1)",
        "Show helpful text about the different subcommands",
    ),
    refused("info", "cluster|info", 2, QUESTION).docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
        "Provides info about Redis Cluster node state",
    ),
    refused("keyslot", "cluster|keyslot", 3, QUESTION)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the number of bytes in the key",
            "Returns the hash slot of the specified key",
        )
        .syntax("key:string"),
    refused("links", "cluster|links", 2, QUESTION).docs(
        Group::Cluster,
        "7.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Returns a list of all TCP links to and from peer nodes in cluster",
    ),
    refused("meet", "cluster|meet", -4, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Force a node cluster to handshake with another node")
        .syntax("ip port:int [cluster_bus_port:int^4.0.0]")
        .history(&[("4.0.0", "Added the optional `cluster_bus_port` argument.")]),
    refused("myid", "cluster|myid", 2, QUESTION).docs(Group::Cluster, "3.0.0", "O(1)", "Return the node id"),
    refused("nodes", "cluster|nodes", 2, QUESTION).docs(
        Group::Cluster,
        "3.0.0",
        "O(N) where N is the total number of Cluster nodes",
        "Get Cluster config for the node",
    ),
    refused("replicas", "cluster|replicas", 3, ADMIN)
        .docs(Group::Cluster, "5.0.0", "O(1)", "List replica nodes of the specified master node")
        .syntax("node-id"),
    refused("replicate", "cluster|replicate", 3, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Reconfigure a node as a replica of the specified master node")
        .syntax("node-id"),
    refused("reset", "cluster|reset", -2, RESET)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a \
        side effect.",
            "Reset a Redis Cluster node",
        )
        .syntax("[hard_soft<HARD|SOFT>]"),
    refused("saveconfig", "cluster|saveconfig", 2, CHANGE).docs(
        Group::Cluster,
        "3.0.0",
        "O(1)",
        "Forces the node to save cluster state on disk",
    ),
    refused("set-config-epoch", "cluster|set-config-epoch", 3, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Set the configuration epoch in a new node")
        .syntax("config-epoch:int"),
    refused("setslot", "cluster|setslot", -4, CHANGE)
        .docs(Group::Cluster, "3.0.0", "O(1)", "Bind a hash slot to a specific node")
        .syntax("slot:int subcommand<IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE>"),
    refused("shards", "cluster|shards", 2, QUESTION).docs(
        Group::Cluster,
        "7.0.0",
        "O(N) where N is the total number of cluster nodes",
        "Get array of cluster slots to node mappings",
    ),
    refused("slaves", "cluster|slaves", 3, ADMIN)
        .docs(Group::Cluster, "3.0.0", "O(1)", "List replica nodes of the specified master node")
        .syntax("node-id")
        .deprecated("5.0.0", "`CLUSTER REPLICAS`"),
    refused("slots", "cluster|slots", 2, QUESTION)
        .docs(
            Group::Cluster,
            "3.0.0",
            "O(N) where N is the total number of Cluster nodes",
            "Get array of Cluster slot to node mappings",
        )
        .deprecated("7.0.0", "`CLUSTER SHARDS`")
        .history(&[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")]),
    refused("myshardid", "cluster|myshardid", 2, QUESTION).docs(
        Group::Cluster,
        "7.2.0",
        "O(1)",
        "Return the node's shard id",
    ),
    refused("slot-stats", "cluster|slot-stats", -4, QUESTION)
        .docs(
            Group::Cluster,
            "8.2.0",
            "O(N log(N)) with ORDERBY, N being the number of slots, O(N) otherwise",
            "Return how slots are used",
        )
        .syntax(
            "filter<SLOTSRANGE slots(start-slot:int end-slot:int)|\
            ORDERBY order(metric [LIMIT limit:int] [order<ASC|DESC>])>",
        ),
];
