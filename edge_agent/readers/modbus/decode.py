"""Words of a Modbus block to exact register values, and whether they can be a reading at all."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.modbus.register_map import Block, MapRegister, RegisterMap, WordOrder, WordType
from edge_agent.registers import UNIT_WATT_HOURS, RegisterSample, RegisterValue, float_parts, watt_hours_exact

LEAST_WH: Final = Decimal("0.01")
"""The least that a float may show besides 0."""


def register_octets(register: MapRegister, block: Block, words: Sequence[int]) -> bytes:
    """The octets of `register` inside `block`, most significant first."""
    at = register.address - block.address
    mine = list(words[at : at + register.type.words])
    if register.word_order is WordOrder.CDAB:
        mine.reverse()
    return b"".join(word.to_bytes(2, "big") for word in mine)


def _other_order(octets: bytes) -> bytes:
    return b"".join(octets[at : at + 2] for at in range(len(octets) - 2, -1, -2))


def exact(register: MapRegister, octets: bytes) -> tuple[int, int]:
    """The number in `octets` as (integer, power of ten), exact: a float is a binary fraction.

    Raises:
        MeterDecodeError: naming the register, when a float is not finite.
    """
    if register.type is not WordType.FLOAT32:
        return int.from_bytes(octets, "big", signed=register.type.is_signed), 0
    value: float = struct.unpack(">f", octets)[0]
    return float_parts(value, register.name)


def quantum(register: MapRegister, octets: bytes) -> Decimal:
    """The step of the register at this reading, in Wh: for a float, the distance to the next one."""
    if register.type is not WordType.FLOAT32:
        return Decimal(register.factor).scaleb(register.scaler)
    here = int.from_bytes(octets, "big") & 0x7FFFFFFF
    value, following = (Decimal(struct.unpack(">f", bits.to_bytes(4, "big"))[0]) for bits in (here, here + 1))
    return ((following - value) * register.factor).scaleb(register.scaler)


def checked_words(words: Sequence[int], block: Block) -> tuple[int, ...]:
    """`words`, as many as were asked for.

    Raises:
        MeterDecodeError: when there are more or fewer: the answer belongs to another question.
    """
    if len(words) != block.count:
        raise MeterDecodeError(
            f"expected {block.count} words from {block.function.value} register 0x{block.address:04x}, got {len(words)}"
        )
    return tuple(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """One cumulative energy, as it came and in whole Wh."""

    value: RegisterValue
    whole_wh: int
    quantum_wh: Decimal
    swapped_wh: int | None
    """What it would be with its words in the other order; None where that could not be a reading."""
    ends_wh: tuple[int, ...]
    """See `RegisterSample.ends_wh`."""


def energy(register: MapRegister, octets: bytes, *, limit_wh: Decimal, model: str) -> Energy:
    """The energy in the `octets` of `register`.

    Raises:
        MeterDecodeError: naming the register, when it cannot be a reading: not finite, negative, not accumulated, more than
            `limit_wh`, or a float that no meter counts in.
    """
    if register.type is WordType.ACC32 and not any(octets):
        raise MeterDecodeError(f"expected an energy, got 0 in '{register.name}': {model} does not accumulate it")
    value, exact_wh = _exact_wh(register, octets)
    swapped = _swapped(register, octets, limit_wh)
    if exact_wh > limit_wh:
        hint = "" if swapped is None else f" (in the other order it is {swapped} Wh)"
        raise MeterDecodeError(
            f"expected at most {limit_wh:f} Wh, got {exact_wh:f} in '{register.name}': "
            f"check the word order of {model}{hint}"
        )
    if _is_dust(register, exact_wh):
        raise MeterDecodeError(
            f"expected 0 Wh or a hundredth at least, got {exact_wh:.3e} in '{register.name}': check the word order of {model}"
        )
    step = quantum(register, octets)
    # Where the display is full, one step before it is empty again; and where the words are.
    ends = {_rounded(limit_wh + step)}
    if register.type.ends is not None:
        ends.add(_rounded((Decimal(register.type.ends) * register.factor).scaleb(register.scaler)))
    return Energy(
        value=value,
        # Rounded while cumulative, half to even: differences of these add up; rounded differences would not.
        whole_wh=_rounded(exact_wh),
        quantum_wh=max(step, Decimal(1)),
        swapped_wh=swapped,
        ends_wh=tuple(sorted(ends)),
    )


def _exact_wh(register: MapRegister, octets: bytes) -> tuple[RegisterValue, Decimal]:
    raw, exponent = exact(register, octets)
    value = RegisterValue(
        register=register.name, raw=raw * register.factor, scaler=exponent + register.scaler, unit=UNIT_WATT_HOURS
    )
    exact_wh = watt_hours_exact(value)
    assert exact_wh is not None  # the raw integer is there
    return value, exact_wh


def _swapped(register: MapRegister, octets: bytes, limit_wh: Decimal) -> int | None:
    if len(octets) < 4:
        return None
    try:
        _, exact_wh = _exact_wh(register, _other_order(octets))
    except MeterDecodeError:
        return None
    return _rounded(exact_wh) if exact_wh <= limit_wh and not _is_dust(register, exact_wh) else None


def _is_dust(register: MapRegister, exact_wh: Decimal) -> bool:
    """Whether it is a float so small that no meter counts in it. Half of what floats in the wrong word order read as is that, and
    would be signed as no energy, block after block.
    """
    return register.type is WordType.FLOAT32 and 0 < exact_wh < LEAST_WH


def _rounded(exact_wh: Decimal) -> int:
    return int(exact_wh.to_integral_value(rounding=ROUND_HALF_EVEN))


def sample(of: RegisterMap, words: Sequence[int], serial: str | None) -> RegisterSample:
    """The energies in the words of `of.energy_block()`.

    Raises:
        MeterDecodeError: naming the register, when the count is wrong or a value cannot be a reading: not finite, negative,
            or more than the meter can show.
    """
    block = of.energy_block()
    block_words = checked_words(words, block)

    def read(register: MapRegister) -> Energy:
        octets = register_octets(register, block, block_words)
        return energy(register, octets, limit_wh=of.limit_wh, model=of.model)

    return joined(read(of.imported), None if of.exported is None else read(of.exported), block_words, serial)


def joined(imported: Energy, exported: Energy | None, words: tuple[int, ...], serial: str | None) -> RegisterSample:
    """Both energies of one block read."""
    swapped = None
    if imported.swapped_wh is not None and (exported is None or exported.swapped_wh is not None):
        swapped = (imported.swapped_wh, None if exported is None else exported.swapped_wh)
    both = [each for each in (imported, exported) if each is not None]
    return RegisterSample(
        serial=serial,
        imported=imported.value,
        exported=None if exported is None else exported.value,
        imported_wh=imported.whole_wh,
        exported_wh=None if exported is None else exported.whole_wh,
        quantum_wh=max(each.quantum_wh for each in both),
        words=words,
        ends_wh=tuple(sorted({end for each in both for end in each.ends_wh})),
        swapped_wh=swapped,
    )


def serial_text(of: RegisterMap, words: Sequence[int]) -> str | None:
    """The serial number in the words of `of.serial_block()`; None for 0, which a blank meter shows.

    Raises:
        MeterDecodeError: when the count is wrong.
    """
    block = of.serial_block()
    if block is None or of.serial is None:
        return None
    number, _ = exact(of.serial, register_octets(of.serial, block, checked_words(words, block)))
    return str(number) if number else None
