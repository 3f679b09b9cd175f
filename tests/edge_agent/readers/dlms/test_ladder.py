"""The ways of asking for a span, and how far back entries reach."""

import pytest

from edge_agent.readers.dlms import ladder
from edge_agent.readers.dlms.association import Conformance
from edge_agent.readers.dlms.ladder import Entries, Rung
from signing.interval import MAX_INSTANT, Interval

SPAN = Interval(1_000_000 * 900, 1_000_004 * 900)


def test_without_selective_access_only_the_whole_buffer_is_asked_for() -> None:
    assert ladder.rungs(Conformance.GET) == (Rung.WHOLE,)
    assert ladder.rungs(Conformance.SELECTIVE_ACCESS) == (
        Rung.RANGE,
        Rung.RANGE_WITH_DEVIATION,
        Rung.ENTRY,
        Rung.WHOLE,
    )


def test_a_range_asks_one_block_more_on_both_sides() -> None:
    inner = ladder.range_access(Rung.RANGE, SPAN, 0)
    wider = ladder.range_access(Rung.RANGE, Interval(SPAN.start_utc + 900, SPAN.end_utc - 900), 900)
    assert inner == wider


def test_a_range_at_the_ends_of_time_stays_inside() -> None:
    assert ladder.range_access(Rung.RANGE, Interval(0, MAX_INSTANT), 900)


def test_the_deviation_is_sent_only_on_its_rung() -> None:
    assert b"\x80\x00\x00\x09" in ladder.range_access(Rung.RANGE, SPAN, 900)
    assert b"\xfe\xb6\x00\x09" in ladder.range_access(Rung.RANGE_WITH_DEVIATION, SPAN, 900)


@pytest.mark.parametrize(
    ("in_use", "newest_first", "widen", "wanted"),
    [
        (100, False, 1, Entries(first=94, last=100)),
        (100, True, 1, Entries(first=1, last=7)),
        (100, False, 2, Entries(first=87, last=100)),
        (7, False, 1, Entries(first=1, last=7)),
        (6, False, 1, Entries(first=1, last=6)),
        (1, False, 1, Entries(first=1, last=1)),
        (0, False, 1, None),
    ],
)
def test_entries_reach_back_from_the_newest(
    *, in_use: int, newest_first: bool, widen: int, wanted: Entries | None
) -> None:
    now = SPAN.end_utc + 30
    assert (
        ladder.entries(span=SPAN, now_utc=now, period_s=900, in_use=in_use, newest_first=newest_first, widen=widen)
        == wanted
    )


def test_a_meter_whose_clock_is_before_the_span_is_asked_for_its_newest_rows() -> None:
    wanted = ladder.entries(span=SPAN, now_utc=0, period_s=900, in_use=50, newest_first=False)
    assert wanted == Entries(first=48, last=50)
