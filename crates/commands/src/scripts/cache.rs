//! The script dictionary: source by SHA1.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use sha1::{Digest, Sha1};
use std::hash::BuildHasher;

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
}

impl Script {
    /// What runs when a library's function is called: its text is the library's.
    pub fn function(id: u64, name: &str, flags: ScriptFlags) -> Self {
        Script {
            id,
            sha1: [b'0'; 40],
            source: Box::default(),
            header: Header { flags, name: Some(name.into()), body_at: 0 },
            is_function: true,
            wide: AtomicBool::new(false),
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
}

/// A worker's own references to cached scripts, so that finding one touches nothing that workers share.
#[derive(Default)]
pub(crate) struct LocalScripts {
    by_sha1: HashMap<[u8; 40], SharedScript, RandomState>,
    by_source: HashMap<u64, SharedScript, RandomState>,
    flushes: u64,
}

/// A script as one thread passes it around.
pub type SharedScript = Rc<Arc<Script>>;

/// Local references are dropped when there are more.
const LOCAL: usize = 4096;

impl LocalScripts {
    /// The cached script with this SHA1, in either case.
    #[inline]
    pub(crate) fn find(&mut self, scripts: &Scripts, sha1: &[u8]) -> Option<SharedScript> {
        self.follow(scripts);
        let mut key: [u8; 40] = sha1.try_into().ok()?;
        key.make_ascii_lowercase();
        if let Some(script) = self.by_sha1.get(&key) {
            return Some(script.clone());
        }
        let script = Rc::new(scripts.find(&key)?);
        self.by_sha1.insert(key, script.clone());
        Some(script)
    }

    /// The cached script with this text.
    #[inline]
    pub(crate) fn find_source(&mut self, scripts: &Scripts, source: &[u8]) -> Option<SharedScript> {
        self.follow(scripts);
        let hash = scripts.hasher.hash_one(source);
        if let Some(script) = self.by_source.get(&hash).filter(|script| *script.source == *source) {
            return Some(script.clone());
        }
        let script = Rc::new(scripts.find_source(source)?);
        self.by_source.insert(hash, script.clone());
        Some(script)
    }

    fn follow(&mut self, scripts: &Scripts) {
        let flushes = scripts.flushes();
        if self.flushes != flushes || self.by_sha1.len() + self.by_source.len() > LOCAL {
            *self = LocalScripts { flushes, ..LocalScripts::default() };
        }
    }
}

/// Cached and running scripts.
#[derive(Default)]
pub struct Scripts {
    by_sha1: DashMap<[u8; 40], Arc<Script>, RandomState>,
    /// By a hash of the text, so that EVAL needs no SHA1 for a text that it has seen.
    by_source: DashMap<u64, Arc<Script>, RandomState>,
    hasher: RandomState,
    last_id: AtomicU64,
    /// Raised by a flush: compiled copies of older scripts are to be dropped.
    flushes: AtomicU64,
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

    /// A script that is not in the cache yet.
    ///
    /// # Errors
    /// If its first line is malformed.
    pub fn create(&self, source: &[u8]) -> Result<Arc<Script>, Error> {
        let header = Header::parse(source)?;
        Ok(Arc::new(Script {
            id: self.next_id(),
            sha1: sha1_hex(source),
            source: source.into(),
            header,
            is_function: false,
            wide: AtomicBool::new(false),
        }))
    }

    /// A number that no other script or function has.
    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Caches a script. Returns the one that is there if another client was faster.
    pub fn insert(&self, script: Arc<Script>) -> Arc<Script> {
        let kept = self.by_sha1.entry(script.sha1).or_insert(script).clone();
        self.by_source.insert(self.hasher.hash_one(&*kept.source), kept.clone());
        kept
    }

    /// Forgets every script. Those that run go on.
    pub fn flush(&self) {
        self.by_source.clear();
        self.by_sha1.clear();
        self.flushes.fetch_add(1, Ordering::Release);
    }

    /// How often the cache was flushed.
    pub fn flushes(&self) -> u64 {
        self.flushes.load(Ordering::Acquire)
    }

    /// How many scripts are cached, and the bytes of their texts.
    pub fn size(&self) -> (usize, usize) {
        (self.by_sha1.len(), self.by_sha1.iter().map(|script| script.source.len()).sum())
    }
}

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
