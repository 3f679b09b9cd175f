"""A meter that sends its values to a head-end by itself, over TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_sim.dlms.notification import Notifier


async def push_once(notifier: Notifier, host: str, port: int) -> bool:
    """Send the next notification on a connection of its own; whether it could be delivered."""
    frame = notifier.frame()
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
        await push_once(notifier, host, port)
        await asyncio.sleep(interval_s)


@asynccontextmanager
async def pushing(notifier: Notifier, host: str, port: int, *, interval_s: float) -> AsyncIterator[None]:
    """Push at once and then every `interval_s` seconds while the context is open."""
    task = asyncio.create_task(_push_on(notifier, host, port, interval_s))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
