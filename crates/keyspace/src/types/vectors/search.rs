//! Searches: through the graph or through all elements, in steps.

use std::cell::Cell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{PreparedVector, VectorSet};

/// How a search goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchPlan {
    /// Through the graph: finds the nearest elements most of the time.
    Graph {
        /// How many of the nearest elements found so far are remembered and have their neighbours looked at, 1 at least. No more are found.
        ef: usize,
        /// It ends when so many elements have been looked at.
        effort: usize,
    },
    /// Through all elements: finds the nearest.
    All {
        /// How many are found at most.
        count: usize,
    },
}

/// An element that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its position.
    pub at: usize,
    /// From 0 for the opposite vector to 1 for one that points the same way; NaN where a component is.
    pub similarity: f64,
}

/// Whether an element with this attribute is wanted.
pub type Filter<'f> = &'f mut dyn FnMut(Option<&[u8]>) -> bool;

/// A search that is done in steps. The set must not change until it is done.
#[derive(Debug)]
pub struct VectorSearch {
    query: PreparedVector,
    plan: SearchPlan,
    walk: Walk,
    /// Of a search through all elements, the position that comes next.
    next: u32,
    looked_at: usize,
}

impl VectorSet {
    /// Begins a search.
    pub fn search(&self, query: PreparedVector, plan: SearchPlan) -> VectorSearch {
        let mut walk = Walk::default();
        if let SearchPlan::Graph { .. } = plan
            && !self.is_empty()
        {
            walk.visited = Visited::of(self.len());
            let start = self.descend(&query.row, self.max_level(), 0);
            walk.visited.insert(start.at);
            walk.candidates.push(Reverse(start));
        }
        VectorSearch { query, plan, walk, next: 0, looked_at: 0 }
    }

    /// Where to begin on a layer, coming from a higher one.
    pub(super) fn descend(&self, query: &[u8], from: usize, to: usize) -> Near {
        let mut nearest = Near::new(self.distance(query, self.row(self.entry)), self.entry);
        for layer in (to + 1..=from).rev() {
            loop {
                let links = self.links(nearest.at as usize, layer).iter();
                let neighbour = links.map(|&at| Near::new(self.distance(query, self.row(at)), at)).min();
                match neighbour {
                    Some(neighbour) if neighbour < nearest => nearest = neighbour,
                    _ => break,
                }
            }
        }
        nearest
    }

    /// The elements of a layer that are nearest to the query, as far as they are found from these, ascending by distance.
    pub(super) fn nearest_on(&self, layer: usize, query: &[u8], from: &[Near], ef: usize) -> Vec<Near> {
        let mut walk = Walk { visited: Visited::of(self.len()), ..Walk::default() };
        for start in from {
            walk.visited.insert(start.at);
            walk.candidates.push(Reverse(*start));
            walk.keep(*start, ef);
        }
        while walk.expand(self, layer, query, ef, None).is_some() {}
        walk.results.into_sorted_vec()
    }
}

impl VectorSearch {
    /// Looks at about so many elements more, and answers whether the search is done. `filter`, if given, says which are
    /// wanted; it must be the same each time.
    pub fn step(&mut self, set: &VectorSet, budget: usize, mut filter: Option<Filter<'_>>) -> bool {
        match self.plan {
            SearchPlan::Graph { ef, effort } => {
                let until = effort.min(self.looked_at.saturating_add(budget));
                if self.looked_at == 0
                    && let Some(Reverse(start)) = self.walk.candidates.peek()
                {
                    let start = *start;
                    self.looked_at = 1;
                    if is_wanted(set, start.at, &mut filter) {
                        self.walk.keep(start, ef);
                    }
                }
                while self.looked_at < until {
                    let filter = filter.as_mut().map(|filter| &mut **filter as Filter<'_>);
                    match self.walk.expand(set, 0, &self.query.row, ef, filter) {
                        Some(count) => self.looked_at += count,
                        None => return true,
                    }
                }
                self.looked_at >= effort || self.walk.candidates.is_empty()
            }
            SearchPlan::All { count } => {
                let end = set.len().min((self.next as usize).saturating_add(budget)) as u32;
                for at in self.next..end {
                    if is_wanted(set, at, &mut filter) {
                        let distance = set.distance(&self.query.row, set.row(at));
                        self.walk.keep(Near::new(distance, at), count);
                    }
                }
                self.next = end;
                end as usize == set.len()
            }
        }
    }

    /// What was found, the nearest first.
    pub fn found(self) -> Vec<Found> {
        let results = self.walk.results.into_sorted_vec().into_iter();
        let found =
            |Near { distance, at }| Found { at: at as usize, similarity: 1.0 - f64::from(distance) / 2.0 };
        results.map(found).collect()
    }
}

fn is_wanted(set: &VectorSet, at: u32, filter: &mut Option<Filter<'_>>) -> bool {
    filter.as_mut().is_none_or(|filter| filter(set.attribute(at as usize)))
}

/// An element and how far it is; ordered by that, then by its position, so that there are no ties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Near {
    pub(super) distance: f32,
    pub(super) at: u32,
}

impl Near {
    pub(super) fn new(distance: f32, at: u32) -> Self {
        // The sign of what is no number would depend on the processor.
        Near { distance: if distance.is_nan() { f32::NAN } else { distance }, at }
    }
}

impl Ord for Near {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.at.cmp(&other.at))
    }
}

impl PartialOrd for Near {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Near {}

/// The state of a walk on a layer.
#[derive(Debug, Default)]
struct Walk {
    visited: Visited,
    /// Whose neighbours are yet to be looked at.
    candidates: BinaryHeap<Reverse<Near>>,
    results: BinaryHeap<Near>,
}

impl Walk {
    /// Looks at the neighbours of the nearest candidate, and answers how many were new; `None` at the end of the walk.
    fn expand(
        &mut self,
        set: &VectorSet,
        layer: usize,
        query: &[u8],
        ef: usize,
        mut filter: Option<Filter<'_>>,
    ) -> Option<usize> {
        let Reverse(nearest) = self.candidates.pop()?;
        if self.results.len() >= ef && self.results.peek().is_some_and(|worst| nearest > *worst) {
            return None;
        }
        let mut count = 0;
        for &at in set.links(nearest.at as usize, layer) {
            if !self.visited.insert(at) {
                continue;
            }
            count += 1;
            let near = Near::new(set.distance(query, set.row(at)), at);
            if self.results.len() < ef || self.results.peek().is_some_and(|worst| near < *worst) {
                self.candidates.push(Reverse(near));
                if is_wanted(set, at, &mut filter) {
                    self.keep(near, ef);
                }
            }
        }
        Some(count)
    }

    /// Adds a result, which may cost the worst its place among `most`.
    fn keep(&mut self, near: Near, most: usize) {
        if self.results.len() < most {
            self.results.push(near);
        } else if let Some(mut worst) = self.results.peek_mut()
            && near < *worst
        {
            *worst = near;
        }
    }
}

/// Which positions a walk has been at.
#[derive(Debug, Default)]
struct Visited {
    words: Vec<u64>,
    /// Those that are not 0.
    touched: Vec<u32>,
}

thread_local! {
    /// What the thread's last walk had: words, all 0, and room.
    static SPARE: Cell<(Vec<u64>, Vec<u32>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// So many words are kept for the thread's next walk.
const KEPT: usize = 1 << 16;

impl Visited {
    fn of(len: usize) -> Self {
        let (mut words, touched) = SPARE.take();
        if words.len() < len.div_ceil(64) {
            words.resize(len.div_ceil(64), 0);
        }
        Visited { words, touched }
    }

    /// Whether it was not there yet.
    #[inline]
    fn insert(&mut self, at: u32) -> bool {
        let (word, bit) = (at / 64, 1 << (at % 64));
        let bits = &mut self.words[word as usize];
        if *bits == 0 {
            self.touched.push(word);
        }
        let is_new = *bits & bit == 0;
        *bits |= bit;
        is_new
    }
}

impl Drop for Visited {
    fn drop(&mut self) {
        if (1..=KEPT).contains(&self.words.len()) {
            let (mut words, mut touched) =
                (std::mem::take(&mut self.words), std::mem::take(&mut self.touched));
            touched.drain(..).for_each(|word| words[word as usize] = 0);
            // Nowhere while the thread ends.
            let _ = SPARE.try_with(|spare| spare.set((words, touched)));
        }
    }
}
