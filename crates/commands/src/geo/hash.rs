//! Geohashes: the world is halved again and again, by longitude and latitude in turn; a bit tells which half.

/// The steps of a score: 26 bits of longitude and of latitude.
pub(super) const STEPS: u32 = 26;
/// All longitudes.
pub(super) const LONGITUDES: Interval = Interval { min: -180.0, max: 180.0 };
/// The latitudes of the web Mercator projection.
pub(super) const LATITUDES: Interval = Interval { min: -85.051_128_78, max: 85.051_128_78 };
/// The latitudes of geohashes as others write them.
const ALL_LATITUDES: Interval = Interval { min: -90.0, max: 90.0 };

/// A place on the Earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

/// Degrees from one to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    pub(super) min: f64,
    pub(super) max: f64,
}

/// A cell of the world, which 2^steps cells cross in each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Longitude in the odd bits, latitude in the even ones.
    pub(super) bits: u64,
    pub(super) steps: u32,
}

impl Interval {
    pub(super) fn contains(self, degrees: f64) -> bool {
        (self.min..=self.max).contains(&degrees)
    }

    fn share(self, degrees: f64) -> f64 {
        (degrees - self.min) / (self.max - self.min)
    }

    /// One of 2^steps parts of it.
    fn part(self, index: u32, steps: u32) -> Interval {
        let size = self.max - self.min;
        let at = |index: f64| self.min + index / (1u64 << steps) as f64 * size;
        Interval { min: at(f64::from(index)), max: at(f64::from(index) + 1.0) }
    }

    fn middle_within(self, limits: Interval) -> f64 {
        ((self.min + self.max) / 2.0).clamp(limits.min, limits.max)
    }
}

impl Cell {
    /// The cell of a place.
    pub(super) fn of(position: Position, steps: u32) -> Self {
        Cell::within(LATITUDES, position, steps)
    }

    fn within(latitudes: Interval, position: Position, steps: u32) -> Self {
        let index = |share: f64| (share * (1u64 << steps) as f64) as u32;
        let latitude = index(latitudes.share(position.latitude));
        let longitude = index(LONGITUDES.share(position.longitude));
        Cell { bits: spread(latitude) | spread(longitude) << 1, steps }
    }

    /// The smallest cell that a score stands for.
    pub(super) fn of_score(score: f64) -> Self {
        Cell { bits: bits_of_score(score), steps: STEPS }
    }

    /// The least score of its places.
    pub(super) fn score(self) -> f64 {
        (self.bits << (2 * (STEPS - self.steps))) as f64
    }

    /// The least score behind them.
    pub(super) fn end_score(self) -> f64 {
        Cell { bits: self.bits.wrapping_add(1), ..self }.score()
    }

    pub(super) fn longitudes(self) -> Interval {
        LONGITUDES.part(gather(self.bits >> 1), self.steps)
    }

    pub(super) fn latitudes(self) -> Interval {
        LATITUDES.part(gather(self.bits), self.steps)
    }

    /// Its middle.
    pub(super) fn position(self) -> Position {
        Position {
            longitude: self.longitudes().middle_within(LONGITUDES),
            latitude: self.latitudes().middle_within(LATITUDES),
        }
    }

    /// The cell so many cells to the east and to the north (each -1, 0 or 1), around the world if need be.
    pub(super) fn neighbour(self, east: i8, north: i8) -> Self {
        let unused = u64::MAX >> (64 - 2 * self.steps);
        let (longitude, latitude) = (ODD & self.bits, EVEN & self.bits);
        // The other direction's bits are set or cleared so that a carry passes through them.
        let moved = |own: u64, mask: u64, by: i8| match by {
            0 => own,
            1 => own.wrapping_add((!mask & unused) + 1) & mask & unused,
            _ => (own | !mask & unused).wrapping_sub((!mask & unused) + 1) & mask & unused,
        };
        let longitude = moved(longitude, ODD, east);
        let latitude = moved(latitude, EVEN, north);
        Cell { bits: longitude | latitude, ..self }
    }
}

/// A geohash of eleven letters, as other systems write it; there are bits for ten, the last one is always `0`.
pub(super) fn text(position: Position) -> [u8; 11] {
    const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
    let bits = Cell::within(ALL_LATITUDES, position, STEPS).bits;
    std::array::from_fn(|at| {
        let index = if at == 10 { 0 } else { bits >> (2 * STEPS as usize - 5 * (at + 1)) & 31 };
        LETTERS[index as usize]
    })
}

const EVEN: u64 = 0x5555_5555_5555_5555;
const ODD: u64 = !EVEN;

/// The bits of a number at the even positions.
fn spread(number: u32) -> u64 {
    [16, 8, 4, 2, 1].into_iter().fold(u64::from(number), |bits, shift| {
        let kept = u64::MAX / ((1 << shift) + 1);
        (bits | bits << shift) & kept
    })
}

/// The bits at the even positions as a number.
fn gather(bits: u64) -> u32 {
    [1, 2, 4, 8, 16].into_iter().fold(bits & EVEN, |bits, shift| {
        let kept = u64::MAX / ((1 << (2 * shift)) + 1);
        (bits | bits >> shift) & kept
    }) as u32
}

/// A score as an unsigned integer, also where it was never a geohash: as Redis's compiler converts it on x86.
fn bits_of_score(score: f64) -> u64 {
    const TOP: f64 = (1u64 << 63) as f64;
    if score < TOP { truncated(score) as u64 } else { truncated(score - TOP) as u64 ^ 1 << 63 }
}

/// A score as a signed integer, in the same way: the least one stands for all that there is no other for.
pub(super) fn truncated(score: f64) -> i64 {
    const TOP: f64 = (1u64 << 63) as f64;
    if (-TOP..TOP).contains(&score) { score as i64 } else { i64::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Position = Position { longitude: 13.361_389, latitude: 38.115_556 };

    #[test]
    fn scores_and_texts_are_those_of_redis() {
        let cell = Cell::of(PALERMO, STEPS);
        assert_eq!(cell.score(), 3_479_099_956_230_698.0);
        assert_eq!(Cell::of_score(cell.score()), cell);
        let position = cell.position();
        assert_eq!(position.longitude, 13.361_389_338_970_184);
        assert_eq!(position.latitude, 38.115_556_395_496_3);
        assert_eq!(text(position), *b"sqc8b49rny0");
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        assert_eq!(spread(0b1011), 0b100_0101);
        for number in [0, 1, 0x1234_5678, u32::MAX] {
            assert_eq!(gather(spread(number)), number);
            assert_eq!(gather(spread(number) | ODD), number);
        }
    }

    #[test]
    fn neighbours_touch_and_lead_back() {
        for steps in [1, 2, 7, 26] {
            let cell = Cell::of(PALERMO, steps);
            for (east, north) in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1)] {
                let there = cell.neighbour(east, north);
                assert_eq!(there.neighbour(-east, -north), cell, "{steps} {east} {north}");
            }
            if steps > 2 {
                assert_eq!(cell.neighbour(1, 0).longitudes().min, cell.longitudes().max);
                assert_eq!(cell.neighbour(0, -1).latitudes().max, cell.latitudes().min);
            }
        }
    }

    #[test]
    fn scores_that_are_no_geohash() {
        assert_eq!(bits_of_score(-1.0), u64::MAX);
        assert_eq!(bits_of_score(1.5e19), 15_000_000_000_000_000_000);
        assert_eq!(bits_of_score(f64::NEG_INFINITY), 1 << 63);
        assert_eq!(truncated(f64::INFINITY), i64::MIN);
    }
}
