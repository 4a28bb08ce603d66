//! SCAN's cursors that are of another time: what they stood in is empty, or gone.

use perigee_keyspace::{Deadline, Footprint, Keyspace, Txn};

const SHARDS: u16 = 4;

#[test]
fn a_cursor_into_nothing_comes_to_an_end() {
    let keyspace = Keyspace::new(2, usize::from(SHARDS));
    let mut txn = begin(&keyspace);
    for cursor in [0, 1, 4, 5, 7, 1024, u64::MAX - 1, u64::MAX] {
        assert_eq!(txn.scan(0, cursor, 10, |_| panic!("there is no key")), Some(0), "{cursor}");
    }
}

#[test]
fn a_walk_goes_on_in_what_a_flush_has_left() {
    let keyspace = Keyspace::new(2, usize::from(SHARDS));
    let mut txn = begin(&keyspace);
    for key in 0..100 {
        txn.insert_bytes(0, format!("{key}").as_bytes(), b"", Deadline::Never);
    }
    let cursor = txn.scan(0, 0, 1, |_| {}).expect("every shard is held");
    assert!(cursor >= u64::from(SHARDS), "it stands inside of a shard");
    txn.flush(0);
    assert_eq!(txn.scan(0, cursor, 10, |_| panic!("there is no key")), Some(0));
}

fn begin(keyspace: &Keyspace) -> Txn<'_> {
    keyspace.try_begin(&Footprint::All, 1).expect("nobody else is here")
}
