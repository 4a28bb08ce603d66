//! Links between elements: the only ways to change them, each with its inverse.

use super::element::UpperLayers;
use super::{VectorSet, VectorSetUndo};
use crate::log::Log;

impl VectorSet {
    /// The positions of an element's neighbours on a layer that it is on; the lowest layer is 0.
    #[inline]
    pub fn links(&self, at: usize, layer: usize) -> &[u32] {
        match layer {
            0 => {
                let (count, links) = self.ground.get(at as u32).split_first().expect("a row's count");
                &links[..*count as usize]
            }
            _ => &self.upper(at)[layer - 1],
        }
    }

    /// Most links of an element on a layer.
    pub(super) fn capacity(&self, layer: usize) -> usize {
        self.params.max_links * if layer == 0 { 2 } else { 1 }
    }

    /// Links two elements, which have room and are not linked.
    pub(super) fn connect(&mut self, layer: usize, one: u32, other: u32, log: &mut impl Log<VectorSetUndo>) {
        self.push_link(layer, one, other);
        self.push_link(layer, other, one);
        log.record(|| VectorSetUndo::Disconnect { layer: layer as u8, one, other });
    }

    /// Unlinks two elements, which are linked. In each one's list the last link takes the place of that which goes.
    pub(super) fn disconnect(
        &mut self,
        layer: usize,
        one: u32,
        other: u32,
        log: &mut impl Log<VectorSetUndo>,
    ) {
        let (at_one, at_other) = (self.take_link(layer, one, other), self.take_link(layer, other, one));
        log.record(|| VectorSetUndo::Connect { layer: layer as u8, one, other, at_one, at_other });
    }

    /// The inverse of [`connect`](Self::connect).
    pub(super) fn undo_connect(&mut self, layer: usize, one: u32, other: u32) {
        self.pop_link(layer, one);
        self.pop_link(layer, other);
    }

    /// The inverse of [`disconnect`](Self::disconnect).
    pub(super) fn undo_disconnect(
        &mut self,
        layer: usize,
        (one, at_one): (u32, u16),
        (other, at_other): (u32, u16),
    ) {
        for (at, to, place) in [(one, other, at_one), (other, one, at_other)] {
            self.push_link(layer, at, to);
            let links = self.links_mut(layer, at);
            let last = links.len() - 1;
            links.swap(usize::from(place), last);
        }
    }

    /// Tells the neighbours of an element that it has another position now.
    pub(super) fn relabel(&mut self, at: u32, from: u32) {
        for layer in 0..=self.level(at as usize) {
            for index in 0..self.links(at as usize, layer).len() {
                let neighbour = self.links(at as usize, layer)[index];
                let links = self.links_mut(layer, neighbour);
                let link = links.iter_mut().find(|link| **link == from).expect("links go both ways");
                *link = at;
            }
        }
    }

    /// Gives an element without links these, which fit, on a layer that it is on.
    pub(super) fn set_links(&mut self, layer: usize, at: u32, links: &[u32]) {
        match layer {
            0 => {
                let row = self.ground.get_mut(at);
                row[0] = links.len() as u32;
                row[1..=links.len()].copy_from_slice(links);
            }
            _ => self.upper_mut(at)[layer - 1] = links.to_vec(),
        }
    }

    fn upper(&self, at: usize) -> &UpperLayers {
        self.element(at).upper.as_ref().expect("an element of a higher layer")
    }

    fn upper_mut(&mut self, at: u32) -> &mut UpperLayers {
        let element = self.elements.get_at_mut(at as usize).expect("the position of an element");
        element.upper.as_mut().expect("an element of a higher layer")
    }

    fn links_mut(&mut self, layer: usize, at: u32) -> &mut [u32] {
        match layer {
            0 => {
                let (count, links) = self.ground.get_mut(at).split_first_mut().expect("a row's count");
                &mut links[..*count as usize]
            }
            _ => &mut self.upper_mut(at)[layer - 1],
        }
    }

    fn push_link(&mut self, layer: usize, at: u32, to: u32) {
        match layer {
            0 => {
                let (count, links) = self.ground.get_mut(at).split_first_mut().expect("a row's count");
                links[*count as usize] = to;
                *count += 1;
            }
            _ => self.upper_mut(at)[layer - 1].push(to),
        }
    }

    fn pop_link(&mut self, layer: usize, at: u32) {
        match layer {
            0 => self.ground.get_mut(at)[0] -= 1,
            _ => drop(self.upper_mut(at)[layer - 1].pop()),
        }
    }

    /// Takes a link away and answers where it was.
    fn take_link(&mut self, layer: usize, at: u32, to: u32) -> u16 {
        let links = self.links_mut(layer, at);
        let place = links.iter().position(|link| *link == to).expect("links go both ways");
        let last = links.len() - 1;
        links.swap(place, last);
        self.pop_link(layer, at);
        place as u16
    }
}
