//! Random transactions on a keyspace and on a naive model. What is rolled back leaves no trace, in values, iteration
//! orders, encodings, deadlines and counts; what is committed leaves what the model says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use perigee_keyspace::log::NoLog;
use perigee_keyspace::{
    Deadline, Footprint, Hash, Keyspace, Limits, List, Outcome, PendingEntry, Quantization, References, Set,
    Str, Stream, StreamEntry, StreamGroup, StreamId, StreamItem, StreamTrim, TrimTo, Txn, Value, ValueRef,
    VectorParams, VectorSet, WatchFlag, WrongType, ZSet,
};
use proptest::prelude::*;

type Bytes = Vec<u8>;
type Key = (u16, Bytes);

const DATABASES: u16 = 3;
/// Few, so that keys meet in them.
const SHARDS: u16 = 4;
/// Thresholds that a few operations reach.
const LIMITS: Limits = Limits {
    hash_max_listpack_entries: 3,
    hash_max_listpack_value: 20,
    set_max_intset_entries: 3,
    zset_max_listpack_entries: 3,
    zset_max_listpack_value: 20,
    stream_node_max_bytes: 60,
    stream_node_max_entries: 3,
};

#[derive(Clone, Debug)]
enum Op {
    Insert(Key, Naive, Deadline),
    Remove(Key),
    Rename(Key, Key),
    SetDeadline(Key, Option<u64>),
    Persist(Key),
    ExpireIfDue(Key),
    ExpireDue(u16),
    Flush(u16),
    Swap(u16, u16),
    /// A change of the value, which is created first if the flag says so.
    Change(Key, bool, Change),
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Bytes),
    Append(Bytes),
    MakeRaw,
    SetRange(usize, Bytes),
    /// Front or back.
    Push(bool, Bytes),
    Pop(bool),
    SetElement(usize, Bytes),
    InsertBefore(usize, Bytes),
    RemoveElements(usize, usize),
    RemoveEqual(Bytes, usize, bool),
    InsertField(Bytes, Bytes),
    RemoveField(Bytes),
    /// Of a field that is set first.
    FieldDeadline(Bytes, Option<u64>),
    InsertMember(Bytes),
    RemoveMember(Bytes),
    RemoveMemberAt(usize),
    Score(Bytes, i32),
    RemoveScored(Bytes),
    RemoveRanks(usize, usize),
    AppendEntry(u64, Bytes, Bytes),
    DeleteEntry(u64),
    Trim(usize),
    ReadAll(Bytes),
    InsertVector(Bytes, i32),
    RemoveVector(Bytes),
}

/// A value, as simple as can be.
#[derive(Clone, Debug, PartialEq)]
enum Naive {
    Str(Bytes),
    List(Vec<Bytes>),
    /// Values, and deadlines of some.
    Hash(BTreeMap<Bytes, Bytes>, BTreeMap<Bytes, u64>),
    Set(BTreeSet<Bytes>),
    ZSet(BTreeMap<Bytes, i32>),
    /// Entries, the last ID, and what is pending in each group.
    Stream(BTreeMap<u64, (Bytes, Bytes)>, u64, BTreeMap<Bytes, BTreeSet<u64>>),
    /// The vectors' second components, the first being 1.
    VectorSet(BTreeMap<Bytes, i32>),
}

fn op() -> impl Strategy<Value = Op> {
    let any_key = || (0..DATABASES, name()).boxed();
    let moment = || 1..60_u64;
    let deadline = prop_oneof![Just(Deadline::Keep), Just(Deadline::Never), moment().prop_map(Deadline::At)];
    prop_oneof![
        6 => (any_key(), naive(), deadline).prop_map(|(key, value, deadline)| Op::Insert(key, value, deadline)),
        3 => any_key().prop_map(Op::Remove),
        4 => (any_key(), any_key()).prop_map(|(from, to)| Op::Rename(from, to)),
        3 => (any_key(), prop::option::of(moment())).prop_map(|(key, deadline)| Op::SetDeadline(key, deadline)),
        1 => any_key().prop_map(Op::Persist),
        1 => any_key().prop_map(Op::ExpireIfDue),
        1 => (0..SHARDS).prop_map(Op::ExpireDue),
        1 => (0..DATABASES).prop_map(Op::Flush),
        1 => (0..DATABASES, 0..DATABASES).prop_map(|(a, b)| Op::Swap(a, b)),
        25 => (any_key(), any::<bool>(), change()).prop_map(|(key, create, change)| Op::Change(key, create, change)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let position = || 0..8_usize;
    prop_oneof![
        content().prop_map(Change::Replace),
        content().prop_map(Change::Append),
        Just(Change::MakeRaw),
        (0..40_usize, content()).prop_map(|(offset, bytes)| Change::SetRange(offset, bytes)),
        (any::<bool>(), content()).prop_map(|(front, element)| Change::Push(front, element)),
        any::<bool>().prop_map(Change::Pop),
        (position(), content()).prop_map(|(at, element)| Change::SetElement(at, element)),
        (position(), content()).prop_map(|(at, element)| Change::InsertBefore(at, element)),
        (position(), position()).prop_map(|(at, count)| Change::RemoveElements(at, count)),
        (content(), position(), any::<bool>())
            .prop_map(|(e, limit, back)| Change::RemoveEqual(e, limit, back)),
        (content(), content()).prop_map(|(field, value)| Change::InsertField(field, value)),
        content().prop_map(Change::RemoveField),
        (content(), prop::option::of(1..60_u64)).prop_map(|(field, at)| Change::FieldDeadline(field, at)),
        content().prop_map(Change::InsertMember),
        content().prop_map(Change::RemoveMember),
        position().prop_map(Change::RemoveMemberAt),
        (content(), -3..4_i32).prop_map(|(member, score)| Change::Score(member, score)),
        content().prop_map(Change::RemoveScored),
        (position(), position()).prop_map(|(start, count)| Change::RemoveRanks(start, count)),
        (1..4_u64, content(), content()).prop_map(|(ms, field, value)| Change::AppendEntry(ms, field, value)),
        (1..12_u64).prop_map(Change::DeleteEntry),
        position().prop_map(Change::Trim),
        content().prop_map(Change::ReadAll),
        (content(), -3..4_i32).prop_map(|(name, component)| Change::InsertVector(name, component)),
        content().prop_map(Change::RemoveVector),
    ]
}

fn name() -> impl Strategy<Value = Bytes> {
    (0..6_u8).prop_map(|number| vec![b'k', b'0' + number])
}

/// Few different ones, now and then beyond a limit.
fn content() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        6 => (-4..5_i32).prop_map(|number| number.to_string().into_bytes()),
        2 => (0..5_u8).prop_map(|number| vec![b'x', b'0' + number]),
        1 => (0..3_u8).prop_map(|number| vec![b'a' + number; 50]),
    ]
}

fn naive() -> impl Strategy<Value = Naive> {
    prop_oneof![
        content().prop_map(Naive::Str),
        prop::collection::vec(content(), 1..6).prop_map(Naive::List),
        (
            prop::collection::btree_map(content(), content(), 1..6),
            prop::collection::btree_map(content(), 1..60_u64, 0..3)
        )
            .prop_map(|(fields, mut deadlines)| {
                deadlines.retain(|field, _| fields.contains_key(field));
                Naive::Hash(fields, deadlines)
            }),
        prop::collection::btree_set(content(), 1..6).prop_map(Naive::Set),
        prop::collection::btree_map(content(), -3..4_i32, 1..6).prop_map(Naive::ZSet),
        prop::collection::btree_map(1..20_u64, (content(), content()), 1..6).prop_map(|entries| {
            let last = entries.keys().copied().max().unwrap_or(0);
            Naive::Stream(entries, last, BTreeMap::new())
        }),
        prop::collection::btree_map(content(), -3..4_i32, 1..6).prop_map(Naive::VectorSet),
    ]
}

/// Databases as plain maps.
#[derive(Clone, Default)]
struct Model {
    databases: [BTreeMap<Bytes, (Naive, Option<u64>)>; DATABASES as usize],
}

impl Model {
    fn of(&mut self, db: u16) -> &mut BTreeMap<Bytes, (Naive, Option<u64>)> {
        &mut self.databases[usize::from(db)]
    }

    fn drop_expired(&mut self, now_ms: u64) {
        for database in &mut self.databases {
            database.retain(|_, (value, deadline)| {
                if let Naive::Hash(fields, deadlines) = value {
                    deadlines.retain(|field, at| *at > now_ms || fields.remove(field).is_none());
                    if fields.is_empty() {
                        return false;
                    }
                }
                deadline.is_none_or(|deadline| deadline > now_ms)
            });
        }
    }
}

fn apply(txn: &mut Txn<'_>, model: &mut Model, op: &Op) {
    match op {
        Op::Insert((db, key), value, deadline) => {
            txn.insert(*db, key, build(value), *deadline);
            let before = model.of(*db).get(key).and_then(|(_, deadline)| *deadline);
            let deadline = match deadline {
                Deadline::Keep => before,
                Deadline::Never => None,
                Deadline::At(at) => Some(*at),
            };
            model.of(*db).insert(key.clone(), (value.clone(), deadline));
        }
        Op::Remove((db, key)) => assert_eq!(txn.remove(*db, key), model.of(*db).remove(key).is_some()),
        Op::Rename(from, to) if from == to => {}
        Op::Rename(from, to) => {
            if !model.of(from.0).contains_key(&from.1) {
                assert!(!txn.contains(from.0, &from.1));
                return;
            }
            txn.remove(to.0, &to.1);
            assert!(txn.rename((from.0, &from.1), (to.0, &to.1)));
            let moved = model.of(from.0).remove(&from.1).unwrap();
            model.of(to.0).insert(to.1.clone(), moved);
        }
        Op::SetDeadline((db, key), deadline) => {
            let entry = model.of(*db).get_mut(key);
            assert_eq!(txn.set_deadline(*db, key, *deadline), entry.is_some());
            if let Some(entry) = entry {
                entry.1 = *deadline;
            }
        }
        Op::Persist((db, key)) => {
            let before = model.of(*db).get_mut(key).and_then(|entry| entry.1.take());
            assert_eq!(txn.persist(*db, key), before.is_some());
        }
        Op::ExpireIfDue((db, key)) => drop(txn.expire_if_due(*db, key)),
        Op::ExpireDue(shard) => drop(txn.expire_due(*shard, 2)),
        Op::Flush(db) => {
            let live = model.of(*db).len();
            assert!(txn.flush(*db) >= live);
            model.of(*db).clear();
        }
        Op::Swap(a, b) if a == b => {}
        Op::Swap(a, b) => {
            txn.swap(*a, *b);
            model.databases.swap(usize::from(*a), usize::from(*b));
        }
        Op::Change((db, key), create, change) => {
            let changed = apply_change(txn, *db, key, *create, change);
            let changed_model = apply_to_model(model, *db, key, *create, change, &changed);
            assert_eq!(changed.is_err(), changed_model.is_err(), "{change:?}");
        }
    }
    // A deadline may name a moment that has passed. Fields are removed when a shard is locked, or now.
    (0..SHARDS).for_each(|shard| _ = txn.expire_due_fields(shard, usize::MAX));
    model.drop_expired(txn.now_ms());
}

/// What a change answers that the model cannot know: the member that was at a position.
type Answer = Result<Option<Bytes>, WrongType>;

fn apply_change(txn: &mut Txn<'_>, db: u16, key: &[u8], create: bool, change: &Change) -> Answer {
    macro_rules! edit {
        ($existing:ident, $any:ident, |$value:ident| $change:expr) => {
            if create {
                let mut $value = txn.$any(db, key)?;
                $change;
            } else if let Some(mut $value) = txn.$existing(db, key)? {
                $change;
            }
        };
    }
    let mut answer = None;
    match change {
        Change::Replace(bytes) => {
            edit!(string_mut, string_entry, |value| value.replace(Str::from_bytes(bytes)));
        }
        Change::Append(bytes) => edit!(string_mut, string_entry, |value| value.append(bytes)),
        Change::MakeRaw => edit!(string_mut, string_entry, |value| value.make_raw()),
        Change::SetRange(at, bytes) => edit!(string_mut, string_entry, |value| value.set_range(*at, bytes)),
        Change::Push(true, element) => edit!(list_mut, list_entry, |list| list.push_front(element)),
        Change::Push(false, element) => edit!(list_mut, list_entry, |list| list.push_back(element)),
        Change::Pop(true) => edit!(list_mut, list_entry, |list| list.pop_front()),
        Change::Pop(false) => edit!(list_mut, list_entry, |list| list.pop_back()),
        Change::SetElement(at, element) => edit!(list_mut, list_entry, |list| list.set(*at, element)),
        Change::InsertBefore(at, element) => edit!(list_mut, list_entry, |list| {
            let at = (*at).min(list.len());
            list.insert_before(at, element);
        }),
        Change::RemoveElements(at, count) => {
            edit!(list_mut, list_entry, |list| list.remove_range(*at, *count));
        }
        Change::RemoveEqual(element, limit, from_back) => {
            edit!(list_mut, list_entry, |list| list.remove_equal(element, *limit, *from_back));
        }
        Change::InsertField(field, value) => edit!(hash_mut, hash_entry, |hash| hash.insert(field, value)),
        Change::RemoveField(field) => edit!(hash_mut, hash_entry, |hash| hash.remove(field)),
        Change::FieldDeadline(field, at) => edit!(hash_mut, hash_entry, |hash| {
            hash.insert(field, b"timed");
            hash.set_deadline(field, *at);
        }),
        Change::InsertMember(member) => edit!(set_mut, set_entry, |set| set.insert(member)),
        Change::RemoveMember(member) => edit!(set_mut, set_entry, |set| set.remove(member)),
        Change::RemoveMemberAt(at) => edit!(set_mut, set_entry, |set| {
            answer = set.get_at(*at).map(|member| member.to_vec());
            assert_eq!(set.remove_at(*at), answer.is_some());
        }),
        Change::Score(member, score) => edit!(zset_mut, zset_entry, |zset| {
            let before = zset.score(member);
            let outcome = zset.insert_or_update(member, f64::from(*score));
            assert_eq!(outcome == Outcome::Added, before.is_none());
        }),
        Change::RemoveScored(member) => edit!(zset_mut, zset_entry, |zset| zset.remove(member)),
        Change::RemoveRanks(start, count) => {
            edit!(zset_mut, zset_entry, |zset| zset.remove_range_by_rank(*start, *count));
        }
        Change::AppendEntry(ms, field, value) => edit!(stream_mut, stream_entry, |stream| {
            let id = StreamId { ms: stream.last_id().ms + ms, seq: 0 };
            stream.append(id, &[field, value]);
        }),
        Change::DeleteEntry(ms) => {
            edit!(stream_mut, stream_entry, |stream| stream.delete(StreamId { ms: *ms, seq: 0 }));
        }
        Change::Trim(len) => edit!(stream_mut, stream_entry, |stream| stream.trim(&StreamTrim {
            to: TrimTo::Length(*len),
            approximate: false,
            limit: 0,
            references: References::Delete,
        })),
        Change::ReadAll(name) => edit!(stream_mut, stream_entry, |stream| {
            stream.create_group(name, StreamId::MIN, None);
            let (group, found) = stream.group(name).expect("it was just created");
            let known = found.consumer_number(name);
            let number = known.unwrap_or_else(|| stream.add_consumer(group, name));
            let ids: Vec<StreamId> = stream.iter().map(|entry| entry.id).collect();
            for id in ids {
                let pending = PendingEntry { consumer: number, delivered_ms: 0, deliveries: 1 };
                stream.put_pending(group, id, pending);
            }
        }),
        Change::InsertVector(name, component) => edit!(vectors_mut, vectors_entry, |vectors| {
            if vectors.is_empty() {
                vectors.configure(vector_params());
            }
            let prepared = vectors.prepare(&vector(*component)).expect("the set's dimension");
            let is_new = vectors.find(name).is_none();
            assert_eq!(vectors.insert(name, &prepared, 4, component.unsigned_abs().into()), is_new);
            assert!(vectors.set_attribute(name, Some(name)));
        }),
        Change::RemoveVector(name) => {
            edit!(vectors_mut, vectors_entry, |vectors| vectors.remove(name));
        }
    }
    Ok(answer)
}

fn apply_to_model(
    model: &mut Model,
    db: u16,
    key: &[u8],
    create: bool,
    change: &Change,
    answer: &Answer,
) -> Result<(), WrongType> {
    let database = model.of(db);
    if !database.contains_key(key) && create {
        let empty = match change {
            Change::Replace(_) | Change::Append(_) | Change::MakeRaw | Change::SetRange(..) => {
                Naive::Str(Bytes::new())
            }
            Change::InsertField(..) | Change::RemoveField(_) | Change::FieldDeadline(..) => {
                Naive::Hash(BTreeMap::new(), BTreeMap::new())
            }
            Change::InsertMember(_) | Change::RemoveMember(_) | Change::RemoveMemberAt(_) => {
                Naive::Set(BTreeSet::new())
            }
            Change::Score(..) | Change::RemoveScored(_) | Change::RemoveRanks(..) => {
                Naive::ZSet(BTreeMap::new())
            }
            Change::AppendEntry(..) | Change::DeleteEntry(_) | Change::Trim(_) | Change::ReadAll(_) => {
                Naive::Stream(BTreeMap::new(), 0, BTreeMap::new())
            }
            Change::InsertVector(..) | Change::RemoveVector(_) => Naive::VectorSet(BTreeMap::new()),
            _ => Naive::List(Vec::new()),
        };
        database.insert(key.to_vec(), (empty, None));
    }
    let Some((value, _)) = database.get_mut(key) else { return Ok(()) };
    match (change, &mut *value) {
        (Change::Replace(bytes), Naive::Str(text)) => text.clone_from(bytes),
        (Change::Append(bytes), Naive::Str(text)) => text.extend(bytes),
        (Change::MakeRaw, Naive::Str(_)) => {}
        (Change::SetRange(at, bytes), Naive::Str(text)) => {
            text.resize(text.len().max(at + bytes.len()), 0);
            text[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        (Change::Push(front, element), Naive::List(list)) => {
            list.insert(if *front { 0 } else { list.len() }, element.clone());
        }
        (Change::Pop(front), Naive::List(list)) => {
            if let Some(last) = list.len().checked_sub(1) {
                list.remove(if *front { 0 } else { last });
            }
        }
        (Change::SetElement(at, element), Naive::List(list)) => {
            if let Some(old) = list.get_mut(*at) {
                old.clone_from(element);
            }
        }
        (Change::InsertBefore(at, element), Naive::List(list)) => {
            list.insert((*at).min(list.len()), element.clone());
        }
        (Change::RemoveElements(at, count), Naive::List(list)) => {
            let at = (*at).min(list.len());
            list.drain(at..(at + count).min(list.len()));
        }
        (Change::RemoveEqual(element, limit, from_back), Naive::List(list)) => {
            for _ in 0..*limit {
                let found = match from_back {
                    true => list.iter().rposition(|other| other == element),
                    false => list.iter().position(|other| other == element),
                };
                found.map(|at| list.remove(at));
            }
        }
        (Change::InsertField(field, value), Naive::Hash(hash, _)) => {
            hash.insert(field.clone(), value.clone());
        }
        (Change::RemoveField(field), Naive::Hash(hash, deadlines)) => {
            hash.remove(field);
            deadlines.remove(field);
        }
        (Change::FieldDeadline(field, at), Naive::Hash(hash, deadlines)) => {
            hash.insert(field.clone(), b"timed".to_vec());
            deadlines.remove(field);
            deadlines.extend(at.map(|at| (field.clone(), at)));
        }
        (Change::InsertMember(member), Naive::Set(set)) => drop(set.insert(member.clone())),
        (Change::RemoveMember(member), Naive::Set(set)) => drop(set.remove(member)),
        (Change::RemoveMemberAt(_), Naive::Set(set)) => {
            if let Ok(Some(member)) = answer {
                assert!(set.remove(member));
            }
        }
        (Change::Score(member, score), Naive::ZSet(zset)) => drop(zset.insert(member.clone(), *score)),
        (Change::RemoveScored(member), Naive::ZSet(zset)) => drop(zset.remove(member)),
        (Change::RemoveRanks(start, count), Naive::ZSet(zset)) => {
            let mut ranked: Vec<_> = zset.iter().map(|(member, score)| (*score, member.clone())).collect();
            ranked.sort();
            for (_, member) in ranked.into_iter().skip(*start).take(*count) {
                zset.remove(&member);
            }
        }
        (Change::AppendEntry(ms, field, value), Naive::Stream(entries, last, _)) => {
            *last += ms;
            entries.insert(*last, (field.clone(), value.clone()));
        }
        (Change::DeleteEntry(ms), Naive::Stream(entries, ..)) => drop(entries.remove(ms)),
        (Change::Trim(len), Naive::Stream(entries, _, groups)) => {
            while entries.len() > *len {
                let (ms, _) = entries.pop_first().unwrap();
                groups.values_mut().for_each(|pending| _ = pending.remove(&ms));
            }
        }
        (Change::ReadAll(name), Naive::Stream(entries, _, groups)) => {
            groups.entry(name.clone()).or_default().extend(entries.keys());
        }
        (Change::InsertVector(name, component), Naive::VectorSet(vectors)) => {
            vectors.insert(name.clone(), *component);
        }
        (Change::RemoveVector(name), Naive::VectorSet(vectors)) => drop(vectors.remove(name)),
        _ => return Err(WrongType),
    }
    let gone = match value {
        Naive::Str(_) | Naive::Stream(..) => false,
        Naive::List(list) => list.is_empty(),
        Naive::Hash(hash, _) => hash.is_empty(),
        Naive::Set(set) => set.is_empty(),
        Naive::ZSet(zset) => zset.is_empty(),
        Naive::VectorSet(vectors) => vectors.is_empty(),
    };
    if gone {
        database.remove(key);
    }
    Ok(())
}

fn build(value: &Naive) -> Value {
    match value {
        Naive::Str(bytes) => Value::Str(Str::from_bytes(bytes)),
        Naive::List(elements) => {
            let mut list = List::default();
            elements.iter().for_each(|element| list.push_back(element, &mut NoLog));
            Value::List(Box::new(list))
        }
        Naive::Hash(pairs, deadlines) => {
            let mut hash = Hash::default();
            for (field, value) in pairs {
                hash.insert(field, value, &LIMITS, &mut NoLog);
            }
            for (field, at) in deadlines {
                hash.set_deadline(field, Some(*at), &mut NoLog);
            }
            Value::Hash(hash)
        }
        Naive::Set(members) => {
            let mut set = Set::default();
            for member in members {
                set.insert(member, &LIMITS, &mut NoLog);
            }
            Value::Set(Box::new(set))
        }
        Naive::ZSet(members) => {
            let mut zset = ZSet::default();
            for (member, score) in members {
                zset.insert_or_update(member, f64::from(*score), &LIMITS, &mut NoLog);
            }
            Value::ZSet(Box::new(zset))
        }
        Naive::Stream(entries, ..) => {
            let mut stream = Stream::default();
            for (&ms, (field, value)) in entries {
                stream.append(StreamId { ms, seq: 0 }, &[field, value], &LIMITS, &mut NoLog);
            }
            Value::Stream(Box::new(stream))
        }
        Naive::VectorSet(elements) => {
            let mut vectors = VectorSet::default();
            vectors.configure(vector_params(), 0, &mut NoLog);
            for (name, component) in elements {
                let prepared = vectors.prepare(&vector(*component)).expect("the set's dimension");
                vectors.insert(name, &prepared, 4, 1, &mut NoLog);
            }
            Value::VectorSet(Box::new(vectors))
        }
    }
}

fn vector_params() -> VectorParams {
    VectorParams { dim: 2, quantization: Quantization::None, max_links: 4, projection: None }
}

fn vector(component: i32) -> [f32; 2] {
    [1.0, component as f32]
}

fn simplify(value: ValueRef<'_>) -> Naive {
    match value {
        ValueRef::Str(text) => Naive::Str(text.as_bytes(&mut Default::default()).to_vec()),
        ValueRef::List(list) => Naive::List(list.iter().map(<[u8]>::to_vec).collect()),
        ValueRef::Hash(hash) => {
            let fields = hash.iter().map(|(field, value)| (field.to_vec(), value.to_vec()));
            let deadlines =
                hash.iter().filter_map(|(field, _)| Some((field.to_vec(), hash.deadline(field)?)));
            Naive::Hash(fields.collect(), deadlines.collect())
        }
        ValueRef::Set(set) => Naive::Set(set.iter().map(|member| member.to_vec()).collect()),
        ValueRef::ZSet(zset) => {
            Naive::ZSet(zset.iter().map(|(member, score)| (member.to_vec(), score as i32)).collect())
        }
        ValueRef::Stream(stream) => {
            let bytes = |item: StreamItem<'_>| item.as_bytes(&mut Default::default()).to_vec();
            let pair =
                |entry: StreamEntry<'_>| entry.fields().next().map(|(f, v)| (bytes(f), bytes(v))).unwrap();
            let entries = stream.iter().map(|entry| (entry.id.ms, pair(entry))).collect();
            let all = StreamId::MIN..=StreamId::MAX;
            let pending = |group: &StreamGroup| group.pending_in(all.clone()).map(|(id, _)| id.ms).collect();
            let groups = stream.groups().map(|(name, group)| (name.to_vec(), pending(group))).collect();
            Naive::Stream(entries, stream.last_id().ms, groups)
        }
        ValueRef::VectorSet(vectors) => {
            let element = |at| (vectors.name(at).to_vec(), vectors.vector(at)[1].round() as i32);
            Naive::VectorSet((0..vectors.len()).map(element).collect())
        }
    }
}

/// Everything that can be seen of a value: its encoding, and its elements in their order.
fn show(value: ValueRef<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let elements: Vec<String> = match value {
        ValueRef::Str(string) => vec![text(string.as_bytes(&mut Default::default()))],
        ValueRef::List(list) => list.iter().map(text).collect(),
        ValueRef::Hash(hash) => {
            let until = |field| hash.deadline(field).map_or(String::new(), |at| format!(" until {at}"));
            let field = |(field, value)| text(field) + "=" + &text(value) + &until(field);
            hash.iter().map(field).collect()
        }
        ValueRef::Set(set) => set.iter().map(|member| text(&member)).collect(),
        ValueRef::ZSet(zset) => {
            zset.iter().map(|(member, score)| format!("{}:{score}", text(member))).collect()
        }
        ValueRef::Stream(stream) => {
            let consumers = |group: &StreamGroup| format!("{:?}", group.consumers().collect::<Vec<_>>());
            let groups = stream.groups().map(|(name, group)| {
                let pending: Vec<_> = group.pending_in(StreamId::MIN..=StreamId::MAX).collect();
                format!("{} {} {pending:?}", text(name), consumers(group))
            });
            let entries =
                stream.iter().map(|entry| format!("{:?} {:?}", entry.id, entry.fields().collect::<Vec<_>>()));
            let history = format!("{:?} {}", stream.history(), stream.node_count());
            entries.chain(groups).chain([history]).collect()
        }
        ValueRef::VectorSet(vectors) => {
            let element = |at: usize| {
                let links: Vec<_> = (0..=vectors.level(at)).map(|layer| vectors.links(at, layer)).collect();
                format!(
                    "{} {:?} {:?} {links:?}",
                    text(vectors.name(at)),
                    vectors.vector(at),
                    vectors.attribute(at)
                )
            };
            let whole =
                (vectors.params(), vectors.entry(), vectors.attributes(), vectors.last_id(), vectors.uid());
            (0..vectors.len()).map(element).chain([format!("{whole:?}")]).collect()
        }
    };
    format!("{} {} {elements:?}", value.encoding(), value.elements())
}

/// Everything that can be seen of a keyspace before anything in it has expired.
fn state(keyspace: &Keyspace) -> Vec<String> {
    let txn = begin(keyspace, 0);
    let mut state = Vec::new();
    for db in 0..DATABASES {
        state.push(format!("{db}: {} keys, {} volatile", txn.len(db), txn.volatile_len(db)));
        state.extend(txn.entries(db).map(|entry| {
            format!("{} until {:?}: {}", entry.key().escape_ascii(), entry.deadline(), show(entry.value()))
        }));
    }
    state
}

fn check_against(keyspace: &Keyspace, model: &Model, now_ms: u64) -> Result<(), TestCaseError> {
    let txn = begin(keyspace, now_ms);
    for (db, expected) in model.databases.iter().enumerate() {
        let found: BTreeMap<Bytes, (Naive, Option<u64>)> = txn
            .entries(db as u16)
            .map(|entry| (entry.key().to_vec(), (simplify(entry.value()), entry.deadline())))
            .collect();
        prop_assert_eq!(&found, expected, "database {}", db);
        for key in expected.keys() {
            prop_assert!(txn.contains(db as u16, key), "the index knows {}", key.escape_ascii());
        }
        let volatile = expected.values().filter(|(_, deadline)| deadline.is_some()).count();
        let dead = txn.len(db as u16) - expected.len();
        prop_assert_eq!(txn.volatile_len(db as u16), volatile + dead);
    }
    Ok(())
}

fn begin(keyspace: &Keyspace, now_ms: u64) -> Txn<'_> {
    keyspace.try_begin(&Footprint::All, now_ms).expect("nobody else is here")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn aborted_ones_leave_nothing_and_committed_ones_what_they_say(
        transactions in prop::collection::vec(
            (prop::collection::vec(op(), 1..25), any::<prop::sample::Index>(), any::<bool>(), 0..10_u64),
            1..8,
        ),
    ) {
        let keyspace = Keyspace::new(DATABASES, usize::from(SHARDS));
        keyspace.set_limits(LIMITS);
        let mut model = Model::default();
        let mut now_ms = 0;
        for (ops, cut, journaled, passed_ms) in &transactions {
            now_ms += passed_ms;
            model.drop_expired(now_ms);
            begin(&keyspace, now_ms).commit();
            let before = state(&keyspace);
            let flag = Arc::<WatchFlag>::default();

            let mut txn = begin(&keyspace, now_ms);
            for op in ops {
                if let Op::Change((db, key), ..) = op {
                    txn.watch(*db, key, &flag);
                }
            }
            txn.open_journal();
            let mut discarded = model.clone();
            for op in &ops[..cut.index(ops.len()) + 1] {
                apply(&mut txn, &mut discarded, op);
            }
            txn.rollback();
            prop_assert_eq!(txn.journal_len(), 0);
            let sealed = txn.commit();
            prop_assert_eq!((sealed.changes, sealed.expired.len(), sealed.ready.len()), (0, 0, 0));
            prop_assert_eq!(state(&keyspace), before);
            prop_assert!(!flag.is_raised());

            let mut txn = begin(&keyspace, now_ms);
            if *journaled {
                txn.open_journal();
            }
            for op in ops {
                apply(&mut txn, &mut model, op);
            }
            txn.commit();
            check_against(&keyspace, &model, now_ms)?;
        }

        // Whatever was undone, every deadline still comes due.
        let mut txn = begin(&keyspace, now_ms);
        txn.open_journal();
        let mut discarded = model.clone();
        transactions[0].0.iter().for_each(|op| apply(&mut txn, &mut discarded, op));
        txn.rollback();
        txn.commit();
        let mut txn = begin(&keyspace, 1000);
        for shard in 0..SHARDS {
            txn.expire_due(shard, usize::MAX);
        }
        txn.commit();
        model.drop_expired(1000);
        check_against(&keyspace, &model, 0)?;
    }
}
