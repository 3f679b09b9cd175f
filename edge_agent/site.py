"""What every meter of a gateway shares, what a look at one brings, and what is never signed. Reads no clock of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field

from edge_agent.clock import Uptime
from edge_agent.config import MeterSettings, PollSettings
from edge_agent.drafts import Draft, Place, Sealed, seal
from edge_agent.outbox.outbox import Outbox
from edge_agent.registers import Origin
from edge_agent.together import Together
from signing.keys import Signer
from signing.statements.reading_batch import ClockSource
from signing.statements.reading_batch import Origin as WireOrigin


class IdentityError(Exception):
    """The meter on the wire is not the configured one: nothing of it is signed. The message carries the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What every meter of a gateway shares."""

    poll: PollSettings
    outbox: Outbox
    signer: Signer
    software: bytes
    now_ms: Callable[[], int]
    """The gateway's clock, UTC milliseconds."""
    reference: Callable[[], ClockSource]
    """What that clock is worth now."""
    uptime: Callable[[], Uptime]
    """The gateway's clock that nobody sets."""
    salt: Callable[[], bytes]
    """16 fresh random bytes."""
    together: Together | None = None
    """Those who are looked at at the same time; None for a meter on its own."""

    def now_utc(self) -> int:
        """The gateway's clock, UTC seconds."""
        return self.now_ms() // 1000

    def up_ms(self) -> int:
        """Milliseconds by the clock that nobody sets: for differences within this process."""
        return self.uptime().ms


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a look at a meter brought."""

    batches: int = 0
    blocks: int = 0
    next_utc: int = 0
    """When to look again."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with the meter, in words."""
    plan: str | None = None
    """How a back-fill that has begun goes on, in words."""


def require_identity(settings: MeterSettings, serial: str | None) -> None:
    """Refuses a meter that gives another serial number than the configured one; one that gives none is signed as such.

    Raises:
        IdentityError: with the remedy.
    """
    if serial is not None and serial != settings.serial:
        raise IdentityError(
            f"meter {settings.id}: expected serial number {settings.serial}, the meter on the wire says {serial}; nothing "
            "of it is signed: check the wiring and the url, or tell the discom of a meter exchange and correct 'serial'"
        )


def sign_draft(site: Site, draft: Draft) -> Sealed | None:
    """The batch of `draft`, signed and stored; None when all of it was signed before."""
    return site.outbox.put(draft, _building(site, draft))


async def sign_together(site: Site, draft: Draft, *, may_wait: bool) -> Sealed | None:
    """`sign_draft`, in one durable step with other meters' batches where it `may_wait` for them."""
    if site.together is None:
        return sign_draft(site, draft)
    return await site.together.put(draft, _building(site, draft), may_wait=may_wait)


def _building(site: Site, draft: Draft) -> Callable[[Place], Sealed]:
    salt = site.salt()
    return lambda place: seal(draft, place, salt=salt, signer=site.signer)


def wire_origin(origin: Origin) -> WireOrigin:
    """How the meter authenticated, as the wire numbers it."""
    return WireOrigin[origin.name]
