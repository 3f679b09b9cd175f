"""Rules over what no bundle holds, beyond the edges that their scenario files show."""

from typing import Any

import pytest

from headend.readings import Quality, ValidatedInterval
from headend.vee import stated_rules
from headend.vee.declared import (
    Companion,
    DayKind,
    FeederBalance,
    History,
    HistoryBlock,
    HistoryDay,
    ImportedRegisters,
    MeanPower,
    TradedExport,
)
from headend.vee.rules import STATED
from headend.vee.ruleset import DEFAULT_RULE_SET, RULE_SET_1
from headend.vee.stated_rules import Declared, found_beyond
from headend.windows import validated
from signing.interval import DAY_S, Interval
from signing.statements.rule_set import Rule
from tests.headend.vee.declaring import day
from tests.headend.vee.judged import EIGHT, QUARTERS, blocks, one
from tests.headend.vee.world import MIDNIGHT, at, readings, register, span


def rule(name: str, **changed: int) -> Rule:
    return Rule(id=name, version=1, parameters={**STATED[name].defaults, **changed})


def intervals(*imports: int | None) -> tuple[ValidatedInterval, ...]:
    (part,) = validated(one(readings(imports or EIGHT)).case())
    return part.intervals


class TestProfile:
    """V25."""

    @pytest.mark.parametrize(("wh", "watts", "count"), [(0, 4, 0), (0, 5, 1), (2, 4, 0), (3, 4, 1), (1, 4, 0)])
    def test_small_energies_are_held_to_a_digit(self, wh: int, watts: int, count: int) -> None:
        rows = intervals(wh, *EIGHT[1:])
        assert len(stated_rules.profile(rows, MeanPower(mean_w={at("10:00"): watts}), rule("V25"))) == count

    def test_blocks_without_a_value_or_a_power_are_not_compared(self) -> None:
        rows = intervals(None, *EIGHT[1:])
        assert stated_rules.profile(rows, MeanPower(mean_w={at("10:00"): 999}), rule("V25")) == ()
        assert stated_rules.profile(rows, MeanPower(mean_w={}), rule("V25")) == ()


class TestHighLow:
    """V26."""

    def said(self, today: int, *before: HistoryDay, **changed: int) -> list[dict[str, int]]:
        found = stated_rules.high_low(day(0, today), History(days=before), rule("V26", **changed), at("10:00"))
        return [dict(finding.numbers) for finding in found]

    def week(self, wh: int = 1000) -> list[HistoryDay]:
        return [day(number, wh) for number in range(-7, 0)]

    def test_a_fifth_is_low_enough(self) -> None:
        assert self.said(200, *self.week()) == []
        assert self.said(199, *self.week()) == [{"day_wh": 199, "days": 7, "days_wh": 7000}]

    def test_six_days_say_nothing(self) -> None:
        assert self.said(0, *self.week()[1:]) == []
        assert len(self.said(0, *self.week())) == 1

    def test_days_that_were_estimated_or_lie_too_far_back_do_not_count(self) -> None:
        week = self.week()
        assert self.said(0, *week[:-1], day(-1, 1000, Quality.ESTIMATED)) == []
        assert self.said(0, day(-31, 1000), *week[1:]) == []
        assert len(self.said(0, day(-30, 1000), *week[1:])) == 1

    def test_a_day_that_is_not_whole_is_not_judged(self) -> None:
        hole = HistoryBlock(import_wh=None, export_wh=None, quality=Quality.MISSING, is_supplied=True)
        today = HistoryDay(start_utc=MIDNIGHT, kind=DayKind.WORKDAY, period_s=900, blocks=(hole,) * 96)
        assert stated_rules.high_low(today, History(days=tuple(self.week())), rule("V26"), MIDNIGHT) == ()


class TestCheckMeter:
    """V28."""

    def said(self, check: dict[int, int], **changed: int) -> list[dict[str, int]]:
        companion = Companion(meter="C", import_wh=check, export_wh={})
        found = stated_rules.check_meter(intervals(), companion, rule("V28", **changed), at("10:00"))
        return [dict(finding.numbers) for finding in found]

    def test_only_blocks_that_both_have_are_compared(self) -> None:
        assert self.said({at("10:00"): 102}) == []
        assert self.said({at("10:00"): 103}) == [{"check_wh": 103, "main_wh": 100}]
        assert self.said({at("09:45"): 999}) == []

    def test_both_meters_may_err_either_way(self) -> None:
        assert [len(self.said({at("10:00"): wh})) for wh in (97, 98, 102, 103)] == [1, 0, 0, 1]

    def test_energy_where_the_main_meter_has_none_is_said(self) -> None:
        companion = Companion(meter="C", import_wh={}, export_wh={at("10:00"): 1})
        (found,) = stated_rules.check_meter(intervals(), companion, rule("V28"), at("10:00"))
        assert "export" in found.because


class TestFeeder:
    """V29."""

    def said(self, difference: int, history: tuple[int, ...]) -> int:
        declared = FeederBalance(difference_wh=difference, history_wh=history)
        return len(stated_rules.feeder(declared, rule("V29"), at("10:00")))

    def test_it_is_the_spread_of_its_own_history_that_counts(self) -> None:
        assert [self.said(wh, (900, 1100) * 5) for wh in (699, 700, 1300, 1301)] == [1, 0, 0, 1]
        assert [self.said(wh, (1000,) * 10) for wh in (999, 1000, 1001)] == [1, 0, 1]

    def test_nine_days_say_nothing(self) -> None:
        assert self.said(10**6, (1000,) * 9) == 0


class TestProlonged:
    """V30."""

    def said(self, *qualities: Quality) -> list[dict[str, int]]:
        days = tuple(day(place - len(qualities), 960, quality) for place, quality in enumerate(qualities))
        found = stated_rules.prolonged(History(days=days), rule("V30"), at("10:00"))
        return [dict(finding.numbers) for finding in found]

    def test_only_the_last_days_in_a_row_count(self) -> None:
        estimated, valid = Quality.ESTIMATED, Quality.VALID
        assert self.said(*[estimated] * 9, valid, *[estimated] * 3) == []
        assert self.said(valid, *[estimated] * 4) == [{"days": 4, "visit": 0}]

    @pytest.mark.parametrize("quality", [Quality.ESTIMATED, Quality.MANUAL, Quality.MISSING])
    def test_a_visit_is_due_after_ten_days(self, quality: Quality) -> None:
        assert self.said(*[quality] * 10) == [{"days": 10, "visit": 0}]
        assert self.said(*[quality] * 11) == [{"days": 11, "visit": 1}]

    def test_a_doubtful_day_is_measured(self) -> None:
        assert self.said(*[Quality.SUSPECT] * 20) == []


class TestOrigin:
    """V32."""

    def said(self, ours: list[Any], theirs: list[Any]) -> list[str]:
        registers = ImportedRegisters(registers=tuple(register(*row) for row in theirs), digest=bytes(32))
        grid = [Interval(at(text), at(text) + 900) for text in QUARTERS]
        found = stated_rules.origin(grid, tuple(register(*row) for row in ours), registers, rule("V32"))
        return blocks(found)

    def test_blocks_are_doubtful_from_the_last_stamp_that_agrees_to_the_next(self) -> None:
        ours = [("10:00", 0), ("10:30", 200), ("11:00", 400), ("11:30", 600)]
        theirs = [("10:00", 0), ("10:30", 200), ("11:00", 300), ("11:30", 600)]
        assert self.said(ours, theirs) == QUARTERS[2:6]
        assert self.said(ours[1:3], theirs[1:3]) == QUARTERS[2:]
        assert self.said(ours[2:], theirs[2:]) == QUARTERS[:6]
        assert self.said([("11:00", 400)], [("11:00", 300)]) == QUARTERS

    def test_stamps_that_only_one_side_has_and_channels_that_one_lacks_are_not_compared(self) -> None:
        assert self.said([("10:00", 0)], [("10:15", 999)]) == []
        assert self.said([("10:00", 0, None)], [("10:00", 0, 999)]) == []
        assert self.said([("10:00", 0, None)], [("10:00", None, 999)]) == []
        assert self.said([("10:00", 0, 0)], [("10:00", 0, 11)]) == QUARTERS

    def test_any_of_several_values_for_one_stamp_that_differs_counts(self) -> None:
        assert self.said([("10:00", 0), ("10:00", 500)], [("10:00", 0)]) == QUARTERS
        assert self.said([("10:00", 0)], [("10:00", 500), ("10:00", 0)]) == QUARTERS


def test_what_is_not_declared_is_not_judged_by_and_what_is_left_out_neither() -> None:
    everything = Declared(
        mean_power=MeanPower(mean_w={at("10:00"): 9999}),
        day=day(0, 10**6),
        history=History(days=tuple(day(n, 960 if n < -4 else 961, Quality.VALID) for n in range(-9, 0))),
        companion=Companion(meter="C", import_wh={at("10:00"): 999}, export_wh={}),
        balances=(FeederBalance(difference_wh=10**6, history_wh=(1,) * 10),),
        traded=TradedExport(traded_wh=10**6, installed_w=1),
        imported=ImportedRegisters(registers=(register("10:00", 999),), digest=bytes(32)),
    )
    window, rows, registers = span("10:00", "12:00"), intervals(), [register("10:00", 0)]
    found = found_beyond(DEFAULT_RULE_SET, everything, window, rows, registers)
    assert {finding.rule for finding in found} == {"V25", "V26", "V28", "V29", "V31", "V32"}
    assert all(finding.block_utc is not None for finding in found)
    assert found_beyond(DEFAULT_RULE_SET, Declared(), window, rows, registers) == ()
    assert found_beyond(RULE_SET_1, everything, window, rows, registers) == ()
    estimated = History(days=tuple(day(n, 960, Quality.ESTIMATED) for n in range(-4, 0)))
    (prolonged,) = found_beyond(DEFAULT_RULE_SET, Declared(history=estimated), window, rows, registers)
    assert prolonged.rule == "V30"


def test_a_day_is_a_pattern_only_when_it_is_whole_valid_and_supplied() -> None:
    usual = day(0, 960)
    assert usual.is_pattern
    dark = HistoryBlock(import_wh=0, export_wh=0, quality=Quality.VALID, is_supplied=False)
    for blocks_ in (usual.blocks[1:], (*usual.blocks[1:], dark)):
        assert not HistoryDay(
            start_utc=usual.start_utc, kind=usual.kind, period_s=usual.period_s, blocks=blocks_
        ).is_pattern
    assert not any(day(0, 960, quality).is_pattern for quality in Quality if quality is not Quality.VALID)
    assert History(days=(usual,)).before(MIDNIGHT + DAY_S, 1) == (usual,)
    assert History(days=(usual,)).before(MIDNIGHT, 1) == ()
