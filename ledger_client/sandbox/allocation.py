"""The exchange's arithmetic: who gets how much of a meter's actual, and what a trade settles at. Pure, whole Wh."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledger_client.ledger import Side
from signing.energy import kwh_decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One meter's side of one trade."""

    side: Side
    quantity_wh: int


def allocated(legs: Sequence[Leg], actual_imported_wh: int) -> tuple[int, ...]:
    """What each leg gets, Wh, in the order given.

    ``net = sum(buys) - sum(sells)``; ``ratio = clamp(actual / net, 0, 1)``, and 1 where net is 0; each leg gets its
    quantity times the ratio. Where that is no whole Wh, the shares of each side are cut down and the whole Wh that this
    loses go to the largest remainders, earlier legs first: the sum of a side never exceeds its exact sum.

    Source: DEG Ledger API 0.4.0, allocate. The rounding is this exchange's: the API states none.
    """
    net = sum(leg.quantity_wh if leg.side is Side.BUYER else -leg.quantity_wh for leg in legs)
    above, below = _ratio(actual_imported_wh, net)
    shares = [0] * len(legs)
    for side in Side:
        here = [index for index, leg in enumerate(legs) if leg.side is side]
        exact = [legs[index].quantity_wh * above for index in here]
        spare = sum(exact) // below - sum(share // below for share in exact)
        largest = sorted(range(len(here)), key=lambda place: -(exact[place] % below))[:spare]
        for place, index in enumerate(here):
            shares[index] = exact[place] // below + (place in largest)
    return tuple(shares)


def pro_rata(quantities_wh: Sequence[int], available_wh: int) -> tuple[int, ...]:
    """What each quantity gets of what was measured in its direction, Wh, each at most itself; the rest by largest remainder.

    Source: settlement note, as ledger providers allocate in wave 2: production over sales, consumption over purchases.
    """
    total = sum(quantities_wh)
    if total == 0:
        return (0,) * len(quantities_wh)
    spread = min(available_wh, total)
    exact = [quantity * spread for quantity in quantities_wh]
    shares = [share // total for share in exact]
    for place in sorted(range(len(exact)), key=lambda place: -(exact[place] % total))[: spread - sum(shares)]:
        shares[place] += 1
    return tuple(shares)


def _ratio(actual: int, net: int) -> tuple[int, int]:
    """``clamp(actual / net, 0, 1)`` as numerator and positive denominator."""
    if net == 0:
        return 1, 1
    above, below = (actual, net) if net > 0 else (-actual, -net)
    return min(max(above, 0), below), below


def settled_wh(contracted_wh: int, pushed_wh: int | None, pulled_wh: int | None) -> int | None:
    """What a trade settles at: the least of contract, pushed and pulled; None until both sides have reported."""
    if pushed_wh is None or pulled_wh is None:
        return None
    return min(contracted_wh, pushed_wh, pulled_wh)


def amount_inr(wh: int, price_inr_per_kwh: Decimal) -> Decimal:
    """`wh` at `price_inr_per_kwh`, exact."""
    return kwh_decimal(wh) * price_inr_per_kwh
