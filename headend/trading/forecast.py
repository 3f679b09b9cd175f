"""How complete the windows are that a gate is coming for, and why the others are not. Pure.

A forecast is said before the gate, while something can still be done: a gateway visited, a meter read, a hold decided.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from headend.trading.gates import Gates
from headend.trading.trades import Delivery
from signing.interval import ist_text
from signing.statements.window_actual import Status, WindowActual


class Prospect(Enum):
    """What a window will have to show at its gate, as things stand."""

    READY = "READY"
    """Its figure is final."""
    PROVISIONAL = "PROVISIONAL"
    """It has a figure that its registers have not confirmed yet."""
    AT_RISK = "AT_RISK"
    """It has no figure."""
    IMPOSSIBLE = "IMPOSSIBLE"
    """It will have none: the meter cannot measure it, or nobody knows the meter."""


_PROSPECT = {
    Status.FINAL: Prospect.READY,
    Status.TRUE_UP: Prospect.READY,
    Status.PROVISIONAL: Prospect.PROVISIONAL,
    Status.PENDING: Prospect.AT_RISK,
    Status.NOT_MEASURABLE: Prospect.IMPOSSIBLE,
    Status.WITHDRAWN: Prospect.AT_RISK,
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Outlook:
    """One window before its gate."""

    gate_utc: int
    delivery: Delivery
    prospect: Prospect
    valid: int
    """Blocks of the window that are valid so far; 0 while nothing was said of it."""
    expected: int
    cause: str
    """Why it is not ready; empty when it is."""


def forecast(
    deliveries: Iterable[Delivery],
    newest: Mapping[Delivery, WindowActual],
    known: frozenset[str],
    gates: Gates,
    now_utc: int,
) -> tuple[Outlook, ...]:
    """The windows that have ended and whose next gate is still to come, by gate.

    `newest` has the newest actual where one was said, `known` the ledger's names of connection points.
    """
    found = []
    for delivery in deliveries:
        gate_utc = gates.next_utc(delivery.window, now_utc)
        if gate_utc is None or delivery.window.end_utc > now_utc:
            continue
        found.append(_outlook(delivery, newest.get(delivery), gate_utc, is_known=delivery.posted_as in known))
    return tuple(sorted(found, key=lambda one: (one.gate_utc, one.delivery)))


def at_risk(outlooks: Iterable[Outlook], gates: Gates, now_utc: int) -> tuple[Outlook, ...]:
    """Those that have nothing to show and whose gate is near."""
    return tuple(
        one
        for one in outlooks
        if one.prospect in {Prospect.AT_RISK, Prospect.IMPOSSIBLE} and one.gate_utc - now_utc <= gates.warn_before_s
    )


def warning(outlook: Outlook) -> str:
    """What an operator is told of a window at risk."""
    delivery = outlook.delivery
    return (
        f"{delivery.posted_as}, {ist_text(delivery.window.start_utc)} to {ist_text(delivery.window.end_utc)}, is "
        f"{outlook.prospect.value} for its gate at {ist_text(outlook.gate_utc)}: {outlook.cause}"
    )


def _outlook(delivery: Delivery, actual: WindowActual | None, gate_utc: int, *, is_known: bool) -> Outlook:
    if actual is None:
        prospect = Prospect.AT_RISK if is_known else Prospect.IMPOSSIBLE
        cause = "nothing was said of it yet" if is_known else "no connection point has this id at the ledger"
        return Outlook(gate_utc=gate_utc, delivery=delivery, prospect=prospect, valid=0, expected=0, cause=cause)
    prospect = _PROSPECT[actual.status]
    waits = "waits for the registers of its day" if prospect is Prospect.PROVISIONAL else ""
    return Outlook(
        gate_utc=gate_utc,
        delivery=delivery,
        prospect=prospect,
        valid=sum(part.counts.valid for part in actual.parts),
        expected=sum(part.counts.expected for part in actual.parts),
        cause=actual.reason or waits,
    )
