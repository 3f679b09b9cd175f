"""A part of the running head-end, as health checks, alerts and pages speak of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One part of the running program, and whether it works."""

    name: str
    """Such as ``broker`` or ``ledger``."""
    works: bool
    note: str
    """What an operator reads: state and remedy; no secret."""
