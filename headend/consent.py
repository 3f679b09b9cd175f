"""Consent: whether interval data of a household may leave, to whom, for what.

Pure. Actuals go to the exchange by the trade itself; everything finer needs the consumer's word. Source: EVIDENCE §5, "with consent,
each logged".
"""

from collections.abc import Iterable
from dataclasses import dataclass

from headend.errors import RefusedError


class ConsentRefusedError(RefusedError):
    """A consent that cannot be, or a disclosure without one. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Consent:
    """The word of one consumer at one connection point."""

    connection_point: str
    consumer: str
    """Who consented, by consumer number: whoever lives there later did not."""
    purpose: str
    grantee: str
    from_utc: int
    until_utc: int | None
    """Exclusive; none while it was neither limited nor withdrawn."""

    def __post_init__(self) -> None:
        if self.until_utc is not None and self.until_utc <= self.from_utc:
            raise ConsentRefusedError("expected a consent that ends after it begins: correct its times")

    def holds(self, at_utc: int) -> bool:
        """Whether it is in force at an instant."""
        return self.from_utc <= at_utc and (self.until_utc is None or at_utc < self.until_utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disclosure:
    """What somebody asks for."""

    connection_point: str
    consumers: frozenset[str | None]
    """Everybody whose supply it was while the data were measured; none stands for a time without a known consumer."""
    purpose: str
    grantee: str


def granted(consents: Iterable[Consent], asked: Disclosure, at_utc: int) -> tuple[Consent, ...]:
    """The consents by which data may leave at an instant; empty when they may not.

    Everybody whose data they are must have consented to exactly this grantee and purpose, and nobody must have ended it: what
    counts is the instant of the disclosure, not that of the measurement.
    """
    found = {
        consent.consumer: consent
        for consent in sorted(consents, key=lambda one: one.from_utc)
        if consent.holds(at_utc)
        and (consent.connection_point, consent.purpose, consent.grantee)
        == (asked.connection_point, asked.purpose, asked.grantee)
    }
    if not asked.consumers or not asked.consumers <= found.keys():
        return ()
    return tuple(consent for consumer, consent in found.items() if consumer in asked.consumers)
