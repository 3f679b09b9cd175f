"""`sakshi-sim`: simulated meters on TCP ports and serial lines.

Exit 0 after SIGINT or SIGTERM, 1 when the address or the truth file cannot be had, 2 on misuse.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager

from firmware_sim import fleet
from firmware_sim.dlms import command as dlms
from firmware_sim.dlms.faulty import DLMS_FAULTS
from firmware_sim.dlms.server import PORT as DLMS_PORT
from firmware_sim.errors import SetupError
from firmware_sim.faults import FAULTS
from firmware_sim.meter import Meter
from firmware_sim.modbus import command as modbus
from firmware_sim.options import Checks, Plan, Role, plan
from firmware_sim.truth import truth_text
from firmware_sim.world import DEFAULT_SEED

Clock = Callable[[], int]
Start = Callable[[Clock], AbstractAsyncContextManager[int | str]]
"""What serves a meter while it is open, and gives its port, or its place as it is printed."""


def _shared(parser: argparse.ArgumentParser, port: int, role: Role, faults: Mapping[str, str]) -> None:
    parser.add_argument("--listen", metavar="HOST:PORT", help=f"e.g. 127.0.0.1:{port}; port 0: any free")
    parser.add_argument(
        "--seed", default=str(DEFAULT_SEED), help="the world (default %(default)s: always fair weather)"
    )
    parser.add_argument("--now", metavar="ISO", help="the meter's time at start, with offset; default: this computer's")
    parser.add_argument("--days", default="40", help="days of memory (default %(default)s)")
    parser.add_argument("--period", default="900", help="block length in s: 900, 1800 or 3600 (default %(default)s)")
    parser.add_argument("--role", help=f"{', '.join(each.value for each in Role)} (default {role.value})")
    parser.add_argument("--category", metavar="net|import-only", help="what the meter registers (default: as its role)")
    parser.add_argument("--serial", help="serial number, 1 to 16 letters and digits")
    parser.add_argument("--shape", action="append", default=[], metavar="START/END:export=WH",
                        help="fix the Wh exported (or import=WH) in a span; repeatable")  # fmt: skip
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[=ARG]",
                        help=f"{', '.join(f'{name}={faults[name]}'.rstrip('=') for name in sorted(faults))}; repeatable")  # fmt: skip
    parser.add_argument(
        "--replay", metavar="FILE", help="play a recorded home (CSV block,local_start,load_wh,solar_wh)"
    )
    parser.add_argument("--scale-solar", metavar="X", help="multiply the recorded solar")
    parser.add_argument("--truth", metavar="FILE", help="write what is in memory at start as JSON")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sakshi-sim", description="Simulated meters that speak the real wire.",
                                     allow_abbrev=False)  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", required=True)
    every = {name: kind.argument for name, kind in FAULTS.items()}
    own = {name: kind.argument for name, kind in DLMS_FAULTS.items()}
    first = verbs.add_parser("dlms", help="a DLMS/COSEM meter (IS 15959) over TCP or a serial line", allow_abbrev=False)
    _shared(first, DLMS_PORT, Role.SELLER, every | own)
    dlms.add_arguments(first)
    second = verbs.add_parser("modbus", help="Modbus meters over TCP or a serial line", allow_abbrev=False)
    _shared(second, modbus.PORT, Role.SOLAR, every)
    modbus.add_arguments(second)
    third = verbs.add_parser("fleet", help="many DLMS meters, one TCP port each, for load tests", allow_abbrev=False)
    fleet.add_arguments(third)
    return parser


def _clock(fixed: int | None) -> Clock:
    if fixed is None:
        return lambda: int(time.time())  # noqa: TID251 - the program's only clock
    started = time.monotonic()
    return lambda: fixed + int(time.monotonic() - started)


def _dlms(arguments: argparse.Namespace, checks: Checks) -> tuple[Plan, Start] | None:
    setup = dlms.setup(arguments, checks)
    reached = dlms.wire(arguments, checks)
    planned = plan(arguments, Role.SELLER, checks)
    if planned is None or setup is None or reached is None:
        return None

    def start(now: Clock) -> AbstractAsyncContextManager[int | str]:
        return dlms.serving(setup.device(planned.meter, now), reached, planned.host, planned.port)

    return planned, start


def _modbus(arguments: argparse.Namespace, checks: Checks) -> tuple[Plan, Start] | None:
    made = modbus.setup(arguments, checks)
    if made is None:
        return None
    planned, setup = made

    def start(now: Clock) -> AbstractAsyncContextManager[int | str]:
        return modbus.serving(setup, now, planned.host, planned.port)

    return planned, start


def _fleet(arguments: argparse.Namespace, checks: Checks) -> tuple[fleet.Fleet, Start] | None:
    wanted = fleet.fleet(arguments, checks)
    if wanted is None:
        return None
    checks.take("--meters", lambda _: fleet.allow_files(wanted.meters), "")
    return wanted, lambda now: fleet.serving(wanted, now)


def _check_registers(meter: Meter, now: int) -> None:
    oldest = meter.oldest(now)
    if oldest.imported_wh < 0 or (oldest.exported_wh or 0) < 0:
        raise SetupError("--days: the registers would begin below zero: remember fewer days, or choose a later --now")


async def _run(start: Start, host: str, now: Clock) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with start(now) as place:
        print(f"listening {place if isinstance(place, str) else f'{host}:{place}'}", flush=True)
        await stop.wait()


def _ready(arguments: argparse.Namespace) -> tuple[Plan | fleet.Fleet, Start, Clock]:
    checks = Checks()
    made = {"dlms": _dlms, "modbus": _modbus, "fleet": _fleet}[arguments.verb](arguments, checks)
    if made is None or checks.problems:
        raise SetupError("\n".join(checks.problems))
    planned, start = made
    now = _clock(planned.fixed_now)
    _check_registers(planned.meter, now())
    return planned, start, now


def main(argv: list[str] | None = None) -> int:
    """Run `sakshi-sim` until a signal ends it; gives the exit status."""
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        planned, start, now = _ready(arguments)
    except SetupError as problems:
        for problem in str(problems).splitlines():
            print(f"sakshi-sim: {problem}", file=sys.stderr)
        return 2
    try:
        if isinstance(planned, Plan) and planned.truth is not None:
            planned.truth.write_text(truth_text(planned.meter, now()) + "\n", encoding="utf-8")
        asyncio.run(_run(start, planned.host, now))
    except OSError as problem:
        print(f"sakshi-sim: {problem}: choose another --listen or --truth", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
