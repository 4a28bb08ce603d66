//! VADD.

use perigee_keyspace::{Projection, Quantization, VectorParams, VectorSet};
use rand::RngExt;

use super::on_vectors;
use super::vector::{INVALID, count, mismatch, projection_mismatch, vector};
use crate::call::Call;
use crate::error::Error;
use crate::parse::{Word, integer};
use crate::spec::{Command, Flags, Group};

pub(super) const VADD: Command = on_vectors("vadd", -5, vadd, Flags::WRITE.or(Flags::DENYOOM))
    .docs(
        Group::VectorSet,
        "8.0.0",
        "O(log(N)) for each element added, where N is the number of elements in the vector set.",
        "Add a new element to a vector set, or update its vector if it already exists.",
    )
    .syntax(
        "key [REDUCE dim:int] vector<FP32 blob|VALUES values(num:int component:double...)> element [CAS] \
        [quantization<NOQUANT|Q8|BIN>] [EF build-exploration-factor:int] [SETATTR attributes] [M numlinks:int]",
    );

fn vadd(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let key = call.args[1];
    let request = Request::parse(call.args)?;
    if let Some(set) = call.txn.vectors(call.db, key)? {
        request.check_against(set)?;
    }
    let random = call.env.worker.rng.borrow_mut().random();
    let mut set = call.txn.vectors_entry(call.db, key)?;
    if set.is_empty() {
        set.configure(request.params());
    }
    let vector = set.prepare(&request.vector).expect("components as many as the set's vectors have");
    let is_new = set.insert(request.element, &vector, request.ef, random);
    // An empty text takes the attributes away from an element that had some, and are those of a new one.
    if let Some(attributes) = request.attributes {
        set.set_attribute(request.element, (is_new || !attributes.is_empty()).then_some(attributes));
    }
    drop(set);
    call.reply.bool(is_new);
    Ok(())
}

struct Request<'a> {
    vector: Vec<f32>,
    /// To how many components the vector is to be projected.
    reduced: Option<usize>,
    element: &'a [u8],
    quantization: Quantization,
    ef: usize,
    max_links: usize,
    attributes: Option<&'a [u8]>,
}

const DEFAULT_EF: usize = 200;
const LARGEST_EF: i64 = 1_000_000;
const DEFAULT_MAX_LINKS: usize = 16;
/// More components nobody asks for in earnest; Redis would try.
const MOST_REDUCED: usize = 1 << 20;
/// Nor more products to project a vector, which take tens of milliseconds.
const MOST_PRODUCTS: usize = 1 << 26;

impl<'a> Request<'a> {
    fn parse(args: &'a [&'a [u8]]) -> Result<Self, Error> {
        let reduced = if Word(args[2]).is("REDUCE") { Some(count(args[3])?) } else { None };
        let (vector, at) = vector(args, if reduced.is_some() { 4 } else { 2 })?;
        let is_too_much = |reduced| reduced > MOST_REDUCED || reduced * vector.len() > MOST_PRODUCTS;
        if reduced.is_some_and(is_too_much) {
            return Err(INVALID);
        }
        let (element, options) = args[at..].split_first().ok_or(Error::WrongArity("vadd"))?;
        let mut request = Request {
            vector,
            reduced,
            element,
            quantization: Quantization::Q8,
            ef: DEFAULT_EF,
            max_links: DEFAULT_MAX_LINKS,
            attributes: None,
        };
        let mut options = options.iter();
        while let Some(option) = options.next() {
            let option = Word(option);
            // Whether another thread looks for the neighbours beforehand changes nothing that anybody can see.
            if option.is("CAS") {
                continue;
            }
            if option.is("NOQUANT") {
                request.quantization = Quantization::None;
            } else if option.is("Q8") {
                request.quantization = Quantization::Q8;
            } else if option.is("BIN") {
                request.quantization = Quantization::Binary;
            } else {
                let mut value = || options.next().copied().ok_or(UNKNOWN);
                if option.is("EF") {
                    request.ef = between(value()?, 1, LARGEST_EF, "ERR invalid EF")?;
                } else if option.is("M") {
                    let (least, most) = (VectorParams::MIN_LINKS as i64, VectorParams::MAX_LINKS as i64);
                    request.max_links = between(value()?, least, most, "ERR invalid M")?;
                } else if option.is("SETATTR") {
                    request.attributes = Some(value()?);
                } else {
                    return Err(UNKNOWN);
                }
            }
        }
        Ok(request)
    }

    /// Refuses what does not go with the vectors that are there.
    fn check_against(&self, set: &VectorSet) -> Result<(), Error> {
        let VectorParams { dim, quantization, max_links, projection } = set.params();
        let got = self.vector.len();
        if self.quantization != *quantization {
            return Err(Error::Text("ERR asked quantization mismatch with existing vector set"));
        }
        if self.max_links != *max_links {
            return Err(Error::Text("ERR asked M value mismatch with existing vector set"));
        }
        let Some(projection) = projection else {
            return match self.reduced {
                _ if got != *dim => Err(mismatch(got, *dim)),
                Some(_) => Err(Error::Text("ERR cannot add projection to existing set without projection")),
                None => Ok(()),
            };
        };
        if self.reduced != Some(*dim) {
            return Err(mismatch(got, *dim));
        }
        if projection.input_dim() != got {
            return Err(projection_mismatch(got, projection.input_dim()));
        }
        Ok(())
    }

    /// Those of a new set.
    fn params(&self) -> VectorParams {
        let got = self.vector.len();
        VectorParams {
            dim: self.reduced.unwrap_or(got),
            quantization: self.quantization,
            max_links: self.max_links,
            projection: self.reduced.map(|_| Projection::new(got)),
        }
    }
}

const UNKNOWN: Error = Error::Text("ERR invalid option after element");

fn between(text: &[u8], least: i64, most: i64, refusal: &'static str) -> Result<usize, Error> {
    let number = integer(text).filter(|number| (least..=most).contains(number));
    number.map(|number| number as usize).ok_or(Error::Text(refusal))
}
