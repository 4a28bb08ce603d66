//! DEBUG on what is inside of values: OBJECT, LISTPACK, QUICKLIST, HTSTATS, HTSTATS-KEY, QUICKLIST-PACKED-THRESHOLD.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use perigee_keyspace::{List, ValueRef};

use crate::call::Call;
use crate::config::{Param, memory};
use crate::error::Error;
use crate::generic::object::references;
use crate::payload::{self, Form, Node, NodeLimits};

/// As the configuration and DEBUG QUICKLIST-PACKED-THRESHOLD have it.
pub(crate) fn form(call: &Call<'_, '_>) -> Form {
    let engine = call.env.engine;
    let nodes = NodeLimits {
        fill: engine.config.number(Param::ListMaxListpackSize) as i32,
        plain_from: engine.plain_node_bytes.load(Ordering::Relaxed),
    };
    Form { compress: engine.config.is_on(Param::RdbCompression), nodes }
}

pub(super) fn object(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let entry = call.txn.stored(call.db, call.args[2]).ok_or(Error::NoSuchKey)?;
    let (now_ms, idle_s) = (call.txn.now_ms(), entry.idle_s(call.txn.now_ms()));
    let form = form(call);
    let mut body = Vec::new();
    payload::write_value(&mut body, entry.value(), form);
    let mut text = format!(
        "Value at:{:p} refcount:{} encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{idle_s}",
        std::ptr::from_ref(entry),
        references(&call.env.engine.config, entry),
        entry.value().encoding(),
        // Without the byte that says its type.
        body.len() - 1,
        (now_ms / 1000 - u64::from(idle_s)) & 0xff_ffff,
    );
    if let ValueRef::List(list) = entry.value() {
        let sizes = node_sizes(list, form.nodes);
        let _never_fails = write!(
            text,
            " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
            sizes.len(),
            list.len() as f64 / sizes.len() as f64,
            form.nodes.fill.clamp(-5, i16::MAX.into()),
            u8::from(call.env.engine.config.number(Param::ListCompressDepth) != 0),
            sizes.iter().sum::<usize>(),
        );
    }
    call.reply.simple(text.as_bytes());
    Ok(())
}

fn node_sizes(list: &List, limits: NodeLimits) -> Vec<usize> {
    let mut sizes = Vec::new();
    payload::for_each_node(list, limits, |node| {
        sizes.push(match node {
            Node::Plain(element) => element.len(),
            Node::Packed(listpack) => listpack.len(),
        });
    });
    sizes
}

/// Shows the elements of a small hash or sorted set in the log.
pub(super) fn listpack(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let entry = call.txn.peek(call.db, call.args[2]).ok_or(Error::NoSuchKey)?;
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let elements: Vec<String> = match entry.value() {
        ValueRef::Hash(hash) if hash.is_packed() => {
            hash.iter().flat_map(|(field, value)| [shown(field), shown(value)]).collect()
        }
        ValueRef::ZSet(zset) if zset.encoding() == "listpack" => {
            zset.iter().flat_map(|(member, score)| [shown(member), score.to_string()]).collect()
        }
        _ => return Err(Error::Text("ERR Not a listpack encoded object.")),
    };
    let text = format!("listpack of {} elements: {}", elements.len(), elements.join(" "));
    (call.env.engine.process.log)(2, &text);
    call.reply.simple(b"Listpack structure printed on stdout");
    Ok(())
}

/// Shows the nodes of a list in the log, and their elements if an argument other than 0 asks for them.
pub(super) fn quicklist(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let entry = call.txn.peek(call.db, call.args[2]).ok_or(Error::NoSuchKey)?;
    let ValueRef::List(list) = entry.value() else {
        return Err(Error::Text("ERR Not a quicklist encoded object."));
    };
    let full =
        call.args.get(3).is_some_and(|&full| crate::parse::integer(full).is_some_and(|full| full != 0));
    let sizes = node_sizes(list, form(call).nodes);
    let mut text = format!("quicklist of {} elements, bytes of its nodes: {sizes:?}", list.len());
    if full {
        list.iter().for_each(|element| text.extend([" ", &element.escape_ascii().to_string()]));
    }
    (call.env.engine.process.log)(2, &text);
    call.reply.simple(b"Quicklist structure printed on stdout");
    Ok(())
}

pub(super) fn set_packed_threshold(call: &mut Call<'_, '_>) -> Result<(), Error> {
    const REFUSED: Error =
        Error::Text("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let bytes = std::str::from_utf8(call.args[2]).ok().and_then(memory).ok_or(REFUSED)?;
    let bytes = match usize::try_from(bytes).map_err(|_| REFUSED)? {
        0 => NodeLimits::default().plain_from,
        bytes if bytes < 1 << 32 => bytes,
        _ => return Err(REFUSED),
    };
    call.env.engine.plain_node_bytes.store(bytes, Ordering::Relaxed);
    call.reply.ok();
    Ok(())
}

/// Of a database; there are no chains to tell of.
pub(super) fn hash_tables(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let db = call.integer(2)?;
    let databases = i64::from(call.env.engine.keyspace.databases());
    if !(0..databases).contains(&db) {
        return Err(Error::Text("ERR Out of range database"));
    }
    let db = db as u16;
    let text = format!(
        "[Dictionary HT]\n{}[Expires HT]\n{}",
        table(call.txn.len(db)),
        table(call.txn.volatile_len(db))
    );
    call.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

pub(super) fn hash_table_of_key(call: &mut Call<'_, '_>) -> Result<(), Error> {
    let entry = call.txn.peek(call.db, call.args[2]).ok_or(Error::NoSuchKey)?;
    let elements = match entry.value() {
        ValueRef::Set(set) if set.ints().is_none() => set.len(),
        ValueRef::Hash(hash) if !hash.is_packed() => hash.len(),
        ValueRef::ZSet(zset) if zset.encoding() != "listpack" => zset.len(),
        _ => {
            return Err(Error::Text(
                "ERR The value stored at the specified key is not represented using an hash table",
            ));
        }
    };
    let text = table(elements);
    call.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn table(elements: usize) -> String {
    let content = match elements {
        0 => "No stats available for empty dictionaries\n".to_owned(),
        elements => format!(" number of elements: {elements}\n"),
    };
    format!("Hash table 0 stats (main hash table):\n{content}")
}
