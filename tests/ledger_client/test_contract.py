"""A platform's statement: what its constructor refuses."""

from decimal import Decimal

import pytest

from ledger_client.ledger import LedgerProtocolError, Side
from tests.ledger_client.rehearsal import contract


def test_a_contract_names_the_platform_that_puts_it() -> None:
    assert contract(Side.SELLER, platform_id_buyer=None).platform_id_buyer is None
    with pytest.raises(LedgerProtocolError, match="SELLER"):
        contract(Side.SELLER, platform_id_seller=None)
    with pytest.raises(LedgerProtocolError, match="BUYER"):
        contract(Side.BUYER, platform_id_buyer=None)
    with pytest.raises(LedgerProtocolError, match="quantity_wh"):
        contract(quantity_wh=0)


@pytest.mark.parametrize("wh", [1, 2**53 - 1, None])
def test_a_quantity_within_the_bounds_or_unstated_is_kept(wh: int | None) -> None:
    assert contract(quantity_wh=wh).quantity_wh == wh
    with pytest.raises(LedgerProtocolError, match="quantity_wh"):
        contract(quantity_wh=2**53)


@pytest.mark.parametrize("price", ["0", "5.25", "0.000001", "1000000"])
def test_a_price_within_the_bounds_is_kept_exactly(price: str) -> None:
    assert str(contract(price_inr_per_kwh=Decimal(price)).price_inr_per_kwh) == price


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-0.01", "0.0000001", "1000001", "1E+999999", "1E-999999"])
def test_a_price_that_cannot_be_is_refused(price: str) -> None:
    with pytest.raises(LedgerProtocolError, match="price_inr_per_kwh"):
        contract(price_inr_per_kwh=Decimal(price))
