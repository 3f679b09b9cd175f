"""The uplink carried out: what the state machine asks for, done to the outbox and the broker connection."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable

from edge_agent.config import Config, secret
from edge_agent.journal import fields
from edge_agent.mqtt import Credentials, Link, Purpose
from edge_agent.outbox.errors import DiskFullError, OutboxError
from edge_agent.outbox.outbox import Outbox
from edge_agent.steps import (
    Action,
    Alarm,
    Arrived,
    Connect,
    Delay,
    Event,
    Ignored,
    LinkDown,
    LinkUp,
    Obey,
    Offered,
    Park,
    Publish,
    Settle,
    Settled,
    Tick,
    Want,
)
from edge_agent.uplink import Pinned, Uplink
from signing.errors import KeyUnavailableError
from signing.statements.answers import Command, Refusal

LOG = logging.getLogger("sakshi.agent.uplink")

TICK_S = 1.0
PRUNE_S = 3600
HOLD_S = 30
"""How long nothing is sent after the disk refused to note an answer: the answers would be asked for in vain."""
MAX_HEARD = 1000
"""Answers that wait to be handled; more are dropped, since a batch that is sent again is answered again."""

MOST_UNWRITTEN = 16
"""Answers that wait for others, to be noted in one durable step; none waits for longer than a second."""


class Forwarder:
    """One gateway's uplink at work. `now_s` is the clock; `obeyed` hears which meter a command touched."""

    def __init__(
        self, settings: Config, outbox: Outbox, now_s: Callable[[], float], obeyed: Callable[[str], None]
    ) -> None:
        self._config = settings
        self._outbox = outbox
        self._now_s = now_s
        self._obeyed = obeyed
        self._uplink = Uplink(
            pinned=Pinned(
                gateway=settings.gateway,
                log_key=settings.discom.log_key,
                statement_keys=settings.discom.statement_keys,
            ),
            delays=settings.delays,
            seen=outbox.sightings.seen(),
            roots=outbox.sightings.roots(),
            jitter=random.SystemRandom().random,
        )
        self._heard: asyncio.Queue[LinkUp | LinkDown | Arrived | Tick] = asyncio.Queue()
        self._link: Link | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._held_until_s = 0.0
        self._prune_at_s = 0.0
        self._unwritten: list[Settle] = []
        """Verified answers that are not on disk yet. After a crash their batches are sent, and answered, again."""
        self._unwritten_since_s = 0.0

    def hear(self, event: LinkUp | LinkDown | Arrived | Tick) -> None:
        """Takes an event; it is handled by a later `step`. Answers that are too many are dropped, and what became of the link never:
        whoever did not hear that it broke would wait for it until the next start.
        """
        if self._heard.qsize() >= MAX_HEARD and not isinstance(event, LinkUp | LinkDown):
            LOG.warning("answers dropped", extra=fields(waiting=MAX_HEARD))
            return
        self._heard.put_nowait(event)

    async def step(self) -> None:
        """Handles the next event, or a `Tick` when nothing is heard for a second.

        Raises:
            StateError: the state cannot be written.
        """
        event: Event
        try:
            async with asyncio.timeout(TICK_S):
                event = await self._heard.get()
        except TimeoutError:
            event = Tick()
        if isinstance(event, LinkDown):
            await self.close()
        await self._handle(event)
        if not 0 <= self._prune_at_s - self._now_s() <= PRUNE_S:
            self._prune_at_s = self._now_s() + PRUNE_S
            self._prune()

    async def close(self) -> None:
        """Leaves the broker, and notes what it has answered. Idempotent."""
        # What cannot be noted now is answered again.
        with contextlib.suppress(OutboxError):
            self._write()
        link, self._link = self._link, None
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            await asyncio.gather(connecting, return_exceptions=True)
        if link is not None:
            await link.close()

    async def _handle(self, event: Event) -> None:
        """Feeds the uplink, carries out what it asks for, and feeds it what follows."""
        events = deque([event])
        while events:
            current = events.popleft()
            if isinstance(current, LinkDown):
                LOG.info("broker away", extra=fields(reason=current.reason))
            if isinstance(current, LinkUp):
                LOG.info("broker connected", extra=fields(host=self._config.broker.host))
            for action in self._uplink.handle(current, int(self._now_s())):
                try:
                    follows = self._carry_out(action)
                except DiskFullError as error:
                    self._hold(error)
                    continue
                if follows is not None:
                    events.append(follows)
        if self._is_to_be_written(event):
            try:
                self._write()
            except DiskFullError as error:
                self._hold(error)

    def _is_to_be_written(self, event: Event) -> bool:
        """Whether the answers so far wait no longer: nothing else is expected, they are many, or wait a second."""
        if isinstance(event, Tick) and self._is_held():
            return False
        is_late = not 0 <= self._now_s() - self._unwritten_since_s < TICK_S
        return is_late or not self._uplink.in_flight or len(self._unwritten) >= MOST_UNWRITTEN

    def _write(self) -> None:
        """Notes all answers that are held, in one durable step; they stay held where that fails."""
        if not self._unwritten:
            return
        freed = self._outbox.settle_all(self._unwritten, int(self._now_s()))
        LOG.info("receipted", extra=fields(batches=freed, tree_size=self._unwritten[-1].checkpoint.size))
        self._unwritten.clear()

    def _hold(self, error: DiskFullError) -> None:
        self._held_until_s = self._now_s() + HOLD_S
        LOG.error("answer not noted", extra=fields(reason=str(error)))

    def _is_held(self) -> bool:
        return 0 < self._held_until_s - self._now_s() <= HOLD_S

    def _carry_out(self, action: Action) -> Event | None:
        match action:
            case Connect():
                return self._connect()
            case Want(count, excluding):
                return self._offer(count, excluding)
            case Publish(_, payload):
                if self._link is not None:
                    self._link.publish(payload)
            case Settle():
                if not self._unwritten:
                    self._unwritten_since_s = self._now_s()
                self._unwritten.append(action)
                return Settled(action)
            case Obey(command):
                self._write()  # a command to send again bears on what has its receipt
                return self._obey(command)
            case Delay() | Park() | Alarm() | Ignored():
                self._note(action)
        return None

    def _note(self, action: Delay | Park | Alarm | Ignored) -> None:
        match action:
            case Delay():
                self._outbox.delay(action)
                reason = None if action.refusal is None else _words(action.refusal)
                LOG.info("sent again later", extra=fields(batch=action.digest.hex()[:16], reason=reason))
            case Park():
                self._outbox.park(action)
                LOG.warning("parked", extra=fields(batch=action.digest.hex()[:16], reason=_words(action.refusal)))
            case Alarm():
                if self._outbox.sightings.alarm(action, int(self._now_s())):
                    LOG.error(action.kind.value, extra=fields(reason=action.message))
            case Ignored(reason):
                LOG.info("answer ignored", extra=fields(reason=reason))

    def _obey(self, command: Command) -> Event | None:
        touched = self._outbox.obey(command)
        LOG.info("obeyed", extra=fields(command=command.kind.name, number=command.number, touched=touched))
        if not touched:
            return None
        self._obeyed(command.meter)
        return Tick()

    def _offer(self, count: int, excluding: frozenset[bytes]) -> Event | None:
        if self._is_held():
            return None
        answered = {receipt.digest for each in self._unwritten for receipt in each.receipts}
        batches = self._outbox.to_send(
            now_utc=int(self._now_s()),
            limit=count,
            excluding=excluding | answered,
            longest_delay_s=self._config.delays.longest_s,
        )
        return Offered(batches) if batches else None

    def _connect(self) -> Event | None:
        try:
            credentials = broker_credentials(self._config)
            self._link = Link(self._config.broker, self._config.address, Purpose.RUN, credentials, self.hear)
        except (KeyUnavailableError, OSError) as error:
            return LinkDown(str(error))
        self._connecting = asyncio.create_task(self._link.open())
        return None

    def _prune(self) -> None:
        try:
            pruned = self._outbox.prune(int(self._now_s()))
        except DiskFullError as error:
            LOG.error("disk full", extra=fields(reason=str(error)))  # noqa: TRY400 - for an operator
            return
        backlog = self._outbox.report.backlog()
        level = logging.WARNING if backlog.parked else logging.INFO
        LOG.log(level, "outbox", extra=fields(waiting=backlog.waiting, parked=backlog.parked, pruned=pruned))


def broker_credentials(settings: Config) -> Credentials | None:
    """What the broker asks for, read afresh.

    Raises:
        KeyUnavailableError: the password cannot be read.
    """
    broker = settings.broker
    if broker.username is None:
        return None
    password = None if broker.password is None else secret(broker.password)
    return Credentials(username=broker.username, password=password)


def _words(refusal: Refusal) -> str:
    return f"({refusal.number}) {refusal.reason}"
