"""Pages of an answer: so many intervals at a time, continued by a cursor that names the next one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from headend.ies.codes import Mode, ProfileKind
from headend.ies.request import RequestRefusedError
from headend.ies.rows import EnergyRow, Run

_LAST = 2**32 - 2
_NO_CURSOR = "expected the cursor of a page before, got another text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is given to whoever asked."""

    content: bytes
    """JSON."""
    records: int
    next: str | None
    """Cursor of the next page; none after the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in an answer: the same request gives the same order."""

    kind: ProfileKind
    mode: Mode
    meter: str
    start_utc: int

    @property
    def stretch(self) -> tuple[str, str, str]:
        """Which meter's rows of which profile, in the order of an answer."""
        return self.kind.value, self.mode.value, self.meter

    @property
    def text(self) -> str:
        """What is handed out."""
        return f"{self.kind.value}.{self.mode.value}.{self.start_utc}.{self.meter}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cursor in text.

        Raises:
            RequestRefusedError: it is another text.
        """
        try:
            kind, mode, start, meter = text.split(".", 3)
            at = int(start) if start.isascii() and start.isdigit() else _LAST + 1
            found = cls(kind=ProfileKind(kind), mode=Mode(mode), meter=meter, start_utc=at)
        except ValueError as error:
            raise RequestRefusedError(_NO_CURSOR) from error
        if not meter or at > _LAST:
            raise RequestRefusedError(_NO_CURSOR)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One interval with everything that decides which profile holds it."""

    place: Cursor
    """Its meter, profile and mode; the time is the row's."""
    length_s: int
    identity: str
    connection_point: str
    factor: Fraction
    row: EnergyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one answer holds."""

    runs: tuple[Run, ...]
    records: int
    next: Cursor | None


def paged(stretches: Iterable[Stretch], start: Cursor | None, most: int) -> Page:
    """At most so many intervals from a cursor on, in the order that they come in."""
    runs: dict[tuple[object, ...], list[Stretch]] = {}
    records = 0
    for one in stretches:
        at = Cursor(kind=one.place.kind, mode=one.place.mode, meter=one.place.meter, start_utc=one.row.start_utc)
        if start is not None and (at.stretch, at.start_utc) < (start.stretch, start.start_utc):
            continue
        if records == most:
            return Page(runs=_runs(runs), records=records, next=at)
        key = (one.place.stretch, one.length_s, one.identity, one.connection_point, one.factor)
        runs.setdefault(key, []).append(one)
        records += 1
    return Page(runs=_runs(runs), records=records, next=None)


def _runs(found: dict[tuple[object, ...], list[Stretch]]) -> tuple[Run, ...]:
    return tuple(
        Run(
            meter=rows[0].place.meter,
            identity=rows[0].identity,
            connection_point=rows[0].connection_point,
            kind=rows[0].place.kind,
            mode=rows[0].place.mode,
            length_s=rows[0].length_s,
            factor=rows[0].factor,
            rows=tuple(one.row for one in rows),
        )
        for rows in found.values()
    )
