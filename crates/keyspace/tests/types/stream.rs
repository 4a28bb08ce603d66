use super::{Bytes, LIMITS, content};
use perigee_keyspace::log::NoLog;
use perigee_keyspace::types::{
    Limits, PendingEntry, References, Stream, StreamEntry, StreamId, StreamItem, StreamTrim, StreamUndo,
    TrimTo,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Fields = Vec<Bytes>;

#[derive(Clone, Debug)]
enum Op {
    Append(u64, u64, Fields),
    Delete(u64, u64),
    SetLastId(u64),
    Trim(TrimTo, bool, usize, References),
    CreateGroup(u8, u64),
    RemoveGroup(usize),
    SetPosition(usize, u64),
    Advance(usize, u64),
    AddConsumer(usize, u8),
    RemoveConsumer(usize, u8),
    NoteSeen(usize, u8, u64, bool),
    PutPending(usize, u8, u64, u64),
    RemovePending(usize, u64),
    RemoveReferences(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let (group, consumer, ms) = (|| 0..3_usize, || 0..4_u8, || 0..12_u64);
    let other = prop_oneof![
        (ms(), 0..2_u64).prop_map(|(ms, seq)| Op::Delete(ms, seq)),
        ms().prop_map(Op::SetLastId),
        trim(),
        (0..4_u8, ms()).prop_map(|(name, ms)| Op::CreateGroup(name, ms)),
        group().prop_map(Op::RemoveGroup),
        (group(), ms()).prop_map(|(group, ms)| Op::SetPosition(group, ms)),
        (group(), ms()).prop_map(|(group, ms)| Op::Advance(group, ms)),
        (group(), consumer()).prop_map(|(group, name)| Op::AddConsumer(group, name)),
        (group(), consumer()).prop_map(|(group, name)| Op::RemoveConsumer(group, name)),
        (group(), consumer(), ms(), any::<bool>()).prop_map(|(g, name, ms, a)| Op::NoteSeen(g, name, ms, a)),
        (group(), consumer(), ms(), ms()).prop_map(|(g, name, id, ms)| Op::PutPending(g, name, id, ms)),
        (group(), ms()).prop_map(|(group, ms)| Op::RemovePending(group, ms)),
        ms().prop_map(Op::RemoveReferences),
    ];
    prop_oneof![
        (0..3_u64, 0..2_u64, prop::collection::vec(content(), 1..3)).prop_map(|(ms, seq, contents)| {
            let names = ["a", "bc"].into_iter().map(|name| name.as_bytes().to_vec());
            Op::Append(ms, seq, names.zip(contents).flat_map(|(name, content)| [name, content]).collect())
        }),
        other,
    ]
}

fn trim() -> impl Strategy<Value = Op> {
    let to = prop_oneof![
        (0..12_usize).prop_map(TrimTo::Length),
        (0..12_u64).prop_map(|ms| TrimTo::Id(StreamId { ms, seq: 0 })),
    ];
    let references = vec![References::Keep, References::Delete, References::Acknowledged];
    (to, any::<bool>(), 0..6_usize, prop::sample::select(references))
        .prop_map(|(to, approximate, limit, references)| Op::Trim(to, approximate, limit, references))
}

/// The entries; groups are held against a copy of the stream alone.
type Model = BTreeMap<StreamId, Fields>;

fn apply(stream: &mut Stream, model: &mut Model, op: Op, log: &mut Vec<StreamUndo>) {
    let id = |ms| StreamId { ms, seq: 0 };
    let groups = stream.groups().len();
    let number = |stream: &Stream, group: usize, name: u8| stream.group_at(group).consumer_number(&[name]);
    match op {
        Op::Append(ms, seq, fields) => {
            let last = stream.last_id();
            let next = StreamId { ms: last.ms + ms, seq: if ms == 0 { last.seq + seq + 1 } else { seq } };
            let slices: Vec<&[u8]> = fields.iter().map(|field| &field[..]).collect();
            stream.append(next, &slices, &LIMITS, log);
            model.insert(next, fields);
        }
        Op::Delete(ms, seq) => {
            let id = StreamId { ms, seq };
            assert_eq!(stream.delete(id, log), model.remove(&id).is_some());
        }
        Op::SetLastId(ms) => {
            let last = stream.last_id();
            stream.set_last_id(StreamId { ms: last.ms + ms, ..last }, Some(ms), Some(id(ms)), log);
        }
        Op::Trim(to, approximate, limit, references) => {
            let limit = if approximate { limit } else { 0 };
            let before = stream.clone();
            let (deleted, _) = stream.trim(&StreamTrim { to, approximate, limit, references }, log);
            let due = |model: &Model, id: StreamId| match to {
                TrimTo::Length(len) => model.len() > len,
                TrimTo::Id(least) => id < least,
            };
            let kept = |id| references == References::Acknowledged && before.is_referenced(id);
            let candidates: Vec<_> = model.keys().copied().filter(|&id| !kept(id)).collect();
            let mut left = if approximate { deleted } else { usize::MAX };
            for id in candidates {
                if left == 0 || !due(model, id) {
                    break;
                }
                model.remove(&id);
                left -= 1;
                let pending = stream.groups().any(|(_, group)| group.pending(id).is_some());
                assert!(references == References::Keep || !pending);
            }
            assert_eq!(before.len() - model.len(), deleted);
            assert!(limit == 0 || deleted <= limit);
        }
        Op::CreateGroup(name, ms) => {
            let new = stream.group(&[name]).is_none();
            assert_eq!(stream.create_group(&[name], id(ms), Some(ms as i64), log), new);
        }
        Op::RemoveGroup(group) if group < groups => drop(stream.remove_group(group, log)),
        Op::SetPosition(group, ms) if group < groups => stream.set_group_position(group, id(ms), None, log),
        Op::Advance(group, ms) if group < groups => stream.advance_group(group, id(ms), log),
        Op::AddConsumer(group, name) if group < groups && number(stream, group, name).is_none() => {
            let added = stream.add_consumer(group, &[name], 7, log);
            assert_eq!(number(stream, group, name), Some(added));
        }
        Op::RemoveConsumer(group, name) if group < groups => {
            if let Some(number) = number(stream, group, name) {
                let pending = stream.group_at(group).consumer(number).pending_len();
                assert_eq!(stream.remove_consumer(group, number, log), pending);
            }
        }
        Op::NoteSeen(group, name, ms, active) if group < groups => {
            if let Some(number) = number(stream, group, name) {
                stream.note_consumer_seen(group, number, ms, active, log);
            }
        }
        Op::PutPending(group, name, ms, time) if group < groups => {
            if let Some(consumer) = number(stream, group, name) {
                let pending = PendingEntry { consumer, delivered_ms: time, deliveries: 1 };
                stream.put_pending(group, id(ms), pending, log);
            }
        }
        Op::RemovePending(group, ms) if group < groups => {
            let there = stream.group_at(group).pending(id(ms)).is_some();
            assert_eq!(stream.remove_pending(group, id(ms), log), there);
        }
        Op::RemoveReferences(ms) => stream.remove_references(id(ms), log),
        _ => {}
    }
}

fn fields(entry: StreamEntry<'_>) -> Fields {
    let bytes = |item: StreamItem<'_>| item.as_bytes(&mut Default::default()).to_vec();
    entry.fields().flat_map(|(field, value)| [bytes(field), bytes(value)]).collect()
}

/// Everything that can be seen, and the numbers of consumers, which later steps depend on.
fn state(stream: &Stream) -> String {
    let nodes = (stream.node_count(), stream.radix_nodes());
    let entries: Vec<_> = stream.iter().map(|entry| (entry.id, fields(entry))).collect();
    format!("{:?} {nodes:?} {entries:?} {:?}", stream.history(), stream.groups().collect::<Vec<_>>())
}

fn check(stream: &Stream, model: &Model) {
    let entries: Vec<_> = stream.iter().map(|entry| (entry.id, fields(entry))).collect();
    assert!(entries.iter().map(|(id, fields)| (id, fields)).eq(model.iter()));
    assert_eq!(stream.len(), model.len());
    assert_eq!(stream.history().first_id, model.keys().next().copied().unwrap_or_default());
    assert_eq!(stream.last().map(|entry| entry.id), model.keys().next_back().copied());
    for start in [0, 3, 5].map(|ms| StreamId { ms, seq: 1 }) {
        for end in [0, 4, 5, 9].map(|ms| StreamId { ms, seq: 0 }) {
            let expected: Vec<_> = model.keys().copied().filter(|id| (start..=end).contains(id)).collect();
            let range = stream.range(start, end);
            for limit in 0..4 {
                assert_eq!(range.count_up_to(limit), expected.len().min(limit));
            }
            assert_eq!(range.count_up_to(usize::MAX), expected.len());
            assert!(range.map(|entry| entry.id).eq(expected.iter().copied()));
            let backwards = stream.range_rev(start, end).map(|entry| entry.id);
            assert!(backwards.eq(expected.iter().rev().copied()));
        }
    }
    for (_, group) in stream.groups() {
        let names: Vec<_> = group.consumers().map(|consumer| &consumer.name).collect();
        assert!(names.is_sorted());
        let all = StreamId::MIN..=StreamId::MAX;
        let mut of_consumers: Vec<_> = group
            .consumers()
            .flat_map(|consumer| {
                let number = group.consumer_number(&consumer.name).unwrap();
                consumer.pending_in(all.clone()).map(move |id| (id, number))
            })
            .collect();
        of_consumers.sort();
        let of_group: Vec<_> = group.pending_in(all).map(|(id, pending)| (id, pending.consumer)).collect();
        assert_eq!(of_consumers, of_group);
    }
}

proptest! {
    #[test]
    fn behaves_and_rolls_back(
        first in prop::collection::vec(op(), 0..30),
        second in prop::collection::vec(op(), 0..60),
    ) {
        let (mut stream, mut model) = (Stream::default(), Model::new());
        for op in first {
            apply(&mut stream, &mut model, op, &mut Vec::new());
        }
        let (before, model_before) = (state(&stream), model.clone());
        let mut log = Vec::new();
        for op in second {
            apply(&mut stream, &mut model, op, &mut log);
            check(&stream, &model);
        }
        log.into_iter().rev().for_each(|undo| stream.undo(undo));
        prop_assert_eq!(state(&stream), before);
        check(&stream, &model_before);
    }
}

#[test]
fn nodes_begin_where_those_of_redis_do() {
    let nodes = |limits: &Limits, entries: u64, value: usize| {
        let mut stream = Stream::default();
        for ms in 1..=entries {
            stream.append(StreamId { ms, seq: 0 }, &[b"f", &vec![b'v'; value]], limits, &mut NoLog);
        }
        stream.node_count()
    };
    let limits = Limits::default();
    assert_eq!((nodes(&limits, 100, 1), nodes(&limits, 101, 1)), (1, 2));
    assert_eq!((nodes(&limits, 36, 100), nodes(&limits, 37, 100)), (1, 2));
    let unlimited = Limits { stream_node_max_bytes: 0, stream_node_max_entries: 0, ..limits };
    assert_eq!(nodes(&unlimited, 1000, 100), 1);
}
