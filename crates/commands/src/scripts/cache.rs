//! The script dictionary: source by SHA1.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use sha1::{Digest, Sha1};

use super::figures::AllFigures;
use super::profile::Profile;
use super::recent::Recent;
use super::{Header, RunningList, ScriptFlags};
use crate::error::Error;

/// A script's text and what is known of it.
pub struct Script {
    /// Unique in the life of the server: the key of compiled copies.
    pub id: u64,
    /// Forty lower-case hexadecimal digits.
    pub sha1: [u8; 40],
    /// The text, with its shebang line if it has one.
    pub source: Box<[u8]>,
    header: Header,
    is_function: bool,
    wide: AtomicBool,
    loaded: AtomicBool,
    evicted: AtomicBool,
    pub(super) last_use: AtomicU64,
    /// What every worker has counted of it.
    pub(crate) figures: AllFigures,
    /// Samples of where it spends its time.
    pub profile: Profile,
}

impl Script {
    /// What runs when a library's function is called: its text is the library's.
    pub fn function(id: u64, name: &str, flags: ScriptFlags) -> Self {
        let header = Header { flags, name: Some(name.into()), body_at: 0 };
        Script { is_function: true, ..Script::new(id, [b'0'; 40], Box::default(), header) }
    }

    fn new(id: u64, sha1: [u8; 40], source: Box<[u8]>, header: Header) -> Self {
        Script {
            id,
            sha1,
            source,
            header,
            is_function: false,
            wide: AtomicBool::new(false),
            loaded: AtomicBool::new(false),
            evicted: AtomicBool::new(false),
            last_use: AtomicU64::new(0),
            figures: AllFigures::default(),
            profile: Profile::default(),
        }
    }

    /// Whether it is a library's function, and not a text that EVAL runs.
    pub fn is_function(&self) -> bool {
        self.is_function
    }

    /// What its first line declares.
    pub fn flags(&self) -> ScriptFlags {
        self.header.flags
    }

    /// The name that its first line gives it.
    pub fn name(&self) -> Option<&str> {
        self.header.name.as_deref()
    }

    /// What people call it: its name, or its SHA1.
    pub fn title(&self) -> &str {
        self.name().unwrap_or_else(|| std::str::from_utf8(&self.sha1).unwrap_or_default())
    }

    /// The Lua text, after the shebang line.
    pub fn body(&self) -> &[u8] {
        &self.source[self.header.body_at..]
    }

    /// Whether an earlier run could not get an undeclared key's shard, so that it now starts with every shard.
    pub fn is_wide(&self) -> bool {
        self.wide.load(Ordering::Relaxed)
    }

    /// Has later runs start with every shard.
    pub fn set_wide(&self) {
        self.wide.store(true, Ordering::Relaxed);
    }

    /// Whether SCRIPT LOAD has cached it, so that it stays until a flush.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Relaxed)
    }

    /// Whether it is no longer in the cache, so that compiled copies can go.
    pub fn is_evicted(&self) -> bool {
        self.evicted.load(Ordering::Relaxed)
    }
}

/// Cached and running scripts.
#[derive(Default)]
pub struct Scripts {
    by_sha1: DashMap<[u8; 40], Arc<Script>, RandomState>,
    /// By a hash of the text, so that EVAL needs no SHA1 for a text that it has seen.
    by_source: DashMap<u64, Arc<Script>, RandomState>,
    pub(super) hasher: RandomState,
    last_id: AtomicU64,
    /// Raised by a flush: compiled copies of older scripts are to be dropped.
    flushes: AtomicU64,
    pub(super) recent: Recent,
    evictions: AtomicU64,
    /// The evictions at the last CONFIG RESETSTAT.
    evictions_before: AtomicU64,
    pub(super) running: Arc<RunningList>,
}

impl Scripts {
    /// The cached script with this SHA1, in either case.
    pub fn find(&self, sha1: &[u8]) -> Option<Arc<Script>> {
        let mut key: [u8; 40] = sha1.try_into().ok()?;
        key.make_ascii_lowercase();
        self.by_sha1.get(&key).map(|script| script.clone())
    }

    /// The cached script with this text.
    pub fn find_source(&self, source: &[u8]) -> Option<Arc<Script>> {
        let found = self.by_source.get(&self.hasher.hash_one(source))?;
        (*found.source == *source).then(|| found.clone())
    }

    /// The cached script with this SHA1 or name; of several with the name, the one that came last.
    pub fn find_named(&self, word: &[u8]) -> Option<Arc<Script>> {
        self.find(word).or_else(|| {
            let named = |script: &Arc<Script>| script.name().is_some_and(|name| name.as_bytes() == word);
            self.all().into_iter().rev().find(named)
        })
    }

    /// All cached scripts, in the order in which they came.
    pub fn all(&self) -> Vec<Arc<Script>> {
        let mut all: Vec<_> = self.by_sha1.iter().map(|script| script.clone()).collect();
        all.sort_by_key(|script| script.id);
        all
    }

    /// A script that is not in the cache yet.
    ///
    /// # Errors
    /// If its first line is malformed.
    pub fn create(&self, source: &[u8]) -> Result<Arc<Script>, Error> {
        let header = Header::parse(source)?;
        Ok(Arc::new(Script::new(self.next_id(), sha1_hex(source), source.into(), header)))
    }

    /// A number that no other script or function has.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Caches a script that EVAL has brought: until others push it out. Returns the one that is there if another client
    /// was faster.
    pub fn insert(&self, script: Arc<Script>) -> Arc<Script> {
        let id = script.id;
        let kept = self.by_sha1.entry(script.sha1).or_insert(script).clone();
        if kept.id == id {
            self.by_source.insert(self.hasher.hash_one(&*kept.source), kept.clone());
            self.recent.add(&kept, |oldest| self.evict(oldest));
        }
        kept
    }

    /// Keeps a cached script until a flush, as SCRIPT LOAD promises.
    pub fn keep(&self, script: &Script) {
        if !script.loaded.swap(true, Ordering::Relaxed) {
            self.recent.remove(script);
        }
    }

    fn evict(&self, script: &Script) {
        self.by_sha1.remove_if(&script.sha1, |_, cached| cached.id == script.id);
        let hash = self.hasher.hash_one(&*script.source);
        self.by_source.remove_if(&hash, |_, cached| cached.id == script.id);
        script.evicted.store(true, Ordering::Relaxed);
        self.evictions.fetch_add(1, Ordering::Release);
    }

    /// Forgets every script. Those that run go on.
    pub fn flush(&self) {
        self.recent.clear();
        self.by_source.clear();
        self.by_sha1.clear();
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// How often the cache was flushed.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// How many scripts have been evicted since the start.
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Acquire)
    }

    /// How many scripts have been evicted since the statistics were reset.
    pub(crate) fn evictions_shown(&self) -> u64 {
        self.evictions() - self.evictions_before.load(Ordering::Relaxed)
    }

    /// Starts all that is counted of scripts again from zero.
    pub(crate) fn reset_statistics(&self) {
        self.evictions_before.store(self.evictions(), Ordering::Relaxed);
        self.by_sha1.iter().for_each(|script| script.figures.reset());
    }

    /// How many scripts are cached, and the bytes that they take, apart from what is compiled.
    pub fn size(&self) -> (usize, usize) {
        let bytes = |script: &Script| script.source.len() + size_of::<Script>() + ENTRIES;
        (self.by_sha1.len(), self.by_sha1.iter().map(|script| bytes(&script)).sum())
    }
}

/// Bytes that a script's entries in the two maps take.
const ENTRIES: usize = size_of::<([u8; 40], Arc<Script>)>() + size_of::<(u64, Arc<Script>)>();

/// The SHA1 of bytes, in lower-case hexadecimal digits.
pub fn sha1_hex(bytes: &[u8]) -> [u8; 40] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hex = [0; 40];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Sha1::digest(bytes)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::super::recent::LIMIT;
    use super::*;

    fn eval(scripts: &Scripts, text: &str) -> Arc<Script> {
        if let Some(known) = scripts.find_source(text.as_bytes()) {
            scripts.recent.touch(&known);
            return known;
        }
        scripts.insert(scripts.create(text.as_bytes()).unwrap())
    }

    fn knows(scripts: &Scripts, text: &str) -> bool {
        let (by_source, by_sha1) =
            (scripts.find_source(text.as_bytes()), scripts.find(&sha1_hex(text.as_bytes())));
        assert_eq!(by_source.is_some(), by_sha1.is_some());
        by_source.is_some()
    }

    #[test]
    fn the_least_recently_used_goes() {
        let scripts = Scripts::default();
        for n in 0..LIMIT {
            eval(&scripts, &n.to_string());
        }
        assert_eq!((scripts.size().0, scripts.evictions()), (LIMIT, 0));
        // In another order than that in which they came.
        for text in ["2", "0", "2"] {
            eval(&scripts, text);
        }
        eval(&scripts, "new");
        eval(&scripts, "newer");
        assert!(!knows(&scripts, "1") && !knows(&scripts, "3"));
        assert!(knows(&scripts, "0") && knows(&scripts, "2") && knows(&scripts, "4"));
        for n in 0..LIMIT - 3 {
            eval(&scripts, &format!("more {n}"));
        }
        assert!(!knows(&scripts, "2") && knows(&scripts, "0") && knows(&scripts, "new"));
        assert_eq!(scripts.size().0, LIMIT);
    }

    #[test]
    fn what_was_loaded_stays() {
        let scripts = Scripts::default();
        let loaded = eval(&scripts, "loaded");
        scripts.keep(&loaded);
        let first = eval(&scripts, "first");
        for n in 0..LIMIT {
            eval(&scripts, &n.to_string());
        }
        assert!(knows(&scripts, "loaded") && !loaded.is_evicted());
        assert!(!knows(&scripts, "first") && first.is_evicted());
        assert_eq!((scripts.size().0, scripts.evictions()), (LIMIT + 1, 1));
    }
}
