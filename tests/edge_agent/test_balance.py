"""What a day proves of the stamps: tables of hand-made rows, and the law that exactly one reading of uneven blocks balances."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.balance import DayBalance, Reading, Verdict, day_balance
from edge_agent.registers import (
    EXPORT_BLOCK,
    EXPORT_TOTAL,
    IMPORT_BLOCK,
    IMPORT_TOTAL,
    CumulativeRegisters,
    ProfileRow,
    RegisterValue,
)
from signing.interval import DAY_S, Interval
from tests.edge_agent.gateway import MIDNIGHT

HOUR = 3600
DAY = Interval(MIDNIGHT, MIDNIGHT + DAY_S)
FLOWS = [100 + n for n in range(26)]
"""Energy of the hour before the day, its 24 hours, and the one after."""


def row(stamp: int, imported: int | None, exported: int | None = None, scaler: int = 0) -> ProfileRow:
    values = {IMPORT_BLOCK: RegisterValue(register=IMPORT_BLOCK, raw=imported, scaler=scaler, unit=30)}
    if exported is not None:
        values[EXPORT_BLOCK] = RegisterValue(register=EXPORT_BLOCK, raw=exported, scaler=scaler, unit=30)
    return ProfileRow(stamp=None, stamp_utc=stamp, end_utc=stamp, clock_status=None, values=values)


def rows(means: Reading, flows: Sequence[int] = FLOWS, exports: Sequence[int] | None = None) -> list[ProfileRow]:
    """Rows of the hours before, in and after the day, stamped at their end or start."""
    first = MIDNIGHT - HOUR + (HOUR if means is Reading.END else 0)
    return [
        row(first + place * HOUR, wh, None if exports is None else exports[place]) for place, wh in enumerate(flows)
    ]


def midnights(
    rise: int, exported: int | None = None, *, scaler: int = 0, base: int = 5_000_000
) -> tuple[CumulativeRegisters, CumulativeRegisters]:
    def value(register: str, wh: int) -> RegisterValue:
        return RegisterValue(register=register, raw=wh // 10**scaler, scaler=scaler, unit=30)

    def at(stamp: int, imported: int, out: int | None) -> CumulativeRegisters:
        return CumulativeRegisters(
            stamp_utc=stamp,
            imported=value(IMPORT_TOTAL, imported),
            exported=None if out is None else value(EXPORT_TOTAL, out),
        )

    return (
        at(DAY.start_utc, base, None if exported is None else base),
        at(DAY.end_utc, base + rise, None if exported is None else base + exported),
    )


def judged(
    given_rows: Sequence[ProfileRow], registers: tuple[CumulativeRegisters, ...], period_s: int = HOUR
) -> DayBalance:
    return day_balance(DAY, given_rows, registers, period_s=period_s)


RISE = sum(FLOWS[1:25])


@pytest.mark.parametrize("means", Reading)
def test_only_the_reading_that_the_meter_means_balances(means: Reading) -> None:
    found = judged(rows(means), midnights(RISE))
    assert found.verdict.value == means.value
    (channel,) = found.channels
    assert channel.name == "import"
    assert {channel.rise_wh, channel.sums_wh[means]} == {Decimal(RISE)}
    # The other reading has one block of a neighbouring day instead of one of its own.
    assert abs(next(total for reading, total in channel.sums_wh.items() if reading is not means) - RISE) == 24


@given(st.lists(st.integers(0, 10**6), min_size=26, max_size=26), st.sampled_from(Reading))
def test_the_right_reading_always_balances_and_the_wrong_one_only_where_both_edges_are_equal(
    flows: list[int], means: Reading
) -> None:
    found = judged(rows(means, flows), midnights(sum(flows[1:25])))
    edges = (flows[0], flows[24]) if means is Reading.END else (flows[1], flows[25])
    assert found.verdict is (Verdict.EITHER if edges[0] == edges[1] else Verdict(means.value))


def test_a_day_of_equal_edges_says_nothing() -> None:
    assert judged(rows(Reading.END, [7] * 26), midnights(24 * 7)).verdict is Verdict.EITHER


def test_blocks_that_are_not_the_registers_balance_in_no_reading() -> None:
    assert judged(rows(Reading.END), midnights(RISE * 2)).verdict is Verdict.NEITHER


def test_export_must_balance_in_the_same_reading() -> None:
    exports = [n * 10 for n in range(26)]
    right = midnights(RISE, sum(exports[1:25]))
    assert judged(rows(Reading.END, exports=exports), right).verdict is Verdict.END
    # Import says END and export says START: something is wrong with the meter, not with the reading.
    crossed = midnights(RISE, sum(exports[:24]))
    assert judged(rows(Reading.END, exports=exports), crossed).verdict is Verdict.NEITHER


def test_export_decides_where_import_says_nothing() -> None:
    exports = [n * 10 for n in range(26)]
    found = judged(rows(Reading.START, [0] * 26, exports), midnights(0, sum(exports[1:25])))
    assert found.verdict is Verdict.START


def test_export_without_a_daily_register_is_not_judged() -> None:
    found = judged(rows(Reading.END, exports=[9] * 26), midnights(RISE))
    assert [channel.name for channel in found.channels] == ["import"]
    assert found.verdict is Verdict.END


@pytest.mark.parametrize(("off_wh", "verdict"), [(0, Verdict.END), (1, Verdict.END), (-12, Verdict.END)])
def test_blocks_rounded_one_by_one_are_close_enough_where_nothing_is_exact(off_wh: int, verdict: Verdict) -> None:
    # Edges far apart, so that the wrong reading is nowhere near.
    flows = [1000, *[110] * 23, 5, 4000]
    rise = sum(flows[1:25])
    assert judged(rows(Reading.END, flows), midnights(rise + off_wh)).verdict is verdict


def test_the_bound_of_closeness() -> None:
    flows = [5000, *[100] * 23, 100, 9000]
    rise = sum(flows[1:25])
    for off_wh, verdict in ((12, Verdict.END), (13, Verdict.NEITHER)):
        # 5 permille of 2412 is 12.06, of 2413 12.065.
        assert judged(rows(Reading.END, flows), midnights(rise + off_wh)).verdict is verdict


def test_a_register_coarser_than_the_blocks_is_known_no_better_than_its_step() -> None:
    registers = midnights(RISE, scaler=1, base=5_000_005)
    found = judged(rows(Reading.END), registers)
    assert found.channels[0].step_wh == Decimal(10)
    assert found.verdict is Verdict.END


def test_a_day_with_a_missing_row_is_not_compared() -> None:
    kept = rows(Reading.END)
    del kept[5]
    found = judged(kept, midnights(RISE))
    assert found.verdict is Verdict.NEITHER
    assert found.reason == "23 rows for 24 blocks"


def test_a_reading_that_lacks_its_edge_is_not_compared_and_the_other_is() -> None:
    kept = [each for each in rows(Reading.END) if each.stamp_utc != DAY.start_utc]
    found = judged(kept, midnights(RISE))
    assert list(found.channels[0].sums_wh) == [Reading.END]
    assert found.verdict is Verdict.END


def test_a_row_that_comes_twice_counts_once_and_two_that_differ_spoil_the_day() -> None:
    given_rows = rows(Reading.END)
    assert judged([*given_rows, given_rows[5]], midnights(RISE)).verdict is Verdict.END
    found = judged([*given_rows, row(given_rows[5].stamp_utc, 1)], midnights(RISE))
    assert found.reason == "25 rows for 24 blocks"


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda kept, registers: (kept, registers[1:]), "no cumulative registers of 2026-04-26"),
        (lambda kept, registers: (kept, registers[:1]), "no cumulative registers of 2026-04-27"),
        (lambda kept, registers: ([*kept[:5], row(kept[5].stamp_utc, None), *kept[6:]], registers), "null-data"),
        (lambda kept, registers: ([*kept[:5], row(kept[5].stamp_utc, -1), *kept[6:]], registers), "non-negative"),
        (lambda kept, registers: ([], registers), "0 rows for 24 blocks"),
    ],
)
def test_what_cannot_be_compared_says_why(spoil: object, reason: str) -> None:
    assert callable(spoil)
    found = judged(*spoil(rows(Reading.END), midnights(RISE)))
    assert found.verdict is Verdict.NEITHER
    assert found.reason is not None
    assert reason in found.reason


def test_a_profile_without_import_says_so() -> None:
    bare = [
        ProfileRow(stamp=None, stamp_utc=each.stamp_utc, end_utc=each.end_utc, clock_status=None)
        for each in rows(Reading.END)
    ]
    assert judged(bare, midnights(RISE)).reason == f"no column {IMPORT_BLOCK} in the load profile"
