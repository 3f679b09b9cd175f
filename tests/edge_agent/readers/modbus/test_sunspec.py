"""SunSpec by discovery: the chain is walked within bounds, and a point that is not there is never a number."""

import asyncio
import contextlib
import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MeterDecodeError, MeterRefusedError, MeterUnavailableError, ReaderError
from edge_agent.readers.modbus import sunspec
from edge_agent.readers.modbus.register_map import Block, Function
from edge_agent.readers.modbus.sunspec_reader import SunSpecReader

Points = Mapping[int, int | tuple[int, int]]
INTEGERS: Points = {38: (0, 2000), 46: (1, 0), 54: 1}
FLOATS: Points = {60: (0x44FA, 0), 68: (0x461C, 0x4000)}
"""2000 Wh and 10,000 Wh."""


class Memory:
    """A device of words; what it lacks it refuses."""

    def __init__(self, words: Mapping[int, int]) -> None:
        self.words = dict(words)
        self.asked: list[Block] = []
        self.is_silent = False

    async def connect(self) -> None:
        """Always."""

    async def read(self, block: Block) -> Sequence[int]:
        """The words, or the meter's refusal."""
        self.asked.append(block)
        if self.is_silent:
            raise MeterUnavailableError("late")
        assert block.function is Function.HOLDING
        try:
            return tuple(self.words[at] for at in range(block.address, block.address + block.count))
        except KeyError:
            raise MeterRefusedError("exception 2", reason=2) from None

    async def close(self) -> None:
        """Always."""


def text(value: str, words: int) -> list[int]:
    return list(struct.unpack(f">{words}H", value.encode().ljust(2 * words, b"\x00")))


def common(serial: str = "S1", length: int = 66) -> list[int]:
    tail = [1] * (length - 64)
    return [1, length, *text("Acme", 16), *text("M3", 16), *text("", 8), *text("2.1", 8), *text(serial, 16), *tail]


def meter(model: int, points: Points) -> list[int]:
    length = 124 if model >= 211 else 105
    words = [model, length, *([0] * length)]
    for at, value in points.items():
        for offset, word in enumerate(value if isinstance(value, tuple) else (value,)):
            words[at + offset] = word
    return words


def device(*models: Sequence[int], base: int = 40000) -> Memory:
    chain = [0x5375, 0x6E53, *(word for model in models for word in model), 0xFFFF, 0]
    return Memory({base + at: word for at, word in enumerate(chain)})


@pytest.mark.parametrize("model", [201, 202, 203, 204])
async def test_integer_energies_are_scaled_exactly(model: int) -> None:
    reader = SunSpecReader(blocks=device(common(), meter(model, INTEGERS)))
    sample = await reader.sample()
    assert (sample.imported_wh, sample.exported_wh, sample.serial) == (655_360, 20_000, "S1")
    assert sample.quantum_wh == 10
    assert 2**32 * 10 in sample.ends_wh


@pytest.mark.parametrize("model", [211, 212, 213, 214])
async def test_float_energies_are_watt_hours_with_their_own_step(model: int) -> None:
    reader = SunSpecReader(blocks=device(common(), meter(model, FLOATS)))
    sample = await reader.sample()
    assert (sample.imported_wh, sample.exported_wh) == (10_000, 2000)
    assert sample.quantum_wh == 1
    big: Points = {60: (0x44FA, 0), 68: (0x4E6E, 0x6B28)}
    sample = await SunSpecReader(blocks=device(common(), meter(model, big))).sample()
    assert sample.quantum_wh == Decimal(64)


@pytest.mark.parametrize("base", sunspec.BASES)
@pytest.mark.parametrize("length", [65, 66])
async def test_the_chain_is_found_at_each_base_behind_any_models(base: int, length: int) -> None:
    inverter = [103, 50, *([7] * 50)]
    blocks = device(common("INV"), inverter, common("S9", length), [64001, 1, 0], meter(203, INTEGERS), base=base)
    reader = SunSpecReader(blocks=blocks)
    identity = await reader.identity()
    # The plate is that of the common model next before the meter: the first one is the inverter's.
    assert (identity.serial, identity.manufacturer, identity.firmware) == ("S9", "Acme", "2.1")
    assert identity.category == "SunSpec 203 M3"
    assert (await reader.sample()).imported_wh == 655_360


async def test_a_chain_is_walked_once_a_connection() -> None:
    blocks = device(common(), meter(203, INTEGERS))
    async with SunSpecReader(blocks=blocks) as reader:
        await reader.sample()
        walked = len(blocks.asked)
        await reader.sample()
        assert len(blocks.asked) == walked + 2
    await reader.sample()
    assert len(blocks.asked) == 2 * walked + 2


async def test_a_walk_that_was_cut_short_begins_again() -> None:
    blocks = device(common(), meter(203, INTEGERS))
    reader = SunSpecReader(blocks=blocks)
    blocks.is_silent = True
    with pytest.raises(MeterUnavailableError):
        await reader.sample()
    blocks.is_silent = False
    assert (await reader.sample()).imported_wh == 655_360


def scaled(word: int) -> Points:
    return {**INTEGERS, 54: word}


@pytest.mark.parametrize(("word", "wh"), [(0, 65_536), (10, 655_360_000_000_000), (0xFFFF, 6554), (0xFFF6, 0)])
async def test_scale_factors_are_signed_powers_of_ten(word: int, wh: int) -> None:
    reader = SunSpecReader(blocks=device(common(), meter(203, scaled(word))))
    if wh > 10**14:
        with pytest.raises(MeterDecodeError, match="at most"):
            await reader.sample()
    else:
        assert (await reader.sample()).imported_wh == wh


@pytest.mark.parametrize("word", [11, 0xFFF5])
async def test_a_scale_factor_outside_its_range_is_refused_by_name(word: int) -> None:
    with pytest.raises(MeterDecodeError, match=r"from -10 to 10, got .* in 'TotWh_SF'"):
        await SunSpecReader(blocks=device(common(), meter(203, scaled(word)))).sample()


async def test_a_scale_factor_that_is_not_implemented_is_no_scale() -> None:
    with pytest.raises(MeterRefusedError, match="'TotWh_SF' is not implemented"):
        await SunSpecReader(blocks=device(common(), meter(203, scaled(0x8000)))).sample()


async def test_zero_is_not_accumulated() -> None:
    with pytest.raises(MeterDecodeError, match=r"got 0 in 'TotWhImp'.*does not accumulate"):
        await SunSpecReader(blocks=device(common(), meter(203, {**INTEGERS, 46: (0, 0)}))).sample()
    sample = await SunSpecReader(blocks=device(common(), meter(203, {**INTEGERS, 38: (0, 0)}))).sample()
    assert (sample.exported, sample.exported_wh) == (None, None)


async def test_the_float_that_is_no_number_is_not_implemented() -> None:
    with pytest.raises(MeterRefusedError, match="'TotWhImp' is not implemented"):
        await SunSpecReader(blocks=device(common(), meter(213, {**FLOATS, 68: (0x7FC0, 0)}))).sample()
    sample = await SunSpecReader(blocks=device(common(), meter(213, {**FLOATS, 60: (0x7FC0, 0)}))).sample()
    assert sample.exported_wh is None
    with pytest.raises(MeterDecodeError, match="'TotWhImp'"):
        await SunSpecReader(blocks=device(common(), meter(213, {**FLOATS, 68: (0x7F80, 0)}))).sample()


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (Memory({}), "no SunSpec device: expected 'SunS' at one of 40000, 50000, 0"),
        (Memory({40000: 0x5375, 40001: 0x6E54}), "no SunSpec device"),
        (device(common()), "no SunSpec meter model among 1"),
        (device(), "no SunSpec meter model among none"),
    ],
)
async def test_a_device_without_a_meter_is_refused(blocks: Memory, message: str) -> None:
    with pytest.raises(MeterRefusedError, match=message):
        await SunSpecReader(blocks=blocks).sample()


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (device([0, 5]), "got number 0 of length 5"),
        (device([64001, 0]), "got number 64001 of length 0"),
        (device([1, 64]), "length 65 or 66 of SunSpec model 1 at 40002, got 64"),
        (device(common(), [203, 104]), "length 105 of SunSpec model 203"),
        (device(common(), [213, 105]), "length 124 of SunSpec model 213"),
        (device(meter(203, INTEGERS)), "expected SunSpec model 1 before model 203"),
        (device(*([[64001, 1, 0]] * 64)), "within 64 models"),
        (device([64001, 65000], base=0), "SunSpec model or the end|exception 2"),
        (device(common("\x07")), "expected ASCII text"),
        (device(common("\u00e9")), "expected ASCII text"),
    ],
)
async def test_a_chain_that_cannot_be_is_refused(blocks: Memory, message: str) -> None:
    if "ASCII" in message:
        blocks.words.update({40070 + at: word for at, word in enumerate([*meter(203, INTEGERS), 0xFFFF, 0])})
    with pytest.raises((MeterDecodeError, MeterRefusedError), match=message):
        await SunSpecReader(blocks=blocks).sample()


def test_a_chain_ends_before_the_addresses_do() -> None:
    assert sunspec.header_block(0xFFFE).address == 0xFFFE
    with pytest.raises(MeterDecodeError, match="got address 65535"):
        sunspec.header_block(0xFFFF)


async def test_a_chain_of_sixty_three_models_before_the_meter_is_walked() -> None:
    blocks = device(*([[64001, 1, 0]] * 62), common(), meter(203, INTEGERS))
    assert (await SunSpecReader(blocks=blocks).sample()).imported_wh == 655_360


async def test_an_answer_to_another_question_is_not_the_meter() -> None:
    blocks = device(common(), meter(203, INTEGERS))
    reader = SunSpecReader(blocks=blocks)
    await reader.sample()
    blocks.words[40070] = 103
    with pytest.raises(MeterDecodeError, match="expected SunSpec model 203 of length 105 at 40070, got 103"):
        await reader.sample()
    blocks.words[40002] = 2
    with pytest.raises(MeterDecodeError, match="expected SunSpec model 1 of length 66"):
        await reader.identity()


def test_the_reads_of_a_meter_have_lengths_of_their_own() -> None:
    for model in (203, 213):
        for length in (65, 66):
            chain = sunspec.Chain(
                common=sunspec.Header(address=2, model=1, length=length),
                meter=sunspec.Header(address=70, model=model, length=105),
            )
            lengths = [2, sunspec.plate_block(chain).count, sunspec.energy_block(chain).count]
            assert len(set(lengths)) == 3
            assert max(lengths) <= 125


@given(
    st.sampled_from(sorted(sunspec.INTEGER_METERS | sunspec.FLOAT_METERS)),
    st.lists(st.integers(0, 0xFFFF), min_size=70, max_size=70),
)
def test_any_energies_are_a_reading_or_a_readers_error(model: int, said: list[int]) -> None:
    length = 124 if model >= 211 else 105
    chain = sunspec.Chain(
        common=sunspec.Header(address=2, model=1, length=66),
        meter=sunspec.Header(address=70, model=model, length=length),
    )
    words = [model, length, *said][: sunspec.energy_block(chain).count]
    try:
        sample = sunspec.sample(chain, words, None)
    except ReaderError as error:
        assert "TotWh" in str(error)  # noqa: PT017 - what is refused is the law
        return
    assert sample.imported_wh >= 0
    assert sample.exported_wh is None or sample.exported_wh >= 0


@given(st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=400))
def test_any_device_is_walked_to_an_end(said: list[int]) -> None:
    blocks = device(said)
    blocks.words.update(dict.fromkeys(range(65_534, 65_536), 0xFFFF))
    with contextlib.suppress(ReaderError):
        asyncio.run(_sample(blocks))
    assert len(blocks.asked) <= 2 + sunspec.MOST_MODELS + 2


async def _sample(blocks: Memory) -> None:
    await SunSpecReader(blocks=blocks).sample()
