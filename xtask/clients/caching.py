"""redis-py's client-side cache: what it holds is what the server has, whoever changes that and however."""

import threading

import redis
from checks import SHORT, check, client, finish, raises, wait_for
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

# redis-py asks for a server of 7.4 or later; this one tells clients to expect 7.2.4 (COMPAT.md).
refusal = raises(redis.ConnectionError, lambda: client(protocol=3, cache_config=CacheConfig()).ping())
check("redis-py refuses by the version", refusal and "7.4" in refusal, refusal)
CacheProxyConnection.MIN_ALLOWED_VERSION = "7.2.4"


def caching(**options):
    """A client that keeps what it reads, over one connection."""
    return client(protocol=3, cache_config=CacheConfig(), single_connection_client=True, **options)


def changed_by(name, change):
    """A key that was read is read anew after the change."""
    reader, other = caching(), client()
    other.set("k", "before")
    other.hset("h", "f", "before")
    reads = [lambda: reader.get("k"), lambda: reader.hget("h", "f"), lambda: reader.mget("k", "none")]
    for read in reads:
        read()
    kept = reader.get_cache().size
    fresh = [read() for read in reads]
    change(other)
    truth = [other.get("k"), other.hget("h", "f"), other.mget("k", "none")]
    # That the key is to be read anew is told on another connection than the change's reply.
    found = wait_for(lambda: [read() for read in reads] == truth)
    check(name, kept == 3 and fresh[0] == "before" and found, (kept, fresh, truth))


def transaction(other):
    pipe = other.pipeline()
    pipe.set("k", "after").hset("h", "f", "after").get("k")
    pipe.execute()


SCRIPT = "redis.call('set', KEYS[1], ARGV[1]) redis.call('hset', KEYS[2], 'f', ARGV[1]) return redis.call('get', KEYS[1])"
UNDECLARED = SCRIPT.replace("KEYS[1]", "'k'").replace("KEYS[2]", "'h'")
UNDONE = "redis.call('set', KEYS[1], 'never') redis.call('hset', KEYS[2], 'f', 'never') redis.abort('undone')"

changed_by("SET and HSET", lambda other: (other.set("k", "after"), other.hset("h", "f", "after")))
changed_by("DEL", lambda other: other.delete("k", "h"))
changed_by("MULTI", transaction)
changed_by("EVAL", lambda other: other.eval(SCRIPT, 2, "k", "h", "after"))
changed_by("a script without declared keys", lambda other: other.eval(UNDECLARED, 0, "after"))
changed_by("a script that is undone", lambda other: other.eval(UNDONE, 2, "k", "h"))
changed_by("RENAME", lambda other: (other.set("j", "after"), other.rename("j", "k")))
changed_by("FLUSHALL", lambda other: other.flushall())
changed_by("the same name in another database", lambda other: client(db=1).set("k", "x"))


def storm():
    """Several writers, and readers whose caches must agree with the server at the end."""
    keys = [f"key:{n}" for n in range(20)]
    rounds = 200 if SHORT else 2000

    def write(number):
        other = client()
        for n in range(rounds):
            key = keys[(n * 7 + number) % len(keys)]
            if n % 3 == 0:
                other.eval("redis.call('set', KEYS[1], ARGV[1])", 1, key, f"{number}-{n}")
            else:
                other.set(key, f"{number}-{n}")

    over = threading.Event()
    readers = [caching() for _ in range(3)]

    def read(reader):
        while not over.is_set():
            for key in keys:
                reader.get(key)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    reading = [threading.Thread(target=read, args=(reader,)) for reader in readers]
    for thread in writers + reading:
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    for thread in reading:
        thread.join()
    truth = client().mget(keys)
    for number, reader in enumerate(readers):
        check(f"reader {number} agrees with the server", wait_for(lambda: [reader.get(key) for key in keys] == truth))


storm()
finish()
