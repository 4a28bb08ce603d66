//! A worker's own references to cached scripts, so that finding one touches nothing that workers share.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use super::{Figures, Script, Scripts};

/// A cached script as one worker has it.
pub struct LocalScript {
    script: Arc<Script>,
    /// What this worker counts of it.
    pub figures: Arc<Figures>,
}

/// A script as one thread passes it around.
pub type SharedScript = Rc<LocalScript>;

impl LocalScript {
    /// The calling worker's view of a script.
    pub fn new(script: Arc<Script>) -> SharedScript {
        let figures = script.figures.join();
        Rc::new(LocalScript { script, figures })
    }
}

impl Deref for LocalScript {
    type Target = Arc<Script>;

    fn deref(&self) -> &Arc<Script> {
        &self.script
    }
}

/// The scripts that a worker has met.
#[derive(Default)]
pub(crate) struct LocalScripts {
    by_sha1: HashTable<SharedScript>,
    by_source: HashMap<u64, SharedScript, RandomState>,
    flushes: u64,
    evictions: u64,
}

/// Local references are dropped when there are more.
const LOCAL: usize = 4096;

/// Evictions after which a worker looks for what it can let go of.
pub(super) const SWEEP_AFTER: u64 = 64;

impl LocalScripts {
    /// The cached script with this SHA1, in either case.
    #[inline]
    pub(crate) fn find(&mut self, scripts: &Scripts, sha1: &[u8]) -> Option<SharedScript> {
        self.follow(scripts);
        let key: [u8; 40] = sha1.try_into().ok()?;
        let known = self.by_sha1.find(hash_of(&key), |script| script.sha1 == key);
        if let Some(script) = known.filter(|script| !script.is_evicted()) {
            scripts.recent.touch(script);
            return Some(script.clone());
        }
        self.meet(scripts, key)
    }

    /// A script that this worker does not know by this SHA1, or which was evicted since.
    #[cold]
    fn meet(&mut self, scripts: &Scripts, mut key: [u8; 40]) -> Option<SharedScript> {
        key.make_ascii_lowercase();
        let found = scripts.find(&key)?;
        scripts.recent.touch(&found);
        let hash = hash_of(&key);
        if let Ok(known) = self.by_sha1.find_entry(hash, |script| script.sha1 == key) {
            if known.get().id == found.id {
                return Some(known.get().clone());
            }
            known.remove();
        }
        let script = LocalScript::new(found);
        self.by_sha1.insert_unique(hash, script.clone(), |script| hash_of(&script.sha1));
        Some(script)
    }

    /// The cached script with this text.
    #[inline]
    pub(crate) fn find_source(&mut self, scripts: &Scripts, source: &[u8]) -> Option<SharedScript> {
        self.follow(scripts);
        let hash = scripts.hasher.hash_one(source);
        let known = self.by_source.get(&hash);
        if let Some(script) = known.filter(|script| *script.source == *source && !script.is_evicted()) {
            scripts.recent.touch(script);
            return Some(script.clone());
        }
        let found = scripts.find_source(source)?;
        let known = self.by_sha1.find(hash_of(&found.sha1), |script| script.sha1 == found.sha1);
        let script = match known.filter(|known| known.id == found.id) {
            Some(script) => script.clone(),
            None => LocalScript::new(found),
        };
        scripts.recent.touch(&script);
        self.by_source.insert(hash, script.clone());
        Some(script)
    }

    fn follow(&mut self, scripts: &Scripts) {
        let flushes = scripts.flushes();
        if self.flushes != flushes || self.by_sha1.len() + self.by_source.len() > LOCAL {
            *self = LocalScripts { flushes, evictions: scripts.evictions(), ..LocalScripts::default() };
        } else if scripts.evictions() >= self.evictions + SWEEP_AFTER {
            self.sweep(scripts);
        }
    }

    #[cold]
    fn sweep(&mut self, scripts: &Scripts) {
        self.evictions = scripts.evictions();
        self.by_sha1.retain(|script| !script.is_evicted());
        self.by_source.retain(|_, script| !script.is_evicted());
    }
}

/// A SHA1 is a hash already: half of it will do.
#[inline]
fn hash_of(sha1: &[u8; 40]) -> u64 {
    let (words, _) = sha1.as_chunks::<8>();
    let digits = u64::from_le_bytes(words[0]) ^ u64::from_le_bytes(words[1]).rotate_left(4);
    digits.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32)
}
