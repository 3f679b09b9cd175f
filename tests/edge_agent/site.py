"""A site in a test: what a gateway's meters share, and the settings of one of them."""

from collections.abc import Callable

from edge_agent.clock import Uptime
from edge_agent.config import MeterSettings, PollSettings
from edge_agent.outbox.outbox import Outbox
from edge_agent.site import Site
from signing.statements.reading_batch import ClockSource
from tests.edge_agent.gateway import SOFTWARE, Gateway

POLL = PollSettings(interval_s=60, settle_s=30, patience_s=1800, absent_retry_s=21_600, witness_s=10)


def settings(**changes: object) -> MeterSettings:
    values: dict[str, object] = {
        "id": "M1",
        "serial": "SERIAL1",
        "url": "",
        "period_s": None,
        "backfill_days": 1,
        "max_block_wh": None,
    }
    return MeterSettings(**{**values, **changes})  # type: ignore[arg-type]  # the caller names fields


def site(
    gateway: Gateway, outbox: Outbox, now_ms: Callable[[], int], uptime: Callable[[], Uptime] | None = None
) -> Site:
    """What a gateway's meters share; without `uptime`, nobody ever sets its wall clock."""
    return Site(
        poll=POLL,
        outbox=outbox,
        signer=gateway.signer,
        software=SOFTWARE,
        now_ms=now_ms,
        reference=lambda: ClockSource.NTP,
        uptime=uptime or (lambda: Uptime(boot="boot", ms=now_ms())),
        salt=lambda: bytes(16),
    )
