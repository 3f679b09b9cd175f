"""Ports for servers that must know theirs before they start: no two runs are given one."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.demo import ports

GIVEN = 40
RESERVER = (
    "import os; os.getpid = lambda: 4711\n"
    "from deploy.demo import ports\n"
    f"print(*(ports.reserve() for _ in range({GIVEN})), flush=True)\n"
    "input()\n"
)
"""All of these begin to look at the same place."""


def test_runs_at_once_are_never_given_the_same_port() -> None:
    command, pipe = [sys.executable, "-c", RESERVER], subprocess.PIPE
    runs = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    given: list[int] = []
    try:
        for run in runs:
            assert run.stdout is not None
            given += map(int, run.stdout.readline().split())
    finally:
        for run in runs:
            run.communicate("\n")
    assert len(given) == len(set(given)) == 4 * GIVEN
    assert min(given) >= ports.FIRST
    assert max(given) <= ports.LAST


def test_a_port_comes_back_once_its_process_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.run([sys.executable, "-c", RESERVER], input="\n", capture_output=True, text=True, check=True)
    monkeypatch.setattr("os.getpid", lambda: 4711)
    assert str(ports.reserve()) in ended.stdout.split()


def test_a_port_that_something_listens_on_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 4712)
    with socket.create_server((ports.HOST, ports.reserve())) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(ports, "FIRST", port)
        monkeypatch.setattr(ports, "LAST", port)
        # Even to one that does not see whose it is.
        monkeypatch.setattr(ports, "_held", lambda _: socket.socket())
        with pytest.raises(OSError, match="no port of"):
            ports.reserve()


@pytest.mark.skipif(sys.platform != "linux", reason="the system's own range is read from /proc")
def test_what_the_system_chooses_by_itself_lies_elsewhere() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert first > ports.LAST or last < ports.FIRST
