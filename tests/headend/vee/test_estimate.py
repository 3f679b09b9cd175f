"""Estimates: exact sums, honest bounds, and the rules that a measurement keeps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headend.vee.declared import Channel
from headend.vee.estimate import Filled, KnownBlock, Limits, Task, apportioned, filled, linear
from tests.headend.vee.world import MIDNIGHT

NO_LIMITS = Limits(most_wh=None, spike_permille=None, spike_floor_wh=0)


def task(*energies: int | None, rise: int | None = None, **fields: Any) -> Task:
    """A span of blocks; ``None`` is a hole. ``dark`` lists blocks in which the supply failed."""
    period_s, dark = fields.pop("period_s", 900), fields.pop("dark", ())
    blocks = tuple(
        KnownBlock(start_utc=MIDNIGHT + place * period_s, wh=wh, is_pattern=wh is not None and place not in dark)
        for place, wh in enumerate(energies)
    )
    usual: dict[str, Any] = {"channel": Channel.IMPORT, "tolerance_wh": 0, "limits": NO_LIMITS}
    return Task(period_s=period_s, blocks=blocks, rise_wh=rise, **(usual | fields))


def values(found: Filled | None) -> list[int] | None:
    return None if found is None else list(found.values.values())


class TestApportioned:
    """Largest first, nothing lost."""

    @pytest.mark.parametrize(
        ("total", "weights", "parts"),
        [
            (10, [1, 1, 1], (4, 3, 3)),
            (10, [1, 2, 2], (2, 4, 4)),
            (11, [1, 2, 2], (2, 5, 4)),
            (0, [1, 2], (0, 0)),
            (7, [0, 0], (4, 3)),
            (5, [0, 3], (0, 5)),
            (1, [9], (1,)),
        ],
    )
    def test_what_rounding_leaves_goes_to_the_largest_the_first_of_equals(
        self, total: int, weights: list[int], parts: tuple[int, ...]
    ) -> None:
        assert apportioned(total, weights) == parts

    @settings(max_examples=200)
    @given(st.integers(0, 10**9), st.lists(st.integers(0, 10**6), min_size=1, max_size=96))
    def test_parts_sum_to_the_whole_and_none_is_negative(self, total: int, weights: list[int]) -> None:
        parts = apportioned(total, weights)
        assert sum(parts) == total
        assert min(parts) >= 0
        assert all(part == 0 for part, weight in zip(parts, weights, strict=True) if weight == 0 and any(weights))


class TestLinear:
    """E1."""

    @pytest.mark.parametrize(
        ("energies", "rise", "expected"),
        [
            ((100, None, 100), 300, [100]),
            ((100, None, 100), 250, [50]),
            ((100, None, None, None, 200), 751, [125, 150, 176]),
            ((0, None, None, 0), 9, [5, 4]),
            ((100, None, 100, None, 100), 500, [100, 100]),
            ((0, None, 0, 90, None, 90), 190, [0, 10]),
            ((100, None, 100), 200, [0]),
        ],
    )
    def test_what_the_registers_leave_is_shared_along_the_line(
        self, energies: tuple[int | None, ...], rise: int, expected: list[int]
    ) -> None:
        found = linear(task(*energies, rise=rise), 7200)
        assert values(found) == expected
        assert found is not None
        assert sum(expected) + sum(wh or 0 for wh in energies) == rise

    @pytest.mark.parametrize(("period_s", "longest"), [(900, 8), (1800, 4), (3600, 2)])
    def test_two_hours_are_the_longest_gap(self, period_s: int, longest: int) -> None:
        fits = task(10, *[None] * longest, 10, rise=20 + 10 * longest, period_s=period_s)
        assert values(linear(fits, 7200)) == [10] * longest
        assert linear(task(10, *[None] * (longest + 1), 10, rise=200, period_s=period_s), 7200) is None
        two = task(10, *[None] * longest, 10, *[None] * longest, 10, rise=30 + 20 * longest, period_s=period_s)
        assert values(linear(two, 7200)) == [10] * longest * 2

    @pytest.mark.parametrize("dark", [(0,), (2,), (0, 2)])
    def test_a_neighbour_whose_supply_failed_says_nothing(self, dark: tuple[int, ...]) -> None:
        assert linear(task(100, None, 100, 100, rise=400, dark=dark), 7200) is None
        assert values(linear(task(100, None, 100, 100, rise=400, dark=(3,)), 7200)) == [100]

    @pytest.mark.parametrize("energies", [(None, 100), (100, None), (None,), (None, 100, None)])
    def test_a_gap_at_the_edge_of_the_span_has_one_neighbour(self, energies: tuple[int | None, ...]) -> None:
        assert linear(task(*energies, rise=200), 7200) is None

    def test_one_gap_too_long_leaves_all_of_them(self) -> None:
        assert linear(task(10, None, 10, *[None] * 9, 10, rise=200), 7200) is None

    def test_without_registers_or_with_less_than_nothing_to_share_there_is_no_estimate(self) -> None:
        assert linear(task(100, None, 100), 7200) is None
        assert linear(task(100, None, 100, rise=199), 7200) is None

    def test_a_span_without_holes_has_nothing_to_estimate(self) -> None:
        assert linear(task(100, 100, rise=200), 7200) is None


class TestRules:
    """V16 to V18 and V20 hold for estimates."""

    def test_none_is_above_the_most_of_a_block(self) -> None:
        limits = replace(NO_LIMITS, most_wh=100)
        assert values(linear(task(90, None, 90, rise=280, limits=limits), 7200)) == [100]
        assert linear(task(90, None, 90, rise=281, limits=limits), 7200) is None

    def test_none_is_a_spike_of_its_day(self) -> None:
        limits = Limits(most_wh=None, spike_permille=1800, spike_floor_wh=1000)
        day = [1000 if place % 5 == 0 else 100 for place in range(96)]
        day[49] = day[51] = 90
        known: list[int | None] = [*day[:50], None, *day[51:]]
        rest = sum(wh or 0 for wh in known)
        assert values(linear(task(*known, rise=rest + 2800, limits=limits), 7200)) == [2800]
        assert linear(task(*known, rise=rest + 2801, limits=limits), 7200) is None
        # Less than a day is not judged, by V20 either.
        assert linear(task(*known[:95], rise=rest - day[95] + 2801, limits=limits), 7200) is not None

    def test_a_measured_spike_is_not_the_estimates_fault(self) -> None:
        limits = Limits(most_wh=None, spike_permille=1800, spike_floor_wh=1000)
        known: list[int | None] = [100, None, 9000, *[100] * 93]
        assert linear(task(*known, rise=9000 + 95 * 100, limits=limits), 7200) is not None

    @pytest.mark.parametrize("weights", [[], [1], [1, 2, 3], [1, -1]])
    def test_weights_are_one_a_hole_and_none_negative(self, weights: list[int]) -> None:
        assert filled(task(5, None, None, 5, rise=30), "E2", weights) is None

    def test_without_registers_weights_are_energies(self) -> None:
        assert values(filled(task(5, None, None, 5), "E2", [7, 9])) == [7, 9]


class TestBounds:
    """[low, high] hold the truth."""

    def test_all_holes_together_are_known_to_the_tolerance(self) -> None:
        found = linear(task(100, None, None, 100, rise=400, tolerance_wh=10), 7200)
        assert found is not None
        assert found.bounds(set(found.values)) == (190, 200, 210)
        assert [(each.low_wh, each.wh, each.high_wh) for each in found.estimates] == [(0, 100, 210)] * 2
        assert {each.method for each in found.estimates} == {"E1"}

    def test_what_the_others_can_take_at_most_is_left_for_one(self) -> None:
        limits = replace(NO_LIMITS, most_wh=150)
        found = linear(task(100, None, None, 100, rise=400, tolerance_wh=10, limits=limits), 7200)
        assert found is not None
        assert [(each.low_wh, each.wh, each.high_wh) for each in found.estimates] == [(40, 100, 150)] * 2
        assert found.bounds(()) == (0, 0, 0)

    def test_without_registers_only_the_most_of_a_block_bounds(self) -> None:
        found = filled(task(None, None), "E3", [7, 9])
        assert found is not None
        assert found.bounds(set(found.values)) == (0, 16, None)
        assert found.bounds(()) == (0, 0, 0)
        bounded = filled(task(None, None, limits=replace(NO_LIMITS, most_wh=50)), "E3", [7, 9])
        assert bounded is not None
        assert bounded.bounds(set(bounded.values)) == (0, 16, 100)

    @settings(max_examples=200)
    @given(st.data())
    def test_the_truth_lies_within_whatever_the_registers_lost(self, data: st.DataObject) -> None:
        digit = data.draw(st.sampled_from([1, 10, 100]))
        most = data.draw(st.one_of(st.none(), st.just(500)))
        truth = data.draw(st.lists(st.integers(0, 500), min_size=3, max_size=12))
        holes = data.draw(st.sets(st.integers(1, len(truth) - 2), min_size=1))
        start = data.draw(st.integers(0, 5000))
        rise = (start + sum(truth)) // digit * digit - start // digit * digit
        known = [None if place in holes else wh for place, wh in enumerate(truth)]
        span = task(*known, rise=rise, tolerance_wh=digit, limits=replace(NO_LIMITS, most_wh=most))
        found = linear(span, 10**6)
        if found is None:
            return
        assert sum(found.values.values()) == span.residual_wh
        chosen = data.draw(st.sets(st.sampled_from(sorted(found.values))))
        low, value, high = found.bounds(chosen)
        actual = sum(truth[(start_utc - MIDNIGHT) // 900] for start_utc in chosen)
        assert low <= actual
        assert high is None or actual <= high
        assert low <= value
        assert high is None or value <= high
