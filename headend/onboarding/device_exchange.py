"""An exchange of devices at a connection point, as the registry sheet that records it and the registers that were read.

What the registers give a block that the exchange cuts is said by an edit of two persons, never by the exchange. Source: EVIDENCE §4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headend.errors import RefusedError
from headend.onboarding.known import Registry
from headend.registry.sheet import Sheet, parse_cells
from headend.registry.sheet_columns import COLUMNS, Group, instant_cell
from headend.registry.supply import Exchange, RegisterPair
from signing.interval import is_aligned, ist_text
from signing.statements.meter_record import Fact, Role


class ExchangeRefusedError(RefusedError):
    """An exchange that contradicts what is recorded. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an operator says of an exchange."""

    connection_point: str
    old_meter: str
    new_meter: str
    """The same as `old_meter` where the id is kept."""
    at_utc: int
    closing: RegisterPair
    opening: RegisterPair
    cells: Mapping[str, str] = field(default_factory=dict)
    """What the sheet says of the new device, by column; what is left out is as before the exchange."""


def exchange_sheet(registry: Registry, order: Order) -> Sheet:
    """The one row that makes the new device the connection point's revenue meter.

    1. the old meter is a REVENUE meter of the connection point until then
    2. another device has another serial number

    Raises:
        ExchangeRefusedError: with the number of the check and the remedy.
        SheetError: a column of the order is unknown.
    """
    old = _fact(registry, order.old_meter, order.at_utc - 1)
    if old is None or (old.connection_point, old.role) != (order.connection_point, Role.REVENUE):
        held = "nothing" if old is None else f"{old.role.name} at {old.connection_point}"
        raise ExchangeRefusedError(
            f"(1) expected REVENUE meter {order.old_meter} at {order.connection_point} before {ist_text(order.at_utc)}, got {held}: "
            "correct --old, --point or --at"
        )
    new = _fact(registry, order.new_meter, order.at_utc)
    identity = order.cells.get("identity") or (None if new is None else new.identity)
    if identity is None or (order.new_meter == order.old_meter and identity == old.identity):
        raise ExchangeRefusedError(
            f"(2) expected the serial number of the new device, got {identity or 'none'}: give --identity"
        )
    return parse_cells(
        {
            **({} if new is not None else _cells(old)),
            "meter": order.new_meter,
            "from": instant_cell(order.at_utc),
            "identity": identity,
            "connection_point": order.connection_point,
            "role": Role.REVENUE.name,
            **order.cells,
        }
    )


def cut_block(registry: Registry, order: Order) -> str | None:
    """What is lost of the block that an exchange cuts, in words; none where it lies on the edge of a block."""
    old = _fact(registry, order.old_meter, order.at_utc - 1)
    if old is None or is_aligned(order.at_utc, old.period_s):
        return None
    return f"{ist_text(order.at_utc)} cuts a block of {old.period_s} s: it is missing until two persons edit it by these registers"


def exchange_of(order: Order, *, by: str, now_utc: int) -> Exchange:
    """What is kept of an exchange, with who stated it and when."""
    return Exchange(
        connection_point=order.connection_point,
        at_utc=order.at_utc,
        old_meter=order.old_meter,
        new_meter=order.new_meter,
        closing=order.closing,
        opening=order.opening,
        stated_by=by,
        stated_utc=now_utc,
    )


def _fact(registry: Registry, meter: str, at_utc: int) -> Fact | None:
    known = registry.meter(meter)
    return None if known is None else known.record.fact(at_utc)


def _cells(fact: Fact) -> dict[str, str]:
    """What a new device takes over from the one before it."""
    values = {column.name: getattr(fact, column.field) for column in COLUMNS if column.group is Group.TERM}
    shown = {column.name: column.show for column in COLUMNS}
    return {name: "" if value is None else shown[name](value) for name, value in values.items()}
