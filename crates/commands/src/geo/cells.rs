//! The cells that cover a shape: the one of its center and those around, as large as it takes, in the order in which Redis
//! looks into them.

use super::hash::{Cell, STEPS};
use super::shape::Shape;

/// The cells that may hold places inside, none of them like the one before.
pub(super) fn covering(shape: &Shape) -> Vec<Cell> {
    let (longitudes, latitudes) = shape.bounds();
    let mut steps = steps(shape.reach(), shape.center.latitude);
    let mut center = Cell::of(shape.center, steps);
    let too_small = center.neighbour(0, 1).latitudes().max < latitudes.max
        || center.neighbour(0, -1).latitudes().min > latitudes.min
        || center.neighbour(1, 0).longitudes().max < longitudes.max
        || center.neighbour(-1, 0).longitudes().min > longitudes.min;
    if steps > 1 && too_small {
        steps -= 1;
        center = Cell::of(shape.center, steps);
    }
    let inside = |east: i8, north: i8| {
        steps < 2
            || !(north < 0 && center.latitudes().min < latitudes.min
                || north > 0 && center.latitudes().max > latitudes.max
                || east < 0 && center.longitudes().min < longitudes.min
                || east > 0 && center.longitudes().max > longitudes.max)
    };
    let mut cells = vec![center];
    for (east, north) in AROUND.into_iter().filter(|(east, north)| inside(*east, *north)) {
        let cell = center.neighbour(east, north);
        // Few cells cross the world in a large search, so that neighbours meet behind it.
        if cells.len() == 1 || cells.last() != Some(&cell) {
            cells.push(cell);
        }
    }
    cells
}

/// East and north: the four sides, then the corners.
const AROUND: [(i8, i8); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

/// How often the world is to be halved so that a cell is about as large as the reach; less near the poles, where cells are
/// narrow.
fn steps(reach: f64, latitude: f64) -> u32 {
    const HALF_EQUATOR: f64 = 20_037_726.37;
    if reach == 0.0 {
        return STEPS;
    }
    let (mut reach, mut steps) = (reach, 1);
    while reach < HALF_EQUATOR {
        reach *= 2.0;
        steps += 1;
    }
    steps -= 2;
    if latitude.abs() > 66.0 {
        steps -= 1 + i32::from(latitude.abs() > 80.0);
    }
    steps.clamp(1, STEPS as i32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::hash::Position;
    use crate::geo::shape::Form;

    fn cells(radius: f64, latitude: f64) -> usize {
        let center = Position { longitude: 10.0, latitude };
        covering(&Shape { center, form: Form::Circle { radius }, unit: 1.0 }).len()
    }

    #[test]
    fn cells_grow_with_the_reach() {
        assert_eq!(steps(0.0, 0.0), 26);
        assert_eq!(steps(1.0, 0.0), 24);
        assert_eq!((steps(1e5, 0.0), steps(1e5, 70.0), steps(1e5, -81.0)), (7, 6, 5));
        assert_eq!(steps(1e9, 0.0), 1);
    }

    #[test]
    fn cells_that_lie_outside_are_left_out() {
        assert!((1..=4).contains(&cells(100.0, 40.0)));
        assert_eq!(cells(1e7, 40.0), 4);
    }
}
