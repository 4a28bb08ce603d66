//! Reading a set.

use std::ops::{Bound, RangeBounds};

use super::element::Element;
use super::{VectorParams, VectorSet};

/// A vector as a set compares it: projected, normalized, quantized.
#[derive(Clone, Debug)]
pub struct PreparedVector {
    pub(super) row: Box<[u8]>,
    pub(super) norm: f32,
}

impl VectorSet {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What its vectors have in common; of dimension 0 as long as nobody has said so.
    pub fn params(&self) -> &VectorParams {
        &self.params
    }

    /// The number by which it was distinguished when it was created.
    pub fn uid(&self) -> u64 {
        self.uid
    }

    /// How many vectors were ever inserted, those included that replaced another one.
    pub fn last_id(&self) -> u64 {
        self.last_id
    }

    /// The highest layer that an element is on.
    pub fn max_level(&self) -> usize {
        self.levels.len().saturating_sub(1)
    }

    /// The position of the element where searches begin; 0 if there is none.
    pub fn entry(&self) -> usize {
        self.entry as usize
    }

    /// How many elements have an attribute.
    pub fn attributes(&self) -> usize {
        self.attributes
    }

    /// The position of an element.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.elements.get_index_of(name)
    }

    /// The name of the element at a position below [`len`](Self::len).
    pub fn name(&self, at: usize) -> &[u8] {
        &self.element(at).name
    }

    /// The attribute of the element at a position.
    pub fn attribute(&self, at: usize) -> Option<&[u8]> {
        self.element(at).attribute.as_deref()
    }

    /// The vector of the element at a position, as exactly as it is stored, with its first length; of bits, 1 and -1.
    pub fn vector(&self, at: usize) -> Vec<f32> {
        self.params.quantization.decode(self.row(at as u32), self.params.dim, self.norm(at))
    }

    /// The vector of the element at a position as it is stored: floats, little-endian; signed bytes; or bits, the first component's
    /// the lowest, in words of 64.
    pub fn codes(&self, at: usize) -> &[u8] {
        self.params.quantization.codes(self.row(at as u32))
    }

    /// Of signed bytes, the component that 127 stands for; otherwise 0.
    pub fn range(&self, at: usize) -> f32 {
        self.params.quantization.range(self.row(at as u32))
    }

    /// The length of the vector before it was normalized.
    pub fn norm(&self, at: usize) -> f32 {
        self.element(at).norm
    }

    /// The highest layer that the element at a position is on.
    pub fn level(&self, at: usize) -> usize {
        self.element(at).level()
    }

    /// From 0 for opposite vectors of two elements to 1 for such as point the same way.
    pub fn similarity(&self, one: usize, other: usize) -> f32 {
        1.0 - self.distance(self.row(one as u32), self.row(other as u32)) / 2.0
    }

    /// Makes a vector ready to be looked for or inserted. `None` if it has neither as many components as the set's vectors nor as many as are projected to
    /// that: whether the former will do where the set projects is the command's decision.
    pub fn prepare(&self, vector: &[f32]) -> Option<PreparedVector> {
        let VectorParams { dim, projection, .. } = &self.params;
        let projection = projection.as_ref().filter(|projection| projection.input_dim() == vector.len());
        match projection {
            Some(projection) => Some(self.encoded(&projection.apply(vector, *dim))),
            None => (vector.len() == *dim).then(|| self.encoded(vector)),
        }
    }

    /// The vector of the element at a position, ready to be looked for. That is not quite what is stored: as in Redis, a quantized
    /// vector is normalized and quantized anew.
    pub fn prepared_of(&self, at: usize) -> PreparedVector {
        self.encoded(&self.vector(at))
    }

    fn encoded(&self, vector: &[f32]) -> PreparedVector {
        let (row, norm) = self.params.quantization.encode(vector);
        PreparedVector { row: row.into(), norm }
    }

    /// Names between two, ascending by their bytes, up to `limit` of them. Looks at all names.
    pub fn names_between(&self, start: Bound<&[u8]>, end: Bound<&[u8]>, limit: usize) -> Vec<&[u8]> {
        let names = self.elements.iter().map(|element| &*element.name);
        let mut names: Vec<_> =
            names.filter(|name| RangeBounds::<[u8]>::contains(&(start, end), *name)).collect();
        if limit < names.len() {
            if limit > 0 {
                names.select_nth_unstable(limit - 1);
            }
            names.truncate(limit);
        }
        names.sort_unstable();
        names
    }

    /// What OBJECT ENCODING calls it: `raw`, as every value of a module in Redis.
    pub fn encoding(&self) -> &'static str {
        "raw"
    }

    /// Bytes allocated on the heap, estimated from so many elements; from all if that is 0.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        self.rows.allocated_bytes()
            + self.ground.allocated_bytes()
            + self.elements.allocated_bytes()
            + self.elements.sampled_bytes(samples, Element::heap_bytes)
            + self.levels.capacity() * size_of::<u32>()
            + self.params.projection.as_ref().map_or(0, |projection| projection.heap_bytes())
    }

    #[inline]
    pub(super) fn element(&self, at: usize) -> &Element {
        self.elements.get_at(at).expect("a position below the length")
    }

    #[inline]
    pub(super) fn row(&self, at: u32) -> &[u8] {
        self.rows.get(at)
    }

    #[inline]
    pub(super) fn distance(&self, one: &[u8], other: &[u8]) -> f32 {
        self.params.quantization.distance(one, other, self.params.dim)
    }
}
