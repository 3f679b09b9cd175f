"""``[imports]``: readings of an existing HES or MDMS, for meters that have no gateway yet and for comparing origins.

::

    [imports]
    folder = "drop"                        # must exist; without it nothing is looked for
    source = "HES of the AMISP"            # how its readings are named in statements
    daily_registers = "END"                # or "START": which register a DAILY reading of IES is
    partial = false                        # true: rejected rows are left out, and the others of a file are taken
"""

from dataclasses import dataclass
from pathlib import Path

from signing import fields
from signing.statements.meter_record import Stamps
from signing.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSettings:
    """Where files come from, and how they are read."""

    folder: Path | None
    source: str
    stamps: Stamps
    partial: bool


def imports(table: Table, base: Path) -> ImportSettings:
    """The section; every key has a default. Relative paths are under `base`."""
    folder = table.optional_text("folder")
    word = table.text("daily_registers", default=Stamps.END.name)
    kinds = {kind.name: kind for kind in Stamps}
    if word not in kinds:
        table.faults.add(table.key("daily_registers"), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return ImportSettings(
        folder=None if folder is None else base / folder,
        source=table.parsed("source", fields.label, "x", default="HES"),
        stamps=kinds.get(word, Stamps.END),
        partial=table.flag("partial", default=False),
    )
