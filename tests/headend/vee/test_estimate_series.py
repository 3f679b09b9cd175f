"""Methods that estimate from other series: which days and series count, and when a method says nothing."""

from dataclasses import replace
from typing import Any

import pytest

from headend.readings import Quality
from headend.vee import estimate_series
from headend.vee.declared import (
    Agreement,
    Channel,
    Companion,
    DayKind,
    Disconnection,
    History,
    HistoryBlock,
    HistoryDay,
    Profile,
    Sky,
)
from headend.vee.estimate import Filled, Limits
from signing.interval import DAY_S, Interval
from tests.headend.vee.test_estimate import task, values
from tests.headend.vee.world import MIDNIGHT

KINDS = {MIDNIGHT: DayKind.WORKDAY}


def past(number: int, *energies: int, kind: DayKind = DayKind.WORKDAY, **changed: Any) -> HistoryDay:
    """A day `number` days back that began with these energies, and went on with ones."""
    fields = {"quality": Quality.VALID, "is_supplied": True} | changed
    rows = [*energies, *[1] * (96 - len(energies))]
    blocks = tuple(HistoryBlock(import_wh=wh, export_wh=None, **fields) for wh in rows)
    return HistoryDay(start_utc=MIDNIGHT - number * DAY_S, kind=kind, period_s=900, blocks=blocks)


def like(*days: HistoryDay, rise: int | None = None) -> list[int] | None:
    history = History(days=tuple(sorted(days, key=lambda day: day.start_utc)))
    found = estimate_series.like_days(task(7, None, None, 7, rise=rise), history, KINDS, days=3, lookback_days=21)
    return values(found)


class TestCompanion:
    """E2."""

    def check(self, *energies: int | None) -> Companion:
        series = {MIDNIGHT + place * 900: wh for place, wh in enumerate(energies) if wh is not None}
        return Companion(meter="C", import_wh=series, export_wh={})

    def test_the_check_meters_shape_is_scaled_to_the_registers(self) -> None:
        assert values(estimate_series.companion(task(7, None, None, 7, rise=44), self.check(0, 20, 40))) == [10, 20]
        assert values(estimate_series.companion(task(7, None, None, 7), self.check(0, 20, 40))) == [20, 40]

    def test_a_hole_of_its_own_leaves_all_of_them(self) -> None:
        assert estimate_series.companion(task(7, None, None, 7, rise=44), self.check(0, 20)) is None
        export = task(7, None, 7, rise=44, channel=Channel.EXPORT)
        assert estimate_series.companion(export, self.check(0, 20)) is None


class TestLikeDays:
    """E3, E4."""

    def test_the_three_nearest_days_are_averaged_block_by_block(self) -> None:
        days = [past(1, 0, 10, 20), past(2, 0, 20, 20), past(3, 0, 30, 20), past(4, 0, 999, 999)]
        assert like(*days) == [20, 20]
        assert like(*days, rise=114) == [50, 50]

    def test_means_are_rounded_once_half_to_even(self) -> None:
        two = History(days=(past(2, 0, 1, 3), past(1, 0, 2, 4)))
        found = estimate_series.average_days(task(7, None, None, 7), two, KINDS, least_days=2, lookback_days=28)
        assert values(found) == [2, 4]

    @pytest.mark.parametrize(
        "unfit",
        [
            past(3, 0, 30, 20, quality=Quality.ESTIMATED),
            past(3, 0, 30, 20, quality=Quality.MANUAL),
            past(3, 0, 30, 20, quality=Quality.SUSPECT),
            past(3, 0, 30, 20, quality=Quality.MISSING),
            past(3, 0, 30, 20, is_supplied=False),
            past(3, 0, 30, 20, kind=DayKind.HOLIDAY),
            past(22, 0, 30, 20),
            past(0, 0, 30, 20),
            replace(past(3, 0, 30, 20), period_s=1800),
        ],
    )
    def test_a_day_that_is_no_pattern_does_not_count(self, unfit: HistoryDay) -> None:
        assert like(past(1, 0, 10, 20), past(2, 0, 20, 20), unfit) is None
        assert like(past(1, 0, 10, 20), past(2, 0, 20, 20), past(21, 0, 30, 20)) == [20, 20]

    def test_one_estimated_block_spoils_its_whole_day(self) -> None:
        good = past(3, 0, 30, 20)
        spoilt = replace(good, blocks=(*good.blocks[:-1], replace(good.blocks[-1], quality=Quality.ESTIMATED)))
        assert like(past(1, 0, 10, 20), past(2, 0, 20, 20), spoilt) is None

    def test_a_day_of_unknown_kind_is_like_none(self) -> None:
        days = History(days=(past(3), past(2), past(1)))
        assert estimate_series.like_days(task(7, None, 7), days, {}, days=3, lookback_days=21) is None

    def test_each_hole_looks_for_the_days_of_its_own_midnight(self) -> None:
        span = task(*[5] * 95, None, None, 5)
        kinds = {MIDNIGHT: DayKind.WORKDAY, MIDNIGHT + DAY_S: DayKind.SATURDAY}
        workday = replace(past(1), blocks=(*past(1).blocks[:-1], replace(past(1).blocks[-1], import_wh=40)))
        days = History(days=(past(2, 60, kind=DayKind.SATURDAY), workday))
        found = estimate_series.like_days(span, days, kinds, days=1, lookback_days=21)
        assert values(found) == [40, 60]

    def test_the_average_takes_every_day_of_four_weeks_and_at_least_two(self) -> None:
        def average(*days: HistoryDay) -> list[int] | None:
            history = History(days=days)
            found = estimate_series.average_days(task(7, None, 7), history, KINDS, least_days=2, lookback_days=28)
            return values(found)

        assert average(past(28, 0, 10), past(20, 0, 20), past(10, 0, 30), past(1, 0, 40)) == [25]
        assert average(past(29, 0, 10), past(1, 0, 40)) is None
        assert average(past(28, 0, 10), past(1, 0, 40)) == [25]

    def test_export_is_estimated_from_export_alone(self) -> None:
        export = task(7, None, 7, rise=20, channel=Channel.EXPORT)
        days = History(days=(past(3), past(2), past(1)))
        assert estimate_series.like_days(export, days, KINDS, days=3, lookback_days=21) is None


class TestSunlit:
    """E5."""

    def sunlit(
        self, skies: list[tuple[int, int, int] | None], *, most_s: int = DAY_S, least: int = 2, **fields: Any
    ) -> Filled | None:
        rows = {
            MIDNIGHT + place * 900: Sky(clear_wh=sky[0], neighbours=2, neighbours_wh=sky[1], neighbours_clear_wh=sky[2])
            for place, sky in enumerate(skies, start=1)
            if sky is not None
        }
        span = task(7, *[None] * len(skies), 7, **(dict[str, Any](rise=214, channel=Channel.EXPORT) | fields))
        return estimate_series.sunlit(span, rows, least_neighbours=least, most_s=most_s)

    def test_the_neighbours_share_of_a_clear_sky_shapes_the_export(self) -> None:
        assert values(self.sunlit([(100, 50, 100), (200, 25, 100)])) == [100, 100]
        assert values(self.sunlit([(100, 50, 100), (0, 0, 0)])) == [200, 0]

    def test_neighbours_that_say_nothing_by_day_leave_it_absent(self) -> None:
        assert self.sunlit([(100, 50, 100), (200, 0, 0)]) is None
        assert self.sunlit([(100, 50, 100), None]) is None

    def test_too_few_neighbours_say_nothing_by_day_and_the_night_needs_none(self) -> None:
        assert self.sunlit([(100, 50, 100), (0, 0, 0)], least=3) is None
        assert values(self.sunlit([(0, 0, 0), (0, 0, 0)], least=3, rise=14)) == [0, 0]

    def test_it_is_for_export_and_for_a_day(self) -> None:
        skies: list[tuple[int, int, int] | None] = [(100, 50, 100), (100, 50, 100)]
        assert self.sunlit(skies, channel=Channel.IMPORT) is None
        assert self.sunlit(skies, most_s=1800) is not None
        assert self.sunlit(skies, most_s=1799) is None


class TestCategory:
    """E6."""

    def profile(self, *first: int) -> Profile:
        weights = (*first, *[10] * (96 - len(first)))
        return Profile(
            weights={Channel.IMPORT: weights}, daily_wh={Channel.IMPORT: 2 * sum(weights)}, days={Channel.IMPORT: 3}
        )

    def test_it_is_scaled_to_the_registers_or_to_daily_use(self) -> None:
        declared = self.profile(0, 10, 30)
        assert values(estimate_series.category(task(7, None, None, 7, rise=94), declared, least_days=3)) == [20, 60]
        assert values(estimate_series.category(task(7, None, None, 7), declared, least_days=3)) == [20, 60]

    def test_fewer_days_than_the_least_say_nothing_of_daily_use_and_registers_need_none(self) -> None:
        declared = self.profile(0, 10, 30)
        assert estimate_series.category(task(7, None, None, 7), declared, least_days=4) is None
        assert values(estimate_series.category(task(7, None, None, 7, rise=94), declared, least_days=4)) == [20, 60]

    def test_a_profile_of_another_length_or_of_nothing_says_nothing(self) -> None:
        declared = self.profile(0, 10, 30)
        assert estimate_series.category(task(7, None, 7, rise=20, period_s=1800), declared, least_days=3) is None
        assert (
            estimate_series.category(task(7, None, 7, rise=20, channel=Channel.EXPORT), declared, least_days=3) is None
        )
        nothing = Profile(weights={Channel.IMPORT: (0,) * 96}, daily_wh={}, days={})
        assert estimate_series.category(task(7, None, 7, rise=20), nothing, least_days=3) is None

    def test_a_customer_of_whom_neither_registers_nor_use_are_known_did_not_use_nothing(self) -> None:
        unknown = replace(self.profile(0, 10, 30), daily_wh={}, days={})
        assert estimate_series.category(task(7, None, None, 7), unknown, least_days=0) is None
        assert values(estimate_series.category(task(7, None, None, 7, rise=94), unknown, least_days=3)) == [20, 60]


class TestByWord:
    """E7, E8."""

    def agreed(self, values_: dict[int, int], **fields: Any) -> list[int] | None:
        declared = Agreement(
            values={Channel.IMPORT: {MIDNIGHT + place * 900: wh for place, wh in values_.items()}}, edit=bytes(32)
        )
        return values(estimate_series.agreed(task(7, None, None, 7, **fields), declared))

    def test_what_was_agreed_stands_against_registers_but_not_against_the_rules(self) -> None:
        assert self.agreed({1: 5, 2: 6}, rise=1000) == [5, 6]
        assert self.agreed({1: 5}) is None
        assert self.agreed({1: 5, 2: -1}) is None
        limits = Limits(most_wh=5, spike_permille=None, spike_floor_wh=0)
        assert self.agreed({1: 5, 2: 6}, limits=limits) is None

    def test_an_open_connection_carried_nothing_unless_registers_rose(self) -> None:
        def zeros(start: int, end: int, rise: int | None) -> list[int] | None:
            record = Disconnection(span=Interval(MIDNIGHT + start, MIDNIGHT + end), reference="WO-1")
            return values(estimate_series.disconnected(task(7, None, None, 7, rise=rise), [record]))

        assert zeros(900, 2700, 14) == zeros(0, 9000, None) == [0, 0]
        assert zeros(900, 2700, 15) is None
        assert zeros(901, 2700, 14) is None
        assert zeros(900, 2699, 14) is None
        assert estimate_series.disconnected(task(7, None, 7, rise=14), []) is None
