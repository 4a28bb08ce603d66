//! From registers to a number of elements.
//!
//! [Ertl's improved estimator](https://arxiv.org/abs/1702.01284), without tables: what the registers' values add up to, with
//! corrections for registers that are still zero and for such as cannot grow.

use super::sketch::{HIGHEST, REGISTERS};

/// How many registers hold each value.
pub(super) type Histogram = [u32; 64];

/// The number of different elements that left registers of this histogram.
pub(super) fn cardinality(histogram: &Histogram) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    let registers = REGISTERS as f64;
    let highest = usize::from(HIGHEST);
    let mut sum = registers * tau((registers - f64::from(histogram[highest])) / registers);
    for count in histogram[1..highest].iter().rev() {
        sum = (sum + f64::from(*count)) * 0.5;
    }
    sum += registers * sigma(f64::from(histogram[0]) / registers);
    (ALPHA * registers * registers / sum).round() as u64
}

fn sigma(share: f64) -> f64 {
    if share == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

fn tau(share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root) * (1.0 - root) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hyperloglog::hash::place;

    fn estimate(elements: u32) -> u64 {
        let mut registers = vec![0; REGISTERS];
        for element in 0..elements {
            let (at, value) = place(&element.to_le_bytes());
            registers[at] = value.max(registers[at]);
        }
        let mut histogram: Histogram = [0; 64];
        registers.iter().for_each(|value| histogram[usize::from(*value)] += 1);
        cardinality(&histogram)
    }

    #[test]
    fn estimates_are_near() {
        assert_eq!(estimate(0), 0);
        assert_eq!(estimate(1), 1);
        for elements in [100, 5_000, 60_000, 300_000] {
            let error = estimate(elements) as f64 / f64::from(elements) - 1.0;
            assert!(error.abs() < 0.03, "{elements}: {error}");
        }
    }
}
