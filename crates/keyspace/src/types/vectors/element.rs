//! What a set knows of an element beside its vector and its links on the lowest layer.

use crate::table::Keyed;
use crate::types::Blob;

#[derive(Clone, Debug)]
pub(super) struct Element {
    pub(super) name: Blob,
    pub(super) attribute: Option<Blob>,
    /// The length of the vector as it was given.
    pub(super) norm: f32,
    pub(super) upper: Option<Box<UpperLayers>>,
}

/// Links on the layers above the lowest, from below.
pub(super) type UpperLayers = Vec<Vec<u32>>;

const _: () = assert!(size_of::<Element>() == 48);

impl Element {
    /// The highest layer that it is on.
    pub(super) fn level(&self) -> usize {
        self.upper.as_ref().map_or(0, |layers| layers.len())
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let upper = self.upper.as_ref().map_or(0, |layers| {
            size_of::<UpperLayers>()
                + layers.capacity() * size_of::<Vec<u32>>()
                + layers.iter().map(|links| links.capacity() * size_of::<u32>()).sum::<usize>()
        });
        self.name.heap_bytes() + self.attribute.as_ref().map_or(0, Blob::heap_bytes) + upper
    }
}

impl Keyed for Element {
    fn key(&self) -> &[u8] {
        &self.name
    }
}
