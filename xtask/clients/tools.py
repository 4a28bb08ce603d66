"""redis-cli (interactive, --pipe, --scan, --eval) and redis-benchmark."""

import os
import pty
import select
import subprocess
import tempfile
import time

from checks import PORT, check, client, finish

CLI = ["redis-cli", "-p", str(PORT)]


def run(words, text=None, within=300):
    done = subprocess.run(words, input=text, capture_output=True, timeout=within)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Terminal:
    """redis-cli on a terminal, as a person has it."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp(CLI[0], CLI)

    def read(self, expected, within=60):
        text, deadline = "", time.monotonic() + within
        while expected not in text and time.monotonic() < deadline:
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    text += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:
                    break
        return text

    def type(self, line, expected):
        os.write(self.fd, line.encode() + b"\n")
        return expected in self.read(expected)

    def leave(self):
        os.write(self.fd, b"exit\n")
        # It ends by itself, and is not hung up on before.
        self.read("\0")
        os.close(self.fd)
        return os.waitpid(self.pid, 0)[1]


def interactive():
    terminal = Terminal()
    check("cli: a prompt", f"127.0.0.1:{PORT}>" in terminal.read(">"))
    check("cli: SET", terminal.type("set typed 'by hand'", "OK"))
    check("cli: GET", terminal.type("get typed", '"by hand"'))
    check("cli: an integer", terminal.type("incr typed-count", "(integer) 1"))
    check("cli: a list", terminal.type("rpush typed-list a b", "(integer) 2"))
    check("cli: an array", terminal.type("lrange typed-list 0 -1", '2) "b"'))
    check("cli: nil", terminal.type("get nothing-here", "(nil)"))
    check("cli: an error", terminal.type("incr typed", "(error) ERR value is not an integer"))
    check("cli: a transaction", terminal.type("multi", "(TX)>") and terminal.type("ping", "QUEUED"))
    check("cli: its end", terminal.type("exec", "1) PONG"))
    check("cli: another database", terminal.type("select 1", "[1]>"))
    check("cli: RESP3", terminal.type("hello 3", '"proto" => (integer) 3'))
    check("cli: exit", terminal.leave() == 0)


def mass_insertion(r):
    count = 50_000
    inline = "".join(f"SET inline:{n} {n}\r\n" for n in range(1_000)).encode()
    framed = b"".join(
        b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$1\r\nx\r\n" % (len(key), key)
        for key in (b"piped:%d" % n for n in range(count))
    )
    code, out, _ = run([*CLI, "--pipe"], framed)
    check("cli --pipe: framed", code == 0 and f"errors: 0, replies: {count}" in out, out)
    code, out, _ = run([*CLI, "--pipe"], inline)
    check("cli --pipe: inline", code == 0 and "errors: 0, replies: 1000" in out, out)
    code, out, _ = run([*CLI, "--pipe"], b"SET a b\r\nINCR a\r\n")
    check("cli --pipe: errors are counted", "errors: 1, replies: 2" in out, out)
    check("all is there", r.dbsize() >= count + 1_000, r.dbsize())
    code, out, _ = run([*CLI, "--scan", "--pattern", "piped:*"])
    check("cli --scan", code == 0 and sorted(set(out.split())) == sorted(f"piped:{n}" for n in range(count)))
    code, out, _ = run([*CLI, "--scan", "--pattern", "inline:1?"])
    check("cli --scan, with a pattern", len(set(out.split())) == 10, out)


def eval_file():
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("redis.call('SET', KEYS[1], ARGV[1])\nreturn {KEYS[1], KEYS[2], ARGV[1], ARGV[2]}\n")
        script.flush()
        code, out, _ = run([*CLI, "--eval", script.name, "k1", "k2", ",", "a1", "a2"])
        check("cli --eval with keys and arguments", code == 0 and out.split() == ["k1", "k2", "a1", "a2"], out)
        script.write("error('from line three')")
        script.flush()
    code, out, _ = run([*CLI, "EVAL", "return redis.call('incr', 'k1')", "0"])
    check("cli: a script's error", "not an integer" in out, out)
    code, out, _ = run([*CLI, "-3", "HGETALL", "nothing"])
    check("cli -3", code == 0, out)


def benchmark():
    code, out, err = run(["redis-benchmark", "-p", str(PORT), "-n", "20000", "-q"])
    tests = [line for line in out.replace("\r", "\n").split("\n") if "requests per second" in line]
    check("redis-benchmark: all default tests", code == 0 and len(tests) >= 19, (len(tests), out[-300:], err[-300:]))
    code, out, err = run(["redis-benchmark", "-p", str(PORT), "-n", "20000", "-q", "-P", "16", "-t", "set,get", "-r", "1000"])
    check("redis-benchmark -P 16", code == 0 and "Error" not in out + err, out + err)


r = client()
r.flushall()
interactive()
mass_insertion(r)
eval_file()
benchmark()
finish()
