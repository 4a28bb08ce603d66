//! The libraries in force, and each worker's own references to their functions.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::RwLock;

use super::library::{Function, Library};
use crate::error::Error;
use crate::scripts::{LocalScript, SharedScript};

/// The registry.
#[derive(Default)]
pub struct Functions {
    current: RwLock<Arc<Libraries>>,
    generation: AtomicU64,
}

/// One state of the registry.
#[derive(Clone, Default)]
pub struct Libraries {
    by_name: BTreeMap<Box<str>, Arc<Library>>,
    /// By lower-case name: as in Redis, FCALL takes any case.
    functions: HashMap<Box<str>, (Arc<Library>, usize), RandomState>,
}

impl Functions {
    /// The libraries in force.
    pub fn libraries(&self) -> Arc<Libraries> {
        self.current.read().clone()
    }

    /// Raised by every change.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Puts `next` in force, unless somebody has changed the libraries since `base` was.
    pub(crate) fn replace(&self, base: &Arc<Libraries>, next: Libraries) -> bool {
        let mut current = self.current.write();
        if !Arc::ptr_eq(&current, base) {
            return false;
        }
        *current = Arc::new(next);
        self.generation.fetch_add(1, Ordering::Release);
        true
    }
}

impl Libraries {
    /// The library with this name.
    pub fn find(&self, name: &[u8]) -> Option<&Arc<Library>> {
        self.by_name.get(std::str::from_utf8(name).ok()?)
    }

    /// All of them, by name.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Arc<Library>> {
        self.by_name.values()
    }

    /// The function with this name, in any case.
    pub fn function(&self, name: &[u8]) -> Option<&Function> {
        self.find_function(name).map(|(library, at)| &library.functions[*at])
    }

    fn find_function(&self, name: &[u8]) -> Option<&(Arc<Library>, usize)> {
        self.functions.get(&*std::str::from_utf8(name).ok()?.to_ascii_lowercase())
    }

    /// How many functions they have.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// Bytes of their texts.
    pub fn code_bytes(&self) -> usize {
        self.all().map(|library| library.source.code.len()).sum()
    }

    /// Whether this very version of a library is in force.
    pub fn contains(&self, library: &Library) -> bool {
        self.by_name.get(library.name()).is_some_and(|current| current.id == library.id)
    }

    /// Those that require the one with this name.
    pub(crate) fn dependents(&self, name: &str) -> impl Iterator<Item = &Arc<Library>> {
        self.all().filter(move |library| library.requires.contains_key(name))
    }

    /// Takes a library out.
    pub(crate) fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
        self.functions.retain(|_, (library, _)| library.name() != name);
    }

    /// Puts a library in, in the place of the one with its name.
    ///
    /// # Errors
    /// The name of a function that another library has.
    pub(crate) fn insert(&mut self, library: Arc<Library>) -> Result<(), Error> {
        self.remove(library.name());
        for (at, function) in library.functions.iter().enumerate() {
            let name = function.script.title();
            let key = name.to_ascii_lowercase().into_boxed_str();
            if self.functions.insert(key, (library.clone(), at)).is_some() {
                return Err(Error::Owned(format!("ERR Function {name} already exists")));
            }
        }
        self.by_name.insert(library.name().into(), library);
        Ok(())
    }
}

/// A function and its library, as one thread passes them around.
#[derive(Clone)]
pub(crate) struct LocalFunction {
    pub(crate) script: SharedScript,
    pub(crate) library: SharedLibrary,
}

/// A library as one thread passes it around.
pub type SharedLibrary = Rc<Arc<Library>>;

/// A worker's own references to functions, so that finding one touches nothing that workers share.
#[derive(Default)]
pub(crate) struct LocalFunctions {
    by_name: HashMap<Box<[u8]>, LocalFunction, RandomState>,
    generation: u64,
}

impl LocalFunctions {
    /// The function with this name, in any case.
    #[inline]
    pub(crate) fn find(&mut self, functions: &Functions, name: &[u8]) -> Option<LocalFunction> {
        let generation = functions.generation();
        if self.generation != generation || self.by_name.len() > LOCAL {
            *self = LocalFunctions { generation, ..LocalFunctions::default() };
        }
        if let Some(function) = self.by_name.get(name) {
            return Some(function.clone());
        }
        let libraries = functions.libraries();
        let (library, at) = libraries.find_function(name)?;
        let script = LocalScript::new(library.functions[*at].script.clone());
        let function = LocalFunction { script, library: Rc::new(library.clone()) };
        self.by_name.insert(name.into(), function.clone());
        Some(function)
    }
}

/// Local references are dropped when there are more: names in any case are many.
const LOCAL: usize = 4096;
