"""What a meter pushes, and that it arrives."""

import asyncio

from firmware_sim.dlms.axdr import Reader, date_time
from firmware_sim.dlms.notification import Notifier
from firmware_sim.dlms.push import push_once, pushing
from tests.firmware_sim.dlms.ciphered_wire import KEYS, METER, behind_length, device, uncover
from tests.firmware_sim.dlms.wire import unframe
from tests.firmware_sim.meters import NOW, seller


def checked(apdu: bytes, number: int) -> None:
    """Assert that `apdu` is the notification of that number."""
    assert apdu[:5] == b"\x0f" + number.to_bytes(4, "big")
    assert apdu[5:18] == b"\x0c" + date_time(NOW)
    cursor = Reader(apdu[18:])
    body = cursor.data()
    cursor.end()
    assert isinstance(body, list)
    assert body[:3] == [METER, bytes.fromhex("0000190900FF"), date_time(NOW)]
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
