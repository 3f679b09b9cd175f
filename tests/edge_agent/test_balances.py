from dataclasses import replace

import pytest

from edge_agent.balances import PATIENCE_S, Balances
from edge_agent.outbox.outbox import Outbox
from signing.interval import DAY_S
from signing.statements.reading_batch import Register
from tests.edge_agent.gateway import MIDNIGHT, NO_ROW, PERIOD_S, Gateway, draft, reading
from tests.edge_agent.site import settings

RISE_WH = 96 * 100
LATER = MIDNIGHT + 3 * DAY_S + 10 * 3600


class Days:
    """Days of one meter that are signed: a hundred Wh a block, and registers that rise by as much unless they are told not to."""

    def __init__(self, gateway: Gateway, outbox: Outbox) -> None:
        self._gateway, self._outbox = gateway, outbox
        self.balances = Balances(outbox.days, settings(backfill_days=5))
        self._register_wh = 1_000_003

    def sign(self, number: int, *, rise_wh: int = RISE_WH, last_wh: int = 100) -> None:
        """The day so many after 2026-04-26, with its registers; days ascend."""
        start = MIDNIGHT + number * DAY_S
        readings = [*[reading(100)] * 95, reading(last_wh)]
        before_wh, self._register_wh = self._register_wh, self._register_wh + rise_wh
        registers = (
            Register(stamp_utc=start, import_wh=before_wh, export_wh=None),
            Register(stamp_utc=start + DAY_S, import_wh=self._register_wh, export_wh=None),
        )
        entry = replace(draft(number * 96, readings), registers=registers)
        self._gateway.put(self._outbox, entry)

    def judge(self, now_utc: int = LATER) -> list[str]:
        return self.balances.judge(now_utc, PERIOD_S)


@pytest.fixture
def days(gateway: Gateway, outbox: Outbox) -> Days:
    return Days(gateway, outbox)


def test_a_day_is_judged_once_when_all_of_it_is_signed(days: Days) -> None:
    assert days.judge() == []
    days.sign(1, rise_wh=30_000)
    (fault,) = days.judge()
    assert fault.startswith("the balance of 2026-04-27 fails: import register +30000 Wh, blocks 9600 Wh; ")
    assert days.judge() == []


def test_a_day_that_holds_is_not_told(days: Days) -> None:
    days.judge()
    days.sign(1)
    assert days.judge() == []


def test_days_of_one_cause_are_one_line_that_of_the_newest(days: Days) -> None:
    days.judge()
    days.sign(0, rise_wh=30_000)
    days.sign(1, rise_wh=30_000)
    days.sign(2, rise_wh=19_200)
    unknown, period = days.judge()
    assert "2026-04-27" in unknown
    assert unknown.endswith("(and 1 more days)")
    assert "capture at another period" in period


def test_after_a_restart_only_yesterday_is_told_again(gateway: Gateway, outbox: Outbox, days: Days) -> None:
    days.sign(0, rise_wh=30_000)
    days.sign(2, rise_wh=30_000)
    (fault,) = Days(gateway, outbox).judge()
    assert "2026-04-28" in fault
    assert "more days" not in fault


def test_a_day_without_both_registers_or_with_unsigned_blocks_is_not_judged(
    gateway: Gateway, outbox: Outbox, days: Days
) -> None:
    days.judge()
    whole = draft(96, [reading()] * 96)
    registers = (Register(stamp_utc=MIDNIGHT + DAY_S, import_wh=5, export_wh=None),)
    gateway.put(outbox, replace(whole, registers=registers))
    assert days.judge() == []
    for stamp, import_wh in ((0, 5), (DAY_S, None)):
        register = Register(stamp_utc=MIDNIGHT + DAY_S + stamp, import_wh=import_wh, export_wh=None)
        gateway.put(outbox, replace(whole, registers=(register,)))
    assert days.judge() == []
    gateway.put(
        outbox,
        replace(
            draft(192, [reading()]), registers=(Register(stamp_utc=MIDNIGHT + 2 * DAY_S, import_wh=7, export_wh=None),)
        ),
    )
    assert len(days.judge()) == 1


def test_a_day_with_a_block_that_is_not_signed_yet_waits(gateway: Gateway, outbox: Outbox, days: Days) -> None:
    days.judge()
    registers = tuple(
        Register(stamp_utc=MIDNIGHT + number * DAY_S, import_wh=5 + number * 30_000, export_wh=None)
        for number in (1, 2)
    )
    gateway.put(outbox, replace(draft(96, [reading()] * 95), registers=registers[:1]))
    gateway.put(outbox, replace(draft(192, [reading()]), registers=registers[1:]))
    assert days.judge() == []
    gateway.put(outbox, draft(191, [NO_ROW]))
    (fault,) = days.judge()
    assert "1 of 96 blocks have no figure" in fault


def test_the_block_after_midnight_is_waited_for_but_not_for_ever(days: Days) -> None:
    midnight = MIDNIGHT + 2 * DAY_S
    days.judge(midnight)
    days.sign(1, rise_wh=30_000)
    assert days.judge(midnight + PATIENCE_S - 1) == []
    assert len(days.judge(midnight + PATIENCE_S)) == 1


def test_today_is_not_judged(days: Days) -> None:
    days.judge()
    days.sign(3, rise_wh=30_000)
    assert days.judge() == []


def test_one_day_within_the_tolerance_that_fits_better_otherwise_is_no_fault_and_two_are(days: Days) -> None:
    days.judge()
    days.sign(0, rise_wh=9630, last_wh=130)
    days.sign(1, rise_wh=9630)  # 30 Wh off as it is read, exact one block earlier
    assert days.judge() == []
    days.sign(2, rise_wh=9600, last_wh=130)
    (fault,) = days.judge()
    assert "2026-04-28" in fault
    assert 'set stamp = "start"' in fault


def test_an_exact_day_ends_the_doubt(days: Days) -> None:
    days.judge()
    days.sign(-1, rise_wh=9630, last_wh=130)
    days.sign(0, rise_wh=9630)
    days.sign(1, rise_wh=9630, last_wh=130)  # exact as it is read, and not otherwise
    days.sign(2, rise_wh=9630)
    assert days.judge() == []


def test_a_day_that_fits_both_readings_leaves_the_doubt(days: Days) -> None:
    days.judge()
    days.sign(-1, rise_wh=9630, last_wh=130)
    days.sign(0, rise_wh=9630)
    days.sign(1)
    days.sign(2, last_wh=130)
    assert len(days.judge()) == 1
