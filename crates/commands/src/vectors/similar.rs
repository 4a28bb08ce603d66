//! VSIM.

use perigee_keyspace::{Found, PreparedVector, Txn, VectorSearch, VectorSet};
use perigee_resp::{Protocol, Reply};

use super::on_vectors;
use super::vector::{mismatch, projection_mismatch, vector};
use super::wish::Wish;
use crate::call::{Call, Suspend};
use crate::effects::Effects;
use crate::engine::Env;
use crate::error::Error;
use crate::parse::Word;
use crate::scripts::{ScriptFlow, ScriptRun};
use crate::session::Role;
use crate::spec::{Command, Flags, Group};

pub(super) const VSIM: Command = on_vectors("vsim", -4, vsim, Flags::READONLY)
    .docs(
        Group::VectorSet,
        "8.0.0",
        "O(log(N)) where N is the number of elements in the vector set.",
        "Return elements by vector similarity.",
    )
    .history(&[("8.2.0", "Added the `WITHATTRIBS` option.")])
    .syntax(
        "key vector<ELE element|FP32 blob|VALUES values(num:int component:double...)> [WITHSCORES] \
        [WITHATTRIBS^8.2.0] [COUNT num:int] [EPSILON delta:double^8.2.0] [EF search-exploration-factor:int] \
        [FILTER expression] [FILTER-EF max-filtering-effort:int] [TRUTH] [NOTHREAD]",
    );

fn vsim(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    // As Redis: whatever else may be wrong, there is nothing to be found where there is no key.
    let Some(set) = set else {
        call.reply.array(0);
        return Ok(());
    };
    let (query, at) = query(set, call.args)?;
    let wish = Wish::parse(call.args, at)?;
    let search = set.search(query, wish.plan());
    let mut searching = Searching { search, wish };
    // A script's own slices end between its calls.
    let until_ns = if call.session.role == Role::Script { u64::MAX } else { call.env.ticks_ns() + SLICE_NS };
    if searching.advance(set, call.env, until_ns) {
        searching.answer(call.reply, set);
    } else {
        let (db, key) = (call.db, call.args[1].into());
        call.suspend(Suspend::Script(Box::new(Sliced { db, key, searching: Some(searching) })));
    }
    Ok(())
}

/// What is looked for, and the position of the first option.
fn query(set: &VectorSet, args: &[&[u8]]) -> Result<(PreparedVector, usize), Error> {
    if Word(args[2]).is("ELE") {
        let at = set.find(args[3]).ok_or(Error::Text("ERR element not found in set"))?;
        return Ok((set.prepared_of(at), 4));
    }
    let (vector, at) = vector(args, 2)?;
    let prepared = set.prepare(&vector).ok_or_else(|| match &set.params().projection {
        Some(projection) => projection_mismatch(vector.len(), projection.input_dim()),
        None => mismatch(vector.len(), set.params().dim),
    })?;
    Ok((prepared, at))
}

struct Searching {
    search: VectorSearch,
    wish: Wish,
}

/// Elements that are looked at before the clock is.
const STEP: usize = 500;
/// How long others wait for a search that looks at very many.
const SLICE_NS: u64 = 1_000_000;

impl Searching {
    /// Looks at more elements until that moment, and answers whether the search is done.
    fn advance(&mut self, set: &VectorSet, env: Env<'_>, until_ns: u64) -> bool {
        let Searching { search, wish } = self;
        let mut is_wanted = |attributes: Option<&[u8]>| {
            let filter = wish.filter.as_ref();
            filter.is_none_or(|filter| attributes.is_some_and(|attributes| filter.matches(attributes)))
        };
        while !search.step(set, STEP, wish.filter.as_ref().map(|_| &mut is_wanted as _)) {
            if env.ticks_ns() >= until_ns {
                return false;
            }
        }
        true
    }

    fn answer(self, reply: &mut dyn Reply, set: &VectorSet) {
        let mut found = self.search.found();
        self.wish.choose(&mut found);
        answer(reply, set, &found, &self.wish);
    }
}

/// A search that goes on in another slice. The transaction keeps the set as it is.
struct Sliced {
    db: u16,
    key: Box<[u8]>,
    searching: Option<Searching>,
}

impl ScriptRun for Sliced {
    fn resume<'e>(
        &mut self,
        env: Env<'e>,
        txn: &mut Txn<'e>,
        _: &mut Effects,
        reply: &mut dyn Reply,
    ) -> ScriptFlow {
        let (Ok(Some(set)), Some(mut searching)) = (txn.vectors(self.db, &self.key), self.searching.take())
        else {
            unreachable!("the transaction holds the key, and a search that is done is not resumed")
        };
        if !searching.advance(set, env, env.ticks_ns() + SLICE_NS) {
            self.searching = Some(searching);
            return ScriptFlow::Yielded;
        }
        searching.answer(reply, set);
        ScriptFlow::Done
    }
}

/// Names; with scores, attributes or both behind each, or in RESP3 as its value, both in an array.
fn answer(reply: &mut dyn Reply, set: &VectorSet, found: &[Found], wish: &Wish) {
    let both = wish.with_scores && wish.with_attributes;
    let resp3 = reply.protocol() == Protocol::Resp3;
    match usize::from(wish.with_scores) + usize::from(wish.with_attributes) {
        0 => reply.array(found.len()),
        _ if resp3 => reply.map(found.len()),
        extras => reply.array(found.len() * (1 + extras)),
    }
    for element in found {
        reply.bulk(set.name(element.at));
        if both && resp3 {
            reply.array(2);
        }
        if wish.with_scores {
            reply.shortest(element.similarity);
        }
        if wish.with_attributes {
            match set.attribute(element.at) {
                Some(attributes) => reply.bulk(attributes),
                None => reply.null(),
            }
        }
    }
}
