"""That the measure of estimates runs on simulated homes and says what it found."""

from benchmarks.estimation import METHODS, history, mean_error_mwh, measured, table
from firmware_sim.world import Home
from headend.vee.accuracy import LENGTHS
from headend.vee.declared import DayKind


def test_a_simulated_history_is_whole_days_with_their_kinds() -> None:
    days = history(Home(seed=1, array_w=5000), 8).days
    assert [len(day.blocks) for day in days] == [96] * 8
    assert all(day.is_pattern for day in days)
    # From a Wednesday on.
    assert [day.kind for day in days[2:6]] == [DayKind.WORKDAY, DayKind.SATURDAY, DayKind.SUNDAY, DayKind.WORKDAY]


def test_every_method_and_length_is_in_the_table_and_the_truth_within_its_bounds() -> None:
    rows = measured(days=9, stride=29)
    assert {(entry.row.method, entry.row.length) for entry in rows} == {(m, n) for m in METHODS for n in LENGTHS}
    assert all(entry.row.within_permille == 1000 for entry in rows if entry.row.gaps)
    assert len(table(rows).splitlines()) == len(rows) + 2
    assert mean_error_mwh(rows, "E1", 1) < mean_error_mwh(rows, "E1", 96)
