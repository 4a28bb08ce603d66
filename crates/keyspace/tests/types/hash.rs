use super::{Bytes, LIMITS, content, name};
use perigee_keyspace::types::{Hash, HashUndo};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Insert(Bytes, Bytes),
    Remove(Bytes),
    SetDeadline(Bytes, Option<u64>),
    RemoveDue(u64, usize),
}

/// Fields with their values and deadlines.
type Model = BTreeMap<Bytes, (Bytes, Option<u64>)>;

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (name(), content()).prop_map(|(field, value)| Op::Insert(field, value)),
        2 => name().prop_map(Op::Remove),
        3 => (name(), prop::option::weighted(0.8, 1..50_u64)).prop_map(|(field, at)| Op::SetDeadline(field, at)),
        1 => (1..20_u64, prop_oneof![Just(2), Just(usize::MAX)]).prop_map(|(now, limit)| Op::RemoveDue(now, limit)),
    ]
}

fn apply(hash: &mut Hash, model: &mut Model, op: Op, log: &mut Vec<HashUndo>) {
    match op {
        Op::Insert(field, value) => {
            let new = hash.insert(&field, &value, &LIMITS, log);
            let before = model.get(&field).and_then(|(_, deadline)| *deadline);
            assert_eq!(new, model.insert(field, (value, before)).is_none());
        }
        Op::Remove(field) => assert_eq!(hash.remove(&field, log), model.remove(&field).is_some()),
        Op::SetDeadline(field, new) => {
            if let Some((_, deadline)) = model.get_mut(&field) {
                let changed = hash.set_deadline(&field, new, log);
                assert_eq!(changed, *deadline != new);
                *deadline = new;
            }
        }
        Op::RemoveDue(now_ms, limit) => {
            let is_due = |deadline: Option<u64>| deadline.is_some_and(|deadline| deadline <= now_ms);
            let due = model.values().filter(|(_, deadline)| is_due(*deadline)).count();
            if !model.is_empty() {
                assert_eq!(hash.is_over(now_ms), due == model.len());
            }
            assert_eq!(hash.remove_due(now_ms, limit, log), due.min(limit));
            model.retain(|field, (_, deadline)| !is_due(*deadline) || hash.contains(field));
            assert_eq!(
                model.values().filter(|(_, deadline)| is_due(*deadline)).count(),
                due - due.min(limit)
            );
        }
    }
}

type Pairs = Vec<(Bytes, (Bytes, Option<u64>))>;

fn state(hash: &Hash) -> (&'static str, Pairs) {
    let pair = |(field, value): (&[u8], &[u8])| (field.to_vec(), (value.to_vec(), hash.deadline(field)));
    (hash.encoding(), hash.iter().map(pair).collect())
}

fn check(hash: &Hash, model: &Model) {
    let (_, pairs) = state(hash);
    assert_eq!(hash.len(), model.len());
    assert_eq!(&pairs.iter().cloned().collect::<BTreeMap<_, _>>(), model);
    let deadlines = || model.values().filter_map(|(_, deadline)| *deadline);
    assert_eq!((hash.deadline_count(), hash.soonest_deadline()), (deadlines().count(), deadlines().min()));
    for (at, (field, (value, _))) in pairs.iter().enumerate() {
        assert_eq!(hash.get_at(at), Some((&field[..], &value[..])));
        assert_eq!(hash.get(field), Some(&value[..]));
    }
    let (mut scanned, mut cursor) = (BTreeMap::new(), 0);
    loop {
        cursor = hash.scan(cursor, |field, value| _ = scanned.insert(field.to_vec(), value.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    let plain: BTreeMap<_, _> =
        model.iter().map(|(field, (value, _))| (field.clone(), value.clone())).collect();
    assert_eq!(scanned, plain);
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(), 0..20),
        second in prop::collection::vec(op(), 0..60),
    ) {
        let (mut hash, mut model) = (Hash::default(), BTreeMap::new());
        for op in first {
            apply(&mut hash, &mut model, op, &mut Vec::new());
        }
        let (before, model_before) = (state(&hash), model.clone());
        let mut log = Vec::new();
        for op in second {
            apply(&mut hash, &mut model, op, &mut log);
            check(&hash, &model);
        }
        log.into_iter().rev().for_each(|undo| hash.undo(undo));
        prop_assert_eq!(state(&hash), before);
        check(&hash, &model_before);
    }
}

#[test]
fn converts_where_redis_does() {
    let mut log = Vec::new();
    let mut hash = Hash::default();
    for number in 0..LIMITS.hash_max_listpack_entries {
        hash.insert(number.to_string().as_bytes(), b"", &LIMITS, &mut log);
    }
    hash.insert(b"0", &[0; 40], &LIMITS, &mut log);
    assert_eq!(hash.encoding(), "listpack");
    hash.insert(b"0", &[0; 41], &LIMITS, &mut log);
    assert_eq!(hash.encoding(), "hashtable");
    let order: Vec<_> = hash.iter().map(|(field, _)| field.to_vec()).collect();
    assert_eq!(order, [b"0", b"1", b"2", b"3", b"4", b"5"]);
}

#[test]
fn many_deadlines_come_due_in_their_order() {
    let (mut hash, mut log) = (Hash::default(), Vec::new());
    let name = |number: u64| format!("f{number}").into_bytes();
    for number in 0..200 {
        hash.insert(&name(number), b"", &LIMITS, &mut log);
        assert!(hash.set_deadline(&name(number), Some(number * 7 % 200 + 1), &mut log));
    }
    assert!(!hash.set_deadline(&name(1), Some(8), &mut log), "the same is no change");
    assert!(hash.set_deadline(&name(1), None, &mut log));
    let steps = log.len();
    assert_eq!(hash.remove_due(100, 60, &mut log), 60);
    assert_eq!(hash.remove_due(100, 60, &mut log), 39);
    assert_eq!((hash.len(), hash.deadline_count(), hash.soonest_deadline()), (101, 100, Some(101)));
    assert!(!hash.is_over(1000), "one field stays for ever");
    log.drain(steps..).rev().for_each(|undo| hash.undo(undo));
    assert_eq!((hash.len(), hash.deadline_count(), hash.soonest_deadline()), (200, 199, Some(1)));
    assert!(hash.remove(&name(1), &mut log));
    assert!(hash.is_over(200) && !hash.is_over(199));
}

#[test]
fn a_hash_without_deadlines_is_as_small_as_before() {
    assert_eq!(size_of::<Hash>(), 24);
}
