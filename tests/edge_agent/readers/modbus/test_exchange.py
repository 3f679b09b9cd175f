"""What an answer is worth: only the one that was asked for, from the one that was asked."""

import asyncio
import logging

import pytest
from pymodbus.pdu import ExceptionResponse
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.exchange import leave_alone, until_quiet, words_of
from edge_agent.readers.modbus.register_map import Block, Function
from edge_agent.readers.modbus.transport import TcpBlocks
from firmware_sim.modbus.line_faults import Late
from firmware_sim.modbus.server import serve
from firmware_sim.modbus.session import Others
from firmware_sim.modbus.table import HOLDING, Table, fixed

BLOCK = Block(function=Function.HOLDING, address=0x10, count=2)


def test_the_words_of_the_right_answer() -> None:
    answer = ReadHoldingRegistersResponse(dev_id=7, registers=[1, 2])
    assert words_of(answer, BLOCK, unit=7, peer="x") == (1, 2)


def test_another_units_answer_is_refused_even_if_it_is_a_refusal() -> None:
    for answer in (ReadHoldingRegistersResponse(dev_id=8, registers=[1, 2]), ExceptionResponse(3, 2, device_id=8)):
        with pytest.raises(MeterDecodeError, match=r"expected an answer of unit 7 at x to 2 holding .*, got 8"):
            words_of(answer, BLOCK, unit=7, peer="x")


def test_another_functions_answer_is_refused() -> None:
    with pytest.raises(MeterDecodeError, match="2 holding registers from 0x0010, got function 4"):
        words_of(ReadInputRegistersResponse(dev_id=7, registers=[1, 2]), BLOCK, unit=7, peer="x")


def test_a_refusal_is_told_from_being_busy() -> None:
    with pytest.raises(MeterRefusedError, match="unit 7 at x refuses 2 holding registers from 0x0010: exception 2"):
        words_of(ExceptionResponse(3, 2, device_id=7), BLOCK, unit=7, peer="x")
    with pytest.raises(MeterUnavailableError, match="exception 6"):
        words_of(ExceptionResponse(3, 6, device_id=7), BLOCK, unit=7, peer="x")


async def test_a_peer_that_was_late_is_left_alone_and_no_other() -> None:
    loop = asyncio.get_running_loop()
    leave_alone("late", 0.05)
    started = loop.time()
    await until_quiet("other")
    assert loop.time() - started < 0.04
    await until_quiet("late")
    assert loop.time() - started >= 0.049
    ended = loop.time()
    await until_quiet("late")
    assert loop.time() - ended < 0.04


async def test_a_late_reply_never_answers_another_reader_of_the_same_gateway() -> None:
    registers = Table(values={HOLDING: {at: fixed(bytes([0, at])) for at in range(0x20)}})
    async with serve(registers, now=lambda: 0, faults=(Late(0.2),)) as port:
        first, second = (TcpBlocks(host="127.0.0.1", port=port, unit=1, timeout_s=0.1, quiet_s=0.3) for _ in range(2))
        with pytest.raises(MeterUnavailableError):
            await first.read(BLOCK)
        await first.close()
        started = asyncio.get_running_loop().time()
        await second.connect()
        assert asyncio.get_running_loop().time() - started >= 0.25
        other = Block(function=Function.HOLDING, address=0x12, count=2)
        assert list(await second.read(other)) == [0x12, 0x13]
        await second.close()


async def test_a_unit_that_is_gone_does_not_hold_up_the_others_of_its_gateway() -> None:
    registers = Table(values={HOLDING: {at: fixed(bytes([0, at])) for at in range(0x20)}})
    loop = asyncio.get_running_loop()
    async with serve(registers, now=lambda: 0, unit=2, others=Others.SILENT) as port:
        gone, there = (TcpBlocks(host="127.0.0.1", port=port, unit=unit, timeout_s=0.05, quiet_s=5) for unit in (1, 2))
        with pytest.raises(MeterUnavailableError, match="unit 1"):
            await gone.read(BLOCK)
        started = loop.time()
        assert list(await there.read(BLOCK)) == [0x10, 0x11]
        assert loop.time() - started < 1
        await gone.close()
        await there.close()


def test_the_library_logs_no_payloads() -> None:
    assert not logging.getLogger("pymodbus.logging").isEnabledFor(logging.ERROR)
