"""Which attested actual goes to which meter and window of a ledger, when, and what became of it.

Pure: a posting is a value, an answer moves it, and the moves are one function. The reference is derived from the evidence
digest, so a retry is the same post; whatever is repeated after a crash has no second effect.

::

    DUE ──post──▶ POSTED ──read back──▶ CONFIRMED
     ▲ │                     └────────▶ DIFFERS   (the ledger's rows say something else, then or later: an operator looks)
     │ ├─ no answer: DUE again, later; so is what was CONFIRMED before another trade was put
     │ ├─ 404: WAITING until the deadline, then EXPIRED
     ├─┘─ other 4xx: REFUSED, never retried (an operator looks)
     └─ whatever is still to be done is HELD while an operator holds it
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from headend.trading.gates import DEFAULT_GATES, Gates
from headend.trading.trades import Delivery
from ledger_client.ledger import Confirmation, Posting, Receipt, Side, TradeStatus, client_reference
from signing.energy import kwh_text
from signing.envelope import Signed
from signing.statements.reading_batch import Origin
from signing.statements.window_actual import Basis, Status, WindowActual

MAX_BACKOFF_S = 3600


class PostingState(Enum):
    """Where one posting stands."""

    DUE = "DUE"
    WAITING = "WAITING"
    """The ledger has no such trade yet."""
    POSTED = "POSTED"
    """The ledger answered with a receipt; not read back yet."""
    CONFIRMED = "CONFIRMED"
    DIFFERS = "DIFFERS"
    """Read back, and the ledger's rows contradict its receipt."""
    REFUSED = "REFUSED"
    EXPIRED = "EXPIRED"
    """The deadline passed while the trade stayed unknown."""
    SUPERSEDED = "SUPERSEDED"
    """A later revision is posted instead."""
    HELD = "HELD"
    """An operator holds it back; it is DUE again when the hold ends."""


OPEN = frozenset({PostingState.DUE, PostingState.WAITING, PostingState.POSTED})
"""States that something is still to be done for."""

STUCK = frozenset({PostingState.REFUSED, PostingState.DIFFERS, PostingState.EXPIRED})
"""States that nothing but an operator moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingRecord:
    """One actual addressed to one delivery, and how far it got."""

    delivery: Delivery
    actual: bytes
    """The evidence digest: digest of the WindowActual that is posted."""
    revision: int
    net_wh: int
    """The signed energy in Wh that is posted; see `figure_wh`."""
    state: PostingState
    attempts: int
    next_try_utc: int
    note: str
    """What the ledger, or the way there, said last; empty at first."""
    allocated_wh: int | None
    """What the ledger allocated in total, from its receipt."""
    status: TradeStatus | None = None
    """What is said of the delivery with it; none: nothing."""

    def request(self, discom: str) -> Posting:
        """The post itself: the same bytes at every attempt."""
        return Posting(
            meter_id=self.delivery.posted_as,
            discom_id=discom,
            delivery_start=self.delivery.delivery_start,
            delivery_end=self.delivery.delivery_end,
            actual_imported_wh=self.net_wh,
            client_reference=client_reference(self.actual),
            status=self.status,
        )


class Trouble(Enum):
    """Why a post got no receipt, by what is done next."""

    NO_ANSWER = "NO_ANSWER"
    TRADE_UNKNOWN = "TRADE_UNKNOWN"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When to post and how long to try."""

    statuses: frozenset[Status]
    """Statuses that are posted at any time."""
    retry_s: int
    give_up_s: int
    """Seconds after the end of the window when an unknown trade stops being waited for."""
    gates: Gates = DEFAULT_GATES
    least_origin: Origin = Origin.MODBUS
    """The weakest origin of a figure that is posted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is said with a figure."""

    sides: frozenset[Side]
    """On which sides of the delivery's trades the meter stands."""
    status: TradeStatus | None


NO_TERMS = Terms(sides=frozenset(), status=None)
"""A figure alone."""


def figure_wh(actual: WindowActual, sides: frozenset[Side]) -> int | None:
    """The signed energy that is posted: + drawn from the grid, - given to it; none without totals.

    On the basis NET it is import minus export. On GROSS a seller's is its export and a buyer's its import, whatever else the meter counted; a
    meter that does both in one window has one figure, and that is net.
    """
    totals = actual.totals
    if totals is None:
        return None
    if actual.basis is Basis.GROSS and sides == {Side.SELLER}:
        return None if totals.export_wh is None else -totals.export_wh
    if actual.basis is Basis.GROSS and sides == {Side.BUYER}:
        return totals.import_wh
    return totals.net_wh


def first(
    delivery: Delivery, actual: Signed[WindowActual], policy: Policy, now_utc: int, terms: Terms = NO_TERMS
) -> PostingRecord | None:
    """The posting of `actual`, or none when the policy does not post its status, or the true-up of its window is over.

    Its inclusion proof MUST exist already.
    """
    statement = actual.statement
    figure = figure_wh(statement, terms.sides)
    is_over = now_utc >= policy.gates.true_up_ends_utc(delivery.window)
    if figure is None or is_over or not may_go(statement, policy, now_utc):
        return None
    return PostingRecord(
        delivery=delivery,
        actual=actual.digest,
        revision=statement.revision,
        net_wh=figure,
        state=PostingState.DUE,
        attempts=0,
        next_try_utc=now_utc,
        note="",
        allocated_wh=None,
        status=terms.status,
    )


def may_go(actual: WindowActual, policy: Policy, now_utc: int) -> bool:
    """Whether an actual may be told to the exchange now, by its status, its gates and how its meter authenticated."""
    is_time = policy.gates.posts(actual.status, actual.window, now_utc, policy.statuses)
    return actual.totals is not None and is_time and withheld(actual, policy) is None


def withheld(actual: WindowActual, policy: Policy) -> str | None:
    """Why a figure is not posted although its status would be: how its meter authenticated is less than the discom asks for."""
    weakest = min((part.origin for part in actual.parts if part.origin is not None), default=None)
    if actual.totals is None or weakest is None or weakest >= policy.least_origin:
        return None
    return f"its weakest origin is {weakest.name}, below posting.least_origin = {policy.least_origin.name}"


def due(records: Iterable[PostingRecord], now_utc: int) -> tuple[PostingRecord, ...]:
    """What to do something for now, oldest window first."""
    ready = (record for record in records if record.state in OPEN and record.next_try_utc <= now_utc)
    return tuple(sorted(ready, key=lambda record: (record.delivery.window, record.delivery.posted_as)))


def superseded(record: PostingRecord, revision: int) -> PostingRecord:
    """`record` after a later revision of its window was addressed to the same delivery."""
    note = f"superseded by revision {revision}"
    if record.state is PostingState.DUE and record.attempts:
        # A lost answer says nothing: until a later figure is posted, the ledger's rows may rest on this one.
        note += "; a try got no answer, so the ledger may hold it"
    return replace(record, state=PostingState.SUPERSEDED, note=note)


def reopened(record: PostingRecord, now_utc: int) -> PostingRecord:
    """`record`, that a ledger confirmed, after a trade was put that it has not reached: the same post goes again."""
    return replace(record, state=PostingState.DUE, next_try_utc=now_utc, note="a trade was put after it was posted")


def held(record: PostingRecord, note: str) -> PostingRecord:
    """`record`, that something was still to be done for, while an operator holds it back."""
    return replace(record, state=PostingState.HELD, note=note[:500])


def released(record: PostingRecord, now_utc: int) -> PostingRecord:
    """`record` after its hold ended. What the ledger got before is posted again: the same post has no second effect."""
    return replace(record, state=PostingState.DUE, next_try_utc=now_utc, note="its hold ended")


def stuck(records: Iterable[PostingRecord]) -> tuple[PostingRecord, ...]:
    """Those of `records`, by revision, that stand still while nothing later that holds was addressed to their delivery."""
    newest = {record.delivery: record for record in records if record.state is not PostingState.SUPERSEDED}
    return tuple(record for record in newest.values() if record.state in STUCK)


def retried(record: PostingRecord, now_utc: int, by: str) -> PostingRecord:
    """`record`, that stood still, once an operator says that the reason is gone: the same post goes again."""
    return replace(record, state=PostingState.DUE, next_try_utc=now_utc, note=f"tried again by {by}")


def contradicted(record: PostingRecord, shown_wh: int) -> PostingRecord:
    """`record`, that a ledger confirmed, after the ledger's rows came to show another total."""
    confirmed = "nothing" if record.allocated_wh is None else f"{kwh_text(record.allocated_wh)} kWh"
    note = f"confirmed {confirmed}, the ledger shows {kwh_text(shown_wh)} kWh now"
    return replace(record, state=PostingState.DIFFERS, note=note)


def posted(record: PostingRecord, receipt: Receipt, now_utc: int) -> PostingRecord:
    """`record` after a receipt: still to be read back."""
    return replace(
        record,
        state=PostingState.POSTED,
        attempts=record.attempts + 1,
        next_try_utc=now_utc,
        note=f"{receipt.total_matched} allocation(s)",
        allocated_wh=receipt.total_allocated_wh,
    )


def read_back(record: PostingRecord, confirmation: Confirmation) -> PostingRecord:
    """`record` after its rows were read back."""
    if confirmation.agrees:
        return replace(record, state=PostingState.CONFIRMED, note="read back")
    return replace(record, state=PostingState.DIFFERS, note="; ".join(confirmation.differences)[:500])


def troubled(record: PostingRecord, trouble: Trouble, note: str, policy: Policy, now_utc: int) -> PostingRecord:
    """`record` after an attempt without a receipt.

    No answer: the same post again, later. 404: the platforms have not put the trade yet, wait until the deadline. Any other
    refusal: never again.
    """
    attempts = record.attempts + 1
    note = note[:500]
    if trouble is Trouble.REFUSED:
        return replace(record, state=PostingState.REFUSED, attempts=attempts, note=note)
    if trouble is Trouble.TRADE_UNKNOWN and now_utc >= record.delivery.window.end_utc + policy.give_up_s:
        return replace(record, state=PostingState.EXPIRED, attempts=attempts, note=note)
    # A post whose receipt was seen stays POSTED while only its reading back failed: it is not posted twice.
    state: PostingState = record.state if record.state is PostingState.POSTED else PostingState.DUE
    if trouble is Trouble.TRADE_UNKNOWN:
        state = PostingState.WAITING
    wait_s = min(policy.retry_s * 2 ** min(attempts - 1, 12), MAX_BACKOFF_S)
    return replace(record, state=state, attempts=attempts, next_try_utc=now_utc + wait_s, note=note)
