"""Imported blocks beside signed ones in a validated day: where nothing was signed, and marked as what they are. Pure.

They make bills and reports whole for meters without a gateway. No actual rests on a validated day. Source: VEE §C 1, 4.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from headend.readings import Quality
from headend.series import IMPORTED, SeriesBlock

_HOLES = frozenset({Quality.MISSING, Quality.ESTIMATED})


@dataclass(frozen=True, slots=True, kw_only=True)
class BesideBlock:
    """The newest import of one block."""

    start_utc: int
    period_s: int
    import_wh: int
    export_wh: int | None
    is_measured: bool
    """False where the other system made it up by itself: such a block stays absent here."""


def with_imported(blocks: Iterable[SeriesBlock], imported: Mapping[int, BesideBlock]) -> tuple[SeriesBlock, ...]:
    """The blocks, with imported energies where there is no signed one; quality MANUAL, no origin, method `IMPORT`.

    An estimate gives way only where imports fill every hole: the estimates of a span sum to its register difference together.
    """
    rows = tuple(blocks)
    usable = {start: one for start, one in imported.items() if one.is_measured}
    is_whole = all(block.start_utc in usable for block in rows if block.quality in _HOLES)
    return tuple(_used(block, usable, is_whole=is_whole) for block in rows)


def _used(block: SeriesBlock, usable: Mapping[int, BesideBlock], *, is_whole: bool) -> SeriesBlock:
    found = usable.get(block.start_utc)
    gives_way = block.quality is Quality.MISSING or (block.quality is Quality.ESTIMATED and is_whole)
    if found is None or found.period_s != block.period_s or not gives_way:
        return block
    return replace(
        block,
        quality=Quality.MANUAL,
        import_wh=found.import_wh,
        export_wh=found.export_wh,
        origin=None,
        import_method=IMPORTED,
        export_method=None if found.export_wh is None else IMPORTED,
    )
