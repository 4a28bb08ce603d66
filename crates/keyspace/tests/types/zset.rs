use super::{Bytes, LIMITS, name};
use perigee_keyspace::types::{Limits, Outcome, ZSet, ZSetUndo};
use proptest::{prelude::*, sample::Index};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Op {
    Insert(Bytes, f64),
    Remove(Bytes),
    RemoveRange(Index, usize),
}

fn score() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![f64::NEG_INFINITY, -1.5, -0.0, 0.0, 1.0, 2.0, 2.0000001, 1e300, f64::INFINITY])
}

fn op(member: impl Strategy<Value = Bytes> + Clone) -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (member.clone(), score()).prop_map(|(member, score)| Op::Insert(member, score)),
        3 => member.prop_map(Op::Remove),
        1 => (any::<Index>(), 0..6_usize).prop_map(|(start, count)| Op::RemoveRange(start, count)),
    ]
}

/// Few short members, seldom one that is over the limit.
fn few() -> impl Strategy<Value = Bytes> + Clone {
    prop_oneof![40 => name().boxed(), 1 => Just(vec![b'x'; 41]).boxed()].boxed()
}

type Model = BTreeMap<Bytes, f64>;

fn sorted(model: &Model) -> Vec<(Bytes, f64)> {
    let mut sorted: Vec<_> = model.iter().map(|(member, &score)| (member.clone(), score)).collect();
    sorted.sort_by(|(_, one), (_, other)| one.partial_cmp(other).unwrap());
    sorted
}

fn apply(zset: &mut ZSet, model: &mut Model, op: Op, log: &mut Vec<ZSetUndo>) {
    match op {
        Op::Insert(member, score) => {
            let expected = match model.get(&member) {
                None => Outcome::Added,
                Some(&before) if before == score => Outcome::Same,
                Some(_) => Outcome::Updated,
            };
            assert_eq!(zset.insert_or_update(&member, score, &LIMITS, log), expected);
            if expected != Outcome::Same {
                model.insert(member, score);
            }
        }
        Op::Remove(member) => assert_eq!(zset.remove(&member, log), model.remove(&member).is_some()),
        Op::RemoveRange(start, count) => {
            let start = start.index(model.len() + 1);
            let gone: Vec<_> = sorted(model).into_iter().skip(start).take(count).collect();
            assert_eq!(zset.remove_range_by_rank(start, count, log), gone.len());
            gone.iter().for_each(|(member, _)| _ = model.remove(member));
        }
    }
}

fn owned((member, score): (&[u8], f64)) -> (Bytes, f64) {
    (member.to_vec(), score)
}

fn scanned(zset: &ZSet) -> Vec<(Bytes, u64)> {
    let (mut seen, mut cursor) = (Vec::new(), 0);
    loop {
        cursor = zset.scan(cursor, |member, score| seen.push((member.to_vec(), score.to_bits())));
        if cursor == 0 {
            return seen;
        }
    }
}

/// The encoding, the order, and the order of a scan; scores by their bits.
fn state(zset: &ZSet) -> (&'static str, [Vec<(Bytes, u64)>; 2]) {
    let sorted = zset.iter().map(|(member, score)| (member.to_vec(), score.to_bits())).collect();
    (zset.encoding(), [sorted, scanned(zset)])
}

fn check(zset: &ZSet, model: &Model) {
    let sorted = sorted(model);
    assert_eq!(zset.len(), model.len());
    assert_eq!(zset.iter().map(owned).collect::<Vec<_>>(), sorted);
    assert_eq!(scanned(zset).len(), model.len());
    assert_eq!(zset.by_rank(model.len()), None);
    assert_eq!(zset.iter_rev_from_rank(model.len()).next(), None);
    for (rank, (member, score)) in sorted.iter().enumerate() {
        assert_eq!(zset.rank(member), Some(rank));
        assert_eq!(zset.score(member), Some(*score));
        assert_eq!(zset.by_rank(rank), Some((&member[..], *score)));
        assert_eq!(zset.lower_bound(*score, false), sorted.iter().filter(|(_, other)| other < score).count());
        assert_eq!(zset.lower_bound(*score, true), sorted.iter().filter(|(_, other)| other <= score).count());
    }
    for rank in (0..sorted.len()).step_by(9) {
        assert!(zset.iter_from_rank(rank).map(owned).eq(sorted[rank..].iter().cloned()));
        assert!(zset.iter_rev_from_rank(rank).map(owned).eq(sorted[..=rank].iter().rev().cloned()));
    }
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(few()), 0..20),
        second in prop::collection::vec(op(few()), 0..60),
    ) {
        let (mut zset, mut model) = (ZSet::default(), Model::new());
        for op in first {
            apply(&mut zset, &mut model, op, &mut Vec::new());
        }
        let (before, model_before) = (state(&zset), model.clone());
        let mut log = Vec::new();
        for op in second {
            apply(&mut zset, &mut model, op, &mut log);
            check(&zset, &model);
        }
        log.into_iter().rev().for_each(|undo| zset.undo(undo));
        prop_assert_eq!(state(&zset), before);
        check(&zset, &model_before);
    }

    #[test]
    fn lex_bounds_count_what_is_before(
        members in prop::collection::btree_set("[a-d]{0,4}", 0..200),
        bound in "[a-d]{0,4}",
        small in any::<bool>(),
    ) {
        let limits = if small { Limits { zset_max_listpack_entries: 1000, ..LIMITS } } else { LIMITS };
        let mut zset = ZSet::default();
        for member in &members {
            zset.insert_or_update(member.as_bytes(), 1.0, &limits, &mut Vec::new());
        }
        let bytes = bound.as_bytes();
        prop_assert_eq!(zset.lower_bound_lex(bytes, false), members.iter().filter(|member| **member < bound).count());
        prop_assert_eq!(zset.lower_bound_lex(bytes, true), members.iter().filter(|member| **member <= bound).count());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn deep_trees_grow_and_shrink(
        sizes in prop::collection::vec((0..3_u8, 0..9000_u32), 1..4),
        removals in prop::collection::vec((any::<Index>(), 0..4000_usize), 0..6),
        seed in any::<u32>(),
    ) {
        let (mut zset, mut model, mut log) = (ZSet::default(), Model::new(), Vec::new());
        for (shape, size) in sizes {
            for number in 0..size {
                let spread = number.wrapping_mul(2_654_435_761).wrapping_add(seed);
                let score = match shape { 0 => f64::from(number), 1 => -f64::from(number), _ => f64::from(spread % 500) };
                let member = format!("{:x}", spread % 30_000).into_bytes();
                zset.insert_or_update(&member, score, &LIMITS, &mut log);
                model.insert(member, score);
            }
        }
        let before = state(&zset);
        let mut log = Vec::new();
        for (start, count) in removals {
            let start = start.index(model.len() + 1);
            for (member, _) in sorted(&model).into_iter().skip(start).take(count) {
                model.remove(&member);
            }
            zset.remove_range_by_rank(start, count, &mut log);
            prop_assert_eq!(zset.iter().map(owned).collect::<Vec<_>>(), sorted(&model));
        }
        for (rank, (member, _)) in sorted(&model).iter().enumerate().step_by(97) {
            prop_assert_eq!(zset.rank(member), Some(rank));
            prop_assert_eq!(zset.by_rank(rank).map(|(member, _)| member), Some(&member[..]));
        }
        log.into_iter().rev().for_each(|undo| zset.undo(undo));
        prop_assert_eq!(state(&zset), before);
    }
}

#[test]
fn a_form_that_was_foreseen_is_the_one_it_would_have_got() {
    for (members, longest) in [(0, 0), (LIMITS.zset_max_listpack_entries, 1), (1000, 1), (1, 1000)] {
        let mut foreseen = ZSet::with_form_of(members, longest, &LIMITS);
        let mut grown = ZSet::default();
        for member in (0..members).map(|number| vec![number as u8; longest]).take(200) {
            foreseen.insert_or_update(&member, 1.0, &LIMITS, &mut Vec::new());
            grown.insert_or_update(&member, 1.0, &LIMITS, &mut Vec::new());
        }
        assert_eq!(foreseen.encoding(), grown.encoding(), "{members} {longest}");
        assert!(foreseen.iter().eq(grown.iter()));
    }
}

#[test]
fn only_big_ones_know_the_sign_of_zero() {
    for (members, sign) in [(1, 1.0), (1000, -1.0)] {
        let mut zset = ZSet::with_form_of(members, 1, &LIMITS);
        zset.insert_or_update(b"a", -0.0, &LIMITS, &mut Vec::new());
        assert_eq!(zset.score(b"a").map(f64::signum), Some(sign));
    }
}
