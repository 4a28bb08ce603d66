//! The perigee binary.
fn main() {}
