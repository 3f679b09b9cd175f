"""Faults by name, for tests and rehearsals: each is off until it is switched on, for some requests or for all."""

from enum import Enum

from ledger_client.ledger import LedgerError

DEFAULT_SLOW_S = 30.0
"""How much later a slow exchange answers, seconds."""


class Fault(Enum):
    """What can go wrong on purpose."""

    DOWN = "down"
    """Answers 503 and does nothing."""
    SLOW = "slow"
    """Answers only after the exchange's `slow_s`, or does nothing when the caller hangs up before."""
    LOST_ANSWER = "lost-answer"
    """Does the work and drops the connection."""
    REFUSE = "refuse"
    """Answers 403 AUT_NOT_AUTHORIZED and does nothing."""
    REPLAYED_STATUS = "replayed-status"
    """Sends a question twice, the same bytes under the same signature."""
    SKEWED_CLOCK = "skewed-clock"
    """Signs a question with a clock that is a minute ahead."""
    WRONG_NETWORK = "wrong-network"
    """Asks in the name of a network that the discom takes no part in."""
    REVOKED_KEY = "revoked-key"
    """The registry says that the ledger provider's key was revoked."""
    WRONG_WINDOW = "wrong-window"
    """Writes the times of a question without their offset."""
    CUT_SHORT = "cut-short"
    """Lists only the first interval of what a question covers."""


class FaultError(LedgerError):
    """A fault was asked for that does not exist."""


class Faults:
    """The faults that are switched on. A count is how many requests it still spoils; None is every one."""

    def __init__(self) -> None:
        self._left: dict[Fault, int | None] = {}

    def switch_on(self, fault: Fault, count: int | None = None) -> None:
        """Spoil the next `count` requests, or all until `switch_off`."""
        self._left[fault] = count

    def switch_off(self, fault: Fault) -> None:
        """Stop spoiling requests with `fault`."""
        self._left.pop(fault, None)

    def take(self, fault: Fault) -> bool:
        """Whether this request is spoiled by `fault`; counts it."""
        if fault not in self._left:
            return False
        left = self._left[fault]
        if left is None:
            return True
        if left <= 1:
            del self._left[fault]
        else:
            self._left[fault] = left - 1
        return left > 0


def parsed(text: str) -> tuple[Fault, int | None]:
    """``name`` or ``name=count`` as a fault and how many requests it spoils.

    Raises:
        FaultError: naming the faults there are.
    """
    name, separator, count = text.partition("=")
    if name not in (fault.value for fault in Fault) or (separator and not (count.isdecimal() and int(count) > 0)):
        words = ", ".join(fault.value for fault in Fault)
        raise FaultError(f"expected one of {words}, with =COUNT for so many requests, got {text!r}")
    return Fault(name), int(count) if separator else None
