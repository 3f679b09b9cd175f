"""Whose turn it is on a line that carries one request at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

YIELD_S: Final = 0.5
"""How long one that did not answer last time lets the others go first: they all want the line at the same boundary."""


class Turns:
    """One at a time, in the order they came; those that did not answer last time after all others.

    A meter that is gone costs its line a whole time-out at each boundary, and the others have only seconds to be witnessed.
    """

    def __init__(self, *, yield_s: float = YIELD_S) -> None:
        self._yield_s = yield_s
        self._is_taken = False
        self._late: set[Hashable] = set()
        self._first: deque[asyncio.Future[None]] = deque()
        self._last: deque[asyncio.Future[None]] = deque()

    def was_late(self, who: Hashable) -> None:
        """Notes that `who` did not answer."""
        self._late.add(who)

    def was_there(self, who: Hashable) -> None:
        """Notes that `who` answered, whatever it said."""
        self._late.discard(who)

    @asynccontextmanager
    async def turn(self, who: Hashable) -> AsyncIterator[None]:
        """The line is `who`'s while the context is open."""
        if who in self._late:
            await asyncio.sleep(self._yield_s)
        await self._take(self._last if who in self._late else self._first)
        try:
            yield
        finally:
            self._pass_on()

    async def _take(self, queue: deque[asyncio.Future[None]]) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.cancelled():
                queue.remove(mine)
            else:
                # The turn had come already: it goes to the next one.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        # One that is done is cancelled and not yet woken: it leaves by itself.
        waiting = next((each for each in (*self._first, *self._last) if not each.done()), None)
        if waiting is None:
            self._is_taken = False
            return
        (self._first if waiting in self._first else self._last).remove(waiting)
        waiting.set_result(None)
