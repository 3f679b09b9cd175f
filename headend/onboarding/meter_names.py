"""Meters by whatever others call them: the discom's id, a serial number, a DID, or a ledger's name of the place."""

from collections.abc import Sequence
from functools import cached_property
from urllib.parse import unquote

from headend.ies.document import MeterRef
from headend.onboarding.known import Registry
from signing.statements.meter_record import Fact, Role


class MeterNames:
    """The names of one registry, as it stands. Made anew for every question."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def meter(self, refs: Sequence[MeterRef], at_utc: int) -> str | None:
        """The one meter that all of the names that name any agree on; none for a stranger, and where they name two."""
        found = {meter for ref in refs for meter in self._called(ref, at_utc)}
        return found.pop() if len(found) == 1 else None

    def fact(self, meter: str, at_utc: int) -> Fact | None:
        """What is recorded of a meter at an instant."""
        registered = self._registry.meter(meter)
        return None if registered is None else registered.record.fact(at_utc)

    def _called(self, ref: MeterRef, at_utc: int) -> frozenset[str]:
        """A meter by the discom's id, by its serial number, or as what settles the place that a ledger calls so."""
        value = unquote(ref.value.rpartition(":")[2]) if ref.scheme == "DID" else ref.value
        if self._registry.meter(value) is not None:
            return frozenset({value})
        if value in self._by_identity:
            return self._by_identity[value]
        point = self._registry.connection_point(ref.value, at_utc)
        return frozenset(
            meter.record.meter
            for meter in (() if point is None else self._registry.meters_at(point))
            if (fact := meter.record.fact(at_utc)) is not None
            and (fact.role, fact.connection_point) == (Role.REVENUE, point)
        )

    @cached_property
    def _by_identity(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for name in self._registry.meters():
            registered = self._registry.meter(name)
            for fact in () if registered is None else registered.record.facts:
                found[fact.identity] = found.get(fact.identity, frozenset()) | {name}
        return found
