"""What a ledger says beside what was posted to it, delivery by delivery. Pure.

An allocation may be less than the figure that was posted: the contract or the other side bounds it. What must agree is what the ledger
confirmed and what its rows show now, and every trade must have been answered.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from headend.trading.posting import PostingRecord, PostingState
from headend.trading.recordings import Recording
from headend.trading.trades import Delivery, TradeSide, own_sides
from ledger_client.ledger import Side, Trade
from signing.energy import kwh_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One delivery."""

    delivery: Delivery
    posted_wh: int | None
    """Net energy of the newest figure that was not superseded; none when there is none."""
    allocated_wh: int | None
    """What the ledger's receipt allocated to our side, or this discom did in its own words."""
    ledger_wh: int | None
    """What the ledger's rows allocate to our side now; none while one of them says nothing."""
    actual: bytes | None
    """The evidence digest of that figure."""
    differences: tuple[str, ...]
    """Each in words; empty when they agree."""


def reconciled(trades: Iterable[Trade], postings: Iterable[PostingRecord], discom: str) -> tuple[Line, ...]:
    """Every delivery of `discom` that a ledger has a trade of, or that something was posted for, ascending."""
    sides: defaultdict[Delivery, list[TradeSide]] = defaultdict(list)
    for own in own_sides(trades, discom):
        sides[own.delivery].append(own)
    newest: dict[Delivery, PostingRecord] = {}
    for record in sorted(postings, key=lambda record: record.revision):
        if record.state is not PostingState.SUPERSEDED:
            newest[record.delivery] = record
    return tuple(
        _line(delivery, sides.get(delivery, []), newest.get(delivery))
        for delivery in sorted(sides.keys() | newest.keys())
    )


def reconciled_words(
    trades: Iterable[Trade], words: Callable[[str, Side], Sequence[Recording]], discom: str
) -> tuple[Line, ...]:
    """The same for a discom that allocates by itself: `words` are all that it said on one side of one trade, in that order."""
    sides: defaultdict[Delivery, list[TradeSide]] = defaultdict(list)
    for own in own_sides(trades, discom):
        sides[own.delivery].append(own)
    return tuple(_worded(delivery, sides[delivery], words) for delivery in sorted(sides))


def _worded(delivery: Delivery, sides: list[TradeSide], words: Callable[[str, Side], Sequence[Recording]]) -> Line:
    said: list[Recording] = []
    differences: list[str] = []
    for own in sides:
        standing = [one for one in words(own.trade.record_id, own.side) if one.state is not PostingState.SUPERSEDED]
        if not standing:
            differences.append(f"trade {own.trade.record_id} awaits this discom's word and none was said")
            continue
        word = standing[-1]
        said.append(word)
        differences.extend(_word_differences(word, own.trade.allocated_wh(own.side)))
    shown = [wh for own in sides if (wh := own.trade.allocated_wh(own.side)) is not None]
    return Line(
        delivery=delivery,
        posted_wh=None,
        allocated_wh=sum(word.allocated_wh for word in said) if len(said) == len(sides) else None,
        ledger_wh=sum(shown) if len(shown) == len(sides) else None,
        actual=said[-1].actual if said else None,
        differences=tuple(differences),
    )


def _word_differences(word: Recording, ledger_wh: int | None) -> Iterable[str]:
    about = f"trade {word.record_id}, round {word.round}"
    if word.state is not PostingState.CONFIRMED:
        yield f"{about} is {word.state.value}: {word.note or 'not tried yet'}"
    elif ledger_wh is None:
        yield f"{about} was confirmed and the ledger shows no allocation"
    elif ledger_wh != word.allocated_wh:
        yield f"{about} said {kwh_text(word.allocated_wh)} kWh, the ledger shows {kwh_text(ledger_wh)} kWh"


def _line(delivery: Delivery, sides: list[TradeSide], record: PostingRecord | None) -> Line:
    said = [own.trade.allocated_wh(own.side) for own in sides]
    present = [wh for wh in said if wh is not None]
    ledger_wh = sum(present) if said and len(present) == len(said) else None
    return Line(
        delivery=delivery,
        posted_wh=None if record is None else record.net_wh,
        allocated_wh=None if record is None else record.allocated_wh,
        ledger_wh=ledger_wh,
        actual=None if record is None else record.actual,
        differences=tuple(_differences(sides, record, ledger_wh, len(said) - len(present))),
    )


def _differences(
    sides: list[TradeSide], record: PostingRecord | None, ledger_wh: int | None, silent: int
) -> Iterable[str]:
    if record is None:
        yield f"{len(sides)} trade(s) of the ledger await a figure and none was posted"
        return
    if not sides:
        yield f"revision {record.revision} was posted and the ledger shows no trade"
        return
    if record.state is not PostingState.CONFIRMED:
        yield f"revision {record.revision} is {record.state.value}: {record.note or 'not tried yet'}"
    if silent:
        yield f"{silent} of {len(sides)} trade(s) have no allocation"
    elif record.allocated_wh is not None and ledger_wh is not None and ledger_wh != record.allocated_wh:
        yield f"the receipt allocated {kwh_text(record.allocated_wh)} kWh, the ledger shows {kwh_text(ledger_wh)} kWh"
