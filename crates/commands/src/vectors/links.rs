//! VLINKS.

use super::{FAST_READ, on_vectors};
use crate::call::Call;
use crate::error::Error;
use crate::parse::Word;
use crate::spec::{Command, Group};

pub(super) const VLINKS: Command = on_vectors("vlinks", -3, vlinks, FAST_READ)
    .docs(
        Group::VectorSet,
        "8.0.0",
        "O(1)",
        "Return the neighbors of an element at each layer in the HNSW graph.",
    )
    .syntax("key element [WITHSCORES]");

fn vlinks(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let with_scores = match call.args[3..] {
        [] => false,
        [option] if Word(option).is("WITHSCORES") => true,
        _ => return Err(Error::WrongArity("vlinks")),
    };
    let set = call.txn.vectors(call.db, call.args[1])?;
    call.env.count_lookup(call.txn, call.db, call.args[1], set.is_some());
    let Some((set, at)) = set.and_then(|set| Some((set, set.find(call.args[2])?))) else {
        call.reply.null();
        return Ok(());
    };
    call.reply.array(set.level(at) + 1);
    for layer in (0..=set.level(at)).rev() {
        let links = set.links(at, layer);
        if with_scores {
            call.reply.map(links.len());
        } else {
            call.reply.array(links.len());
        }
        for &other in links {
            call.reply.bulk(set.name(other as usize));
            if with_scores {
                call.reply.shortest(set.similarity(at, other as usize).into());
            }
        }
    }
    Ok(())
}
