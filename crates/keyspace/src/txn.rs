//! A transaction: locked shards, reads and changes of keys, and the way back.
//!
//! Every command runs in one. It holds the locks of all keys that it will touch; nothing of it is visible to anybody
//! before [`Txn::commit`] has released them, and nothing at all after [`Txn::rollback`].

mod databases;
mod edits;
mod end;
mod evict;
mod fields;
mod interest;
mod place;
mod read;
mod tracking;

use std::cell::RefCell;

pub(crate) use self::databases::below;
pub(crate) use self::place::{Place, Spot};
use self::tracking::Tracks;
pub use self::{
    fields::ExpiredFields,
    tracking::{Modified, Untracked},
};
use crate::access::{Chances, Touches};
use crate::edit::Audience;
use crate::held::Held;
use crate::journal::{Cover, Journal, Undo};
use crate::notices::Notice;
use crate::rare::Rare;
use crate::shard::Database;
use crate::types::{Limits, canonical_int};
use crate::value::{Content, Value};
use crate::{Entry, Footprint, Keyspace};

/// The key holds a value of another type than the operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// What becomes of a key's deadline when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// It stays as it is.
    Keep,
    /// The key lives until it is removed.
    Never,
    /// The key lives until this moment, in milliseconds since the epoch.
    At(u64),
}

/// A key in a numbered database.
pub type DbKey = (u16, Box<[u8]>);

/// What a commit leaves to be told to others; see [`Txn::seal`].
#[derive(Debug, Default)]
pub struct Sealed {
    /// Changed keys for which clients wait, in the order of their first change.
    pub ready: Vec<DbKey>,
    /// Keys that were found past their deadline and removed.
    pub expired: Vec<DbKey>,
    /// Hashes some of whose fields were found past their deadline and removed.
    pub expired_fields: Vec<ExpiredFields>,
    /// What readers have to forget, in the order in which it was changed; see [`Txn::track`].
    pub untracked: Vec<Untracked>,
    /// Every key that was changed, if [`Keyspace::tell_all`] asks for them.
    pub modified: Vec<Modified>,
    /// How many changes were made.
    pub changes: u64,
}

/// Exclusive access to some shards, at one moment.
pub struct Txn<'k> {
    keyspace: &'k Keyspace,
    pub(crate) held: Held<'k>,
    pub(crate) journal: Rare<Journal>,
    now_ms: u64,
    /// Keys whose deadline is not later are no more.
    live_after_ms: u64,
    /// What reading a key leaves on it.
    pub(crate) touches: Touches,
    /// What it would be, if access times were not kept.
    usual_touches: Touches,
    pub(crate) notes: bool,
    chances: Chances,
    changes: u64,
    /// Who makes the changes, 0 for nobody in particular.
    author: u64,
    /// The news of before the journal was opened, which it does not undo.
    kept: Rare<News>,
    /// Most transactions have none.
    pub(crate) news: RefCell<Rare<News>>,
}

/// What a commit has to tell, beside the changes themselves.
#[derive(Clone, Default)]
pub(crate) struct News {
    /// Changed keys of shards in which somebody watches or waits, and who is to be told.
    touched: Vec<(DbKey, Audience)>,
    /// Keys that were read and changed, for those who track what they read.
    tracks: Tracks,
    /// Keys that a read found expired; removed before the commit.
    stale: Vec<DbKey>,
    /// Keys that were removed since they were expired.
    expired: Vec<DbKey>,
    /// Hashes that have lost fields since those were expired.
    expired_fields: Vec<ExpiredFields>,
    /// In the order in which it happened.
    pub(crate) notices: Vec<Notice>,
}

impl<'k> Txn<'k> {
    #[inline(always)]
    pub(crate) fn new(keyspace: &'k Keyspace, held: Held<'k>, now_ms: u64) -> Self {
        Txn {
            keyspace,
            held,
            journal: Rare::none(),
            now_ms,
            live_after_ms: now_ms,
            touches: Touches::Time,
            usual_touches: Touches::Time,
            chances: Chances::new(0),
            notes: false,
            changes: 0,
            author: 0,
            kept: Rare::none(),
            news: RefCell::new(Rare::none()),
        }
    }

    /// From now on changes can be undone.
    pub fn open_journal(&mut self) {
        if self.journal.is_none() {
            *self.journal = Some(Journal::open());
            self.kept = self.news.get_mut().clone();
        }
    }

    /// The moment at which the transaction takes place, in milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    pub(crate) fn keeps_expired(&self) -> bool {
        self.keyspace.keeps_expired()
    }

    pub(crate) fn new_vector_set_uid(&self) -> u64 {
        self.keyspace.new_vector_set_uid()
    }

    /// From now on reading a key leaves its access time as it is.
    pub fn keep_access_times(&mut self) {
        self.usual_touches = std::mem::replace(&mut self.touches, Touches::Nothing);
    }

    /// Takes [`keep_access_times`](Self::keep_access_times) back. Returns whether it was in force.
    pub fn renew_access_times(&mut self) -> bool {
        let kept = self.touches == Touches::Nothing;
        if kept {
            self.touches = self.usual_touches;
        }
        kept
    }

    /// From now on a key past its deadline counts as live.
    pub fn see_expired(&mut self) {
        self.live_after_ms = 0;
    }

    /// From now on each use of a key is counted too, by chances that come from `seed`; see [`Entry::frequency`].
    pub fn count_accesses(&mut self, seed: u32) {
        self.touches = Touches::TimeAndCount;
        self.chances = Chances::new(seed);
    }

    /// How many changes were made so far.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many changes can be undone.
    pub fn journal_len(&self) -> usize {
        self.journal.as_ref().map_or(0, |journal| journal.len())
    }

    /// Locks more shards if that needs no waiting. After `false` the transaction must be rolled back and run again.
    #[inline]
    pub fn try_extend(&mut self, footprint: &Footprint) -> bool {
        let extended = match footprint {
            Footprint::None => true,
            Footprint::One(shard) => self.held.try_extend(*shard),
            Footprint::Several(list) => list.iter().all(|&shard| self.held.try_extend(shard)),
            Footprint::All => self.held.try_extend_all(),
        };
        extended && self.settle(footprint)
    }

    /// Whether these shards are held.
    #[inline]
    pub fn covers(&self, footprint: &Footprint) -> bool {
        match footprint {
            Footprint::None => true,
            Footprint::One(shard) => self.held.holds(*shard),
            Footprint::Several(list) => list.iter().all(|&shard| self.held.holds(shard)),
            Footprint::All => self.held.holds_all(),
        }
    }

    /// The shards that are held.
    pub fn footprint(&self) -> Footprint {
        self.held.footprint()
    }

    /// Whether every shard is held.
    pub fn holds_all(&self) -> bool {
        self.held.holds_all()
    }

    /// Encoding thresholds in force.
    pub fn limits(&self) -> Limits {
        self.keyspace.limits()
    }

    /// Gives the key a new value, whatever it held before.
    pub fn insert(&mut self, db: u16, key: &[u8], value: Value, deadline: Deadline) {
        if let Value::Hash(hash) = &value
            && hash.soonest_deadline().is_some()
        {
            self.keyspace.note_timed_fields();
        }
        self.put(db, key, Content::Value(value), deadline);
    }

    /// Gives the key a string as SET stores it, whatever it held before: an integer if the bytes are exactly how one is
    /// written.
    #[inline]
    pub fn insert_bytes(&mut self, db: u16, key: &[u8], bytes: &[u8], deadline: Deadline) {
        let content = canonical_int(bytes).map_or(Content::Text(bytes), Content::Int);
        self.put(db, key, content, deadline);
    }

    #[inline]
    fn put(&mut self, db: u16, key: &[u8], content: Content<'_>, deadline: Deadline) {
        let spot = self.spot(key);
        let place = match self.find_in(spot, db, key) {
            Some(place) => {
                self.replace_at(place, key, content, deadline);
                place
            }
            None => {
                let deadline = if let Deadline::At(at) = deadline { Some(at) } else { None };
                self.create(spot, db, key, content, deadline)
            }
        };
        self.touched_in(place.shard(), db, key);
    }

    fn replace_at(&mut self, place: Place, key: &[u8], content: Content<'_>, deadline: Deadline) {
        let target = self.journal.as_mut().map(|journal| {
            let target = journal.target(place.db(), key);
            (target, journal.cover(target))
        });
        let uncovered = target.filter(|(_, cover)| !(cover.value && cover.deadline));
        let database = self.held.shard_mut(place.shard()).database_mut(place.db());
        // Apart, since it answers nothing: an answer that is moved is read as a whole just after it was written in parts, and
        // that waits until the write has left for the cache, behind the new value, whose place is usually not there yet.
        let overwritten = uncovered.is_none() && database.overwrite(place.index, &content);
        let old = match overwritten {
            true => None,
            false => database.replace_value(place.index, content, uncovered.is_some()),
        };
        let entry = database.keys.get_at(place.index).expect("a place that was just found");
        let old_deadline = entry.deadline();
        self.touches.leave_on(entry, self.now_ms, self.keyspace, &self.chances);
        match deadline {
            Deadline::Keep => {}
            Deadline::Never if old_deadline.is_none() => {}
            Deadline::Never => drop(database.set_deadline(place.index, None)),
            Deadline::At(at) => drop(database.set_deadline(place.index, Some(at))),
        }
        let Some(old) = old else { return };
        match (uncovered, &mut *self.journal) {
            (Some((target, _)), Some(journal)) => {
                journal.push(target, Undo::Replaced { value: old, deadline: old_deadline });
                journal.set_cover(target, Cover::ALL);
            }
            _ => self.keyspace.reaper().drop_value(old),
        }
    }

    pub(crate) fn create(
        &mut self,
        Spot { shard, hash }: Spot,
        db: u16,
        key: &[u8],
        content: Content<'_>,
        deadline: Option<u64>,
    ) -> Place {
        let entry = Entry::new(key, content, deadline, self.now_ms);
        let index = self.held.shard_mut(shard).database_mut(db).push_hashed(hash, entry);
        if let Some(journal) = &mut *self.journal {
            let target = journal.target(db, key);
            journal.push(target, Undo::Created);
            journal.set_cover(target, Cover::ALL);
        }
        self.note_created(db, key);
        Place::new(shard, db, index)
    }

    /// Removes the key. Returns whether it was live.
    pub fn remove(&mut self, db: u16, key: &[u8]) -> bool {
        let Some(place) = self.find(db, key) else { return false };
        self.remove_at(place);
        self.touched(db, key);
        true
    }

    pub(crate) fn remove_at(&mut self, place: Place) {
        let entry = self.database_mut(place).remove_at(place.index);
        match &mut *self.journal {
            Some(journal) => {
                let target = journal.target(place.db(), entry.key());
                journal.push(target, Undo::Removed { index: place.index, entry: Box::new(entry) });
                journal.set_cover(target, Cover::default());
            }
            None => self.keyspace.reaper().drop_entry(entry),
        }
    }

    /// Moves a live key with its deadline to another name or database, where none may be. Returns whether it was live.
    pub fn rename(&mut self, from: (u16, &[u8]), to: (u16, &[u8])) -> bool {
        let Some(place) = self.find(from.0, from.1) else { return false };
        debug_assert!(self.peek(to.0, to.1).is_none(), "the destination was removed first");
        let mut entry = self.database_mut(place).remove_at(place.index);
        entry.rename(to.1);
        let shard = self.keyspace.shard_of(to.1);
        self.held.shard_mut(shard).database_mut(to.0).push(entry);
        if let Some(journal) = &mut *self.journal {
            let target = journal.target(from.0, from.1);
            journal.push(target, Undo::Moved { index: place.index, to: (to.0, to.1.into()) });
            journal.clear_covers();
        }
        self.note_created(to.0, to.1);
        self.touched(from.0, from.1);
        self.touched(to.0, to.1);
        true
    }

    /// Sets or clears the key's deadline. Returns whether the key was live.
    pub fn set_deadline(&mut self, db: u16, key: &[u8], deadline: Option<u64>) -> bool {
        let Some(place) = self.find(db, key) else { return false };
        let before = self.database_mut(place).set_deadline(place.index, deadline);
        if let Some(journal) = &mut *self.journal {
            let target = journal.target(db, key);
            let cover = journal.cover(target);
            if !cover.deadline {
                journal.push(target, Undo::Deadline(before));
                journal.set_cover(target, Cover { deadline: true, ..cover });
            }
        }
        self.touched(db, key);
        true
    }

    /// Makes it so many seconds since a live key was last read or written.
    pub fn set_idle_s(&mut self, db: u16, key: &[u8], idle_s: u32) {
        if let Some(entry) = self.peek(db, key) {
            entry.set_idle_s(idle_s, self.now_ms);
        }
    }

    /// Makes it a live key's [frequency](Entry::frequency).
    pub fn set_frequency(&mut self, db: u16, key: &[u8], count: u8) {
        if let Some(entry) = self.peek(db, key) {
            entry.set_frequency(count, self.now_ms);
        }
    }

    /// Lets the key live until it is removed. Returns whether it was live and had a deadline.
    pub fn persist(&mut self, db: u16, key: &[u8]) -> bool {
        let has_deadline = self.peek(db, key).is_some_and(|entry| entry.deadline().is_some());
        has_deadline && self.set_deadline(db, key, None)
    }

    /// Removes the key if its deadline has passed, unless such keys are kept. Returns whether it has.
    pub fn expire_if_due(&mut self, db: u16, key: &[u8]) -> bool {
        if self.keyspace.keeps_expired() {
            return false;
        }
        let before = self.news().expired.len();
        self.find(db, key).is_none() && self.news().expired.len() > before
    }

    /// Removes up to `limit` keys whose deadline has passed from the shard, which must be held. Returns how many.
    pub fn expire_due(&mut self, shard: u16, limit: usize) -> usize {
        let mut removed = 0;
        for db in 0..self.keyspace.databases() {
            while removed < limit && self.held.shard(shard).database(db).is_some_and(|d| d.volatile > 0) {
                let Some(index) = self.held.shard_mut(shard).database_mut(db).next_due(self.now_ms) else {
                    break;
                };
                self.expire_at(Place::new(shard, db, index));
                removed += 1;
            }
        }
        removed
    }

    // ---- shared by the above ----

    #[inline]
    pub(crate) fn touch(&self, entry: &Entry) {
        self.touches.leave_on(entry, self.now_ms, self.keyspace, &self.chances);
    }

    pub(crate) fn drop_weighing(&self, weight: usize, garbage: impl Send + 'static) {
        self.keyspace.reaper().drop_weighing(weight, garbage);
    }

    pub(crate) fn news(&mut self) -> &mut News {
        self.news.get_mut().get_or_insert_default()
    }

    pub(crate) fn database_mut(&mut self, place: Place) -> &mut Database {
        self.held.shard_mut(place.shard()).database_mut(place.db())
    }

    #[inline]
    pub(crate) fn touched(&mut self, db: u16, key: &[u8]) {
        self.touched_in(self.keyspace.shard_of(key), db, key);
    }

    #[inline]
    fn touched_in(&mut self, shard: u16, db: u16, key: &[u8]) {
        self.changes += 1;
        if self.is_heard(shard) {
            self.note_change(shard, (db, key.into()), Audience::Everybody);
        }
    }

    #[inline]
    pub(crate) fn touched_at(&mut self, place: Place, audience: Audience) {
        self.changes += 1;
        if audience != Audience::Nobody && self.is_heard(place.shard()) {
            let database = self.held.shard(place.shard()).database(place.db());
            let entry = database.and_then(|database| database.keys.get_at(place.index));
            let key = entry.expect("a place that was just used").key().into();
            self.note_change(place.shard(), (place.db(), key), audience);
        }
    }

    fn remove_stale(&mut self) {
        let Some(news) = self.news.get_mut().as_mut() else { return };
        for (db, key) in std::mem::take(&mut news.stale) {
            self.find(db, &key);
        }
    }

    fn expire_at(&mut self, place: Place) {
        let entry = self.database_mut(place).keys.get_at(place.index).expect("a place that was just found");
        let key: Box<[u8]> = entry.key().into();
        self.remove_at(place);
        let (changes, author) = (self.changes, std::mem::take(&mut self.author));
        self.touched(place.db(), &key);
        (self.changes, self.author) = (changes, author);
        self.news().expired.push((place.db(), key));
    }
}
