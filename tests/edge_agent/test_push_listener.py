"""Where pushes arrive: real sockets, cut and slow and crowded, and never an octet back."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError
from edge_agent.push_desk import Refusal
from edge_agent.push_listener import (
    MOST_A_MINUTE,
    MOST_ADDRESSES,
    MOST_CONNECTIONS,
    MOST_OF_ONE,
    MOST_OF_ONE_A_MINUTE,
    MOST_WAITING,
    Allowance,
    Arrived,
    PushListener,
)
from edge_agent.push_settings import Address, PushSettings
from tests.edge_agent.pushes import frame, plain

HERE = Address(host="127.0.0.1", port=0)
BOTH = PushSettings(tcp=HERE, udp=HERE)


class Refused:
    """Hears refusals, and wakes who waits for one."""

    def __init__(self) -> None:
        self.seen: asyncio.Queue[tuple[Refusal, str]] = asyncio.Queue()

    def __call__(self, refusal: Refusal, text: str, peer: str) -> None:
        assert peer == "127.0.0.1"
        assert text.startswith("expected ")
        self.seen.put_nowait((refusal, text))

    async def next(self) -> Refusal:
        async with asyncio.timeout(10):
            return (await self.seen.get())[0]


@pytest.fixture
def refused() -> Refused:
    return Refused()


@pytest.fixture
async def listener(refused: Refused) -> AsyncIterator[PushListener]:
    async with PushListener(BOTH, refused, frame_s=0.05) as opened:
        yield opened


async def say(port: int, *parts: bytes, ends: bool = True) -> bytes:
    """Says `parts` on one connection, and gives what is said back until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if ends:
            writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def arrived(listener: PushListener) -> Arrived:
    async with asyncio.timeout(10):
        return await listener.arrived()


async def test_pushes_arrive_in_order_and_nothing_is_answered(listener: PushListener) -> None:
    both = frame(plain(b"first")) + frame(plain(b"second"))
    assert await say(listener.tcp_port, both[:5], both[5:70], both[70:]) == b""
    assert await arrived(listener) == Arrived(plain(b"first"), "127.0.0.1")
    assert await arrived(listener) == Arrived(plain(b"second"), "127.0.0.1")


async def test_a_datagram_is_a_push(listener: PushListener, refused: Refused) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in (frame(plain())[:-1], b"", frame(plain())):
            sender.sendto(datagram, ("127.0.0.1", listener.udp_port))
        assert (await arrived(listener)).apdu == plain()
    assert [await refused.next(), await refused.next()] == [Refusal.MALFORMED] * 2


@pytest.mark.parametrize(
    "octets", [b"GET / HTTP/1.1\r\n", bytes(8), b"\x00\x01" + bytes(6), frame(plain())[:-1], b"\x00"]
)
async def test_what_is_no_push_ends_the_connection(listener: PushListener, refused: Refused, octets: bytes) -> None:
    assert await say(listener.tcp_port, octets) == b""
    assert await refused.next() is Refusal.MALFORMED
    await say(listener.tcp_port, frame(plain()))
    assert (await arrived(listener)).apdu == plain()


async def test_a_push_that_is_never_finished_is_given_up_however_often_an_octet_comes(
    listener: PushListener, refused: Refused
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", listener.tcp_port)
    reason = asyncio.ensure_future(refused.next())
    try:
        for octet in frame(plain()):
            if reason.done():
                break
            writer.write(bytes([octet]))
            await asyncio.wait([reason], timeout=0.02)
        assert await reason is Refusal.SLOW
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_connection_that_is_silent_between_pushes_is_closed_without_a_word(refused: Refused) -> None:
    async with PushListener(BOTH, refused, idle_s=0.05) as listener:
        assert await say(listener.tcp_port, frame(plain()), ends=False) == b""
        assert (await arrived(listener)).apdu == plain()
    assert refused.seen.empty()


async def test_one_address_has_so_many_connections_and_no_more(listener: PushListener, refused: Refused) -> None:
    held = [await asyncio.open_connection("127.0.0.1", listener.tcp_port) for _ in range(MOST_OF_ONE)]
    try:
        assert await say(listener.tcp_port, frame(plain())) == b""
        assert await refused.next() is Refusal.CROWDED
        reader, writer = held.pop()
        writer.write(frame(plain(b"held")))
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert (await arrived(listener)).apdu == plain(b"held")
        await say(listener.tcp_port, frame(plain(b"free again")))
        assert (await arrived(listener)).apdu == plain(b"free again")
    finally:
        for _, writer in held:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_all_addresses_together_have_so_many_connections_and_no_more(
    listener: PushListener, refused: Refused
) -> None:
    async def connected(number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        own = (f"127.0.0.{2 + number // MOST_OF_ONE}", 0)
        return await asyncio.open_connection("127.0.0.1", listener.tcp_port, local_addr=own)

    held = [await connected(number) for number in range(MOST_CONNECTIONS)]
    try:
        assert await say(listener.tcp_port, frame(plain())) == b""
        assert await refused.next() is Refusal.CROWDED
        _, writer = held[0]
        writer.write(frame(plain(b"held")))
        assert (await arrived(listener)).apdu == plain(b"held")
    finally:
        for _, writer in held:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


async def test_a_flood_is_cut_and_what_came_before_it_is_kept(listener: PushListener, refused: Refused) -> None:
    flood = frame(b"\x0f") * (MOST_OF_ONE_A_MINUTE + 1)
    assert await say(listener.tcp_port, flood) == b""
    assert await refused.next() is Refusal.FLOODED
    for _ in range(MOST_OF_ONE_A_MINUTE):
        assert (await arrived(listener)).apdu == b"\x0f"
    assert listener._waiting.empty()


async def test_no_more_wait_to_be_judged_than_there_is_room_for(listener: PushListener, refused: Refused) -> None:
    for number in range(MOST_WAITING + 1):
        listener._take(bytes([number]), f"192.0.2.{number}" if number < MOST_WAITING else "127.0.0.1")
    assert await refused.next() is Refusal.FLOODED


def test_an_allowance_is_one_minutes_and_one_addresss_and_everybodys() -> None:
    allowance = Allowance()
    assert all(allowance.takes("a", 100.0) for _ in range(MOST_OF_ONE_A_MINUTE))
    assert not allowance.takes("a", 159.9)
    taken = sum(allowance.takes(f"b{number}", 159.9) for number in range(MOST_A_MINUTE))
    assert taken == MOST_A_MINUTE - MOST_OF_ONE_A_MINUTE
    assert allowance.takes("a", 160.0)


def test_addresses_that_are_too_many_share_one_allowance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.push_listener.MOST_A_MINUTE", 10_000)
    allowance = Allowance()
    assert all(allowance.takes(f"a{number}", 0.0) for number in range(MOST_ADDRESSES))
    assert sum(allowance.takes(f"b{number}", 0.0) for number in range(1000)) == MOST_OF_ONE_A_MINUTE
    assert allowance.takes("a0", 0.0)


async def test_an_address_that_is_taken_leaves_nothing_open(refused: Refused) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        at = Address(host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            async with PushListener(PushSettings(tcp=at), refused):
                raise AssertionError


async def test_what_was_bound_already_is_let_go_where_the_rest_cannot_be_had(refused: Refused) -> None:
    with socket.socket() as free, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        free.bind(("127.0.0.1", 0))
        taken.bind(("127.0.0.1", 0))
        tcp, udp = (Address(host="127.0.0.1", port=each.getsockname()[1]) for each in (free, taken))
        free.close()
        listener = PushListener(PushSettings(tcp=tcp, udp=udp), refused)
        with pytest.raises(OSError, match="in use"):
            await listener.__aenter__()
        assert listener._server is None
        async with PushListener(PushSettings(tcp=tcp), refused):
            pass


async def test_only_what_is_configured_is_bound(refused: Refused) -> None:
    async with PushListener(PushSettings(udp=HERE), refused) as listener:
        assert listener._server is None
        assert listener.udp_port
    async with PushListener(PushSettings(tcp=HERE), refused) as listener:
        assert listener._datagrams is None
        assert listener.tcp_port


async def test_connections_that_are_open_end_with_the_listener(refused: Refused) -> None:
    listener = PushListener(BOTH, refused)
    async with listener:
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.tcp_port)
        writer.write(frame(plain()) + b"\x00")
        await arrived(listener)
        async with asyncio.timeout(5):
            await listener.close()
    assert await reader.read() == b""
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@given(parts=st.lists(st.one_of(st.binary(max_size=40), st.just(frame(plain()))), max_size=8))
def test_whatever_a_connection_says_it_ends_and_hands_on_whole_frames_only(parts: list[bytes]) -> None:
    async def heard() -> tuple[list[bytes], int]:
        refusals: list[Refusal] = []
        listener = PushListener(BOTH, lambda refusal, *_: refusals.append(refusal))
        reader = asyncio.StreamReader()
        for part in parts:
            reader.feed_data(part)
        reader.feed_eof()
        with contextlib.suppress(MeterDecodeError):
            async with asyncio.timeout(10):
                await listener._hear(reader, "192.0.2.1")
        return [listener._waiting.get_nowait().apdu for _ in range(listener._waiting.qsize())], len(refusals)

    taken, refused = asyncio.run(heard())
    stream, whole = b"".join(parts), b""
    for apdu in taken:
        whole += stream[len(whole) : len(whole) + 8] + apdu
    assert stream.startswith(whole)
    assert refused == 0
