"""Reading one plain DLMS load profile over TCP: our reader beside dlms-cosem, from the same simulated meter in the same run.

Only the client's CPU counts; the meter is a process of its own.
"""

import asyncio
import logging
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from dlms_cosem import cosem, enumerations, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.parsers import ProfileGenericBufferParser
from dlms_cosem.security import LowLevelSecurityAuthentication

from benchmarks.cpu import used_s
from benchmarks.fleet import DAY
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from signing.interval import DAY_S, Interval

_DAYS = 35
_PASSWORD = "sakshi-1"
_NOW = "2026-04-26T00:00:00+05:30"
_PROFILE = (1, 0, 99, 1, 0)


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """What one reading of the whole profile costs each client."""

    ours_s: float
    theirs_s: float
    rows: int

    @property
    def ratio(self) -> float:
        """Theirs over ours."""
        return self.theirs_s / self.ours_s


def whole_profile(folder: Path, repeats: int) -> ReadingCost:
    """Every row in the meter's memory, with its stamp and energies, by both clients in turn."""
    # The peer logs every secret and every byte; silent it is as quick as it can be.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    secret = folder / "password"
    secret.write_text(_PASSWORD)
    secret.chmod(0o600)
    ours, theirs, rows = [], [], 0
    with _meter() as port:
        for _ in range(repeats):
            cost, rows = _timed(lambda: asyncio.run(_ours(port, secret)))
            ours.append(cost)
            cost, their_rows = _timed(lambda: _theirs(port))
            theirs.append(cost)
            if rows != their_rows:
                raise AssertionError(f"expected equal profiles, got {rows} and {their_rows} rows")
    return ReadingCost(statistics.median(ours), statistics.median(theirs), rows)


def _timed(read: Callable[[], int]) -> tuple[float, int]:
    before = used_s()
    rows = read()
    return used_s() - before, rows


async def _ours(port: int, secret: Path) -> int:
    reader = open_reader(f"dlms+tcp://127.0.0.1:{port}?password=file:{secret}")
    if not isinstance(reader, Reader):
        raise TypeError("expected a reader of a meter with a memory")
    async with reader:
        return len(await reader.block_rows(Interval(DAY - (_DAYS + 10) * DAY_S, DAY)))


def _theirs(port: int) -> int:
    authentication = LowLevelSecurityAuthentication(secret=_PASSWORD.encode())
    client = DlmsClient(transport=TcpTransport(32, 1, BlockingTcpIO("127.0.0.1", port)), authentication=authentication)
    with client.session() as peer:
        columns = [
            cosem.CosemAttribute(enumerations.CosemInterface(entry[0]), cosem.Obis.from_bytes(entry[1]), entry[2])
            for entry in utils.parse_as_dlms_data(peer.get(_attribute(3)))
        ]
        return len(ProfileGenericBufferParser(columns, 15).parse_bytes(peer.get(_attribute(2))))


def _attribute(number: int) -> Any:  # noqa: ANN401 - the peer is untyped
    return cosem.CosemAttribute(enumerations.CosemInterface(7), cosem.Obis(*_PROFILE), number)


@contextmanager
def _meter() -> Iterator[int]:
    command = [sys.executable, "-m", "firmware_sim.cli", "dlms", "--listen", "127.0.0.1:0", "--now", _NOW]
    process = subprocess.Popen(
        [*command, "--days", str(_DAYS), "--password", _PASSWORD], stdout=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        yield int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate()
