"""The dated table of charges on peer-to-peer energy: what each party of a trade pays a discom for each settled kWh.

::

    [[charge]]
    name = "transaction"
    from = "2026-01-01T00:00:00+05:30"
    inr_per_kwh = "0.42"
    scope = "any"                          # intra_discom | intra_state | interstate | any
    paid_by = "equal"                      # buyer | seller | equal: half each
    [[charge]]
    name = "wheeling"
    from = "2026-01-01T00:00:00+05:30"
    until = "2026-07-01T00:00:00+05:30"
    inr_per_kwh = "1.01"
    scope = "interstate"
    paid_by = "buyer"
    [states]
    PaVVNL = "UP"
    TPDDL = "DL"

Rates are exact decimals; money is rounded once, per party, trade and charge, to whole paise, half to even. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import TypeVar

from ledger_client.ledger import Side
from signing import fields
from signing.energy import kwh_decimal
from signing.errors import DecodeError
from signing.interval import parse_instant
from signing.tables import Table, parse_toml

_RATE = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_PAISA = Decimal("0.01")

E = TypeVar("E", bound=Enum)


class Reach(Enum):
    """How far a trade goes through networks."""

    INTRA_DISCOM = "intra_discom"
    INTRA_STATE = "intra_state"
    """Between two discoms of one state."""
    INTERSTATE = "interstate"
    ANY = "any"
    """Of a charge only: whatever trade it is."""


class PaidBy(Enum):
    """Who pays a charge."""

    BUYER = "buyer"
    SELLER = "seller"
    EQUAL = "equal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One row of the table."""

    name: str
    from_utc: int
    until_utc: int | None
    """Exclusive; none: it goes on."""
    inr_per_kwh: Decimal
    scope: Reach
    paid_by: PaidBy

    def amount_inr(self, settled_wh: int, side: Side) -> Decimal:
        """What one party of a trade pays for its settled energy, in whole paise; 0 where the other pays."""
        if self.paid_by is not PaidBy.EQUAL and self.paid_by.value != side.value.lower():
            return Decimal("0.00")
        whole = self.inr_per_kwh * kwh_decimal(settled_wh)
        return (whole / 2 if self.paid_by is PaidBy.EQUAL else whole).quantize(_PAISA, ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Every charge, and the state of each discom."""

    charges: tuple[Charge, ...]
    states: Mapping[str, str]

    def reach(self, buyer_discom: str, seller_discom: str) -> Reach:
        """How far a trade between two discoms goes.

        Raises:
            DecodeError: the state of one of them is not in the table: guessing would bill somebody wrongly.
        """
        if buyer_discom == seller_discom:
            return Reach.INTRA_DISCOM
        for discom in (buyer_discom, seller_discom):
            if discom not in self.states:
                raise DecodeError(f"the tariff names no state for '{discom}': add it to [states]")
        same = self.states[buyer_discom] == self.states[seller_discom]
        return Reach.INTRA_STATE if same else Reach.INTERSTATE

    def of(self, reach: Reach, at_utc: int) -> tuple[Charge, ...]:
        """The charges on a trade whose delivery begins at an instant, by name."""
        return tuple(
            charge
            for charge in sorted(self.charges, key=lambda one: (one.name, one.from_utc))
            if charge.scope in {Reach.ANY, reach}
            and charge.from_utc <= at_utc
            and (charge.until_utc is None or at_utc < charge.until_utc)
        )


NO_CHARGES = Tariff(charges=(), states={})
"""A discom that publishes no charges."""


def parse(text: str, source: str) -> Tariff:
    """The tariff in TOML `text`.

    Raises:
        DecodeError: every fault at once, each with its key.
    """
    root = parse_toml(text, source)
    charges = tuple(_charge(table) for table in root.tables("charge"))
    states: dict[str, str] = {}
    if root.has("states"):
        table = root.table("states")
        states = {name: table.text(name) for name in table.names()}
        table.close()
    _require_apart(root, charges)
    root.close()
    root.faults.check()
    return Tariff(charges=charges, states=states)


def _require_apart(root: Table, charges: tuple[Charge, ...]) -> None:
    """That no charge holds twice at one instant: it would be paid twice."""
    for place, one in enumerate(charges):
        for other in charges[:place]:
            starts = max(one.from_utc, other.from_utc)
            both_hold = all(charge.until_utc is None or starts < charge.until_utc for charge in (one, other))
            same_scope = one.scope is other.scope or Reach.ANY in {one.scope, other.scope}
            if one.name == other.name and both_hold and same_scope:
                root.faults.add(f"charge[{place}]", f"'{one.name}' holds already at that time: end the row before it")


def _charge(table: Table) -> Charge:
    since = table.parsed("from", parse_instant, 0)
    until = table.parsed("until", parse_instant, since + 1) if table.has("until") else None
    if until is not None and until <= since:
        table.faults.add(table.key("until"), "expected a later time than 'from'")
    charge = Charge(
        name=table.parsed("name", fields.identifier, "x"),
        from_utc=since,
        until_utc=until,
        inr_per_kwh=table.parsed("inr_per_kwh", _rate, Decimal(0)),
        scope=_member(table, "scope", Reach, Reach.ANY),
        paid_by=_member(table, "paid_by", PaidBy, PaidBy.EQUAL),
    )
    table.close()
    return charge


def _rate(text: str, path: str) -> Decimal:
    if not _RATE.fullmatch(text):
        raise DecodeError(f"expected a rate in INR such as 0.42, got {text!r:.40} in '{path}'")
    return Decimal(text)


def _member(table: Table, name: str, kind: type[E], default: E) -> E:
    word = table.text(name, default=str(default.value))
    kinds = {str(one.value): one for one in kind}
    if word not in kinds:
        table.faults.add(table.key(name), f"expected one of {', '.join(kinds)}, got {word!r:.40}")
    return kinds.get(word, default)
