"""One client that reads a whole load profile several times, as a process of its own: what it costs is printed as JSON.

``python -m benchmarks.dlms_client ours URL REPEATS [FOLDER]`` or ``… cosem PORT REPEATS PASSWORD``
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import structlog
from dlms_cosem import cosem as names
from dlms_cosem import enumerations, utils
from dlms_cosem.client import DlmsClient
from dlms_cosem.io import BlockingTcpIO, TcpTransport
from dlms_cosem.parsers import ProfileGenericBufferParser
from dlms_cosem.security import LowLevelSecurityAuthentication

from benchmarks.fleet import DAY
from benchmarks.simulated import open_vault
from edge_agent.readers.open import open_reader
from edge_agent.readers.reader import Reader
from edge_agent.registers import IMPORT_BLOCK
from signing.interval import DAY_S, Interval

SPAN = Interval(DAY - 45 * DAY_S, DAY)
"""Longer than the meter's memory: every row is wanted."""


def timed(read: Callable[[], tuple[int, int]], repeats: int) -> dict[str, object]:
    """CPU and wall-clock seconds of each reading, its rows, and the import that they add up to in Wh."""
    found = []
    for _ in range(repeats):
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        rows, import_wh = read()
        found.append((time.process_time() - cpu_s, time.perf_counter() - wall_s))
    cpu, wall = zip(*found, strict=True)
    return {"cpu_s": cpu, "wall_s": wall, "rows": rows, "import_wh": import_wh}


def ours(url: str, repeats: int, folder: str) -> dict[str, object]:
    """By our reader; with the keys in `folder` where one is named."""
    with ExitStack() as stack:
        vault = stack.enter_context(open_vault(Path(folder))) if folder else None

        async def read() -> tuple[int, int]:
            reader = open_reader(url, vault)
            if not isinstance(reader, Reader):
                raise TypeError("expected a reader of a meter with a memory")
            async with reader:
                rows = await reader.block_rows(SPAN)
            return len(rows), sum(row.values[IMPORT_BLOCK].raw or 0 for row in rows)

        return timed(lambda: asyncio.run(read()), repeats)


def cosem(port: int, repeats: int, password: str) -> dict[str, object]:
    """By dlms-cosem."""
    # It logs every secret and every byte; silent it is as quick as it can be.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

    def attribute(number: int) -> Any:  # noqa: ANN401 - the peer is untyped
        return names.CosemAttribute(enumerations.CosemInterface(7), names.Obis(1, 0, 99, 1, 0), number)

    def read() -> tuple[int, int]:
        client = DlmsClient(
            transport=TcpTransport(32, 1, BlockingTcpIO("127.0.0.1", port)),
            authentication=LowLevelSecurityAuthentication(secret=password.encode()),
        )
        with client.session() as peer:
            columns = [
                names.CosemAttribute(enumerations.CosemInterface(entry[0]), names.Obis.from_bytes(entry[1]), entry[2])
                for entry in utils.parse_as_dlms_data(peer.get(attribute(3)))
            ]
            rows = ProfileGenericBufferParser(columns, 15).parse_bytes(peer.get(attribute(2)))
        wanted = names.Obis(1, 0, 1, 29, 0)
        place = next(at for at, column in enumerate(columns) if column.instance == wanted)
        return len(rows), sum(row[place].value for row in rows)

    return timed(read, repeats)


def main() -> None:
    """As the module says."""
    kind, where, repeats, *rest = sys.argv[1:]
    if kind == "ours":
        found = ours(where, int(repeats), rest[0] if rest else "")
    else:
        found = cosem(int(where), int(repeats), rest[0])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
