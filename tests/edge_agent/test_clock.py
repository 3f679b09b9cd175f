import pytest

from edge_agent.clock import HOLDOVER_MS, Pace, Uptime, evidence, is_right, pace, reference_of, right_ms, was_set
from signing.statements.reading_batch import ClockSource


def test_the_offset_is_the_meter_against_the_middle_of_the_question() -> None:
    found = evidence(meter_ms=9_000, asked_ms=10_000, answered_ms=10_400, reference=ClockSource.NTP)
    assert (found.offset_ms, found.source) == (-1_200, ClockSource.NTP)


@pytest.mark.parametrize(
    ("state", "source"),
    [(-1, ClockSource.GATEWAY), (0, ClockSource.NTP), (4, ClockSource.NTP), (5, ClockSource.GATEWAY)],
)
def test_only_a_synchronised_kernel_clock_counts_as_ntp(state: int, source: ClockSource) -> None:
    assert reference_of(state) is source


@pytest.mark.parametrize(
    ("passed_ms", "found"),
    [
        (888_999, Pace.STEPPED),
        (889_000, Pace.EVEN),
        (900_000, Pace.EVEN),
        (911_000, Pace.EVEN),
        (911_001, Pace.STEPPED),
        (-900_000, Pace.STEPPED),
    ],
)
def test_a_wall_clock_that_went_another_way_than_the_time_was_set(passed_ms: int, found: Pace) -> None:
    before, after = Uptime(boot="a", ms=5_000_000), Uptime(boot="a", ms=5_000_000 + passed_ms)
    assert pace(before, after, wall_s=900, tolerance_s=11) is found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Uptime(boot="a", ms=0), Uptime(boot="b", ms=900_000)),
        (None, Uptime(boot="a", ms=900_000)),
        (Uptime(boot="a", ms=0), None),
        (None, None),
    ],
)
def test_nothing_is_known_of_the_time_between_two_boots(before: Uptime | None, after: Uptime | None) -> None:
    assert pace(before, after, wall_s=900, tolerance_s=11) is Pace.UNKNOWN


UP = Uptime(boot="a", ms=1_000_000)
LATER = Uptime(boot="a", ms=1_900_000)


@pytest.mark.parametrize(
    ("reference", "before", "known", "even", "right"),
    [
        (ClockSource.NTP, None, None, Pace.UNKNOWN, 1_900_000),
        (ClockSource.NTP, UP, None, Pace.STEPPED, 1_900_000),
        (ClockSource.GATEWAY, UP, 700_000, Pace.EVEN, 700_000),
        (ClockSource.GATEWAY, UP, None, Pace.EVEN, None),
        (ClockSource.GATEWAY, UP, 700_000, Pace.STEPPED, None),
        (ClockSource.GATEWAY, UP, 700_000, Pace.UNKNOWN, None),
        (ClockSource.GATEWAY, None, 700_000, Pace.EVEN, None),
        (ClockSource.NONE, None, None, Pace.UNKNOWN, None),
    ],
)
def test_a_clock_is_known_to_be_right_since_a_time_service_said_so_and_until_somebody_sets_it(
    reference: ClockSource, before: Uptime | None, known: int | None, even: Pace, right: int | None
) -> None:
    assert right_ms(LATER, reference, before, known, even) == right


@pytest.mark.parametrize(
    ("up_ms", "known", "right"),
    [
        (5, 5, True),
        (HOLDOVER_MS, 0, True),
        (HOLDOVER_MS + 1, 0, False),
        (4, 5, False),
        (5, None, False),
    ],
)
def test_a_clock_that_is_left_alone_keeps_time_for_a_week(up_ms: int, known: int | None, *, right: bool) -> None:
    assert is_right(Uptime(boot="a", ms=up_ms), known) is right
    assert not is_right(None, known)


@pytest.mark.parametrize(
    ("wall_ms", "expected"), [(898_000, False), (902_000, False), (897_999, True), (902_001, True), (-900_000, True)]
)
def test_a_wall_clock_that_stands_apart_from_the_time_since_boot_was_set(wall_ms: int, *, expected: bool) -> None:
    assert was_set(UP, LATER, wall_ms=wall_ms) is expected
    assert not was_set(None, LATER, wall_ms=wall_ms)
    assert not was_set(UP, None, wall_ms=wall_ms)
    assert not was_set(UP, Uptime(boot="b", ms=LATER.ms), wall_ms=wall_ms)
