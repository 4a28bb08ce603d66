//! How vectors lie in rows of bytes, and how far two of them are from each other.
//!
//! A row is what `VEMB key element RAW` shows: floats, little-endian; signed bytes, here with their range before them; or bits,
//! the first component's the lowest, in words of 64.

use super::Quantization;

/// The greatest magnitude of a signed byte.
const STEPS: f32 = 127.0;
/// Bytes of the range before signed bytes.
const RANGE: usize = 4;

impl Quantization {
    /// Bytes of a row.
    pub(super) fn row_bytes(self, dim: usize) -> usize {
        match self {
            Quantization::None => 4 * dim,
            Quantization::Q8 => RANGE + dim,
            Quantization::Binary => dim.div_ceil(64) * 8,
        }
    }

    /// The row of a vector, and the length that it had. One of length 0 stays so, and is said to have 1, as in Redis.
    pub(super) fn encode(self, vector: &[f32]) -> (Vec<u8>, f32) {
        let bytes: Vec<u8> = vector.iter().flat_map(|component| component.to_le_bytes()).collect();
        let length = dot_of_floats(&bytes, &bytes).sqrt();
        let norm = if length == 0.0 { 1.0 } else { length };
        let unit = vector.iter().map(|component| component / norm);
        let row = match self {
            Quantization::None => unit.flat_map(f32::to_le_bytes).collect(),
            Quantization::Q8 => {
                let range = unit.clone().map(f32::abs).fold(0.0, f32::max);
                // In this order, as Redis: elsewhere a half may be rounded to the other side.
                let steps_of_one = STEPS / range;
                let steps = unit.map(|component| (component * steps_of_one).round() as i8 as u8);
                range.to_le_bytes().into_iter().chain(steps).collect()
            }
            Quantization::Binary => {
                let mut row = vec![0; self.row_bytes(vector.len())];
                let positive = unit.enumerate().filter(|(_, component)| *component > 0.0);
                positive.for_each(|(at, _)| row[at / 8] |= 1 << (at % 8));
                row
            }
        };
        (row, norm)
    }

    /// The components that a row stands for, times `norm`; of bits, 1 or -1.
    pub(super) fn decode(self, row: &[u8], dim: usize, norm: f32) -> Vec<f32> {
        match self {
            Quantization::None => floats(row).map(|component| component * norm).collect(),
            Quantization::Q8 => {
                let (range, steps) = signed(row);
                steps.iter().map(|step| f32::from(*step as i8) * range / STEPS * norm).collect()
            }
            Quantization::Binary => {
                (0..dim).map(|at| if row[at / 8] >> (at % 8) & 1 == 1 { 1.0 } else { -1.0 }).collect()
            }
        }
    }

    /// What its bytes are multiples of the 127th part of; 0 where there are none.
    pub(super) fn range(self, row: &[u8]) -> f32 {
        if self == Quantization::Q8 { signed(row).0 } else { 0.0 }
    }

    /// The row without the range.
    pub(super) fn codes(self, row: &[u8]) -> &[u8] {
        if self == Quantization::Q8 { signed(row).1 } else { row }
    }

    /// The row of which these are the parts.
    pub(super) fn row(self, codes: &[u8], range: f32) -> Vec<u8> {
        let range = if self == Quantization::Q8 { &range.to_le_bytes()[..] } else { &[] };
        [range, codes].concat()
    }

    /// From 0, for vectors that point the same way, to 2 for opposite ones. Never NaN but where a float is.
    #[inline]
    pub(super) fn distance(self, one: &[u8], other: &[u8], dim: usize) -> f32 {
        match self {
            Quantization::None => (1.0 - dot_of_floats(one, other)).clamp(0.0, 2.0),
            Quantization::Q8 => {
                let ((one_range, one), (other_range, other)) = (signed(one), signed(other));
                let dot = dot_of_bytes(one, other) as f32 * (one_range / STEPS * (other_range / STEPS));
                (1.0 - dot).clamp(0.0, 2.0)
            }
            Quantization::Binary => differing_bits(one, other) as f32 * 2.0 / dim as f32,
        }
    }
}

fn floats(row: &[u8]) -> impl Iterator<Item = f32> + Clone {
    row.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

#[inline]
fn signed(row: &[u8]) -> (f32, &[u8]) {
    let (range, steps) = row.split_first_chunk::<RANGE>().expect("a row of signed bytes");
    (f32::from_le_bytes(*range), steps)
}

#[inline]
fn dot_of_floats(one: &[u8], other: &[u8]) -> f32 {
    let ((one, one_rest), (other, other_rest)) =
        (one.as_chunks::<{ 4 * LANES }>(), other.as_chunks::<{ 4 * LANES }>());
    let mut sums = [0.0; LANES];
    for (one, other) in one.iter().zip(other) {
        let (one, other) = (one.as_chunks::<4>().0, other.as_chunks::<4>().0);
        for lane in 0..LANES {
            sums[lane] += f32::from_le_bytes(one[lane]) * f32::from_le_bytes(other[lane]);
        }
    }
    let rest = floats(one_rest).zip(floats(other_rest)).fold(0.0, |sum, (one, other)| sum + one * other);
    folded(sums) + rest
}

/// Sums that are kept apart, so that several are added at once.
const LANES: usize = 16;

fn folded(sums: [f32; LANES]) -> f32 {
    let mut sums = sums;
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
        half /= 2;
    }
    sums[0]
}

#[inline]
fn dot_of_bytes(one: &[u8], other: &[u8]) -> i64 {
    // So many products cannot overflow.
    const PIECE: usize = 1 << 16;
    let product = |(one, other): (&u8, &u8)| i32::from(*one as i8) * i32::from(*other as i8);
    let piece = |(one, other): (&[u8], &[u8])| i64::from(one.iter().zip(other).map(product).sum::<i32>());
    one.chunks(PIECE).zip(other.chunks(PIECE)).map(piece).sum()
}

#[inline]
fn differing_bits(one: &[u8], other: &[u8]) -> u32 {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    one.iter()
        .zip(other)
        .map(|(one, other)| (u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other)).count_ones())
        .sum()
}
