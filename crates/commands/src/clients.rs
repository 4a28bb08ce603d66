//! Connected clients as others see them: CLIENT LIST and KILL, and the mailbox through which they are told things.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::task::Context;

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::Mutex;
use perigee_resp::Protocol;

use crate::acl::User;
use crate::output_limits::{OutputLimits, Verdict};

/// The registry of clients by id.
#[derive(Default)]
pub struct Clients {
    by_id: DashMap<u64, Arc<Client>>,
    last_id: AtomicU64,
    /// How many wait in a blocking command, or for the end of CLIENT PAUSE.
    pub(crate) blocked: AtomicUsize,
    pub(crate) output_limits: Arc<OutputLimits>,
}

impl Clients {
    /// Registers a client. Addresses are as CLIENT LIST prints them: `ip:port`, or the path of a unix socket.
    pub fn connect(&self, address: String, local_address: String, fd: i32, now_ms: u64) -> Arc<Client> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let client = Arc::new(Client {
            id,
            address,
            local_address,
            fd,
            created_ms: now_ms,
            active_ms: AtomicU64::new(now_ms),
            protocol: AtomicBool::new(false),
            db: AtomicU16::new(0),
            last_command: AtomicU16::new(u16::MAX),
            named: Mutex::default(),
            marks: AtomicU32::new(0),
            queued: std::sync::atomic::AtomicI32::new(-1),
            subscriptions: Default::default(),
            requests: AtomicU64::new(0),
            watches: AtomicU32::new(0),
            traffic: Default::default(),
            redirect: AtomicU64::new(0),
            held_bytes: AtomicUsize::new(0),
            interest_bytes: Default::default(),
            received: Default::default(),
            killed: AtomicBool::new(false),
            output_limits: self.output_limits.clone(),
            soft_limit_since_ms: AtomicU64::new(0),
            is_slow: AtomicBool::new(false),
            mailbox: Mailbox::default(),
        });
        self.by_id.insert(id, client.clone());
        client
    }

    /// Takes the client out of the registry.
    pub fn disconnect(&self, id: u64) {
        self.by_id.remove(&id);
    }

    /// The client with this id.
    pub fn find(&self, id: u64) -> Option<Arc<Client>> {
        self.by_id.get(&id).map(|client| client.clone())
    }

    /// Counts a client as blocked until the guard is dropped.
    pub(crate) fn count_blocked(&self) -> BlockedGuard<'_> {
        self.blocked.fetch_add(1, Ordering::Relaxed);
        BlockedGuard(&self.blocked)
    }

    /// All clients, oldest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        let mut all: Vec<_> = self.by_id.iter().map(|client| client.clone()).collect();
        all.sort_by_key(|client| client.id);
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// A client that waits is counted as long as this lives.
pub(crate) struct BlockedGuard<'c>(&'c AtomicUsize);

impl Drop for BlockedGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a client wants names to be kept for it.
#[derive(Clone, Copy)]
pub(crate) enum Interest {
    /// It watches these keys.
    Watched,
    /// It listens to these channels and patterns.
    Channels,
    /// It tracks keys with these prefixes.
    Prefixes,
}

/// Beside the name itself, which stands in the session and in a registry: what an allocator that counts shows.
const BYTES_A_NAME: usize = 200;

/// What a connection holds of the requests that it receives, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// What has come and is not understood yet: the rest of an incomplete request, or what waits behind one that runs.
    pub unread: usize,
    /// The room behind that.
    pub free: usize,
    /// Those arguments of an incomplete request that are complete.
    pub arguments: usize,
    /// All of that, and whatever is kept beside it.
    pub held: usize,
}

/// A client that is idle, with its session and its connection's task: used_memory with and without a thousand of them.
const BYTES_A_CLIENT: usize = 3_200;

/// What is said of a client.
#[derive(Clone, Default)]
pub(crate) struct Named {
    pub(crate) name: Vec<u8>,
    pub(crate) library: Vec<u8>,
    pub(crate) library_version: Vec<u8>,
    /// Whom it acts for; `None` may do everything.
    pub(crate) user: Option<Arc<User>>,
}

/// A connected client, as others see it. Its own session keeps it up to date.
pub struct Client {
    /// Unique in the life of the server.
    pub id: u64,
    /// Where it comes from.
    pub address: String,
    /// Where it arrived.
    pub local_address: String,
    /// Its socket's file descriptor, -1 without a socket.
    pub fd: i32,
    pub(crate) created_ms: u64,
    pub(crate) active_ms: AtomicU64,
    protocol: AtomicBool,
    pub(crate) db: AtomicU16,
    /// The table's number of the last command, `u16::MAX` before the first.
    pub(crate) last_command: AtomicU16,
    pub(crate) named: Mutex<Named>,
    marks: AtomicU32,
    /// Commands queued by MULTI, -1 outside.
    pub(crate) queued: std::sync::atomic::AtomicI32,
    /// How many channels, patterns and shard channels it listens to.
    pub(crate) subscriptions: [AtomicU32; 3],
    pub(crate) requests: AtomicU64,
    /// How many keys it watches.
    pub(crate) watches: AtomicU32,
    /// Bytes that it has sent and was sent.
    pub(crate) traffic: [AtomicU64; 2],
    /// Who is to hear instead of it that keys have changed, 0 for nobody.
    pub(crate) redirect: AtomicU64,
    /// What MULTI has queued, in bytes.
    pub(crate) held_bytes: AtomicUsize,
    /// What is kept of the names that it waits to hear of, in bytes: one for each [`Interest`].
    interest_bytes: [AtomicUsize; 3],
    /// What it has sent and what was not run yet: a number for each part of [`Received`].
    received: [AtomicUsize; 4],
    killed: AtomicBool,
    output_limits: Arc<OutputLimits>,
    /// Since when more than the soft limit waits for it, 0 if it does not.
    soft_limit_since_ms: AtomicU64,
    is_slow: AtomicBool,
    /// Messages that wait to be written to it.
    pub mailbox: Mailbox,
}

/// A state that CLIENT LIST shows as a letter.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Mark {
    /// Waits in a blocking command.
    Blocked = 1,
    /// Inside MULTI.
    Multi = 2,
    /// Listens to channels.
    Subscribed = 4,
    /// In MONITOR mode.
    Monitor = 8,
    /// Never evicted.
    NoEvict = 16,
    /// A watched key has changed.
    DirtyExec = 32,
    /// Does not touch access times.
    NoTouch = 64,
    /// Over a unix socket.
    UnixSocket = 128,
    /// Closes after its reply.
    CloseAfterReply = 256,
    /// Wants to hear that keys have changed.
    Tracking = 512,
    /// Wants to hear of all keys with its prefixes.
    Broadcast = 1024,
    /// Does not want to hear of its own changes.
    NoLoop = 2048,
    /// The client that is to hear it instead is gone.
    BrokenRedirect = 4096,
    /// Understands redirections: CLIENT CAPA.
    Redirectable = 8192,
    /// Sees keys past their deadline while the server is in import mode.
    ImportSource = 16384,
}

impl Mark {
    /// Those that end when tracking ends.
    pub(crate) const OF_TRACKING: [Mark; 4] =
        [Mark::Tracking, Mark::Broadcast, Mark::NoLoop, Mark::BrokenRedirect];
}

impl Client {
    pub(crate) fn mark(&self, mark: Mark, set: bool) {
        if self.has(mark) == set {
            return;
        }
        if set {
            self.marks.fetch_or(mark as u32, Ordering::Relaxed);
        } else {
            self.marks.fetch_and(!(mark as u32), Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.marks.load(Ordering::Relaxed) & mark as u32 != 0
    }

    /// Whether its requests need more than others': whether it [tracks](Mark::Tracking), [touches nothing](Mark::NoTouch) or
    /// [brings data](Mark::ImportSource).
    #[inline]
    pub(crate) fn is_special(&self) -> bool {
        const SPECIAL: u32 = Mark::Tracking as u32 | Mark::NoTouch as u32 | Mark::ImportSource as u32;
        self.marks.load(Ordering::Relaxed) & SPECIAL != 0
    }

    /// Marks it as one that came over a unix socket.
    pub fn came_over_unix_socket(&self) {
        self.mark(Mark::UnixSocket, true);
    }

    /// Whether it runs on the same machine: over a unix socket or the loopback interface.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.address.rsplit_once(':').map_or("", |(host, _)| host);
        let ip = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        self.has(Mark::UnixSocket) || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The protocol that it speaks.
    pub fn protocol(&self) -> Protocol {
        if self.protocol.load(Ordering::Relaxed) { Protocol::Resp3 } else { Protocol::Resp2 }
    }

    pub(crate) fn set_protocol(&self, protocol: Protocol) {
        self.protocol.store(protocol == Protocol::Resp3, Ordering::Relaxed);
    }

    /// Who hears instead of it that keys have changed: 0 if it does so itself, -1 if it does not track.
    pub(crate) fn redirection(&self) -> i64 {
        if self.has(Mark::Tracking) { self.redirect.load(Ordering::Relaxed) as i64 } else { -1 }
    }

    /// Whether somebody wants its connection closed.
    pub fn is_killed(&self) -> bool {
        self.killed.load(Ordering::Acquire)
    }

    /// Has its connection closed.
    pub fn kill(&self) {
        self.killed.store(true, Ordering::Release);
        self.mailbox.wake();
    }

    /// Leaves a message for it. A client that has let too much pile up is killed instead.
    pub(crate) fn send(&self, message: Bytes) {
        if self.is_killed() {
            return;
        }
        self.mailbox.push(message);
        self.check_output();
    }

    /// Notes how many bytes of replies and messages its connection holds because the socket does not take them.
    pub fn note_unwritten(&self, bytes: usize) {
        self.mailbox.unwritten.store(bytes, Ordering::Release);
        self.check_output();
    }

    fn check_output(&self) {
        if self.output_limits.judge(self, self.output_bytes()) == Verdict::Over {
            self.give_up();
        }
    }

    /// Kills it if more than the soft limit of `client-output-buffer-limit` has waited for too long. To be called
    /// several times a second.
    pub fn check_soft_limit(&self, now_ms: u64) {
        let since = self.soft_limit_since_ms.load(Ordering::Relaxed);
        match self.output_limits.judge(self, self.output_bytes()) {
            Verdict::Fine if since == 0 => {}
            Verdict::Fine => self.soft_limit_since_ms.store(0, Ordering::Relaxed),
            Verdict::Soft { .. } if since == 0 => self.soft_limit_since_ms.store(now_ms, Ordering::Relaxed),
            Verdict::Soft { for_ms } if now_ms.saturating_sub(since) <= for_ms => {}
            Verdict::Soft { .. } | Verdict::Over => self.give_up(),
        }
    }

    fn give_up(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
        self.kill();
    }

    /// Whether it was killed because it did not read what it was sent.
    pub fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// Bytes of replies and messages that its connection holds because the socket does not take them.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        self.mailbox.unwritten.load(Ordering::Acquire)
    }

    /// Bytes that wait until it reads.
    pub(crate) fn output_bytes(&self) -> usize {
        self.mailbox.bytes() + self.unwritten_bytes()
    }

    /// Bytes that it makes the server hold.
    pub(crate) fn memory_bytes(&self) -> usize {
        let held = [&self.held_bytes].into_iter().chain(&self.interest_bytes);
        let held: usize = held.map(|bytes| bytes.load(Ordering::Relaxed)).sum();
        BYTES_A_CLIENT + self.output_bytes() + self.received().held + held
    }

    /// Notes one more name that it is interested in.
    pub(crate) fn note_name(&self, interest: Interest, name: &[u8]) {
        self.interest_bytes[interest as usize].fetch_add(2 * name.len() + BYTES_A_NAME, Ordering::Relaxed);
    }

    /// Notes that it has lost interest in a name.
    pub(crate) fn forget_name(&self, interest: Interest, name: &[u8]) {
        self.interest_bytes[interest as usize].fetch_sub(2 * name.len() + BYTES_A_NAME, Ordering::Relaxed);
    }

    /// Notes that it has lost interest in all names.
    pub(crate) fn forget_names(&self, interest: Interest) {
        self.interest_bytes[interest as usize].store(0, Ordering::Relaxed);
    }

    /// Notes what its connection holds of what it has sent.
    pub fn note_received(&self, received: Received) {
        let Received { unread, free, arguments, held } = received;
        for (noted, bytes) in self.received.iter().zip([unread, free, arguments, held]) {
            noted.store(bytes, Ordering::Relaxed);
        }
    }

    /// What its connection holds of what it has sent, as far as it has said so.
    pub(crate) fn received(&self) -> Received {
        let [unread, free, arguments, held] =
            self.received.each_ref().map(|bytes| bytes.load(Ordering::Relaxed));
        Received { unread, free, arguments, held }
    }

    /// Counts bytes that were run as requests, and bytes that are on their way to it. Only for its own worker.
    pub fn count_traffic(&self, input: usize, output: usize) {
        for (total, bytes) in self.traffic.iter().zip([input, output]) {
            total.store(total.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
        }
    }

    /// When it last sent a request, in milliseconds since the epoch.
    pub fn active_ms(&self) -> u64 {
        self.active_ms.load(Ordering::Relaxed)
    }

    /// Whether it waits in a blocking command or listens: idle by nature.
    pub fn may_idle(&self) -> bool {
        [Mark::Blocked, Mark::Subscribed, Mark::Monitor].into_iter().any(|mark| self.has(mark))
    }
}

/// Encoded messages on their way to a client that did not ask for them now: publications, monitored requests.
#[derive(Default)]
pub struct Mailbox {
    messages: Mutex<VecDeque<Bytes>>,
    bytes: AtomicUsize,
    /// What the connection has taken out, or answered itself, and not yet written.
    unwritten: AtomicUsize,
    waker: AtomicWaker,
}

impl Mailbox {
    fn push(&self, message: Bytes) {
        self.bytes.fetch_add(message.len(), Ordering::Relaxed);
        self.messages.lock().push_back(message);
        self.wake();
    }

    /// Takes all messages, oldest first.
    pub fn drain(&self, mut each: impl FnMut(Bytes)) {
        if self.is_empty() {
            return;
        }
        let messages = std::mem::take(&mut *self.messages.lock());
        for message in messages {
            self.bytes.fetch_sub(message.len(), Ordering::Relaxed);
            each(message);
        }
    }

    /// Whether there is no message.
    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.messages.lock().len()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    /// Has the task that owns the context woken by the next message or kill.
    pub fn register(&self, context: &Context<'_>) {
        self.waker.register(context.waker());
    }

    /// Wakes the task that has registered.
    pub fn wake(&self) {
        self.waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(limits: &str) -> (Clients, Arc<Client>) {
        let clients = Clients::default();
        clients.output_limits.set(limits);
        let client = clients.connect(String::new(), String::new(), 0, 1000);
        client.mark(Mark::Subscribed, true);
        (clients, client)
    }

    #[test]
    fn a_client_over_the_hard_limit_is_killed() {
        let (_clients, client) = client("normal 1 1 1 slave 1 1 1 pubsub 10 0 0");
        client.send(Bytes::from_static(b"12345"));
        client.note_unwritten(4);
        assert!(!client.is_killed());
        client.send(Bytes::from_static(b"6"));
        assert!(client.is_killed() && client.is_slow());
        client.send(Bytes::from_static(b"7"));
        assert_eq!(client.mailbox.bytes(), 6, "nobody will read that");
    }

    #[test]
    fn a_client_that_stays_over_the_soft_limit_is_killed() {
        let (_clients, client) = client("pubsub 0 5 2");
        client.send(Bytes::from_static(b"12345"));
        client.check_soft_limit(1000);
        client.check_soft_limit(3000);
        client.mailbox.drain(|_| {});
        client.check_soft_limit(3001);
        client.note_unwritten(5);
        client.check_soft_limit(3002);
        client.check_soft_limit(5002);
        assert!(!client.is_killed());
        client.check_soft_limit(5003);
        assert!(client.is_killed());
    }

    #[test]
    fn without_limits_anything_may_wait() {
        let (_clients, client) = client("normal 1 1 0 pubsub 0 0 0");
        client.note_unwritten(usize::MAX);
        client.check_soft_limit(u64::MAX);
        assert!(!client.is_killed());
    }
}
