"""Redisson's lock, as the library sends it: lock, unlock, renewal, the unlock message, and many that compete."""

import threading
import time

from checks import SHORT, check, client, finish

LOCK = (
    "if ((redis.call('exists', KEYS[1]) == 0) or (redis.call('hexists', KEYS[1], ARGV[2]) == 1)) then "
    "redis.call('hincrby', KEYS[1], ARGV[2], 1); redis.call('pexpire', KEYS[1], ARGV[1]); return nil; end; "
    "return redis.call('pttl', KEYS[1]);"
)
UNLOCK = (
    "if (redis.call('hexists', KEYS[1], ARGV[3]) == 0) then return nil; end; "
    "local counter = redis.call('hincrby', KEYS[1], ARGV[3], -1); "
    "if (counter > 0) then redis.call('pexpire', KEYS[1], ARGV[2]); return 0; "
    "else redis.call('del', KEYS[1]); redis.call('publish', KEYS[2], ARGV[1]); return 1; end; return nil;"
)
RENEW = (
    "if (redis.call('hexists', KEYS[1], ARGV[2]) == 1) then "
    "redis.call('pexpire', KEYS[1], ARGV[1]); return 1; end; return 0;"
)
CHANNEL = "redisson_lock__channel:{%s}"


def lock(r, name, owner, lease=30_000):
    return r.eval(LOCK, 1, name, lease, owner)


def unlock(r, name, owner, lease=30_000):
    return r.eval(UNLOCK, 2, name, CHANNEL % name, 0, lease, owner)


def single(r):
    check("lock: free", lock(r, "l", "me:1") is None)
    check("lock: its hash", r.hgetall("l") == {"me:1": "1"} and 20_000 < r.pttl("l") <= 30_000)
    check("lock: again by its owner", lock(r, "l", "me:1") is None and r.hget("l", "me:1") == "2")
    waiting = lock(r, "l", "other:1")
    check("lock: a foreigner gets the rest of the lease", 20_000 < waiting <= 30_000, waiting)
    check("unlock: a foreigner gets nothing", unlock(r, "l", "other:1") is None)
    check("renewal: by its owner", r.eval(RENEW, 1, "l", 60_000, "me:1") == 1 and r.pttl("l") > 40_000)
    check("renewal: not by a foreigner", r.eval(RENEW, 1, "l", 60_000, "other:1") == 0)
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(CHANNEL % "l")
    listener.get_message(timeout=30)
    check("unlock: one level", unlock(r, "l", "me:1") == 0 and r.hget("l", "me:1") == "1")
    check("unlock: no message yet", listener.get_message(timeout=0.05) is None)
    check("unlock: the last level", unlock(r, "l", "me:1") == 1 and r.exists("l") == 0)
    message = listener.get_message(timeout=30)
    check("unlock: the message", message is not None and message["data"] == "0", message)
    listener.close()


def message_after_the_end(r):
    script = (
        "redis.call('publish', 'done', 'x') for i = 1, 300000 do local x = i * i end "
        "for i = 1, 100 do redis.call('set', 'effect:' .. i, ARGV[1]) end return 1"
    )
    listener = r.pubsub(ignore_subscribe_messages=True)
    listener.subscribe("done")
    listener.get_message(timeout=30)
    other, complete = client(), 0
    keys = [f"effect:{n}" for n in range(1, 101)]
    for n in range(20):
        sender = threading.Thread(target=lambda: client().eval(script, 0, n))
        sender.start()
        if listener.get_message(timeout=60) is not None:
            complete += other.mget(keys) == [str(n)] * 100
        sender.join()
    check("a message arrives with all effects of its script", complete == 20, complete)
    listener.close()


def many(clients, rounds):
    inside, trespasses, done = [], [], []

    def work(number):
        r, owner = client(), f"client:{number}"
        for _ in range(rounds // clients):
            while lock(r, "contested", owner) is not None:
                time.sleep(0.0002)
            inside.append(owner)
            if len(inside) != 1:
                trespasses.append(owner)
            inside.remove(owner)
            if unlock(r, "contested", owner) != 1:
                trespasses.append(owner)
            done.append(owner)
        r.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(f"{clients} clients, {rounds} rounds, never two owners", not trespasses, trespasses[:3])
    check("all of them came through", len(done) == rounds // clients * clients, len(done))


r = client()
r.flushall()
single(r)
message_after_the_end(r)
many(64, 1_024 if SHORT else 10_048)
finish()
