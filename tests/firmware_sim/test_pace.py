"""The time of a line."""

import asyncio
from fractions import Fraction

from firmware_sim.pace import PacedWriter, line_seconds


def test_a_byte_takes_ten_bits() -> None:
    assert line_seconds(960, 9600) == 1
    assert line_seconds(1, 9600) == Fraction(1, 960)


async def test_without_a_speed_everything_is_written_at_once() -> None:
    written: list[bytes] = []
    writer = PacedWriter(written.append, None)
    writer.send(100, b"answer")
    writer.send(100, b"")
    writer.after(lambda: written.append(b"end"))
    assert written == [b"answer", b"end"]


async def test_a_slow_line_takes_its_time_and_keeps_the_order() -> None:
    loop = asyncio.get_running_loop()
    written: list[bytes] = []
    done = loop.create_future()
    writer = PacedWriter(written.append, 48_000)
    began = loop.time()
    writer.send(40, bytes(100))
    writer.send(40, b"\x01" * 60)
    writer.after(lambda: done.set_result(None))
    assert written == []
    await asyncio.wait_for(done, 10)
    assert loop.time() - began >= 240 * 10 / 48_000 * 0.999
    assert b"".join(written) == bytes(100) + b"\x01" * 60
    assert max(map(len, written)) <= 32


async def test_a_stopped_line_writes_nothing_more() -> None:
    written: list[bytes] = []
    writer = PacedWriter(written.append, 100_000)
    writer.send(1, bytes(64))
    writer.stop()
    loop = asyncio.get_running_loop()
    later = loop.create_future()
    loop.call_later(0.02, later.set_result, None)
    await later
    assert written == []
