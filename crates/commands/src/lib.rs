//! What clients can ask: one table, one gate, sessions. Usable without a socket.
//!
//! An [`Engine`] is what all clients share; a [`Worker`] is what a thread brings (clock, timer, scripts, chance); a
//! [`Session`] is one client's conversation. [`Session::dispatch`] runs a request.
#![forbid(unsafe_code)]

mod acl;
mod bitmap;
mod blocking;
mod call;
mod clients;
mod cluster;
mod command_log;
mod commit;
pub mod config;
mod connection;
mod effects;
mod engine;
mod error;
mod execute;
mod expiry;
pub mod functions;
mod gate;
mod generic;
mod geo;
mod glob;
mod hash;
mod help;
mod histogram;
mod hyperloglog;
mod latency;
mod list;
mod listening;
mod long_double;
mod maxmemory;
mod multi;
mod output_limits;
pub mod parse;
mod pause;
pub mod payload;
mod preview;
mod pubsub;
mod sample;
mod samples;
mod scan;
pub mod scripts;
mod secrets;
mod server;
mod session;
mod set;
mod spec;
mod stats;
mod stream;
mod string;
mod syntax;
mod table;
mod tracking;
mod vectors;
mod zset;

pub use acl::{Acl, ConfiguredUsers};
pub use blocking::Block;
pub use call::Call;
pub use clients::{Client, Clients, Mailbox, Received};
pub use commit::expire_cycle;
pub use effects::{Effects, Event};
pub use engine::{Allocator, Clock, Engine, Env, Process, RandomBytes, Shutdown, Sleep, Timer, Worker};
pub use error::{Error, system_reason};
pub use gate::{CallOutcome, call_from_script, may_call, note_activity};
pub use listening::Listening;
pub use maxmemory::{evict_clients, evict_cycle, limit_client};
pub use perigee_keyspace::{Footprint, Txn, lost_to_contention_us, offer};
pub use preview::Preview;
pub use pubsub::Pubsub;
pub use session::{Flow, OwnedArgs, Session, Suspended};
pub use spec::{Categories, Command, Flags, Group, Keys, Scope};
pub use stats::{Monitors, Slowlog, WorkerStats, quote};
pub use table::{CommandTable, Entry, RenameError};
pub use tracking::limit_tracked;

/// The version of Redis whose behaviour clients are told to expect.
pub const REDIS_VERSION: &str = "7.2.4";

/// Every command, by group.
static GROUPS: &[&[Command]] = &[
    connection::COMMANDS,
    multi::COMMANDS,
    pubsub::COMMANDS,
    scripts::COMMANDS,
    functions::COMMANDS,
    list::COMMANDS,
    hash::COMMANDS,
    set::COMMANDS,
    bitmap::COMMANDS,
    hyperloglog::COMMANDS,
    geo::COMMANDS,
    generic::COMMANDS,
    zset::COMMANDS,
    stream::COMMANDS,
    server::COMMANDS,
    cluster::COMMANDS,
    acl::COMMANDS,
    string::COMMANDS,
    vectors::COMMANDS,
];
