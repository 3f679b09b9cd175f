import pytest

from edge_agent.clock import evidence, reference_of
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
