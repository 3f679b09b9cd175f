"""Contract against delivery: within the band it matches, above it the excess is the retailer's."""

from dataclasses import replace
from pathlib import Path

import pytest

from headend.trading.delivered import Delivered, Outcome, delivered
from headend.trading.trades import Delivery, own_sides
from ledger_client.ledger import Side
from signing.backends.file import FileSigner
from signing.statements.window_actual import Status, Totals, WindowActual
from tests.headend.actuals import actual, statement_key
from tests.headend.trading.test_posting import TRADE, WINDOW

(SOLD,) = own_sides([TRADE], "PaVVNL")
(BOUGHT,) = own_sides([TRADE], "TPDDL")


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return statement_key(tmp_path)


def said(signer: FileSigner, import_wh: int, export_wh: int | None) -> WindowActual:
    totals = Totals(import_wh=import_wh, export_wh=export_wh)
    return actual(signer, WINDOW, posted_as="S", totals=totals).statement


def compared(found: WindowActual | None, *, delivery: Delivery = SOLD.delivery, discom: str = "PaVVNL") -> Delivered:
    (line,) = delivered([TRADE], {} if found is None else {delivery: found}, discom)
    return line


@pytest.mark.parametrize(
    ("export_wh", "outcome", "left"),
    [
        (6000, Outcome.MATCH, 0),
        (9000, Outcome.MATCH, 3000),
        (5400, Outcome.MATCH, 0),
        (5399, Outcome.PARTIAL, 0),
        (1, Outcome.PARTIAL, 0),
        (0, Outcome.NONE, 0),
        (None, Outcome.UNKNOWN, None),
    ],
)
def test_a_seller_is_compared_by_what_it_gave(
    signer: FileSigner, export_wh: int | None, outcome: Outcome, left: int | None
) -> None:
    line = compared(said(signer, 50, export_wh))
    assert (line.side, line.traded_wh, line.measured_wh) == (Side.SELLER, 6000, export_wh)
    assert (line.outcome, line.to_retailer_wh) == (outcome, left)


def test_a_buyer_is_compared_by_what_it_drew(signer: FileSigner) -> None:
    line = compared(said(signer, 7000, 0), delivery=BOUGHT.delivery, discom="TPDDL")
    assert (line.side, line.measured_wh, line.outcome, line.to_retailer_wh) == (Side.BUYER, 7000, Outcome.MATCH, 1000)


@pytest.mark.parametrize("status", [Status.PENDING, Status.WITHDRAWN, Status.NOT_MEASURABLE])
def test_without_a_figure_nothing_is_known(signer: FileSigner, status: Status) -> None:
    found = replace(said(signer, 0, 6000), status=status, totals=None, reason="x")
    assert compared(found).outcome is Outcome.UNKNOWN
    assert compared(None).outcome is Outcome.UNKNOWN


def test_trades_that_share_a_window_are_compared_together(signer: FileSigner) -> None:
    second = replace(TRADE, record_id="t_j", order_item_id="j", quantity_wh=4000)
    (line,) = delivered([TRADE, second], {SOLD.delivery: said(signer, 0, 9000)}, "PaVVNL")
    assert (line.traded_wh, line.outcome) == (10_000, Outcome.MATCH)


def test_the_band_is_a_setting(signer: FileSigner) -> None:
    newest = {SOLD.delivery: said(signer, 0, 5999)}
    (strict,) = delivered([TRADE], newest, "PaVVNL", band_permille=0)
    (none,) = delivered([TRADE], newest, "PaVVNL", band_permille=1000)
    assert (strict.outcome, none.outcome) == (Outcome.PARTIAL, Outcome.MATCH)
