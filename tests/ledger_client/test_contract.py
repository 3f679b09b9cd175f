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
    for price in ("NaN", "Infinity", "-0.01"):
        with pytest.raises(LedgerProtocolError, match="price_inr_per_kwh"):
            contract(price_inr_per_kwh=Decimal(price))
