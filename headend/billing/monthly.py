"""A month of bills beside what the ledger says of its trades now, side by side. Pure.

The bill rests on the trades as they were last read, and a ledger is read back for some days only: what it changed later, or what it lists
for a meter that no connection point is posted as, shows here. Source: VEE §C 4; EXCHANGE §5 (billing).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headend.trading.trades import TradeSide, settled_wh
from signing.energy import kwh_text


@dataclass(frozen=True, slots=True, kw_only=True)
class SideLine:
    """One side of one trade."""

    record_id: str
    side: str
    posted_as: str
    billed_wh: int | None
    """Settled energy that the bill rests on; none while the trade is open, or when it is not billed."""
    ledger_wh: int | None
    """Settled energy by the ledger's row now; likewise."""
    difference: str
    """In words; empty when they agree."""


def compared(billed: Iterable[TradeSide], shown: Iterable[TradeSide]) -> tuple[SideLine, ...]:
    """Every side of a trade that bills rest on or that the ledger shows, by record and side."""
    ours = {_key(own): own for own in billed}
    theirs = {_key(own): own for own in shown}
    return tuple(_line(ours.get(key), theirs.get(key)) for key in sorted(ours.keys() | theirs.keys()))


def _line(ours: TradeSide | None, theirs: TradeSide | None) -> SideLine:
    own = ours or theirs
    assert own is not None
    billed_wh = None if ours is None else settled_wh(ours.trade)
    ledger_wh = None if theirs is None else settled_wh(theirs.trade)
    return SideLine(
        record_id=own.trade.record_id,
        side=own.side.value,
        posted_as=own.delivery.posted_as,
        billed_wh=billed_wh,
        ledger_wh=ledger_wh,
        difference=_difference(ours, theirs, billed_wh, ledger_wh),
    )


def _difference(ours: TradeSide | None, theirs: TradeSide | None, billed_wh: int | None, ledger_wh: int | None) -> str:
    if ours is None:
        return "the ledger shows it and no bill rests on it"
    if theirs is None:
        return "a bill rests on it and the ledger does not show it"
    if billed_wh != ledger_wh:
        return f"billed: {_said(billed_wh)}; the ledger shows: {_said(ledger_wh)}"
    if ours.trade.price_inr_per_kwh != theirs.trade.price_inr_per_kwh:
        return f"billed at {ours.trade.price_inr_per_kwh} INR/kWh, the ledger shows {theirs.trade.price_inr_per_kwh}"
    return ""


def _said(wh: int | None) -> str:
    return "open" if wh is None else f"{kwh_text(wh)} kWh"


def _key(own: TradeSide) -> tuple[str, str]:
    return own.trade.record_id, own.side.value
