"""``[ies]``: how the discom names itself in credentials.

::

    [ies]
    name = "Paschimanchal Vidyut Vitran Nigam Limited"   # default: the discom's short code
    license_number = "UPERC-2003-1"                     # without it no credential is issued
    credential_days = 365
"""

from dataclasses import dataclass

from signing import fields
from signing.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class IesSettings:
    """What stands in the discom's credentials."""

    name: str | None
    license_number: str | None
    credential_days: int
    """How long a credential holds."""


def ies(table: Table) -> IesSettings:
    """The section; every key has a default."""
    return IesSettings(
        name=_label(table, "name"),
        license_number=_label(table, "license_number"),
        credential_days=table.integer("credential_days", least=1, most=3660, default=365),
    )


def _label(table: Table, name: str) -> str | None:
    return table.parsed(name, fields.label, "x") if table.has(name) else None
