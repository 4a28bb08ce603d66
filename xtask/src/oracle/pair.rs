//! The two servers side by side: every request goes to both before either reply is read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::peer::Peer;
use crate::connection::{Connection, Outcome, REPLY_WITHIN};
use crate::server::Server;
use crate::value::Value;

/// A request's arguments.
pub(super) type Request = Vec<Vec<u8>>;

/// Reference and subject with their numbered connections.
pub(super) struct Pair {
    servers: [Server; 2],
    connections: BTreeMap<u32, [Connection; 2]>,
    peer: Option<Peer>,
}

impl Pair {
    pub(super) fn new(reference: Server, subject: Server) -> Self {
        Self { servers: [reference, subject], connections: BTreeMap::new(), peer: None }
    }

    /// With a newer server as the reference.
    pub(super) fn beside(peer: Peer, reference: Server, subject: Server) -> Self {
        Self { peer: Some(peer), ..Self::new(reference, subject) }
    }

    /// The newer server's family, if the reference is one.
    pub(super) fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Empties both servers and forgets all connections.
    pub(super) fn reset(&mut self) -> Result<()> {
        self.connections.clear();
        for server in &mut self.servers {
            if !server.alive() {
                bail!("{} has stopped:\n{}", server.name, server.log_tail());
            }
            let mut connection = server.connect()?;
            let mut settings = vec!["CONFIG", "SET"];
            settings.extend(SETTINGS.iter().flat_map(|(name, value)| [*name, *value]));
            let users = ["ACL", "DELUSER", "restricted", "u0", "u1"];
            let libraries = ["FUNCTION", "DELETE", "lib0"];
            let all = [&["FLUSHALL"][..], &["SCRIPT", "FLUSH"], &users, &libraries, &settings];
            all.iter().try_for_each(|request| connection.send(request))?;
            for request in all {
                connection.expect_reply().with_context(|| request.join(" "))?;
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

    /// Leaves, and waits until both servers have noticed it.
    pub(super) fn leave(&mut self, number: u32) -> Result<()> {
        let addresses = self.addresses(number)?;
        self.drop_connection(number);
        self.await_client(addresses, |line| line.is_none())
    }

    /// Waits until both servers have blocked the connection.
    pub(super) fn await_block(&mut self, number: u32) -> Result<()> {
        let addresses = self.addresses(number)?;
        self.await_client(addresses, |line| line.is_some_and(|line| line.contains(" flags=b")))
    }

    fn addresses(&mut self, number: u32) -> Result<[SocketAddr; 2]> {
        let [reference, subject] = self.connections(number)?;
        Ok([reference.address()?, subject.address()?])
    }

    /// Waits until what CLIENT LIST of each server says of a client is right.
    fn await_client(
        &mut self,
        addresses: [SocketAddr; 2],
        is_right: impl Fn(Option<&str>) -> bool,
    ) -> Result<()> {
        for (which, address) in addresses.into_iter().enumerate() {
            let (name, deadline) = (format!(" addr={address} "), Instant::now() + REPLY_WITHIN);
            loop {
                let list = self.ask(which, &[b"CLIENT", b"LIST"])?;
                let list = String::from_utf8_lossy(list.bytes().unwrap_or_default()).into_owned();
                if is_right(list.lines().find(|line| line.contains(&name))) {
                    break;
                }
                ensure!(Instant::now() < deadline, "{} waits in vain:\n{list}", self.servers[which].name);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
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

    /// Asks both the same questions at once, each of which has a plain reply.
    pub(super) fn ask_all<T: AsRef<[u8]>>(&mut self, requests: [&[Vec<T>]; 2]) -> Result<[Vec<Value>; 2]> {
        let connections = self.connections(PRIVATE)?;
        for (connection, requests) in connections.iter_mut().zip(requests) {
            requests.iter().try_for_each(|request| connection.send(request))?;
        }
        let [reference, subject] = connections;
        let answers = |connection: &mut Connection, requests: &[Vec<T>]| {
            requests.iter().map(|_| connection.expect_reply()).collect::<Result<Vec<_>>>()
        };
        Ok([answers(reference, requests[0])?, answers(subject, requests[1])?])
    }

    /// Asks one of the two (0: the reference) something that has a plain reply.
    pub(super) fn ask(&mut self, which: usize, request: &[&[u8]]) -> Result<Value> {
        self.connections(PRIVATE)?[which].call(request)
    }
}

/// What random commands may change, and how every episode finds it.
const SETTINGS: &[(&str, &str)] = &[
    ("notify-keyspace-events", ""),
    ("stream-node-max-bytes", "4096"),
    ("stream-node-max-entries", "100"),
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "64"),
    ("set-max-intset-entries", "512"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("list-max-listpack-size", "-2"),
    ("hll-sparse-max-bytes", "3000"),
];

/// The connection that inspects and never changes its protocol.
const PRIVATE: u32 = u32::MAX;
