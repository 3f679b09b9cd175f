"""A ciphered load profile behind HDLC: octets on the wire against the least, and time on a line against the line's own."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import simulated
from benchmarks.fleet import DAY
from benchmarks.least import least_octets, rows_octets
from benchmarks.relay import relay
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.open import open_reader
from edge_agent.vault import GatewayVault
from signing.interval import DAY_S, Interval

FRAME = 128
BLOCKS_A_DAY = 96
ROW = 2 + 14 + 3 + 4 * 5
"""One row of a single-phase meter in A-XDR: structure, clock, average voltage (u16), four energies of a block (u32)."""
BITS = 10
"""Of one octet on a line: 8N1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWire:
    """What two readings of one profile took, everything counted from the first octet of the connection to the last."""

    rows: int
    first: int
    """Of a meter never met: its counter asked for, association, columns, scalers, profile, release."""
    later: int
    """The same once its answers' length is known."""
    profile: int
    """Of the latter, the profile alone."""
    least: int
    """What the profile alone needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced:
    """One reading over a slow line."""

    rows: int
    octets: int
    took_s: float
    bps: int

    @property
    def line_s(self) -> float:
        """What the line itself takes for so many octets."""
        return self.octets * BITS / self.bps


def octets(folder: Path, pdu: int, days: int = simulated.DAYS) -> OnTheWire:
    """Two readings of `days` from a meter whose APDUs have at most `pdu` octets, counted by a relay."""
    folder.mkdir()
    simulated.make_keys(folder)
    options = (*simulated.CIPHERED, "--hdlc", "--max-pdu", str(pdu))
    with (
        simulated.meter(*options, days=days) as place,
        relay(simulated.port_of(place)) as counting,
        simulated.open_vault(folder) as vault,
    ):
        url = simulated.ciphered_url("dlms+hdlc+tcp", f"127.0.0.1:{counting.port}")
        rows, _ = asyncio.run(_read(url, vault, days))
        first = counting.take()
        again, profile = asyncio.run(_read(url, vault, days))
        later = counting.take()
    if rows != days * BLOCKS_A_DAY or again != rows:
        raise AssertionError(f"expected {days * BLOCKS_A_DAY} rows twice, got {rows} and {again}")
    least = least_octets(rows_octets(rows, ROW), pdu=pdu, frame=FRAME)
    return OnTheWire(rows=rows, first=first, later=later, profile=profile, least=least)


def paced(folder: Path, bps: int, days: int) -> Paced:
    """One reading over a pseudo-terminal that carries `bps` bits a second, of a meter that was read once before."""
    folder.mkdir()
    simulated.make_keys(folder)
    options = (*simulated.CIPHERED, "--pty", "--line-bps", str(bps))
    with simulated.meter(*options, days=days) as place, simulated.open_vault(folder) as vault:
        url = simulated.ciphered_url("dlms+serial", place)
        # The first look asks for the meter's counter in another association, and learns how long answers are best.
        asyncio.run(_look(url, vault))
        reader = _opened(url, vault)
        began = time.perf_counter()
        rows, _ = asyncio.run(_profile(reader, days))
        took_s = time.perf_counter() - began
        traffic = reader.client.traffic
    return Paced(rows=rows, octets=traffic.sent_octets + traffic.received_octets, took_s=took_s, bps=bps)


async def _read(url: str, vault: GatewayVault, days: int) -> tuple[int, int]:
    return await _profile(_opened(url, vault), days)


async def _look(url: str, vault: GatewayVault) -> None:
    async with _opened(url, vault) as reader:
        await reader.block_rows(Interval(DAY - DAY_S, DAY))


def _opened(url: str, vault: GatewayVault) -> DlmsReader:
    reader = open_reader(url, vault)
    if not isinstance(reader, DlmsReader):
        raise TypeError("expected a DLMS reader")
    return reader


async def _profile(reader: DlmsReader, days: int) -> tuple[int, int]:
    """Rows of the last `days`, and the octets that they alone took."""
    async with reader:
        await reader.layout()
        traffic = reader.client.traffic
        before = traffic.sent_octets + traffic.received_octets
        rows = await reader.block_rows(Interval(DAY - days * DAY_S, DAY))
        return len(rows), traffic.sent_octets + traffic.received_octets - before
