"""`sakshi-sim fleet`: many DLMS meters in one process, one TCP port each, for load tests."""

import argparse
import errno
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache

from firmware_sim.dlms import access_options
from firmware_sim.dlms.access_options import choices
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.clients import Access
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import DLMS_FAULTS, DlmsFault, parse_dlms_fault, spoil
from firmware_sim.dlms.server import Framing, session_of
from firmware_sim.errors import SetupError
from firmware_sim.meter import MAX_DAYS, Meter
from firmware_sim.options import Checks, address, one_of, period, whole
from firmware_sim.options import now as parse_now
from firmware_sim.sibling import Family
from firmware_sim.tcp import Session, listen
from firmware_sim.world import DEFAULT_SEED

MOST_METERS = 20_000
_LAST_PORT = 65_535
_FIRST_PORT = 10_240
"""Below the ports that systems give to clients, and above those that services are known by."""
_SPARE_FILES = 64
"""Descriptors for everything that is neither a port nor a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Which meters stand where."""

    host: str
    port: int
    """The first meter's port; 0: so many free ones in a row."""
    meters: int
    first: int
    """Number of the first meter: two fleets share no serial number when their numbers do not overlap."""
    family: Family
    model: Model
    access: Access
    """Of every meter; each has a system title, counters and an encryption key of its own (`encryption_key`)."""
    framing: Framing
    faults: tuple[DlmsFault, ...]
    fixed_now: int | None
    """The meters' time at start in UTC seconds, or None for the computer's clock."""

    @property
    def meter(self) -> Meter:
        """The first one."""
        return self.family.meter(self.first)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What a fleet is asked."""
    parser.add_argument("--listen", required=True, metavar="HOST:PORT",
                        help="the first meter's port, the others behind it; port 0: any free ones in a row")  # fmt: skip
    parser.add_argument("--meters", required=True, metavar="N", help=f"how many, 1 to {MOST_METERS}")
    parser.add_argument("--first", default="0", metavar="N", help="number of the first meter (default %(default)s); "
                        "its serial number is 5 and the number in seven digits")  # fmt: skip
    parser.add_argument("--seed", default=str(DEFAULT_SEED), help="the world (default %(default)s)")
    parser.add_argument("--now", metavar="ISO", help="the meters' time at start, with offset; default: this computer's")
    parser.add_argument("--days", default="40", help="days of memory (default %(default)s)")
    parser.add_argument("--period", default="900", help="block length in s: 900, 1800 or 3600 (default %(default)s)")
    parser.add_argument("--model", default=Model.D1.value, metavar=choices(Model),
                        help="object model of IS 15959-2: single-phase or three-phase (default %(default)s)")  # fmt: skip
    access_options.add_arguments(parser)
    parser.epilog = "The encryption key of a meter is --ek with the meter's number in its last four bytes."
    parser.add_argument("--hdlc", action="store_true", help="HDLC instead of the wrapper; every meter's address is 17")
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=ARG]",
                        help=f"of every meter: {', '.join(sorted(DLMS_FAULTS))}; repeatable")  # fmt: skip


def fleet(arguments: argparse.Namespace, checks: Checks) -> Fleet | None:
    """The fleet that `arguments` describe, or None once `checks` holds a problem."""
    where = checks.take("--listen", address, arguments.listen)
    meters = checks.take("--meters", whole(1, MOST_METERS), arguments.meters)
    first = checks.take("--first", whole(0, 9_999_999 - MOST_METERS), arguments.first)
    seed = checks.take("--seed", whole(0, 2**32 - 1), arguments.seed)
    days = checks.take("--days", whole(1, MAX_DAYS), arguments.days)
    period_s = checks.take("--period", period, arguments.period)
    fixed_now = None if arguments.now is None else checks.take("--now", parse_now, arguments.now)
    model = checks.take("--model", one_of(Model), arguments.model)
    access = access_options.access(arguments, checks)
    faults = checks.each("--fault", parse_dlms_fault, arguments.fault)
    if model is None or access is None:
        return None
    if where is None or meters is None or first is None or seed is None or days is None or period_s is None:
        return None
    if where[1] + meters - 1 > _LAST_PORT:
        checks.problems.append(f"--listen: expected a port up to {_LAST_PORT + 1 - meters} for {meters} meters")
    return Fleet(
        host=where[0],
        port=where[1],
        meters=meters,
        first=first,
        family=Family(seed=seed, period_s=period_s, days=days),
        model=model,
        access=access,
        framing=Framing.HDLC if arguments.hdlc else Framing.WRAPPER,
        faults=faults,
        fixed_now=fixed_now,
    )


def allow_files(meters: int) -> int:
    """Raise this process's limit of open files so that every meter can listen and be read; gives the limit.

    Raises:
        SetupError: when the system does not allow so many.
    """
    needed = 2 * meters + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise SetupError(f"{meters} need {needed} open files, {hard} are allowed: raise `ulimit -Hn`")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return needed


def encryption_key(shared: bytes, number: int) -> bytes:
    """The encryption key of meter `number`: the one that was given, with the number in its last four bytes.

    No two meters may share one: the nonces of a client that reads both would come twice.
    """
    return shared[:-4] + number.to_bytes(4, "big")


@asynccontextmanager
async def serving(wanted: Fleet, now: Callable[[], int]) -> AsyncIterator[str]:
    """Every meter of the fleet on its port while the context is open; gives the place as it is printed.

    Raises:
        OSError: when a port cannot be had.
    """
    async with AsyncExitStack() as stack:
        first = await _ports(stack, wanted, now)
        yield f"{wanted.host}:{first}-{first + wanted.meters - 1}"


async def _ports(stack: AsyncExitStack, wanted: Fleet, now: Callable[[], int]) -> int:
    if wanted.port:
        return await stack.enter_async_context(_in_a_row(wanted, wanted.port, now))
    async with listen(_session(wanted, wanted.first, now), wanted.host, 0) as first:
        pass
    # Among the ports that clients get a long row is seldom free: where it is not at once, it is sought below them.
    is_below = first + wanted.meters - 1 > _LAST_PORT
    first = _FIRST_PORT if is_below else first
    while first + wanted.meters - 1 <= _LAST_PORT:
        try:
            return await stack.enter_async_context(_in_a_row(wanted, first, now))
        except _TakenError as taken:
            first = taken.port + 1 if is_below else _FIRST_PORT
            is_below = True
    raise OSError(errno.EADDRINUSE, f"expected {wanted.meters} free ports in a row")


class _TakenError(OSError):
    """Another program has a port of the row."""

    def __init__(self, cause: OSError, port: int) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.port = port


@asynccontextmanager
async def _in_a_row(wanted: Fleet, first: int, now: Callable[[], int]) -> AsyncIterator[int]:
    async with AsyncExitStack() as stack:
        for place in range(wanted.meters):
            session = _session(wanted, wanted.first + place, now)
            try:
                await stack.enter_async_context(listen(session, wanted.host, first + place, bps=_bps(wanted)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise _TakenError(error, first + place) from error
        yield first


def _bps(wanted: Fleet) -> int | None:
    return next((fault.bps for fault in wanted.faults if fault.bps), None)


def _session(wanted: Fleet, number: int, now: Callable[[], int]) -> Callable[[], Session]:
    """What makes the connections of meter `number`; the meter itself is made with the first."""

    @lru_cache(maxsize=1)
    def device() -> Device:
        meter = wanted.family.meter(number)
        return spoil(Device(meter, now=now, access=_access(wanted, number), model=wanted.model), wanted.faults)

    return lambda: session_of(device(), wanted.framing)


def _access(wanted: Fleet, number: int) -> Access:
    keys = wanted.access.keys
    if keys is None:
        return wanted.access
    return replace(wanted.access, keys=replace(keys, encryption=encryption_key(keys.encryption, number)))
