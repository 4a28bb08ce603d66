//! What the vectors of a set have in common.

use std::sync::Arc;

/// How components are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quantization {
    /// As floats of 32 bits.
    None,
    /// As signed bytes, that are fractions of the vector's greatest component: its range.
    #[default]
    Q8,
    /// As bits: whether a component is positive.
    Binary,
}

/// What the vectors of a set have in common. The first one decides it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VectorParams {
    /// Components of a vector as it is stored.
    pub dim: usize,
    /// How components are stored.
    pub quantization: Quantization,
    /// Most links of an element on a layer of the graph; the lowest layer allows twice as many. From
    /// [`MIN_LINKS`](Self::MIN_LINKS) to [`MAX_LINKS`](Self::MAX_LINKS).
    pub max_links: usize,
    /// How longer vectors become such of `dim` components, if they do.
    pub projection: Option<Projection>,
}

impl VectorParams {
    /// The fewest `max_links`.
    pub const MIN_LINKS: usize = 4;
    /// The most `max_links`.
    pub const MAX_LINKS: usize = 4096;

    /// Whether they are such as a set can have.
    pub(super) fn are_valid(&self) -> bool {
        self.dim > 0
            && u32::try_from(self.dim).is_ok()
            && (Self::MIN_LINKS..=Self::MAX_LINKS).contains(&self.max_links)
            && self.projection.as_ref().is_none_or(|projection| projection.fits(self.dim))
    }
}

/// A linear map to fewer components.
///
/// Redis's, as redis-server 8.0.6 shows it in VEMB: component `i` of the outcome is the sum of all components `j`, those
/// negated for which `i & j` has an odd number of bits, divided by the square root of their number. These are rows of a Walsh matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Projection {
    input_dim: usize,
    /// Row by row, if it is another one.
    matrix: Option<Arc<[f32]>>,
}

impl Projection {
    /// Redis's, from so many components.
    pub fn new(input_dim: usize) -> Self {
        Projection { input_dim, matrix: None }
    }

    /// One of this matrix, row by row, whose length must be a multiple of `input_dim`.
    pub fn with_matrix(input_dim: usize, matrix: &[f32]) -> Self {
        let projection = Projection::new(input_dim);
        let is_usual = (0..).zip(matrix).all(|(at, given)| {
            projection.coefficient(at / input_dim.max(1), at % input_dim.max(1)).to_bits() == given.to_bits()
        });
        Projection { matrix: (!is_usual).then(|| matrix.into()), ..projection }
    }

    /// Components of a vector before.
    pub fn input_dim(&self) -> usize {
        self.input_dim
    }

    /// By what a component before goes into a component after.
    pub fn coefficient(&self, row: usize, column: usize) -> f32 {
        match &self.matrix {
            Some(matrix) => matrix[row * self.input_dim + column],
            None if (row & column).count_ones().is_multiple_of(2) => self.scale() as f32,
            None => -self.scale() as f32,
        }
    }

    fn scale(&self) -> f64 {
        1.0 / (self.input_dim as f64).sqrt()
    }

    fn fits(&self, dim: usize) -> bool {
        let rows =
            self.matrix.as_ref().is_none_or(|matrix| Some(matrix.len()) == dim.checked_mul(self.input_dim));
        self.input_dim > 0 && rows
    }

    /// The first `dim` components of the outcome.
    pub(super) fn apply(&self, vector: &[f32], dim: usize) -> Vec<f32> {
        match &self.matrix {
            Some(matrix) => {
                let row = |row: &[f32]| {
                    row.iter().zip(vector).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>()
                };
                matrix.chunks_exact(self.input_dim).take(dim).map(|it| row(it) as f32).collect()
            }
            None => {
                let mut sums = vec![0.0; vector.len().max(dim).next_power_of_two()];
                sums.iter_mut().zip(vector).for_each(|(sum, component)| *sum = f64::from(*component));
                walsh(&mut sums);
                sums[..dim].iter().map(|sum| (sum * self.scale()) as f32).collect()
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.matrix.as_ref().map_or(0, |matrix| size_of_val(&**matrix))
    }
}

/// Replaces values, whose number is a power of two, by their sums with the signs of each row of the Walsh matrix.
fn walsh(values: &mut [f64]) {
    let mut half = 1;
    while half < values.len() {
        for block in values.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                (*low, *high) = (*low + *high, *low - *high);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As redis-server 8.0.6: `VADD key REDUCE 2 VALUES 3 1 2 3 a NOQUANT`, `VEMB key a`.
    #[test]
    fn projects_as_redis_does() {
        assert_eq!(Projection::new(3).apply(&[1.0, 2.0, 3.0], 2), [3.464_101_6, 1.154_700_5]);
    }

    #[test]
    fn the_fast_way_is_the_matrix() {
        for (input_dim, dim) in [(1, 1), (3, 2), (10, 7), (16, 16), (5, 8)] {
            let usual = Projection::new(input_dim);
            let matrix: Vec<f32> =
                (0..dim * input_dim).map(|at| usual.coefficient(at / input_dim, at % input_dim)).collect();
            assert_eq!(Projection::with_matrix(input_dim, &matrix), usual);
            let slow = Projection { input_dim, matrix: Some(matrix.into()) };
            let vector: Vec<f32> = (0..input_dim).map(|at| (at as f32 * 0.7).sin()).collect();
            for (fast, slow) in usual.apply(&vector, dim).into_iter().zip(slow.apply(&vector, dim)) {
                assert!((fast - slow).abs() < 1e-6, "{fast} {slow}");
            }
        }
    }

    #[test]
    fn another_matrix_is_kept() {
        let other = Projection::with_matrix(2, &[1.0, 0.0]);
        assert_eq!(other.apply(&[3.0, 4.0], 1), [3.0]);
        assert!(other.fits(1) && !other.fits(2));
    }
}
