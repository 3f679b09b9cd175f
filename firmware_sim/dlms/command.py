"""`sakshi-sim dlms` on the command line: what its options mean, and what is served then."""

import argparse
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from firmware_sim.dlms import access_options
from firmware_sim.dlms.access_options import choices, octets
from firmware_sim.dlms.catalogue import Model
from firmware_sim.dlms.ciphering import Counters
from firmware_sim.dlms.clients import READER_SAP, UTILITY_SAP, Access, Ciphering
from firmware_sim.dlms.device import DEFAULT_MAX_PDU, Device, Occupancy, Stale
from firmware_sim.dlms.faulty import DlmsFault, is_of_every_meter, parse_dlms_fault, spoil
from firmware_sim.dlms.gcm import TITLE_SIZE
from firmware_sim.dlms.hdlc import (
    DEFAULT_INFORMATION,
    DEFAULT_PHYSICAL,
    LARGEST_INFORMATION,
    LARGEST_WINDOW,
    SMALLEST_INFORMATION,
    Sizes,
)
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push import pushing
from firmware_sim.dlms.serial import serve_port, serve_pty
from firmware_sim.dlms.server import Framing, serve_device, session_of
from firmware_sim.errors import SetupError
from firmware_sim.meter import Meter
from firmware_sim.options import Checks, address, one_of, whole

T = TypeVar("T")

_BLOCK = "block"
SPEEDS = (1, 1_000_000)
"""Bounds of a line's speed in bits a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """Where a meter is reached, and how. Neither path nor pty is a TCP port."""

    framing: Framing
    physical: int
    sizes: Sizes
    bps: int | None
    pty: bool
    path: str | None
    push: tuple[str, int] | None
    push_interval_s: int | None
    """None: at the end of every block."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a meter is set up beside its premises."""

    model: Model
    access: Access
    title: bytes | None
    stale: Stale
    counter: int
    inactivity_s: int | None
    max_pdu: int
    faults: tuple[DlmsFault, ...] = ()

    def device(self, meter: Meter, now: Callable[[], int]) -> Device:
        """`meter`, set up so; `now` is its clock in UTC seconds."""
        device = Device(
            meter,
            now=now,
            access=self.access,
            model=self.model,
            title=self.title,
            counters=Counters(accepted={READER_SAP: self.counter, UTILITY_SAP: self.counter}),
            max_pdu=self.max_pdu,
            stale=self.stale,
            occupancy=None if self.inactivity_s is None else Occupancy(self.inactivity_s),
        )
        return spoil(device, self.faults)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What only a DLMS meter is asked."""
    _add_objects(parser)
    access_options.add_arguments(parser)
    _add_habits(parser)
    _add_wire(parser)


def _add_objects(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=Model.D1.value, metavar=choices(Model),
                        help="object model of IS 15959-2: single-phase or three-phase (default %(default)s)")  # fmt: skip
    parser.add_argument("--push", metavar="HOST:PORT",
                        help="push there (DataNotification): instantaneous values, and an alert when the power goes or comes")  # fmt: skip
    parser.add_argument("--push-interval", default="900", metavar=f"S|{_BLOCK}",
                        help="seconds between pushes of values, or at the end of every block (default %(default)s)")  # fmt: skip
    parser.add_argument("--max-pdu", default=str(DEFAULT_MAX_PDU), metavar="N",
                        help="longest APDU in bytes (default %(default)s)")  # fmt: skip


def _add_habits(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--system-title", metavar="TITLE", help="16 hexadecimal digits or file:PATH; default: SKS + serial"
    )
    parser.add_argument("--counter", default="0", metavar="N",
                        help="last invocation counter accepted before the start (default %(default)s)")  # fmt: skip
    parser.add_argument("--stale", default=Stale.EXCEPTION.value, metavar=choices(Stale),
                        help="what a stale invocation counter draws (default %(default)s)")  # fmt: skip
    parser.add_argument("--one-at-a-time", metavar="S",
                        help="serve one connection until it releases or is quiet for S seconds")  # fmt: skip


def _add_wire(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--hdlc", action="store_true", help="HDLC instead of the wrapper on the TCP port")
    parser.add_argument("--pty", action="store_true", help="HDLC on a pseudo-terminal, whose path is printed")
    parser.add_argument("--serial-port", metavar="PATH", help="HDLC on a serial port, 9600 8N1")
    parser.add_argument("--hdlc-address", default=str(DEFAULT_PHYSICAL), metavar="N",
                        help="lower (physical) HDLC address (default %(default)s)")  # fmt: skip
    parser.add_argument("--hdlc-information", default=str(DEFAULT_INFORMATION), metavar="N",
                        help="longest information field in bytes, as far as the client agrees (default %(default)s)")  # fmt: skip
    parser.add_argument("--hdlc-window", default="1", metavar="N",
                        help="frames sent before they are acknowledged, as far as the client agrees (default %(default)s)")  # fmt: skip
    parser.add_argument("--line-bps", metavar="N", help="answer no faster than a line of N bits a second carries")


def _path(text: str) -> str:
    if not Path(text).exists():
        raise SetupError(f"expected a serial port that exists, got {text!r}")
    return text


def setup(arguments: argparse.Namespace, checks: Checks) -> Setup | None:
    """How the meter is set up, or None once `checks` holds a problem; takes its own faults out of `arguments`."""
    own = [text for text in arguments.fault if not is_of_every_meter(text)]
    arguments.fault = [text for text in arguments.fault if is_of_every_meter(text)]
    faults = checks.each("--fault", parse_dlms_fault, own)
    access = access_options.access(arguments, checks)
    title = _given(checks, "--system-title", octets(TITLE_SIZE), arguments.system_title)
    model = checks.take("--model", one_of(Model), arguments.model)
    stale = checks.take("--stale", one_of(Stale), arguments.stale)
    counter = checks.take("--counter", whole(0, 2**32 - 1), arguments.counter)
    quiet = _given(checks, "--one-at-a-time", whole(1, 86_400), arguments.one_at_a_time)
    max_pdu = checks.take("--max-pdu", whole(64, 0xFFFF), arguments.max_pdu)
    if access is None or model is None or stale is None or counter is None or max_pdu is None:
        return None
    return Setup(
        model=model,
        access=access,
        title=title,
        stale=stale,
        counter=counter,
        inactivity_s=quiet,
        max_pdu=max_pdu,
        faults=faults,
    )


def wire(arguments: argparse.Namespace, checks: Checks) -> Wire | None:
    """Where the meter is to be reached, or None once `checks` holds a problem."""
    places = [arguments.listen is not None, arguments.pty, arguments.serial_port is not None]
    if sum(places) != 1:
        checks.problems.append("--listen: expected one of --listen HOST:PORT, --pty and --serial-port PATH")
    path = _given(checks, "--serial-port", _path, arguments.serial_port)
    physical = checks.take("--hdlc-address", whole(1, 0x3FFD), arguments.hdlc_address)
    longest = whole(SMALLEST_INFORMATION, LARGEST_INFORMATION)
    information = checks.take("--hdlc-information", longest, arguments.hdlc_information)
    window = checks.take("--hdlc-window", whole(1, LARGEST_WINDOW), arguments.hdlc_window)
    bps = _given(checks, "--line-bps", whole(*SPEEDS), arguments.line_bps)
    push = _given(checks, "--push", address, arguments.push)
    every_block = arguments.push_interval == _BLOCK
    interval = None if every_block else checks.take("--push-interval", whole(1, 86_400), arguments.push_interval)
    if physical is None or information is None or window is None:
        return None
    return Wire(
        framing=Framing.HDLC if arguments.hdlc else Framing.WRAPPER,
        physical=physical,
        sizes=Sizes(transmit=information, receive=information, window=window),
        bps=bps,
        pty=arguments.pty,
        path=path,
        push=push,
        push_interval_s=interval,
    )


def _given(checks: Checks, name: str, parse: Callable[[str], T], text: str | None) -> T | None:
    return None if text is None else checks.take(name, parse, text)


@asynccontextmanager
async def serving(device: Device, reached: Wire, host: str, port: int) -> AsyncIterator[str]:
    """`device` where it is to be reached while the context is open; gives the place as it is printed.

    Raises:
        OSError: when the place cannot be had.
    """
    async with AsyncExitStack() as stack:
        place = await stack.enter_async_context(_place(device, reached, host, port))
        if reached.push is not None:
            keys = None if device.access.ciphering is Ciphering.OFF else device.access.keys
            notifier = Notifier(device, keys)
            push_host, push_port = reached.push
            device.push_to = f"{push_host}:{push_port}"
            await stack.enter_async_context(pushing(notifier, *reached.push, interval_s=reached.push_interval_s))
        yield place if isinstance(place, str) else f"{host}:{place}"


def _place(device: Device, reached: Wire, host: str, port: int) -> AbstractAsyncContextManager[int | str]:
    session = session_of(device, Framing.HDLC, physical=reached.physical, sizes=reached.sizes)
    bps = reached.bps or device.bps
    if reached.pty:
        return serve_pty(session, bps=bps)
    if reached.path is not None:
        return serve_port(session, reached.path, bps=bps)
    return serve_device(
        device,
        framing=reached.framing,
        host=host,
        port=port,
        physical=reached.physical,
        sizes=reached.sizes,
        bps=reached.bps,
    )
