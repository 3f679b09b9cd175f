"""What the windows will have to show at their gates, and which of them an operator hears of."""

from dataclasses import replace
from pathlib import Path

import pytest

from headend.trading.forecast import Prospect, at_risk, forecast, warning
from headend.trading.gates import DEFAULT_GATES
from headend.trading.trades import Delivery
from signing.backends.file import FileSigner
from signing.interval import Interval
from signing.statements.window_actual import Status, Totals, WindowActual
from tests.headend.actuals import actual, statement_key
from tests.headend.trading.test_gates import MORNING, at

DELIVERY = Delivery(posted_as="M", delivery_start="a", delivery_end="b", window=MORNING)
BEFORE = at("04-27T07:00:00")
NEAR = at("04-27T08:00:00")


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return statement_key(tmp_path)


def said(signer: FileSigner, status: Status) -> WindowActual:
    with_totals = status in {Status.FINAL, Status.TRUE_UP, Status.PROVISIONAL}
    made = actual(signer, MORNING, posted_as="M", totals=Totals(import_wh=1, export_wh=0)).statement
    if with_totals:
        return replace(made, status=status)
    return replace(made, status=status, totals=None, reason="4 of 4 blocks missing")


@pytest.mark.parametrize(
    ("status", "prospect", "cause"),
    [
        (Status.FINAL, Prospect.READY, ""),
        (Status.TRUE_UP, Prospect.READY, ""),
        (Status.PROVISIONAL, Prospect.PROVISIONAL, "waits for the registers of its day"),
        (Status.PENDING, Prospect.AT_RISK, "4 of 4 blocks missing"),
        (Status.WITHDRAWN, Prospect.AT_RISK, "4 of 4 blocks missing"),
        (Status.NOT_MEASURABLE, Prospect.IMPOSSIBLE, "4 of 4 blocks missing"),
    ],
)
def test_a_window_is_worth_what_was_said_of_it_last(
    signer: FileSigner, status: Status, prospect: Prospect, cause: str
) -> None:
    newest = {DELIVERY: said(signer, status)}
    (one,) = forecast([DELIVERY], newest, frozenset({"M"}), DEFAULT_GATES, BEFORE)
    assert (one.prospect, one.cause, one.gate_utc) == (prospect, cause, at("04-27T09:00:00"))


def test_a_window_of_which_nothing_was_said_is_at_risk_and_of_a_stranger_impossible() -> None:
    (one,) = forecast([DELIVERY], {}, frozenset({"M"}), DEFAULT_GATES, BEFORE)
    assert (one.prospect, one.cause) == (Prospect.AT_RISK, "nothing was said of it yet")
    (one,) = forecast([DELIVERY], {}, frozenset(), DEFAULT_GATES, BEFORE)
    assert (one.prospect, one.cause) == (Prospect.IMPOSSIBLE, "no connection point has this id at the ledger")


@pytest.mark.parametrize(
    ("now", "seen"),
    [
        (MORNING.end_utc - 1, 0),
        (MORNING.end_utc, 1),
        (at("04-27T11:54:59"), 1),
        (at("04-27T11:55:00"), 0),
    ],
)
def test_only_windows_that_ended_and_have_a_gate_to_come_are_forecast(now: int, seen: int) -> None:
    assert len(forecast([DELIVERY], {}, frozenset({"M"}), DEFAULT_GATES, now)) == seen


@pytest.mark.parametrize(("now", "heard"), [(BEFORE - 1, 0), (BEFORE, 1), (NEAR, 1)])
def test_a_warning_is_given_two_hours_before_the_gate(now: int, heard: int) -> None:
    outlooks = forecast([DELIVERY], {}, frozenset({"M"}), DEFAULT_GATES, now)
    assert len(at_risk(outlooks, DEFAULT_GATES, now)) == heard


def test_what_is_ready_or_provisional_is_no_risk(signer: FileSigner) -> None:
    for status in (Status.FINAL, Status.PROVISIONAL):
        outlooks = forecast([DELIVERY], {DELIVERY: said(signer, status)}, frozenset({"M"}), DEFAULT_GATES, NEAR)
        assert at_risk(outlooks, DEFAULT_GATES, NEAR) == ()


def test_a_warning_names_the_window_its_gate_and_the_cause() -> None:
    (one,) = forecast([DELIVERY], {}, frozenset({"M"}), DEFAULT_GATES, NEAR)
    assert warning(one) == (
        "M, 2026-04-26 06:00:00 IST to 2026-04-26 07:00:00 IST, is AT_RISK for its gate at 2026-04-27 09:00:00 IST: "
        "nothing was said of it yet"
    )


def test_windows_come_by_their_gates() -> None:
    late = replace(DELIVERY, window=Interval(at("04-26T23:30:00"), at("04-27T00:30:00")))
    found = forecast([late, DELIVERY], {}, frozenset({"M"}), DEFAULT_GATES, BEFORE)
    assert [one.delivery for one in found] == [DELIVERY, late]
