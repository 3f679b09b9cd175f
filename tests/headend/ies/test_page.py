"""Pages: everything once, in one order, whatever their size; and cursors that are no cursors."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.ies.codes import Mode, ProfileKind
from headend.ies.page import Cursor, Stretch, paged
from headend.ies.request import RequestRefusedError
from headend.ies.rows import Energy, EnergyRow
from headend.vee.declared import Channel
from tests.headend.premises import DAY


def stretch(meter: str, place: int, *, length_s: int = 900, factor: int = 1) -> Stretch:
    return Stretch(
        place=Cursor(kind=ProfileKind.INTERVAL, mode=Mode.USAGE, meter=meter, start_utc=0),
        length_s=length_s,
        identity=meter,
        connection_point="CP",
        factor=Fraction(factor),
        row=EnergyRow(start_utc=DAY + place * length_s, energies={Channel.IMPORT: Energy(wh=place)}),
    )


@given(st.integers(1, 20), st.integers(0, 12), st.integers(0, 12))
def test_pages_of_any_size_give_everything_once_in_order(most: int, first: int, second: int) -> None:
    whole = [stretch("A:1", place) for place in range(first)] + [stretch("B.2", place) for place in range(second)]
    found: list[tuple[str, int]] = []
    cursor: Cursor | None = None
    for _ in range(len(whole) + 1):
        page = paged(whole, cursor, most)
        assert page.records <= most
        found += [(run.meter, row.start_utc) for run in page.runs for row in run.rows]
        if page.next is None:
            break
        cursor = Cursor.parse(page.next.text)
    assert found == [(one.place.meter, one.row.start_utc) for one in whole]


def test_another_length_factor_or_meter_is_another_run() -> None:
    rows = [
        stretch("A", 0),
        stretch("A", 1),
        stretch("A", 1, length_s=1800),
        stretch("A", 5, factor=2),
        stretch("B", 0),
    ]
    assert [len(run.rows) for run in paged(rows, None, 100).runs] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    "text", ["", "x", "INTERVAL.USAGE.1", "INTERVAL.USAGE.1.", "INTERVAL.USAGE.-1.M", "INTERVAL.USAGE.x.M", "INTERVAL.USAGE.٣.M", "HOURLY.USAGE.1.M", "INTERVAL.SUM.1.M", f"INTERVAL.USAGE.{2**32 - 1}.M"],
)  # fmt: skip
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(RequestRefusedError, match="the cursor of a page before"):
        Cursor.parse(text)


def test_the_last_instant_of_a_cursor_can_begin_a_span() -> None:
    assert Cursor.parse(f"DAILY.READING.{2**32 - 2}.M:x.y").meter == "M:x.y"
