"""WindowActual: the discom's word on one subject and delivery window. Source: docs/wire-format.md §4.5; EVIDENCE §4."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import ClassVar, Self

from signing import fields
from signing.canonical import decode, encode
from signing.errors import DecodeError
from signing.interval import Interval, instant
from signing.statements.meter_record import Place
from signing.statements.window_part import Part, edited_part_item, parse_edited_part, parse_part, part_item

MAX_PARTS = 16
MAX_STATED = 4096


class Cause(IntEnum):
    """Why this revision was made."""

    FIRST = 0
    LATE_DATA = 1
    RECORD = 2
    RULES = 3
    FORK = 4
    BALANCE = 5
    OPERATOR = 6
    LOST = 7


class Status(IntEnum):
    """What a window's figure is worth. The last three have no totals, and a reason."""

    PROVISIONAL = 0
    FINAL = 1
    TRUE_UP = 2
    PENDING = 3
    NOT_MEASURABLE = 4
    WITHDRAWN = 5


WITH_TOTALS = frozenset({Status.PROVISIONAL, Status.FINAL, Status.TRUE_UP})


class Basis(IntEnum):
    """How import and export become the posted figure."""

    NET = 0
    GROSS = 1


class Verdict(IntEnum):
    """What a rule, or all of them, say of a block; ascending is worse."""

    VALID = 0
    ESTIMATED = 1
    MANUAL = 2
    SUSPECT = 3
    REJECTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Energies of the whole window in Wh, after factors. Export is absent when no meter of the window has an export register."""

    import_wh: int
    export_wh: int | None

    @property
    def net_wh(self) -> int:
        """Import minus export; + drawn from the grid. A meter without an export register exports nothing by construction."""
        return self.import_wh - (self.export_wh or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedFinding:
    """A finding of a rule whose inputs are not in the bundle: stated, not recomputed."""

    rule: str
    version: int
    block_utc: int
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHead:
    """The newest edit of a meter when the window was decided."""

    meter: str
    number: int
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowActual:
    """One revision of the actual of one subject and window. Where edits bear on it, it is an `EditedActual`."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.window-actual+cbor;v=1"

    connection_point: str
    posted_as: str
    """The meter id exactly as the ledger spells it."""
    window: Interval
    revision: int
    supersedes: bytes | None
    cause: Cause
    delta: tuple[int, int | None] | None
    """Change of import and export in Wh against the superseded revision, where both have totals."""
    status: Status
    reason: str | None
    basis: Basis
    totals: Totals | None
    parts: tuple[Part, ...]
    rule_set: bytes
    stated: tuple[StatedFinding, ...]
    evidence: bytes
    salt: bytes
    edits: tuple[EditHead, ...] = ()
    """By meter, exactly in an `EditedActual`."""

    def __post_init__(self) -> None:
        if bool(self.edits) != isinstance(self, EditedActual):
            raise DecodeError(f"expected 'edits' exactly in version 2, got {len(self.edits)}")
        if not self.edits and any(part.manual_import_wh is not None for part in self.parts):
            raise DecodeError("expected manual energies in version 2 only, got some in 'window-actual.parts'")
        if (self.revision == 0) != (self.supersedes is None):
            raise DecodeError(f"expected 'supersedes' exactly when the revision is above 0, got {self.revision}")
        if (self.status in WITH_TOTALS) != (self.totals is not None):
            raise DecodeError(f"expected 'totals' exactly for {_names()}, got status {self.status.name}")
        if (self.status in WITH_TOTALS) != (self.reason is None):
            raise DecodeError(f"expected 'reason' exactly for other than {_names()}, got status {self.status.name}")

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        return encode(self._items([part_item(part) for part in self.parts]))

    def _items(self, parts: list[list[object]]) -> list[object]:
        totals = None if self.totals is None else [self.totals.import_wh, self.totals.export_wh]
        stated = [[entry.rule, entry.version, entry.block_utc, int(entry.verdict)] for entry in self.stated]
        return [
            [self.connection_point, self.posted_as],
            [self.window.start_utc, self.window.end_utc],
            self.revision,
            self.supersedes,
            int(self.cause),
            None if self.delta is None else list(self.delta),
            int(self.status),
            self.reason,
            int(self.basis),
            totals,
            parts,
            self.rule_set,
            stated,
            self.evidence,
            self.salt,
        ]

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The actual in canonical bytes. Raises `DecodeError` naming the field."""
        path = "window-actual"
        return cls._read(fields.array(decode(payload, path), 15, path), (), path, parse_part)

    @classmethod
    def _read(
        cls, row: list[object], edits: tuple[EditHead, ...], path: str, part: Callable[[object, str], Part]
    ) -> Self:
        point, posted_as = fields.array(row[0], 2, f"{path}.subject")
        start, end = fields.array(row[1], 2, f"{path}.window")
        parts = fields.sequence(row[10], f"{path}.parts", most=MAX_PARTS)
        stated = fields.sequence(row[12], f"{path}.stated", most=MAX_STATED)
        return cls(
            connection_point=fields.label(point, f"{path}.subject.connection_point"),
            posted_as=fields.label(posted_as, f"{path}.subject.posted_as"),
            window=Interval(instant(start, f"{path}.window.start"), instant(end, f"{path}.window.end")),
            revision=fields.uint(row[2], f"{path}.revision"),
            supersedes=fields.optional(row[3], fields.digest, f"{path}.supersedes"),
            cause=fields.member(row[4], Cause, f"{path}.cause"),
            delta=fields.optional(row[5], _delta, f"{path}.delta"),
            status=fields.member(row[6], Status, f"{path}.status"),
            reason=fields.optional(row[7], fields.label, f"{path}.reason"),
            basis=fields.member(row[8], Basis, f"{path}.basis"),
            totals=fields.optional(row[9], _totals, f"{path}.totals"),
            parts=tuple(part(one, f"{path}.parts[{place}]") for place, one in enumerate(parts)),
            rule_set=fields.digest(row[11], f"{path}.ruleset"),
            stated=tuple(_stated(entry, f"{path}.stated[{place}]") for place, entry in enumerate(stated)),
            evidence=fields.digest(row[13], f"{path}.evidence"),
            salt=fields.salt(row[14], f"{path}.salt"),
            edits=edits,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedActual(WindowActual):
    """Version 2: an actual on which edits bear. What they state stands apart from what was measured, and `edits` says which they are."""

    CONTENT_TYPE: ClassVar[str] = "application/vnd.sakshi.window-actual+cbor;v=2"

    def payload(self) -> bytes:
        """The canonical bytes that are signed."""
        edits = [[head.meter, head.number, head.digest] for head in self.edits]
        return encode([*self._items([edited_part_item(part) for part in self.parts]), edits])

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """The actual in canonical bytes. Raises `DecodeError` naming the field."""
        path = "window-actual"
        row = fields.array(decode(payload, path), 16, path)
        rows = fields.sequence(row[15], f"{path}.edits", least=1, most=MAX_PARTS)
        edits = tuple(_edit(one, f"{path}.edits[{place}]") for place, one in enumerate(rows))
        if any(later.meter <= earlier.meter for earlier, later in pairwise(edits)):
            raise DecodeError(f"expected edits sorted by meter, each once, in '{path}.edits'")
        return cls._read(row[:15], edits, path, parse_edited_part)


def actual_kind(content_type: str) -> type[WindowActual]:
    """The version of a WindowActual that a content type names; version 1 for any other."""
    return EditedActual if content_type == EditedActual.CONTENT_TYPE else WindowActual


def parse_actual(content_type: str, payload: bytes) -> WindowActual:
    """The actual of either version in canonical bytes. Raises `DecodeError` naming the field."""
    return actual_kind(content_type).parse(payload)


def _names() -> str:
    return ", ".join(sorted(status.name for status in WITH_TOTALS))


def _edit(value: object, path: str) -> EditHead:
    meter, number, digest = fields.array(value, 3, path)
    return EditHead(
        meter=fields.identifier(meter, f"{path}.meter"),
        number=fields.uint(number, f"{path}.number"),
        digest=fields.digest(digest, f"{path}.digest"),
    )


def _delta(value: object, path: str) -> tuple[int, int | None]:
    imported, exported = fields.array(value, 2, path)
    return fields.integer(imported, f"{path}.import"), fields.optional(exported, fields.integer, f"{path}.export")


def _totals(value: object, path: str) -> Totals:
    imported, exported = fields.array(value, 2, path)
    return Totals(
        import_wh=fields.uint(imported, f"{path}.import"),
        export_wh=fields.optional(exported, fields.uint, f"{path}.export"),
    )


def _stated(value: object, path: str) -> StatedFinding:
    rule, version, block, verdict = fields.array(value, 4, path)
    return StatedFinding(
        rule=fields.identifier(rule, f"{path}.rule"),
        version=fields.uint(version, f"{path}.version"),
        block_utc=instant(block, f"{path}.block"),
        verdict=fields.member(verdict, Verdict, f"{path}.verdict"),
    )


__all__ = [
    "Basis",
    "Cause",
    "EditHead",
    "EditedActual",
    "Part",
    "Place",
    "StatedFinding",
    "Status",
    "Totals",
    "Verdict",
    "WindowActual",
    "actual_kind",
    "parse_actual",
]
