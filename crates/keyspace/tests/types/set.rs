use super::{Bytes, LIMITS, content};
use perigee_keyspace::types::{Set, SetUndo};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Op {
    Insert(Bytes),
    Remove(Bytes),
    RemoveAt(prop::sample::Index),
}

fn member() -> impl Strategy<Value = Bytes> {
    let int = prop_oneof![-6..6_i64, prop::sample::select(vec![40_000, -70_000, 5_000_000_000, i64::MIN])];
    prop_oneof![20 => int.prop_map(|value| value.to_string().into_bytes()), 1 => content()]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        5 => member().prop_map(Op::Insert),
        3 => member().prop_map(Op::Remove),
        1 => any::<prop::sample::Index>().prop_map(Op::RemoveAt),
    ]
}

fn apply(set: &mut Set, model: &mut BTreeSet<Bytes>, op: Op, log: &mut Vec<SetUndo>) {
    match op {
        Op::Insert(member) => {
            assert_eq!(set.insert(&member, &LIMITS, log), !model.contains(&member));
            model.insert(member);
        }
        Op::Remove(member) => assert_eq!(set.remove(&member, log), model.remove(&member)),
        Op::RemoveAt(index) if !set.is_empty() => {
            let at = index.index(set.len());
            let member = set.get_at(at).unwrap().to_vec();
            assert!(set.remove_at(at, log) && model.remove(&member));
        }
        Op::RemoveAt(_) => assert!(!set.remove_at(0, log)),
    }
}

fn state(set: &Set) -> (&'static str, Vec<Bytes>) {
    (set.encoding(), set.iter().map(|member| member.to_vec()).collect())
}

fn check(set: &Set, model: &BTreeSet<Bytes>) {
    let (_, members) = state(set);
    assert_eq!(set.len(), model.len());
    assert_eq!(&members.iter().cloned().collect::<BTreeSet<_>>(), model);
    for (at, member) in members.iter().enumerate() {
        assert_eq!(&*set.get_at(at).unwrap(), &member[..]);
        assert!(set.contains(member));
    }
    for value in -6..6 {
        assert_eq!(set.contains_int(value), model.contains(value.to_string().as_bytes()));
    }
    assert!(!set.contains(b"-0") && !set.contains(b"01"));
    if let Some(ints) = set.ints() {
        assert!(ints.collect::<Vec<_>>().is_sorted());
        assert!(set.len() <= LIMITS.set_max_intset_entries);
    }
    let (mut scanned, mut cursor) = (BTreeSet::new(), 0);
    loop {
        cursor = set.scan(cursor, |member| _ = scanned.insert(member.to_vec()));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(&scanned, model);
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(), 0..20),
        second in prop::collection::vec(op(), 0..60),
    ) {
        let (mut set, mut model) = (Set::default(), BTreeSet::new());
        for op in first {
            apply(&mut set, &mut model, op, &mut Vec::new());
        }
        let (before, model_before) = (state(&set), model.clone());
        let mut log = Vec::new();
        for op in second {
            apply(&mut set, &mut model, op, &mut log);
            check(&set, &model);
        }
        log.into_iter().rev().for_each(|undo| set.undo(undo));
        prop_assert_eq!(state(&set), before);
        check(&set, &model_before);
    }
}

#[test]
fn bytes_outlive_the_member() {
    for members in [["1", "-20"], ["a", "1"]] {
        let mut set = Set::default();
        for member in members {
            set.insert(member.as_bytes(), &LIMITS, &mut Vec::new());
        }
        assert!(set.iter().all(|member| *member.clone() == *member.into_bytes()));
    }
}
