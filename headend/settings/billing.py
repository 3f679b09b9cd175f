"""``[billing]``: what the charges of bills are taken from.

::

    [billing]
    tariff = "tariff.toml"                 # the dated table of charges (headend/billing/tariff.py)
"""

from dataclasses import dataclass
from pathlib import Path

from signing.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingSettings:
    """What bills rest on."""

    tariff: Path | None
    """None: no charges."""


def billing(table: Table, base: Path) -> BillingSettings:
    """The section; a relative path is under `base`."""
    tariff = table.optional_text("tariff")
    return BillingSettings(tariff=None if tariff is None else base / tariff)
