//! Telling those who have read a key that it has changed.
//!
//! A transaction may read a key, change it and read it again: only what was read before the last change has to be
//! forgotten. Nothing of that is known to others before the commit.

use rand::Rng;

use super::{DbKey, Sealed, Txn};
use crate::edit::Audience;
use crate::key::Key;
use crate::table::{Keyed, Table};
use crate::tracking::Readers;

/// What readers have to forget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untracked {
    /// A key, and who had read it.
    Key(Box<[u8]>, Readers),
    /// Everything.
    All,
}

/// A key that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modified {
    /// Its name.
    pub key: Box<[u8]>,
    /// Who has changed it last: what [`Txn::act_for`] was told, 0 where a deadline has passed.
    pub author: u64,
}

/// What a transaction has read for somebody, and changed.
#[derive(Clone, Default)]
pub(super) struct Tracks {
    keys: Table<Track>,
    /// Positions of those that were changed, in the order of their first change.
    changed: Vec<usize>,
    /// How many had been changed when everything was forgotten.
    forgotten: Option<usize>,
}

#[derive(Clone)]
struct Track {
    key: Key,
    /// Who has changed it last.
    author: Option<u64>,
    /// Who has read it before the last change, and who since.
    before: Readers,
    since: Readers,
}

impl Keyed for Track {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Txn<'_> {
    /// Has `reader` named in [`Sealed::untracked`] by whoever next changes the key, this transaction included, in
    /// whichever database. The key's shard must be held. It holds from the commit on; a rollback undoes it.
    pub fn track(&mut self, key: &[u8], reader: u64) {
        // What has expired did so before it was looked for.
        self.remove_stale();
        let tracked = &mut self.held.shard_mut(self.keyspace.shard_of(key)).tracked;
        let is_known = tracked.get_or_insert_default().has_reader(key, reader);
        if !is_known || self.news.get_mut().is_some() {
            self.news().tracks.read(key, reader);
        }
    }

    /// At the commit all readers of all keys are told. Needs every shard.
    pub fn untrack_all(&mut self) {
        self.news().tracks.forget();
    }

    /// From now on changes are made by `author`; see [`Modified`].
    pub fn act_for(&mut self, author: u64) {
        self.author = author;
    }

    /// Takes a key that has readers out of the shard, which must be held: any of them.
    pub fn untrack_any(&mut self, shard: u16, rng: &mut impl Rng) -> Option<(Box<[u8]>, Readers)> {
        let tracked = &mut self.held.shard_mut(shard).tracked;
        let taken = tracked.as_mut()?.remove_any(rng, self.keyspace.tracked_totals());
        tracked.take_if(|tracked| tracked.is_empty());
        taken
    }

    /// Whether a change in the shard may concern anybody.
    #[inline]
    pub(super) fn is_heard(&self, shard: u16) -> bool {
        let data = self.held.shard(shard);
        !data.interests.is_empty() || data.tracked.is_some() || self.keyspace.tells_all()
    }

    #[cold]
    pub(super) fn note_change(&mut self, shard: u16, at: DbKey, audience: Audience) {
        if audience.has_watchers() {
            let (author, tells_all) = (self.author, self.keyspace.tells_all());
            let data = self.held.shard(shard);
            let is_read = data.tracked.as_ref().is_some_and(|tracked| {
                let news = self.news.borrow();
                tracked.contains(&at.1) || news.as_ref().is_some_and(|news| news.tracks.contains(&at.1))
            });
            if is_read || tells_all {
                self.news().tracks.change(&at.1, author);
            }
        }
        if !self.held.shard(shard).interests.is_empty() {
            self.news().touched.push((at, audience));
        }
    }

    pub(super) fn seal_tracks(&mut self, mut tracks: Tracks, sealed: &mut Sealed) {
        let changed = std::mem::take(&mut tracks.changed);
        for (position, &at) in changed.iter().enumerate() {
            if tracks.forgotten == Some(position) {
                self.seal_forgotten(sealed);
            }
            let track = tracks.keys.get_at_mut(at).expect("tracks are never removed");
            self.seal_change(track, sealed);
        }
        if tracks.forgotten == Some(changed.len()) {
            self.seal_forgotten(sealed);
        }
        for track in tracks.keys.iter() {
            for &reader in track.before.iter().chain(&track.since) {
                let tracked = &mut self.held.shard_mut(self.keyspace.shard_of(&track.key)).tracked;
                tracked.get_or_insert_default().enter(&track.key, reader, self.keyspace.tracked_totals());
            }
        }
    }

    fn seal_change(&mut self, track: &mut Track, sealed: &mut Sealed) {
        let key: &[u8] = &track.key;
        if self.keyspace.tells_all() {
            sealed.modified.push(Modified { key: key.into(), author: track.author.unwrap_or(0) });
        }
        let mut readers = std::mem::take(&mut track.before);
        let tracked = &mut self.held.shard_mut(self.keyspace.shard_of(key)).tracked;
        if let Some(table) = tracked {
            let earlier = table.remove(key, self.keyspace.tracked_totals()).unwrap_or_default();
            readers.retain(|reader| !earlier.contains(reader));
            readers.insert_many(0, earlier);
            tracked.take_if(|tracked| tracked.is_empty());
        }
        if !readers.is_empty() {
            sealed.untracked.push(Untracked::Key(key.into(), readers));
        }
    }

    fn seal_forgotten(&mut self, sealed: &mut Sealed) {
        for shard in 0..self.keyspace.shard_count() {
            if let Some(tracked) = self.held.shard_mut(shard).tracked.take() {
                tracked.leave(self.keyspace.tracked_totals());
                self.drop_weighing(tracked.len(), tracked);
            }
        }
        sealed.untracked.push(Untracked::All);
    }
}

impl Tracks {
    fn contains(&self, key: &[u8]) -> bool {
        self.keys.get(key).is_some()
    }

    fn read(&mut self, key: &[u8], reader: u64) {
        let track = self.track(key).1;
        let readers = if track.author.is_some() { &mut track.since } else { &mut track.before };
        if !readers.contains(&reader) {
            readers.push(reader);
        }
    }

    fn change(&mut self, key: &[u8], author: u64) {
        let (at, track) = self.track(key);
        for reader in track.since.drain(..) {
            if !track.before.contains(&reader) {
                track.before.push(reader);
            }
        }
        if track.author.replace(author).is_none() {
            self.changed.push(at);
        }
    }

    fn forget(&mut self) {
        for at in 0..self.keys.len() {
            let track = self.keys.get_at_mut(at).expect("a position below the length");
            track.before.clear();
            track.since.clear();
        }
        self.forgotten = Some(self.changed.len());
    }

    fn track(&mut self, key: &[u8]) -> (usize, &mut Track) {
        let at = self.keys.get_index_of(key);
        let at = at.unwrap_or_else(|| {
            let (before, since) = (Readers::new(), Readers::new());
            self.keys.insert_unique(Track { key: key.into(), author: None, before, since })
        });
        (at, self.keys.get_at_mut(at).expect("a position that was just found"))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::types::Str;
    use crate::value::Value;
    use crate::{Deadline, Footprint, Keyspace};

    fn set(txn: &mut Txn<'_>, key: &[u8]) {
        txn.insert(0, key, Value::Str(Str::from_text(b"x")), Deadline::Never);
    }

    fn begin(keyspace: &Keyspace) -> Txn<'_> {
        keyspace.try_begin(&Footprint::All, 1).expect("nobody holds a lock")
    }

    /// What is told of the transaction: keys with their readers, `*` for everything.
    #[track_caller]
    fn check(keyspace: &Keyspace, run: impl FnOnce(&mut Txn<'_>), expected: &str) {
        let mut txn = begin(keyspace);
        run(&mut txn);
        let told = txn.commit().untracked.into_iter().map(|untracked| match untracked {
            Untracked::Key(key, readers) => format!("{} {readers:?}", key.escape_ascii()),
            Untracked::All => "*".to_owned(),
        });
        assert_eq!(told.collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn a_change_is_told_once_to_those_who_had_read_the_key() {
        let keyspace = Keyspace::new(2, 4);
        let read = |reader| move |txn: &mut Txn<'_>| txn.track(b"k", reader);
        check(&keyspace, read(1), "");
        check(&keyspace, read(2), "");
        check(&keyspace, read(1), "");
        assert_eq!(keyspace.tracked(), (1, 2));
        check(&keyspace, |txn| set(txn, b"other"), "");
        check(&keyspace, |txn| set(txn, b"k"), "k [1, 2]");
        check(&keyspace, |txn| set(txn, b"k"), "");
        assert_eq!(keyspace.tracked(), (0, 0));
        check(&keyspace, read(1), "");
        // In whichever database.
        check(
            &keyspace,
            |txn| txn.insert(1, b"k", Value::Str(Str::from_text(b"x")), Deadline::Never),
            "k [1]",
        );
    }

    #[test]
    fn what_a_transaction_reads_after_its_own_change_stays_tracked() {
        let keyspace = Keyspace::new(2, 4);
        let write = |txn: &mut Txn<'_>| set(txn, b"k");
        let write_and_read = |txn: &mut Txn<'_>| {
            set(txn, b"k");
            txn.track(b"k", 1);
        };
        check(&keyspace, write_and_read, "");
        check(&keyspace, write_and_read, "k [1]");
        check(&keyspace, write, "k [1]");
        let read_and_write = |txn: &mut Txn<'_>| {
            txn.track(b"k", 1);
            txn.track(b"k", 2);
            set(txn, b"k");
        };
        check(&keyspace, read_and_write, "k [1, 2]");
        check(&keyspace, write, "");
        let between = |txn: &mut Txn<'_>| {
            write_and_read(txn);
            write_and_read(txn);
            txn.track(b"k", 2);
        };
        check(&keyspace, between, "k [1]");
        check(&keyspace, write, "k [1, 2]");
    }

    #[test]
    fn a_key_that_has_expired_did_so_before_it_was_read() {
        let keyspace = Keyspace::new(2, 4);
        let expiring = |txn: &mut Txn<'_>| {
            txn.insert(0, b"k", Value::Str(Str::from_text(b"x")), Deadline::At(10));
        };
        check(&keyspace, expiring, "");
        check(&keyspace, |txn| txn.track(b"k", 1), "");
        let mut txn = keyspace.try_begin(&Footprint::All, 20).expect("nobody holds a lock");
        assert!(txn.entry(0, b"k").is_none());
        txn.track(b"k", 1);
        let sealed = txn.commit();
        assert_eq!(sealed.untracked, [Untracked::Key(b"k"[..].into(), Readers::from_slice(&[1]))]);
        check(&keyspace, |txn| set(txn, b"k"), "k [1]");
    }

    #[test]
    fn a_rollback_leaves_readers_as_they_were() {
        let keyspace = Keyspace::new(2, 4);
        check(&keyspace, |txn| txn.track(b"k", 1), "");
        let undone = |txn: &mut Txn<'_>| {
            txn.track(b"before", 1);
            set(txn, b"before");
            txn.open_journal();
            txn.track(b"k", 2);
            txn.track(b"new", 2);
            set(txn, b"k");
            txn.untrack_all();
            txn.rollback();
        };
        check(&keyspace, undone, "before [1]");
        assert_eq!(keyspace.tracked(), (1, 1));
        check(&keyspace, |txn| set(txn, b"k"), "k [1]");
        check(&keyspace, |txn| set(txn, b"new"), "");
    }

    #[test]
    fn after_everything_was_forgotten_only_later_reads_count() {
        let keyspace = Keyspace::new(2, 4);
        check(&keyspace, |txn| (0..100).for_each(|n| txn.track(&[n], u64::from(n))), "");
        let flush = |txn: &mut Txn<'_>| {
            txn.track(b"a", 1);
            set(txn, b"\x07");
            txn.untrack_all();
            txn.track(b"b", 1);
            set(txn, b"a");
        };
        check(&keyspace, flush, "\\x07 [7], *");
        assert_eq!(keyspace.tracked(), (1, 1));
        check(&keyspace, |txn| set(txn, b"b"), "b [1]");
    }

    #[test]
    fn all_changes_are_told_if_somebody_asks() {
        let keyspace = Keyspace::new(2, 4);
        keyspace.tell_all(true);
        let mut txn = begin(&keyspace);
        txn.act_for(7);
        set(&mut txn, b"a");
        txn.act_for(0);
        set(&mut txn, b"b");
        set(&mut txn, b"a");
        let modified = |key: &[u8]| Modified { key: key.into(), author: 0 };
        assert_eq!(txn.commit().modified, [modified(b"a"), modified(b"b")]);
        keyspace.tell_all(false);
        let mut txn = begin(&keyspace);
        set(&mut txn, b"a");
        assert_eq!(txn.commit().modified, []);
    }

    #[test]
    fn any_key_can_be_given_up() {
        let keyspace = Keyspace::new(2, 1);
        check(&keyspace, |txn| (0..3).for_each(|n| txn.track(&[n], 9)), "");
        let mut rng = rand::rngs::StdRng::seed_from_u64(1);
        let mut txn = begin(&keyspace);
        let mut keys: Vec<_> = (0..3).map(|_| txn.untrack_any(0, &mut rng).expect("one is left").0).collect();
        keys.sort();
        assert_eq!(keys, [[0].into(), [1].into(), [2].into()] as [Box<[u8]>; 3]);
        assert_eq!(txn.untrack_any(0, &mut rng), None);
        assert_eq!(keyspace.tracked(), (0, 0));
    }
}
