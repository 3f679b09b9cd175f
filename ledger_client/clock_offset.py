"""How far this computer's clock is from a peer's, from the ``Date`` of its answers. Pure.

A signature with a wrong time is refused by every verifier, and no log of theirs says why; so whoever is apart by more than two seconds signs
nothing and says so. The peer's date has whole seconds and is made somewhere between sending and receiving: what is known is a range.
Source: RFC 9110 §6.6.1; EXCHANGE_GAPS A (NACKs from clock skew).
"""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

MOST_S = 2
"""The farthest that a clock may be from a peer's while HTTP is signed by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """This clock minus the peer's, in seconds: somewhere from `least_s` to `most_s`."""

    least_s: int
    most_s: int

    @property
    def is_apart(self) -> bool:
        """Whether the clocks are apart by more than `MOST_S`, wherever in the range the truth lies."""
        return self.least_s > MOST_S or self.most_s < -MOST_S

    @property
    def words(self) -> str:
        """The offset for people."""
        nearest = self.least_s if self.least_s > 0 else min(0, self.most_s)
        if not nearest:
            return "the clocks agree"
        return (
            f"this computer's clock is at least {abs(nearest)} s {'ahead of' if nearest > 0 else 'behind'} the peer's"
        )


def offset(sent_utc: int, received_utc: int, date: str | None) -> Offset | None:
    """What an answer's ``Date`` says; none where it has none that can be read."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    at = int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
    return Offset(least_s=sent_utc - (at + 1), most_s=received_utc - at)
