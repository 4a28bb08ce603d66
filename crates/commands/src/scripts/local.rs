//! A worker's own references to cached scripts, so that finding one touches nothing that workers share.

use std::hash::BuildHasher;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

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
    by_sha1: HashMap<[u8; 40], SharedScript, RandomState>,
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
        let mut key: [u8; 40] = sha1.try_into().ok()?;
        key.make_ascii_lowercase();
        if let Some(script) = self.by_sha1.get(&key).filter(|script| !script.is_evicted()) {
            scripts.recent.touch(script);
            return Some(script.clone());
        }
        let script = LocalScript::new(scripts.find(&key)?);
        scripts.recent.touch(&script);
        self.by_sha1.insert(key, script.clone());
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
        let script = match self.by_sha1.get(&found.sha1).filter(|known| known.id == found.id) {
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
        self.by_sha1.retain(|_, script| !script.is_evicted());
        self.by_source.retain(|_, script| !script.is_evicted());
    }
}
