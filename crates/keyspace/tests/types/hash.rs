use super::{Bytes, LIMITS, content, name};
use perigee_keyspace::types::{Hash, HashUndo};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Insert(Bytes, Bytes),
    Remove(Bytes),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (name(), content()).prop_map(|(field, value)| Op::Insert(field, value)),
        2 => name().prop_map(Op::Remove),
    ]
}

fn apply(hash: &mut Hash, model: &mut BTreeMap<Bytes, Bytes>, op: Op, log: &mut Vec<HashUndo>) {
    match op {
        Op::Insert(field, value) => {
            let new = hash.insert(&field, &value, &LIMITS, log);
            assert_eq!(new, model.insert(field, value).is_none());
        }
        Op::Remove(field) => assert_eq!(hash.remove(&field, log), model.remove(&field).is_some()),
    }
}

fn state(hash: &Hash) -> (&'static str, Vec<(Bytes, Bytes)>) {
    (hash.encoding(), hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect())
}

fn check(hash: &Hash, model: &BTreeMap<Bytes, Bytes>) {
    let (_, pairs) = state(hash);
    assert_eq!(hash.len(), model.len());
    assert_eq!(&pairs.iter().cloned().collect::<BTreeMap<_, _>>(), model);
    for (at, (field, value)) in pairs.iter().enumerate() {
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
    assert_eq!(&scanned, model);
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
