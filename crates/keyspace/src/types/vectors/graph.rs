//! The graph: a hierarchical navigable small world (Yu. A. Malkov, D. A. Yashunin: "Efficient and robust approximate nearest
//! neighbor search using Hierarchical Navigable Small World graphs", arXiv:1603.09320), whose links go both ways.
//!
//! Each element is on the lowest layer, one in [`max_links`](super::VectorParams::max_links) of a layer on the one above. A search
//! goes down from the highest layer, on each to the element nearest to the query, and looks around on the lowest.
//!
//! An element is linked to the nearest that were found, preferring those in different directions. Links go both ways, so that
//! an element knows who must be told when it goes. Where one is full, a link gives way that is the third side of a triangle,
//! so that a layer stays in one piece; and those who lose a neighbour are linked to each other along a shortest tree through all of
//! them, with the same effect.

use super::search::Near;
use super::{VectorSet, VectorSetUndo};
use crate::log::Log;

/// Neighbours of a removed element are brought together so many at a time, since all pairs of them are compared.
const GROUP: usize = 64;
/// The `ef` with which one is looked for that has lost all its neighbours.
const RESCUE_EF: usize = 64;

impl VectorSet {
    /// Links an element that has no links.
    pub(super) fn link(&mut self, at: u32, ef: usize, log: &mut impl Log<VectorSetUndo>) {
        if self.len() == 1 {
            return;
        }
        let (query, level) = (self.row(at).to_vec(), self.level(at as usize));
        let top = self.level(self.entry as usize);
        let mut from = vec![self.descend(&query, top, level.min(top))];
        for layer in (0..=level.min(top)).rev() {
            from = self.nearest_on(layer, &query, &from, ef.max(1));
            from.retain(|near| near.at != at);
            for other in self.diverse(&from, self.params.max_links) {
                self.join(layer, at, other, false, log);
            }
            if self.links(at as usize, layer).is_empty()
                && let Some(nearest) = from.first()
            {
                self.join(layer, at, nearest.at, true, log);
            }
        }
        if level > top {
            self.set_entry(at, log);
        }
    }

    /// Takes an element out of the graph: it has no links after that, and no search begins there if there is another one.
    pub(super) fn unlink(&mut self, at: u32, log: &mut impl Log<VectorSetUndo>) {
        if self.entry == at
            && let Some(entry) = self.successor(at)
        {
            self.set_entry(entry, log);
        }
        for layer in 0..=self.level(at as usize) {
            let mut orphans: Vec<_> =
                self.links(at as usize, layer).iter().map(|&other| self.between(at, other)).collect();
            orphans.sort_unstable();
            for orphan in &orphans {
                self.disconnect(layer, at, orphan.at, log);
            }
            let mut start = 0;
            while start + 1 < orphans.len() {
                let end = orphans.len().min(start + GROUP);
                self.bring_together(layer, &orphans[start..end], log);
                // The last of a group is the first of the next one, which keeps the groups together.
                start = end - 1;
            }
            for orphan in orphans {
                if self.links(orphan.at as usize, layer).is_empty() {
                    self.rescue(layer, orphan.at, log);
                }
            }
        }
    }

    /// Links some of a layer that have lost a common neighbour.
    fn bring_together(&mut self, layer: usize, orphans: &[Near], log: &mut impl Log<VectorSetUndo>) {
        let mut pairs = Vec::with_capacity(orphans.len() * (orphans.len() - 1) / 2);
        for (one, orphan) in orphans.iter().enumerate() {
            for (other, second) in orphans.iter().enumerate().skip(one + 1) {
                pairs.push((self.between(orphan.at, second.at).distance, one, other));
            }
        }
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut parts: Vec<usize> = (0..orphans.len()).collect();
        for &(_, one, other) in
            pairs.iter().filter(|pair| self.are_linked(layer, orphans[pair.1].at, orphans[pair.2].at))
        {
            unite(&mut parts, one, other);
        }
        let mut lost = vec![1_i32; orphans.len()];
        for &(_, one, other) in &pairs {
            if unite(&mut parts, one, other) {
                let joined = self.join(layer, orphans[one].at, orphans[other].at, false, log);
                for end in [one, other] {
                    lost[end] -= i32::from(joined);
                }
            }
        }
        for (_, one, other) in pairs {
            let (a, b) = (orphans[one].at, orphans[other].at);
            if lost[one] > 0 && lost[other] > 0 && !self.are_linked(layer, a, b) {
                let has_room = |at: u32| self.links(at as usize, layer).len() < self.capacity(layer);
                if has_room(a) && has_room(b) {
                    self.connect(layer, a, b, log);
                    lost[one] -= 1;
                    lost[other] -= 1;
                }
            }
        }
    }

    /// Links one that has lost all its neighbours to another one, wherever that is.
    fn rescue(&mut self, layer: usize, at: u32, log: &mut impl Log<VectorSetUndo>) {
        if at == self.entry {
            return;
        }
        let query = self.row(at).to_vec();
        let start = self.descend(&query, self.level(self.entry as usize), layer);
        let nearest = self.nearest_on(layer, &query, &[start], RESCUE_EF);
        if let Some(nearest) = nearest.into_iter().find(|near| near.at != at) {
            self.join(layer, at, nearest.at, true, log);
        }
    }

    /// Links two elements. One that is full lets go of a redundant link for it, or, if `force` says so, of any. Answers whether they are linked.
    fn join(
        &mut self,
        layer: usize,
        one: u32,
        other: u32,
        force: bool,
        log: &mut impl Log<VectorSetUndo>,
    ) -> bool {
        if self.are_linked(layer, one, other) {
            return true;
        }
        for (full, new) in [(one, other), (other, one)] {
            if self.links(full as usize, layer).len() < self.capacity(layer) {
                continue;
            }
            let limit = if force { f32::NEG_INFINITY } else { self.between(full, new).distance };
            match self.redundant(layer, full, limit, force) {
                Some(link) => self.disconnect(layer, full, link, log),
                None => return false,
            }
        }
        self.connect(layer, one, other, log);
        true
    }

    /// The farthest neighbour beyond `limit` that is also reached through another one; if there is none and `force` says so, the one
    /// with most links.
    fn redundant(&self, layer: usize, at: u32, limit: f32, force: bool) -> Option<u32> {
        let links = self.links(at as usize, layer);
        let mut far: Vec<_> =
            links.iter().map(|&link| self.between(at, link)).filter(|near| near.distance > limit).collect();
        far.sort_unstable();
        let is_reached = |near: &&Near| {
            let around = self.links(near.at as usize, layer);
            around.iter().any(|other| links.contains(other))
        };
        let redundant = far.iter().rev().find(is_reached).map(|near| near.at);
        let busiest =
            || links.iter().copied().max_by_key(|link| (self.links(*link as usize, layer).len(), *link));
        redundant.or_else(|| if force { busiest() } else { None })
    }

    /// Up to `count` of these, which are ascending by distance: first each that is nearer to the query than to those taken
    /// before, then the nearest of the rest.
    fn diverse(&self, nearest: &[Near], count: usize) -> Vec<u32> {
        let mut taken: Vec<u32> = Vec::with_capacity(count.min(nearest.len()));
        let mut passed = Vec::new();
        for near in nearest {
            if taken.len() == count {
                break;
            }
            let row = self.row(near.at);
            let is_hidden = taken.iter().any(|&other| self.distance(row, self.row(other)) < near.distance);
            if is_hidden { passed.push(near.at) } else { taken.push(near.at) }
        }
        passed.truncate(count - taken.len());
        taken.extend(passed);
        taken
    }

    /// An element of the highest layer but for this one, if there is any.
    fn successor(&self, at: u32) -> Option<u32> {
        let level = self.level(at as usize);
        let others = |layer: usize| self.levels[layer] - u32::from(layer == level) > 0;
        let top = (0..self.levels.len()).rev().find(|layer| others(*layer))?;
        let is_top = |other: &u32| *other != at && self.level(*other as usize) == top;
        let mut near = self.links(at as usize, top).iter().copied();
        near.find(is_top).or_else(|| (0..self.len() as u32).find(is_top))
    }

    fn set_entry(&mut self, entry: u32, log: &mut impl Log<VectorSetUndo>) {
        let before = std::mem::replace(&mut self.entry, entry);
        log.record(|| VectorSetUndo::Entry(before));
    }

    fn are_linked(&self, layer: usize, one: u32, other: u32) -> bool {
        self.links(one as usize, layer).contains(&other)
    }

    fn between(&self, one: u32, other: u32) -> Near {
        Near::new(self.distance(self.row(one), self.row(other)), other)
    }
}

/// Unites the parts that two belong to, and answers whether they were different.
fn unite(parts: &mut [usize], one: usize, other: usize) -> bool {
    let root = |parts: &[usize], mut at: usize| {
        while parts[at] != at {
            at = parts[at];
        }
        at
    };
    let (one, other) = (root(parts, one), root(parts, other));
    parts[one] = other;
    one != other
}
