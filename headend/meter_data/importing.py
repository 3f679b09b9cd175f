"""Importing: a file of another system's readings becomes logged ImportedBatches, all of it in one transaction of the log, or nothing.

The same bytes again are the same import. Source: docs/wire-format.md §4.8; docs/operating.md, Meters without a gateway.
"""

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from headend.counting import TellPart, untold_part
from headend.imports.file import Parser
from headend.imports.plan import ImportPlan, MeterReadings, planned
from headend.imports.report import ImportOutcome, Verdict, Vouched
from headend.log.logbook import Logbook, LogTransaction
from headend.onboarding.known import Registry
from headend.onboarding.meter_names import MeterNames
from headend.registry.plan import Rejected
from headend.store.sqlite import day_rows, import_rows, log_rows
from headend.store.sqlite.database import Database
from signing import fields
from signing.canonical import SALT_SIZE
from signing.envelope import sign
from signing.interval import DAY_S, ist_day_start
from signing.keys import Signer
from signing.statements.imported_batch import ImportedBatch, ImportedOpening
from signing.statements.meter_record import Stamps


class Importing:
    """Takes files. Owned by the thread that owns the logbook and its database."""

    __slots__ = ("_book", "_database", "_registry", "_salts", "_signer", "_stamps", "_tell")

    def __init__(
        self,
        *,
        database: Database,
        book: Logbook,
        registry: Registry,
        signer: Signer,
        stamps: Stamps = Stamps.END,
        salts: Callable[[], bytes] = lambda: secrets.token_bytes(SALT_SIZE),
        tell: TellPart = untold_part,
    ) -> None:
        """`signer` is the discom's statement key; `stamps` says which register a DAILY reading of IES is; `tell` is told how far the writing is."""
        self._tell = tell
        self._database = database
        self._book = book
        self._registry = registry
        self._signer = signer
        self._stamps = stamps
        self._salts = salts

    def preview(self, content: bytes, parse: Parser) -> ImportOutcome:
        """What taking a file would do now. Writes nothing.

        Raises:
            ImportRefusedError: it is no such file.
        """
        digest = hashlib.sha256(content).digest()
        known = self._known(self._database.connection, digest)
        if known is not None:
            return known
        file = parse(content, self._stamps)
        self._registry.reload()
        plan = planned(file, MeterNames(self._registry))
        return _outcome(Verdict.REFUSED if plan.faults else Verdict.LOOKED_AT, digest, file.rows, plan, ())

    def take(
        self,
        content: bytes,
        parse: Parser,
        *,
        source: str,
        by: str,
        at_utc: int,
        rejected: Rejected = Rejected.REFUSES_ALL,
    ) -> ImportOutcome:
        """Takes a file whole; one with a rejected row is refused whole. `source` names the system, `by` who brought the file.

        With `Rejected.LEFT_OUT` the rejected rows alone are left out.

        Raises:
            ImportRefusedError: it is no such file.
            DecodeError: `source` is not 1 to 128 printable characters.
            StoreUnavailableError: nothing was written; try again later.
        """
        fields.label(source, "source")
        digest = hashlib.sha256(content).digest()
        # Parsed before the log is locked: intake waits for a transaction, and not for a file.
        known = self._known(self._database.connection, digest)
        if known is not None:
            return known
        file = parse(content, self._stamps)
        with self._book.transaction() as transaction:
            connection = transaction.connection
            known = self._known(connection, digest)
            if known is not None:
                return known
            self._registry.reload()
            plan = planned(file, MeterNames(self._registry))
            if plan.faults and (rejected is Rejected.REFUSES_ALL or not plan.readings):
                return _outcome(Verdict.REFUSED, digest, file.rows, plan, ())
            taken = _Taken(
                file=digest,
                row=import_rows.put_file(
                    connection, digest=digest, source=source, brought_by=by, taken_utc=at_utc, rows=file.rows
                ),
                source=source,
                at_utc=at_utc,
            )
            batches = []
            for readings in plan.readings:
                batches.append(self._vouch(transaction, readings, taken))
                self._tell("meters vouched for", len(batches), len(plan.readings))
            _make_due(connection, plan, at_utc)
            return _outcome(Verdict.TAKEN, digest, file.rows, plan, batches)

    def _vouch(self, transaction: LogTransaction, readings: MeterReadings, taken: "_Taken") -> Vouched:
        opening = ImportedOpening(
            salt=self._salts(), period_s=readings.period_s, blocks=readings.blocks, registers=readings.registers
        )
        header = ImportedBatch.of(readings.meter, taken.source, taken.file, opening)
        registered = self._registry.meter(readings.meter)
        assert registered is not None
        signed = sign(header, self._signer)
        leaf = transaction.append(registered.record.log, [signed.digest])
        import_rows.put(
            transaction.connection, leaf, signed.envelope, header, opening, file=taken.row, at_utc=taken.at_utc
        )
        return Vouched(
            meter=header.meter,
            index=log_rows.leaf_place(leaf)[1],
            digest=signed.digest,
            blocks=header.blocks,
            registers=header.registers,
        )

    def _known(self, connection: sqlite3.Connection, digest: bytes) -> ImportOutcome | None:
        stored = import_rows.file(connection, digest)
        if stored is None:
            return None
        batches = import_rows.batches_of(connection, stored.file)
        return ImportOutcome(
            verdict=Verdict.KNOWN,
            file=digest,
            rows=stored.rows,
            meters=len({one.meter for one in batches}),
            blocks=sum(one.blocks for one in batches),
            registers=sum(one.registers for one in batches),
            batches=tuple(
                Vouched(
                    meter=one.meter,
                    index=log_rows.leaf_place(one.leaf)[1],
                    digest=one.digest,
                    blocks=one.blocks,
                    registers=one.registers,
                )
                for one in batches
            ),
            faults=(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """The file that statements are made of."""

    file: bytes
    row: int
    source: str
    at_utc: int


def _make_due(connection: sqlite3.Connection, plan: ImportPlan, at_utc: int) -> None:
    """Validated days may use what was imported."""
    days = {(one.meter, ist_day_start(block.start_utc)) for one in plan.readings for block in one.blocks}
    day_rows.put_due(connection, [(meter, start, max(at_utc, start + DAY_S)) for meter, start in days])


def _outcome(verdict: Verdict, digest: bytes, rows: int, plan: ImportPlan, batches: Sequence[Vouched]) -> ImportOutcome:
    return ImportOutcome(
        verdict=verdict,
        file=digest,
        rows=rows,
        meters=len({one.meter for one in plan.readings}),
        blocks=sum(len(one.blocks) for one in plan.readings),
        registers=sum(len(one.registers) for one in plan.readings),
        batches=tuple(batches),
        faults=plan.faults,
    )
