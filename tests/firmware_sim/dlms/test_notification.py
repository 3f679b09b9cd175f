"""What a meter pushes, and that it arrives."""

import asyncio

from firmware_sim.dlms.axdr import Reader, date_time
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push import push_once, pushing
from firmware_sim.dlms.push_setup import Push, status_word
from firmware_sim.faults import Outage
from tests.firmware_sim.dlms.ciphered_wire import KEYS, METER, behind_length, device, uncover
from tests.firmware_sim.dlms.wire import unframe
from tests.firmware_sim.meters import NOW, seller

DARK = Outage(start=NOW - 450 + 900, end=NOW - 450 + 2700, zero_rows=True)
"""From the next boundary on, for two blocks."""


def checked(apdu: bytes, number: int) -> None:
    """Assert that `apdu` is the notification of that number."""
    assert apdu[:5] == b"\x0f" + number.to_bytes(4, "big")
    assert apdu[5:18] == b"\x0c" + date_time(NOW)
    cursor = Reader(apdu[18:])
    body = cursor.data()
    cursor.end()
    assert isinstance(body, list)
    assert body[:3] == [b"SKS10000001", bytes.fromhex("0000190900FF"), date_time(NOW)]
    assert seller().registers(NOW).imported_wh in body


def test_a_notification_carries_the_instantaneous_values() -> None:
    notifier = Notifier(device())
    checked(notifier.apdu(), 1)
    checked(notifier.apdu(), 2)


def test_a_ciphered_notification_is_general_and_its_counter_rises() -> None:
    shared = device()
    notifier = Notifier(shared, KEYS)
    for number in (1, 2):
        apdu = notifier.apdu()
        assert apdu[:10] == b"\xdb\x08" + METER
        content = behind_length(apdu[10:])
        assert content[:5] == b"\x30" + number.to_bytes(4, "big")
        checked(uncover(METER, content), number)
    assert shared.counters.own == 2


async def test_pushes_arrive_in_the_wrapper_again_and_again() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await incoming.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, pushing(Notifier(device()), "127.0.0.1", port, interval_s=0.001):
        for number in (1, 2, 3):
            checked(unframe(await asyncio.wait_for(heard.get(), 10), source=1, destination=64), number)
    await server.wait_closed()


async def test_a_push_that_nobody_takes_is_lost() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    assert not await push_once(Notifier(device()), "127.0.0.1", port)
    async with pushing(Notifier(device()), "127.0.0.1", port, interval_s=0.001):
        for _ in range(20):
            await asyncio.sleep(0)


def test_an_alert_carries_the_event_status_word() -> None:
    dark = device(seller(faults=(DARK,)), clock=lambda: DARK.end)
    cursor = Reader(Notifier(dark).apdu(Push.ALERT)[18:])
    body = cursor.data()
    cursor.end()
    assert body == [
        b"SKS10000001",
        bytes.fromhex("0004190900FF"),
        date_time(DARK.end),
        status_word(dark.meter, DARK.end),
    ]


def test_what_is_due_is_what_happened_since() -> None:
    notifier = Notifier(device(seller(faults=(DARK,))))

    def due(after: int, until: int) -> tuple[Push, ...]:
        return notifier.due(after, until, at_block_ends=True)

    assert due(NOW, DARK.start - 1) == ()
    # At its last moment the meter has no time for values.
    assert due(NOW, DARK.start) == (Push.ALERT,)
    assert due(DARK.start, DARK.start + 900) == ()
    assert due(DARK.end - 1, DARK.end) == (Push.ALERT, Push.INSTANT)
    assert due(DARK.end, DARK.end + 899) == ()
    assert due(DARK.end, DARK.end + 900) == (Push.INSTANT,)
    assert notifier.due(NOW, DARK.end + 900, at_block_ends=False) == (Push.ALERT, Push.ALERT)


async def test_a_meter_pushes_when_a_block_ends_and_the_power_goes_and_comes() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    clock = [NOW]

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(unframe(await incoming.read(), source=1, destination=64))
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    notifier = Notifier(device(seller(faults=(DARK,)), clock=lambda: clock[0]))
    async with server, pushing(notifier, "127.0.0.1", port, interval_s=None, beat_s=0.001):
        await asyncio.sleep(0)
        for at, setups in ((DARK.start, ["0004"]), (DARK.end, ["0004", "0000"]), (DARK.end + 900, ["0000"])):
            clock[0] = at
            for setup in setups:
                assert bytes.fromhex(setup + "190900FF") in await asyncio.wait_for(heard.get(), 10)
    await server.wait_closed()
    assert heard.empty()


async def test_a_meter_without_power_pushes_no_values() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    clock = [DARK.start]

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await incoming.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    notifier = Notifier(device(seller(faults=(DARK,)), clock=lambda: clock[0]))
    async with server, pushing(notifier, "127.0.0.1", port, interval_s=0.001, beat_s=60):
        for _ in range(20):
            await asyncio.sleep(0)
        assert heard.empty()
        clock[0] = DARK.end
        assert bytes.fromhex("0000190900FF") in await asyncio.wait_for(heard.get(), 10)
    await server.wait_closed()


async def test_a_meter_that_pushes_values_by_the_clock_pushes_none_at_the_end_of_a_block() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    clock = [NOW]
    later = Outage(start=DARK.end + 1800, end=DARK.end + 2700, zero_rows=True)

    async def take(incoming: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await heard.put(await incoming.read())
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    notifier = Notifier(device(seller(faults=(DARK, later)), clock=lambda: clock[0]))
    async with server, pushing(notifier, "127.0.0.1", port, interval_s=3600, beat_s=0.001):
        assert bytes.fromhex("0000190900FF") in await asyncio.wait_for(heard.get(), 10)
        for at in (DARK.end, later.start):
            clock[0] = at
            # Both ends of the first outage, then the beginning of the second: and no values between them.
            for _ in range(2 if at == DARK.end else 1):
                assert bytes.fromhex("0004190900FF") in await asyncio.wait_for(heard.get(), 10)
    await server.wait_closed()
    assert heard.empty()
