//! The two servers side by side: every request goes to both before either reply is read.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::connection::{Connection, Outcome, REPLY_WITHIN};
use crate::server::Server;
use crate::value::Value;

/// A request's arguments.
pub(super) type Request = Vec<Vec<u8>>;

/// Reference and subject with their numbered connections.
pub(super) struct Pair {
    servers: [Server; 2],
    connections: BTreeMap<u32, [Connection; 2]>,
}

impl Pair {
    pub(super) fn new(reference: Server, subject: Server) -> Self {
        Self { servers: [reference, subject], connections: BTreeMap::new() }
    }

    /// Empties both servers and forgets all connections.
    pub(super) fn reset(&mut self) -> Result<()> {
        self.connections.clear();
        for server in &mut self.servers {
            if !server.alive() {
                bail!("{} has stopped:\n{}", server.name, server.log_tail());
            }
            let mut connection = server.connect()?;
            let silence = &["CONFIG", "SET", "notify-keyspace-events", ""];
            let nodes = &["CONFIG", "SET", "stream-node-max-bytes", "4096", "stream-node-max-entries", "100"];
            for request in [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"], silence, nodes] {
                connection.call(request)?;
            }
        }
        Ok(())
    }

    /// The numbered connection to each server, opened if need be.
    pub(super) fn connections(&mut self, number: u32) -> Result<&mut [Connection; 2]> {
        if !self.connections.contains_key(&number) {
            let pair = [self.servers[0].connect()?, self.servers[1].connect()?];
            self.connections.insert(number, pair);
        }
        self.connections.get_mut(&number).ok_or_else(|| anyhow::anyhow!("no connection {number}"))
    }

    /// Whether that connection is open, as far as we know.
    pub(super) fn is_connected(&self, number: u32) -> bool {
        self.connections.contains_key(&number)
    }

    /// Forgets a connection, as a client that leaves.
    pub(super) fn drop_connection(&mut self, number: u32) {
        self.connections.remove(&number);
    }

    /// Sends a request to both and reads both replies.
    pub(super) fn call<T: AsRef<[u8]>>(&mut self, number: u32, request: &[T]) -> Result<[Outcome; 2]> {
        self.send(number, request)?;
        self.read(number, REPLY_WITHIN)
    }

    /// Sends a request to both. A connection that the server has closed shows when it is read.
    pub(super) fn send<T: AsRef<[u8]>>(&mut self, number: u32, request: &[T]) -> Result<()> {
        for connection in self.connections(number)? {
            let _closed = connection.send(request);
        }
        Ok(())
    }

    /// Reads a reply from each.
    pub(super) fn read(&mut self, number: u32, within: Duration) -> Result<[Outcome; 2]> {
        let [reference, subject] = self.connections(number)?;
        Ok([reference.read(within), subject.read(within)])
    }

    /// Asks one of the two (0: the reference) something that has a plain reply.
    pub(super) fn ask(&mut self, which: usize, request: &[&[u8]]) -> Result<Value> {
        self.connections(PRIVATE)?[which].call(request)
    }
}

/// The connection that inspects and never changes its protocol.
const PRIVATE: u32 = u32::MAX;
