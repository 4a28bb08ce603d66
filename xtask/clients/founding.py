"""redis-py's scripts and locks: register_script, the SET NX lock, Lock, EVALSHA after SCRIPT FLUSH."""

import multiprocessing
import time

import redis
from checks import check, client, finish, raises, wait_for

RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end"


def compete(token, rounds, results):
    """Takes and releases the lock; counts how often somebody else was inside."""
    r = client()
    release = r.register_script(RELEASE)
    intruders = 0
    for _ in range(rounds):
        while not r.set("lock:compete", token, nx=True, ex=10):
            time.sleep(0.0005)
        if r.incr("inside") != 1:
            intruders += 1
        r.decr("inside")
        if release(keys=["lock:compete"], args=[token]) != 1:
            intruders += 1
    results.put(intruders)


def scripts(r):
    check("a script without keys and arguments", r.register_script("return 'hi'")() == "hi")
    setex = r.register_script("return redis.call('setex', KEYS[1], ARGV[1], ARGV[2])")
    check("SETEX through a script", setex(keys=["session"], args=[100, "data"]) == "OK")
    check("the value is there", r.get("session") == "data")
    check("its TTL is right", 90 <= r.ttl("session") <= 100, r.ttl("session"))
    many = r.register_script("return {#KEYS, #ARGV, KEYS[2], ARGV[3]}")
    check("keys and arguments", many(keys=["a", "b"], args=[1, 2, 3]) == [2, 3, "b", "3"])
    r.script_flush()
    check("EVALSHA after SCRIPT FLUSH falls back", setex(keys=["session"], args=[50, "again"]) == "OK")
    error = raises(redis.exceptions.NoScriptError, lambda: r.evalsha("f" * 40, 0))
    check("EVALSHA of nothing is NoScriptError", error is not None)
    error = raises(redis.ResponseError, r.register_script("return redis.call('incr', 'session')"))
    check("an error reaches the caller", error is not None and "not an integer" in error, error)
    with r.pipeline() as pipe:
        setex(keys=["piped"], args=[100, "x"], client=pipe)
        pipe.get("piped")
        check("a script in a pipeline", pipe.execute() == ["OK", "x"])


def lock_by_hand(r):
    release = r.register_script(RELEASE)
    check("the lock is free", r.set("lock", "mine", nx=True, ex=30) is True)
    check("it is taken", r.set("lock", "other", nx=True, ex=30) is None)
    check("a foreign token does not release", release(keys=["lock"], args=["other"]) == 0 and r.get("lock") == "mine")
    check("its own token does", release(keys=["lock"], args=["mine"]) == 1 and r.exists("lock") == 0)
    r.set("lock", "old", nx=True, px=50)
    check("an expired lock can be taken", wait_for(lambda: r.set("lock", "new", nx=True, ex=30)))
    check("and the late owner does not release it", release(keys=["lock"], args=["old"]) == 0)
    results = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=compete, args=(f"token-{n}", 200, results)) for n in range(2)]
    for worker in workers:
        worker.start()
    intruders = sum(results.get(timeout=300) for _ in workers)
    for worker in workers:
        worker.join()
    check("two processes compete, one is inside", intruders == 0, intruders)


def lock_of_the_library(r):
    lock = r.lock("liblock", timeout=10)
    check("Lock: acquire", lock.acquire(blocking=False))
    check("Lock: another cannot", not r.lock("liblock", timeout=10).acquire(blocking=False))
    check("Lock: extend", lock.extend(20) and r.pttl("liblock") > 20_000)
    check("Lock: reacquire", lock.reacquire() and r.pttl("liblock") <= 10_000)
    lock.release()
    check("Lock: released", not lock.locked())
    lock.acquire()
    r.set("liblock", "stolen")
    check("Lock: not owned any more", raises(redis.exceptions.LockNotOwnedError, lock.release) is not None)
    r.delete("liblock")
    with r.lock("liblock", timeout=10, blocking_timeout=1) as held:
        check("Lock: as a context", held.owned())


for protocol in (2, 3):
    r = client(protocol=protocol)
    r.flushall()
    print(f"  RESP{protocol}")
    scripts(r)
    lock_by_hand(r)
    lock_of_the_library(r)
finish()
