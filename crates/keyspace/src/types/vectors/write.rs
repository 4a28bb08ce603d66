//! Changing a set, and the way back.

use super::element::Element;
use super::{PreparedVector, Rows, VectorParams, VectorSet};
use crate::log::Log;
use crate::types::Blob;

/// What undoes a change of a [`VectorSet`].
#[derive(Debug)]
#[expect(missing_docs, reason = "each names the inverse step")]
pub enum VectorSetUndo {
    Unconfigure,
    RemoveLast,
    Insert { at: u32, removed: Box<RemovedVector> },
    Vector { at: u32, before: Box<PreparedVector> },
    Attribute { at: u32, before: Option<Blob> },
    Entry(u32),
    Connect { layer: u8, one: u32, other: u32, at_one: u16, at_other: u16 },
    Disconnect { layer: u8, one: u32, other: u32 },
}

/// An element that was removed.
#[derive(Debug)]
pub struct RemovedVector {
    element: Element,
    row: Box<[u8]>,
}

const _: () = assert!(size_of::<VectorSetUndo>() <= 32);

impl VectorSet {
    /// Says what its vectors will have in common, and by which number it is distinguished from others. It must be empty.
    pub fn configure(&mut self, params: VectorParams, uid: u64, log: &mut impl Log<VectorSetUndo>) {
        assert!(self.is_empty() && params.are_valid(), "parameters of an empty set, within their limits");
        *self = VectorSet::new(params, uid);
        log.record(|| VectorSetUndo::Unconfigure);
    }

    /// Inserts an element, or gives one that is there another vector, and answers whether it is new. `ef` is the effort
    /// with which neighbours are looked for; `random` decides on how many layers a new element is.
    pub fn insert(
        &mut self,
        name: &[u8],
        vector: &PreparedVector,
        ef: usize,
        random: u64,
        log: &mut impl Log<VectorSetUndo>,
    ) -> bool {
        if let Some(at) = self.find(name) {
            self.replace(at as u32, vector, ef, log);
            return false;
        }
        let upper = match self.level_of(random) {
            0 => None,
            level => Some(Box::new(vec![Vec::new(); level])),
        };
        self.append(Element { name: name.into(), attribute: None, norm: vector.norm, upper }, &vector.row);
        self.last_id += 1;
        log.record(|| VectorSetUndo::RemoveLast);
        self.link(self.len() as u32 - 1, ef, log);
        true
    }

    /// Removes an element and answers whether it was there. The last one takes its position.
    pub fn remove(&mut self, name: &[u8], log: &mut impl Log<VectorSetUndo>) -> bool {
        let Some(at) = self.find(name) else { return false };
        let at = at as u32;
        self.unlink(at, log);
        let row = self.row(at).into();
        let element = self.take_out(at);
        log.record(|| VectorSetUndo::Insert { at, removed: Box::new(RemovedVector { element, row }) });
        true
    }

    /// Gives an element an attribute, or takes it away, and answers whether the element was there.
    pub fn set_attribute(
        &mut self,
        name: &[u8],
        attribute: Option<&[u8]>,
        log: &mut impl Log<VectorSetUndo>,
    ) -> bool {
        let Some(at) = self.find(name) else { return false };
        let before = self.exchange_attribute(at as u32, attribute.map(Blob::from));
        log.record(|| VectorSetUndo::Attribute { at: at as u32, before });
        true
    }

    /// Undoes one change.
    pub fn undo(&mut self, undo: VectorSetUndo) {
        match undo {
            VectorSetUndo::Unconfigure => *self = VectorSet::default(),
            VectorSetUndo::RemoveLast => {
                drop(self.take_out(self.len() as u32 - 1));
                self.last_id -= 1;
            }
            VectorSetUndo::Insert { at, removed } => self.put_back(at, *removed),
            VectorSetUndo::Vector { at, before } => {
                self.exchange_vector(at, &before);
                self.last_id -= 1;
            }
            VectorSetUndo::Attribute { at, before } => drop(self.exchange_attribute(at, before)),
            VectorSetUndo::Entry(entry) => self.entry = entry,
            VectorSetUndo::Connect { layer, one, other, at_one, at_other } => {
                self.undo_disconnect(layer.into(), (one, at_one), (other, at_other));
            }
            VectorSetUndo::Disconnect { layer, one, other } => self.undo_connect(layer.into(), one, other),
        }
    }

    fn replace(&mut self, at: u32, vector: &PreparedVector, ef: usize, log: &mut impl Log<VectorSetUndo>) {
        let moves = *self.row(at) != *vector.row;
        if moves {
            self.unlink(at, log);
        }
        let before = self.exchange_vector(at, vector);
        self.last_id += 1;
        log.record(|| VectorSetUndo::Vector { at, before: Box::new(before) });
        if moves {
            self.link(at, ef, log);
        }
    }

    /// Appends an element without links.
    pub(super) fn append(&mut self, element: Element, row: &[u8]) {
        self.count(&element, 1);
        self.elements.insert_unique(element);
        self.rows.push(row);
        self.ground.push(&vec![0; 1 + self.capacity(0)]);
    }

    /// Removes an element without links; the last one takes its position.
    fn take_out(&mut self, at: u32) -> Element {
        let last = self.len() as u32 - 1;
        let element = self.elements.swap_remove_at(at as usize);
        self.count(&element, -1);
        remove_row(&mut self.rows, at, last);
        remove_row(&mut self.ground, at, last);
        if at != last {
            self.relabel(at, last);
            if self.entry == last {
                self.entry = at;
            }
        }
        element
    }

    /// The inverse of [`take_out`](Self::take_out).
    fn put_back(&mut self, at: u32, removed: RemovedVector) {
        let last = self.len() as u32;
        self.count(&removed.element, 1);
        self.elements.insert_at(at as usize, removed.element);
        insert_row(&mut self.rows, at, last, &removed.row);
        let unlinked = vec![0; 1 + self.capacity(0)];
        insert_row(&mut self.ground, at, last, &unlinked);
        if at != last {
            self.relabel(last, at);
            if self.entry == at {
                self.entry = last;
            }
        }
    }

    /// Counts an element in (1) or out (-1).
    fn count(&mut self, element: &Element, sign: i32) {
        self.attributes =
            self.attributes.saturating_add_signed(isize::from(element.attribute.is_some()) * sign as isize);
        let level = element.level();
        if self.levels.len() <= level {
            self.levels.resize(level + 1, 0);
        }
        self.levels[level] = self.levels[level].saturating_add_signed(sign);
        while self.levels.pop_if(|count| *count == 0).is_some() {}
    }

    fn exchange_vector(&mut self, at: u32, vector: &PreparedVector) -> PreparedVector {
        let element = self.elements.get_at_mut(at as usize).expect("the position of an element");
        let norm = std::mem::replace(&mut element.norm, vector.norm);
        let row = self.rows.get_mut(at);
        let before = PreparedVector { row: (&*row).into(), norm };
        row.copy_from_slice(&vector.row);
        before
    }

    fn exchange_attribute(&mut self, at: u32, attribute: Option<Blob>) -> Option<Blob> {
        self.attributes += usize::from(attribute.is_some());
        let element = self.elements.get_at_mut(at as usize).expect("the position of an element");
        let before = std::mem::replace(&mut element.attribute, attribute);
        self.attributes -= usize::from(before.is_some());
        before
    }

    /// The highest layer of a new element: each holds as many-th a part of the one below as an element has links.
    fn level_of(&self, random: u64) -> usize {
        let base = self.params.max_links as u64;
        let mut digits = random;
        let mut level = 0;
        while digits.is_multiple_of(base) && level < MAX_LEVEL {
            digits /= base;
            level += 1;
        }
        level
    }
}

/// The highest layer of all.
pub(super) const MAX_LEVEL: usize = 16;

fn remove_row<T: Copy>(rows: &mut Rows<T>, at: u32, last: u32) {
    rows.copy(last, at);
    rows.pop();
}

fn insert_row<T: Copy>(rows: &mut Rows<T>, at: u32, last: u32, row: &[T]) {
    rows.push(row);
    if at != last {
        rows.copy(at, last);
        rows.get_mut(at).copy_from_slice(row);
    }
}
