"""Recording: a MeterRecord is signed, gets its leaf, and is stored, inside the caller's transaction of the log.

A record is the complete state of one meter; changing anything means signing the next number. Source: docs/wire-format.md §4.3.
"""

import secrets
from dataclasses import replace

from headend.log.logbook import LogTransaction
from headend.onboarding.known import RegisteredMeter
from headend.store.sqlite import registry_rows
from signing.canonical import SALT_SIZE
from signing.envelope import Signed, sign
from signing.keys import Signer
from signing.statements.meter_record import Fact, MeterRecord, Speaker


def fresh_salt() -> bytes:
    """16 random bytes: a record's digest is public, and its content could be guessed."""
    return secrets.token_bytes(SALT_SIZE)


def first_record(meter: str, facts: tuple[Fact, ...], speakers: tuple[Speaker, ...], *, log: int) -> MeterRecord:
    """Record 0 of a meter. It may have no speaker: a meter may be known before a key is enrolled for it."""
    return MeterRecord(meter=meter, number=0, previous=None, log=log, facts=facts, speakers=speakers, salt=fresh_salt())


def next_record(
    current: RegisteredMeter, *, facts: tuple[Fact, ...] | None = None, speakers: tuple[Speaker, ...] | None = None
) -> MeterRecord:
    """The record after a meter's newest; what is not given stays."""
    record = current.record
    return replace(
        record,
        number=record.number + 1,
        previous=current.digest,
        facts=record.facts if facts is None else facts,
        speakers=record.speakers if speakers is None else speakers,
        salt=fresh_salt(),
    )


def log_record(transaction: LogTransaction, record: MeterRecord, signer: Signer, *, at_utc: int) -> Signed[MeterRecord]:
    """Signs and stores a record behind its leaf. `signer` is the discom's statement key."""
    signed = sign(record, signer)
    leaf = transaction.append(record.log, [signed.digest])
    meter = registry_rows.put_meter(transaction.connection, record.meter, record.log)
    registry_rows.put_statement(transaction.connection, leaf, signed.envelope, at_utc=at_utc)
    kids = [speaker.key.kid for speaker in record.speakers]
    registry_rows.put_places(transaction.connection, meter, record.facts)
    registry_rows.put_record(transaction.connection, meter=meter, number=record.number, leaf=leaf, kids=kids)
    return signed
