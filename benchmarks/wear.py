"""What the agent's state alone writes for a reading, by how many meters are read together and how far apart in time.

Batches are signed and stored, answers of paths as long as those of a log of 16,000 leaves are noted; no meter, broker or program
around it. In polls that follow one another at once, the kernel writes a page of SQLite's shared memory seldom; on a gateway it does
after every poll.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.premises import spent
from edge_agent.clock import ClockEvidence
from edge_agent.drafts import Draft, Sealed, seal
from edge_agent.outbox.outbox import Enrolled, Entry, Outbox
from edge_agent.steps import Settle
from signing.backends.file import FileSigner, create_key
from signing.keys import Algorithm
from signing.log.checkpoint import Checkpoint
from signing.messages import Inclusion
from signing.statements.reading import Absence, Provenance, Reading
from signing.statements.reading_batch import ClockSource, Origin

_START = 1_777_141_800
_PERIOD_S = 1800
_NOTE_SIZE = 193
_SHARED_NODES, _OWN_NODES = 11, 3
_REQUEST = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """What was written."""

    readings: int
    written: int

    @property
    def a_reading(self) -> float:
        """Bytes."""
        return self.written / self.readings


def wear(folder: Path, *, meters: int, polls: int, apart_s: float) -> Wear:
    """`polls` of so many meters that are read together, `apart_s` seconds after one another."""
    folder.mkdir()
    signer = create_key(str(folder / "gateway.pem"), Algorithm.ES256)
    names = tuple(f"M{number}" for number in range(meters))
    path = folder / "agent.db"
    Outbox.create(path, Enrolled(gateway="gw-bench", kid=signer.public_key.kid, request=_REQUEST, meters=names))
    with Outbox(path, capacity=1000) as outbox:
        _poll(outbox, signer, names, 0)
        time.sleep(apart_s)
        before = spent(os.getpid()).written
        for number in range(1, polls + 1):
            _poll(outbox, signer, names, number)
            time.sleep(apart_s)
        written = spent(os.getpid()).written - before
    return Wear(readings=polls * meters, written=written)


def _poll(outbox: Outbox, signer: FileSigner, names: tuple[str, ...], number: int) -> None:
    found = outbox.put_all([_entry(name, number, signer) for name in names])
    digests = [each.signed.digest for each in found if isinstance(each, Sealed)]
    shared = tuple(os.urandom(32) for _ in range(_SHARED_NODES))
    size = (number + 1) * len(names)
    inclusions = tuple(
        Inclusion(digest=digest, index=at, path=(*(os.urandom(32) for _ in range(_OWN_NODES)), *shared))
        for at, digest in enumerate(digests, start=size - len(names))
    )
    checkpoint = Checkpoint(origin="bench.example/0", size=size, root=os.urandom(32))
    step = Settle(checkpoint=checkpoint, note=os.urandom(_NOTE_SIZE), linked=True, receipts=inclusions)
    if outbox.settle(step, _START) != len(names):
        raise AssertionError("expected every batch to be signed and answered")


def _entry(meter: str, number: int, signer: FileSigner) -> Entry:
    start = _START + number * _PERIOD_S
    reading = Reading(
        import_wh=100 + number, export_wh=0, absence=Absence.NONE, flags=0, provenance=Provenance.LOAD_PROFILE
    )
    draft = Draft(
        meter=meter,
        start_utc=start,
        period_s=_PERIOD_S,
        readings=(reading,),
        registers=(),
        identity="50000000",
        read_at_utc=start + _PERIOD_S + 30,
        clock=ClockEvidence(offset_ms=-1200, source=ClockSource.NTP),
        origin=Origin.GMAC,
        software=bytes(32),
    )
    return Entry(draft=draft, build=lambda place: seal(draft, place, salt=os.urandom(16), signer=signer))
