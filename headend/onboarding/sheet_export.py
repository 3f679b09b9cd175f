"""Export: the registry as the sheet that would make it.

One row for every time at which something about a meter, or about the connection point of a REVENUE meter, changes; and one for every
further consent. Importing it into the same head-end changes nothing.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headend.consent import Consent
from headend.registry.dated import Dated, History, holding
from headend.registry.draft import terms
from headend.registry.sheet import sheet_text
from headend.registry.sheet_columns import COLUMNS, Column, Group
from headend.registry.supply import NOTHING, Supply
from headend.store.sqlite import registry_views, supply_rows
from signing.interval import MAX_INSTANT
from signing.statements.meter_record import Fact, Role

Cells = dict[str, str]


def exported(connection: sqlite3.Connection) -> str:
    """The sheet of every meter, by meter and time."""
    return sheet_text(cells for meter in registry_views.meters(connection) for cells in meter_cells(connection, meter))


def meter_cells(connection: sqlite3.Connection, meter: str) -> Iterator[Cells]:
    """The rows of one meter, by time; none for one that has no record."""
    facts = registry_views.facts(connection, meter)
    gateways = supply_rows.gateways(connection, meter)
    for place, entry in enumerate(terms(facts)):
        until = facts[place + 1].from_utc if place + 1 < len(facts) else MAX_INSTANT + 1
        settles = entry.value.role is Role.REVENUE
        told = _told(connection, entry.value.connection_point) if settles else _NOTHING_TOLD
        yield from _rows(meter, entry, range(entry.from_utc, until), gateways, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What stands in the row of the REVENUE meter of a connection point."""

    connection_point: str
    supplies: History[Supply]
    aliases: dict[str, History[str | None]]
    consents: tuple[Consent, ...]

    def dates(self) -> set[int]:
        """When any of it changes."""
        return {one.from_utc for one in self.supplies} | {
            one.from_utc for history in self.aliases.values() for one in history
        }

    def names(self, at_utc: int) -> tuple[str, ...]:
        """The ids that name the connection point at an instant."""
        return tuple(name for name, held in self.aliases.items() if holding(held, at_utc) == self.connection_point)

    def new_consents(self, dates: Sequence[int], place: int) -> list[Consent]:
        """The consents of the consumer whose supply it is at a date, when that is the first such date."""
        consumers = [(holding(self.supplies, at) or NOTHING).consumer for at in dates[: place + 1]]
        if consumers[-1] in consumers[:-1]:
            return []
        return [consent for consent in self.consents if consent.consumer == consumers[-1]]


_NOTHING_TOLD = _Told(connection_point="", supplies=(), aliases={}, consents=())


def _told(connection: sqlite3.Connection, point: str) -> _Told:
    return _Told(
        connection_point=point,
        supplies=supply_rows.supplies(connection, point),
        aliases={name: supply_rows.alias(connection, name) for name in sorted(supply_rows.names(connection, point))},
        consents=tuple(sorted(supply_rows.consents(connection, point), key=_by_purpose)),
    )


def _by_purpose(consent: Consent) -> tuple[str, str, int]:
    return consent.purpose, consent.grantee, consent.from_utc


def _rows(meter: str, entry: Dated[Fact], span: range, gateways: History[str | None], told: _Told) -> Iterator[Cells]:
    """The rows of a meter while its terms stay the same."""
    dates = sorted(at for at in {span.start, *(one.from_utc for one in gateways), *told.dates()} if at in span)
    for place, at in enumerate(dates):
        supply = holding(told.supplies, at) or NOTHING
        gateway = holding(gateways, at)
        cells = {
            **_cells(Group.KEY, {"meter": meter, "from_utc": at}),
            **_cells(Group.TERM, {name: getattr(entry.value, name) for name in Fact.__slots__}),
            **_cells(Group.SUPPLY, {name: getattr(supply, name) for name in Supply.__slots__}),
            **_cells(Group.NAMES, {"posted_as": told.names(at)}),
            **_cells(Group.GATEWAY, {"gateway": gateway}),
        }
        consents = told.new_consents(dates, place)
        for consent in consents:
            yield cells | _cells(Group.CONSENT, {name: getattr(consent, name) for name in Consent.__slots__})
        if not consents:
            yield cells


def _cells(group: Group, values: dict[str, object]) -> Cells:
    return {column.name: _cell(column, values[column.field]) for column in COLUMNS if column.group is group}


def _cell(column: Column, value: object) -> str:
    return "" if value is None else column.show(value)
