"""`sakshi-agent check`: does everything that the configuration names answer, and is it what it should be?"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from edge_agent.config import Config, MeterSettings
from edge_agent.errors import ReaderError
from edge_agent.forward import broker_credentials
from edge_agent.mqtt import Link, Purpose
from edge_agent.outbox.errors import OutboxError
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.access import HEAD_END_CLIENTS, client_of, is_keyed, password_file
from edge_agent.readers.modbus.reader import map_doubt
from edge_agent.readers.reader import Reader, SampledReader
from edge_agent.site import IdentityError, require_identity
from edge_agent.steps import Arrived, LinkDown, LinkUp
from signing.errors import SigningError
from signing.interval import utc_text
from signing.signer import open_signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What became of one thing that was checked."""

    what: str
    is_good: bool
    text: str
    """What was found; for a bad one, with the remedy. Never a secret."""
    is_warning: bool = False
    """Nothing is wrong yet, and somebody should look."""


async def check(settings: Config, open_reader: Callable[[str], Reader | SampledReader]) -> list[Finding]:
    """The key and the state, every meter, the broker. Nothing is signed, sent or changed."""
    findings = [key_and_state(settings)]
    for found in await asyncio.gather(*(_meter(meter, open_reader) for meter in settings.meters)):
        findings += found
    findings += plain_passwords(settings)
    findings.append(await broker(settings))
    return findings


def key_and_state(settings: Config) -> Finding:
    """Whether the key can sign and the state is that of this gateway, key and meters."""
    try:
        kid = open_signer(settings.key).public_key.kid
        with Outbox(settings.database, capacity=settings.capacity) as outbox:
            outbox.require(gateway=settings.gateway, kid=kid, meters=[meter.id for meter in settings.meters])
    except (SigningError, OutboxError) as error:
        return Finding(what="key and state", is_good=False, text=str(error))
    return Finding(what="key and state", is_good=True, text=f"key {kid.hex()}")


def shared_associations(settings: Config, shared_since: Callable[[str], int | None]) -> list[Finding]:
    """Warnings about ciphered associations that the discom's own head-end probably uses too: each reading of ours advances
    the invocation counter under it. `shared_since` says when somebody else's counters were last seen in a meter's.
    """
    found = []
    for meter in settings.meters:
        seen_utc = shared_since(meter.id)
        if seen_utc is not None:
            text = f"somebody else's invocation counters were seen in this association at {utc_text(seen_utc)}"
        elif is_keyed(meter.url) and client_of(meter.url) in HEAD_END_CLIENTS:
            text = "this association is probably the head-end's too, whose invocation counter it advances"
        else:
            continue
        remedy = "ask the discom for an association and a system title of the agent's own"
        found.append(Finding(what=f"meter {meter.id}", is_good=True, is_warning=True, text=f"{text}: {remedy}"))
    return found


def plain_passwords(settings: Config) -> list[Finding]:
    """Warnings about meters' passwords that lie on this disk as they are: sealed ones are worth nothing without the gateway's key."""
    found = []
    for meter in settings.meters:
        path = password_file(meter.url)
        if path is None:
            continue
        text = f"its password is in plain in {path}"
        with contextlib.suppress(OSError):
            if path.stat().st_mode & 0o077:
                text += ", which is open to others (`chmod 600`)"
        remedy = "have it sealed by `sakshi-agent keys wrap --lls`, import it, and name keys=store:METER instead"
        found.append(Finding(what=f"meter {meter.id}", is_good=True, is_warning=True, text=f"{text}: {remedy}"))
    return found


async def _meter(settings: MeterSettings, open_reader: Callable[[str], Reader | SampledReader]) -> list[Finding]:
    what = f"meter {settings.id}"
    try:
        async with open_reader(settings.url) as reader:
            serial = (await reader.identity()).serial
            require_identity(settings, serial)
            period_s = (await reader.layout()).capture_period_s if isinstance(reader, Reader) else None
    except (ReaderError, IdentityError) as error:
        return [Finding(what=what, is_good=False, text=str(error).removeprefix(f"{what}: "))]
    if period_s is not None and settings.period_s not in {None, period_s}:
        text = f"expected blocks of {settings.period_s} s, the meter's are {period_s} s: correct 'period_s'"
        return [Finding(what=what, is_good=False, text=text)]
    shown = "gives no serial number" if serial is None else f"serial number {serial}"
    found = [Finding(what=what, is_good=True, text=f"{shown}, {reader.origin.value}")]
    doubt = map_doubt(reader)
    if doubt is not None:
        found.append(Finding(what=what, is_good=True, is_warning=True, text=doubt))
    return found


async def broker(settings: Config) -> Finding:
    """Whether the broker takes the connection and the subscription."""
    what = f"broker {settings.broker.host}:{settings.broker.port}"
    heard: asyncio.Queue[LinkUp | LinkDown | Arrived] = asyncio.Queue()
    try:
        link = Link(settings.broker, settings.address, Purpose.CHECK, broker_credentials(settings), heard.put_nowait)
    except (SigningError, OSError) as error:
        return Finding(what=what, is_good=False, text=str(error))
    try:
        await link.open()
        event = await heard.get()
    finally:
        await link.close()
    if isinstance(event, LinkDown):
        return Finding(what=what, is_good=False, text=event.reason)
    return Finding(what=what, is_good=True, text=f"connected, subscribed to {settings.address.down}")
