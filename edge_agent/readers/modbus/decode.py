"""Words of a Modbus block to exact register values, and whether they can be a reading at all."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from edge_agent.errors import MeterDecodeError
from edge_agent.readers.modbus.register_map import Block, MapRegister, RegisterMap, WordOrder, WordType
from edge_agent.registers import UNIT_WATT_HOURS, RegisterSample, RegisterValue, float_parts, watt_hours_exact


def register_octets(register: MapRegister, block: Block, words: Sequence[int]) -> bytes:
    """The octets of `register` inside `block`, most significant first."""
    at = register.address - block.address
    mine = list(words[at : at + register.type.words])
    if register.word_order is WordOrder.CDAB:
        mine.reverse()
    return b"".join(word.to_bytes(2, "big") for word in mine)


def exact(register: MapRegister, octets: bytes) -> tuple[int, int]:
    """The number in `octets` as (integer, power of ten), exact: a float is a binary fraction.

    Raises:
        MeterDecodeError: naming the register, when a float is not finite.
    """
    if register.type is not WordType.FLOAT32:
        return int.from_bytes(octets, "big", signed=register.type is WordType.INT64), 0
    value: float = struct.unpack(">f", octets)[0]
    return float_parts(value, register.name)


def quantum(register: MapRegister, octets: bytes) -> Decimal:
    """The step of the register at this reading, in Wh: for a float, the distance to the next one."""
    if register.type is not WordType.FLOAT32:
        return Decimal(1).scaleb(register.scaler)
    here = int.from_bytes(octets, "big") & 0x7FFFFFFF
    value, following = (Decimal(struct.unpack(">f", bits.to_bytes(4, "big"))[0]) for bits in (here, here + 1))
    return (following - value).scaleb(register.scaler)


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
class _Energy:
    value: RegisterValue
    whole_wh: int
    quantum_wh: Decimal


def _energy(register: MapRegister, of: RegisterMap, words: tuple[int, ...]) -> _Energy:
    octets = register_octets(register, of.energy_block(), words)
    raw, exponent = exact(register, octets)
    value = RegisterValue(register=register.name, raw=raw, scaler=exponent + register.scaler, unit=UNIT_WATT_HOURS)
    energy = watt_hours_exact(value)
    assert energy is not None  # the raw integer is there
    if energy > of.limit_wh:
        raise MeterDecodeError(
            f"expected at most {of.limit_wh:f} Wh, got {energy:f} in '{register.name}': "
            f"check the word order of {of.model}"
        )
    # Rounded while cumulative, half to even: differences of these add up; rounded differences would not.
    whole_wh = int(energy.to_integral_value(rounding=ROUND_HALF_EVEN))
    return _Energy(value=value, whole_wh=whole_wh, quantum_wh=max(quantum(register, octets), Decimal(1)))


def sample(of: RegisterMap, words: Sequence[int], serial: str | None) -> RegisterSample:
    """The energies in the words of `of.energy_block()`.

    Raises:
        MeterDecodeError: naming the register, when the count is wrong or a value cannot be a reading: not finite, negative,
            or more than the meter can show.
    """
    block_words = checked_words(words, of.energy_block())
    imported = _energy(of.imported, of, block_words)
    exported = None if of.exported is None else _energy(of.exported, of, block_words)
    return RegisterSample(
        serial=serial,
        imported=imported.value,
        exported=None if exported is None else exported.value,
        imported_wh=imported.whole_wh,
        exported_wh=None if exported is None else exported.whole_wh,
        quantum_wh=max(each.quantum_wh for each in (imported, exported) if each is not None),
        words=block_words,
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
