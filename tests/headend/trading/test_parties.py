"""Who is a party to a trade, and on which sides a meter of ours stands in it."""

from dataclasses import replace

import pytest

from headend.trading.parties import Party, Sees, sides_of
from ledger_client.ledger import Side
from tests.headend.trading.test_posting import TRADE

OURS = TRADE.discom_id_seller


def test_a_ledger_a_platform_and_a_discom_are_parties_to_different_trades() -> None:
    assert Party(subscriber="l", sees=Sees.LEDGER).is_in(TRADE)
    for platform in (TRADE.platform_id_buyer, TRADE.platform_id_seller):
        assert Party(subscriber=platform, sees=Sees.PLATFORM).is_in(TRADE)
    assert not Party(subscriber="another", sees=Sees.PLATFORM).is_in(TRADE)
    for discom in (TRADE.discom_id_buyer, TRADE.discom_id_seller):
        assert Party(subscriber="d", sees=Sees.DISCOM, discom=discom).is_in(TRADE)
    assert not Party(subscriber=TRADE.discom_id_buyer, sees=Sees.DISCOM, discom="X").is_in(TRADE)


def test_a_short_code_goes_with_a_discom_only() -> None:
    with pytest.raises(ValueError, match="exactly for one that sees as a discom"):
        Party(subscriber="d", sees=Sees.DISCOM)
    with pytest.raises(ValueError, match="exactly for one that sees as a discom"):
        Party(subscriber="l", sees=Sees.LEDGER, discom="X")


def test_a_meter_stands_on_the_side_where_its_own_discom_supplies_it() -> None:
    assert sides_of(TRADE.seller_id, [TRADE], OURS) == {Side.SELLER}
    assert sides_of(TRADE.buyer_id, [TRADE], OURS) == frozenset()
    within = replace(TRADE, discom_id_buyer=OURS)
    assert sides_of(TRADE.buyer_id, [within], OURS) == {Side.BUYER}
    both = replace(within, buyer_id=TRADE.seller_id)
    assert sides_of(TRADE.seller_id, [both], OURS) == {Side.SELLER, Side.BUYER}
