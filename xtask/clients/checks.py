"""What the client scripts share: one line per check, and a status that tells."""

import os
import socket
import sys
import time

import redis

PORT = int(os.environ["PERIGEE_PORT"])
SHORT = bool(os.environ.get("PERIGEE_SHORT"))

_failed = 0


def check(name, condition, detail=""):
    """Prints one line, and remembers a failure."""
    global _failed
    if not condition:
        _failed += 1
    print(f"  {'ok' if condition else 'FAILED':<7} {name}" + (f": {detail!r}" if not condition else ""), flush=True)


def finish():
    """Ends the script with what the checks found."""
    sys.exit(1 if _failed else 0)


def client(**options):
    """A redis-py client of the server under test."""
    return redis.Redis(port=PORT, decode_responses=True, **options)


def raw(within=60):
    """A socket to the server."""
    connection = socket.create_connection(("127.0.0.1", PORT))
    connection.settimeout(within)
    return connection


def read_until_closed(connection):
    """All that the server still sends before it closes."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return received


def wait_for(condition, within=60):
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.01)
    return False


def raises(kind, action):
    """The text of the error that the action must raise, or None."""
    try:
        action()
    except kind as error:
        return str(error) or kind.__name__
    return None
