//! Criterion benchmarks of the hot paths; see the `[[bench]]` entries.
