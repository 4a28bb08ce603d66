//! Small sets of integers.

/// Distinct integers, ascending, each in as many bytes (2, 4 or 8) as the widest one so far needs.
#[derive(Clone, Debug)]
pub struct IntSet(Repr);

#[derive(Clone, Debug)]
enum Repr {
    Narrow(Vec<i16>),
    Middle(Vec<i32>),
    Wide(Vec<i64>),
}

impl Default for IntSet {
    fn default() -> Self {
        Self(Repr::Narrow(Vec::new()))
    }
}

impl IntSet {
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Repr::Narrow(values) => values.len(),
            Repr::Middle(values) => values.len(),
            Repr::Wide(values) => values.len(),
        }
    }

    pub(super) fn value(&self, at: usize) -> i64 {
        match &self.0 {
            Repr::Narrow(values) => values[at].into(),
            Repr::Middle(values) => values[at].into(),
            Repr::Wide(values) => values[at],
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        (0..self.len()).map(|at| self.value(at))
    }

    /// Where the value is, or where it belongs.
    pub(super) fn position(&self, value: i64) -> Result<usize, usize> {
        match &self.0 {
            Repr::Narrow(values) => values.binary_search_by(|&other| i64::from(other).cmp(&value)),
            Repr::Middle(values) => values.binary_search_by(|&other| i64::from(other).cmp(&value)),
            Repr::Wide(values) => values.binary_search(&value),
        }
    }

    /// Inserts a value where [`position`](Self::position) says that it belongs.
    pub(super) fn insert(&mut self, at: usize, value: i64) {
        self.widen_for(value);
        match &mut self.0 {
            Repr::Narrow(values) => values.insert(at, value as i16),
            Repr::Middle(values) => values.insert(at, value as i32),
            Repr::Wide(values) => values.insert(at, value),
        }
    }

    pub(super) fn remove(&mut self, at: usize) -> i64 {
        match &mut self.0 {
            Repr::Narrow(values) => values.remove(at).into(),
            Repr::Middle(values) => values.remove(at).into(),
            Repr::Wide(values) => values.remove(at),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Narrow(values) => values.capacity() * 2,
            Repr::Middle(values) => values.capacity() * 4,
            Repr::Wide(values) => values.capacity() * 8,
        }
    }

    fn widen_for(&mut self, value: i64) {
        if matches!(self.0, Repr::Narrow(_)) && i16::try_from(value).is_err() {
            self.0 = Repr::Middle(self.iter().map(|value| value as i32).collect());
        }
        if matches!(self.0, Repr::Middle(_)) && i32::try_from(value).is_err() {
            self.0 = Repr::Wide(self.iter().collect());
        }
    }
}
