//! How many keys of each type are how large: keysizes, as Redis 8 shows it.

use perigee_keyspace::ValueRef;

use super::lines::Lines;
use crate::call::Call;

/// A line for each database and type that has keys: powers of two, and how many keys have that size or less than twice that.
pub(super) fn keysizes(call: &Call<'_, '_>, lines: &mut Lines) {
    for db in 0..call.env.engine.keyspace.databases() {
        let mut counts = [[0u64; BINS]; NAMES.len()];
        for entry in call.txn.entries(db) {
            if let Some((kind, size)) = size(entry.value()) {
                counts[kind][bin(size)] += 1;
            }
        }
        for (name, counts) in NAMES.iter().zip(&counts) {
            let shown = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            let shown: Vec<String> = shown.map(|(bin, count)| format!("{}={count}", least(bin))).collect();
            if !shown.is_empty() {
                lines.add(format_args!("db{db}_distrib_{name}"), shown.join(","));
            }
        }
    }
}

/// The types that are counted, and of what.
const NAMES: [&str; 5] = ["strings_sizes", "lists_items", "sets_items", "zsets_items", "hashes_items"];

/// One for nothing, one for each power of two.
const BINS: usize = 65;

/// The position in [`NAMES`], and the bytes of a string or the elements of a collection.
fn size(value: ValueRef<'_>) -> Option<(usize, usize)> {
    Some(match value {
        ValueRef::Str(value) => (0, value.len()),
        ValueRef::List(value) => (1, value.len()),
        ValueRef::Set(value) => (2, value.len()),
        ValueRef::ZSet(value) => (3, value.len()),
        ValueRef::Hash(value) => (4, value.len()),
        ValueRef::Stream(_) | ValueRef::VectorSet(_) => return None,
    })
}

fn bin(size: usize) -> usize {
    size.checked_ilog2().map_or(0, |power| power as usize + 1)
}

/// The least size of a bin, in Redis's units.
fn least(bin: usize) -> String {
    const UNITS: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
    match bin {
        0 => "0".into(),
        _ => format!("{}{}", 1u64 << ((bin - 1) % 10), UNITS[(bin - 1) / 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fall_into_powers_of_two() {
        let shown = |size| least(bin(size));
        for (size, expected) in
            [(0, "0"), (1, "1"), (2, "2"), (3, "2"), (4, "4"), (1023, "512"), (1024, "1K"), (3 << 20, "2M")]
        {
            assert_eq!(shown(size), expected, "{size}");
        }
        assert_eq!(shown(usize::MAX), "8E");
    }
}
