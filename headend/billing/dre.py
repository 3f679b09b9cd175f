"""Renewable energy of a month by connection point, for obligation and generation returns, as CSV. Pure.

One row a connection point and month: what its generation meter made where there is one, what it gave to the grid, what of that went to
peers, and what the discom took. Absent is an empty cell, never 0.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from headend.billing.determinants import Determinants
from signing.energy import kwh_text

HEADER = (
    "month",
    "connection_point",
    "installed_kw",
    "generated_kwh",
    "exported_kwh",
    "sold_to_peers_kwh",
    "taken_by_discom_kwh",
    "bought_from_peers_kwh",
    "completeness",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prosumer:
    """One connection point's month."""

    determinants: Determinants
    installed_w: int | None
    generated_wh: int | None
    """Of its generation meter; none without one, or where it lacks a block."""


def returns(rows: Iterable[Prosumer]) -> str:
    """The CSV, by connection point; only points that have generation, gave energy or bought it from a peer."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for row in sorted(rows, key=lambda one: one.determinants.connection_point):
        found = row.determinants
        if row.installed_w is None and not found.known_export_wh and not found.sold_wh and not found.bought_wh:
            continue
        writer.writerow(
            [
                found.month,
                found.connection_point,
                "" if row.installed_w is None else kwh_text(row.installed_w),
                _cell(row.generated_wh),
                _cell(found.export_wh),
                kwh_text(found.sold_wh),
                _cell(found.residual_export_wh),
                kwh_text(found.bought_wh),
                found.completeness.value,
            ]
        )
    return out.getvalue()


def _cell(wh: int | None) -> str:
    return "" if wh is None else kwh_text(wh)
