"""What applications do every day with redis-py: pipelines, transactions, pub/sub, blocking pops, in both protocols."""

import threading

import redis
from checks import check, client, finish, raises, wait_for


def later(action):
    """Does it from another client in a moment."""
    timer = threading.Timer(0.05, action, args=(client(),))
    timer.start()
    return timer


def types(r):
    r.hset("h", mapping={"a": 1, "b": 2})
    check("HGETALL", r.hgetall("h") == {"a": "1", "b": "2"})
    r.sadd("s", "x", "y")
    check("SMEMBERS", r.smembers("s") == {"x", "y"})
    r.zadd("z", {"a": 1.5, "b": 2})
    check("ZRANGE WITHSCORES", [list(pair) for pair in r.zrange("z", 0, -1, withscores=True)] == [["a", 1.5], ["b", 2.0]])
    check("ZSCORE", r.zscore("z", "a") == 1.5 and r.zscore("z", "none") is None)
    check("INCRBYFLOAT", r.incrbyfloat("f", 1.5) == 1.5)
    check("SET GET", r.set("g", "1", get=True) is None and r.set("g", "2", get=True) == "1")
    check("CONFIG GET", r.config_get("maxmemory") == {"maxmemory": "0"})
    check("INFO", "redis_version" in r.info())
    check("CLIENT LIST", any(entry["id"] == str(r.client_id()) for entry in r.client_list()) or len(r.client_list()) > 0)
    check("COMMAND", "get" in r.command())
    check("scan_iter", sorted(r.scan_iter("[hsz]")) == ["h", "s", "z"])
    check("hscan_iter", dict(r.hscan_iter("h")) == {"a": "1", "b": "2"})
    check("sort", r.rpush("l", 3, 1, 2) == 3 and r.sort("l") == ["1", "2", "3"])
    error = raises(redis.ResponseError, lambda: r.lpush("g", 1))
    check("WRONGTYPE", error is not None and error.startswith("WRONGTYPE"), error)


def pipelines(r):
    with r.pipeline(transaction=False) as pipe:
        for n in range(10_000):
            pipe.incr("count")
        check("10,000 in a pipeline", pipe.execute()[-1] == 10_000)
    with r.pipeline() as pipe:
        pipe.set("a", 1).incr("a").lpush("a", "x").get("a")
        results = pipe.execute(raise_on_error=False)
        check("a transaction with an error inside", results[1] == 2 and isinstance(results[2], redis.ResponseError) and results[3] == "2")
    with r.pipeline() as pipe:
        pipe.watch("a")
        value = int(pipe.get("a"))
        client().set("a", 100)
        pipe.multi()
        pipe.set("a", value + 1)
        check("WATCH sees a foreign write", raises(redis.WatchError, pipe.execute) is not None and r.get("a") == "100")

    def increment(pipe):
        value = int(pipe.get("shared") or 0)
        pipe.multi()
        pipe.set("shared", value + 1)

    threads = [
        threading.Thread(target=lambda: [client().transaction(increment, "shared") for _ in range(25)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("four that compete with WATCH lose nothing", r.get("shared") == "100", r.get("shared"))


def pubsub(r, protocol):
    listener = r.pubsub()
    listener.subscribe("c1", "c2")
    listener.psubscribe("p*")
    kinds = [listener.get_message(timeout=30)["type"] for _ in range(3)]
    check("subscriptions are confirmed", kinds == ["subscribe", "subscribe", "psubscribe"], kinds)
    check("PUBLISH counts", client().publish("c1", "hello") == 1 and client().publish("pat", "there") == 1)
    first, second = listener.get_message(timeout=30), listener.get_message(timeout=30)
    check("a message", (first["type"], first["channel"], first["data"]) == ("message", "c1", "hello"), first)
    check("a pattern's message", (second["type"], second["pattern"], second["data"]) == ("pmessage", "p*", "there"), second)
    if protocol == 2:
        check("ping while subscribed", listener.ping() is None and listener.get_message(timeout=30)["type"] == "pong")
    listener.unsubscribe()
    listener.punsubscribe()
    kinds = [listener.get_message(timeout=30)["type"] for _ in range(3)]
    check("and leaves", kinds == ["unsubscribe", "unsubscribe", "punsubscribe"], kinds)
    listener.close()


def blocking(r):
    check("BLPOP times out", r.blpop("none", timeout=0.05) is None)
    later(lambda other: other.rpush("q", "x"))
    check("BLPOP is woken", list(r.blpop(["none", "q"], timeout=30)) == ["q", "x"])
    later(lambda other: other.rpush("q", "a", "b"))
    check("BRPOP is woken", list(r.brpop("q", timeout=30)) == ["q", "b"])
    r.delete("q")
    later(lambda other: other.rpush("q", "m"))
    check("BLMOVE is woken", r.blmove("q", "q2", 30) == "m" and r.lrange("q2", 0, -1) == ["m"])
    later(lambda other: other.zadd("zq", {"a": 1}))
    check("BZPOPMIN is woken", list(r.bzpopmin("zq", timeout=30)) == ["zq", "a", 1.0])
    later(lambda other: other.eval("return redis.call('rpush', KEYS[1], 'from script')", 1, "sq"))
    check("BLPOP is woken by a script", list(r.blpop("sq", timeout=30)) == ["sq", "from script"])
    order, threads = [], []
    for n in range(5):
        threads.append(threading.Thread(target=lambda n=n: order.append((client().blpop("fair", timeout=30)[1], n))))
        threads[-1].start()
        check(f"client {n} is blocked", wait_for(lambda: r.info("clients")["blocked_clients"] == n + 1))
    for n in range(5):
        r.rpush("fair", n)
    for thread in threads:
        thread.join()
    check("blocked clients are served in order", sorted(order) == [(str(n), n) for n in range(5)], order)


for protocol in (2, 3):
    r = client(protocol=protocol)
    r.flushall()
    print(f"  RESP{protocol}")
    types(r)
    pipelines(r)
    pubsub(r, protocol)
    blocking(r)
finish()
