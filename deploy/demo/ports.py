"""Ports for servers that must know theirs before they start: two runs at once are never given the same one.

A port that is chosen by binding to 0 and letting go is a free port of that instant only: before the server binds it, another run may be
given it, or any connection that goes out. So these are not among those that the system chooses itself, and each stays with its process.
"""

import os
import socket

HOST = "127.0.0.1"
FIRST, LAST = 20_000, 29_999
"""Below what Linux (32768) and macOS (49152) take for connections that go out, and for port 0."""

_STRIDE = 37


def reserve() -> int:
    """A TCP port on loopback on which nothing listens, and which no other call gives until this process has ended.

    Raises:
        OSError: all of them are taken.
    """
    count = LAST - FIRST + 1
    for place in range(count):
        port = FIRST + (os.getpid() * _STRIDE + place) % count
        held = _held(port)
        if held is None:
            continue
        if _is_free(port):
            # Never closed: the system lets go of it when the process ends, however it ends.
            held.detach()
            return port
        held.close()
    raise OSError(f"no port of {FIRST} to {LAST} is free on {HOST}: end what listens there")


def _held(port: int) -> socket.socket | None:
    """The mark that says whose the port is: the UDP port of that number, which no server of ours uses. None where another has it."""
    mark = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        mark.bind((HOST, port))
    except OSError:
        mark.close()
        return None
    return mark


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
