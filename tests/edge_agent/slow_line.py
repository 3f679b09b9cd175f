"""A simulated meter behind HDLC on a slow line, in a time that passes only as octets do."""

import asyncio
from collections.abc import Callable
from fractions import Fraction

from edge_agent.clock import Uptime
from edge_agent.errors import MeterUnavailableError
from edge_agent.readers.dlms.hdlc import HdlcLink
from edge_agent.readers.dlms.hdlc_frame import server_address
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.transport import Transport
from edge_agent.registers import Origin
from firmware_sim.dlms.clients import DEFAULT_PASSWORD
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.faulty import parse_dlms_fault, spoil
from firmware_sim.dlms.hdlc import DEFAULT_PHYSICAL
from firmware_sim.dlms.server import Framing, session_of
from firmware_sim.meter import Energies, Meter, MeterSpec
from firmware_sim.pace import line_seconds
from firmware_sim.world import Home


class Timeline:
    """The one clock of gateway and meters."""

    def __init__(self, start_utc: int) -> None:
        self._at_ms = Fraction(start_utc * 1000)

    def now_ms(self) -> int:
        return int(self._at_ms)

    def now_utc(self) -> int:
        return self.now_ms() // 1000

    def uptime(self) -> Uptime:
        return Uptime(boot="boot", ms=self.now_ms())

    def passes(self, seconds: Fraction) -> None:
        self._at_ms += seconds * 1000


def meter_on(timeline: Timeline, *faults: str, serial: str = "12345678", days: int = 36) -> Device:
    spec = MeterSpec(serial=serial, days=days, base=Energies(imported_wh=41_000_000, exported_wh=7_000_000))
    device = Device(Meter(spec, Home(seed=7, array_w=5000)), now=timeline.now_utc)
    return spoil(device, [parse_dlms_fault(fault) for fault in faults])


class SlowTransport:
    """A connection to `device` at `bps`, ten bits an octet; the meter thinks for `turnaround_ms` before it answers."""

    def __init__(self, device: Device, timeline: Timeline, *, bps: int | None, turnaround_ms: int = 0) -> None:
        self._session = session_of(device, Framing.HDLC)
        self._timeline = timeline
        self._bps = bps
        self._turnaround = Fraction(turnaround_ms, 1000)
        self._pending = b""

    def _pass(self, octets: int) -> None:
        if self._bps is not None:
            self._timeline.passes(line_seconds(octets, self._bps))

    async def send(self, data: bytes) -> None:
        self._pass(len(data))
        self._timeline.passes(self._turnaround)
        self._pending += self._session.receive(data)

    async def receive(self) -> bytes:
        await asyncio.sleep(0)
        if not self._pending:
            raise MeterUnavailableError("the meter closed the connection")
        data, self._pending = self._pending, b""
        self._pass(len(data))
        return data

    async def close(self) -> None:
        pass


def reader_on(connect: Callable[[], SlowTransport]) -> DlmsReader:
    async def opened() -> Transport:
        return connect()

    link = HdlcLink(client=32, server=server_address(1, DEFAULT_PHYSICAL))
    return DlmsReader(connect=opened, session=Session(link, Secret(DEFAULT_PASSWORD)), origin=Origin.LLS, timeout_s=5)
