//! Commands on HyperLogLogs: estimates of how many different elements were seen, in strings of Redis's format.

mod add;
mod count;
mod debug;
mod estimate;
mod hash;
mod merge;
mod sketch;
mod sparse;

use crate::error::Error;
use crate::spec::Command;

pub(crate) static COMMANDS: &[Command] =
    &[add::PFADD, count::PFCOUNT, merge::PFMERGE, debug::PFDEBUG, debug::PFSELFTEST];

const NOT_A_SKETCH: Error = Error::Text("WRONGTYPE Key is not a valid HyperLogLog string value.");
const CORRUPTED: Error = Error::Text("INVALIDOBJ Corrupted HLL object detected");
