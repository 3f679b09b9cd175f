"""The words of three rounds: whose turn it is, what is said, and under which number."""

from dataclasses import replace

import pytest

from headend.trading import recordings
from headend.trading.allocation import Basis
from headend.trading.gates import DEFAULT_GATES
from headend.trading.posting import PostingState, Trouble
from headend.trading.recordings import Word
from headend.trading.trades import TradeSide, own_sides
from ledger_client.ledger import Side, Trade, TradeStatus
from ledger_client.recording import RecordConfirmation
from signing.interval import DAY_S
from signing.statements.window_actual import Totals
from tests.headend.trading.test_posting import POLICY, TRADE

FIRST, SECOND, THIRD = DEFAULT_GATES.rounds_utc(TRADE.window)
DONE, PENDING = TradeStatus.COMPLETED, TradeStatus.PENDING


def own(trade: Trade = TRADE, side: Side = Side.SELLER) -> TradeSide:
    discom = trade.discom_id_seller if side is Side.SELLER else trade.discom_id_buyer
    return next(one for one in own_sides([trade], discom) if one.side is side)


def seller(
    now: int, *, pulled: int | None = None, has_spoken: bool = True, final: TradeStatus | None = DONE
) -> Word | None:
    one = own(replace(TRADE, pulled_wh=pulled))
    return recordings.word(one, 5000, final, DEFAULT_GATES, now, has_spoken=has_spoken)


def buyer(now: int, *, pushed: int | None = None) -> Word | None:
    one = own(replace(TRADE, pushed_wh=pushed), Side.BUYER)
    return recordings.word(one, 5000, DONE, DEFAULT_GATES, now, has_spoken=False)


def test_the_seller_speaks_first_and_pending_whatever_the_buyer_said_before() -> None:
    assert seller(FIRST - 1, has_spoken=False) == Word(allocated_wh=5000, status=PENDING)
    assert seller(FIRST - 1, pulled=3000, has_spoken=False) == Word(allocated_wh=5000, status=PENDING)


def test_the_seller_speaks_last_once_the_buyer_has_spoken_or_its_gate_has_passed() -> None:
    assert seller(SECOND - 1) == Word(allocated_wh=5000, status=PENDING)
    assert seller(SECOND - 1, pulled=3000) == Word(allocated_wh=3000, status=DONE)
    assert seller(SECOND) == Word(allocated_wh=5000, status=DONE)
    assert seller(SECOND, has_spoken=False) == Word(allocated_wh=5000, status=DONE)


def test_the_buyer_waits_for_the_seller_until_its_gate() -> None:
    assert buyer(FIRST - 1) is None
    assert buyer(FIRST - 1, pushed=4000) == Word(allocated_wh=4000, status=DONE)
    assert buyer(FIRST) == Word(allocated_wh=5000, status=DONE)
    assert buyer(FIRST, pushed=9000) == Word(allocated_wh=5000, status=DONE)


def test_a_figure_that_is_not_final_is_never_a_last_word() -> None:
    assert seller(SECOND, pulled=3000, final=None) == Word(allocated_wh=3000, status=PENDING)


def test_an_outage_goes_with_its_metric() -> None:
    said = seller(SECOND, pulled=0, final=TradeStatus.CURTAILED_OUTAGE)
    assert said == Word(allocated_wh=0, status=TradeStatus.CURTAILED_OUTAGE)
    one = recordings.said(own(), bytes(32), said, 3, SECOND).request("D")
    assert (one.allocated_wh, one.status) == (0, TradeStatus.CURTAILED_OUTAGE)


@pytest.mark.parametrize(
    ("side", "status", "used", "expected"),
    [
        (Side.SELLER, PENDING, [], 1),
        (Side.SELLER, DONE, [1], 3),
        (Side.SELLER, DONE, [], 3),
        (Side.SELLER, DONE, [1, 3], 5),
        (Side.SELLER, PENDING, [1], 3),
        (Side.SELLER, DONE, [7], 9),
        (Side.SELLER, DONE, [9], None),
        (Side.BUYER, DONE, [], 2),
        (Side.BUYER, PENDING, [], 2),
        (Side.BUYER, DONE, [2, 4], 6),
        (Side.BUYER, DONE, [8], None),
    ],
)
def test_every_word_has_a_number_of_its_own(
    side: Side, status: TradeStatus, used: list[int], expected: int | None
) -> None:
    assert recordings.next_round(side, status, used) == expected


def test_shares_of_one_meter_never_add_up_to_more_than_it_measured() -> None:
    sides = [own(replace(TRADE, record_id=name, quantity_wh=10_000)) for name in "abc"]
    found = recordings.shares(sides, Totals(import_wh=0, export_wh=20_000), Basis.NET)
    assert [found[one] for one in sides] == [6667, 6667, 6666]


@pytest.mark.parametrize(
    ("basis", "export_wh", "seller_wh"),
    [(Basis.NET, 0, 0), (Basis.NET, None, 0), (Basis.GROSS, 0, 0), (Basis.GROSS, None, None)],
)
def test_what_no_register_measures_is_absent_and_never_zero(
    basis: Basis, export_wh: int | None, seller_wh: int | None
) -> None:
    seller, buyer = own(), own(replace(TRADE, record_id="b"), Side.BUYER)
    found = recordings.shares([seller, buyer], Totals(import_wh=900, export_wh=export_wh), basis)
    assert (found.get(seller), found[buyer]) == (seller_wh, 900)


def test_a_reference_is_of_its_round_and_a_retry_is_the_same_write() -> None:
    one = recordings.said(own(), bytes(32), Word(allocated_wh=5, status=PENDING), 1, FIRST)
    request = one.request("D")
    assert request.client_reference == f"sk1:{'00' * 32}:r1"
    again = recordings.troubled(one, Trouble.NO_ANSWER, "nobody", POLICY, FIRST)
    assert (again.state, again.next_try_utc, again.request("D")) == (PostingState.DUE, FIRST + 30, request)


def test_what_every_answer_does() -> None:
    one = recordings.said(own(), bytes(32), Word(allocated_wh=5, status=PENDING), 1, FIRST)
    assert recordings.troubled(one, Trouble.REFUSED, "no", POLICY, FIRST).state is PostingState.REFUSED
    waiting = recordings.troubled(one, Trouble.TRADE_UNKNOWN, "which", POLICY, TRADE.window.end_utc)
    assert waiting.state is PostingState.WAITING
    late = recordings.troubled(one, Trouble.TRADE_UNKNOWN, "which", POLICY, TRADE.window.end_utc + POLICY.give_up_s)
    assert late.state is PostingState.EXPIRED
    done = recordings.written(one, FIRST)
    assert recordings.troubled(done, Trouble.NO_ANSWER, "nobody", POLICY, FIRST).state is PostingState.POSTED
    assert recordings.read_back(done, RecordConfirmation(trade=None, differences=())).state is PostingState.CONFIRMED
    differs = recordings.read_back(done, RecordConfirmation(trade=None, differences=("a", "b")))
    assert (differs.state, differs.note) == (PostingState.DIFFERS, "a; b")


def test_a_word_is_said_while_it_holds() -> None:
    what = Word(allocated_wh=5, status=PENDING)
    one = recordings.said(own(), bytes(32), what, 1, FIRST)
    assert recordings.is_said([one], what)
    assert not recordings.is_said([one], replace(what, status=DONE))
    assert not recordings.is_said([one], replace(what, allocated_wh=6))
    assert not recordings.is_said([recordings.superseded(one)], what)
    assert not recordings.is_said([replace(one, state=PostingState.EXPIRED)], what)
    assert not recordings.is_said([one, replace(one, round=3, status=DONE)], what)
    assert not recordings.is_said([], what)


def test_the_third_round_needs_no_gate_of_its_own() -> None:
    assert THIRD - SECOND == 3600
    assert seller(THIRD + DAY_S, pulled=1) == Word(allocated_wh=1, status=DONE)


def test_only_the_newest_word_that_holds_is_stuck() -> None:
    one = recordings.said(own(), b"a" * 32, Word(allocated_wh=1, status=PENDING), 1, 0)
    refused = replace(one, state=PostingState.REFUSED)
    later = replace(one, round=3, state=PostingState.CONFIRMED)
    buyers = replace(refused, side=Side.BUYER, round=2)
    assert recordings.stuck([refused]) == (refused,)
    assert recordings.stuck([refused, later]) == ()
    assert recordings.stuck([refused, replace(later, state=PostingState.SUPERSEDED)]) == (refused,)
    assert recordings.stuck([refused, buyers, later]) == (buyers,)
    assert recordings.stuck([replace(refused, state=PostingState.DUE)]) == ()


def test_a_word_that_is_tried_again_is_the_same_word() -> None:
    one = replace(
        recordings.said(own(), b"a" * 32, Word(allocated_wh=1, status=PENDING), 1, 0), state=PostingState.REFUSED
    )
    again = recordings.retried(one, 7, "asha")
    assert again == replace(one, state=PostingState.DUE, next_try_utc=7, note="tried again by asha")
    assert again.request("X") == one.request("X")
