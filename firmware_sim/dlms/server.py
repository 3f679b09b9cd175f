"""A DLMS meter on a TCP port."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum

from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, Access
from firmware_sim.dlms.device import Device, Line
from firmware_sim.dlms.hdlc import DEFAULT_PHYSICAL, HdlcServerSession, Sizes
from firmware_sim.dlms.session import WrapperSession
from firmware_sim.meter import Meter
from firmware_sim.tcp import listen

PORT = 4059
"""What IANA gives DLMS/COSEM."""


class Framing(Enum):
    """What lies between the stream and the APDUs."""

    WRAPPER = "wrapper"
    HDLC = "hdlc"


def session_of(
    device: Device,
    framing: Framing,
    *,
    physical: int = DEFAULT_PHYSICAL,
    sizes: Sizes | None = None,
) -> Line:
    """A new connection to `device`, without a socket. `physical` and `sizes` are HDLC's."""
    application = Application(device)
    line: Line = WrapperSession(application)
    if framing is Framing.HDLC:
        line = HdlcServerSession(application, physical=physical, sizes=sizes)
    for fault in device.lines:
        line = fault(line)
    return line


def serve_device(
    device: Device,
    *,
    framing: Framing = Framing.WRAPPER,
    host: str = "127.0.0.1",
    port: int = 0,
    physical: int = DEFAULT_PHYSICAL,
    sizes: Sizes | None = None,
    bps: int | None = None,
) -> AbstractAsyncContextManager[int]:
    """`device` on `host`:`port` while the context is open, as slow as a line of `bps` if given; gives the port."""
    return listen(
        lambda: session_of(device, framing, physical=physical, sizes=sizes), host, port, bps=bps or device.bps
    )


def serve(
    meter: Meter,
    *,
    now: Callable[[], int],
    host: str = "127.0.0.1",
    port: int = 0,
    password: bytes = DEFAULT_PASSWORD,
) -> AbstractAsyncContextManager[int]:
    """`meter`, without ciphering, on `host`:`port` while the context is open; gives the port.

    `now` is its clock, in UTC seconds.
    """
    return serve_device(Device(meter, now=now, access=Access(password=password)), host=host, port=port)
