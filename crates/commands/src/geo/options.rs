//! The arguments of a search, in the new and in the old form.

use perigee_keyspace::ZSet;
use perigee_resp::parse_f64;

use super::hash::Position;
use super::read::position_of;
use super::shape::{Form, Shape, middle};
use super::{position, unit};
use crate::error::Error;
use crate::parse::{self, integer};

/// Which command is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// GEOSEARCH, or GEOSEARCHSTORE.
    Search { stores: bool },
    /// GEORADIUS, or its read-only form.
    Radius { may_store: bool },
    /// GEORADIUSBYMEMBER, or its read-only form.
    RadiusByMember { may_store: bool },
}

/// What is searched and what is done with it.
#[derive(Clone, Debug)]
pub(super) struct Options<'a> {
    /// There is none if there is no key either.
    pub(super) shape: Option<Shape>,
    pub(super) with_distance: bool,
    pub(super) with_hash: bool,
    pub(super) with_position: bool,
    pub(super) sort: Option<Sort>,
    /// How many at most; 0 for all.
    pub(super) count: usize,
    /// Those that are found first, near or not.
    pub(super) any: bool,
    pub(super) store: Option<&'a [u8]>,
    /// The distances become the scores.
    pub(super) store_distance: bool,
}

/// By distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Ascending,
    Descending,
}

impl Kind {
    /// The position of the key that is searched.
    pub(super) fn source(self) -> usize {
        if self == (Kind::Search { stores: true }) { 2 } else { 1 }
    }

    fn may_name_store(self) -> bool {
        matches!(self, Kind::Radius { may_store: true } | Kind::RadiusByMember { may_store: true })
    }

    fn is_search(self) -> bool {
        matches!(self, Kind::Search { .. })
    }
}

impl<'a> Options<'a> {
    /// Reads the request of a search of `zset`.
    ///
    /// # Errors
    /// Those of the syntax, in Redis's order; a member that is not there.
    pub(super) fn parse(kind: Kind, args: &'a [&'a [u8]], zset: Option<&ZSet>) -> Result<Self, Error> {
        let stores = kind == (Kind::Search { stores: true });
        let mut options = Options {
            shape: None,
            with_distance: false,
            with_hash: false,
            with_position: false,
            sort: None,
            count: 0,
            any: false,
            store: stores.then(|| args[1]),
            store_distance: false,
        };
        let mut area = Area::default();
        let first = area.take_leading(kind, args, zset)?;
        let mut words = parse::Options::new(args, first);
        while let Some(word) = words.next() {
            let left = words.left();
            if word.is("WITHDIST") {
                options.with_distance = true;
            } else if word.is("WITHHASH") {
                options.with_hash = true;
            } else if word.is("WITHCOORD") {
                options.with_position = true;
            } else if word.is("ANY") {
                options.any = true;
            } else if word.is("ASC") {
                options.sort = Some(Sort::Ascending);
            } else if word.is("DESC") {
                options.sort = Some(Sort::Descending);
            } else if word.is("COUNT") && left >= 1 {
                let count = integer(words.value()?).ok_or(Error::NotInteger)?;
                options.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(COUNT)?;
            } else if kind.may_name_store() && (word.is("STORE") || word.is("STOREDIST")) && left >= 1 {
                options.store = Some(words.value()?);
                options.store_distance = word.is("STOREDIST");
            } else if stores && word.is("STOREDIST") {
                options.store_distance = true;
            } else if !kind.is_search() || !area.take(word, &mut words, zset)? {
                return Err(Error::Syntax);
            }
        }
        options.check(kind, args[0], &area)?;
        options.shape = area.into_shape();
        Ok(options)
    }

    fn check(&self, kind: Kind, name: &[u8], area: &Area) -> Result<(), Error> {
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_position) {
            return Err(if kind.is_search() { STORED_SEARCH } else { STORED_RADIUS });
        }
        if kind.is_search() && !(area.from_member || area.from_position || area.is_polygon()) {
            return Err(Error::quoting(NO_CENTER, name, ""));
        }
        if kind.is_search() && area.form.is_none() {
            return Err(Error::quoting(NO_FORM, name, ""));
        }
        if self.any && self.count == 0 {
            return Err(ANY);
        }
        Ok(())
    }
}

/// What is known of the shape so far.
#[derive(Default)]
struct Area {
    center: Option<Position>,
    form: Option<(Form, f64)>,
    from_member: bool,
    from_position: bool,
}

impl Area {
    fn into_shape(self) -> Option<Shape> {
        let (form, unit) = self.form?;
        Some(Shape { center: self.center?, form, unit })
    }

    fn is_polygon(&self) -> bool {
        matches!(self.form, Some((Form::Polygon { .. }, _)))
    }

    /// Reads what the old commands name by place, and answers where the options begin.
    fn take_leading(&mut self, kind: Kind, args: &[&[u8]], zset: Option<&ZSet>) -> Result<usize, Error> {
        match kind {
            Kind::Search { .. } => Ok(kind.source() + 1),
            Kind::Radius { .. } => {
                self.center = Some(position(args[2], args[3])?);
                self.form = Some(circle(args[4], args[5])?);
                Ok(6)
            }
            Kind::RadiusByMember { .. } => {
                if let Some(zset) = zset {
                    self.center = Some(position_of(zset, args[2]).ok_or(NO_MEMBER)?);
                    self.form = Some(circle(args[3], args[4])?);
                }
                Ok(5)
            }
        }
    }

    /// Takes an option if it is one of the new commands' on the area.
    fn take(
        &mut self,
        word: parse::Word<'_>,
        words: &mut parse::Options<'_>,
        zset: Option<&ZSet>,
    ) -> Result<bool, Error> {
        let left = words.left();
        let is_box = matches!(self.form, Some((Form::Box { .. }, _)));
        let is_circle = matches!(self.form, Some((Form::Circle { .. }, _)));
        let (is_polygon, is_around) = (self.is_polygon(), self.from_member || self.from_position);
        if word.is("FROMMEMBER") && left >= 1 && !self.from_position && !is_polygon {
            let member = words.value()?;
            if let Some(zset) = zset {
                self.center = Some(position_of(zset, member).ok_or(NO_MEMBER)?);
            }
            self.from_member = true;
        } else if word.is("FROMLONLAT") && left >= 2 && !self.from_member && !is_polygon {
            self.center = Some(position(words.value()?, words.value()?)?);
            self.from_position = true;
        } else if word.is("BYRADIUS") && left >= 2 && !is_box && !is_polygon {
            self.form = Some(circle(words.value()?, words.value()?)?);
        } else if word.is("BYBOX") && left >= 3 && !is_circle && !is_polygon {
            let width = parse_f64(words.value()?).ok_or(NOT_A_WIDTH)?;
            let height = parse_f64(words.value()?).ok_or(NOT_A_HEIGHT)?;
            if height < 0.0 || width < 0.0 {
                return Err(NEGATIVE_BOX);
            }
            self.form = Some((Form::Box { width, height }, unit(words.value()?)?));
        } else if word.is("BYPOLYGON") && left >= 2 && !(is_box || is_circle || is_around) {
            let corners = corners(words)?;
            self.center = Some(middle(&corners));
            self.form = Some((Form::Polygon { corners }, 1.0));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn circle(radius: &[u8], word: &[u8]) -> Result<(Form, f64), Error> {
    let radius = parse_f64(radius).ok_or(NOT_A_RADIUS)?;
    if radius < 0.0 {
        return Err(NEGATIVE_RADIUS);
    }
    Ok((Form::Circle { radius }, unit(word)?))
}

/// The corners of a polygon after their number.
fn corners(words: &mut parse::Options<'_>) -> Result<Vec<Position>, Error> {
    let number = integer(words.value()?).and_then(|number| i32::try_from(number).ok());
    let number = usize::try_from(number.ok_or(NOT_A_NUMBER_OF_CORNERS)?).unwrap_or(0);
    if number < 3 || words.left() / 2 < number {
        return Err(TOO_FEW_CORNERS);
    }
    (0..number).map(|_| position(words.value()?, words.value()?)).collect()
}

/// The keys of GEORADIUS.
pub(super) fn keys_of_radius(args: &[&[u8]]) -> Vec<usize> {
    keys(args, 6)
}

/// The keys of GEORADIUSBYMEMBER.
pub(super) fn keys_of_radius_by_member(args: &[&[u8]]) -> Vec<usize> {
    keys(args, 5)
}

/// The key that is searched, the first that STORE names, the first that STOREDIST names, as Redis tells them; and the last that
/// either names, which is the one that is written.
fn keys(args: &[&[u8]], first: usize) -> Vec<usize> {
    let follows = |at: &usize, word: &str| args[at - 1].eq_ignore_ascii_case(word.as_bytes());
    let after = first + 1..args.len().max(first + 1);
    let stored = after.clone().find(|at| follows(at, "STORE"));
    let stored_distance = after.clone().find(|at| follows(at, "STOREDIST"));
    let last = after.rev().find(|at| follows(at, "STORE") || follows(at, "STOREDIST"));
    let last = last.filter(|last| ![stored, stored_distance].contains(&Some(*last)));
    [Some(1), stored, stored_distance, last].into_iter().flatten().collect()
}

const COUNT: Error = Error::Text("ERR COUNT must be > 0");
const ANY: Error = Error::Text("ERR the ANY argument requires COUNT argument");
const NO_MEMBER: Error = Error::Text("ERR could not decode requested zset member");
const NOT_A_RADIUS: Error = Error::Text("ERR need numeric radius");
const NEGATIVE_RADIUS: Error = Error::Text("ERR radius cannot be negative");
const NOT_A_WIDTH: Error = Error::Text("ERR need numeric width");
const NOT_A_HEIGHT: Error = Error::Text("ERR need numeric height");
const NEGATIVE_BOX: Error = Error::Text("ERR height or width cannot be negative");
const STORED_SEARCH: Error =
    Error::Text("ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
const STORED_RADIUS: Error = Error::Text(
    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);
const NOT_A_NUMBER_OF_CORNERS: Error = Error::Text("ERR invalid number of vertices");
const TOO_FEW_CORNERS: Error = Error::Text("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices");
const NO_CENTER: &str = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
const NO_FORM: &str = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: Kind, request: &str) -> Result<bool, Error> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        Options::parse(kind, &args, None).map(|options| options.shape.is_some())
    }

    #[test]
    fn areas_of_a_search() {
        let search = |request| parse(Kind::Search { stores: false }, request);
        assert_eq!(search("geosearch k FROMLONLAT 1 2 BYRADIUS 3 km"), Ok(true));
        assert_eq!(search("geosearch k bybox 1 2 ft fromlonlat 1 2 asc count 5 any"), Ok(true));
        assert_eq!(search("geosearch k FROMMEMBER a BYRADIUS 3 km"), Ok(false));
        assert_eq!(search("geosearch k FROMMEMBER a FROMLONLAT 1 2 BYRADIUS 3 km"), Err(Error::Syntax));
        assert_eq!(search("geosearch k FROMMEMBER a BYRADIUS 3 km BYBOX 1 1 m"), Err(Error::Syntax));
        assert_eq!(search("gEo k BYRADIUS 3 km"), Err(Error::quoting(NO_CENTER, b"gEo", "")));
        assert_eq!(search("geo k FROMMEMBER a"), Err(Error::quoting(NO_FORM, b"geo", "")));
        assert_eq!(search("geo k FROMMEMBER a BYRADIUS 3 km ANY"), Err(ANY));
        assert_eq!(search("geo k FROMMEMBER a BYBOX 3 -1 xx"), Err(NEGATIVE_BOX));
    }

    #[test]
    fn polygons_stand_alone() {
        let search = |rest: &str| parse(Kind::Search { stores: false }, &format!("geosearch k {rest}"));
        assert_eq!(search("BYPOLYGON 3 0 0 1 0 0 1"), Ok(true));
        assert_eq!(search("asc bypolygon 3 0 0 1 0 0 1 count 2 withdist"), Ok(true));
        assert_eq!(search("BYPOLYGON 2 0 0 1 0"), Err(TOO_FEW_CORNERS));
        assert_eq!(search("BYPOLYGON -3 0 0 1 0 0 1"), Err(TOO_FEW_CORNERS));
        assert_eq!(search("BYPOLYGON 4 0 0 1 0 0 1 1"), Err(TOO_FEW_CORNERS));
        assert_eq!(search("BYPOLYGON x 0 0 1 0 0 1"), Err(NOT_A_NUMBER_OF_CORNERS));
        assert_eq!(search("BYPOLYGON 2147483648 0 0 1 0 0 1"), Err(NOT_A_NUMBER_OF_CORNERS));
        assert_eq!(search("BYPOLYGON 3 0 0 1 x 0 1"), Err(Error::NotFloat));
        for with in ["FROMLONLAT 1 2", "FROMMEMBER a", "BYRADIUS 1 m", "BYBOX 1 1 m"] {
            assert_eq!(search(&format!("BYPOLYGON 3 0 0 1 0 0 1 {with}")), Err(Error::Syntax));
            assert_eq!(search(&format!("{with} BYPOLYGON 3 0 0 1 0 0 1")), Err(Error::Syntax));
        }
    }

    #[test]
    fn only_some_may_store() {
        let radius = |may_store, request| parse(Kind::Radius { may_store }, request);
        assert_eq!(radius(true, "georadius k 1 2 3 km STORE d"), Ok(true));
        assert_eq!(radius(false, "georadius k 1 2 3 km STORE d"), Err(Error::Syntax));
        assert_eq!(radius(true, "georadius k 1 2 3 km STORE d WITHDIST"), Err(STORED_RADIUS));
        let search = "geosearchstore d k FROMLONLAT 1 2 BYRADIUS 3 km STOREDIST";
        assert_eq!(parse(Kind::Search { stores: true }, search), Ok(true));
    }

    #[test]
    fn destinations_are_keys() {
        let keys = |request: &str| keys_of_radius(&request.split(' ').map(str::as_bytes).collect::<Vec<_>>());
        assert_eq!(keys("georadius k 1 2 3 km"), [1]);
        assert_eq!(keys("georadius k 1 2 3 km STORE d"), [1, 7]);
        assert_eq!(keys("georadius k 1 2 3 km STOREDIST e ASC store k"), [1, 10, 7]);
        assert_eq!(keys("georadius k 1 2 3 km STORE c STORE d STORE e"), [1, 7, 11]);
        assert_eq!(keys("georadius k 1 2 3 km STORE"), [1]);
        assert_eq!(keys("georadius k STORE d"), [1]);
    }
}
