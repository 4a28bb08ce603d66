//! Names in the order in which they came, each found, added and taken out in about the same time however many there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use foldhash::quality::RandomState;
use hashbrown::HashMap;

/// Unique names with a value each, in the order of their arrival. Allocates nothing while it is empty.
pub(super) struct Names<V> {
    /// Each name's number.
    numbers: HashMap<Arc<[u8]>, u64, RandomState>,
    by_number: BTreeMap<u64, (Arc<[u8]>, V)>,
    last: u64,
}

impl<V> Default for Names<V> {
    fn default() -> Self {
        Names { numbers: HashMap::default(), by_number: BTreeMap::new(), last: 0 }
    }
}

impl<V> Names<V> {
    pub(super) fn len(&self) -> usize {
        self.by_number.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_number.is_empty()
    }

    /// The value of the name, if it is there.
    pub(super) fn value_mut(&mut self, name: &[u8]) -> Option<&mut V> {
        self.by_number.get_mut(self.numbers.get(name)?).map(|(_, value)| value)
    }

    /// Adds a name behind all others. `false` if it is there.
    pub(super) fn insert(&mut self, name: &[u8], value: V) -> bool {
        if self.numbers.contains_key(name) {
            return false;
        }
        let name = Arc::<[u8]>::from(name);
        self.last += 1;
        self.numbers.insert(name.clone(), self.last);
        self.by_number.insert(self.last, (name, value));
        true
    }

    /// Takes a name out. `None` if it is not there.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<V> {
        let number = self.numbers.remove(name)?;
        self.by_number.remove(&number).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<[u8]>, &V)> {
        self.by_number.values().map(|(name, value)| (name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_order() {
        let mut names = Names::default();
        assert!(["c", "a", "b"].iter().all(|name| names.insert(name.as_bytes(), name.len())));
        assert!(!names.insert(b"a", 7));
        assert_eq!(names.remove(b"c"), Some(1));
        assert_eq!(names.remove(b"c"), None);
        assert!(names.insert(b"c", 2));
        *names.value_mut(b"a").expect("it is there") = 3;
        let all: Vec<_> = names.iter().map(|(name, value)| (&**name, *value)).collect();
        assert_eq!(all, [(&b"a"[..], 3), (b"b", 1), (b"c", 2)]);
        assert!(names.len() == 3 && !names.is_empty());
    }
}
