"""A stale counter is mended once, and a counter that went back is never followed."""

from collections.abc import Awaitable, Callable

import pytest

from edge_agent.errors import (
    CounterBackError,
    CounterRefusedError,
    MeterExceptionError,
    MeterForgedError,
    MeterUnavailableError,
)
from edge_agent.events import EventLog
from edge_agent.readers.dlms.client import DlmsClient
from edge_agent.readers.dlms.cosem import SERIAL, Attribute
from edge_agent.readers.dlms.reader import DlmsReader
from edge_agent.readers.dlms.recovery import CounterRecovery
from edge_agent.readers.dlms.session import Session
from edge_agent.readers.dlms.transport import Transport
from edge_agent.readers.dlms.wrapper import WrapperLink
from edge_agent.registers import Origin
from tests.edge_agent.readers.dlms.ciphered import CipheredMeter, Counters
from tests.edge_agent.readers.dlms.test_ciphered_session import meter, session
from tests.edge_agent.readers.dlms.wire import ScriptedMeter, octets, u32

COUNTER = Attribute(class_id=1, obis="0.0.43.1.3.255")


class Joined:
    """A transport whose far end is in memory."""

    def __init__(self, answer: Callable[[bytes], bytes], closed: Callable[[], None] = lambda: None) -> None:
        self._answer = answer
        self._closed = closed
        self._waiting = b""

    async def send(self, data: bytes) -> None:
        self._waiting += self._answer(data)

    async def receive(self) -> bytes:
        if not self._waiting:
            raise MeterUnavailableError("the meter closed the connection")
        data, self._waiting = self._waiting, b""
        return data

    async def close(self) -> None:
        self._closed()


class Book:
    """What is noted, in memory."""

    def __init__(self, counters: Counters, *, looks: bool = False, verified: int = -1) -> None:
        self.counters = counters
        self.looks = looks
        self.verified = verified
        self.learned: list[int] = []

    def take_look(self) -> bool:
        return self.looks

    def learn(self, counter: int) -> bool:
        self.learned.append(counter)
        if counter < self.verified:
            raise CounterBackError("the meter's invocation counter went back")
        is_ahead = counter >= self.counters.own
        self.counters.own = max(self.counters.own, counter + 1)
        return is_ahead


class Bench:
    """One meter with a ciphered and a public association, and how often each was opened."""

    def __init__(self, peer: CipheredMeter, book: Book) -> None:
        self.peer = peer
        self.book = book
        self.public = 0
        self.keyed = 0
        self.is_silent = False
        self.is_shut = False
        self.closed = 0

    def _note_closed(self) -> None:
        self.closed += 1

    def _to_peer(self) -> Callable[[], Awaitable[Transport]]:
        async def connect() -> Joined:
            self.keyed += 1

            def answer(frame: bytes) -> bytes:
                reply = self.peer.answer(frame)
                return b"" if self.is_silent and reply[8] == 0xD8 else reply

            return Joined(answer, self._note_closed)

        return connect

    async def _public(self) -> Joined:
        self.public += 1
        if self.is_shut:
            raise MeterUnavailableError("no connection")
        return Joined(ScriptedMeter(objects={(1, COUNTER.obis, 2): u32(self.peer.accepted)}).answer)

    def client(self) -> DlmsClient:
        def renew() -> Session:
            return session(counters=self.book.counters)

        recovery = CounterRecovery(
            public=lambda: DlmsClient(
                connect=self._public, session=Session(WrapperLink(client=48, server=1)), timeout_s=5
            ),
            counter=COUNTER,
            book=self.book,
            renew=renew,
        )
        return DlmsClient(connect=self._to_peer(), session=renew(), timeout_s=5, renewal=recovery)


async def read(bench: Bench) -> None:
    client = bench.client()
    await client.open()
    assert (await client.get(SERIAL)) == octets(b"SN-1")
    await client.close()


@pytest.mark.parametrize("is_silent", [False, True])
async def test_a_stale_counter_is_mended_by_one_look_through_the_public_association(*, is_silent: bool) -> None:
    counters = Counters(own=5)
    bench = Bench(meter(accepted=5000), Book(counters))
    bench.is_silent = is_silent
    await read(bench)
    assert bench.book.learned == [5000]
    assert (bench.public, bench.keyed) == (1, 2)
    assert counters.taken[1] == 5001


async def test_a_key_that_was_never_used_here_asks_first() -> None:
    bench = Bench(meter(accepted=70), Book(Counters(own=0), looks=True))
    await read(bench)
    assert (bench.public, bench.keyed) == (1, 1)


async def test_a_counter_that_is_not_stale_costs_nothing() -> None:
    bench = Bench(meter(), Book(Counters()))
    await read(bench)
    assert (bench.public, bench.keyed) == (0, 1)


async def test_a_meter_that_goes_on_refusing_is_asked_twice_and_no_more() -> None:
    bench = Bench(meter(accepted=5000), Book(Counters(own=5)))
    bench.peer.mangle = lambda reply: bytes.fromhex("d80106") if reply[0] == 0x61 else reply
    with pytest.raises(CounterRefusedError):
        await bench.client().open()
    assert (bench.public, bench.keyed) == (1, 2)


async def test_a_counter_below_what_is_proven_is_refused_and_nothing_is_tried() -> None:
    bench = Bench(meter(accepted=70), Book(Counters(own=5), verified=71))
    with pytest.raises(CounterBackError):
        await bench.client().open()
    assert bench.keyed == 1


async def test_another_refusal_with_a_counter_in_order_is_not_tried_again() -> None:
    bench = Bench(meter(), Book(Counters(own=5)))
    bench.peer.mangle = lambda reply: bytes.fromhex("d80102") if reply[0] == 0x61 else reply
    with pytest.raises(Exception, match="service not supported"):
        await bench.client().open()
    assert (bench.public, bench.keyed) == (1, 1)


async def test_a_public_association_that_is_shut_leaves_the_first_error() -> None:
    bench = Bench(meter(accepted=5000), Book(Counters(own=5)))
    bench.is_shut = True
    with pytest.raises(CounterRefusedError):
        await bench.client().open()
    assert (bench.public, bench.keyed) == (1, 1)


async def test_a_forged_grant_is_not_mended() -> None:
    bench = Bench(meter(plain_answers=True), Book(Counters(own=5)))
    with pytest.raises(MeterForgedError):
        await bench.client().open()
    assert bench.public == 0


class FullCounters(Counters):
    """Counters whose disk is full when they are to be settled."""

    def settle(self) -> None:
        raise OSError("no room")


async def test_a_connection_is_closed_even_where_its_counters_cannot_be_settled() -> None:
    counters = FullCounters()
    bench = Bench(meter(), Book(counters))
    client = bench.client()
    await client.open()
    with pytest.raises(OSError, match="no room"):
        await client.close()
    assert bench.closed == 1


async def test_a_list_leaves_room_for_what_ciphering_adds() -> None:
    bench = Bench(meter(max_pdu=48), Book(Counters()))
    client = bench.client()
    await client.open()
    assert await client.get_many((SERIAL,) * 4) == [octets(b"SN-1")] * 4
    # 48 octets hold four descriptors of 11 in plain, and two beside counter, tag and lengths.
    assert [plain[:2] for plain in bench.peer.plain_seen[2:]] == [b"\xc0\x03", b"\xc0\x03"]
    assert max(len(apdu) for apdu in bench.peer.wire_seen[2:]) <= 48
    await client.close()


async def test_an_origin_is_never_more_than_the_answers_can_bear() -> None:
    async def connect() -> Joined:
        return Joined(ScriptedMeter(objects={(1, "0.0.96.1.0.255", 2): octets(b"SN-1")}).answer)

    reader = DlmsReader(
        connect=connect, session=Session(WrapperLink(client=48, server=1)), origin=Origin.GMAC, timeout_s=5
    )
    origins = [reader.origin]  # nothing was answered yet
    async with reader:
        await reader.client.get(SERIAL)
        origins.append(reader.origin)
    assert [*origins, reader.origin] == [Origin.GMAC, Origin.LLS, Origin.LLS]


NO_SUCH_THING = bytes.fromhex("d80101")
STALE = bytes.fromhex("d80106")
"""What anybody on the wire can say: exceptions carry no tag."""


def ciphered_reader(said: bytes, spared: int = 0) -> DlmsReader:
    """A reader of a ciphered meter, each of whose ciphered answers but the first `spared` is replaced by `said`."""
    peer, answered = meter(), 0

    def answer(frame: bytes) -> bytes:
        nonlocal answered
        reply = peer.answer(frame)
        if reply[8] != 0xCC:
            return reply
        answered += 1
        return reply if answered <= spared else reply[:6] + len(said).to_bytes(2, "big") + said

    async def connect() -> Joined:
        return Joined(answer)

    return DlmsReader(connect=connect, session=session(), origin=Origin.GMAC, timeout_s=5)


async def test_what_is_absent_on_an_exceptions_word_costs_the_origin() -> None:
    """Else somebody on the wire could take a meter's serial number away, and the tags of the rest would vouch for that."""
    async with ciphered_reader(NO_SUCH_THING) as reader:
        origins = [reader.origin]
        assert (await reader.identity()).serial is None
        origins.append(reader.origin)
    assert origins == [Origin.GMAC, Origin.LLS]


async def test_what_is_absent_by_a_verified_refusal_costs_nothing() -> None:
    async with ciphered_reader(NO_SUCH_THING, spared=1000) as reader:
        assert (await reader.identity()).manufacturer is None
        assert reader.origin is Origin.GMAC


async def test_an_event_log_that_is_silenced_by_an_exception_costs_the_origin() -> None:
    async with ciphered_reader(NO_SUCH_THING) as reader:
        with pytest.raises(MeterExceptionError):
            await reader.events(EventLog.OTHER, None)
        assert reader.origin is Origin.LLS


async def test_scalers_that_no_register_gives_cost_nothing_since_an_energy_without_one_is_refused() -> None:
    async with ciphered_reader(NO_SUCH_THING) as reader:
        asked = (SERIAL, COUNTER)
        assert await reader.client.get_many(asked, absence_counts=False) == [250, 250]
        assert reader.origin is Origin.GMAC


@pytest.mark.parametrize("asked", [(SERIAL,), (SERIAL, COUNTER)])
async def test_a_counter_that_is_refused_is_no_attribute_that_is_absent(asked: tuple[Attribute, ...]) -> None:
    async with ciphered_reader(STALE) as reader:
        with pytest.raises(CounterRefusedError):
            await reader.client.get_many(asked)
