"""How energies follow one another over a day, at every length of block."""

from collections.abc import Sequence
from typing import Any

import pytest

from headend.readings import Finding
from signing.interval import DAY_S, Interval
from signing.statements.reading import Flag
from tests.headend.vee.judged import findings
from tests.headend.vee.world import MIDNIGHT, Gateway, Premises, at, fact, premises, reading, register, span

DAY = span("00:00", "24:00")


def day(
    imports: Sequence[int | None],
    exports: Sequence[int] | None = None,
    *,
    flags: dict[int, int] | None = None,
    **stated: Any,
) -> Premises:
    """A whole day in one batch."""
    gateway = Gateway()
    rows = [
        reading(imported, 0 if exports is None else exports[place], flags=(flags or {}).get(place, 0))
        for place, imported in enumerate(imports)
    ]
    gateway.state("00:00", rows, period_s=stated.get("period_s", 900))
    return premises(gateway, facts=[fact(**stated)])


def places(found: Sequence[Finding], period_s: int = 900) -> list[int | None]:
    """The blocks that findings are about, by number in the day."""
    return [None if finding.block_utc is None else (finding.block_utc - MIDNIGHT) // period_s for finding in found]


class TestSpike:
    """V20."""

    def highest(self, top: int, *, others: int = 1000, period_s: int = 900, **stated: Any) -> list[int | None]:
        rows = [100 + place % 3 for place in range(DAY_S // period_s)]
        rows[3] = rows[7] = others
        rows[9] = top
        return places(findings(day(rows, period_s=period_s, **stated), "V20", window=DAY), period_s)

    @pytest.mark.parametrize("period_s", [900, 1800, 3600])
    def test_the_bound_is_the_third_highest_and_the_margin(self, period_s: int) -> None:
        others = 1000 * period_s // 900
        assert self.highest(others * 28 // 10, others=others, period_s=period_s) == []
        assert self.highest(others * 28 // 10 + 1, others=others, period_s=period_s) == [9]

    @pytest.mark.parametrize(("period_s", "floor"), [(900, 1250), (1800, 2500), (3600, 5000)])
    def test_below_its_floor_nothing_is_a_spike(self, period_s: int, floor: int) -> None:
        assert self.highest(floor, others=104, period_s=period_s) == []
        assert self.highest(floor + 1, others=104, period_s=period_s) == [9]

    def test_the_floor_is_in_watts_after_factors(self) -> None:
        ratio = type(fact().ct)(10, 1)
        assert self.highest(125, others=10, ct=ratio) == []
        # The third highest is then one of the even blocks of about 100 Wh.
        assert self.highest(2000, others=104, ct=ratio) == [9]

    def test_two_highest_blocks_are_two_spikes_and_three_are_none(self) -> None:
        rows = [100 + place % 3 for place in range(96)]
        rows[5] = rows[50] = 3000
        assert places(findings(day(rows), "V20", window=DAY)) == [5, 50]
        rows[90] = 3000
        assert findings(day(rows), "V20", window=DAY) == ()

    def test_export_is_judged_apart(self) -> None:
        rows = [100 + place % 3 for place in range(96)]
        exports = [0] * 96
        exports[40] = 2000
        (found,) = findings(day(rows, exports), "V20", window=DAY)
        assert dict(found.numbers) == {"highest_wh": 2000, "third_wh": 0}

    def test_a_day_that_the_context_does_not_hold_is_not_judged(self) -> None:
        gateway = Gateway()
        rows = [100 + place % 3 for place in range(96)]
        rows[3] = 9000
        gateway.state("00:00", tuple(map(reading, rows)))
        home = premises(gateway)
        assert findings(home, "V20", window=span("00:00", "23:45")) == ()
        assert len(findings(home, "V20", window=DAY)) == 1

    def test_two_blocks_are_too_few_to_compare(self) -> None:
        assert findings(day([9000, 1, *[None] * 94]), "V20", window=DAY) == ()
        assert len(findings(day([9000, 1, 1, *[None] * 93]), "V20", window=DAY)) == 1


class TestFlat:
    """V21."""

    @pytest.mark.parametrize(("count", "notes"), [(2, 0), (3, 1), (95, 1)])
    def test_a_run_is_noted_once(self, count: int, notes: int) -> None:
        rows = [100] * count + [200 + place for place in range(96 - count)]
        found = findings(day(rows), "V21", window=DAY)
        assert places(found) == [None] * notes
        assert [dict(finding.numbers) for finding in found] == [
            {"blocks": count, "since_utc": MIDNIGHT, "wh": 100}
        ] * notes

    @pytest.mark.parametrize("period_s", [900, 1800, 3600])
    def test_a_day_of_it_is_suspect_at_every_length_of_block(self, period_s: int) -> None:
        blocks = DAY_S // period_s
        found = findings(day([100] * blocks, period_s=period_s), "V21", window=DAY)
        assert places(found, period_s) == list(range(blocks))
        assert findings(day([101, *[100] * (blocks - 1)], period_s=period_s), "V21", window=DAY)[0].block_utc is None

    @pytest.mark.parametrize(("wh", "count"), [(0, 0), (19, 0), (20, 96)])
    def test_whole_watt_hours_are_too_coarse_for_small_loads(self, wh: int, count: int) -> None:
        assert len(findings(day([wh] * 96), "V21", window=DAY)) == count

    def test_a_hole_ends_a_run_and_export_has_its_own(self) -> None:
        rows = [100, 100, None, 100, 100, *[200 + place for place in range(91)]]
        assert findings(day(rows), "V21", window=DAY) == ()
        exports = [50 if place < 3 else 60 + place for place in range(96)]
        assert len(findings(day([200 + place for place in range(96)], exports), "V21", window=DAY)) == 1


class TestZeroRun:
    """V22."""

    def two_days(self, second: Sequence[int], rise: int, flags: dict[int, int] | None = None) -> Premises:
        gateway = Gateway()
        rows = tuple(reading(0, flags=(flags or {}).get(place, 0)) for place in range(96))
        gateway.state("00:00", rows, registers=[register("00:00", 1000)])
        gateway.state("+1 00:00", tuple(map(reading, second)), registers=[register("+1 01:00", 1000 + rise)])
        return premises(gateway)

    def test_a_day_of_nothing_on_a_meter_in_use_is_suspect(self) -> None:
        assert len(findings(self.two_days([50, 60, 50, 60], 220), "V22", window=DAY)) == 96

    def test_a_meter_that_nobody_uses_is_left_alone(self) -> None:
        assert findings(self.two_days([0, 0, 0, 0], 0), "V22", window=DAY) == ()
        # Its register says otherwise: it is in use, and V23 says the rest.
        assert len(findings(self.two_days([0, 0, 0, 0], 5), "V22", window=DAY)) == 100

    @pytest.mark.parametrize("flag", [Flag.POWER_FAIL, Flag.FILLER])
    def test_where_the_supply_failed_nothing_could_flow(self, flag: Flag) -> None:
        assert findings(self.two_days([50, 60, 50, 60], 220, {48: flag}), "V22", window=DAY) == ()

    def test_what_is_given_counts_as_use(self) -> None:
        exports = [0] * 96
        exports[50] = 1
        assert findings(day([0] * 96, exports), "V22", window=DAY) == ()

    @pytest.mark.parametrize("period_s", [900, 1800, 3600])
    def test_a_day_is_a_day_at_every_length_of_block(self, period_s: int) -> None:
        gateway = Gateway()
        blocks = DAY_S // period_s
        gateway.state("00:00", (reading(0),) * blocks, period_s=period_s)
        gateway.state("+1 00:00", (reading(70), reading(60)), period_s=period_s)
        home = premises(gateway, facts=[fact(period_s=period_s)])
        window = Interval(at("00:00"), at("+1 00:00") + 2 * period_s)
        assert len(findings(home, "V22", window=window)) == blocks
