"""A meter behind HDLC is left free on every exit, is asked again after silence, and is read in nearly the fewest octets."""

import asyncio
from collections.abc import Callable

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.dlms.association import AARQ, RLRQ
from edge_agent.readers.dlms.hdlc import AnswerSize, HdlcLink
from edge_agent.readers.dlms.hdlc_frame import Deframer, Frame, client_address, encode, server_address
from edge_agent.readers.dlms.hls import HlsGmac, Login
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.security import Secret
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.transport import Transport
from edge_agent.registers import Origin
from firmware_sim.dlms.acse import Mechanism
from firmware_sim.dlms.application import Application
from firmware_sim.dlms.clients import DEFAULT_PASSWORD, Access, Ciphering
from firmware_sim.dlms.device import Device
from firmware_sim.dlms.gcm import Keys
from firmware_sim.dlms.hdlc import HdlcServerSession
from firmware_sim.meter import Meter, MeterSpec
from firmware_sim.world import Home
from signing.interval import DAY_S, Interval, ist_day_start, parse_instant
from tests.edge_agent.readers.dlms.ciphered import AK, CTOS, EK, Counters, client
from tests.edge_agent.readers.peers import Joined

NOW = parse_instant("2026-04-26T12:07:31+05:30", "now")
TODAY = ist_day_start(NOW)
SERVER, CLIENT = server_address(1), client_address(32)
CIPHERED = Access(keys=Keys(encryption=EK, authentication=AK), ciphering=Ciphering.REQUIRED, hls=Mechanism.GMAC)
DISC = Frame(0x53)


class Wire(Joined):
    """A stream to a simulated meter that records what the client sends, and can fall silent."""

    def __init__(self, days: int = 2, max_pdu: int = 1024, access: Access | None = None) -> None:
        meter = Meter(MeterSpec(serial="12345678", days=days), Home(seed=7))
        device = Device(meter, now=lambda: NOW, max_pdu=max_pdu, access=access)
        self.peer = HdlcServerSession(Application(device))
        super().__init__(self._hear)
        self.frames: list[Frame] = []
        self.octets: list[int] = []
        self.is_lost: Callable[[list[Frame]], bool] = lambda _: False
        self.silent = asyncio.Event()

    def _hear(self, data: bytes) -> bytes:
        frames = list(Deframer(destination=SERVER, source=CLIENT).feed(data))
        self.frames += frames
        answer = self.peer.receive(data)
        self.octets += [len(data), len(answer)]
        return b"" if self.is_lost(frames) else answer

    async def receive(self) -> bytes:
        """Waits where nothing was answered: a line does not end."""
        if not self._pending:
            self.silent.set()
            await asyncio.get_running_loop().create_future()
        return await super().receive()

    @property
    def sent(self) -> list[int]:
        """What the client sent: the first octet of each APDU, 0 for a receive-ready."""
        return [frame.information[3] if frame.information else 0 for frame in self.frames if frame.control & 3 != 3]

    def is_free(self) -> bool:
        """Whether the meter has no link to the client: it answers a DISC by DM."""
        answer = self.peer.receive(encode(DISC, destination=SERVER, source=CLIENT))
        return Deframer(destination=CLIENT, source=SERVER).feed(answer) == (Frame(0x1F),)


def reader_of(
    wire: Transport, timeout_s: float = 5, password: bytes = DEFAULT_PASSWORD, size: AnswerSize | None = None
) -> DlmsReader:
    async def connect() -> Transport:
        return wire

    def session() -> Session:
        return Session(HdlcLink(client=32, server=SERVER, size=size), Secret(password))

    return DlmsReader(
        connect=connect,
        session=session(),
        origin=Origin.LLS,
        timeout_s=timeout_s,
        again=None if size is None else session,
    )


def is_left(wire: Wire) -> bool:
    """Whether the client took the link down, and closed the stream."""
    return wire.closed and wire.frames[-1] == DISC and wire.is_free()


async def test_a_reader_that_is_done_releases_and_disconnects() -> None:
    wire = Wire()
    async with reader_of(wire) as reader:
        assert (await reader.identity()).serial == "12345678"
    assert wire.sent[-1] == RLRQ
    assert is_left(wire)


async def test_a_reader_that_fails_releases_and_disconnects() -> None:
    wire = Wire()
    with pytest.raises(ZeroDivisionError):
        async with reader_of(wire):
            raise ZeroDivisionError
    assert wire.sent[-1] == RLRQ
    assert is_left(wire)


async def test_a_reader_that_is_cancelled_amid_an_answer_hears_it_out_and_releases() -> None:
    reached = asyncio.Event()

    class Paused(Wire):
        async def receive(self) -> bytes:
            if len(self.frames) > 9 and not reached.is_set():
                reached.set()
                await asyncio.get_running_loop().create_future()
            return await super().receive()

    wire = Paused()

    async def read() -> None:
        async with reader_of(wire) as reader:
            await reader.block_rows(Interval(TODAY - DAY_S, TODAY))

    task = asyncio.create_task(read())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.sent[-1] == RLRQ
    assert is_left(wire)


async def test_a_meter_that_rejects_the_password_is_disconnected() -> None:
    wire = Wire()
    with pytest.raises(MeterRefusedError, match="password"):
        async with reader_of(wire, password=b"wrong"):
            pass
    assert RLRQ not in wire.sent
    assert is_left(wire)


async def test_a_meter_that_falls_silent_is_asked_again_once_and_then_disconnected() -> None:
    wire = Wire()
    async with reader_of(wire, timeout_s=0.1) as reader:
        wire.is_lost = lambda frames: frames[-1] != DISC
        with pytest.raises(MeterUnavailableError, match=r"no answer to 0\.0\.1\.0\.0\.255 .* within 0\.1 s") as caught:
            await reader.clock()
    assert (caught.value.retry_after_s or 0) > 120
    assert wire.sent[-2:] == [0xC0, 0]
    assert is_left(wire)


async def test_a_meter_that_is_silent_to_the_end_is_closed_all_the_same() -> None:
    wire = Wire()
    async with reader_of(wire, timeout_s=0.05):
        wire.is_lost = lambda _: True
    assert wire.closed
    assert wire.frames[-1] == DISC


@pytest.mark.parametrize("kind", ["UA", "answer"])
async def test_a_frame_that_is_lost_is_asked_for_again(kind: str) -> None:
    wire = Wire()
    lost = iter([True])
    wire.is_lost = lambda frames: (frames[-1].control == 0x93) == (kind == "UA") and next(lost, False)
    async with reader_of(wire, timeout_s=0.2) as reader:
        assert (await reader.clock()).utc_s == NOW
    assert is_left(wire)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Frame(0x1F), MeterUnavailableError("left the HDLC link")),
        (Frame(0x97, b"\x01\x02\x03"), MeterDecodeError("rejects a frame of ours")),
    ],
    ids=["DM", "FRMR"],
)
async def test_a_meter_that_breaks_the_link_off_ends_the_association(answer: Frame, error: Exception) -> None:
    wire = Wire()
    async with reader_of(wire) as reader:
        wire._pending = encode(answer, destination=CLIENT, source=SERVER)
        with pytest.raises(type(error), match=str(error)):
            await reader.clock()
        assert wire.closed
        with pytest.raises(MeterUnavailableError):
            await reader.clock()


def ciphered_reader(wire: Transport, size: AnswerSize) -> DlmsReader:
    """As `reader_of`, by HLS 5 and ciphered."""

    async def connect() -> Transport:
        return wire

    counters = Counters()

    def login() -> Login:
        cipher = client(counters)
        return Login(handshake=HlsGmac(cipher, CTOS), cipher=cipher, is_ciphered=True)

    def session() -> Session:
        return Session(HdlcLink(client=48, server=SERVER, size=size), login=login)

    return DlmsReader(connect=connect, session=session(), origin=Origin.GMAC, timeout_s=5, again=session)


def least_octets(content: int, max_pdu: int, frame: int, *, is_ciphered: bool) -> int:
    """The fewest octets that `content` takes in blocks of some length up to `max_pdu`, each asked for and each in frames of
    `frame`, all but its last acknowledged.
    """
    # Tag, length, security control, invocation counter, authentication tag: of an answer and of the request for it.
    answer, request = (1 + 3 + 1 + 4 + 12, 1 + 1 + 1 + 4 + 12) if is_ciphered else (0, 0)

    def octets(pdu: int) -> int:
        blocks = -(-content // (pdu - answer - 12))  # its own header, in the longest form of its length
        frames = -(-(pdu + 3) // frame)
        return blocks * (21 + request + pdu + 3 + 11 * frames + 9 * (frames - 1))

    return min(octets(pdu) for pdu in range(64, max_pdu + 1))


@pytest.mark.parametrize("is_ciphered", [False, True], ids=["plain", "ciphered"])
@pytest.mark.parametrize("max_pdu", [256, 512, 1021, 1024, 2048])
async def test_a_profile_is_read_in_nearly_the_fewest_octets(max_pdu: int, *, is_ciphered: bool) -> None:
    size = AnswerSize()
    spent: list[int] = []
    for _ in range(2):
        wire = Wire(days=37, max_pdu=max_pdu, access=CIPHERED if is_ciphered else None)
        async with ciphered_reader(wire, size) if is_ciphered else reader_of(wire, size=size) as reader:
            await reader.layout()
            traffic = reader.client.traffic
            before = traffic.sent_octets + traffic.received_octets
            rows = await reader.block_rows(Interval(TODAY - 35 * DAY_S, TODAY))
            spent.append(traffic.sent_octets + traffic.received_octets - before)
        assert traffic.sent_octets + traffic.received_octets == sum(wire.octets)
        assert len(rows) == 35 * 96
    # One row: structure, clock, voltage, four energies; and what every block-load buffer begins with.
    least = least_octets(35 * 96 * 39 + 4, max_pdu, 128, is_ciphered=is_ciphered)
    assert spent[1] <= least * 1.005, (spent, least)
    # A meter that was never read before has yet to show how long it makes its answers: in its first block.
    assert spent[0] <= least * 1.0125, (spent, least)


def associated(wire: Wire) -> int:
    return wire.sent.count(AARQ)


async def test_the_first_long_answer_is_asked_for_again_where_that_pays() -> None:
    size = AnswerSize()
    for expected in (2, 1):
        wire = Wire(days=12, max_pdu=256)
        async with reader_of(wire, size=size) as reader:
            rows = await reader.block_rows(Interval(TODAY - 10 * DAY_S, TODAY))
            assert len(rows) == 960
            assert not wire.closed
            assert associated(wire) == expected
        assert is_left(wire)


async def test_an_answer_that_is_soon_over_is_heard_out() -> None:
    wire = Wire(max_pdu=256)
    async with reader_of(wire, size=AnswerSize()) as reader:
        assert len(await reader.block_rows(Interval(TODAY - DAY_S // 2, TODAY))) == 48
        assert associated(wire) == 1


async def test_a_link_that_does_not_go_down_is_left_with_its_connection() -> None:
    first, second = Wire(days=12, max_pdu=256), Wire(days=12, max_pdu=256)
    wires = iter([first, second])
    size = AnswerSize()

    async def connect() -> Transport:
        return next(wires)

    def session() -> Session:
        return Session(HdlcLink(client=32, server=SERVER, size=size), Secret(DEFAULT_PASSWORD))

    reader = DlmsReader(connect=connect, session=session(), origin=Origin.LLS, timeout_s=0.2, again=session)
    first.is_lost = lambda frames: frames[-1] == DISC
    async with reader:
        assert len(await reader.block_rows(Interval(TODAY - 10 * DAY_S, TODAY))) == 960
        assert first.closed
        assert not second.closed
    assert is_left(second)


async def test_what_was_not_verified_before_another_association_stays_so() -> None:
    reader = ciphered_reader(Wire(days=12, max_pdu=256, access=CIPHERED), AnswerSize())
    async with reader:
        first = reader.client._session
        first._unverified = 1
        await reader.block_rows(Interval(TODAY - 10 * DAY_S, TODAY))
        assert reader.client._session is not first
        assert reader.client._session.is_verified
        assert reader.origin is Origin.LLS


class Pushing(Wire):
    """A meter that pushes in unnumbered frames, to whoever listens on the line and to the reader, before and behind every answer:
    notifications, and what looks like the answer that is waited for.
    """

    pushed = 0

    def _hear(self, data: bytes) -> bytes:
        answer = super()._hear(data)
        bodies = (bytes.fromhex("0f 00000001 00 00"), bytes.fromhex("c4 01 c1 00 06 00 00 00 07"), b"\x7e\xa0\x07")
        frames = b"".join(
            encode(Frame(control, b"\xe6\xe7\x00" + body), destination=client_address(to), source=SERVER)
            for body in bodies
            for to in (32, 64)
            for control in (0x03, 0x13)
        )
        self.pushed += 1
        return frames + answer + frames


async def test_no_unnumbered_frame_passes_for_an_answer_wherever_it_comes() -> None:
    span = Interval(TODAY - DAY_S, TODAY)
    quiet, pushing = Wire(), Pushing()
    async with reader_of(quiet) as reader:
        expected = (await reader.identity(), await reader.block_rows(span))
    async with reader_of(pushing) as reader:
        assert (await reader.identity(), await reader.block_rows(span)) == expected
    assert pushing.pushed > 20
    assert pushing.sent == quiet.sent
    assert is_left(pushing)


async def test_a_meter_that_only_pushes_keeps_nobody_waiting() -> None:
    class Deaf(Pushing):
        async def receive(self) -> bytes:
            await asyncio.sleep(0)
            return self._hear(b"")

    wire = Deaf()
    with pytest.raises(MeterUnavailableError, match="no answer"):
        async with reader_of(wire, timeout_s=0.05):
            raise AssertionError
    assert wire.closed
