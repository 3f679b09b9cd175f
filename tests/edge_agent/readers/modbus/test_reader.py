"""The Modbus reader: the serial number first, then both energies in one block."""

from collections.abc import Sequence

import pytest

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError
from edge_agent.readers.modbus.reader import ModbusReader
from edge_agent.readers.modbus.register_map import Block, Function, parse_map
from edge_agent.readers.open import known_maps

SDM630 = parse_map(known_maps()["sdm630"], "sdm630")


class Scripted:
    """Answers each block with the next of its answers."""

    def __init__(self, **answers: Sequence[int] | Exception) -> None:
        self.answers = answers
        self.asked: list[Function] = []

    async def connect(self) -> None:
        """Always."""

    async def read(self, block: Block) -> Sequence[int]:
        """The answer for its table."""
        self.asked.append(block.function)
        answer = self.answers[block.function.value]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """Always."""


ONE_AND_TWO = (0x3F80, 0, 0x4000, 0)


async def test_a_sample_reads_the_serial_number_and_then_one_block() -> None:
    blocks = Scripted(holding=(0, 7), input=ONE_AND_TWO)
    async with ModbusReader(blocks=blocks, register_map=SDM630) as reader:
        sample = await reader.sample()
    assert (sample.serial, sample.imported_wh, sample.exported_wh) == ("7", 1000, 2000)
    assert blocks.asked == [Function.HOLDING, Function.INPUT]


async def test_a_serial_number_that_is_refused_is_unknown_and_not_asked_again() -> None:
    blocks = Scripted(holding=MeterRefusedError("no"), input=ONE_AND_TWO)
    async with ModbusReader(blocks=blocks, register_map=SDM630) as reader:
        assert (await reader.sample()).serial is None
        assert (await reader.sample()).serial is None
    assert blocks.asked == [Function.HOLDING, Function.INPUT, Function.INPUT]


async def test_a_serial_number_that_does_not_come_is_no_sample() -> None:
    blocks = Scripted(holding=MeterUnavailableError("late"), input=ONE_AND_TWO)
    async with ModbusReader(blocks=blocks, register_map=SDM630) as reader:
        with pytest.raises(MeterUnavailableError, match="late"):
            await reader.sample()


@pytest.mark.parametrize("words", [(0, 7), ONE_AND_TWO[:3], (*ONE_AND_TWO, 0)])
async def test_a_block_of_another_length_is_no_sample(words: tuple[int, ...]) -> None:
    async with ModbusReader(blocks=Scripted(holding=(0, 7), input=words), register_map=SDM630) as reader:
        with pytest.raises(MeterDecodeError, match="expected 4 words"):
            await reader.sample()
