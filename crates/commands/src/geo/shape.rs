//! What is searched: a circle or a box around a place, or a polygon, on a sphere.

use super::hash::{Interval, Position};

/// An area around a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) center: Position,
    pub(super) form: Form,
    /// The metres in the unit of the form's measures.
    pub(super) unit: f64,
}

/// The measures of an area.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Form {
    Circle {
        radius: f64,
    },
    Box {
        width: f64,
        height: f64,
    },
    /// Its sides are straight in degrees, the last one leads back to the first corner.
    Polygon {
        corners: Vec<Position>,
    },
}

const EARTH_RADIUS: f64 = 6_372_797.560_856;
const RADIAN: f64 = std::f64::consts::PI / 180.0;

/// The distance of two places in metres, by the haversine formula.
pub(super) fn distance(from: Position, to: Position) -> f64 {
    let v = ((radians(to.longitude) - radians(from.longitude)) / 2.0).sin();
    if v == 0.0 {
        return latitude_distance(from.latitude, to.latitude);
    }
    let (from, to) = (radians(from.latitude), radians(to.latitude));
    let u = ((to - from) / 2.0).sin();
    let a = u * u + from.cos() * to.cos() * v * v;
    2.0 * EARTH_RADIUS * a.sqrt().asin()
}

fn latitude_distance(from: f64, to: f64) -> f64 {
    EARTH_RADIUS * (radians(to) - radians(from)).abs()
}

fn radians(degrees: f64) -> f64 {
    degrees * RADIAN
}

fn degrees(radians: f64) -> f64 {
    radians / RADIAN
}

impl Shape {
    /// The distance in metres of a place that is inside.
    pub(super) fn distance_within(&self, place: Position) -> Option<f64> {
        match &self.form {
            Form::Circle { radius } => {
                Some(distance(self.center, place)).filter(|distance| *distance <= radius * self.unit)
            }
            Form::Polygon { corners } => is_enclosed(corners, place).then(|| distance(self.center, place)),
            Form::Box { width, height } => {
                let (width, height) = (width * self.unit, height * self.unit);
                if latitude_distance(place.latitude, self.center.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Position { latitude: place.latitude, ..self.center };
                (distance(place, beside) <= width / 2.0).then(|| distance(self.center, place))
            }
        }
    }

    /// The longitudes and latitudes that enclose it.
    pub(super) fn bounds(&self) -> (Interval, Interval) {
        let Position { longitude, latitude } = self.center;
        let (width, height) = match &self.form {
            Form::Circle { radius } => (*radius, *radius),
            Form::Box { width, height } => (width / 2.0, height / 2.0),
            Form::Polygon { corners } => return enclosing(corners),
        };
        let north = degrees(self.unit * height / EARTH_RADIUS);
        // It is widest in degrees where it is nearest to a pole.
        let polar = if latitude < 0.0 { latitude - north } else { latitude + north };
        let east = degrees(self.unit * width / EARTH_RADIUS / radians(polar).cos());
        let around = |middle: f64, by: f64| Interval { min: middle - by, max: middle + by };
        (around(longitude, east), around(latitude, north))
    }

    /// The distance in metres of its farthest place.
    pub(super) fn reach(&self) -> f64 {
        let reach = match &self.form {
            Form::Circle { radius } => *radius,
            Form::Polygon { corners } => {
                let (longitudes, latitudes) = enclosing(corners);
                let west_and_east = [longitudes.min, longitudes.max].into_iter();
                let ends = west_and_east.flat_map(|longitude| {
                    [latitudes.min, latitudes.max].map(|latitude| Position { longitude, latitude })
                });
                ends.map(|end| distance(self.center, end)).fold(0.0, f64::max)
            }
            Form::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        reach * self.unit
    }
}

/// The middle of some places: that of their points in space, seen from the middle of the sphere.
pub(super) fn middle(places: &[Position]) -> Position {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for place in places {
        let (longitude, latitude) = (radians(place.longitude), radians(place.latitude));
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    Position { longitude: degrees(y.atan2(x)), latitude: degrees(z.atan2(x.hypot(y))) }
}

/// The longitudes and latitudes that enclose the corners.
fn enclosing(corners: &[Position]) -> (Interval, Interval) {
    let interval = |degrees: fn(&Position) -> f64| {
        let empty = Interval { min: f64::INFINITY, max: f64::NEG_INFINITY };
        corners.iter().map(degrees).fold(empty, |interval, degrees| Interval {
            min: interval.min.min(degrees),
            max: interval.max.max(degrees),
        })
    };
    (interval(|corner| corner.longitude), interval(|corner| corner.latitude))
}

/// Whether a line from the place to the east crosses an odd number of the polygon's sides.
fn is_enclosed(corners: &[Position], place: Position) -> bool {
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let sides = corners.iter().zip(before);
    let crossed = sides.filter(|(from, to)| {
        if (from.latitude > place.latitude) == (to.latitude > place.latitude) {
            return false;
        }
        let along = (place.latitude - from.latitude) / (to.latitude - from.latitude);
        place.longitude < (to.longitude - from.longitude) * along + from.longitude
    });
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Position = Position { longitude: 13.361_389_338_970_184, latitude: 38.115_556_395_496_3 };
    const CATANIA: Position = Position { longitude: 15.087_267_458_438_873, latitude: 37.502_668_423_331_6 };

    #[test]
    fn distances_are_those_of_redis() {
        assert_eq!(format!("{:.4}", distance(PALERMO, CATANIA)), "166274.1516");
        assert_eq!(distance(PALERMO, PALERMO), 0.0);
    }

    #[test]
    fn polygons_are_enclosed_by_their_sides() {
        let at = |longitude, latitude| Position { longitude, latitude };
        // A square with a notch in its eastern side.
        let corners = vec![at(0.0, 0.0), at(4.0, 0.0), at(1.0, 2.0), at(4.0, 4.0), at(0.0, 4.0)];
        let center = middle(&corners);
        let shape = Shape { center, form: Form::Polygon { corners }, unit: 1.0 };
        assert!(shape.distance_within(at(0.5, 2.0)).is_some());
        assert!(shape.distance_within(at(3.0, 0.5)).is_some());
        for outside in [at(3.0, 2.0), at(-0.5, 2.0), at(5.0, 2.0), at(2.0, -1.0), at(2.0, 4.5)] {
            assert!(shape.distance_within(outside).is_none(), "{outside:?}");
        }
        let (longitudes, latitudes) = shape.bounds();
        assert_eq!((longitudes.min, longitudes.max, latitudes.min, latitudes.max), (0.0, 4.0, 0.0, 4.0));
        assert!(shape.reach() >= distance(center, at(4.0, 4.0)));
        let whole_turn = middle(&[at(179.0, 1.0), at(-179.0, 1.0)]);
        assert!((whole_turn.longitude.abs() - 180.0).abs() < 1e-9 && whole_turn.latitude > 1.0);
    }

    #[test]
    fn circles_and_boxes_have_an_inside() {
        let shape = |form| Shape { center: PALERMO, form, unit: 1000.0 };
        assert!(shape(Form::Circle { radius: 167.0 }).distance_within(CATANIA).is_some());
        assert!(shape(Form::Circle { radius: 166.0 }).distance_within(CATANIA).is_none());
        assert!(shape(Form::Box { width: 310.0, height: 140.0 }).distance_within(CATANIA).is_some());
        assert!(shape(Form::Box { width: 310.0, height: 130.0 }).distance_within(CATANIA).is_none());
        assert!(shape(Form::Box { width: 290.0, height: 140.0 }).distance_within(CATANIA).is_none());
    }
}
