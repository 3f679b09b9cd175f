"""Registers as gateways signed them, by stamp. Every function works inside the caller's transaction."""

import sqlite3
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from signing.chain import AdmittedBatch
from signing.envelope import parse
from signing.evidence import device
from signing.statements.meter_record import MeterRecord
from signing.statements.reading_batch import Opening, ReadingBatch, Register


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRegister:
    """One register with the device that showed it."""

    device: str
    """The serial number that the record names."""
    register: Register


def signed(connection: sqlite3.Connection, record: MeterRecord, stamps: Collection[int]) -> Iterator[SignedRegister]:
    """The signed registers of a meter at these stamps, in the order of the log.

    At the very moment of an exchange two devices show a register: it is nobody's, and left out.
    """
    wanted = sorted(set(stamps) - {fact.from_utc for fact in record.facts[1:]})
    if not wanted:
        return
    rows = connection.execute(
        "SELECT start_utc, end_utc, kid, digest, sign1, opening FROM batches JOIN chains USING (chain) "
        "JOIN meters USING (meter) JOIN keys USING (key) WHERE meters.name = ? AND opening IS NOT NULL "
        "AND end_utc >= ? AND start_utc <= ? ORDER BY leaf",
        (record.meter, wanted[0], wanted[-1]),
    )
    for start, end, kid, digest, sign1, opening in rows:
        place = bisect_left(wanted, start)
        if place == len(wanted) or wanted[place] > end:
            continue
        header = ReadingBatch.parse(parse(sign1).payload)
        opened = Opening.parse(opening, header.count)
        batch = AdmittedBatch(kid=kid, digest=digest, header=header, opening=opened)
        for register in opened.registers:
            stamp = register.stamp_utc
            # A stamp outside the closed span of its batch is no evidence for that span.
            if start <= stamp <= end and stamp in wanted and device(record, stamp).stated(batch, register):
                yield SignedRegister(device=device(record, stamp).identity, register=register)
