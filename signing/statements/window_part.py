"""Part: what one meter contributes to a window, with its coverage and the state of its chains.

Source: docs/wire-format.md §4.5.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

from signing import fields
from signing.errors import DecodeError
from signing.interval import Interval, instant
from signing.statements.meter_record import Place, parse_place, place_item
from signing.statements.reading_batch import Origin

MAX_CHAINS = 64
MAX_GAPS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """One chain as it stood when the window was decided."""

    kid: bytes
    head: Place | None
    """The highest admitted sequence, or none."""
    gaps: tuple[tuple[int, int], ...]
    """Ranges of sequences (first, last, both included) not admitted between base and head, ascending."""

    def __post_init__(self) -> None:
        reversed_range = any(last < first for first, last in self.gaps)
        if reversed_range or any(later[0] <= earlier[1] for earlier, later in pairwise(self.gaps)):
            raise DecodeError("expected ascending disjoint ranges in 'gaps'")

    @property
    def missing(self) -> int:
        """How many sequences were never admitted."""
        return sum(last - first + 1 for first, last in self.gaps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Blocks of a part by quality; they sum: expected = valid + estimated + manual + suspect + missing."""

    expected: int
    valid: int
    estimated: int
    manual: int
    suspect: int
    missing: int

    def __post_init__(self) -> None:
        total = self.valid + self.estimated + self.manual + self.suspect + self.missing
        if total != self.expected:
            raise DecodeError(f"expected counts that sum to {self.expected}, got {total}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """An estimated energy in Wh and the bounds that hold the truth: low ≤ value ≤ high."""

    low_wh: int
    value_wh: int
    high_wh: int

    def __post_init__(self) -> None:
        if not 0 <= self.low_wh <= self.value_wh <= self.high_wh:
            raise DecodeError(f"expected 0 ≤ low ≤ value ≤ high, got {self.low_wh}, {self.value_wh}, {self.high_wh}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated:
    """What was estimated, apart from what was measured."""

    imported: Bounds | None
    exported: Bounds | None
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The share of a window that one meter measured."""

    meter: str
    span: Interval
    record: Place
    """The newest record of the meter when the window was decided: number and digest."""
    chains: tuple[ChainState, ...]
    """Every key that any record up to `record` ever named, sorted by kid."""
    counts: Counts
    measured_import_wh: int | None
    """Wh of the VALID blocks as the meter states them, before factors; absent when none is VALID."""
    measured_export_wh: int | None
    estimated: Estimated | None
    origin: Origin | None
    """The weakest origin of the VALID blocks; absent when none is VALID."""
    manual_import_wh: int | None = None
    """Wh of the MANUAL blocks as edits state them, before factors; absent when none is MANUAL. Version 1 has no place for it."""
    manual_export_wh: int | None = None


def part_item(part: Part) -> list[object]:
    """The wire form of a part, version 1."""
    counts = part.counts
    return [
        part.meter,
        part.span.start_utc,
        part.span.end_utc,
        place_item(part.record),
        [[chain.kid, place_item(chain.head), [list(gap) for gap in chain.gaps]] for chain in part.chains],
        [counts.expected, counts.valid, counts.estimated, counts.manual, counts.suspect, counts.missing],
        [part.measured_import_wh, part.measured_export_wh],
        _estimated_item(part.estimated),
        None if part.origin is None else int(part.origin),
    ]


def edited_part_item(part: Part) -> list[object]:
    """The wire form of a part, version 2: what edits state stands apart from what was measured."""
    return [*part_item(part), [part.manual_import_wh, part.manual_export_wh]]


def parse_edited_part(value: object, path: str) -> Part:
    """The part of version 2 that a decoded item holds. Raises `DecodeError` naming the field."""
    row = fields.array(value, 10, path)
    imported, exported = fields.array(row[9], 2, f"{path}.manual")
    return replace(
        parse_part(row[:9], path),
        manual_import_wh=fields.optional(imported, fields.uint, f"{path}.manual.import"),
        manual_export_wh=fields.optional(exported, fields.uint, f"{path}.manual.export"),
    )


def parse_part(value: object, path: str) -> Part:
    """The part of version 1 that a decoded item holds. Raises `DecodeError` naming the field."""
    row = fields.array(value, 9, path)
    chains = fields.sequence(row[4], f"{path}.chains", most=MAX_CHAINS)
    states = tuple(_chain(chain, f"{path}.chains[{place}]") for place, chain in enumerate(chains))
    if any(later.kid <= earlier.kid for earlier, later in pairwise(states)):
        raise DecodeError(f"expected chains sorted by kid, each once, in '{path}.chains'")
    counts = [fields.uint(count, f"{path}.counts") for count in fields.array(row[5], 6, f"{path}.counts")]
    imported, exported = fields.array(row[6], 2, f"{path}.measured")
    return Part(
        meter=fields.identifier(row[0], f"{path}.meter"),
        span=Interval(instant(row[1], f"{path}.from"), instant(row[2], f"{path}.to")),
        record=parse_place(row[3], f"{path}.record"),
        chains=states,
        counts=Counts(
            expected=counts[0],
            valid=counts[1],
            estimated=counts[2],
            manual=counts[3],
            suspect=counts[4],
            missing=counts[5],
        ),
        measured_import_wh=fields.optional(imported, fields.uint, f"{path}.measured.import"),
        measured_export_wh=fields.optional(exported, fields.uint, f"{path}.measured.export"),
        estimated=fields.optional(row[7], _estimated, f"{path}.estimated"),
        origin=fields.optional(row[8], _origin, f"{path}.origin"),
    )


def _origin(value: object, path: str) -> Origin:
    return fields.member(value, Origin, path)


def _chain(value: object, path: str) -> ChainState:
    kid, head, gaps = fields.array(value, 3, path)
    rows = fields.sequence(gaps, f"{path}.gaps", most=MAX_GAPS)
    return ChainState(
        kid=fields.digest(kid, f"{path}.kid"),
        head=fields.optional(head, parse_place, f"{path}.head"),
        gaps=tuple(_gap(row, f"{path}.gaps[{place}]") for place, row in enumerate(rows)),
    )


def _gap(value: object, path: str) -> tuple[int, int]:
    first, last = fields.array(value, 2, path)
    return fields.uint(first, path), fields.uint(last, path)


def _bounds_item(bounds: Bounds | None) -> list[object] | None:
    return None if bounds is None else [bounds.low_wh, bounds.value_wh, bounds.high_wh]


def _bounds(value: object, path: str) -> Bounds:
    low, middle, high = (fields.uint(edge, path) for edge in fields.array(value, 3, path))
    return Bounds(low_wh=low, value_wh=middle, high_wh=high)


def _estimated_item(estimated: Estimated | None) -> list[object] | None:
    if estimated is None:
        return None
    return [_bounds_item(estimated.imported), _bounds_item(estimated.exported), estimated.method]


def _estimated(value: object, path: str) -> Estimated:
    imported, exported, method = fields.array(value, 3, path)
    return Estimated(
        imported=fields.optional(imported, _bounds, f"{path}.import"),
        exported=fields.optional(exported, _bounds, f"{path}.export"),
        method=fields.identifier(method, f"{path}.method"),
    )
