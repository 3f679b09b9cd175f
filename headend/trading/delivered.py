"""Contract against delivery: whether what was delivered matches what was traded, and what is left to the retailer. Pure.

Trades of one meter and window share its energy in the order of nothing at all: each gets its part by proportion, so the comparison is of their
sum. Within the band a delivery matches; the band is a setting and changes no figure. Source: issue (±10 %); EXCHANGE §5.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from headend.trading.trades import Delivery, own_sides
from ledger_client.ledger import Side, Trade
from signing.statements.window_actual import WITH_TOTALS, WindowActual

DEFAULT_BAND_PERMILLE = 100
"""Ten per cent either way."""

_PERMILLE = 1000


class Outcome(Enum):
    """How a delivery compares with its contracts."""

    MATCH = "MATCH"
    """Within the band of what was traded, or above it: the excess is the retailer's."""
    PARTIAL = "PARTIAL"
    """Some, but less than the band allows."""
    NONE = "NONE"
    """Nothing."""
    UNKNOWN = "UNKNOWN"
    """There is no figure yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One side of the trades of one meter and window."""

    delivery: Delivery
    side: Side
    traded_wh: int
    measured_wh: int | None
    """Export of a seller, import of a buyer; none while there is no figure, or no such register."""
    outcome: Outcome
    to_retailer_wh: int | None
    """What is left of the meter's energy after the trades; none while there is no figure."""


def delivered(
    trades: Iterable[Trade],
    newest: Mapping[Delivery, WindowActual],
    discom: str,
    *,
    band_permille: int = DEFAULT_BAND_PERMILLE,
) -> tuple[Delivered, ...]:
    """Each side of our trades, by delivery. `newest` has the newest actual where one was said."""
    traded: defaultdict[tuple[Delivery, str], int] = defaultdict(int)
    for own in own_sides(trades, discom):
        traded[own.delivery, own.side.value] += own.trade.quantity_wh
    return tuple(
        _compared(delivery, Side(side), traded_wh, newest.get(delivery), band_permille)
        for (delivery, side), traded_wh in sorted(traded.items())
    )


def _compared(
    delivery: Delivery, side: Side, traded_wh: int, actual: WindowActual | None, band_permille: int
) -> Delivered:
    measured = _measured(actual, side)
    return Delivered(
        delivery=delivery,
        side=side,
        traded_wh=traded_wh,
        measured_wh=measured,
        outcome=_outcome(traded_wh, measured, band_permille),
        to_retailer_wh=None if measured is None else max(0, measured - traded_wh),
    )


def _measured(actual: WindowActual | None, side: Side) -> int | None:
    if actual is None or actual.status not in WITH_TOTALS or actual.totals is None:
        return None
    return actual.totals.export_wh if side is Side.SELLER else actual.totals.import_wh


def _outcome(traded_wh: int, measured_wh: int | None, band_permille: int) -> Outcome:
    if measured_wh is None:
        return Outcome.UNKNOWN
    if measured_wh == 0:
        return Outcome.NONE
    return Outcome.MATCH if measured_wh * _PERMILLE >= traded_wh * (_PERMILLE - band_permille) else Outcome.PARTIAL
