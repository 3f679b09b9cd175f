"""Work orders: what somebody must go and look at, by cause and feeder, as CSV for the field crews. Pure.

One row a meter and cause, without names of consumers. A cause that ends makes no more rows; who goes where is not decided here.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from signing.interval import ist_text


class Cause(Enum):
    """Why somebody must go."""

    SILENT = "SILENT"
    """Its gateway sends nothing."""
    PROLONG = "PROLONG"
    """Its energy was estimated for long (V30)."""
    ORIGIN = "ORIGIN"
    """What was signed at the premises is not what the AMISP's system read (V32)."""
    TAMPER = "TAMPER"
    """Its own event log says that somebody worked against the measurement (V14)."""
    FORK = "FORK"
    """Its gateway has two histories: a clone, or a restored card."""
    IDENTITY = "IDENTITY"
    """Another meter than the recorded one answers (V06)."""
    BALANCE = "BALANCE"
    """Its blocks do not sum to its registers (V23)."""
    LOSS = "LOSS"
    """The transformer or feeder that it measures loses other than it ever did (V29)."""


OF_RULE = {
    "V30": Cause.PROLONG,
    "V32": Cause.ORIGIN,
    "V14": Cause.TAMPER,
    "V06": Cause.IDENTITY,
    "V23": Cause.BALANCE,
}
"""The rules whose findings send somebody to the meter."""

OF_LINE = {"V29": Cause.LOSS}
"""The rules that note the same at every meter of a transformer or feeder, and send somebody to its own alone."""

ADVISORY = frozenset({Cause.PROLONG, Cause.LOSS})
"""Causes that take no value away."""

HEADER = ("cause", "feeder", "dt", "connection_point", "meter", "gateway", "since", "what")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkOrder:
    """One meter to be looked at for one cause."""

    cause: Cause
    feeder: str | None
    dt: str | None
    connection_point: str
    meter: str
    gateway: str | None
    since_utc: int
    what: str


def sheet(orders: Iterable[WorkOrder]) -> str:
    """The CSV: by feeder, transformer, cause and meter, so that one round goes along one line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for order in sorted(orders, key=_round):
        writer.writerow(
            [
                order.cause.value,
                order.feeder or "",
                order.dt or "",
                order.connection_point,
                order.meter,
                order.gateway or "",
                ist_text(order.since_utc),
                order.what,
            ]
        )
    return out.getvalue()


def _round(order: WorkOrder) -> tuple[str, str, str, str]:
    return order.feeder or "", order.dt or "", order.cause.value, order.meter
