use super::Bytes;
use perigee_keyspace::types::{List, ListUndo};
use proptest::{prelude::*, sample::Index};

#[derive(Clone, Debug)]
enum Op {
    Push { front: bool, element: Bytes },
    Pop { front: bool },
    Set(Index, Bytes),
    Insert(Index, Bytes),
    Remove(Index),
    RemoveRange(Index, usize),
    RemoveEqual { like: Index, limit: usize, from_back: bool },
    Fill { front: bool, element: Bytes, count: usize },
}

/// Short ones, some around the sizes of length prefixes, some that fill chunks quickly, some that need their own.
fn element() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        6 => prop::sample::select(vec![b"".to_vec(), b"a".to_vec(), b"bb".to_vec()]),
        4 => (0..300_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        3 => (1000..3000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        1 => (8000..20_000_usize, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (any::<bool>(), element()).prop_map(|(front, element)| Op::Push { front, element }),
        4 => any::<bool>().prop_map(|front| Op::Pop { front }),
        3 => (any::<Index>(), element()).prop_map(|(at, element)| Op::Set(at, element)),
        3 => (any::<Index>(), element()).prop_map(|(at, element)| Op::Insert(at, element)),
        3 => any::<Index>().prop_map(Op::Remove),
        1 => (any::<Index>(), 0..30_usize).prop_map(|(at, count)| Op::RemoveRange(at, count)),
        1 => (any::<Index>(), 0..20_usize, any::<bool>())
            .prop_map(|(like, limit, from_back)| Op::RemoveEqual { like, limit, from_back }),
        1 => (any::<bool>(), element(), 0..40_usize)
            .prop_map(|(front, element, count)| Op::Fill { front, element, count }),
    ]
}

fn apply(list: &mut List, model: &mut Vec<Bytes>, op: Op, log: &mut Vec<ListUndo>) {
    let position = |index: Index| index.index(list.len() + 1);
    match op {
        Op::Push { front: true, element } => {
            list.push_front(&element, log);
            model.insert(0, element);
        }
        Op::Push { front: false, element } => {
            list.push_back(&element, log);
            model.push(element);
        }
        Op::Pop { front: true } => {
            let expected = (!model.is_empty()).then(|| model.remove(0));
            assert_eq!(list.pop_front(log).as_deref(), expected.as_deref());
        }
        Op::Pop { front: false } => assert_eq!(list.pop_back(log).as_deref(), model.pop().as_deref()),
        Op::Set(index, element) => {
            let at = position(index);
            assert_eq!(list.set(at, &element, log), at < model.len());
            if at < model.len() {
                model[at] = element;
            }
        }
        Op::Insert(index, element) => {
            let at = position(index);
            list.insert_before(at, &element, log);
            model.insert(at, element);
        }
        Op::Remove(index) => {
            let at = position(index);
            assert_eq!(list.remove(at, log), at < model.len());
            if at < model.len() {
                model.remove(at);
            }
        }
        Op::RemoveRange(index, count) => {
            let at = position(index);
            let end = (at + count).min(model.len());
            assert_eq!(list.remove_range(at, count, log), model.drain(at..end).count());
        }
        Op::RemoveEqual { like, limit, from_back } => {
            let wanted = model.get(position(like)).cloned().unwrap_or_default();
            let mut positions: Vec<_> = (0..model.len()).filter(|&at| model[at] == wanted).collect();
            if from_back {
                positions.reverse();
            }
            positions.truncate(limit);
            positions.sort_unstable();
            positions.iter().rev().for_each(|&at| _ = model.remove(at));
            assert_eq!(list.remove_equal(&wanted, limit, from_back, log), positions.len());
        }
        Op::Fill { front, element, count } => {
            for _ in 0..count {
                apply(list, model, Op::Push { front, element: element.clone() }, log);
            }
        }
    }
}

fn state(list: &List) -> Vec<Bytes> {
    list.iter().map(<[u8]>::to_vec).collect()
}

fn check(list: &List, model: &[Bytes]) {
    assert_eq!(list.len(), model.len());
    assert_eq!(state(list), model);
    assert_eq!(list.front(), model.first().map(|element| &element[..]));
    assert_eq!(list.back(), model.last().map(|element| &element[..]));
    assert_eq!(list.get(model.len()), None);
    assert_eq!(list.iter_rev_from(model.len()).next(), None);
    for at in (0..model.len()).step_by(7) {
        assert_eq!(list.get(at), Some(&model[at][..]));
        assert!(list.iter_from(at).eq(model[at..].iter()));
        assert!(list.iter_rev_from(at).eq(model[..=at].iter().rev()));
    }
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(), 0..20),
        second in prop::collection::vec(op(), 0..40),
    ) {
        let (mut list, mut model) = (List::default(), Vec::new());
        for op in first {
            apply(&mut list, &mut model, op, &mut Vec::new());
        }
        let before = state(&list);
        let mut log = Vec::new();
        for op in second {
            apply(&mut list, &mut model, op, &mut log);
            check(&list, &model);
        }
        log.into_iter().rev().for_each(|undo| list.undo(undo));
        check(&list, &before);
    }
}
