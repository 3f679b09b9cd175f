"""What a contract comes to in rupees: who pays and who gets, over all its settled intervals. Pure.

Source: the network's contract policy: ``round2`` on totals only, default rates (wheeling and penalty 0).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ledger_client.sandbox.allocation import amount_inr
from signing.energy import kwh_text

PARTIES = ("buyerPlatform", "sellerPlatform", "buyerDiscom", "sellerDiscom")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One settled interval of a contract."""

    requested_wh: int
    final_wh: int
    price_inr_per_kwh: Decimal


def round2(value: Decimal) -> Decimal:
    """Rupees to paise, half away from zero."""
    return value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def contract(lines: Iterable[Line]) -> dict[str, object]:
    """The totals of one contract and its flows; decimals are texts, what is paid is negative."""
    listed = list(lines)
    value = round2(sum((amount_inr(line.final_wh, line.price_inr_per_kwh) for line in listed), Decimal(0)))
    none = Decimal("0.00")
    flows = dict(zip(PARTIES, (-value, value, none, none), strict=True))
    return {
        "tradeValueInr": format(value, "f"),
        "finalKwh": kwh_text(sum(line.final_wh for line in listed)),
        "shortfallKwh": kwh_text(sum(max(0, line.requested_wh - line.final_wh) for line in listed)),
        "revenueFlows": {party: format(flow, "f") for party, flow in flows.items()},
    }
