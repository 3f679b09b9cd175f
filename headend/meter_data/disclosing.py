"""Giving meter data away: to whom every consumer concerned consented, for the purpose they consented to, each time noted first.

What is given is the validated series and the signed daily registers; nothing is decided here. Source: EVIDENCE §5 (disclosure is graded, each
logged); EXCHANGE §6.
"""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from headend.consent import Consent, ConsentRefusedError, Disclosure, granted
from headend.ies.codes import HELD, Mode, ProfileKind
from headend.ies.credential import Issuer, issue
from headend.ies.document import MeterRef
from headend.ies.page import Answer, Cursor, Page, Stretch, paged
from headend.ies.rendering import Form, document, point_did
from headend.ies.request import MeterDataRequest, RequestRefusedError
from headend.ies.rows import EnergyRow, StampedRegister, block_rows, doubted, register_rows
from headend.onboarding.known import RegisteredMeter, Registry
from headend.onboarding.meter_names import MeterNames
from headend.store.sqlite import day_rows, disclosure_rows, doubt_rows, supply_rows
from headend.store.sqlite import register_rows as signed_rows
from headend.store.sqlite.database import Database
from headend.store.sqlite.disclosure_rows import Given, IssuedCredential
from headend.vee.declared import Channel
from ledger_client.exact_json import dumps
from signing.interval import DAY_S, Interval, ist_day_start
from signing.keys import Signer
from signing.statements.meter_record import Fact, MeterRecord

_DAYS_AT_ONCE = 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Grantee:
    """Who asks, for what, and who answers for the asking."""

    name: str
    purpose: str
    holder: str
    """Name of the token, or of the operator."""


class Disclosing:
    """Answers requests from one database. Owned by the thread that owns the database's connection."""

    __slots__ = ("_database", "_domain", "_registry")

    def __init__(self, *, database: Database, registry: Registry, domain: str) -> None:
        """`domain` is the discom's, by which meters are named outside."""
        self._database = database
        self._registry = registry
        self._domain = domain

    def meter_data(
        self, asked: MeterDataRequest, grantee: Grantee, form: Form, cursor: str | None, *, at_utc: int
    ) -> Answer:
        """One page of MeterData.

        Raises:
            RequestRefusedError: the cursor is none of this request's.
            ConsentRefusedError: somebody concerned did not consent, or a meter is not known: which of the two is not said.
            StoreUnavailableError: nothing was given.
        """
        meters = self._consented(asked, grantee, at_utc)
        page = self._page(asked, meters, cursor)
        content = dumps(document(page.runs, form, self._domain))
        what = f"MeterData {' '.join(sorted(kind.value for kind in asked.profiles))}"
        self._note(what, asked, grantee, meters, page.records, at_utc)
        return Answer(content=content, records=page.records, next=None if page.next is None else page.next.text)

    def credential(
        self, asked: MeterDataRequest, grantee: Grantee, form: Form, *, issuer: Issuer, number: str, days: int,
        signer: Signer, at_utc: int,
    ) -> Answer:  # fmt: skip
        """A MeterDataCredential of everything that is asked for of one connection point, noted before it leaves.

        Raises:
            RequestRefusedError: it asks for more than one meter or connection point, or for more than one page.
            ConsentRefusedError, StoreUnavailableError: as `meter_data`.
            CredentialRefusedError: the statement key cannot sign one.
        """
        meters = self._consented(asked, grantee, at_utc)
        if len(meters) != 1:
            raise RequestRefusedError("expected one meter in a credential: ask for one each")
        page = self._page(asked, meters, None)
        if page.next is not None:
            raise RequestRefusedError(
                f"expected at most {asked.most} records in a credential: ask for a shorter time, or for more by maxRecordsShared"
            )
        points = [point for point, _ in _places(meters[0].record, asked.span)]
        if len(points) != 1:
            # A credential has one subject: what was measured elsewhere is not said of it.
            raise RequestRefusedError(
                f"expected a time in which the meter was at one connection point, it was at {len(points)}: ask for each time alone"
            )
        subject = point_did(self._domain, points[0])
        valid = Interval(at_utc, at_utc + days * DAY_S)
        signed = issue(
            document(page.runs, form, self._domain),
            issuer=issuer,
            subject=subject,
            number=number,
            valid=valid,
            signer=signer,
        )
        kept = IssuedCredential(
            number=number,
            subject=subject,
            grantee=grantee.name,
            issued_utc=at_utc,
            until_utc=valid.end_utc,
            digest=hashlib.sha256(signed.content).digest(),
        )
        self._note(f"MeterDataCredential {number}", asked, grantee, meters, page.records, at_utc, kept)
        return Answer(content=signed.content, records=page.records, next=None)

    def _note(  # noqa: PLR0917 - one row
        self,
        what: str,
        asked: MeterDataRequest,
        grantee: Grantee,
        meters: tuple[RegisteredMeter, ...],
        records: int,
        at_utc: int,
        issued: IssuedCredential | None = None,
    ) -> None:
        """Before anything leaves: what nobody noted must not have been given."""
        given = Given(
            what=what,
            grantee=grantee.name,
            purpose=grantee.purpose,
            holder=grantee.holder,
            meters=tuple(meter.record.meter for meter in meters),
            span=asked.span,
            records=records,
            disclosed_utc=at_utc,
        )
        with self._database.transaction() as connection:
            disclosure_rows.put(connection, given)
            if issued is not None:
                disclosure_rows.put_credential(connection, issued)

    def _consented(self, asked: MeterDataRequest, grantee: Grantee, at_utc: int) -> tuple[RegisteredMeter, ...]:
        """The meters that are asked for, by name, once everybody concerned consented."""
        self._registry.reload()
        names = MeterNames(self._registry)
        found: dict[str, RegisteredMeter] = {}
        refused: list[str] = []
        for resource in asked.resources:
            ref = MeterRef(scheme="DID" if resource.startswith("did:") else "OTHER", value=resource)
            name = names.meter((ref,), asked.span.start_utc)
            meter = None if name is None else self._registry.meter(name)
            if meter is None or not is_consented(self._database.connection, meter.record, asked.span, grantee, at_utc):
                refused.append(resource)
            else:
                found[meter.record.meter] = meter
        if refused:
            raise ConsentRefusedError(
                f"no consent to {grantee.name} for {grantee.purpose!r:.80} by everybody concerned with {', '.join(refused)[:400]}: "
                "the consumer states it, the discom records it (docs/operating.md, On-boarding)"
            )
        return tuple(found[name] for name in sorted(found))

    def _page(self, asked: MeterDataRequest, meters: tuple[RegisteredMeter, ...], cursor: str | None) -> Page:
        start = None if cursor is None else Cursor.parse(cursor)
        return paged(self._stretches(asked, meters, start), start, asked.most)

    def _stretches(
        self, asked: MeterDataRequest, meters: tuple[RegisteredMeter, ...], start: Cursor | None
    ) -> Iterator[Stretch]:
        """Everything that is asked for, profile by profile and meter by meter, read as it is wanted."""
        for kind, labels in sorted(asked.profiles.items(), key=lambda entry: entry[0].value):
            for mode in sorted({mode for modes in labels.values() for mode in modes}, key=lambda mode: mode.value):
                channels = _channels(kind, labels, mode)
                for meter in meters:
                    place = Cursor(kind=kind, mode=mode, meter=meter.record.meter, start_utc=0)
                    if start is not None and place.stretch < start.stretch:
                        continue
                    since = start.start_utc if start is not None and place.stretch == start.stretch else 0
                    span = (
                        asked.span
                        if since <= asked.span.start_utc
                        else Interval(since, max(since + 1, asked.span.end_utc))
                    )
                    rows = (
                        self._blocks(meter.record, span)
                        if kind is ProfileKind.INTERVAL
                        else self._days(meter.record, span, mode)
                    )
                    for length_s, fact, found in rows:
                        row = self._with_doubts(meter.record.meter, found, length_s)
                        energies = {one: row.energies[one] for one in channels if one in row.energies}
                        if energies:
                            yield Stretch(
                                place=place,
                                length_s=length_s,
                                identity=fact.identity,
                                connection_point=fact.connection_point,
                                factor=_factor(fact),
                                row=EnergyRow(start_utc=row.start_utc, energies=energies),
                            )

    def _with_doubts(self, meter: str, row: EnergyRow, length_s: int) -> EnergyRow:
        block = Interval(row.start_utc, row.start_utc + length_s)
        found = [one for one in doubt_rows.of(self._database.connection, meter) if one.covers(block)]
        return doubted(row, found[0].rule) if found else row

    def _blocks(self, record: MeterRecord, span: Interval) -> Iterator[tuple[int, Fact, EnergyRow]]:
        connection = self._database.connection
        first = ist_day_start(span.start_utc)
        while first < span.end_utc:
            part = Interval(first, first + _DAYS_AT_ONCE * DAY_S)
            for stored in day_rows.newest_in(connection, record.meter, part):
                if stored.day.start_utc >= span.end_utc:
                    return
                for length_s, row in block_rows(stored.day, span):
                    fact = record.fact(row.start_utc)
                    if fact is not None:
                        yield length_s, fact, row
            first = part.end_utc

    def _days(self, record: MeterRecord, span: Interval, mode: Mode) -> Iterator[tuple[int, Fact, EnergyRow]]:
        midnights = range(ist_day_start(span.start_utc), span.end_utc + 1, DAY_S)
        shown: dict[tuple[int, str], set[tuple[int | None, int | None]]] = {}
        for one in signed_rows.signed(self._database.connection, record, midnights):
            values = (one.register.import_wh, one.register.export_wh)
            shown.setdefault((one.register.stamp_utc, one.device), set()).add(values)
        registers = [
            StampedRegister(stamp_utc=stamp, device=device, import_wh=values[0], export_wh=values[1])
            for (stamp, device), found in shown.items()
            # Two gateways that disagree say nothing: what is doubted is left out.
            for values in (found if len(found) == 1 else ())
            if all(wh is None or wh >= 0 for wh in values)
        ]
        for _, row in register_rows(registers, span, mode):
            # What a register showed when a day ended is the word of the device that was there then.
            fact = record.fact(row.start_utc + DAY_S - 1)
            if fact is not None:
                yield DAY_S, fact, row


def revoke(database: Database, number: str, *, by: str, reason: str, at_utc: int) -> None:
    """Revokes a credential: from then on its look-up finds it.

    Raises:
        RefusedError: there is none, or it is revoked already.
    """
    with database.transaction() as connection:
        disclosure_rows.revoke(connection, number, by=by, reason=reason, at_utc=at_utc)


def is_consented(
    connection: sqlite3.Connection, record: MeterRecord, span: Interval, grantee: Grantee, at_utc: int
) -> bool:
    """Whether everybody whose data they are consented; never for a time in which nobody knows whose they were."""
    places = list(_places(record, span))
    return bool(places) and all(_granted(connection, point, part, grantee, at_utc) for point, part in places)


def _places(record: MeterRecord, span: Interval) -> Iterator[tuple[str, Interval]]:
    """Where the meter measured in a span: the connection points with their times. The first fact holds also before it."""
    edges = [fact.from_utc for fact in record.facts]
    for point, group in groupby(
        zip(record.facts, [*edges[1:], 2**32 - 1], strict=True), key=lambda pair: pair[0].connection_point
    ):
        facts = list(group)
        began = 0 if facts[0][0] is record.facts[0] else facts[0][0].from_utc
        start, end = max(began, span.start_utc), min(facts[-1][1], span.end_utc)
        if start < end:
            yield point, Interval(start, end)


def _granted(connection: sqlite3.Connection, point: str, part: Interval, grantee: Grantee, at_utc: int) -> bool:
    consents: frozenset[Consent] = supply_rows.consents(connection, point)
    wanted = Disclosure(
        connection_point=point,
        consumers=supply_rows.consumers(connection, point, part),
        purpose=grantee.purpose,
        grantee=grantee.name,
    )
    return bool(granted(consents, wanted, at_utc))


def _channels(kind: ProfileKind, labels: Mapping[str, frozenset[Mode]], mode: Mode) -> tuple[Channel, ...]:
    pairs = zip(HELD[kind], (Channel.IMPORT, Channel.EXPORT), strict=True)
    return tuple(channel for label, channel in pairs if mode in labels.get(label, frozenset()))


def _factor(fact: Fact) -> Fraction:
    factors = (Fraction(one.numerator, one.denominator) for one in (fact.ct, fact.pt, fact.factor))
    found = Fraction(1)
    for one in factors:
        found *= one
    return found
