"""Why less was delivered than was traded: COMPLETED, or curtailed by an outage or an order. Pure.

An outage is what the meter's own blocks say (power failed, in the evidence), or what an operator enters for a connection point or feeder. It
excuses only a shortfall: a trade that was delivered in full is COMPLETED whatever failed. Nothing here switches anything.
Source: EXCHANGE §2 (tradeStatus); METERS (events 101, 102).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from headend.duties.holds import said
from headend.errors import RefusedError
from headend.readings import ValidatedInterval
from ledger_client.ledger import TradeStatus
from signing.interval import Interval
from signing.statements.reading import Flag
from signing.statements.window_actual import Status


class CurtailmentKind(Enum):
    """What curtailed a delivery."""

    OUTAGE = "OUTAGE"
    POLICY = "POLICY"
    """An order of the discom or of an authority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailment:
    """What an operator enters: a connection point or a whole feeder was curtailed for a time."""

    kind: CurtailmentKind
    connection_point: str | None
    feeder: str | None
    span: Interval
    by: str
    reason: str

    def __post_init__(self) -> None:
        if (self.connection_point is None) == (self.feeder is None):
            raise RefusedError("expected either a connection point or a feeder: say what was curtailed")
        said(self.by, "by")
        said(self.reason, "reason")

    def covers(self, connection_point: str, feeder: str | None, window: Interval) -> bool:
        """Whether it bears on a connection point, on its feeder at that time, in a window."""
        is_its = self.connection_point == connection_point if self.feeder is None else self.feeder == feeder
        return is_its and self.span.overlaps(window)


def is_unsupplied(intervals: Iterable[ValidatedInterval]) -> bool:
    """Whether the supply failed in any of the blocks, as their meter says."""
    return any(interval.flags & Flag.POWER_FAIL for interval in intervals)


def delivery_status(
    status: Status,
    *,
    contracted_wh: int,
    delivered_wh: int,
    unsupplied: bool,
    curtailments: Iterable[Curtailment] = (),
) -> TradeStatus | None:
    """What the discom says of its side of a window's trades; none while the figure is not final.

    `delivered_wh` is the side's own energy: export of a seller, import of a buyer. `curtailments` are those that cover the window. An order
    weighs more than an outage: it would have curtailed the delivery all the same.
    """
    if status not in {Status.FINAL, Status.TRUE_UP}:
        return None
    if delivered_wh >= contracted_wh:
        return TradeStatus.COMPLETED
    kinds = {curtailment.kind for curtailment in curtailments}
    if CurtailmentKind.POLICY in kinds:
        return TradeStatus.CURTAILED_POL_VIOLATION
    if unsupplied or CurtailmentKind.OUTAGE in kinds:
        return TradeStatus.CURTAILED_OUTAGE
    return TradeStatus.COMPLETED
