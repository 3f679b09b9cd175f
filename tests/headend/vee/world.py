"""Cases made by hand: one premises, gateways that number and link what they state, records, windows.

Digests are as unsigned statements have them: rules see admitted batches, and who signed is checked elsewhere.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from headend.vee.ruleset import DEFAULT_RULE_SET
from signing.chain import AdmittedBatch
from signing.energy import ONE
from signing.evidence import PartCase, WindowCase
from signing.interval import DAY_S, Interval, parse_instant
from signing.keys import PublicKey, from_cryptography
from signing.statements.meter_record import Fact, MeterRecord, Place, Role, Speaker, SpeakerState, Stamps
from signing.statements.reading import Absence, Columns, Provenance, Reading
from signing.statements.reading_batch import ClockSource, Opening, Origin, ReadingBatch, Register
from signing.statements.rule_set import RuleSet
from signing.statements.window_actual import Basis

MIDNIGHT = parse_instant("2026-04-26T00:00:00+05:30", "midnight")
POINT = "CP-0001"
SERIAL = "SKS00000001"
METER = "SKS-1"
SALT = bytes(16)


def at(text: str) -> int:
    """``10:15`` or ``10:15:07`` IST of 2026-04-26; ``+1 00:00`` and ``-1 23:45`` are the days beside it."""
    days, _, clock = text.rpartition(" ")
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return MIDNIGHT + int(days or 0) * DAY_S + hours * 3600 + minutes * 60 + (seconds[0] if seconds else 0)


def span(start: str, end: str) -> Interval:
    """The interval between two clock times."""
    return Interval(at(start), at(end))


def key(number: int) -> PublicKey:
    """A fixed public key."""
    return from_cryptography(ec.derive_private_key(number + 1, ec.SECP256R1()).public_key())


def reading(imported: int | None = 100, exported: int | None = 0, *, flags: int = 0) -> Reading:
    """A reading; absent as a row that the meter did not give, or as a meter without an export register."""
    absence = (
        Absence.NO_ROW if imported is None else Absence.NONE if exported is not None else Absence.NO_EXPORT_REGISTER
    )
    return Reading(
        import_wh=imported,
        export_wh=exported if imported is not None else None,
        absence=absence,
        flags=flags,
        provenance=Provenance.LOAD_PROFILE,
    )


def readings(imported: Sequence[int | None], exported: Sequence[int | None] | None = None) -> tuple[Reading, ...]:
    """Readings of consecutive blocks."""
    return tuple(reading(i, e) for i, e in zip(imported, exported or [0] * len(imported), strict=True))


def register(stamp: str, imported: int | None, exported: int | None = 0) -> Register:
    """A cumulative register at a clock time."""
    return Register(stamp_utc=at(stamp), import_wh=imported, export_wh=exported)


def admitted(kid: bytes, header: ReadingBatch, opening: Opening | None) -> AdmittedBatch:
    """An admitted batch with the digest that its header and key give it."""
    return AdmittedBatch(
        kid=kid, digest=hashlib.sha256(kid + header.payload()).digest(), header=header, opening=opening
    )


class Gateway:
    """A gateway that states readings of one meter, one chain."""

    def __init__(self, number: int = 0, meter: str = METER) -> None:
        self.key = key(number)
        self.meter = meter
        self.batches: list[AdmittedBatch] = []

    def state(
        self,
        start: str | int,
        rows: Sequence[Reading],
        *,
        registers: Sequence[Register] = (),
        identity: str | None = SERIAL,
        **header: Any,
    ) -> AdmittedBatch:
        """The next batch of the chain; `header` overrides its fields. Read 30 s after its end unless it says otherwise."""
        opening = Opening(salt=SALT, identity=identity, registers=tuple(registers), columns=Columns.of(rows))
        before = self.batches[-1] if self.batches else None
        first = at(start) if isinstance(start, str) else start
        period_s = header.get("period_s", 900)
        fields: dict[str, Any] = {
            "meter": self.meter,
            "sequence": 0 if before is None else before.header.sequence + 1,
            "previous": bytes(32) if before is None else before.digest,
            "start_utc": first,
            "period_s": 900,
            "count": len(rows),
            "reach_utc": 0 if before is None else max(before.header.reach_utc, before.header.end_utc),
            "read_at_utc": first + len(rows) * period_s + 30,
            "clock_offset_ms": 0,
            "clock_source": ClockSource.NTP,
            "origin": Origin.LLS,
            "software": bytes(32),
            "contents": opening.contents(),
        }
        batch = admitted(self.key.kid, ReadingBatch(**(fields | header)), opening)
        self.batches.append(batch)
        return batch

    def copy(self) -> "Gateway":
        """A clone of this gateway: the same key and history, which now goes its own way."""
        clone = Gateway(0, self.meter)
        clone.key = self.key
        clone.batches = list(self.batches)
        return clone


def fact(**fields: Any) -> Fact:
    """What a record says of the meter; `fields` override."""
    stated: dict[str, Any] = {
        "from_utc": MIDNIGHT - 30 * DAY_S,
        "identity": SERIAL,
        "connection_point": POINT,
        "role": Role.REVENUE,
        "period_s": 900,
        "stamps": Stamps.END,
        "ct": ONE,
        "pt": ONE,
        "factor": ONE,
        "sanctioned_w": None,
        "installed_w": None,
    }
    return Fact(**(stated | fields))


def speaker(public: PublicKey, **fields: Any) -> Speaker:
    """A key that speaks for the meter; `fields` override."""
    stated: dict[str, Any] = {
        "key": public,
        "gateway": "gw-1",
        "enrolment": bytes(32),
        "blocks_from_utc": MIDNIGHT - 30 * DAY_S,
        "state": SpeakerState.ACTIVE,
        "last": None,
        "good": None,
    }
    return Speaker(**(stated | fields))


def record(
    speakers: Sequence[Speaker], facts: Sequence[Fact] | None = None, *, meter: str = METER, number: int = 0
) -> MeterRecord:
    """A record of the meter."""
    return MeterRecord(
        meter=meter,
        number=number,
        previous=None if number == 0 else bytes(32),
        log=0,
        facts=tuple(facts or [fact()]),
        speakers=tuple(speakers),
        salt=SALT,
    )


def part(records: Sequence[MeterRecord], batches: Sequence[AdmittedBatch], over: Interval | None = None) -> PartCase:
    """A part of a window; the whole of 10:00 to 12:00 unless it says otherwise."""
    return PartCase(
        span=over or span("10:00", "12:00"),
        records=tuple(records),
        record_digests=tuple(hashlib.sha256(entry.payload()).digest() for entry in records),
        batches=tuple(batches),
    )


def window_case(
    parts: Sequence[PartCase], window: Interval | None = None, rule_set: RuleSet = DEFAULT_RULE_SET
) -> WindowCase:
    """A case; its window is 10:00 to 12:00 unless it says otherwise."""
    return WindowCase(
        connection_point=POINT,
        posted_as="TEST_METER_1",
        window=window or span("10:00", "12:00"),
        rule_set=rule_set,
        basis=Basis.NET,
        parts=tuple(parts),
    )


@dataclass(frozen=True, slots=True)
class Premises:
    """One meter with its gateways: the usual case."""

    gateways: tuple[Gateway, ...]
    records: tuple[MeterRecord, ...]

    def case(self, window: Interval | None = None, rule_set: RuleSet = DEFAULT_RULE_SET) -> WindowCase:
        """The window's case with everything that the gateways stated."""
        batches = {batch.digest: batch for gateway in self.gateways for batch in gateway.batches}
        over = window or span("10:00", "12:00")
        return window_case([part(self.records, tuple(batches.values()), over)], over, rule_set)


def premises(*gateways: Gateway, facts: Sequence[Fact] | None = None, **speaking: Any) -> Premises:
    """Premises whose record names every gateway's key; `speaking` overrides the first speaker's fields."""
    public = {gateway.key.kid: gateway.key for gateway in gateways}
    speakers = [speaker(each) for each in public.values()]
    speakers[0] = replace(speakers[0], **speaking)
    return Premises(gateways=gateways, records=(record(speakers, facts),))


def place(batch: AdmittedBatch) -> Place:
    """Where a batch stands in its chain."""
    return Place(sequence=batch.header.sequence, digest=batch.digest)
