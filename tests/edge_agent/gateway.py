"""A gateway in a test: a real key, a real outbox, and drafts to put into it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from edge_agent.clock import ClockEvidence
from edge_agent.drafts import Draft, Sealed, seal
from edge_agent.outbox.database import Hook, no_hook
from edge_agent.outbox.outbox import Enrolled, Entry, Outbox
from edge_agent.steps import Pending
from signing.backends.file import FileSigner, create_key
from signing.keys import Algorithm
from signing.statements.reading import Absence, Provenance, Reading
from signing.statements.reading_batch import ClockSource, Origin, Register

MIDNIGHT = 1_777_141_800
"""2026-04-26 00:00 IST."""
PERIOD_S = 900
REQUEST = hashlib.sha256(b"enrol").digest()
SOFTWARE = hashlib.sha256(b"software").digest()


def reading(import_wh: int | None = 100, export_wh: int | None = 0, absence: Absence = Absence.NONE) -> Reading:
    return Reading(
        import_wh=import_wh, export_wh=export_wh, absence=absence, flags=0, provenance=Provenance.LOAD_PROFILE
    )


NO_ROW = reading(None, None, Absence.NO_ROW)


def draft(
    first_block: int = 0,
    readings: Sequence[Reading] = (reading(),),
    *,
    meter: str = "M1",
    registers: tuple[Register, ...] = (),
    read_at_utc: int | None = None,
) -> Draft:
    """`readings` of the blocks from number `first_block` of the day."""
    start = MIDNIGHT + first_block * PERIOD_S
    return Draft(
        meter=meter,
        start_utc=start,
        period_s=PERIOD_S,
        readings=tuple(readings),
        registers=registers,
        identity="SERIAL1",
        read_at_utc=start + len(readings) * PERIOD_S + 30 if read_at_utc is None else read_at_utc,
        clock=ClockEvidence(offset_ms=-1200, source=ClockSource.GATEWAY),
        origin=Origin.LLS,
        software=SOFTWARE,
    )


class Gateway:
    """A key and the outbox that belongs to it, in `directory`."""

    def __init__(self, directory: Path, *, meters: Sequence[str] = ("M1", "M2"), capacity: int = 1000) -> None:
        self.path = directory / "agent.db"
        self.capacity = capacity
        self.signer: FileSigner = create_key(str(directory / "gateway.pem"), Algorithm.ES256)
        self._salts = 0
        Outbox.create(
            self.path,
            Enrolled(gateway="gw1", kid=self.signer.public_key.kid, request=REQUEST, meters=tuple(meters)),
        )

    def open(self, hook: Hook = no_hook) -> Outbox:
        return Outbox(self.path, capacity=self.capacity, hook=hook)

    def put(self, outbox: Outbox, entry: Draft) -> Sealed | None:
        return outbox.put(entry, self.entry(entry).build)

    def entry(self, made: Draft) -> Entry:
        """`made` with what signs it."""
        self._salts += 1
        salt = self._salts.to_bytes(16, "big")
        return Entry(draft=made, build=lambda place: seal(made, place, salt=salt, signer=self.signer))


def to_send(outbox: Outbox, now_utc: int = 0, limit: int = 100) -> list[Pending]:
    return outbox.to_send(now_utc=now_utc, limit=limit, excluding=(), longest_delay_s=900)
