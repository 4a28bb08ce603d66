//! What VSIM is asked for.

use perigee_keyspace::{Found, SearchPlan};

use super::filter::Filter;
use crate::error::Error;
use crate::parse::{Options, integer};

/// How elements are to be looked for, and what is to be told of those that are found.
pub(super) struct Wish {
    pub(super) with_scores: bool,
    pub(super) with_attributes: bool,
    pub(super) filter: Option<Filter>,
    count: usize,
    /// How far an element may be, from 0 to 1.
    epsilon: Option<f64>,
    ef: usize,
    /// How many elements may be looked at where there is a filter.
    effort: Option<usize>,
    truth: bool,
}

const DEFAULT_COUNT: usize = 10;
const DEFAULT_EF: usize = 100;
/// With a filter so many elements may be looked at for each that is wanted.
const EFFORT_FOR_EACH: usize = 100;

impl Wish {
    /// Reads what stands behind the vector.
    pub(super) fn parse(args: &[&[u8]], at: usize) -> Result<Self, Error> {
        let mut wish = Wish {
            with_scores: false,
            with_attributes: false,
            filter: None,
            count: DEFAULT_COUNT,
            epsilon: None,
            ef: DEFAULT_EF,
            effort: None,
            truth: false,
        };
        let mut options = Options::new(args, at);
        while let Some(option) = options.next() {
            // On which thread it is done changes nothing that anybody can see.
            if option.is("NOTHREAD") {
                continue;
            }
            if option.is("WITHSCORES") {
                wish.with_scores = true;
            } else if option.is("WITHATTRIBS") {
                wish.with_attributes = true;
            } else if option.is("TRUTH") {
                wish.truth = true;
            } else {
                let mut value = || options.value().map_err(|_| SYNTAX);
                if option.is("COUNT") {
                    wish.count = positive(value()?, "ERR invalid COUNT")?;
                } else if option.is("EPSILON") {
                    let epsilon = perigee_resp::parse_f64(value()?).filter(|epsilon| *epsilon > 0.0);
                    wish.epsilon = Some(epsilon.ok_or(Error::Text("ERR invalid EPSILON"))?);
                } else if option.is("EF") {
                    wish.ef = positive(value()?, "ERR invalid EF")?;
                } else if option.is("FILTER-EF") {
                    wish.effort = Some(positive(value()?, "ERR invalid FILTER-EF")?);
                } else if option.is("FILTER") {
                    wish.filter = Some(Filter::compile(value()?)?);
                } else {
                    return Err(SYNTAX);
                }
            }
        }
        Ok(wish)
    }

    /// How to look for what is wanted.
    pub(super) fn plan(&self) -> SearchPlan {
        if self.truth {
            return SearchPlan::All { count: self.count };
        }
        let effort = match self.filter {
            Some(_) => self.effort.unwrap_or(self.count.saturating_mul(EFFORT_FOR_EACH)),
            None => usize::MAX,
        };
        SearchPlan::Graph { ef: self.ef.max(self.count), effort }
    }

    /// Keeps of what was found, the nearest first, what is wanted.
    pub(super) fn choose(&self, found: &mut Vec<Found>) {
        found.truncate(self.count);
        if let Some(epsilon) = self.epsilon {
            found.retain(|element| 1.0 - element.similarity <= epsilon);
        }
    }
}

const SYNTAX: Error = Error::Text("ERR syntax error in VSIM command");

fn positive(text: &[u8], refusal: &'static str) -> Result<usize, Error> {
    let number = integer(text).and_then(|number| usize::try_from(number).ok());
    number.filter(|number| *number > 0).ok_or(Error::Text(refusal))
}
