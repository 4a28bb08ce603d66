//! ZUNION, ZINTER, ZDIFF, their storing forms, and ZINTERCARD. Plain sets take part: their members' scores are 1.

use std::borrow::Cow;

use perigee_keyspace::log::NoLog;
use perigee_keyspace::table::{Keyed, Table, hash_of};
use perigee_keyspace::{Set, Txn, ValueRef, ZSet};

use super::combine_options::{Allowed, Plan, keys, zero_if_nan};
use super::range_query::Pairs;
use super::range_store::store;
use crate::call::Call;
use crate::engine::Env;
use crate::error::Error;
use crate::parse::Options;
use crate::spec::{Categories, Command, Flags, Group, Handler, Keys, command};

pub(super) const ZUNION: Command = answering(
    "zunion",
    |call| answer(call, Operation::Union, "zunion"),
    UNION_COST,
    "Add multiple sorted sets",
)
.syntax(
    "numkeys:int key... [WEIGHTS weight:int...] [AGGREGATE aggregate<SUM|MIN|MAX>] \
        [WITHSCORES]",
);
pub(super) const ZINTER: Command = answering(
    "zinter",
    |call| answer(call, Operation::Inter, "zinter"),
    INTER_COST,
    "Intersect multiple sorted sets",
)
.syntax(
    "numkeys:int key... [WEIGHTS weight:int...] [AGGREGATE aggregate<SUM|MIN|MAX>] \
        [WITHSCORES]",
);
pub(super) const ZDIFF: Command = answering(
    "zdiff",
    |call| answer(call, Operation::Diff, "zdiff"),
    DIFF_COST,
    "Subtract multiple sorted sets",
)
.syntax("numkeys:int key... [WITHSCORES]");

const fn answering(
    name: &'static str,
    handler: Handler,
    complexity: &'static str,
    summary: &'static str,
) -> Command {
    command(name, -3, handler)
        .flags(Flags::READONLY.or(Flags::MOVABLE_KEYS))
        .keys(Keys::counted(1))
        .acl(Categories::SORTEDSET)
        .docs(Group::SortedSet, "6.2.0", complexity, summary)
}

fn answer(call: &mut Call<'_, '_>, operation: Operation, name: &'static str) -> Result<(), Error> {
    let form = Form { name, number_at: 1, allowed: operation.allows(true) };
    let sources = form.sources(call.txn, call.env, call.db, call.args)?;
    let plan = form.plan(call.args, sources.len())?;
    let found = operation.run(&sources, &plan);
    if plan.with_scores {
        let mut pairs = Pairs::start(call.reply, found.len());
        found.iter().for_each(|total| pairs.push(&total.member, total.score));
    } else {
        call.reply.array(found.len());
        found.iter().for_each(|total| call.reply.bulk(&total.member));
    }
    Ok(())
}

pub(super) const ZUNIONSTORE: Command = storing(
    "zunionstore",
    |call| answer_stored(call, Operation::Union, "zunionstore"),
    "2.0.0",
    UNION_STORE_COST,
    "Add multiple sorted sets and store the resulting sorted set in a new key",
)
.syntax(
    "destination@0 numkeys:int key@1... [WEIGHTS weight:int...] \
        [AGGREGATE aggregate<SUM|MIN|MAX>]",
);
pub(super) const ZINTERSTORE: Command = storing(
    "zinterstore",
    |call| answer_stored(call, Operation::Inter, "zinterstore"),
    "2.0.0",
    INTER_COST,
    "Intersect multiple sorted sets and store the resulting sorted set in a new key",
)
.syntax(
    "destination@0 numkeys:int key@1... [WEIGHTS weight:int...] \
        [AGGREGATE aggregate<SUM|MIN|MAX>]",
);
pub(super) const ZDIFFSTORE: Command = storing(
    "zdiffstore",
    |call| answer_stored(call, Operation::Diff, "zdiffstore"),
    "6.2.0",
    DIFF_COST,
    "Subtract multiple sorted sets and store the resulting sorted set in a new key",
)
.syntax("destination@0 numkeys:int key@1...");

const fn storing(
    name: &'static str,
    handler: Handler,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
) -> Command {
    command(name, -4, handler)
        .flags(Flags::WRITE.or(Flags::DENYOOM).or(Flags::MOVABLE_KEYS))
        .keys(Keys::Counted { destination: 1, count: 2 })
        .acl(Categories::SORTEDSET)
        .docs(Group::SortedSet, since, complexity, summary)
}

fn answer_stored(call: &mut Call<'_, '_>, operation: Operation, name: &'static str) -> Result<(), Error> {
    let form = Form { name, number_at: 2, allowed: operation.allows(false) };
    let sources = form.sources(call.txn, call.env, call.db, call.args)?;
    let plan = form.plan(call.args, sources.len())?;
    let limits = call.txn.limits();
    let found = operation.run(&sources, &plan);
    let longest = found.iter().map(|total| total.member.len()).max().unwrap_or(0);
    let mut result = ZSet::with_form_of(found.len(), longest, &limits);
    for total in found {
        result.insert_or_update(&total.member, total.score, &limits, &mut NoLog);
    }
    store(call, call.args[1], result, name);
    Ok(())
}

pub(super) const ZINTERCARD: Command = command("zintercard", -3, zintercard)
    .flags(Flags::READONLY.or(Flags::MOVABLE_KEYS))
    .keys(Keys::counted(1))
    .acl(Categories::SORTEDSET)
    .docs(
        Group::SortedSet,
        "7.0.0",
        "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
        "Intersect multiple sorted sets and return the cardinality of the result",
    )
    .syntax("numkeys:int key... [LIMIT limit:int]");

fn zintercard(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let allowed = Allowed { arithmetic: false, scores: false, limit: true };
    let form = Form { name: "zintercard", number_at: 1, allowed };
    let sources = form.sources(call.txn, call.env, call.db, call.args)?;
    let plan = form.plan(call.args, sources.len())?;
    let limit = if plan.limit == 0 { usize::MAX } else { plan.limit };
    let mut count = 0;
    intersect(&sources, &plan, |_, _| {
        count += 1;
        count < limit
    });
    call.reply.int(count as i64);
    Ok(())
}

/// What the requests of a command look like. A source of a wrong type is reported before what is wrong behind the keys,
/// so those come first.
struct Form {
    name: &'static str,
    /// The position of the number of keys.
    number_at: usize,
    allowed: Allowed,
}

impl Form {
    fn sources<'t>(
        &self,
        txn: &'t Txn<'_>,
        env: Env<'_>,
        db: u16,
        args: &[&[u8]],
    ) -> Result<Vec<Source<'t>>, Error> {
        let keys = keys(args, self.number_at, self.name)?.iter();
        let find = |key: &&[u8]| {
            let source = Source::find(txn, db, key)?;
            env.count_lookup(txn, db, key, !matches!(source, Source::Missing));
            Ok(source)
        };
        keys.map(find).collect()
    }

    fn plan(&self, args: &[&[u8]], keys: usize) -> Result<Plan, Error> {
        Plan::parse(Options::new(args, self.number_at + 1 + keys), keys, self.allowed)
    }
}

/// What takes part in a combination.
#[derive(Clone, Copy)]
enum Source<'t> {
    Missing,
    ZSet(&'t ZSet),
    Set(&'t Set),
}

impl<'t> Source<'t> {
    fn find(txn: &'t Txn<'_>, db: u16, key: &[u8]) -> Result<Self, Error> {
        match txn.value(db, key) {
            None => Ok(Source::Missing),
            Some(ValueRef::ZSet(zset)) => Ok(Source::ZSet(zset)),
            Some(ValueRef::Set(set)) => Ok(Source::Set(set)),
            Some(_) => Err(Error::WrongType),
        }
    }

    fn len(self) -> usize {
        match self {
            Source::Missing => 0,
            Source::ZSet(zset) => zset.len(),
            Source::Set(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::ZSet(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
        }
    }

    /// Calls `visit` with members and scores as long as it wants more.
    fn each(self, mut visit: impl FnMut(Cow<'t, [u8]>, f64) -> bool) {
        match self {
            Source::Missing => {}
            Source::ZSet(zset) => {
                zset.iter().all(|(member, score)| visit(Cow::Borrowed(member), score));
            }
            Source::Set(set) => {
                set.iter().all(|member| visit(member.into_bytes(), 1.0));
            }
        }
    }
}

/// A member of the result.
#[derive(Clone)]
struct Total<'t> {
    member: Cow<'t, [u8]>,
    score: f64,
}

impl Keyed for Total<'_> {
    fn key(&self) -> &[u8] {
        &self.member
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

impl Operation {
    /// A difference has the scores of its first source; stored results don't show theirs.
    fn allows(self, scores: bool) -> Allowed {
        Allowed { arithmetic: self != Operation::Diff, scores, limit: false }
    }

    /// The result, in the order of a sorted set.
    fn run<'t>(self, sources: &[Source<'t>], plan: &Plan) -> Vec<Total<'t>> {
        let mut found = Vec::new();
        match self {
            Operation::Union => found = unite(sources, plan),
            Operation::Inter => intersect(sources, plan, |member, score| {
                found.push(Total { member, score });
                true
            }),
            Operation::Diff => subtract(sources, |member, score| found.push(Total { member, score })),
        }
        found.sort_unstable_by(|one, other| {
            let by_score = one.score.partial_cmp(&other.score).expect("a score is a number");
            by_score.then_with(|| one.member.cmp(&other.member))
        });
        found
    }
}

/// Members of any source. Scores are added from the smallest source to the biggest: the order decides how they round.
fn unite<'t>(sources: &[Source<'t>], plan: &Plan) -> Vec<Total<'t>> {
    let mut totals: Table<Total<'t>> = Table::default();
    for at in by_len(sources) {
        let weight = plan.weight(at);
        sources[at].each(|member, score| {
            let score = zero_if_nan(score * weight);
            let hash = hash_of(&member);
            match totals.get_index_of_hashed(hash, &member) {
                None => _ = totals.insert_unique_hashed(hash, Total { member, score }),
                Some(at) => {
                    let total = totals.get_at_mut(at).expect("a position that was just found");
                    total.score = plan.aggregate.of(total.score, score);
                }
            }
            true
        });
    }
    totals.iter().cloned().collect()
}

/// Members of every source, as long as `visit` wants more.
fn intersect<'t>(sources: &[Source<'t>], plan: &Plan, mut visit: impl FnMut(Cow<'t, [u8]>, f64) -> bool) {
    let order = by_len(sources);
    let (smallest, others) = order.split_first().expect("at least one key is required");
    let weight = plan.weight(*smallest);
    sources[*smallest].each(|member, score| {
        let first = zero_if_nan(score * weight);
        let total = others.iter().try_fold(first, |total, &at| {
            let score = sources[at].score(&member)?;
            Some(plan.aggregate.of(total, score * plan.weight(at)))
        });
        total.is_none_or(|total| visit(member, total))
    });
}

/// Members of the first source that no other has.
fn subtract<'t>(sources: &[Source<'t>], mut visit: impl FnMut(Cow<'t, [u8]>, f64)) {
    let (first, others) = sources.split_first().expect("at least one key is required");
    first.each(|member, score| {
        if others.iter().all(|other| other.score(&member).is_none()) {
            visit(member, score);
        }
        true
    });
}

/// The positions of the sources from the smallest to the biggest.
fn by_len(sources: &[Source<'_>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|&at| sources[at].len());
    order
}

const UNION_COST: &str = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";
const UNION_STORE_COST: &str = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.";
const INTER_COST: &str = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.";
const DIFF_COST: &str = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.";
