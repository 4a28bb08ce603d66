//! What a transaction will tell others once it is committed: publications and keyspace events, in their order.

use perigee_keyspace::{Notice, Rare, Txn};

use crate::config::Param;
use crate::engine::{Engine, Env};
use crate::tracking::Declared;

/// Messages that wait for the commit. A rollback drops them.
#[derive(Default)]
pub struct Effects {
    messages: Rare<Vec<Message>>,
    /// The client whose request it is, 0 unless it tracks.
    pub(crate) origin: u64,
    /// What the running script has declared, if its client tracks.
    pub(crate) declared: Rare<Declared>,
}

struct Message {
    to_shard: bool,
    channel: Box<[u8]>,
    text: Box<[u8]>,
}

/// Classes of keyspace events: the letters of `notify-keyspace-events`.
#[derive(Clone, Copy)]
#[repr(u32)]
#[allow(missing_docs, reason = "the names of the classes")]
pub enum Event {
    Keyspace = 1,
    Keyevent = 2,
    Generic = 4,
    String = 8,
    List = 16,
    Set = 32,
    Hash = 64,
    ZSet = 128,
    Expired = 256,
    Evicted = 512,
    Stream = 1024,
    KeyMiss = 2048,
    Module = 8192,
    New = 16384,
}

/// The classes that `A` stands for.
pub(crate) const ALL_EVENTS: u32 = Event::Generic as u32
    | Event::String as u32
    | Event::List as u32
    | Event::Set as u32
    | Event::Hash as u32
    | Event::ZSet as u32
    | Event::Expired as u32
    | Event::Evicted as u32
    | Event::Stream as u32
    | Event::Module as u32;

/// The letters, in the order in which CONFIG GET prints them.
pub(crate) const EVENT_LETTERS: [(u8, u32); 14] = [
    (b'g', Event::Generic as u32),
    (b'$', Event::String as u32),
    (b'l', Event::List as u32),
    (b's', Event::Set as u32),
    (b'h', Event::Hash as u32),
    (b'z', Event::ZSet as u32),
    (b'x', Event::Expired as u32),
    (b'e', Event::Evicted as u32),
    (b't', Event::Stream as u32),
    (b'd', Event::Module as u32),
    (b'n', Event::New as u32),
    (b'K', Event::Keyspace as u32),
    (b'E', Event::Keyevent as u32),
    (b'm', Event::KeyMiss as u32),
];

fn wanted(engine: &Engine) -> u32 {
    engine.config.number(Param::NotifyKeyspaceEvents) as u32
}

impl Effects {
    /// Publishes at the commit.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) {
        self.messages().push(Message { to_shard: false, channel: channel.into(), text: message.into() });
    }

    /// Publishes to a shard channel at the commit.
    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) {
        self.messages().push(Message { to_shard: true, channel: channel.into(), text: message.into() });
    }

    /// Tells of a change to a key, if `notify-keyspace-events` asks for its class; and before that, what the transaction
    /// has noted.
    #[inline]
    pub fn notify(
        &mut self,
        engine: &Engine,
        txn: &mut Txn<'_>,
        class: Event,
        event: &str,
        db: u16,
        key: &[u8],
    ) {
        if txn.keeps_notices() {
            self.tell_notices(engine, txn);
        }
        let wanted = wanted(engine);
        if wanted & class as u32 != 0 {
            self.notify_wanted(wanted, event, db, key);
        }
    }

    /// Has the transaction note what is to be told of keys that are created or missed.
    #[inline]
    pub(crate) fn prepare(engine: &Engine, txn: &mut Txn<'_>) {
        if wanted(engine) & (Event::New as u32 | Event::KeyMiss as u32) != 0 {
            txn.keep_notices();
        }
    }

    /// Tells what the transaction has noted.
    #[cold]
    pub(crate) fn tell_notices(&mut self, engine: &Engine, txn: &mut Txn<'_>) {
        let wanted = wanted(engine);
        for notice in txn.take_notices() {
            let (class, event, (db, key)) = match notice {
                Notice::Created(at) => (Event::New, "new", at),
                Notice::Missed(at) => (Event::KeyMiss, "keymiss", at),
            };
            if wanted & class as u32 != 0 {
                self.notify_wanted(wanted, event, db, &key);
            }
        }
    }

    #[cold]
    fn notify_wanted(&mut self, wanted: u32, event: &str, db: u16, key: &[u8]) {
        if wanted & Event::Keyspace as u32 != 0 {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.publish(&channel, event.as_bytes());
        }
        if wanted & Event::Keyevent as u32 != 0 {
            self.publish(format!("__keyevent@{db}__:{event}").as_bytes(), key);
        }
    }

    /// Puts other messages before these.
    pub(crate) fn precede_with(&mut self, earlier: Effects) {
        if !earlier.is_empty() {
            self.messages().splice(0..0, earlier.into_messages());
        }
    }

    /// Whether there is nothing to tell.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.messages.as_ref().is_none_or(|messages| messages.is_empty())
    }

    /// Forgets everything, after a rollback.
    pub fn clear(&mut self) {
        *self.messages = None;
    }

    pub(crate) fn deliver(self, env: Env<'_>) {
        for message in self.into_messages() {
            if message.to_shard {
                env.engine.pubsub.deliver_to_shard(&message.channel, &message.text);
            } else {
                env.engine.pubsub.deliver(&message.channel, &message.text);
            }
        }
    }

    fn messages(&mut self) -> &mut Vec<Message> {
        self.messages.get_or_insert_default()
    }

    fn into_messages(mut self) -> Vec<Message> {
        self.messages.take().map_or_else(Vec::new, |messages| *messages)
    }
}
