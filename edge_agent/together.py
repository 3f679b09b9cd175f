"""Meters that are looked at at the same time share one durable step for what was read of them: on a card of flash, a commit costs
pages, however little is in it.

Whoever has live blocks to sign waits for those who are being looked at and have not signed yet, a second at most; its batch is on
disk when it goes on, as if it had not waited. Somebody who reads alone, or back-fills, waits for nobody.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from edge_agent.drafts import Draft, Place, Sealed
from edge_agent.outbox.errors import OutboxError
from edge_agent.outbox.outbox import Entry, Outcome
from signing.errors import SigningError

WAIT_S = 1.0
"""The longest that a batch waits for those of other meters."""
PutAll: TypeAlias = Callable[[Sequence[Entry]], Sequence[Outcome]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    entry: Entry
    outcome: "asyncio.Future[Outcome]"


class Together:
    """Who is being looked at, and what waits to be signed. `put_all` is `Outbox.put_all`."""

    def __init__(self, put_all: PutAll) -> None:
        self._put_all = put_all
        self._expected: set[asyncio.Task[object] | None] = set()
        """Tasks whose look has not come to a batch yet."""
        self._waiting: list[_Waiting] = []

    @contextmanager
    def looking(self) -> Iterator[None]:
        """While the running task looks at a meter, others that have something to sign may wait for it."""
        task = asyncio.current_task()
        self._expected.add(task)
        try:
            yield
        finally:
            self._expected.discard(task)
            self._put_when_all_are_here()

    async def put(self, draft: Draft, build: Callable[[Place], Sealed], *, may_wait: bool) -> Sealed | None:
        """See `Outbox.put`; together with what others have to sign where it `may_wait`."""
        waiting = _Waiting(entry=Entry(draft=draft, build=build), outcome=asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._expected.discard(asyncio.current_task())
        try:
            if not may_wait:
                self._put()
            self._put_when_all_are_here()
            await asyncio.wait([waiting.outcome], timeout=WAIT_S)
            if not waiting.outcome.done():
                self._put()
            outcome = waiting.outcome.result()
        finally:
            if waiting in self._waiting:  # whoever is cancelled signs nothing
                self._waiting.remove(waiting)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _put_when_all_are_here(self) -> None:
        if not self._expected:
            self._put()

    def _put(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        outcomes: Sequence[Outcome] = [RuntimeError("another meter's fault kept the batch from being signed")] * len(
            waiting
        )
        try:
            outcomes = self._put_all([each.entry for each in waiting])
        except (OutboxError, SigningError) as error:
            outcomes = [error] * len(waiting)
        finally:
            for each, outcome in zip(waiting, outcomes, strict=True):
                each.outcome.set_result(outcome)
