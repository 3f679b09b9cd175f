"""Imported blocks in a validated day: only where nothing was signed, and never under a measurement's name."""

from dataclasses import replace

import pytest

from headend.imports.beside import BesideBlock, with_imported
from headend.readings import Quality
from headend.series import SeriesBlock
from signing.statements.reading_batch import Origin
from tests.headend.premises import DAY


def block(place: int, quality: Quality) -> SeriesBlock:
    has_value = quality not in {Quality.MISSING, Quality.SUSPECT}
    return SeriesBlock(
        start_utc=DAY + place * 900,
        period_s=900,
        quality=quality,
        import_wh=7 if has_value else None,
        export_wh=8 if has_value else None,
        flags=0,
        origin=Origin.GMAC if quality is Quality.VALID else None,
        import_method="E1" if quality is Quality.ESTIMATED else None,
        export_method="E1" if quality is Quality.ESTIMATED else None,
    )


def beside(*places: int) -> dict[int, BesideBlock]:
    found = [
        BesideBlock(start_utc=DAY + place * 900, period_s=900, import_wh=100, export_wh=None, is_measured=True)
        for place in places
    ]
    return {one.start_utc: one for one in found}


@pytest.mark.parametrize("quality", [Quality.VALID, Quality.MANUAL, Quality.SUSPECT])
def test_what_was_signed_agreed_or_doubted_stays(quality: Quality) -> None:
    assert with_imported([block(0, quality)], beside(0)) == (block(0, quality),)


def test_a_missing_block_gets_the_imported_energies_and_says_so() -> None:
    (found,) = with_imported([block(0, Quality.MISSING)], beside(0))
    assert (found.quality, found.import_wh, found.export_wh, found.origin) == (Quality.MANUAL, 100, None, None)
    assert (found.import_method, found.export_method) == ("IMPORT", None)


def test_an_estimate_gives_way_only_where_imports_fill_every_hole() -> None:
    rows = [block(0, Quality.ESTIMATED), block(1, Quality.ESTIMATED)]
    assert with_imported(rows, beside(0)) == tuple(rows)
    assert [one.import_wh for one in with_imported(rows, beside(0, 1))] == [100, 100]


@pytest.mark.parametrize("change", [{"is_measured": False}, {"period_s": 1800}])
def test_what_does_not_fit_or_was_made_up_is_not_used(change: dict[str, bool]) -> None:
    found = {start: replace(one, **change) for start, one in beside(0).items()}
    assert with_imported([block(0, Quality.MISSING)], found) == (block(0, Quality.MISSING),)
