"""`sakshi-sim modbus` on the command line: what its options mean, and what is served then."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import dataclass

from firmware_sim.errors import SetupError
from firmware_sim.meter import Meter
from firmware_sim.modbus.line_faults import LINE_FAULTS, LineFault, Noisy, parse_line_fault
from firmware_sim.modbus.personalities import MAPS, OtherWordOrder, end_wh
from firmware_sim.modbus.rtu import Slaves
from firmware_sim.modbus.serial import BAUDS, PARITIES, LineSpeed, serve_port, serve_pty
from firmware_sim.modbus.server import serve_units
from firmware_sim.modbus.session import Others
from firmware_sim.modbus.shown import REGISTER_FAULTS, RegisterFault, Shown, bent, parse_register_fault
from firmware_sim.modbus.table import Registers
from firmware_sim.options import Checks, Plan, Role, one_of, plan, whole

PORT = 502
MOST_UNITS = 32
"""As many as a line carries without a repeater. Source: MODBUS over Serial Line V1.02, 3.4.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Which meters stand where, and what is wrong with their line."""

    units: Mapping[int, Registers]
    others: Others
    is_pty: bool
    path: str | None
    """A serial port of this machine."""
    speed: LineSpeed
    faults: Sequence[LineFault]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What only a Modbus meter is asked."""
    parser.add_argument("--map", required=True, help=f"register map: {', '.join(sorted(MAPS))}")
    parser.add_argument("--unit", default="1", metavar="ID[,ID...]",
                        help="unit ids, 1 to 247: a meter each, of the seeds from --seed on (default %(default)s)")  # fmt: skip
    parser.add_argument("--others", default=Others.GATEWAY.value, metavar="gateway|silent",
                        help="over TCP, other unit ids get exception 11, or silence (default %(default)s)")  # fmt: skip
    parser.add_argument("--pty", action="store_true", help="RTU on a pseudo-terminal, whose path is printed")
    parser.add_argument("--serial-port", metavar="PATH", help="RTU on a serial port")
    parser.add_argument("--baud", default="9600", help="speed of the serial line (default %(default)s)")
    parser.add_argument(
        "--parity", default="N", metavar="N|E|O", help="parity of the serial port (default %(default)s)"
    )
    names = (f"{name}={argument}" if argument else name for name, argument in sorted(REGISTER_FAULTS.items()))
    parser.add_argument("--register-fault", action="append", default=[], metavar="NAME[=ISO]",
                        help=f"{', '.join(names)}; repeatable")  # fmt: skip
    parser.add_argument("--line-fault", action="append", default=[], metavar="NAME[=S]",
                        help=f"{', '.join(sorted(LINE_FAULTS))}; slow and late take seconds, noisy is a serial line's; repeatable")  # fmt: skip


def setup(arguments: argparse.Namespace, checks: Checks) -> tuple[Plan, Setup] | None:
    """What `arguments` describe, or None once `checks` holds a problem."""
    places = [arguments.listen is not None, arguments.pty, arguments.serial_port is not None]
    if sum(places) != 1:
        checks.problems.append("--listen: give one of --listen HOST:PORT, --pty and --serial-port PATH")
    units = checks.take("--unit", _units, arguments.unit)
    others = checks.take("--others", one_of(Others), arguments.others)
    bends = checks.each("--register-fault", parse_register_fault, arguments.register_fault)
    make = checks.take("--map", lambda text: _model(text, bends), arguments.map)
    speed = checks.take("--baud", lambda text: _speed(text, arguments.parity), arguments.baud)
    faults = checks.each("--line-fault", parse_line_fault, arguments.line_fault)
    if arguments.listen is not None and any(isinstance(fault, Noisy) for fault in faults):
        checks.problems.append(
            "--line-fault: noisy needs --pty or --serial-port: TCP's own checksums keep turned bits away"
        )
    planned = plan(arguments, Role.SOLAR, checks)
    if planned is None or units is None or others is None or make is None or speed is None:
        return None
    tables = {}
    for number, unit in enumerate(units):
        meter = planned.meter if number == 0 else _neighbour(arguments, number, checks)
        tables[unit] = None if meter is None else _registers(make, meter, unit, checks)
    made = {unit: table for unit, table in tables.items() if table is not None}
    if len(made) < len(units):
        return None
    return planned, Setup(
        units=made, others=others, is_pty=arguments.pty, path=arguments.serial_port, speed=speed, faults=faults
    )


def serving(
    wanted: Setup, now: Callable[[], int], host: str, port: int
) -> AbstractAsyncContextManager[int] | AbstractAsyncContextManager[str]:
    """The meters while the context is open; gives the TCP port, or the path of the serial line."""
    if wanted.path is None and not wanted.is_pty:
        return serve_units(wanted.units, now=now, others=wanted.others, host=host, port=port, faults=wanted.faults)
    slaves = Slaves(wanted.units, now=now)
    if wanted.path is not None:
        return serve_port(slaves, wanted.path, speed=wanted.speed, faults=wanted.faults)
    return serve_pty(slaves, speed=wanted.speed, faults=wanted.faults)


def _registers(make: Callable[[Meter, int], Registers], meter: Meter, unit: int, checks: Checks) -> Registers | None:
    return checks.take("--serial", lambda _: make(meter, unit), "")


def _neighbour(arguments: argparse.Namespace, number: int, checks: Checks) -> Meter | None:
    """The meter of the home `number` seeds on."""
    other = copy(arguments)
    other.seed, other.serial = str(int(arguments.seed) + number), None
    planned = plan(other, Role.SOLAR, checks)
    return None if planned is None else planned.meter


def _units(text: str) -> tuple[int, ...]:
    parse = whole(1, 247)
    units = tuple(parse(each) for each in text.split(","))
    if len(set(units)) < len(units) or len(units) > MOST_UNITS:
        raise SetupError(f"expected at most {MOST_UNITS} unit ids, each once, got {text!r}")
    return units


def _model(text: str, faults: Sequence[RegisterFault]) -> Callable[[Meter, int], Registers]:
    if text not in MAPS:
        raise SetupError(f"expected one of {', '.join(sorted(MAPS))}, got {text!r}")
    return lambda meter, unit: faulty(text, meter, unit, faults)


def faulty(model: str, meter: Shown, unit: int, faults: Sequence[RegisterFault]) -> Registers:
    """The registers of a personality under `faults`.

    Raises:
        SetupError: the meter cannot be of this model.
    """
    registers = MAPS[model](bent(meter, faults, end_wh(model)), unit)
    return OtherWordOrder(registers) if any(fault.name == "word-order" for fault in faults) else registers


def _speed(text: str, parity: str) -> LineSpeed:
    if text not in {str(baud) for baud in BAUDS} or parity not in PARITIES:
        raise SetupError(
            f"expected one of {', '.join(map(str, BAUDS))} and --parity N, E or O, got {text!r} and {parity!r}"
        )
    return LineSpeed(baud=int(text), parity=parity)
