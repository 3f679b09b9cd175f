"""A meter that sends its values to a head-end by itself, over TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push_setup import Push

BEAT_S = 0.5
"""How often the meter looks at its clock for what it has to push."""


async def push_once(notifier: Notifier, host: str, port: int, push: Push = Push.INSTANT) -> bool:
    """Send the next notification on a connection of its own; whether it could be delivered."""
    return all([await _sent(frame, host, port) for frame in notifier.frames(push)])


async def _sent(frame: bytes, host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(frame)
        await writer.drain()
    except OSError:
        return False
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return True


async def _push_on(notifier: Notifier, host: str, port: int, interval_s: float) -> None:
    while True:
        # What is not received is lost: a meter does not keep its pushes.
        if notifier.is_on():
            await push_once(notifier, host, port)
        await asyncio.sleep(interval_s)


async def _push_what_happens(notifier: Notifier, host: str, port: int, beat_s: float, *, at_block_ends: bool) -> None:
    seen = notifier.now()
    while True:
        await asyncio.sleep(beat_s)
        now = notifier.now()
        for push in notifier.due(seen, now, at_block_ends=at_block_ends):
            await push_once(notifier, host, port, push)
        seen = now


@asynccontextmanager
async def pushing(
    notifier: Notifier, host: str, port: int, *, interval_s: float | None, beat_s: float = BEAT_S
) -> AsyncIterator[None]:
    """Push alerts whenever the power goes or comes, and the instantaneous values at once and every `interval_s` seconds, or at the
    end of every block where that is None, while the context is open.
    """
    tasks = [
        asyncio.create_task(_push_what_happens(notifier, host, port, beat_s, at_block_ends=interval_s is None)),
    ]
    if interval_s is not None:
        tasks.append(asyncio.create_task(_push_on(notifier, host, port, interval_s)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
