"""Measuring estimates: what is hidden is what is compared, and no method sees it."""

import pytest

from firmware_sim.world import Home
from headend.readings import Quality
from headend.vee.accuracy import LENGTHS, Accuracy, accuracy, without_limit
from headend.vee.declared import Channel, DayKind, History, HistoryBlock, HistoryDay
from headend.vee.estimate_order import Known
from signing.interval import DAY_S
from tests.headend.vee.world import MIDNIGHT


def history(energies: list[list[int]]) -> History:
    """Days of these energies, all workdays."""
    return History(
        days=tuple(
            HistoryDay(
                start_utc=MIDNIGHT + place * DAY_S,
                kind=DayKind.WORKDAY,
                period_s=900,
                blocks=tuple(
                    HistoryBlock(import_wh=wh, export_wh=None, quality=Quality.VALID, is_supplied=True) for wh in day
                ),
            )
            for place, day in enumerate(energies)
        )
    )


def known(days: History) -> Known:
    return Known(kinds={day.start_utc: day.kind for day in days.days})


def measured(days: History, method: str, length: int, **fields: int) -> Accuracy:
    (found,) = accuracy(
        days, known(days), Channel.IMPORT, methods=[method], lengths=[length], rule_set=without_limit(), **fields
    )
    return found


def test_a_straight_line_is_found_again_by_e1() -> None:
    days = history([[100] * 96] * 3)
    found = measured(days, "E1", 8, stride=1)
    assert found == Accuracy(method="E1", length=8, gaps=89, refused=0, error_wh=0, measured_wh=89 * 800, within=89 * 8)
    assert (found.mean_error_mwh, found.within_permille) == (0, 1000)


def test_a_peak_that_was_hidden_is_missed_by_as_much_as_it_is_high() -> None:
    rows = [100] * 96
    rows[50] = 200
    found = measured(history([[100] * 96, rows, [100] * 96]), "E1", 2, stride=96)
    assert (found.gaps, found.error_wh) == (1, 0)
    found = measured(history([[100] * 96, [*[100] * 50, 200, 100, *[100] * 44], [100] * 96]), "E1", 2, stride=50)
    # The second gap holds 200 and 100 Wh, and gets 150 each: 50 Wh off twice in four blocks.
    assert (found.gaps, found.error_wh, found.mean_error_mwh) == (2, 100, 25_000)


def test_like_days_see_only_the_days_before() -> None:
    days = history([[10 * place] * 96 for place in range(1, 7)])
    found = measured(days, "E3", 1, stride=96)
    # Of the four days with neighbours only the last two have three days before them.
    assert (found.gaps, found.refused, found.error_wh) == (2, 2, 0)


def test_registers_that_show_whole_digits_cost_no_more_than_a_digit() -> None:
    days = history([[33 + place % 5 for place in range(96)]] * 3)
    found = measured(days, "E1", 1, stride=1, digit_wh=10)
    assert 0 < found.mean_error_mwh < 10_000
    assert found.within_permille == 1000


def test_days_that_do_not_record_the_channel_are_left_out() -> None:
    days = history([[100] * 96] * 3)
    assert {(row.gaps, row.refused) for row in accuracy(days, known(days), Channel.EXPORT, methods=["E1"])} == {(0, 0)}


def test_a_method_that_never_applies_measured_nothing() -> None:
    found = measured(history([[100] * 96] * 3), "E2", 1)
    assert (found.gaps, found.mean_error_mwh, found.within_permille) == (0, 0, 0)
    assert found.refused > 0


def test_beyond_two_hours_e1_is_measured_only_without_its_limit() -> None:
    days = history([[100] * 96] * 3)
    (limited,) = accuracy(days, known(days), Channel.IMPORT, methods=["E1"], lengths=[9])
    assert limited.gaps == 0
    assert measured(days, "E1", 9).gaps > 0
    assert measured(days, "E1", 96).gaps == 1


@pytest.mark.parametrize("channel", list(Channel))
def test_a_simulated_home_is_always_within_its_bounds(channel: Channel) -> None:
    home = Home(seed=5, array_w=5000)
    rows = []
    for number in range(8):
        day = home.day(MIDNIGHT // DAY_S + number)
        net = [load - solar for load, solar in zip(day.load_wh, day.solar_wh, strict=True)]
        rows.append([max(0, wh if channel is Channel.IMPORT else -wh) for wh in net])
    days = history(rows)
    table = accuracy(
        days, known(days), Channel.IMPORT, methods=["E1", "E3"], stride=17, digit_wh=10, rule_set=without_limit()
    )
    assert [(row.method, row.length) for row in table] == [
        (name, length) for name in ("E1", "E3") for length in LENGTHS
    ]
    assert all(row.within_permille == 1000 for row in table if row.gaps)
