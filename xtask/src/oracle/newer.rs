//! The written shapes of what came after Redis 7.0, in the notation of `grammar`, by the servers that have it. They take the place of
//! those in `table` when a newer server is the reference.

use super::peer::Peer;

/// The shape of a command for a peer, if it has something new there.
pub(super) fn shape(peer: Peer, name: &str) -> Option<&'static str> {
    let own = match peer {
        Peer::Redis => REDIS,
        Peer::Valkey => VALKEY,
    };
    let mut all = own.iter().chain(BOTH);
    all.find(|(command, _)| *command == name).map(|(_, shape)| *shape)
}

/// The names that have one.
pub(super) fn names(peer: Peer) -> impl Iterator<Item = &'static str> {
    let own = match peer {
        Peer::Redis => REDIS,
        Peer::Valkey => VALKEY,
    };
    own.iter().chain(BOTH).map(|(name, _)| *name)
}

/// Redis 8.0 and Valkey 9 alike.
const BOTH: &[(&str, &str)] = &[
    ("CLIENT NO-TOUCH", "< ON | OFF | X >"),
    ("CLIENT SETINFO", "< LIB-NAME | LIB-VER | X > < member | val >"),
    ("HEXPIRE", "khash ttl [ NX | XX | GT | LT ] FIELDS n:field"),
    ("HEXPIREAT", "khash at [ NX | XX | GT | LT ] FIELDS n:field"),
    ("HEXPIRETIME", "khash FIELDS n:field"),
    ("HPERSIST", "khash FIELDS n:field"),
    ("HPEXPIRE", "khash pttl [ NX | XX | GT | LT ] FIELDS n:field"),
    ("HPEXPIREAT", "khash pat [ NX | XX | GT | LT ] FIELDS n:field"),
    ("HPEXPIRETIME", "khash FIELDS n:field"),
    ("HPTTL", "khash FIELDS n:field"),
    ("HSCAN", "khash cursor [ MATCH pattern | COUNT cnt | NOVALUES ]*"),
    ("HTTL", "khash FIELDS n:field"),
    ("HGETEX", "khash [ EX ttl | PX pttl | EXAT at | PXAT pat | PERSIST ] FIELDS n:field"),
    ("ZRANK", "kzset member [ WITHSCORE ]"),
    ("ZREVRANK", "kzset member [ WITHSCORE ]"),
];

const REDIS: &[(&str, &str)] = &[
    ("HGETDEL", "khash FIELDS n:field"),
    ("HSETEX", "khash [ FNX | FXX ] [ EX ttl | PX pttl | EXAT at | PXAT pat | KEEPTTL ] FIELDS npairs:field"),
    // Not of bits: vectors would be equally near, where the order is free. Nor of counts that end the reference.
    (
        "VADD",
        "kvec < VALUES 3 comp comp comp member | VALUES 3 comp comp comp member | VALUES 3 comp comp comp member | VALUES 2 comp comp member | REDUCE 3 VALUES 3 comp comp comp member | FP32 val member > [ CAS | Q8 | EF < 1 | 200 | 0 > | M < 16 | 16 | 4 | 3 > | SETATTR attr | SETATTR attr | NOQUANT | X ]*",
    ),
    ("VCARD", "kvec"),
    ("VDIM", "kvec"),
    ("VEMB", "kvec member [ RAW | X ]"),
    ("VGETATTR", "kvec member"),
    ("VINFO", "kvec"),
    ("VISMEMBER", "kvec member"),
    ("VLINKS", "kvec member [ WITHSCORES ]"),
    ("VRANDMEMBER", "kvec [ < 0 | 1 | 3 | 100 | -4 | x > ]"),
    ("VREM", "kvec member"),
    ("VSETATTR", "kvec member attr"),
    (
        "VSIM",
        "kvec < ELE member | VALUES 3 comp comp comp | VALUES 3 comp comp comp | VALUES 2 comp comp > [ WITHSCORES | WITHATTRIBS | COUNT < 1 | 2 | 20 | 0 | x > | EF < 1 | 50 | 0 > | TRUTH | NOTHREAD | FILTER expr | FILTER expr | FILTER-EF < 100 | 0 > | EPSILON < 0.1 | 0.5 | 0 | x > | X ]*",
    ),
    (
        "XREAD",
        "[ COUNT cnt | BLOCK 1 ]* STREAMS < kstream < readid | $ | 0 | + > | kstream kstream < readid | $ | 0 | + > < readid | 0 | + > >",
    ),
];

const VALKEY: &[(&str, &str)] = &[
    ("CLIENT CAPA", "< redirect | x >+"),
    ("DELIFEQ", "kstr val"),
    (
        "GEOSEARCH",
        "kgeo < FROMMEMBER member | FROMLONLAT lon lat | X > < BYRADIUS radius unit | BYPOLYGON < 3 lon lat lon lat lon lat | 4 lon lat lon lat lon lat lon lat > | BYPOLYGON cnt lon lat lon lat > [ WITHDIST | WITHCOORD | WITHHASH | COUNT cnt | COUNT cnt ANY | ASC | DESC | FROMMEMBER member ]*",
    ),
    (
        "GEOSEARCHSTORE",
        "kgeo kgeo [ FROMMEMBER member ] BYPOLYGON 4 lon lat lon lat lon lat lon lat [ COUNT cnt | COUNT cnt ANY | ASC | DESC | STOREDIST | WITHDIST ]*",
    ),
    ("HGETDEL", "khash FIELDS n:field"),
    (
        "HSETEX",
        "khash [ NX | XX ] [ FNX | FXX ] [ EX ttl | PX pttl | EXAT later | PXAT < 4102444800000 | 0 | -1 | abc > | KEEPTTL ] FIELDS npairs:field",
    ),
    ("ZSCAN", "kzset cursor [ MATCH pattern | COUNT cnt | NOSCORES ]*"),
    ("SCRIPT SHOW", "< e0e1f9fabfc9d4800c877a703b823ac0578ff8db | any >"),
    (
        "SET",
        "kstr val [ NX | XX | IFEQ val | IFEQ val | GET | EX ttl | PX pttl | EXAT later | PXAT mlater | KEEPTTL ]*",
    ),
];
