//! Fields of hashes with deadlines: whatever happens to the key, they come due, and are told of once.

use std::cell::Cell;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{Deadline, ExpiredFields, Footprint, Hash, Keyspace, Limits, Txn, Value};

const DUE_MS: u64 = 50;

#[test]
fn what_is_due_is_gone_when_its_shard_is_locked() {
    let keyspace = keyspace();
    assert_eq!(fields(&keyspace, DUE_MS - 1, b"key"), ["stays", "timed"]);
    let mut txn = begin(&keyspace, DUE_MS);
    assert_eq!(txn.hash(0, b"key").unwrap().unwrap().len(), 1);
    let sealed = txn.seal();
    let at = (0, Box::from(&b"key"[..]));
    assert_eq!(sealed.expired_fields, [ExpiredFields { at, count: 1, emptied: false }]);
    assert_eq!((sealed.changes, sealed.expired.len()), (0, 0));
}

#[test]
fn a_key_goes_with_its_last_field() {
    let keyspace = keyspace();
    change(&keyspace, |txn| _ = txn.hash_mut(0, b"key").unwrap().unwrap().remove(b"stays"));
    let mut txn = begin(&keyspace, DUE_MS);
    assert!(!txn.contains(0, b"key") && txn.is_empty(0));
    assert!(txn.seal().expired_fields[0].emptied);
}

#[test]
fn deadlines_follow_the_key() {
    let moves: [fn(&mut Txn<'_>); 4] = [
        |txn| _ = txn.rename((0, b"key"), (0, b"other")),
        |txn| _ = txn.rename((0, b"key"), (1, b"other")),
        |txn| txn.swap(0, 1),
        |txn| {
            let copy = txn.value(0, b"key").unwrap().to_value();
            txn.insert(0, b"other", copy, Deadline::Never);
            txn.remove(0, b"key");
        },
    ];
    for (number, change_key) in moves.into_iter().enumerate() {
        let keyspace = keyspace();
        change(&keyspace, change_key);
        assert_eq!(expired_at(&keyspace, DUE_MS), 1, "move {number}");
    }
}

#[test]
fn deadlines_come_back_with_a_rollback() {
    let changes: [fn(&mut Txn<'_>); 8] = [
        |txn| _ = txn.hash_mut(0, b"key").unwrap().unwrap().set_deadline(b"timed", None),
        |txn| _ = txn.hash_mut(0, b"key").unwrap().unwrap().set_deadline(b"timed", Some(1000)),
        |txn| _ = txn.hash_mut(0, b"key").unwrap().unwrap().remove(b"timed"),
        |txn| _ = txn.remove(0, b"key"),
        |txn| txn.insert(0, b"key", Value::Hash(Hash::default()), Deadline::Never),
        |txn| _ = txn.rename((0, b"key"), (1, b"other")),
        |txn| _ = txn.flush(0),
        |txn| txn.swap(0, 1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let keyspace = keyspace();
        let mut txn = begin(&keyspace, 1);
        txn.open_journal();
        change(&mut txn);
        txn.rollback();
        drop(txn);
        assert_eq!(expired_at(&keyspace, DUE_MS), 1, "change {number}");
    }
}

#[test]
fn what_expired_before_a_rolled_back_script_began_is_told_of() {
    let keyspace = keyspace();
    let mut txn = begin(&keyspace, DUE_MS);
    txn.open_journal();
    txn.remove(0, b"key");
    txn.rollback();
    assert_eq!(txn.seal().expired_fields.len(), 1);
}

#[test]
fn what_expires_while_a_script_runs_comes_back_with_its_rollback() {
    let keyspace = keyspace();
    let mut txn = keyspace.try_begin(&Footprint::None, DUE_MS).unwrap();
    txn.open_journal();
    assert!(txn.try_extend(&Footprint::All));
    assert_eq!(txn.hash(0, b"key").unwrap().unwrap().len(), 1);
    txn.rollback();
    assert!(txn.seal().expired_fields.is_empty());
    drop(txn);
    assert_eq!(expired_at(&keyspace, DUE_MS), 1);
}

#[test]
fn those_who_come_to_expire_can_do_so_in_steps() {
    let keyspace = Keyspace::new(1, 1);
    change(&keyspace, |txn| {
        let mut hash = txn.hash_entry(0, b"key").unwrap();
        hash.insert(b"stays", b"");
        for number in 0..100_u64 {
            let field = number.to_string();
            hash.insert(field.as_bytes(), b"");
            hash.set_deadline(field.as_bytes(), Some(DUE_MS));
        }
    });
    for left in [61, 21, 1] {
        let mut txn = keyspace.try_begin_unsettled(&Footprint::All, DUE_MS).unwrap();
        assert_eq!(txn.expire_due_fields(0, 40), if left == 1 { 20 } else { 40 });
        assert_eq!(txn.hash(0, b"key").unwrap().unwrap().len(), left);
    }
}

#[test]
fn many_fields_are_removed_in_steps_by_those_who_wait() {
    let keyspace = Keyspace::new(1, 1);
    change(&keyspace, |txn| {
        let mut hash = txn.hash_entry(0, b"key").unwrap();
        for number in 0..10_000_u64 {
            let field = number.to_string();
            hash.insert(field.as_bytes(), b"");
            hash.set_deadline(field.as_bytes(), Some(DUE_MS + number / 5000));
        }
    });
    assert!(keyspace.try_begin(&Footprint::All, DUE_MS).is_none());
    let mut script = keyspace.try_begin(&Footprint::None, DUE_MS).unwrap();
    assert!(!script.try_extend(&Footprint::All));
    drop(script);

    let rests = Cell::new(0);
    let begun = keyspace.begin(&Footprint::All, DUE_MS, || {
        rests.set(rests.get() + 1);
        std::future::ready(())
    });
    let Poll::Ready(mut txn) = pin!(begun).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("nobody holds a lock");
    };
    assert_eq!(rests.get(), 4, "the rest of 5,000, less than 1,024, goes without another");
    assert_eq!(txn.hash(0, b"key").unwrap().unwrap().len(), 5000);
    assert_eq!(txn.seal().expired_fields.iter().map(|fields| fields.count).sum::<usize>(), 5000);
    drop(txn);
    assert_eq!(expired_at(&keyspace, DUE_MS + 1), 5000, "what goes as a whole takes one step");
}

/// A keyspace with a hash one of whose two fields has a deadline.
fn keyspace() -> Keyspace {
    let keyspace = Keyspace::new(2, 4);
    change(&keyspace, |txn| {
        let mut hash = Hash::default();
        hash.insert(b"stays", b"1", &Limits::default(), &mut NoLog);
        hash.insert(b"timed", b"1", &Limits::default(), &mut NoLog);
        hash.set_deadline(b"timed", Some(DUE_MS), &mut NoLog);
        txn.insert(0, b"key", Value::Hash(hash), Deadline::Never);
    });
    keyspace
}

fn change(keyspace: &Keyspace, change: impl FnOnce(&mut Txn<'_>)) {
    let mut txn = begin(keyspace, 1);
    change(&mut txn);
    txn.commit();
}

fn fields(keyspace: &Keyspace, now_ms: u64, key: &[u8]) -> Vec<String> {
    let txn = begin(keyspace, now_ms);
    let hash = txn.hash(0, key).unwrap().unwrap();
    hash.iter().map(|(field, _)| String::from_utf8_lossy(field).into_owned()).collect()
}

/// How many fields were found expired at this moment.
fn expired_at(keyspace: &Keyspace, now_ms: u64) -> usize {
    begin(keyspace, now_ms).seal().expired_fields.iter().map(|fields| fields.count).sum()
}

fn begin(keyspace: &Keyspace, now_ms: u64) -> Txn<'_> {
    keyspace.try_begin(&Footprint::All, now_ms).expect("nobody else is here")
}
