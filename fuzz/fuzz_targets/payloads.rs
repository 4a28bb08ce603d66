//! Arbitrary bytes as dumped values: what is read can be written, and is read again to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use perigee_commands::payload::{read_value, write_value};
use perigee_keyspace::{Limits, ValueRef};

fuzz_target!(|data: &[u8]| {
    let limits = Limits { hash_max_listpack_entries: 4, zset_max_listpack_entries: 4, ..Limits::default() };
    let Some(value) = read_value(&mut &data[..], &limits) else { return };
    let mut written = Vec::new();
    write_value(&mut written, value.view(), true);
    let mut rest = &written[..];
    let again = read_value(&mut rest, &limits).expect("what was written");
    assert!(rest.is_empty());
    let shape = |value: ValueRef<'_>| (value.type_name(), value.elements());
    assert_eq!(shape(again.view()), shape(value.view()));
    let mut twice = Vec::new();
    write_value(&mut twice, again.view(), true);
    assert_eq!(twice.len(), written.len());
});
