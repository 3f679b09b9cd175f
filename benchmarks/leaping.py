"""A clock that three processes share and one sets ahead: a month of polls in minutes, by the programs' own timers.

``python -m benchmarks.leaping agent CLOCK CONFIG`` is `sakshi-agent run`, ``… fleet CLOCK OPTION…`` is `sakshi-sim fleet`, both on the
clock in the file CLOCK. Nothing else about them differs: no pause is left out, it only passes at once.
"""

import argparse
import asyncio
import contextlib
import logging
import mmap
import os
import selectors
import signal
import struct
import sys
import time
from functools import partial
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.clock import Uptime
from edge_agent.config import load
from edge_agent.journal import JsonLines
from edge_agent.outbox.outbox import Outbox
from edge_agent.readers.open import open_reader
from edge_agent.vault import GatewayVault
from firmware_sim import fleet
from firmware_sim.options import Checks
from signing.signer import open_signer

_AHEAD = struct.Struct("d")


def computer_s() -> float:
    """The computer's clock, UTC seconds: real programs are measured by it."""
    return time.time()  # noqa: TID251 - see above


class LeapingClock:
    """The computer's clock and so many seconds more, in a file that processes share."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _AHEAD.size)
            self._shared = mmap.mmap(descriptor, _AHEAD.size)
        finally:
            os.close(descriptor)

    @property
    def ahead_s(self) -> float:
        """How far it was set ahead."""
        (ahead,) = _AHEAD.unpack_from(self._shared)
        return float(ahead)

    def now_s(self) -> float:
        """UTC seconds."""
        return computer_s() + self.ahead_s

    def uptime(self) -> Uptime:
        """The clock that nobody sets, as far ahead: what leaps is the time, and no clock is set."""
        return Uptime(boot="leaping", ms=int((time.monotonic() + self.ahead_s) * 1000))

    def leap(self, seconds: float) -> None:
        """Sets it ahead. Whoever sleeps has to be woken: a process of this module by SIGUSR1."""
        _AHEAD.pack_into(self._shared, 0, self.ahead_s + seconds)

    def close(self) -> None:
        """Lets go of the file."""
        self._shared.close()


class _Loop(asyncio.SelectorEventLoop):
    """Timers by the leaping clock."""

    def __init__(self, clock: LeapingClock) -> None:
        super().__init__(selectors.EpollSelector())
        self._clock = clock

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop.time`."""
        return time.monotonic() + self._clock.ahead_s


def _agent(clock: LeapingClock, path: Path) -> None:
    config = load(path)
    signer = open_signer(config.key)
    now_utc = partial(_whole, clock)
    with (
        Outbox(config.database, capacity=config.capacity) as outbox,
        GatewayVault(config.database, wrapping=config.wrapping_key, now_utc=now_utc) as vault,
    ):
        outbox.take_along(vault.journal)
        opener = partial(open_reader, vault=vault)
        running = Agent(config, outbox, signer, opener, clock.now_s, uptime=clock.uptime)
        with asyncio.Runner(loop_factory=partial(_Loop, clock)) as runner:
            runner.run(_until_stopped(running))


async def _until_stopped(running: Agent) -> None:
    task = asyncio.ensure_future(running.run())
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    loop.add_signal_handler(signal.SIGUSR1, int)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _whole(clock: LeapingClock) -> int:
    return int(clock.now_s())


def _fleet(clock: LeapingClock, options: list[str]) -> None:
    parser, checks = argparse.ArgumentParser(), Checks()
    fleet.add_arguments(parser)
    wanted = fleet.fleet(parser.parse_args(options), checks)
    if wanted is None or checks.problems:
        raise SystemExit("\n".join(checks.problems))

    async def serve() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        async with fleet.serving(wanted, partial(_whole, clock)) as place:
            print(f"listening {place}", flush=True)
            await stop.wait()

    asyncio.run(serve())


def main() -> None:
    """As the module says."""
    kind, path, *rest = sys.argv[1:]
    clock = LeapingClock(Path(path))
    if kind == "fleet":
        _fleet(clock, rest)
        return
    stream = logging.StreamHandler(sys.stderr)
    stream.setFormatter(JsonLines())
    logging.getLogger("sakshi").handlers = [stream]
    logging.getLogger("sakshi").setLevel(logging.INFO)
    _agent(clock, Path(rest[0]))


if __name__ == "__main__":
    main()
