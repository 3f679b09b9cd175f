"""Every rule and estimate at every length of block, for windows that begin on the IST clock and on the UTC clock."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from headend.vee.declared import Channel
from headend.windows import judge, validated
from signing.evidence import WindowCase
from signing.interval import Interval, parse_instant
from signing.statements.reading import Flag, Reading
from signing.statements.reading_batch import Register
from signing.statements.window_actual import Status
from signing.statements.window_part import Bounds, Estimated
from tests.headend.vee.world import Gateway, fact, premises, reading

PERIODS = [900, 1800, 3600]
IST = Interval(parse_instant("2026-04-26T10:00:00+05:30", "start"), parse_instant("2026-04-26T14:00:00+05:30", "end"))
UTC = Interval(parse_instant("2026-04-26T05:00:00Z", "start"), parse_instant("2026-04-26T09:00:00Z", "end"))
"""10:30 to 14:30 IST: on the grid of 900 and 1800 s, and half a block off that of 3600 s."""

WINDOWS = [IST, UTC]


def case(period_s: int, window: Interval, rows: Sequence[Reading], **stated: Any) -> WindowCase:
    """A window whose blocks are `rows`, between registers that fit what was measured and 100 Wh for each hole."""
    gateway = Gateway()
    start = window.start_utc - (window.start_utc + 19_800) % period_s
    imported = sum(100 if row.import_wh is None else row.import_wh for row in rows)
    exported = sum(row.export_wh or 0 for row in rows)
    end = start + len(rows) * period_s
    registers = [
        Register(stamp_utc=start, import_wh=5000, export_wh=70),
        Register(stamp_utc=end, import_wh=5000 + imported, export_wh=70 + exported),
    ]
    gateway.state(start, rows, registers=registers, period_s=period_s)
    return premises(gateway, facts=[fact(period_s=period_s, **stated)]).case(window)


def rows_of(period_s: int, window: Interval, **changed: Reading) -> list[Reading]:
    """Even rows over the window; ``at3`` is the fourth."""
    count = -(-window.length_s // period_s) + (1 if not window.is_measurable(period_s) else 0)
    rows = [reading(100 + place % 2 * 10) for place in range(count)]
    for name, row in changed.items():
        rows[int(name.removeprefix("at"))] = row
    return rows


def matrix(*, hours_only: bool = False) -> list[Any]:
    return [
        pytest.param(period_s, window, id=f"{period_s}-{name}")
        for period_s in PERIODS
        for name, window in zip(("IST", "UTC"), WINDOWS, strict=True)
        if window.is_measurable(period_s) or not hours_only
    ]


@pytest.mark.parametrize(("period_s", "window"), matrix())
def test_a_window_is_final_or_said_early_to_be_not_measurable(period_s: int, window: Interval) -> None:
    found = judge(case(period_s, window, rows_of(period_s, window)))
    if period_s == 3600 and window is UTC:
        assert found.status is Status.NOT_MEASURABLE
        assert found.reason == "2026-04-26 10:30:00 IST cuts a block of 3600 s"
        return
    assert found.status is Status.FINAL
    assert found.totals is not None
    assert found.parts[0].counts.expected == 14_400 // period_s


@pytest.mark.parametrize(("period_s", "window"), matrix(hours_only=True))
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (reading(-1), "1 of {n} blocks missing; import_wh is -1"),
        (reading(flags=Flag.CLOCK_STEP), "3 of {n} blocks suspect; the meter's clock was set or is doubtful at"),
        (reading(flags=Flag.DEVICE_FAULT), "1 of {n} blocks suspect; the meter reported a fault of its own at"),
        (reading(flags=Flag.TAMPER), "3 of {n} blocks suspect; the meter reported tampering at"),
    ],
)
def test_a_bad_block_is_one_block_of_its_own_length(period_s: int, window: Interval, row: Reading, reason: str) -> None:
    found = judge(case(period_s, window, rows_of(period_s, window, at1=row)))
    assert found.status is Status.PENDING
    assert found.reason is not None
    if row.import_wh == -1:
        assert f"of {14_400 // period_s} blocks" in found.reason
        return
    assert found.reason.startswith(reason.format(n=14_400 // period_s))


@pytest.mark.parametrize(("period_s", "window"), matrix(hours_only=True))
@pytest.mark.parametrize("channel", list(Channel))
def test_a_bound_in_watts_grows_with_the_block(period_s: int, window: Interval, channel: Channel) -> None:
    watts = 4000
    margin = 1200 if channel is Channel.IMPORT else 1050
    most = watts * margin * period_s // 3_600_000
    stated = {"sanctioned_w": watts} if channel is Channel.IMPORT else {"installed_w": watts}
    for wh, status in ((most, Status.FINAL), (most + 1, Status.PENDING)):
        row = reading(wh, 0) if channel is Channel.IMPORT else reading(0, wh)
        assert judge(case(period_s, window, rows_of(period_s, window, at1=row), **stated)).status is status


@pytest.mark.parametrize(("period_s", "window"), matrix(hours_only=True))
def test_a_hole_is_estimated_between_its_neighbours(period_s: int, window: Interval) -> None:
    found = judge(case(period_s, window, rows_of(period_s, window, at1=reading(None))))
    count = 14_400 // period_s
    assert (found.status, found.reason) == (Status.PENDING, f"1 of {count} blocks estimated")
    (part,) = found.parts
    assert (part.counts.valid, part.counts.estimated) == (count - 1, 1)
    tolerance = max(10, (100 + (part.measured_import_wh or 0)) * 5 // 1000)
    assert part.estimated == Estimated(
        imported=Bounds(low_wh=100 - tolerance, value_wh=100, high_wh=100 + tolerance),
        exported=Bounds(low_wh=0, value_wh=0, high_wh=10),
        method="E1",
    )


@pytest.mark.parametrize(("period_s", "window"), matrix(hours_only=True))
def test_two_hours_can_be_estimated_and_a_block_more_cannot(period_s: int, window: Interval) -> None:
    blocks = 7200 // period_s
    for more in (0, 1):
        if blocks + more > 14_400 // period_s - 2:
            return
        holes = {f"at{place}": reading(None) for place in range(1, 1 + blocks + more)}
        (part,) = judge(case(period_s, window, rows_of(period_s, window, **holes))).parts
        assert part.counts.estimated == (0 if more else blocks)
        assert part.counts.missing == (blocks + more if more else 0)


@pytest.mark.parametrize("period_s", PERIODS)
def test_an_estimate_never_becomes_an_interval(period_s: int) -> None:
    (part,) = validated(case(period_s, IST, rows_of(period_s, IST, at1=reading(None))))
    interval = part.intervals[1]
    assert (interval.quality.name, interval.import_wh, interval.export_wh) == ("MISSING", None, None)
    assert [filling.values for filling in part.validation.filled] == [
        {interval.block.start_utc: 100},
        {interval.block.start_utc: 0},
    ]
    assert {task.holes for task in part.validation.tasks} == {(interval.block.start_utc,)}


class TestWhatE1Needs:
    """Nothing is estimated beside what is doubtful, and nothing that registers do not bound."""

    def estimated(self, rows: Sequence[Reading], **registers: Any) -> Estimated | None:
        usual = case(900, IST, rows)
        part = usual.parts[0]
        (batch,) = part.batches
        assert batch.opening is not None
        changed = registers.get("registers", batch.opening.registers)
        opening = replace(batch.opening, registers=changed)
        again = replace(batch, opening=opening)
        return judge(replace(usual, parts=(replace(part, batches=(again,)),))).parts[0].estimated

    def rows(self, **changed: Reading) -> list[Reading]:
        return rows_of(900, IST, **changed)

    def test_a_suspect_block_anywhere_in_the_context(self) -> None:
        assert self.estimated(self.rows(at1=reading(None))) is not None
        assert self.estimated(self.rows(at1=reading(None), at9=reading(flags=Flag.DEVICE_FAULT))) is None

    @pytest.mark.parametrize("flag", [Flag.POWER_FAIL, Flag.FILLER])
    def test_a_neighbour_without_supply(self, flag: Flag) -> None:
        assert self.estimated(self.rows(at1=reading(None), at2=reading(flags=flag))) is None
        assert self.estimated(self.rows(at1=reading(None), at3=reading(flags=flag))) is not None

    def test_a_register_that_rolled_over(self) -> None:
        assert self.estimated(self.rows(at1=reading(None), at9=reading(flags=Flag.ROLLED_OVER))) is None

    def test_registers_at_both_ends(self) -> None:
        ends = [
            Register(stamp_utc=at, import_wh=wh, export_wh=0) for at, wh in ((IST.start_utc, 0), (IST.end_utc, 1670))
        ]
        rows = self.rows(at1=reading(None))
        found = self.estimated(rows, registers=tuple(ends))
        assert found is not None
        assert found.imported is not None
        assert found.imported.value_wh == 1670 - sum(row.import_wh or 0 for row in rows)
        assert self.estimated(rows, registers=(ends[0],)) is None
        assert self.estimated(rows, registers=(ends[0], replace(ends[1], import_wh=None))) is None
        assert self.estimated(rows, registers=(ends[0], replace(ends[1], import_wh=1))) is None

    def test_e9_an_export_that_no_register_bounds_stays_absent(self) -> None:
        ends = tuple(
            Register(stamp_utc=at, import_wh=wh, export_wh=None) for at, wh in ((IST.start_utc, 0), (IST.end_utc, 1670))
        )
        found = self.estimated(self.rows(at1=reading(None)), registers=ends)
        assert found is not None
        assert found.imported is not None
        assert found.exported is None

    def test_a_meter_without_an_export_register_has_none_estimated(self) -> None:
        rows = [reading(row.import_wh, None) for row in self.rows(at1=reading(None))]
        ends = tuple(
            Register(stamp_utc=at, import_wh=wh, export_wh=None) for at, wh in ((IST.start_utc, 0), (IST.end_utc, 1670))
        )
        found = self.estimated(rows, registers=ends)
        assert found is not None
        assert found.exported is None

    def test_an_export_that_some_valid_blocks_lack_is_not_estimated(self) -> None:
        rows = self.rows(at1=reading(None), at9=reading(110, None))
        found = self.estimated(rows)
        assert found is not None
        assert found.exported is None

    def test_the_tightest_bound_of_the_context_holds(self) -> None:
        low = {f"at{place}": reading(50 + place) for place in range(4, 16)}
        usual = case(900, IST, self.rows(at1=reading(None), **low), sanctioned_w=5000)
        record = usual.parts[0].record
        for watts, estimated in ((334, 1), (300, 0)):
            # 334 W and a fifth are 100 Wh a quarter, 300 W are 90 Wh: all that was measured keeps within both.
            later = replace(record.facts[0], from_utc=IST.start_utc + 3600, sanctioned_w=watts)
            changed = replace(usual.parts[0], records=(replace(record, facts=(*record.facts, later)),))
            (part,) = judge(replace(usual, parts=(changed,))).parts
            assert (part.counts.valid, part.counts.estimated) == (15, estimated)

    def test_of_a_meter_that_said_nothing_nobody_knows_whether_it_exports(self) -> None:
        usual = case(900, IST, [reading(None)] * 16)
        (batch,) = usual.parts[0].batches
        assert batch.opening is not None
        silent = replace(batch, opening=replace(batch.opening, registers=()))
        for batches, channels in (((batch,), list(Channel)), ((silent,), [Channel.IMPORT])):
            (found,) = validated(replace(usual, parts=(replace(usual.parts[0], batches=batches),)))
            assert [task.channel for task in found.validation.tasks] == channels

    def test_only_the_blocks_of_the_part_are_counted(self) -> None:
        usual = case(900, IST, rows_of(900, IST, at1=reading(None), at9=reading(None)))
        first = Interval(IST.start_utc, IST.start_utc + 7200)
        part = replace(usual.parts[0], span=first)
        (found,) = judge(replace(usual, window=first, parts=(part,))).parts
        assert (found.counts.expected, found.counts.valid, found.counts.estimated) == (8, 7, 1)
        assert found.estimated is not None
        assert found.estimated.imported is not None
        # Two holes share what the registers leave: of one alone it is known only that the other takes between nothing and all of it.
        assert (found.estimated.imported.low_wh, found.estimated.imported.value_wh) == (0, 100)
        assert found.estimated.imported.high_wh == 200 + 10
