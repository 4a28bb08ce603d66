//! Sets made of what was written elsewhere. Nothing of it is believed.

use std::fmt;

use super::element::Element;
use super::write::MAX_LEVEL;
use super::{VectorParams, VectorSet};
use crate::types::Blob;

/// What was written is no set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedVectors;

impl fmt::Display for DamagedVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("damaged vector set")
    }
}

impl std::error::Error for DamagedVectors {}

/// A set in the making: elements are added in the order of their positions, by which they name each other in their links.
#[derive(Debug)]
pub struct VectorSetLoader {
    set: VectorSet,
    links: Vec<Box<[Vec<u32>]>>,
}

impl VectorSetLoader {
    /// Begins a set with these parameters and this [`uid`](VectorSet::uid).
    pub fn new(params: VectorParams, uid: u64) -> Result<Self, DamagedVectors> {
        if !params.are_valid() {
            return Err(DamagedVectors);
        }
        Ok(VectorSetLoader { set: VectorSet::new(params, uid), links: Vec::new() })
    }

    /// Adds an element: its vector as [`codes`](VectorSet::codes), [`range`](VectorSet::range) and
    /// [`norm`](VectorSet::norm) show it, and its links by layers, the lowest first.
    pub fn push(
        &mut self,
        name: &[u8],
        (codes, range, norm): (&[u8], f32, f32),
        attribute: Option<&[u8]>,
        links: Vec<Vec<u32>>,
    ) -> Result<(), DamagedVectors> {
        let VectorParams { dim, quantization, .. } = self.set.params;
        let row = quantization.row(codes, range);
        let levels = links.len();
        let has_layers = (1..=MAX_LEVEL + 1).contains(&levels);
        if row.len() != quantization.row_bytes(dim) || !has_layers || self.set.find(name).is_some() {
            return Err(DamagedVectors);
        }
        let has_room = (0..).zip(&links).all(|(layer, links)| links.len() <= self.set.capacity(layer));
        if !has_room || u32::try_from(self.set.len() + 1).is_err() {
            return Err(DamagedVectors);
        }
        let upper = if levels > 1 { Some(Box::new(vec![Vec::new(); levels - 1])) } else { None };
        self.set
            .append(Element { name: name.into(), attribute: attribute.map(Blob::from), norm, upper }, &row);
        self.links.push(links.into());
        Ok(())
    }

    /// The set, of which so many vectors were ever inserted, the number of its elements at least. Links must go both ways, between elements of the layer.
    pub fn finish(mut self, last_id: u64) -> Result<VectorSet, DamagedVectors> {
        self.check_links()?;
        let VectorSetLoader { mut set, links } = self;
        for (at, layers) in (0..).zip(links) {
            for (layer, links) in layers.iter().enumerate() {
                set.set_links(layer, at, links);
            }
        }
        let top = set.max_level();
        set.entry = (0..set.len()).find(|at| set.level(*at) == top).unwrap_or(0) as u32;
        set.last_id = last_id.max(set.len() as u64);
        Ok(set)
    }

    fn check_links(&mut self) -> Result<(), DamagedVectors> {
        let layer_of = |at: u32, layer: usize| self.links.get(at as usize)?.get(layer);
        for (at, layers) in (0..).zip(&self.links) {
            for (layer, links) in layers.iter().enumerate() {
                for (index, &other) in links.iter().enumerate() {
                    let answered = layer_of(other, layer).is_some_and(|back| back.contains(&at));
                    if other == at || !answered || links[..index].contains(&other) {
                        return Err(DamagedVectors);
                    }
                }
            }
        }
        Ok(())
    }
}
