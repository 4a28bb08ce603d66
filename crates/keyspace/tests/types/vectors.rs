use perigee_keyspace::log::NoLog;
use perigee_keyspace::types::{
    Filter, Projection, Quantization, SearchPlan, VectorParams, VectorSet, VectorSetLoader, VectorSetUndo,
};
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use super::{Bytes, name};

fn params(quantization: Quantization, dim: usize) -> VectorParams {
    VectorParams { dim, quantization, max_links: 4, projection: None }
}

fn configured(params: VectorParams) -> VectorSet {
    let mut set = VectorSet::default();
    set.configure(params, 7, &mut NoLog);
    set
}

#[derive(Clone, Debug)]
enum Op {
    Insert(Bytes, Vec<f32>, u64),
    Remove(Bytes),
    SetAttribute(Bytes, Option<Bytes>),
}

const DIM: usize = 5;

fn op() -> impl Strategy<Value = Op> {
    let vector = || prop::collection::vec(prop_oneof![-2.0..2.0_f32, Just(0.0)], DIM);
    prop_oneof![
        5 => (name(), vector(), any::<u64>()).prop_map(|(name, vector, random)| Op::Insert(name, vector, random >> (random % 60))),
        3 => name().prop_map(Op::Remove),
        1 => (name(), prop::option::of(name())).prop_map(|(name, attribute)| Op::SetAttribute(name, attribute)),
    ]
}

type Model = BTreeMap<Bytes, (Bytes, Option<Bytes>)>;

fn apply(set: &mut VectorSet, model: &mut Model, op: Op, log: &mut Vec<VectorSetUndo>) {
    match op {
        Op::Insert(name, vector, random) => {
            let prepared = set.prepare(&vector).expect("a vector of the set's dimension");
            assert_eq!(set.insert(&name, &prepared, 8, random, log), !model.contains_key(&name));
            let codes = set.codes(set.find(&name).expect("what was just inserted")).to_vec();
            model.entry(name).or_default().0 = codes;
        }
        Op::Remove(name) => assert_eq!(set.remove(&name, log), model.remove(&name).is_some()),
        Op::SetAttribute(name, attribute) => {
            assert_eq!(set.set_attribute(&name, attribute.as_deref(), log), model.contains_key(&name));
            model.entry(name.clone()).and_modify(|element| element.1 = attribute);
        }
    }
}

/// Everything that can be seen, and in its own order: elements with their links.
fn state(set: &VectorSet) -> String {
    let element = |at: usize| {
        let layers: Vec<_> = (0..=set.level(at)).map(|layer| set.links(at, layer)).collect();
        let vector = (set.codes(at), set.range(at), set.norm(at));
        format!("{:?}", (set.name(at), vector, set.attribute(at), layers))
    };
    let elements: Vec<_> = (0..set.len()).map(element).collect();
    format!(
        "{:?}",
        (set.uid(), set.last_id(), set.max_level(), set.attributes(), set.params(), set.entry(), elements)
    )
}

fn check(set: &VectorSet, model: &Model) {
    assert_eq!(set.len(), model.len());
    for (name, (codes, attribute)) in model {
        let at = set.find(name).expect("an element of the model");
        assert_eq!(
            (set.name(at), set.codes(at), set.attribute(at)),
            (&name[..], &codes[..], attribute.as_deref())
        );
    }
    assert_eq!(set.attributes(), model.values().filter(|(_, attribute)| attribute.is_some()).count());
    let names: Vec<_> = model.keys().map(|name| &name[..]).collect();
    assert_eq!(set.names_between(Bound::Unbounded, Bound::Unbounded, usize::MAX), names);
    let top = (0..set.len()).map(|at| set.level(at)).max().unwrap_or(0);
    assert_eq!(set.max_level(), top);
    check_graph(set);
}

/// Links go both ways, no one has more than it may, and on each layer all are reached from one.
fn check_graph(set: &VectorSet) {
    for layer in 0..=set.max_level() {
        let all: Vec<_> = (0..set.len()).filter(|at| set.level(*at) >= layer).collect();
        for &at in &all {
            let links = set.links(at, layer);
            assert!(links.len() <= set.params().max_links * if layer == 0 { 2 } else { 1 });
            assert_eq!(links.iter().collect::<HashSet<_>>().len(), links.len(), "a link twice");
            assert!(links.iter().all(|other| set.links(*other as usize, layer).contains(&(at as u32))));
        }
        let mut reached: HashSet<usize> = all.first().copied().into_iter().collect();
        let mut edge: Vec<_> = reached.iter().copied().collect();
        while let Some(at) = edge.pop() {
            edge.extend(
                set.links(at, layer)
                    .iter()
                    .map(|other| *other as usize)
                    .filter(|other| reached.insert(*other)),
            );
        }
        assert_eq!(reached.len(), all.len(), "layer {layer} is in pieces");
    }
}

fn quantization() -> impl Strategy<Value = Quantization> {
    prop_oneof![Just(Quantization::None), Just(Quantization::Q8), Just(Quantization::Binary)]
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        quantization in quantization(),
        first in prop::collection::vec(op(), 0..60),
        second in prop::collection::vec(op(), 0..60),
    ) {
        let (mut set, mut model) = (configured(params(quantization, DIM)), Model::new());
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

    #[test]
    fn survives_the_way_there_and_back(quantization in quantization(), ops in prop::collection::vec(op(), 0..80)) {
        let (mut set, mut model) = (configured(params(quantization, DIM)), Model::new());
        ops.into_iter().for_each(|op| apply(&mut set, &mut model, op, &mut Vec::new()));
        let again = loaded(&set, |_, _| ()).expect("nothing was damaged");
        check(&again, &model);
        // Where searches begin is not written; any element of the highest layer will do.
        let without_entry = |set: &VectorSet| state(set).replace(&format!("}}, {}, [", set.entry()), "");
        prop_assert_eq!(without_entry(&again), without_entry(&set));
    }
}

/// The set written and read, its links changed in between.
fn loaded(set: &VectorSet, damage: impl Fn(usize, &mut Vec<Vec<u32>>)) -> Option<VectorSet> {
    let mut loader = VectorSetLoader::new(set.params().clone(), set.uid()).ok()?;
    for at in 0..set.len() {
        let mut links = (0..=set.level(at)).map(|layer| set.links(at, layer).to_vec()).collect();
        damage(at, &mut links);
        let vector = (set.codes(at), set.range(at), set.norm(at));
        loader.push(set.name(at), vector, set.attribute(at), links).ok()?;
    }
    loader.finish(set.last_id()).ok()
}

fn random_vector(rng: &mut impl Rng, dim: usize) -> Vec<f32> {
    (0..dim).map(|_| rng.random_range(-1.0..1.0_f32)).collect()
}

fn filled(params: VectorParams, count: usize, ef: usize, rng: &mut StdRng) -> VectorSet {
    let mut set = configured(params);
    for number in 0..count {
        insert(&mut set, number, ef, rng);
    }
    set
}

fn insert(set: &mut VectorSet, number: usize, ef: usize, rng: &mut StdRng) {
    let prepared = set.prepare(&random_vector(rng, set.params().dim)).expect("the set's dimension");
    set.insert(format!("e{number}").as_bytes(), &prepared, ef, rng.next_u64(), &mut NoLog);
}

fn found(
    set: &VectorSet,
    query: &[f32],
    plan: SearchPlan,
    mut filter: Option<Filter<'_>>,
) -> Vec<(usize, f64)> {
    let mut search = set.search(set.prepare(query).expect("the set's dimension"), plan);
    while !search.step(set, 7, filter.as_mut().map(|filter| &mut **filter as Filter<'_>)) {}
    search.found().into_iter().map(|found| (found.at, found.similarity)).collect()
}

const EVERYWHERE: usize = usize::MAX;

/// Of the ten nearest, the part that a search through the graph finds.
fn recall(set: &VectorSet, ef: usize, rng: &mut StdRng) -> f64 {
    const QUERIES: usize = 50;
    let mut hits = 0;
    for _ in 0..QUERIES {
        let query = random_vector(rng, set.params().dim);
        let truth: HashSet<_> =
            found(set, &query, SearchPlan::All { count: 10 }, None).into_iter().map(|it| it.0).collect();
        let graph = found(set, &query, SearchPlan::Graph { ef, effort: EVERYWHERE }, None);
        hits += graph.iter().take(10).filter(|it| truth.contains(&it.0)).count();
    }
    hits as f64 / (10 * QUERIES) as f64
}

#[test]
#[cfg_attr(miri, ignore = "minutes of safe code")]
fn recall_stays_high_through_changes() {
    for (quantization, least) in
        [(Quantization::None, 0.95), (Quantization::Q8, 0.95), (Quantization::Binary, 0.5)]
    {
        let mut rng = StdRng::seed_from_u64(1);
        let wanted = VectorParams { max_links: 16, ..params(quantization, 16) };
        let mut set = filled(wanted, 1200, 100, &mut rng);
        assert!(recall(&set, 100, &mut rng) > least, "{quantization:?}");
        for number in 0..1000 {
            assert!(set.remove(format!("e{number}").as_bytes(), &mut NoLog));
        }
        assert!(recall(&set, 100, &mut rng) > least, "{quantization:?} after removals");
        for number in 800..1400 {
            insert(&mut set, number, 100, &mut rng);
        }
        assert!(recall(&set, 100, &mut rng) > least, "{quantization:?} after updates");
        check_graph(&set);
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes of safe code")]
fn a_filter_is_obeyed_and_so_is_the_effort() {
    let mut rng = StdRng::seed_from_u64(2);
    let mut set = filled(params(Quantization::Q8, 8), 1000, 50, &mut rng);
    for number in (0..1000).step_by(50) {
        set.set_attribute(format!("e{number}").as_bytes(), Some(b"wanted"), &mut NoLog);
    }
    let query = random_vector(&mut rng, 8);
    let mut looked_at = 0;
    let mut is_wanted = |attribute: Option<&[u8]>| {
        looked_at += 1;
        attribute == Some(b"wanted")
    };
    let graph = SearchPlan::Graph { ef: 20, effort: EVERYWHERE };
    let all = found(&set, &query, SearchPlan::All { count: 20 }, Some(&mut is_wanted));
    assert_eq!((all.len(), looked_at), (20, 1000));
    assert!(all.is_sorted_by(|one, other| one.1 >= other.1));
    assert!(all.iter().all(|(at, _)| set.attribute(*at).is_some()));
    looked_at = 0;
    let mut is_wanted = |attribute: Option<&[u8]>| {
        looked_at += 1;
        attribute == Some(b"wanted")
    };
    assert_eq!(found(&set, &query, graph, Some(&mut is_wanted)), all, "all are reached, few as they are");
    let little = SearchPlan::Graph { ef: 20, effort: 100 };
    looked_at = 0;
    let mut is_wanted = |attribute: Option<&[u8]>| {
        looked_at += 1;
        attribute == Some(b"wanted")
    };
    assert!(found(&set, &query, little, Some(&mut is_wanted)).len() < 20);
    assert!((100..120).contains(&looked_at), "{looked_at}");
}

/// As redis-server 8.0.6 answers: `VADD key VALUES 3 ...` of a, b, c, then VSIM ... WITHSCORES.
#[test]
fn scores_are_those_of_redis() {
    let vectors: [(&str, [f32; 3]); 3] =
        [("a", [1.0, 2.0, 3.0]), ("b", [-1.0, 0.5, 3.0]), ("c", [1.0, 2.0, -0.1])];
    let all = SearchPlan::All { count: 3 };
    for (quantization, to_a, like_b) in [
        (
            Quantization::None,
            [0.9999999403953552, 0.8756527006626129, 0.7805982530117035],
            [0.9999999701976776, 0.8756527006626129, 0.4790680408477783],
        ),
        (
            Quantization::Q8,
            [1.0, 0.8761418163776398, 0.7825219035148621],
            [0.9995215237140656, 0.876502126455307, 0.47965723276138306],
        ),
        (
            Quantization::Binary,
            [1.0, 0.6666666567325592, 0.6666666567325592],
            [1.0, 0.6666666567325592, 0.3333333134651184],
        ),
    ] {
        let mut set = configured(params(quantization, 3));
        for (name, vector) in vectors {
            let prepared = set.prepare(&vector).expect("three components");
            assert!(set.insert(name.as_bytes(), &prepared, 200, 1, &mut NoLog));
        }
        let scores: Vec<_> = found(&set, &[1.0, 2.0, 3.0], all, None).into_iter().map(|it| it.1).collect();
        assert_eq!(scores, to_a, "{quantization:?}");
        let mut search = set.search(set.prepared_of(1), all);
        while !search.step(&set, 1, None) {}
        let scores: Vec<_> = search.found().into_iter().map(|it| it.similarity).collect();
        assert_eq!(scores, like_b, "{quantization:?}");
    }
}

/// As redis-server 8.0.6: VEMB, with and without RAW.
#[test]
fn vectors_come_back_as_in_redis() {
    let shown = |quantization, vector: &[f32]| {
        let mut set = configured(params(quantization, 3));
        set.insert(b"a", &set.prepare(vector).expect("three components"), 200, 1, &mut NoLog);
        (set.vector(0), set.codes(0).to_vec(), set.norm(0), set.range(0))
    };
    let given = [-1.0, 0.5, 3.0];
    let (vector, codes, norm, _) = shown(Quantization::None, &given);
    assert_eq!((vector, norm), (given.to_vec(), 3.201_562_2));
    assert_eq!(codes, b"\x04\xec\x9f\xbe\x04\xec\x1f>\x05\xe2o?");
    let (vector, codes, _, range) = shown(Quantization::Q8, &given);
    assert_eq!((vector, range), (vec![-0.992_125_9, 0.496_062_96, 3.0], 0.937_042_53));
    assert_eq!(codes, b"\xd6\x15\x7f");
    let (vector, codes, ..) = shown(Quantization::Binary, &given);
    assert_eq!((vector, &codes[..]), (vec![-1.0, 1.0, 1.0], &[6, 0, 0, 0, 0, 0, 0, 0][..]));
    let (vector, _, norm, range) = shown(Quantization::Q8, &[0.0; 3]);
    assert_eq!((vector, norm, range), (vec![0.0; 3], 1.0, 0.0));
}

#[test]
fn what_is_no_number_does_no_harm() {
    for quantization in [Quantization::None, Quantization::Q8, Quantization::Binary] {
        let mut set = configured(params(quantization, 2));
        let vectors = [
            [f32::NAN, 1.0],
            [f32::INFINITY, 1.0],
            [1e38, 1e38],
            [0.0, 0.0],
            [1.0, 2.0],
            [f32::MIN_POSITIVE, 0.0],
        ];
        for (number, vector) in vectors.iter().enumerate().cycle().take(30) {
            let prepared = set.prepare(vector).expect("two components");
            set.insert(format!("{number}").as_bytes(), &prepared, 10, 0, &mut NoLog);
            check_graph(&set);
            assert_eq!(
                found(&set, vector, SearchPlan::Graph { ef: 10, effort: EVERYWHERE }, None).len(),
                set.len()
            );
        }
    }
}

#[test]
fn longer_vectors_are_projected() {
    let projection = Some(Projection::new(3));
    let mut set = configured(VectorParams { projection, ..params(Quantization::None, 2) });
    let prepared = set.prepare(&[1.0, 2.0, 3.0]).expect("as many as are projected");
    set.insert(b"a", &prepared, 10, 1, &mut NoLog);
    assert_eq!(set.vector(0), [3.464_101_6, 1.154_700_5]);
    assert!(set.prepare(&[1.0, 2.0]).is_some() && set.prepare(&[1.0; 4]).is_none());
}

#[test]
fn names_are_found_in_their_order() {
    let mut set = configured(params(Quantization::Q8, 1));
    for name in ["b", "a", "d", "", "c"] {
        set.insert(name.as_bytes(), &set.prepare(&[1.0]).expect("one component"), 10, 1, &mut NoLog);
    }
    let between = |start, end, limit| set.names_between(start, end, limit);
    assert_eq!(between(Bound::Excluded(b"a"), Bound::Included(b"c"), 9), [b"b", b"c"]);
    assert_eq!(between(Bound::Unbounded, Bound::Excluded(b"d"), 2), [&b""[..], b"a"]);
    assert!(between(Bound::Unbounded, Bound::Unbounded, 0).is_empty());
    assert!(between(Bound::Included(b"c"), Bound::Included(b"a"), 9).is_empty());
}

#[test]
fn damage_is_refused() {
    let mut rng = StdRng::seed_from_u64(3);
    let set = filled(params(Quantization::Q8, 4), 20, 20, &mut rng);
    assert!(loaded(&set, |_, _| ()).is_some());
    let damages: [fn(&mut Vec<Vec<u32>>); 7] = [
        |links| links.clear(),
        |links| links[0].extend_from_within(..1),
        |links| links[0].push(3),
        |links| links[0].push(20),
        |links| links[0].truncate(1),
        |links| links[0].extend(0..9),
        |links| links.extend(vec![Vec::new(); 17]),
    ];
    for (number, damage) in damages.iter().enumerate() {
        let at_three = |at, links: &mut Vec<Vec<u32>>| {
            if at == 3 {
                damage(links)
            }
        };
        assert!(loaded(&set, at_three).is_none(), "damage {number}");
    }
    for bad in [
        VectorParams { dim: 0, ..set.params().clone() },
        VectorParams { max_links: 3, ..set.params().clone() },
        VectorParams { max_links: 4097, ..set.params().clone() },
        VectorParams { projection: Some(Projection::new(0)), ..set.params().clone() },
        VectorParams { projection: Some(Projection::with_matrix(3, &[1.0; 11])), ..set.params().clone() },
    ] {
        assert!(VectorSetLoader::new(bad, 0).is_err());
    }
    let mut loader = VectorSetLoader::new(set.params().clone(), 0).expect("good parameters");
    assert!(loader.push(b"a", (&[1, 2, 3], 1.0, 1.0), None, vec![vec![]]).is_err(), "too short");
    assert!(loader.push(b"a", (&[1, 2, 3, 4], 1.0, 1.0), None, vec![vec![]]).is_ok());
    assert!(loader.push(b"a", (&[1, 2, 3, 4], 1.0, 1.0), None, vec![vec![]]).is_err(), "twice");
}
