"""Import: a registry sheet becomes logged MeterRecords and dated rows, all of it in one transaction of the log, or nothing.

The plan that is written is made inside the transaction that writes it. Source: docs/operating.md, On-boarding; EVIDENCE §1.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping

from headend.consent import Consent
from headend.counting import TellPart, untold_part
from headend.log.logbook import Logbook, LogTransaction
from headend.onboarding.known import Registry
from headend.onboarding.recording import first_record, log_record, next_record
from headend.registry.dated import History
from headend.registry.plan import Plan, Rejected, decided
from headend.registry.report import AttestedWindow, Outcome
from headend.registry.sheet import Sheet
from headend.registry.supply import Exchange, StatedChange, Supply
from headend.store.sqlite import registry_rows, supply_rows
from headend.store.sqlite.database import Database
from signing.keys import Signer
from signing.statements.meter_record import Fact


class RegistryImport:
    """Plans and writes registry sheets. Owned by the thread that owns the logbook and its database."""

    __slots__ = ("_book", "_database", "_registry", "_signer", "_tell")

    def __init__(
        self, *, database: Database, book: Logbook, registry: Registry, signer: Signer, tell: TellPart = untold_part
    ) -> None:
        """`signer` is the discom's statement key; all others work on `database`. `tell` is told how far the writing is."""
        self._tell = tell
        self._database = database
        self._book = book
        self._registry = registry
        self._signer = signer

    def preview(self, sheet: Sheet, rejected: Rejected = Rejected.REFUSES_ALL) -> Outcome:
        """What applying the sheet would do now. Writes nothing."""
        self._registry.reload()
        connection = self._database.connection
        return self._outcome(connection, self._planned(connection, sheet, rejected), is_applied=False)

    def apply(
        self,
        sheet: Sheet,
        *,
        by: str,
        at_utc: int,
        rejected: Rejected = Rejected.REFUSES_ALL,
        exchange: Exchange | None = None,
    ) -> Outcome:
        """Writes what the sheet changes; the same sheet again changes nothing. `exchange` is stored with it, if the sheet is.

        Raises:
            StoreUnavailableError: nothing was written; try again later.
        """
        with self._book.transaction() as transaction:
            self._registry.reload()
            planned = self._planned(transaction.connection, sheet, rejected)
            is_applied = not planned.faults or rejected is Rejected.LEFT_OUT
            outcome = self._outcome(transaction.connection, planned, is_applied=is_applied)
            if outcome.is_applied:
                self._write(transaction, planned, by=by, at_utc=at_utc)
                if exchange is not None:
                    supply_rows.put_exchange(transaction.connection, exchange)
        self._registry.reload()
        return outcome

    def _planned(self, connection: sqlite3.Connection, sheet: Sheet, rejected: Rejected) -> Plan:
        return decided(sheet, StoredKnown(self._registry, connection), rejected)

    def _outcome(self, connection: sqlite3.Connection, planned: Plan, *, is_applied: bool) -> Outcome:
        reached = [
            AttestedWindow(posted_as=name, start_utc=start, end_utc=end)
            for point, since in sorted(planned.touched.items())
            for name, start, end in supply_rows.attested_since(connection, point, since)
        ]
        return Outcome(plan=planned, is_applied=is_applied, records=len(planned.draft.terms), reached=tuple(reached))

    def _write(self, transaction: LogTransaction, planned: Plan, *, by: str, at_utc: int) -> None:
        draft, connection = planned.draft, transaction.connection
        changed = draft.changed_facts()
        for done, (meter, facts) in enumerate(changed.items(), start=1):
            current = self._registry.meter(meter)
            record = first_record(meter, facts, (), log=0) if current is None else next_record(current, facts=facts)
            log_record(transaction, record, self._signer, at_utc=at_utc)
            self._tell("meters recorded", done, len(changed))
        # What a program logged that kept no places yet.
        for meter in registry_rows.unplaced(connection):
            known = self._registry.meter(meter)
            if known is not None:
                registry_rows.put_places(connection, known.meter, known.record.facts)
        for point, supplies in draft.supplies.items():
            supply_rows.put_supplies(connection, point, supplies)
        for name, places in draft.aliases.items():
            supply_rows.put_aliases(connection, name, places)
        for meter, gateways in draft.gateways.items():
            supply_rows.put_gateways(connection, meter, gateways)
        for consent in draft.consents.values():
            supply_rows.put_consent(connection, consent)
        supply_rows.put_changes(
            connection,
            (
                StatedChange(
                    stated_by=by,
                    stated_utc=at_utc,
                    meter=change.meter,
                    from_utc=change.from_utc,
                    field=change.field,
                    before=change.before,
                    after=change.after,
                )
                for change in planned.changes
            ),
        )


class StoredKnown:
    """What is recorded, from the registry and its rows; holds for the transaction that it is made in."""

    __slots__ = ("_connection", "_registry", "_serials")

    def __init__(self, registry: Registry, connection: sqlite3.Connection) -> None:
        self._registry = registry
        self._connection = connection
        self._serials: Mapping[str, set[str]] | None = None

    def facts(self, meter: str) -> tuple[Fact, ...]:
        """Of the meter's newest record."""
        known = self._registry.meter(meter)
        return () if known is None else known.record.facts

    def gateways(self, meter: str) -> History[str | None]:
        """By which gateway a meter is to be read."""
        return supply_rows.gateways(self._connection, meter)

    def supplies(self, connection_point: str) -> History[Supply]:
        """What is known of a connection point."""
        return supply_rows.supplies(self._connection, connection_point)

    def alias(self, posted_as: str) -> History[str | None]:
        """What a ledger's id names."""
        return self._registry.alias(posted_as)

    def names(self, connection_point: str) -> frozenset[str]:
        """Every id that ever named a connection point."""
        return supply_rows.names(self._connection, connection_point)

    def consents(self, connection_point: str) -> frozenset[Consent]:
        """Every consent at a connection point."""
        return supply_rows.consents(self._connection, connection_point)

    def meters_at(self, connection_point: str) -> frozenset[str]:
        """Every meter that any fact ever placed there."""
        return frozenset(meter.record.meter for meter in self._registry.meters_at(connection_point))

    def meters_with(self, identity: str) -> frozenset[str]:
        """Every meter that any fact gives this serial number."""
        if self._serials is None:
            found: defaultdict[str, set[str]] = defaultdict(set)
            for meter in self._registry.meters():
                for fact in self.facts(meter):
                    found[fact.identity].add(meter)
            self._serials = found
        return frozenset(self._serials.get(identity, ()))
