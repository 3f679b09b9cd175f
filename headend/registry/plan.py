"""What a registry sheet changes, decided before anything is written: the diff, the faults, the warnings.

Pure. A dry run shows the plan; applying writes it. Rows take effect in the order of their times, whatever their order in the file.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from itertools import groupby

from headend.consent import Consent
from headend.registry.dated import holding, stated
from headend.registry.draft import BLANK, Draft, Known, consent_key
from headend.registry.sheet import Fault, Row, Sheet
from headend.registry.sheet_columns import COLUMNS, Column, Group
from headend.registry.supply import Supply
from signing.interval import is_aligned, ist_text
from signing.statements.meter_record import Fact, Role

_OF_TERM = {column.field: column for column in COLUMNS if column.group is Group.TERM}
_OF_SUPPLY = {column.field: column for column in COLUMNS if column.group is Group.SUPPLY}
_CUTTING = ("identity", "connection_point", "role", "period_s", "ct", "pt", "factor")
"""Terms that a part of a window must not change in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that a row changes."""

    line: int
    meter: str
    from_utc: int
    field: str
    """The column, by name."""
    before: str
    """As a cell; empty where nothing held."""
    after: str

    @property
    def words(self) -> str:
        """The change for people."""
        what = f"{self.before or '(nothing)'} -> {self.after or '(nothing)'}"
        return f"line {self.line}  {self.meter} from {ist_text(self.from_utc)}  {self.field}: {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sheet comes to."""

    draft: Draft
    changes: tuple[Change, ...]
    faults: tuple[Fault, ...]
    """Of the sheet and of its rows, by line."""
    warnings: tuple[str, ...]
    total: int
    """Rows of the sheet."""
    touched: Mapping[str, int]
    """Connection points whose windows may be decided anew, with the earliest time from which on."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.changes


class Rejected(Enum):
    """What becomes of a sheet with faulty rows."""

    REFUSES_ALL = "refuses-all"
    """Nothing is written: the sheet is corrected and given again."""
    LEFT_OUT = "left-out"
    """Every meter with a faulty row is left out whole; the others are written."""


def decided(sheet: Sheet, known: Known, rejected: Rejected) -> Plan:
    """What the sheet would change. With `REFUSES_ALL`, a plan with faults MUST NOT be written."""
    return _whole(sheet, known) if rejected is Rejected.REFUSES_ALL else _good_part(sheet, known)


def _whole(sheet: Sheet, known: Known) -> Plan:
    planner = _Planner(Draft(known))
    planner.take(sheet.rows)
    return planner.plan(sheet, ())


def _good_part(sheet: Sheet, known: Known) -> Plan:
    """What is left when every meter with a faulty row is left out; what leaned on one of them may become faulty in turn."""
    spoilt = set(sheet.spoilt)
    faults: list[Fault] = []
    while True:
        rows = [row for row in sheet.rows if row.meter not in spoilt]
        planner = _Planner(Draft(known))
        planner.take(rows)
        if not planner.faults:
            return planner.plan(sheet, faults)
        faults += planner.faults
        faulty = {fault.line for fault in planner.faults}
        spoilt |= {row.meter for row in rows if row.line in faulty}


@dataclass(slots=True)
class _Planner:
    draft: Draft
    faults: list[Fault] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)
    serials: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The meters of the sheet by serial number."""
    lines: dict[tuple[str, int], Row] = field(default_factory=dict)
    """The first row of a meter and time."""
    said: dict[tuple[str, int], Row] = field(default_factory=dict)
    """The first row that says something of a connection point and time."""

    def take(self, rows: Iterable[Row]) -> None:
        """Lays the rows over what is recorded."""
        for _, group in groupby(sorted(rows, key=lambda row: row.from_utc), key=lambda row: row.from_utc):
            together = [row for row in group if self._is_first_word(row)]
            placed = [(row, fact) for row in together if (fact := self._placed(row)) is not None]
            # An id that moves from one place to another is named by both rows: it is given up before it is taken.
            for row, fact in placed:
                self._retire(row, fact)
            for row, fact in placed:
                self._name(row, fact)
                self._agree(row, fact)
        self._require_one_revenue_meter()

    def plan(self, sheet: Sheet, faults: Iterable[Fault]) -> Plan:
        """What was found."""
        return Plan(
            draft=self.draft,
            changes=tuple(sorted(self.changes, key=lambda change: (change.line, change.field))),
            faults=tuple(sorted({*sheet.faults, *self.faults, *faults})),
            warnings=tuple(self.warnings),
            total=sheet.total,
            touched=self.touched,
        )

    def _is_first_word(self, row: Row) -> bool:
        """Whether nothing is said already of the meter and time; a further row may state a further consent, and must agree."""
        first = self.lines.setdefault((row.meter, row.from_utc), row)
        if replace(first, line=0, consent=None) != replace(row, line=0, consent=None):
            got = f"another state than line {first.line} gives"
            self._refuse(
                row, "from", "one state of a meter and time", got, "correct one of the two times, or join the rows"
            )
            return False
        return True

    def _placed(self, row: Row) -> Fact | None:
        """Takes over a row's terms, gateway and supply; gives what holds of the meter then."""
        history = self.draft.terms_of(row.meter)
        held = holding(history, row.from_utc)
        for name in ("identity", "connection_point"):
            if held is None and name not in row.terms:
                got = "no such column, and nothing is recorded of the meter at this time"
                self._refuse(row, name, _OF_TERM[name].expected, got, f"add the column {name}")
                return None
        fact = replace(held or BLANK, **row.terms)  # type: ignore[arg-type]  # the columns name fields
        if fact.role is not Role.REVENUE and row.is_about_supply:
            column = _first_about_supply(row)
            remedy = "say it in the row of the REVENUE meter of the connection point"
            self._refuse(row, column, f"a blank cell in the row of a {fact.role.name} meter", "a value", remedy)
            return None
        after = stated(history, row.from_utc, fact)
        if after is not history:
            self.draft.terms[row.meter] = after
            self._note_fields(row, _OF_TERM, held, fact)
            self._touch(row, held, fact)
        self._plan_gateway(row)
        if fact.role is Role.REVENUE:
            self._supply(row, fact.connection_point)
        return fact

    def _touch(self, row: Row, held: Fact | None, fact: Fact) -> None:
        for point in {fact.connection_point, fact.connection_point if held is None else held.connection_point}:
            self.touched[point] = min(row.from_utc, self.touched.get(point, row.from_utc))
        serials = self.serials[fact.identity]
        for other in sorted((self.draft.known.meters_with(fact.identity) | serials) - {row.meter}):
            same = holding(self.draft.terms_of(other), row.from_utc)
            if same is not None and same.identity == fact.identity:
                self.warnings.append(
                    f"line {row.line}: serial number {fact.identity} is that of meter {other} too: one of the two may be a slip"
                )
        serials.add(row.meter)
        if held is not None and any(getattr(held, name) != getattr(fact, name) for name in _CUTTING):
            for period_s in sorted({held.period_s, fact.period_s}):
                if not is_aligned(row.from_utc, period_s):
                    self.warnings.append(
                        f"line {row.line}: {ist_text(row.from_utc)} cuts a block of {period_s} s of meter {row.meter}, which will be missing"
                    )

    def _plan_gateway(self, row: Row) -> None:
        if row.gateway is None:
            return
        (gateway,) = row.gateway
        history = self.draft.gateways_of(row.meter)
        before = holding(history, row.from_utc)
        if gateway == before:
            return
        self.draft.gateways[row.meter] = stated(history, row.from_utc, gateway)
        self._note(row, "gateway", before or "", gateway or "")

    def _supply(self, row: Row, point: str) -> None:
        if not row.supply:
            return
        first = self.said.setdefault((point, row.from_utc), row)
        for name in sorted(first.supply.keys() & row.supply.keys()):
            if first.supply[name] != row.supply[name]:
                got = f"another than line {first.line} gives"
                self._refuse(row, _OF_SUPPLY[name].name, f"one value for {point}", got, "correct one of the two rows")
                return
        held = self.draft.supply(point, row.from_utc)
        supply = replace(held, **row.supply)  # type: ignore[arg-type]  # the columns name fields
        if supply != held:
            self.draft.supplies[point] = stated(self.draft.supplies_of(point), row.from_utc, supply)
            self._note_fields(row, _OF_SUPPLY, held, supply)

    def _retire(self, row: Row, fact: Fact) -> None:
        if row.posted_as is None or fact.role is not Role.REVENUE:
            return
        for name in self.draft.names(fact.connection_point, row.from_utc):
            if name not in row.posted_as:
                self.draft.name(name, row.from_utc, None)
                self._note(row, "posted_as", name, "")
                self.warnings.append(
                    f"line {row.line}: '{name}' names nothing from {ist_text(row.from_utc)} on: withdraw what was attested as it since"
                )

    def _name(self, row: Row, fact: Fact) -> None:
        point = fact.connection_point
        for name in row.posted_as or ():
            held = holding(self.draft.alias(name), row.from_utc)
            if held == point:
                continue
            if held is not None:
                got = f"'{name}', which names connection point {held}"
                self._refuse(row, "posted_as", "ids that name no other place", got, "end it there first, or correct it")
                continue
            self.draft.name(name, row.from_utc, point)
            self._note(row, "posted_as", "", name)

    def _agree(self, row: Row, fact: Fact) -> None:
        if row.consent is None:
            return
        consumer = self.draft.supply(fact.connection_point, row.from_utc).consumer
        if consumer is None:
            remedy = "give the consumer number in the same row"
            self._refuse(row, "consumer", "who consents", "no consumer at this connection point and time", remedy)
            return
        stated_consent = row.consent
        consent = Consent(
            connection_point=fact.connection_point,
            consumer=consumer,
            purpose=stated_consent.purpose,
            grantee=stated_consent.grantee,
            from_utc=stated_consent.from_utc,
            until_utc=stated_consent.until_utc,
        )
        before = self.draft.consent(consent_key(consent))
        if consent != before:
            self.draft.consents[consent_key(consent)] = consent
            self._note(row, "consent", "" if before is None else consent_words(before), consent_words(consent))

    def _require_one_revenue_meter(self) -> None:
        """Two that begin at one place and time settle nothing: nobody can say which of them measures."""
        placed: defaultdict[str, set[str]] = defaultdict(set)
        for meter, history in self.draft.terms.items():
            for entry in history:
                placed[entry.value.connection_point].add(meter)
        for point in sorted(self.touched):
            began: defaultdict[int, set[str]] = defaultdict(set)
            for meter in self.draft.known.meters_at(point) | placed[point]:
                for entry in self.draft.terms_of(meter):
                    if entry.value.role is Role.REVENUE and entry.value.connection_point == point:
                        began[entry.from_utc].add(meter)
            self._warn_of_returns(point, began)
            for at_utc, meters in began.items():
                for row in self._rows_of(meters, at_utc) if len(meters) > 1 else ():
                    others = ", ".join(sorted(meters - {row.meter}))
                    remedy = "make one a CHECK meter, or give the later one its own time"
                    self._refuse(row, "role", f"one REVENUE meter at {point} from this time", f"also {others}", remedy)

    def _warn_of_returns(self, point: str, began: Mapping[int, set[str]]) -> None:
        """The meter whose fact began last measures: a row of one that was exchanged takes the place back, which may be a slip."""
        times = sorted(began)
        for earlier, before_utc, at_utc in zip(range(len(times)), times, times[1:], strict=False):
            was_here = set().union(*(began[time] for time in times[:earlier]))
            for row in self._rows_of((began[at_utc] & was_here) - began[before_utc], at_utc):
                others = ", ".join(sorted(began[before_utc]))
                self.warnings.append(
                    f"line {row.line}: meter {row.meter} takes {point} back from {others} from {ist_text(at_utc)} on: "
                    f"if {others} still measures there, correct its row instead"
                )

    def _rows_of(self, meters: Iterable[str], at_utc: int) -> Iterator[Row]:
        return (row for meter in sorted(meters) if (row := self.lines.get((meter, at_utc))) is not None)

    def _note_fields(
        self, row: Row, columns: Mapping[str, Column], before: Fact | Supply | None, after: Fact | Supply
    ) -> None:
        for part in fields(after):
            column = columns.get(part.name)
            old = None if before is None else getattr(before, part.name)
            new = getattr(after, part.name)
            if column is not None and old != new:
                shown = ["" if value is None else column.show(value) for value in (old, new)]
                self._note(row, column.name, shown[0], shown[1])

    def _note(self, row: Row, column: str, before: str, after: str) -> None:
        self.changes.append(
            Change(line=row.line, meter=row.meter, from_utc=row.from_utc, field=column, before=before, after=after)
        )

    def _refuse(self, row: Row, column: str, expected: str, got: str, remedy: str) -> None:
        self.faults.append(Fault(line=row.line, column=column, expected=expected, got=got, remedy=remedy))


def consent_words(consent: Consent) -> str:
    """A consent for people."""
    until = "without end" if consent.until_utc is None else f"until {ist_text(consent.until_utc)}"
    return f"{consent.purpose} to {consent.grantee} from {ist_text(consent.from_utc)} {until}"


def _first_about_supply(row: Row) -> str:
    named: Sequence[str] = [_OF_SUPPLY[name].name for name, value in row.supply.items() if value is not None]
    return next(iter(named), "posted_as" if row.posted_as else "consent_purpose")
