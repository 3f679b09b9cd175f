"""One owner per serial port: units queue, a late reply never becomes another register's value, and what fails is named."""

import asyncio
import contextlib
import fcntl
import os
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from edge_agent.errors import MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.readers.modbus.register_map import Block, Function
from edge_agent.readers.modbus.serial_line import LineSettings, SerialBlocks, line_of
from edge_agent.readers.modbus.turns import YIELD_S
from firmware_sim.modbus.line_faults import Late, LineFault, Noisy, Sent, Silent, Slow
from firmware_sim.modbus.rtu import Slaves, crc
from firmware_sim.modbus.serial import serve_pty
from firmware_sim.modbus.table import HOLDING, Table, fixed

ENERGIES = Block(function=Function.HOLDING, address=0x48, count=2)
OTHERS = Block(function=Function.HOLDING, address=0x4A, count=2)


def echo(high: int) -> Table:
    """A meter whose words are its own number and the register's address."""
    return Table(values={HOLDING: {at: fixed(bytes([high, at])) for at in range(0x100)}})


def slaves(*units: int) -> Slaves:
    return Slaves({unit: echo(unit) for unit in units}, now=lambda: 0)


def settings(path: str) -> LineSettings:
    return LineSettings(device=path, baud=115200, parity="N", stop_bits=1)


def blocks(path: str, unit: int = 1, timeout_s: float = 0.2) -> SerialBlocks:
    return SerialBlocks(settings=settings(path), unit=unit, timeout_s=timeout_s, quiet_s=0.3)


async def test_words_come_in_order_and_the_port_is_free_again() -> None:
    async with serve_pty(slaves(1)) as path:
        for _ in range(2):
            meter = blocks(path)
            await meter.connect()
            assert list(await meter.read(ENERGIES)) == [0x148, 0x149]
            assert list(await meter.read(OTHERS)) == [0x14A, 0x14B]
            await meter.close()
            await meter.close()
            assert not line_of(settings(path)).is_used


async def test_a_late_reply_never_answers_the_next_question_of_the_same_length() -> None:
    async with serve_pty(slaves(1), faults=(Late(0.3),)) as path:
        meter = blocks(path)
        with pytest.raises(MeterUnavailableError, match="unit 1 to 2 holding registers from 0x0048 within"):
            await meter.read(ENERGIES)
        assert list(await meter.read(OTHERS)) == [0x14A, 0x14B]
        await meter.close()


async def test_a_reply_that_comes_while_the_next_question_would_be_asked_is_waited_for() -> None:
    # Its answer comes 1.2 s after the question; asked again without a quiet period, it would come before the next answer.
    async with serve_pty(slaves(1), faults=(Slow(seconds=0.3), Late(0.9))) as path:
        meter = SerialBlocks(settings=settings(path), unit=1, timeout_s=0.5, quiet_s=0.9)
        with pytest.raises(MeterUnavailableError):
            await meter.read(ENERGIES)
        assert list(await meter.read(OTHERS)) == [0x14A, 0x14B]
        await meter.close()


async def test_a_late_reply_never_answers_the_next_reader_either() -> None:
    async with serve_pty(slaves(1), faults=(Late(0.3),)) as path:
        first = blocks(path)
        with pytest.raises(MeterUnavailableError):
            await first.read(ENERGIES)
        await first.close()
        second = blocks(path)
        assert list(await second.read(OTHERS)) == [0x14A, 0x14B]
        await second.close()


async def test_a_late_reply_of_one_unit_never_answers_for_another() -> None:
    async with serve_pty(slaves(1, 2), faults=(Late(0.25),)) as path:
        one, two = blocks(path, 1), blocks(path, 2, timeout_s=0.5)
        with pytest.raises(MeterUnavailableError):
            await one.read(ENERGIES)
        assert list(await two.read(ENERGIES)) == [0x248, 0x249]
        await one.close()
        await two.close()


async def test_a_silent_unit_does_not_hold_up_the_others_of_its_line() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(slaves(2)) as path:
        gone, there = blocks(path, 1, timeout_s=0.05), blocks(path, 2)
        with pytest.raises(MeterUnavailableError, match="unit 1"):
            await gone.read(ENERGIES)
        started = loop.time()
        assert list(await there.read(ENERGIES)) == [0x248, 0x249]
        assert loop.time() - started < 0.25
        with pytest.raises(MeterUnavailableError, match="unit 1"):
            await gone.read(ENERGIES)
        assert loop.time() - started >= 0.29
        await gone.close()
        await there.close()


async def test_units_of_one_line_queue_for_it() -> None:
    async with serve_pty(slaves(1, 2, 3)) as path:
        meters = [blocks(path, unit, timeout_s=1) for unit in (1, 2, 3)]
        answers = await asyncio.gather(*(meter.read(ENERGIES) for meter in meters for _ in range(3)))
        assert [list(answer) for answer in answers] == [
            [u << 8 | 0x48, u << 8 | 0x49] for u in (1, 2, 3) for _ in "abc"
        ]
        for meter in meters:
            await meter.close()


async def test_a_meter_that_is_slower_than_most_is_read() -> None:
    async with serve_pty(slaves(1), faults=(Slow(seconds=0.15),)) as path:
        meter = blocks(path)
        assert list(await meter.read(ENERGIES)) == [0x148, 0x149]
        await meter.close()


@pytest.mark.parametrize("fault", [Silent(), Noisy()])
async def test_silence_and_noise_are_no_answer(fault: LineFault) -> None:
    async with serve_pty(slaves(1), faults=(fault,)) as path:
        meter = blocks(path, timeout_s=0.1)
        with pytest.raises(MeterUnavailableError, match="no answer"):
            await meter.read(ENERGIES)
        await meter.close()


async def test_a_noisy_line_is_read_when_the_noise_is_over() -> None:
    async with serve_pty(slaves(1), faults=(Noisy(),)) as path:
        meter = blocks(path, timeout_s=0.1)
        with pytest.raises(MeterUnavailableError):
            await meter.read(ENERGIES)
        assert list(await meter.read(OTHERS)) == [0x14A, 0x14B]
        await meter.close()


async def test_a_refusal_names_the_block_and_leaves_the_line_open() -> None:
    async with serve_pty(slaves(1)) as path:
        meter = blocks(path)
        with pytest.raises(MeterRefusedError, match="2 holding registers from 0x0200: exception 2") as caught:
            await meter.read(replace(ENERGIES, address=0x200))
        assert caught.value.reason == 2
        assert list(await meter.read(ENERGIES)) == [0x148, 0x149]
        await meter.close()


async def test_a_cancelled_read_gives_its_turn_and_the_port_up() -> None:
    async with serve_pty(slaves(2)) as path:
        waiting, other = blocks(path, 1, timeout_s=30), blocks(path, 2)
        task = asyncio.create_task(_read(waiting))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(await other.read(ENERGIES)) == [0x248, 0x249]
        await waiting.close()
        await other.close()


async def test_the_answer_to_a_cancelled_question_never_answers_the_next_one() -> None:
    async with serve_pty(slaves(1), faults=(Slow(seconds=0.3),)) as path:
        meter = SerialBlocks(settings=settings(path), unit=1, timeout_s=1, quiet_s=0.4)
        task = asyncio.create_task(_read(meter))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(await meter.read(OTHERS)) == [0x14A, 0x14B]
        await meter.close()


async def _read(meter: SerialBlocks) -> None:
    await meter.read(ENERGIES)


async def test_one_line_has_one_setting_while_it_is_used() -> None:
    async with serve_pty(slaves(1)) as path:
        meter = blocks(path)
        await meter.connect()
        other = SerialBlocks(settings=replace(settings(path), baud=9600), unit=2, timeout_s=1)
        with pytest.raises(MeterRefusedError, match=r"at 9600 8N1 beside .* at 115200 8N1"):
            await other.connect()
        await meter.close()
        await other.connect()
        await other.close()


async def test_two_names_of_one_port_are_one_line(tmp_path: Path) -> None:
    name = tmp_path / "by-id"
    async with serve_pty(slaves(1)) as path:
        name.symlink_to(path)
        meter = blocks(path)
        await meter.connect()
        assert line_of(settings(str(name))) is line_of(settings(path))
        await meter.close()


async def test_a_port_that_is_not_there_is_unavailable_and_counts_no_user(tmp_path: Path) -> None:
    path = str(tmp_path / "ttyUSB9")
    meter = blocks(path)
    with pytest.raises(MeterUnavailableError, match=r"cannot open the serial line .*ttyUSB9 at 115200 8N1"):
        await meter.connect()
    assert not line_of(settings(path)).is_used
    await meter.close()


async def test_a_port_that_cannot_be_set_so_is_unavailable() -> None:
    async with serve_pty(slaves(1)) as path:
        # A pseudo-terminal has no parity.
        meter = SerialBlocks(settings=replace(settings(path), parity="E"), unit=1, timeout_s=1)
        with pytest.raises(MeterUnavailableError, match=r"cannot open the serial line .* at 115200 8E1"):
            await meter.connect()


@contextmanager
def held_by_another_program() -> Iterator[str]:
    """A pseudo-terminal that somebody holds for itself."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield os.ttyname(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


async def test_a_port_that_another_program_holds_is_unavailable() -> None:
    with held_by_another_program() as path:
        meter = blocks(path)
        with pytest.raises(MeterUnavailableError, match="no other program holds it"):
            await meter.connect()
        await meter.close()


async def test_after_a_time_out_the_port_is_given_up_until_it_is_asked_again() -> None:
    async with serve_pty(slaves(2)) as path:
        gone, there = blocks(path, 1, timeout_s=0.05), blocks(path, 2)
        await there.read(ENERGIES)
        port = os.open(path, os.O_RDWR | os.O_NOCTTY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(MeterUnavailableError):
            await gone.read(ENERGIES)
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(port)
        assert list(await there.read(ENERGIES)) == [0x248, 0x249]
        await gone.close()
        await there.close()


async def test_a_silence_stands_between_an_answer_and_the_next_question() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(slaves(1)) as path:
        slow = replace(settings(path), baud=1200)
        meter = SerialBlocks(settings=slow, unit=1, timeout_s=1)
        await meter.read(ENERGIES)
        answered = loop.time()
        await meter.read(ENERGIES)
        # The meter's own silence before it answers is shorter: it takes the line for one of 9600 baud.
        assert loop.time() - answered >= slow.gap_s
        await meter.close()


class LateOnce:
    """The first answer comes too late."""

    def __init__(self) -> None:
        self._seconds = 0.25

    def on(self, sent: Sent) -> Sent:
        seconds, self._seconds = self._seconds, 0.0
        return replace(sent, after_s=sent.after_s + seconds)


async def test_a_meter_that_was_late_is_asked_last_by_the_next_reader_too_until_it_answers() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(slaves(1), faults=(LateOnce(),)) as path:
        took = []
        for _ in range(3):
            meter = blocks(path)
            await meter.connect()
            started = loop.time()
            with contextlib.suppress(MeterUnavailableError):
                await meter.read(ENERGIES)
            took.append(loop.time() - started)
            await meter.close()
    assert took[1] >= YIELD_S
    assert took[2] < YIELD_S


async def test_the_length_of_an_answer_is_no_lateness() -> None:
    async with serve_pty(slaves(1), faults=(Slow(seconds=0.5),)) as path:
        # 256 octets take 2.1 s at 1200 baud.
        meter = SerialBlocks(settings=replace(settings(path), baud=1200), unit=1, timeout_s=0.1)
        assert list(await meter.read(ENERGIES)) == [0x148, 0x149]
        await meter.close()


def test_a_character_takes_its_bits_and_the_gap_has_a_floor() -> None:
    slow = LineSettings(device="/dev/x", baud=9600, parity="E", stop_bits=1)
    assert slow.character_s == pytest.approx(11 / 9600)
    assert slow.gap_s == pytest.approx(3.5 * 11 / 9600)
    assert replace(slow, baud=115200).gap_s == pytest.approx(0.00175)
    assert replace(slow, parity="N").character_s == pytest.approx(10 / 9600)
    assert str(slow) == "/dev/x at 9600 8E1"


async def test_a_meter_that_is_gone_is_asked_after_the_others_of_its_line() -> None:
    loop = asyncio.get_running_loop()
    async with serve_pty(slaves(2, 3)) as path:
        gone = blocks(path, 1, timeout_s=0.8)
        others = [blocks(path, unit) for unit in (2, 3)]
        with pytest.raises(MeterUnavailableError):
            await gone.read(ENERGIES)
        await asyncio.sleep(0.3)
        again = asyncio.create_task(gone.read(ENERGIES))
        await asyncio.sleep(0)
        started = loop.time()
        await asyncio.gather(*(meter.read(ENERGIES) for meter in others for _ in range(4)))
        assert loop.time() - started < 0.8
        with pytest.raises(MeterUnavailableError):
            await again
        for meter in (gone, *others):
            await meter.close()


@settings_of(max_examples=60, deadline=None)
@given(st.binary(max_size=40), st.sampled_from([3, 4, 0x83, 0x2B, 0x18, 0x14, 0x0C]), st.booleans())
def test_whatever_comes_is_words_or_a_readers_error(noise: bytes, function: int, is_checked: bool) -> None:  # noqa: FBT001
    asyncio.run(_noise(bytes([1, function]) + noise, is_checked=is_checked))


async def _noise(told: bytes, *, is_checked: bool) -> None:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    loop = asyncio.get_running_loop()
    loop.add_reader(ours, lambda: os.read(ours, 4096) and os.write(ours, told + crc(told) if is_checked else told))
    meter = SerialBlocks(settings=settings(os.ttyname(theirs)), unit=1, timeout_s=0.001, quiet_s=0)
    try:
        words = await meter.read(ENERGIES)
        assert is_checked
        assert told[1] == 3
        assert len(words) == told[2] // 2
    except ReaderError:
        pass
    finally:
        await meter.close()
        loop.remove_reader(ours)
        os.close(ours)
        os.close(theirs)
