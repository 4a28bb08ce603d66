//! Argument shapes of the commands, and random requests made from them.
//!
//! A shape is words between blanks: UPPER CASE is itself (in any case), lower case a category of `shapes`, `n:kset` a count
//! and that many keys, `[a | b]` one of them or nothing, `<a | b>` one of them; a closing bracket may be followed by `*` (none to
//! three times) or `+` (one to three times).

use super::pair::Request;
use super::shapes::{Dice, anything, word};

/// A random request of a command's shape; about one in eight is deliberately misshapen.
pub(super) fn request(dice: &mut Dice, name: &str, shape: &str) -> Request {
    let mut request: Request = name.split(' ').map(|part| case(dice, part)).collect();
    let own = request.len();
    sequence(dice, &mut tokenize(shape), &mut request, true);
    // A misshapen timeout could be a long one, a misshapen rank has 7.2's option, and a key of equal scores stays one.
    let may_misshape = !name.starts_with('B') && !name.ends_with("RANK");
    let lexical = request.get(own).is_some_and(|word| word.starts_with(b"y"));
    // Nor may a wait become a long one, or a time one that may pass meanwhile.
    let timed = request.iter().any(|word| word.eq_ignore_ascii_case(b"BLOCK"))
        || ["XCLAIM", "XAUTOCLAIM", "XPENDING"].contains(&name);
    if dice.one_in(8) && may_misshape && !lexical && !timed {
        let well_shaped = request.clone();
        misshape(dice, &mut request, own);
        // A misshapen XREAD may have the ID of 7.4.
        if is_hasty(&request) || (name == "XREAD" && request.iter().any(|word| word == b"+")) {
            return well_shaped;
        }
    }
    request
}

/// Whether a deadline may pass within the episode, when each server does it at its own time.
fn is_hasty(request: &Request) -> bool {
    let is =
        |word: &[u8], names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    let soon = |word: &[u8], limit: i64| {
        std::str::from_utf8(word)
            .ok()
            .and_then(|text| text.parse().ok())
            .is_some_and(|n: i64| 0 < n && n < limit)
    };
    let follows = |at: usize, limit: i64| request.get(at).is_some_and(|word| soon(word, limit));
    let (ms, s) = (60_000, 60);
    (is(&request[0], &["PEXPIRE", "PSETEX", "RESTORE"]) && follows(2, ms))
        || (is(&request[0], &["EXPIRE", "SETEX"]) && follows(2, s))
        || request.iter().enumerate().any(|(at, word)| {
            (is(word, &["PX"]) && follows(at + 1, ms)) || (is(word, &["EX"]) && follows(at + 1, s))
        })
}

/// A random request of a shape, which begins with the command's name.
pub(super) fn written(dice: &mut Dice, shape: &str) -> Request {
    let mut request = Request::new();
    sequence(dice, &mut tokenize(shape), &mut request, true);
    request
}

/// A request that makes a collection large.
pub(super) fn many(dice: &mut Dice) -> Request {
    let (shape, numbered) = *dice.pick(&[
        ("RPUSH klist", "val"),
        ("SADD kset", ""),
        ("SADD kset", "int"),
        ("HSET khash", "val"),
        ("ZADD kzset", ""),
        ("PFADD khll", ""),
    ]);
    let mut request = written(dice, shape);
    let score = shape.starts_with("ZADD");
    for number in 0..100 + dice.below(500) {
        if score {
            request.push(dice.below(40).to_string().into_bytes());
        }
        let element = if numbered == "int" { number.to_string() } else { format!("m{number}") };
        request.push(element.into_bytes());
        if shape.starts_with("HSET") {
            request.extend(word(dice, numbered));
        }
    }
    request
}

/// The names with a written shape.
pub(super) fn shaped_names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|(name, _)| *name)
}

/// The written shape of a command.
pub(super) fn shape(name: &str) -> Option<&'static str> {
    SHAPES.iter().find(|(command, _)| *command == name).map(|(_, shape)| *shape)
}

fn misshape(dice: &mut Dice, request: &mut Request, own: usize) {
    let at = own + dice.below(request.len().saturating_sub(own));
    match dice.below(5) {
        0 if at < request.len() => drop(request.remove(at)),
        1 if at < request.len() => request.insert(at, request[at].clone()),
        2 if at < request.len() => request[at] = anything(dice),
        3 if at + 1 < request.len() => request.swap(at, at + 1),
        _ => request.push(anything(dice)),
    }
}

fn case(dice: &mut Dice, text: &str) -> Vec<u8> {
    if dice.one_in(4) { text.to_lowercase().into_bytes() } else { text.as_bytes().to_vec() }
}

type Tokens<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn tokenize(shape: &str) -> Tokens<'_> {
    shape.split_ascii_whitespace().collect::<Vec<_>>().into_iter().peekable()
}

/// Writes a sequence up to its closing bracket or bar; `wanted` is false to read over it.
fn sequence(dice: &mut Dice, tokens: &mut Tokens<'_>, out: &mut Request, wanted: bool) {
    while let Some(token) = tokens.next_if(|token| !token.starts_with(['|', ']', '>'])) {
        match token {
            "[" | "<" => choice(dice, tokens, out, wanted, token == "["),
            _ if wanted => terminal(dice, token, out),
            _ => {}
        }
    }
}

fn choice(dice: &mut Dice, tokens: &mut Tokens<'_>, out: &mut Request, wanted: bool, optional: bool) {
    let start = tokens.clone();
    let mut branches = 1;
    let mut ignored = Vec::new();
    let end = loop {
        sequence(dice, tokens, &mut ignored, false);
        match tokens.next() {
            Some("|") => branches += 1,
            other => break other.unwrap_or("]"),
        }
    };
    if !wanted {
        return;
    }
    let times = match &end[1..] {
        "*" => dice.below(4),
        "+" => 1 + dice.below(3),
        _ if optional => usize::from(!dice.one_in(2)),
        _ => 1,
    };
    for _ in 0..times {
        let chosen = dice.below(branches);
        let mut again = start.clone();
        for branch in 0..=chosen {
            sequence(dice, &mut again, out, branch == chosen);
            again.next();
        }
    }
}

fn terminal(dice: &mut Dice, token: &str, out: &mut Request) {
    if let Some(category) = token.strip_prefix("n:") {
        let keys = 1 + dice.below(3);
        let count = if dice.one_in(15) { dice.below(6) } else { keys };
        out.push(count.to_string().into_bytes());
        out.extend((0..keys).filter_map(|_| word(dice, category)));
    } else if token == "GREATER" {
        // As itself it would close a choice.
        out.push(b">".to_vec());
    } else if let Some(word) = word(dice, token) {
        out.push(word);
    } else {
        out.push(case(dice, token));
    }
}

const SHAPES: &[(&str, &str)] = &[
    // strings
    ("APPEND", "kstr val"),
    ("DECR", "kstr"),
    ("DECRBY", "kstr int"),
    ("GET", "kstr"),
    ("GETDEL", "kstr"),
    ("GETEX", "kstr [ EX ttl | PX pttl | EXAT at | PXAT pat | PERSIST ]"),
    ("GETRANGE", "kstr idx idx"),
    ("GETSET", "kstr val"),
    ("INCR", "kstr"),
    ("INCRBY", "kstr int"),
    ("INCRBYFLOAT", "kstr num"),
    ("LCS", "kstr kstr [ LEN | IDX | MINMATCHLEN cnt | WITHMATCHLEN ]*"),
    ("MGET", "< kstr >+"),
    ("MSET", "< kstr val >+"),
    ("MSETNX", "< kstr val >+"),
    ("PSETEX", "kstr pttl val"),
    ("SET", "kstr val [ NX | XX | GET | EX ttl | PX pttl | EXAT at | PXAT pat | KEEPTTL ]*"),
    ("SETEX", "kstr ttl val"),
    ("SETNX", "kstr val"),
    ("SETRANGE", "kstr < 0 | 3 | 10 | -1 | abc | 536870912 | 70 > val"),
    ("STRLEN", "kstr"),
    ("SUBSTR", "kstr idx idx"),
    // bits
    ("BITCOUNT", "kstr [ idx idx | idx idx BYTE | idx idx BIT | idx ]"),
    (
        "BITFIELD",
        "kstr [ GET enc fieldoff | SET enc fieldoff int | INCRBY enc fieldoff int | OVERFLOW < WRAP | SAT | FAIL | X > ]*",
    ),
    ("BITFIELD_RO", "kstr [ GET enc fieldoff | SET enc fieldoff int ]*"),
    (
        "BITOP",
        "< AND kstr < kstr >+ | OR kstr < kstr >+ | XOR kstr < kstr >+ | NOT kstr kstr | NOT kstr kstr kstr | NAND kstr kstr >",
    ),
    ("BITPOS", "kstr bit [ idx | idx idx | idx idx BIT | idx idx BYTE ]"),
    ("GETBIT", "kstr bitoff"),
    ("SETBIT", "kstr < 0 | 7 | 9 | 100 | 2000 | -1 | 4294967296 | abc > bit"),
    // lists
    ("LINDEX", "klist idx"),
    ("LINSERT", "klist < BEFORE | AFTER | X > member member"),
    ("LLEN", "klist"),
    ("LMOVE", "klist klist < LEFT | RIGHT > < LEFT | RIGHT | X >"),
    ("LMPOP", "n:klist < LEFT | RIGHT > [ COUNT cnt ]"),
    ("LPOP", "klist [ cnt ]"),
    ("LPOS", "klist member [ RANK idx | COUNT cnt | MAXLEN cnt ]*"),
    ("LPUSH", "klist < member >+"),
    ("LPUSHX", "klist < member >+"),
    ("LRANGE", "klist idx idx"),
    ("LREM", "klist idx member"),
    ("LSET", "klist idx member"),
    ("LTRIM", "klist idx idx"),
    ("RPOP", "klist [ cnt ]"),
    ("RPOPLPUSH", "klist klist"),
    ("RPUSH", "klist < val >+"),
    ("RPUSHX", "klist < member >+"),
    ("BLPOP", "< klist >+ timeout"),
    ("BRPOP", "< klist >+ timeout"),
    ("BLMOVE", "klist klist < LEFT | RIGHT > < LEFT | RIGHT > timeout"),
    ("BLMPOP", "timeout n:klist < LEFT | RIGHT > [ COUNT cnt ]"),
    ("BRPOPLPUSH", "klist klist timeout"),
    // hashes
    ("HDEL", "khash < field >+"),
    ("HEXISTS", "khash field"),
    ("HGET", "khash field"),
    ("HGETALL", "khash"),
    ("HINCRBY", "khash field int"),
    ("HINCRBYFLOAT", "khash field num"),
    ("HKEYS", "khash"),
    ("HLEN", "khash"),
    ("HMGET", "khash < field >+"),
    ("HMSET", "khash < field val >+"),
    ("HRANDFIELD", "khash [ draws | draws WITHVALUES ]"),
    ("HSCAN", "khash cursor [ MATCH pattern | COUNT cnt ]*"),
    ("HSET", "khash < field val >+"),
    ("HSETNX", "khash field val"),
    ("HSTRLEN", "khash field"),
    ("HVALS", "khash"),
    // sets
    ("SADD", "kset < member >+"),
    ("SCARD", "kset"),
    ("SDIFF", "< kset >+"),
    ("SDIFFSTORE", "kset < kset >+"),
    ("SINTER", "< kset >+"),
    ("SINTERCARD", "n:kset [ LIMIT cnt ]"),
    ("SINTERSTORE", "kset < kset >+"),
    ("SISMEMBER", "kset member"),
    ("SMEMBERS", "kset"),
    ("SMISMEMBER", "kset < member >+"),
    ("SMOVE", "kset kset member"),
    ("SPOP", "kset [ cnt ]"),
    ("SRANDMEMBER", "kset [ draws ]"),
    ("SREM", "kset < member >+"),
    ("SSCAN", "kset cursor [ MATCH pattern | COUNT cnt ]*"),
    ("SUNION", "< kset >+"),
    ("SUNIONSTORE", "kset < kset >+"),
    // sorted sets
    (
        "ZADD",
        "< kzset [ NX | XX | GT | LT | CH | INCR ]* < score member >+ | klex < 0 member >+ | klex < 0 member >+ >",
    ),
    ("ZCARD", "kzset"),
    ("ZCOUNT", "kzset bound bound"),
    ("ZDIFF", "n:kzset [ WITHSCORES ]"),
    ("ZDIFFSTORE", "kzset n:kzset"),
    ("ZINCRBY", "kzset num member"),
    ("ZINTER", "n:kzset [ WEIGHTS < weight >+ | AGGREGATE < SUM | MIN | MAX | X > | WITHSCORES ]*"),
    ("ZINTERCARD", "n:kzset [ LIMIT cnt ]"),
    ("ZINTERSTORE", "kzset n:kzset [ WEIGHTS < weight >+ | AGGREGATE < SUM | MIN | MAX > ]*"),
    ("ZLEXCOUNT", "klex lex lex"),
    ("ZMPOP", "n:kzset < MIN | MAX > [ COUNT cnt ]"),
    ("ZMSCORE", "kzset < member >+"),
    ("ZPOPMAX", "kzset [ cnt ]"),
    ("ZPOPMIN", "kzset [ cnt ]"),
    ("ZRANDMEMBER", "kzset [ draws | draws WITHSCORES ]"),
    (
        "ZRANGE",
        "< kzset < idx idx | bound bound BYSCORE > | klex lex lex BYLEX > [ REV | LIMIT idx cnt | WITHSCORES ]*",
    ),
    ("ZRANGEBYLEX", "klex lex lex [ LIMIT idx cnt ]"),
    ("ZRANGEBYSCORE", "kzset bound bound [ WITHSCORES | LIMIT idx cnt ]*"),
    (
        "ZRANGESTORE",
        "kzset < kzset < idx idx | bound bound BYSCORE > | klex lex lex BYLEX > [ REV | LIMIT idx cnt ]*",
    ),
    ("ZRANK", "kzset member"),
    ("ZREM", "kzset < member >+"),
    ("ZREMRANGEBYLEX", "klex lex lex"),
    ("ZREMRANGEBYRANK", "kzset idx idx"),
    ("ZREMRANGEBYSCORE", "kzset bound bound"),
    ("ZREVRANGE", "kzset idx idx [ WITHSCORES ]"),
    ("ZREVRANGEBYLEX", "klex lex lex [ LIMIT idx cnt ]"),
    ("ZREVRANGEBYSCORE", "kzset bound bound [ WITHSCORES | LIMIT idx cnt ]*"),
    ("ZREVRANK", "kzset member"),
    ("ZSCAN", "kzset cursor [ MATCH pattern | COUNT cnt ]*"),
    ("ZSCORE", "kzset member"),
    ("ZUNION", "n:kzset [ WEIGHTS < weight >+ | AGGREGATE < SUM | MIN | MAX > | WITHSCORES ]*"),
    ("ZUNIONSTORE", "kzset n:kzset [ WEIGHTS < weight >+ | AGGREGATE < SUM | MIN | MAX > ]*"),
    ("BZMPOP", "timeout n:kzset < MIN | MAX > [ COUNT cnt ]"),
    ("BZPOPMAX", "< kzset >+ timeout"),
    ("BZPOPMIN", "< kzset >+ timeout"),
    // streams
    ("XACK", "kstream group < id >+"),
    (
        "XADD",
        "kstream [ NOMKSTREAM | MAXLEN cnt | MAXLEN ~ cnt | MAXLEN ~ cnt LIMIT cnt | MINID id | MINID ~ id | LIMIT cnt ] newid < field val >+",
    ),
    ("XAUTOCLAIM", "kstream group consumer minidle from [ COUNT cnt | JUSTID ]*"),
    (
        "XCLAIM",
        "kstream group consumer minidle < id >+ [ IDLE idle | TIME moment | RETRYCOUNT cnt | FORCE | FORCE | JUSTID | LASTID id ]*",
    ),
    ("XDEL", "kstream < id >+"),
    ("XGROUP CREATE", "kstream group < $ | 0 | id > [ MKSTREAM | MKSTREAM | ENTRIESREAD cnt ]*"),
    ("XGROUP CREATECONSUMER", "kstream group consumer"),
    ("XGROUP DELCONSUMER", "kstream group consumer"),
    ("XGROUP DESTROY", "kstream group"),
    ("XGROUP SETID", "kstream group < $ | 0 | id > [ ENTRIESREAD cnt ]"),
    ("XINFO CONSUMERS", "kstream group"),
    ("XINFO GROUPS", "kstream"),
    ("XINFO STREAM", "kstream [ FULL | FULL COUNT cnt | X ]"),
    ("XLEN", "kstream"),
    (
        "XPENDING",
        "kstream group [ from to cnt | from to cnt consumer | IDLE minidle from to cnt [ consumer ] ]",
    ),
    ("XRANGE", "kstream < - + | from to > [ COUNT cnt ]"),
    (
        "XREAD",
        "[ COUNT cnt | BLOCK 1 ]* STREAMS < kstream < readid | $ | 0 > | kstream kstream < readid | $ | 0 > < readid | 0 > >",
    ),
    (
        "XREADGROUP",
        "GROUP group consumer [ COUNT cnt | BLOCK 1 | NOACK ]* STREAMS < kstream < GREATER | GREATER | GREATER | 0 | id > | kstream kstream < GREATER | id > < GREATER | 0 > >",
    ),
    ("XREVRANGE", "kstream < + - | to from > [ COUNT cnt ]"),
    ("XSETID", "kstream id [ ENTRIESADDED cnt | MAXDELETEDID id ]*"),
    ("XTRIM", "kstream < MAXLEN | MINID > [ = | ~ | ~ ] < cnt | id > [ LIMIT cnt ]"),
    // HyperLogLogs
    ("PFADD", "khll [ val | member | int ]*"),
    ("PFCOUNT", "< khll >+"),
    ("PFDEBUG", "< GETREG | DECODE | ENCODING | TODENSE | X > khll"),
    ("PFMERGE", "khll < khll >+"),
    // places
    ("GEOADD", "kgeo [ NX | XX | CH ]* < lon lat member >+"),
    ("GEODIST", "kgeo member member [ unit ]"),
    ("GEOHASH", "< kgeo | kzset > [ member ]*"),
    ("GEOPOS", "< kgeo | kzset > [ member ]*"),
    (
        "GEORADIUS",
        "kgeo lon lat radius unit [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC ]* [ STORE kgeo | STOREDIST kzset ]",
    ),
    (
        "GEORADIUSBYMEMBER",
        "kgeo member radius unit [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC ]* [ STORE kgeo | STOREDIST kzset ]",
    ),
    (
        "GEORADIUSBYMEMBER_RO",
        "kgeo member radius unit [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC | STORE kgeo ]*",
    ),
    (
        "GEORADIUS_RO",
        "kgeo lon lat radius unit [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC | STORE kgeo ]*",
    ),
    (
        "GEOSEARCH",
        "kgeo < FROMMEMBER member | FROMLONLAT lon lat > < BYRADIUS radius unit | BYBOX radius radius unit > [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC | FROMMEMBER member ]*",
    ),
    (
        "GEOSEARCHSTORE",
        "kgeo kgeo < FROMMEMBER member | FROMLONLAT lon lat > < BYRADIUS radius unit | BYBOX radius radius unit > [ COUNT cnt | COUNT cnt ANY | ASC | DESC | STOREDIST | WITHDIST ]*",
    ),
    // keys of any type
    ("DUMP", "key"),
    ("RESTORE", "key < 0 | 0 | pttl > payload [ REPLACE | REPLACE | ABSTTL | IDLETIME cnt | FREQ cnt ]*"),
    ("COPY", "key key [ DB db | REPLACE ]*"),
    ("DBSIZE", ""),
    ("DEL", "< key >+"),
    ("ECHO", "val"),
    ("EXISTS", "< key >+"),
    ("EXPIRE", "key ttl [ NX | XX | GT | LT ]*"),
    ("EXPIREAT", "key at [ NX | XX | GT | LT ]*"),
    ("EXPIRETIME", "key"),
    ("KEYS", "pattern"),
    ("MOVE", "key db"),
    ("OBJECT ENCODING", "key"),
    ("OBJECT REFCOUNT", "< kstr | khash >"),
    ("PERSIST", "key"),
    ("PEXPIRE", "key pttl [ NX | XX | GT | LT ]*"),
    ("PEXPIREAT", "key pat [ NX | XX | GT | LT ]*"),
    ("PEXPIRETIME", "key"),
    ("OBJECT IDLETIME", "key"),
    ("OBJECT FREQ", "key"),
    ("PING", "[ val ]"),
    ("PTTL", "key"),
    ("PUBLISH", "channel val"),
    ("PUBSUB CHANNELS", "[ chpattern ]"),
    ("PUBSUB NUMPAT", ""),
    ("PUBSUB NUMSUB", "< channel >*"),
    ("PUBSUB SHARDCHANNELS", "[ chpattern ]"),
    ("PUBSUB SHARDNUMSUB", "< channel >*"),
    ("RANDOMKEY", ""),
    ("RENAME", "key key"),
    ("RENAMENX", "key key"),
    ("SCAN", "cursor [ MATCH pattern | COUNT 1000 | TYPE type | COUNT cnt ]*"),
    (
        "SORT",
        "< klist | kset | kzset > [ ALPHA | ASC | DESC | LIMIT idx cnt | BY by | GET get | STORE klist ]*",
    ),
    (
        "SORT_RO",
        "< klist | kset | kzset > [ ALPHA | ASC | DESC | LIMIT idx cnt | BY by | GET get | STORE klist ]*",
    ),
    ("SELECT", "db"),
    ("SPUBLISH", "channel val"),
    ("SWAPDB", "db db"),
    ("TOUCH", "< key >+"),
    ("TTL", "key"),
    ("TYPE", "key"),
    ("UNLINK", "< key >+"),
    ("UNWATCH", ""),
    ("WATCH", "< key >+"),
    ("FLUSHALL", "[ ASYNC | SYNC | X ]"),
    ("FLUSHDB", "[ ASYNC | SYNC | X ]"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_well_formed_and_give_their_words() {
        for (name, shape) in SHAPES {
            let depth = shape.split_ascii_whitespace().fold(0i32, |depth, token| match token.as_bytes()[0] {
                b'[' | b'<' => depth + 1,
                b']' | b'>' => depth - 1,
                _ => depth,
            });
            assert_eq!(depth, 0, "{name}");
        }
        let mut dice = Dice::new(7);
        for _ in 0..200 {
            let mut out = Vec::new();
            sequence(&mut dice, &mut tokenize("A [ B | < C | D > E ]* F"), &mut out, true);
            assert!(out.first().is_some_and(|word| word.eq_ignore_ascii_case(b"A")));
            assert!(out.last().is_some_and(|word| word.eq_ignore_ascii_case(b"F")));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_requests() {
        const SET: &str = "kstr val [ NX | XX ]";
        let requests = |seed| (0..50).map(|_| request(&mut Dice::new(seed), "SET", SET)).collect::<Vec<_>>();
        assert_eq!(requests(5), requests(5));
        assert_ne!(requests(1), requests(2));
    }
}
