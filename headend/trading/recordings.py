"""The discom's own allocation of its trades, round by round, and what became of each word. Pure.

Seller, buyer, seller: round 1 says what the seller's meter can give (PENDING), round 2 what the buyer's takes of that, round 3 what the
seller's gives of that. Whoever's turn it is waits for the other side until that side's gate has passed, and then speaks for itself
alone. A word that changes later takes the next number of its side, since a reference is good for one figure.
Source: EXCHANGE §5 (three rounds, time gates); docs/adr/0015, 0016.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from headend.trading.allocation import PRO_RATA, Basis, Leg, Measured, capped
from headend.trading.gates import Gates
from headend.trading.posting import MAX_BACKOFF_S, OPEN, STUCK, Policy, PostingState, Trouble
from headend.trading.trades import Delivery, TradeSide
from ledger_client.ledger import Side, TradeStatus
from ledger_client.recording import RecordConfirmation, RecordPosting, record_reference
from signing.statements.window_actual import Totals

_FIRST = {Side.SELLER: 1, Side.BUYER: 2}
_LAST_WORD = {Side.SELLER: 3, Side.BUYER: 2}
_MOST = 9
_KEPT = frozenset({PostingState.POSTED, PostingState.CONFIRMED, PostingState.DIFFERS, PostingState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a discom has to say of its side of one trade now."""

    allocated_wh: int
    status: TradeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One word on one side of one trade, and how far it got."""

    record_id: str
    transaction_id: str
    order_item_id: str
    side: Side
    round: int
    """1, 3, 5… of a seller, 2, 4, 6… of a buyer."""
    delivery: Delivery
    actual: bytes
    """The evidence digest that the word rests on."""
    allocated_wh: int
    status: TradeStatus
    state: PostingState
    attempts: int
    next_try_utc: int
    note: str

    @property
    def word(self) -> Word:
        """What it says."""
        return Word(allocated_wh=self.allocated_wh, status=self.status)

    def request(self, discom: str) -> RecordPosting:
        """The write itself: the same bytes at every attempt."""
        return RecordPosting(
            side=self.side,
            transaction_id=self.transaction_id,
            order_item_id=self.order_item_id,
            discom_id=discom,
            allocated_wh=self.allocated_wh,
            client_reference=record_reference(self.actual, self.round),
            record_id=self.record_id,
            status=self.status,
        )


def shares(sides: Iterable[TradeSide], totals: Totals, basis: Basis) -> Mapping[TradeSide, int]:
    """What each of a delivery's trade sides gets of what its one meter measured, Wh, pro rata, before the other discom spoke.

    A side of which the meter measures nothing has none: where it has no export register, a seller's on the basis GROSS.
    """
    legs = {
        own: Leg(trade=own.trade.record_id, side=own.side, quantity_wh=own.trade.quantity_wh)
        for own in sides
        if own.side is Side.BUYER or basis is Basis.NET or totals.export_wh is not None
    }
    measured = Measured(imported_wh=totals.import_wh, exported_wh=totals.export_wh or 0)
    found = PRO_RATA.shares(tuple(legs.values()), measured, basis)
    return {own: found[leg] for own, leg in legs.items()}


def word(
    own: TradeSide, share_wh: int, final: TradeStatus | None, gates: Gates, now_utc: int, *, has_spoken: bool
) -> Word | None:
    """What is to be said of one side now, or none while it is the other side's turn.

    `final` is the status of a last word; none while the figure itself is not final. The gates MUST have three rounds.
    """
    first_utc, second_utc, _ = gates.rounds_utc(own.trade.window)
    if own.side is Side.BUYER:
        others_wh = own.trade.pushed_wh
        if others_wh is None and now_utc < first_utc:
            return None
        return Word(allocated_wh=capped(share_wh, others_wh), status=final or TradeStatus.PENDING)
    others_wh = own.trade.pulled_wh
    if now_utc < second_utc and (others_wh is None or not has_spoken):
        return Word(allocated_wh=share_wh, status=TradeStatus.PENDING)
    return Word(allocated_wh=capped(share_wh, others_wh), status=final or TradeStatus.PENDING)


def next_round(side: Side, status: TradeStatus, used: Iterable[int]) -> int | None:
    """The round of a side's next word over one actual; none when its references are used up."""
    is_last = status is not TradeStatus.PENDING
    least = _LAST_WORD[side] if is_last else _FIRST[side]
    number = max([least, *(one + 2 for one in used)])
    return number if number <= _MOST else None


def said(own: TradeSide, actual: bytes, what: Word, number: int, now_utc: int) -> Recording:
    """The recording of a word, to be written now."""
    return Recording(
        record_id=own.trade.record_id,
        transaction_id=own.trade.transaction_id,
        order_item_id=own.trade.order_item_id,
        side=own.side,
        round=number,
        delivery=own.delivery,
        actual=actual,
        allocated_wh=what.allocated_wh,
        status=what.status,
        state=PostingState.DUE,
        attempts=0,
        next_try_utc=now_utc,
        note="",
    )


def is_said(before: Iterable[Recording], what: Word) -> bool:
    """Whether the newest word that still holds is this one, written or on its way."""
    holding = [one for one in before if one.state is not PostingState.SUPERSEDED]
    return bool(holding) and holding[-1].word == what and holding[-1].state in _KEPT | OPEN | {PostingState.HELD}


def is_stuck(before: Iterable[Recording], actual: bytes) -> bool:
    """Whether the newest word that still holds stands still, and nothing was said over `actual` yet."""
    rows = tuple(before)
    holding = [one for one in rows if one.state is not PostingState.SUPERSEDED]
    return bool(holding) and holding[-1].state in STUCK and all(one.actual != actual for one in rows)


def superseded(one: Recording) -> Recording:
    """`one` after another word was said instead."""
    return replace(one, state=PostingState.SUPERSEDED, note="another word is said instead")


def contradicted(one: Recording, shown: str) -> Recording:
    """`one`, that was read back, after the ledger's row came to show something else."""
    return replace(one, state=PostingState.DIFFERS, note=f"recorded and read back, the ledger shows {shown} now"[:500])


def held(one: Recording, note: str) -> Recording:
    """`one`, that was still to be written, while an operator holds it back."""
    return replace(one, state=PostingState.HELD, note=note[:500])


def released(one: Recording, now_utc: int) -> Recording:
    """`one` after its hold ended."""
    return replace(one, state=PostingState.DUE, next_try_utc=now_utc, note="its hold ended")


def stuck(words: Iterable[Recording]) -> tuple[Recording, ...]:
    """Those of `words`, in the order said, that stand still while nothing later that holds was said of their side of their trade."""
    newest = {(one.record_id, one.side): one for one in words if one.state is not PostingState.SUPERSEDED}
    return tuple(one for one in newest.values() if one.state in STUCK)


def retried(one: Recording, now_utc: int, by: str) -> Recording:
    """`one`, that stood still, once an operator says that the reason is gone: the same word goes again, under the same reference."""
    return replace(one, state=PostingState.DUE, next_try_utc=now_utc, note=f"tried again by {by}")


def written(one: Recording, now_utc: int) -> Recording:
    """`one` after the ledger's receipt: still to be read back."""
    return replace(one, state=PostingState.POSTED, attempts=one.attempts + 1, next_try_utc=now_utc, note="written")


def read_back(one: Recording, confirmation: RecordConfirmation) -> Recording:
    """`one` after its row was read back."""
    if confirmation.agrees:
        return replace(one, state=PostingState.CONFIRMED, note="read back")
    return replace(one, state=PostingState.DIFFERS, note="; ".join(confirmation.differences)[:500])


def troubled(one: Recording, trouble: Trouble, note: str, policy: Policy, now_utc: int) -> Recording:
    """`one` after an attempt without a receipt; as `posting.troubled`."""
    attempts = one.attempts + 1
    if trouble is Trouble.REFUSED:
        return replace(one, state=PostingState.REFUSED, attempts=attempts, note=note[:500])
    if trouble is Trouble.TRADE_UNKNOWN and now_utc >= one.delivery.window.end_utc + policy.give_up_s:
        return replace(one, state=PostingState.EXPIRED, attempts=attempts, note=note[:500])
    state: PostingState = one.state if one.state is PostingState.POSTED else PostingState.DUE
    if trouble is Trouble.TRADE_UNKNOWN:
        state = PostingState.WAITING
    wait_s = min(policy.retry_s * 2 ** min(attempts - 1, 12), MAX_BACKOFF_S)
    return replace(one, state=state, attempts=attempts, next_try_utc=now_utc + wait_s, note=note[:500])
