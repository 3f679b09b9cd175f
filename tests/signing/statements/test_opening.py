"""Openings and their columns."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing.energy import MAX_WH
from signing.errors import DecodeError
from signing.interval import Interval
from signing.statements.reading import PRESENT, Absence, Columns, Provenance, Reading, parse_columns
from signing.statements.reading_batch import Opening, ReadingBatch
from tests.signing.statements.items import HEADER, OPENING, SALT, spoiled
from tests.vectors.world import TEN, dumps

WH = st.integers(-MAX_WH, MAX_WH)


@st.composite
def readings(draw: st.DrawFn) -> Reading:
    absence = draw(st.sampled_from(Absence))
    imported, exported = PRESENT.get(absence, (False, False))
    return Reading(
        import_wh=draw(WH) if imported else None,
        export_wh=draw(WH) if exported else None,
        absence=absence,
        flags=draw(st.integers(0, 2**16 - 1)),
        provenance=draw(st.sampled_from(Provenance)),
    )


@given(st.lists(readings(), min_size=1, max_size=96))
def test_columns_carry_readings_exactly(rows: list[Reading]) -> None:
    opening = Opening(salt=SALT, identity=None, registers=(), columns=Columns.of(rows))
    parsed = Opening.parse(opening.encoded(), len(rows))
    assert parsed == opening
    assert parsed.readings == tuple(rows)
    assert parsed.contents() == hashlib.sha256(opening.encoded()).digest()


def test_an_opening_writes_what_it_read() -> None:
    data = dumps(OPENING)
    assert Opening.parse(data, 4).encoded() == data


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((0,), b"short", "opening.salt"),
        ((1,), "", "opening.identity"),
        ((2,), None, "opening.registers"),
        ((2,), [[n, 0, 0] for n in range(33)], "opening.registers"),
        ((2, 0), [TEN], "opening.registers\\[0\\]"),
        ((2, 0, 0), -1, "opening.registers\\[0\\].stamp"),
        ((2, 0, 1), MAX_WH + 1, "opening.registers\\[0\\].import"),
        ((2, 0, 2), "1", "opening.registers\\[0\\].export"),
        ((2, 1, 0), TEN, "ascending order"),
        ((3,), [0, 0, 0, 0], "opening.columns"),
        ((3, 0), [0, 3, 0], "opening.columns.import"),
        ((3, 0), [0, 3, 0, 0, 0], "opening.columns.import"),
        ((3, 0), [0, 0, 0, 0], "single value"),
        ((3, 0), [0, True, 0, 0], "whole Wh or null"),
        ((3, 0), [0, 1.5, 0, 0], "whole Wh or null|canonical"),
        ((3, 0), [0, MAX_WH + 1, 0, 0], "opening.columns.import"),
        ((3, 1), [0, -MAX_WH - 1, 0, 0], "opening.columns.export"),
        ((3, 2), 8, "opening.columns.absence"),
        ((3, 2), None, "expected integers in 'opening.columns.absence'"),
        ((3, 2), 1, "as absence 1 says"),
        ((3, 2), [0, 2, 0, 0], "as absence 2 says"),
        ((3, 0), None, "as absence 0 says"),
        ((3, 3), -1, "opening.columns.flags"),
        ((3, 3), 2**16, "opening.columns.flags"),
        ((3, 4), 2, "opening.columns.provenance"),
    ],
)
def test_a_wrong_part_of_an_opening_is_refused_by_its_path(place: tuple[int, ...], value: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        Opening.parse(dumps(spoiled(OPENING, place, value)), 4)


def test_a_reading_is_absent_for_a_reason_and_present_without_one() -> None:
    for absence, imported, exported in (
        (0, None, 1),
        (0, 1, None),
        (1, 1, 1),
        (1, None, None),
        (2, 1, None),
        (7, 0, 0),
    ):
        with pytest.raises(DecodeError, match="expected energies as absence"):
            Reading(
                import_wh=imported,
                export_wh=exported,
                absence=Absence(absence),
                flags=0,
                provenance=Provenance.SAMPLED,
            )


def test_columns_need_one_value_a_block() -> None:
    with pytest.raises(DecodeError):
        parse_columns([[1, 2], 0, 0, 0, 0], 1)
    assert parse_columns([1, 0, 0, 0, 0], 1).import_wh == (1,)


def test_a_header_knows_its_span() -> None:
    header = ReadingBatch.parse(dumps(HEADER))
    assert (header.end_utc, header.span) == (TEN + 3600, Interval(TEN, TEN + 3600))
