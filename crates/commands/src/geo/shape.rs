//! What is searched: a circle or a box around a place, on a sphere.

use super::hash::{Interval, Position};

/// An area around a place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape {
    pub(super) center: Position,
    pub(super) form: Form,
    /// The metres in the unit of the form's measures.
    pub(super) unit: f64,
}

/// The measures of an area.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    Circle { radius: f64 },
    Box { width: f64, height: f64 },
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
        match self.form {
            Form::Circle { radius } => {
                Some(distance(self.center, place)).filter(|distance| *distance <= radius * self.unit)
            }
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
        let (width, height) = match self.form {
            Form::Circle { radius } => (radius, radius),
            Form::Box { width, height } => (width / 2.0, height / 2.0),
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
        let reach = match self.form {
            Form::Circle { radius } => radius,
            Form::Box { width, height } => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        reach * self.unit
    }
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
    fn circles_and_boxes_have_an_inside() {
        let shape = |form| Shape { center: PALERMO, form, unit: 1000.0 };
        assert!(shape(Form::Circle { radius: 167.0 }).distance_within(CATANIA).is_some());
        assert!(shape(Form::Circle { radius: 166.0 }).distance_within(CATANIA).is_none());
        assert!(shape(Form::Box { width: 310.0, height: 140.0 }).distance_within(CATANIA).is_some());
        assert!(shape(Form::Box { width: 310.0, height: 130.0 }).distance_within(CATANIA).is_none());
        assert!(shape(Form::Box { width: 290.0, height: 140.0 }).distance_within(CATANIA).is_none());
    }
}
