//! `math.random` and `math.randomseed` with Redis's generator: the 48-bit linear congruence of `lrand48`, so that a
//! seed gives the same sequence here as there.

use crate::library::Shared;
use crate::stack::{Outcome, Raise, Stack, register};

const MASK: u64 = (1 << 48) - 1;
const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const SEED_LOW: u64 = 0x330E;

/// A random sequence: 48 bits of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// The sequence that begins at `seed`, of which the low 48 bits count.
    pub fn new(seed: u64) -> Random {
        Random(seed & MASK)
    }

    /// The sequence that `math.randomseed(seed)` begins; Redis up to 6 began every run at 0.
    pub fn from_script_seed(seed: i32) -> Random {
        Random((u64::from(seed as u32) << 16) | SEED_LOW)
    }

    /// The next 31 bits.
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT) & MASK;
        (self.0 >> 17) as u32
    }
}

pub(crate) unsafe fn push(stack: Stack, shared: *mut Shared) {
    stack.push_table(0, 2);
    // SAFETY: the caller's.
    unsafe {
        register(stack, shared, "random", random);
        register(stack, shared, "randomseed", randomseed);
    }
}

fn random(stack: Stack, shared: &mut Shared) -> Outcome {
    let limit = i32::MAX as u32;
    let fraction = f64::from(shared.run.random.next() % limit) / f64::from(limit);
    let result = match stack.top() {
        0 => fraction,
        1 => {
            let upper = stack.check_integer(1)? as i32;
            if upper < 1 {
                return Err(Raise::Argument(1, c"interval is empty"));
            }
            (fraction * f64::from(upper)).floor() + 1.0
        }
        2 => {
            let lower = stack.check_integer(1)? as i32;
            let upper = stack.check_integer(2)? as i32;
            if lower > upper {
                return Err(Raise::Argument(2, c"interval is empty"));
            }
            let width = upper.wrapping_sub(lower).wrapping_add(1);
            (fraction * f64::from(width)).floor() + f64::from(lower)
        }
        _ => return Err(shared.fail(format_args!("wrong number of arguments"))),
    };
    stack.push_number(result);
    Ok(1)
}

fn randomseed(stack: Stack, shared: &mut Shared) -> Outcome {
    shared.run.random = Random::from_script_seed(stack.check_integer(1)? as i32);
    Ok(0)
}
