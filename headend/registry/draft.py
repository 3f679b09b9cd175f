"""The registry as it would be after a sheet: what is recorded, with what the sheet states laid over it.

Pure: what is recorded is asked through `Known`.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from headend.consent import Consent
from headend.registry.dated import Dated, History, holding, stated
from headend.registry.supply import NOTHING, Supply
from signing.energy import ONE
from signing.statements.meter_record import Fact, Role, Stamps

BLANK = Fact(
    from_utc=0,
    identity="",
    connection_point="",
    role=Role.REVENUE,
    period_s=900,
    stamps=Stamps.END,
    ct=ONE,
    pt=ONE,
    factor=ONE,
    sanctioned_w=None,
    installed_w=None,
)
"""A meter of which nothing is stated but what is usual."""


class Known(Protocol):
    """What is recorded. Every method gives something empty for what nobody stated."""

    def facts(self, meter: str) -> tuple[Fact, ...]:
        """Of the meter's newest record."""

    def gateways(self, meter: str) -> History[str | None]:
        """By which gateway a meter is to be read."""

    def supplies(self, connection_point: str) -> History[Supply]:
        """What is known of a connection point."""

    def alias(self, posted_as: str) -> History[str | None]:
        """What a ledger's id names; none where it names nothing any more."""

    def names(self, connection_point: str) -> frozenset[str]:
        """Every id that ever named a connection point."""

    def consents(self, connection_point: str) -> frozenset[Consent]:
        """Every consent at a connection point."""

    def meters_at(self, connection_point: str) -> frozenset[str]:
        """Every meter that any fact ever placed there."""

    def meters_with(self, identity: str) -> frozenset[str]:
        """Every meter that any fact gives this serial number."""


@dataclass(slots=True)
class Draft:
    """What a sheet makes of what is recorded. Holds only what it changes."""

    known: Known
    terms: dict[str, History[Fact]] = field(default_factory=dict)
    """By meter; each fact with `from_utc` 0, so that equal terms are equal."""
    gateways: dict[str, History[str | None]] = field(default_factory=dict)
    supplies: dict[str, History[Supply]] = field(default_factory=dict)
    aliases: dict[str, History[str | None]] = field(default_factory=dict)
    consents: dict[tuple[str, str, str, str, int], Consent] = field(default_factory=dict)
    named: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """By connection point, the ids that the sheet gives it."""

    def terms_of(self, meter: str) -> History[Fact]:
        """A meter's terms."""
        found = self.terms.get(meter)
        return terms(self.known.facts(meter)) if found is None else found

    def gateways_of(self, meter: str) -> History[str | None]:
        """A meter's gateways."""
        found = self.gateways.get(meter)
        return self.known.gateways(meter) if found is None else found

    def supplies_of(self, connection_point: str) -> History[Supply]:
        """A connection point's supply."""
        found = self.supplies.get(connection_point)
        return self.known.supplies(connection_point) if found is None else found

    def supply(self, connection_point: str, at_utc: int) -> Supply:
        """What is known of a connection point at an instant."""
        return holding(self.supplies_of(connection_point), at_utc) or NOTHING

    def alias(self, posted_as: str) -> History[str | None]:
        """What an id names."""
        found = self.aliases.get(posted_as)
        return self.known.alias(posted_as) if found is None else found

    def name(self, posted_as: str, since_utc: int, connection_point: str | None) -> None:
        """Lets an id name a connection point from a time on, or nothing."""
        self.aliases[posted_as] = stated(self.alias(posted_as), since_utc, connection_point)
        if connection_point is not None:
            self.named[connection_point].add(posted_as)

    def names(self, connection_point: str, at_utc: int) -> tuple[str, ...]:
        """The ids that name a connection point at an instant, sorted."""
        ever = self.known.names(connection_point) | self.named[connection_point]
        return tuple(sorted(name for name in ever if holding(self.alias(name), at_utc) == connection_point))

    def consent(self, key: tuple[str, str, str, str, int]) -> Consent | None:
        """The consent of one consumer, purpose, grantee and beginning at a connection point."""
        known = (one for one in self.known.consents(key[0]) if consent_key(one) == key)
        return self.consents.get(key) or next(known, None)

    def changed_facts(self) -> Mapping[str, tuple[Fact, ...]]:
        """The facts of every meter that the sheet changes, as its next record states them."""
        return {
            meter: tuple(replace(entry.value, from_utc=entry.from_utc) for entry in history)
            for meter, history in self.terms.items()
        }


def terms(facts: tuple[Fact, ...]) -> History[Fact]:
    """The facts of a record as a history."""
    return tuple(Dated(fact.from_utc, replace(fact, from_utc=0)) for fact in facts)


def consent_key(consent: Consent) -> tuple[str, str, str, str, int]:
    """What makes two consents the same one."""
    return (consent.connection_point, consent.consumer, consent.purpose, consent.grantee, consent.from_utc)
