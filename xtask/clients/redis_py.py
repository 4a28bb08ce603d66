"""redis-py's own tests of its commands, in RESP2 and RESP3. Not in the short form: they take minutes."""

import pathlib
import re
import subprocess
import sys
import tarfile
import venv

from checks import PORT, SHORT, check, finish

VERSION = "8.1.0"
FOLDER = pathlib.Path(sys.prefix).parent / f"redis-py-{VERSION}"
PYTHON = FOLDER / "environment/bin/python"
TESTS = FOLDER / f"redis-{VERSION}"
FILES = ["cache", "commands", "encoding", "function", "hash", "lock", "monitor", "pipeline", "pubsub", "scripting"]

# Tests that do not pass, and why.
EXPECTED = {
    "test_bgsave": "no persistence yet",
    "test_replicaof": "no replication yet",
    "test_psync": "connects to port 6380",
    "test_client_setinfo": "connects to port 6379",
    "test_client_setinfo_with_driver_info": "connects to port 6379",
    "test_xgroup_create_entriesread": "expects another lag than redis-server 7.0.15 gives",
}


def set_up():
    ready = FOLDER / "ready"
    if ready.is_file():
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    venv.create(PYTHON.parents[1], with_pip=True)
    pip = [PYTHON, "-m", "pip", "--quiet"]
    tools = ["pytest", "pytest-asyncio", "pytest-timeout", "packaging", "numpy", "pyjwt", "requests"]
    subprocess.run([*pip, "install", *tools], check=True)
    source = ["download", "--no-deps", "--no-binary", ":all:", "--dest", FOLDER, f"redis=={VERSION}"]
    subprocess.run([*pip, *source], check=True)
    with tarfile.open(FOLDER / f"redis-{VERSION}.tar.gz") as archive:
        archive.extractall(FOLDER)
    ready.write_text("redis-py's tests are unpacked\n")


def run(protocol):
    command = [PYTHON, "-m", "pytest", *(f"tests/test_{name}.py" for name in FILES)]
    command += ["-m", "not onlycluster and not redismod", "-q", "-rfE", "--tb=line", "--timeout=60"]
    command += ["-p", "no:cacheprovider", f"--redis-url=redis://127.0.0.1:{PORT}/0", f"--protocol={protocol}"]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, timeout=1800, text=True)
    failed = re.findall(r"^(?:FAILED|ERROR) tests/\S+::(\w+)", done.stdout, re.MULTILINE)
    passed = re.search(r"(\d+) passed", done.stdout)
    passed = int(passed[1]) if passed else 0
    surprises = sorted(set(failed) - EXPECTED.keys())
    check(f"RESP{protocol}: at least 650 tests passed", passed >= 650, passed)
    check(f"RESP{protocol}: no surprises", not surprises, surprises)
    if surprises or passed < 650:
        print(done.stdout[-5_000:], done.stderr[-2_000:])


if SHORT:
    print("  not in the short form")
else:
    set_up()
    for protocol in (2, 3):
        run(protocol)
finish()
