"""A simulated meter in a process of its own, and a gateway's keys for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edge_agent.meter_keys import Role, create_wrapping_key, parse, seal
from edge_agent.outbox.outbox import Enrolled, Outbox
from edge_agent.readers.dlms.security import Secret
from edge_agent.vault import GatewayVault

PASSWORD = "sakshi-1"
NOW = "2026-04-26T00:00:00+05:30"
"""The meter's clock at its start."""
DAYS = 35
ENCRYPTION = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AUTHENTICATION = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")
"""The simulator's own, printed by its `--help`: secrets of nobody."""
CIPHERED = ("--suite0", "required")
_METER = "M1"
_TITLE = "53414b0000000001"


@contextmanager
def meter(*options: str, days: int = DAYS, cores: tuple[int, ...] = ()) -> Iterator[str]:
    """A meter with `days` of blocks; gives the place that it names. On a free port of 127.0.0.1 unless `options` say otherwise."""
    place = () if "--pty" in options else ("--listen", "127.0.0.1:0")
    command = [sys.executable, "-m", "firmware_sim.cli", "dlms", *place, "--now", NOW, "--days", str(days)]
    with running([*command, "--password", PASSWORD, *options], cores) as said:
        yield said.rpartition(" ")[2]


@contextmanager
def running(command: list[str], cores: tuple[int, ...] = ()) -> Iterator[str]:
    """`command` as a process while the context is open, on `cores` where some are named; gives its first line."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if cores:
        os.sched_setaffinity(process.pid, cores)
    try:
        line = process.stdout.readline().strip() if process.stdout else ""
        if not line:
            raise AssertionError(f"expected {command[2:5]} to say where it listens, got nothing")
        yield line
    finally:
        process.terminate()
        process.communicate()


def port_of(place: str) -> int:
    """The port of a place ``HOST:PORT``."""
    return int(place.rpartition(":")[2])


def make_keys(folder: Path) -> None:
    """A gateway's state in `folder`, with the meter's keys sealed in it."""
    wrapping = create_wrapping_key(_wrapping(folder))
    enrolled = Enrolled(gateway="bench", kid=bytes(32), request=bytes(32), meters=(_METER,))
    Outbox.create(_database(folder), enrolled)
    secrets = {
        Role.ENCRYPTION: Secret(ENCRYPTION),
        Role.AUTHENTICATION: Secret(AUTHENTICATION),
        Role.LLS: Secret(PASSWORD.encode()),
    }
    with open_vault(folder) as vault:
        vault.take_in(parse(seal(_METER, secrets, wrapping.public), "keys"), who="benchmark")


def open_vault(folder: Path) -> GatewayVault:
    """The keys in `folder`, counters and all."""
    return GatewayVault(_database(folder), wrapping=f"file:{_wrapping(folder)}", now_utc=lambda: 1_777_141_800)


def ciphered_url(scheme: str, place: str) -> str:
    """The URL of a ciphered meter whose keys are in the vault."""
    slashes = "" if place.startswith("/") else "//"
    return f"{scheme}:{slashes}{place}?suite=0&keys=store:{_METER}&title={_TITLE}"


def plain_url(scheme: str, place: str, folder: Path) -> str:
    """The URL of a meter that wants a password and ciphers nothing."""
    secret = folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    return f"{scheme}://{place}?password=file:{secret}"


def _database(folder: Path) -> Path:
    return folder / "agent.db"


def _wrapping(folder: Path) -> Path:
    return folder / "wrapping.pem"
