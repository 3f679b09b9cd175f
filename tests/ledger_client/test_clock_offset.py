"""How far a clock is from a peer's, and that nothing is signed by one that is wrong."""

from email.utils import formatdate

import pytest

from ledger_client.beckn_http import BecknPusher
from ledger_client.clock_offset import Offset, offset
from ledger_client.http import open_ledger
from ledger_client.ledger import LedgerError, LedgerUnavailableError, TradeQuery
from tests.ledger_client.rehearsal import NOW, Rehearsal, signer


def date(at: int) -> str:
    return formatdate(at, usegmt=True)


@pytest.mark.parametrize(
    ("sent", "received", "stated", "apart"),
    [
        (NOW, NOW, NOW, "near"),
        # The date lacks its fraction: a second more is no second more.
        (NOW + 3, NOW + 3, NOW, "near"),
        (NOW + 4, NOW + 4, NOW, "apart"),
        (NOW - 2, NOW - 2, NOW, "near"),
        (NOW - 3, NOW - 3, NOW, "apart"),
        # A slow answer says less, and accuses nobody.
        (NOW, NOW + 30, NOW + 30, "near"),
        (NOW, NOW + 30, NOW, "near"),
        (NOW - 33, NOW - 3, NOW, "apart"),
        (NOW + 4, NOW + 34, NOW, "apart"),
    ],
)
def test_a_clock_is_apart_where_no_truth_in_the_range_is_near(
    sent: int, received: int, stated: int, apart: str
) -> None:
    found = offset(sent, received, date(stated))
    assert found is not None
    assert ("apart" if found.is_apart else "near") == apart


@pytest.mark.parametrize("stated", [None, "", "yesterday", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_an_answer_without_a_time_says_nothing(stated: str | None) -> None:
    assert offset(NOW, NOW, stated) is None


def test_the_offset_is_told_for_people() -> None:
    assert Offset(least_s=7, most_s=9).words == "this computer's clock is at least 7 s ahead of the peer's"
    assert Offset(least_s=-9, most_s=-7).words == "this computer's clock is at least 7 s behind the peer's"
    assert Offset(least_s=-1, most_s=1).words == "the clocks agree"


@pytest.mark.parametrize("off", [-4, 10])
def test_nothing_is_signed_by_a_clock_that_is_wrong_until_it_is_right(exchange: Rehearsal, off: int) -> None:
    mine = [NOW]
    with open_ledger(
        f"deg+http://{exchange.address}", signer=signer("discom-s.example.org"), now=lambda: mine[0]
    ) as ledger:
        ledger.listing(TradeQuery())
        mine[0] = NOW + off
        found = ledger.clock_offset()
        assert found is not None
        assert found.is_apart
        with pytest.raises(LedgerUnavailableError, match="nothing is signed by it"):
            ledger.listing(TradeQuery())
        mine[0] = NOW
        ledger.listing(TradeQuery())


def test_an_answer_that_shows_the_clock_to_be_wrong_stops_the_next_signature(exchange: Rehearsal) -> None:
    mine = [NOW - 20]
    with open_ledger(
        f"deg+http://{exchange.address}", signer=signer("discom-s.example.org"), now=lambda: mine[0]
    ) as ledger:
        ledger.listing(TradeQuery())
        with pytest.raises(LedgerUnavailableError, match="at least 20 s behind"):
            ledger.listing(TradeQuery())


def test_nothing_is_pushed_by_a_clock_that_is_wrong(exchange: Rehearsal) -> None:
    mine = [NOW - 20]
    url = f"http://{exchange.address}/bap/receiver/on_status"
    with BecknPusher(signer=signer("discom-s.example.org"), now=lambda: mine[0]) as pusher:
        with pytest.raises(LedgerError):
            pusher.push(url, b"{}")
        with pytest.raises(LedgerUnavailableError, match="at least 20 s behind"):
            pusher.push(url, b"{}")
