//! Vector sets: elements with vectors, found by their names and by their nearness to a vector.
//!
//! # How it is used
//!
//! A set begins empty and unconfigured. Its first vector fixes the [`VectorParams`]: [`Edit::configure`] before the first
//! [`Edit::insert`]. From then on a vector is first made ready, [`VectorSet::prepare`] (projected, normalized,
//! quantized), then looked for or inserted:
//!
//! | command | here |
//! |---|---|
//! | VADD | [`prepare`](VectorSet::prepare), `edit.insert(name, &prepared, ef, random)`, `edit.set_attribute(name, ..)` |
//! | VREM | `edit.remove(name)` |
//! | VSIM | [`prepare`](VectorSet::prepare) or [`prepared_of`](VectorSet::prepared_of) an element, [`search`](VectorSet::search), [`VectorSearch::step`] until it says so, [`VectorSearch::found`] |
//! | VEMB | [`vector`](VectorSet::vector); RAW: [`codes`](VectorSet::codes), [`norm`](VectorSet::norm), [`range`](VectorSet::range) |
//! | VLINKS | [`level`](VectorSet::level), [`links`](VectorSet::links), [`similarity`](VectorSet::similarity) |
//! | VINFO | [`params`](VectorSet::params), [`len`](VectorSet::len), [`max_level`](VectorSet::max_level), [`attributes`](VectorSet::attributes), [`uid`](VectorSet::uid), [`last_id`](VectorSet::last_id) |
//! | VRANDMEMBER | any positions below [`len`](VectorSet::len): [`name`](VectorSet::name) is O(1) |
//! | VRANGE | [`names_between`](VectorSet::names_between) |
//! | DUMP, RESTORE | [`params`](VectorSet::params) and, by position, what is above; [`VectorSetLoader`] |
//!
//! Elements have positions, from 0 to [`len`](VectorSet::len); an insertion takes the next one, a removal moves the last element
//! into the gap. Positions stay valid as long as nothing is removed. Everything that depends on chance takes the random
//! number as an argument, so that the same operations give the same set, links included.
//!
//! # What it costs
//!
//! Looking up and sampling are O(1). An insertion looks at some hundred to a few thousand vectors, according to `ef`, a removal at some thousand pairs.
//! A [`VectorSearch`] is done in steps of as many vectors as the caller wants, between which the set must not change; a step of 1000 vectors of
//! 300 dimensions takes about 0.1 ms. [`names_between`](VectorSet::names_between) looks at all names.
//!
//! [`Edit::configure`]: crate::Edit::configure
//! [`Edit::insert`]: crate::Edit::insert

mod element;
mod graph;
mod links;
mod load;
mod measure;
mod params;
mod read;
mod rows;
mod search;
mod write;

use self::element::Element;
pub use self::{
    load::{DamagedVectors, VectorSetLoader},
    params::{Projection, Quantization, VectorParams},
    read::PreparedVector,
    search::{Filter, Found, SearchPlan, VectorSearch},
    write::VectorSetUndo,
};
use crate::table::Table;
use rows::Rows;

/// Elements, each with a vector and, possibly, an attribute. See the [module](self).
#[derive(Clone, Debug)]
pub struct VectorSet {
    params: VectorParams,
    uid: u64,
    last_id: u64,
    elements: Table<Element>,
    /// The vectors, by the position of their elements.
    rows: Rows<u8>,
    /// The links on the lowest layer, after their number, by the position of their elements.
    ground: Rows<u32>,
    /// Where a search begins: an element of the highest layer.
    entry: u32,
    /// How many elements have each layer as their highest.
    levels: Vec<u32>,
    attributes: usize,
}

/// Empty, to be configured.
impl Default for VectorSet {
    fn default() -> Self {
        VectorSet::new(VectorParams::default(), 0)
    }
}

impl VectorSet {
    fn new(params: VectorParams, uid: u64) -> Self {
        let row_bytes = params.quantization.row_bytes(params.dim.max(1));
        VectorSet {
            rows: Rows::new(row_bytes),
            ground: Rows::new(1 + 2 * params.max_links),
            params,
            uid,
            last_id: 0,
            elements: Table::default(),
            entry: 0,
            levels: Vec::new(),
            attributes: 0,
        }
    }
}
